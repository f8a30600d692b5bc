"""Which files may be cut into byte ranges; for planning, so without the readers and their parsers."""

from __future__ import annotations

from pipeline.byte_streams import is_compressed
from pipeline.storage import open_read
from pipeline.warc_files import is_splittable_archive


def is_splittable(path: str, format: str) -> bool:
    """Whether the byte ranges of a file may be read by different shards.

    Looks at the file's head, not at its name. Archives: plain, or of one gzip member a record. JSON lines: plain.
    Parquet: always, by row groups. Nothing else.
    """
    if format in ("warc", "wet"):
        return is_splittable_archive(path)
    if format in ("jsonl", "c4"):
        with open_read(path) as stream:
            return not is_compressed(stream.read(4))
    return format == "parquet"


def offset_kind(path: str, format: str) -> str:
    """What a document's ``offset`` and ``length`` count in this file; it stands in the manifest.

    Returns:
        ``gzip member`` (its first byte and size as stored), ``byte`` (of the file), ``decompressed byte``, ``row``
        (number, and 1), ``archive member`` (its header after decompression, and its size) or ``file`` (0, and its size
        as stored).
    """
    if format in ("gutenberg", "text"):
        return "file"
    if format in ("parquet", "code"):
        return "row" if format == "parquet" else "archive member"
    with open_read(path) as stream:
        if not is_compressed(stream.read(4)):
            return "byte"
    return "gzip member" if format in ("warc", "wet") and is_splittable_archive(path) else "decompressed byte"
