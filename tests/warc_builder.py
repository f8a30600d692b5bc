"""Web archives built by hand: pages, records, members and frames, and reading them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import lz4.frame
import zstandard

from pipeline.config import ExtractConfig
from pipeline.read_warc import read_warc
from pipeline.records import Piece, Record

SENTENCE = "A page with a sentence that is long enough to be taken for content, number"
OK_HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def html(number: object) -> bytes:
    """A page with one sentence of its own."""
    return f"<html><head><title>Page {number}</title></head><body><p>{SENTENCE} {number}.</p></body></html>".encode()


def response(number: object, head: bytes = OK_HTML, body: bytes | None = None, **headers: str | None) -> bytes:
    """A response record; headers override, ``None`` leaves one out."""
    return warc("response", head + (html(number) if body is None else body), number, **headers)


def warc(kind: str, block: bytes, number: object = 0, version: bytes = b"WARC/1.0", **headers: str | None) -> bytes:
    """A record of any kind, with the line ends behind it."""
    fields = {
        "WARC-Type": kind,
        "WARC-Target-URI": f"http://example.org/{number}",
        "WARC-Date": "2020-01-02T03:04:05Z",
        "Content-Length": str(len(block)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [version, *(f"{name}: {value}".encode() for name, value in fields.items() if value is not None)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + block + b"\r\n\r\n"


def arc(url: str, kind: str, body: bytes) -> bytes:
    """An ARC record (its header has one line in versions 1 and 2 alike, but for the number of fields)."""
    return f"{url} 1.2.3.4 20080509190241 {kind} {len(body)}\n".encode() + body + b"\n"


def pack(*records: bytes, codec: str = "gzip") -> bytes:
    """One gzip member, Zstandard or LZ4 frame a record."""
    if codec == "zstd with dictionary":
        return pack_with_dictionary(records)
    compress = {"gzip": _gzip, "zstd": zstandard.ZstdCompressor().compress, "lz4": lz4.frame.compress}[codec]
    return b"".join(compress(record) for record in records)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def pack_with_dictionary(records: Iterable[bytes], is_packed: bool = True) -> bytes:
    """As archive teams write ``.warc.zst``: the dictionary first, in a frame that decoders skip, then the records."""
    samples = [response(f"{number} of many samples {number * number}") for number in range(500)]
    dictionary = zstandard.train_dictionary(8192, samples)
    stored = dictionary.as_bytes()
    if is_packed:
        stored = zstandard.ZstdCompressor().compress(stored)
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    head = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
    return head + b"".join(compressor.compress(record) for record in records)


def read(path: Path, data: bytes | None = None, start: int = 0, end: int = -1, reader: Any = read_warc, **config: Any):
    """The records of a file, or of a byte range of it, after writing it when its bytes are given."""
    if data is not None:
        path.write_bytes(data)
    piece = Piece(str(path), path.name, "massiveweb", "warc", start, end)
    return list(reader(piece, ExtractConfig(**config)))


def read_cut(path: Path, cuts: Iterable[int]) -> list[Record]:
    """The records of all ranges between the cuts."""
    return [record for start, end in pairwise([0, *cuts, -1]) for record in read(path, None, start, end)]


def outcomes(records: Iterable[Record]) -> list[str]:
    """The reason of each record, or ``kept``."""
    return [record.reason or record.outcome for record in records]


def repeated(chunk: bytes, count: int) -> Iterator[bytes]:
    """A long stream in pieces."""
    for _ in range(count):
        yield chunk
