"""Which reader reads which format, and which files may be cut into byte ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pipeline import read_warc
from pipeline.byte_streams import is_compressed
from pipeline.config import ExtractConfig
from pipeline.read_books import read_gutenberg, read_text
from pipeline.read_code import read_code
from pipeline.read_jsonl import read_jsonl
from pipeline.read_parquet import read_parquet
from pipeline.read_wikipedia import read_wikipedia
from pipeline.records import Piece, Record
from pipeline.storage import open_read

Reader = Callable[[Piece, ExtractConfig], Iterator[Record]]

READERS: Final[dict[str, Reader]] = {
    "warc": read_warc.read_warc,
    "wet": read_warc.read_wet,
    "wikipedia": read_wikipedia,
    "gutenberg": read_gutenberg,
    "text": read_text,
    "jsonl": read_jsonl,
    "c4": read_jsonl,
    "parquet": read_parquet,
    "code": read_code,
}


def read_records(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a piece: every raw record that starts in it, once, in order; bad data never raises."""
    return READERS[piece.format](piece, config)


def is_splittable(path: str, format: str) -> bool:
    """Whether the byte ranges of a file may be read by different shards.

    Looks at the file's head, not at its name. Archives: plain, or of one gzip member a record. JSON lines: plain.
    Parquet: by row groups.
    """
    if format in ("warc", "wet"):
        return read_warc.is_splittable(path)
    if format in ("jsonl", "c4"):
        with open_read(path) as stream:
            return not is_compressed(stream.read(4))
    return format == "parquet"
