"""Rows of indexes of web archives, as told by whatever format, checked: an index may come from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeGuard

_MAX_OFFSET: Final = 1 << 63  # what our columns hold
_MAX_LENGTH: Final = 1 << 40  # so that sums of many are still numbers of 64 bits
_TEXTUAL: Final = frozenset(("text/html", "application/xhtml+xml", "text/plain"))


class Entry(NamedTuple):
    """One row of an index: a record's place."""

    position: int  # of the row: its number in a table, its first byte (after decompression) in a file of lines
    size: int  # of the row: 1, or its bytes
    url: str | None
    filename: str  # of the archive, below the root of the archives; empty with a problem
    offset: int  # in the archive, as stored
    length: int  # bytes
    status: int | None  # None when it isn't told
    media_type: str | None  # as the server said, or as was detected; lower case; None when it isn't told
    problem: str | None = None  # why the row names no record

    @property
    def record(self) -> tuple[str, int, str | None]:
        """What the row names: a place, and which record of those that one member may hold."""
        return self.filename, self.offset, self.url

    @property
    def unwanted(self) -> str | None:
        """Why the record need not be read: the reason that reading it would give."""
        if self.status not in (None, 200):
            return "status"
        return None if self.media_type is None or self.media_type in _TEXTUAL else "content_type"


def entry_of(position: int, size: int, row: Mapping[str, Any]) -> Entry:
    """An entry of what a row says, under CDXJ's names; what it does not say is missing or None."""
    url = row.get("url")
    try:
        filename, offset, length = str(row["filename"] or ""), int(row["offset"]), int(row["length"])
        filename.encode()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return bad_entry(position, size, f"filename, offset and length are needed; {error!r}", url)
    if not _is_text(url):
        return bad_entry(position, size, "no URL")
    if not _is_below(filename) or not 0 <= offset < _MAX_OFFSET or not 0 < length < _MAX_LENGTH:
        return bad_entry(position, size, f"no place of a record: {filename!r}, offset {offset}, length {length}", url)
    return Entry(position, size, url, filename, offset, length, _status(row), _media_type(row))


def bad_entry(position: int, size: int, problem: str, url: Any = None) -> Entry:
    """A row that names no record, and why."""
    return Entry(position, size, url if _is_text(url) else None, "", 0, 0, None, None, problem)


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is a string without the lone surrogates that JSON escapes, or bytes that are no UTF-8, bring."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _is_below(filename: str) -> bool:
    """Whether a file's name stays below the root: an index may come from anybody."""
    parts = filename.split("/")
    return all(part not in ("", "..") for part in parts) and "://" not in filename and "\\" not in filename


def _status(row: Mapping[str, Any]) -> int | None:
    text = str(row.get("status") or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _media_type(row: Mapping[str, Any]) -> str | None:
    for name in ("mime", "mime-detected"):
        text = str(row.get(name) or "").split(";")[0].strip().lower()
        if "/" in text and text != "warc/revisit":  # "unk" and "-" are nothing; a revisit tells when it is read
            return text
    return None
