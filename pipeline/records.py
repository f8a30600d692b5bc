"""What a reader makes of raw input: one ``Record`` for everything seen, kept, dropped with a reason, or failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.schema import DROPPED, FAILED, KEPT


class RawDocument(NamedTuple):
    """A document before it has an id."""

    text: str
    title: str | None = None
    url: str | None = None
    timestamp: datetime | None = None  # aware, UTC
    meta: Mapping[str, str] = MappingProxyType({})


class Record(NamedTuple):
    """One raw record of the input and what became of it."""

    offset: int  # first byte (or row) of the raw record
    length: int  # its size in the same unit
    member: str  # path within an archive, else ""
    url: str | None
    raw_sha256: bytes  # of the raw record as stored; empty unless kept
    outcome: str
    reason: str | None
    error: str | None
    document: RawDocument | None
    source: str | None = None  # its file, when that is not the piece's: of a record that an index names
    refers_to: str | None = None  # the record that holds what this one lacks: of a revisit

    @classmethod
    def kept(cls, offset: int, length: int, raw_sha256: bytes, document: RawDocument, member: str = "") -> Record:
        """A record that gave a document."""
        return cls(offset, length, member, document.url, raw_sha256, KEPT, None, None, document)

    @classmethod
    def dropped(cls, offset: int, length: int, reason: str, url: str | None = None, member: str = "") -> Record:
        """A sound record that is not wanted."""
        return cls(offset, length, member, url, b"", DROPPED, reason, None, None)

    @classmethod
    def failed(
        cls, offset: int, length: int, reason: str, error: object, url: str | None = None, member: str = ""
    ) -> Record:
        """A record that could not be read; ``error`` is the exception or a sentence."""
        text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
        return cls(offset, length, member, url, b"", FAILED, reason, text, None)

    def but_dropped(self, reason: str) -> Record:
        """The same record, dropped after all."""
        return self._replace(outcome=DROPPED, reason=reason, raw_sha256=b"", document=None)


@dataclass(frozen=True)
class Piece:
    """A stretch of one input file that one shard reads."""

    path: str  # with the filesystem's scheme, if any
    source: str  # relative to the input's root, with "/"
    subset: str
    format: str
    start: int = 0  # a record belongs to the piece in which it starts
    end: int = -1  # -1: to the end of the file
    fields: dict[str, str] = field(default_factory=dict)
    is_screened: bool = False  # whether records on a blocklist are dropped
    hosts: list[str] = field(default_factory=list)  # of an index: whose records are read; none = all
    warc_root: str = ""  # of an index: folder or URL below which its archives are

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Piece:
        """Read a piece out of a shard descriptor."""
        return cls(**data)
