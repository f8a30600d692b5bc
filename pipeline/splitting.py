"""Which files may be cut into byte ranges; for planning, so without the readers and their parsers."""

from __future__ import annotations

from pipeline.byte_streams import is_compressed
from pipeline.bz2_streams import has_streams
from pipeline.storage import open_read
from pipeline.warc_files import archive_offsets


def is_splittable(path: str, format: str) -> bool:
    """Whether the byte ranges of a file may be read by different shards.

    Looks at the file's head, not at its name. Archives: plain, or of one gzip member or Zstandard or LZ4 frame a
    record. JSON lines: plain. Parquet: always, by row groups. Nothing else: not one gzip member or frame over many
    records, nor bzip2. Indexes of archives are cut by the records that they name (``pipeline.warc_index``).
    """
    if format in ("warc", "wet"):
        return archive_offsets(path) != "decompressed byte"
    if format in ("jsonl", "c4"):
        with open_read(path) as stream:
            return not is_compressed(stream.read(8))
    if format == "wikipedia":
        with open_read(path) as stream:
            return not is_compressed(stream.read(8)) or has_streams(stream)
    return format == "parquet"


def offset_kind(path: str, format: str) -> str:
    """What a document's ``offset`` and ``length`` count in this file; it stands in the manifest.

    Returns:
        ``gzip member``, ``zstd frame``, ``lz4 frame`` (its first byte and size as stored), ``byte`` (of the file),
        ``decompressed byte``, ``bzip2 stream`` (its first byte as stored, and the record's size), ``row`` (number, and
        1), ``archive member`` (its header after decompression, and its size), ``file`` (0, and its size as stored) or
        ``index`` (that the file names other files, into which they go).
    """
    if format in ("gutenberg", "text", "epub"):
        return "file"
    if format in ("parquet", "code"):
        return "row" if format == "parquet" else "archive member"
    if format in ("cc-index", "cdxj"):
        return "index"
    if format in ("warc", "wet"):
        return archive_offsets(path)
    with open_read(path) as stream:
        if format == "wikipedia" and has_streams(stream):
            return "bzip2 stream"
        stream.seek(0)
        return "decompressed byte" if is_compressed(stream.read(8)) else "byte"
