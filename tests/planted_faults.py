"""An archive with everything wrong that a crawl can hold, sound pages between, and what is to become of each."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import lz4.frame
import zstandard
from warc_builder import OK_HTML, SENTENCE, html, response, warc

BIG_PAGE_BYTES = 200_000_000


class Planted(NamedTuple):
    """One fault: what is stored, and what becomes of it."""

    name: str
    stored: bytes  # as it stands in the file
    outcomes: tuple[str, ...]  # of its records: kept, or the reason
    text: str | None = None  # must stand in the document


def planted(codec: str) -> Iterator[Planted]:
    """The faults in the order of the file, a sound page after each but the last.

    Args:
        codec: gzip, zstd or lz4, of which each record is a member or frame.
    """
    for number, fault in enumerate(_faults(codec)):
        yield fault
        sound = response(f"sound-{number}")
        yield Planted("sound", _compressed(sound, codec), ("kept",), f"{SENTENCE} sound-{number}.")
    yield Planted("tail", _compressed(response("tail"), codec)[:-9], ("truncated",))


def _faults(codec: str) -> Iterator[Planted]:
    for name, record, outcome, text in _bad_records():
        yield Planted(name, _compressed(record, codec), (outcome,), text)
    same = response("twice", WARC_Record_ID="<urn:uuid:12345678-1234-1234-1234-123456789abc>")
    yield Planted("duplicate record ids", _compressed(same, codec) * 2, ("kept", "kept"), f"{SENTENCE} twice.")
    whole = _compressed(response("cut"), codec)
    yield Planted("truncated member", whole[: len(whole) * 2 // 3], (codec,))
    yield Planted("no member", b"Internal Server Error\r\n" * 9, (f"not_{codec}",))
    yield Planted("two records in a member", _compressed(response("a") + response("b"), codec), ("kept", "kept"))
    yield Planted("200 MB page", _big_page(codec), ("too_long",))


def _bad_records() -> Iterator[tuple[str, bytes, str, str | None]]:
    """Name, record, what becomes of it, and what its text must hold."""
    yield "zero-length record", warc("response", b""), "empty", None
    yield "zero-length body", response(1, body=b""), "empty", None
    yield "only tags", response(1, body=b"<html><body></body></html>"), "empty", None
    yield "length beyond all bounds", response(1, Content_Length="99999999"), "kept", f"{SENTENCE} 1."
    yield "no length", response(1, Content_Length=None), "kept", f"{SENTENCE} 1."
    yield "no type", response(1, WARC_Type=None), "not_response", None
    yield "no header", b"<html>no archive's record</html>", "bad_header", None
    yield "no date", response(1, WARC_Date="yesterday"), "kept", f"{SENTENCE} 1."
    yield "URL that is none", response(1, WARC_Target_URI="\x00" + "x" * 90_000), "kept", f"{SENTENCE} 1."
    for tag in (b"<div>", b"<b>", b"<table><tr><td>", b"<ul><li>", b"<blockquote>"):
        nested = b"<html><body>" + tag * 40_000 + html(1) + b"</body></html>"
        yield f"deeply nested {tag.decode()}", response(1, body=nested), "kept", f"{SENTENCE} 1."
    yield "body that grows", response(1, _head("Content-Encoding: gzip"), _bomb()), "http_body", None
    yield "body of noise", response(1, _head("Content-Encoding: gzip"), b"\0\1\2\3"), "http_body", None
    for name, head, body in _odd_letters():
        yield name, response(1, head, f"<html><body><p>{SENTENCE} ".encode() + body), "kept", SENTENCE
    page = f"<html><body><p>Größe: {SENTENCE}, naïve café.</p></body></html>"
    for label in ("utf-16", "shift_jis", "no-such-charset", "iso-8859-1"):
        head = _head(f"Content-Type: text/html; charset={label}")
        yield f"UTF-8 labelled {label}", response(1, head, page.encode()), "kept", "Größe"
    head = _head("Content-Type: text/html; charset=utf-8")
    yield "Latin-1 labelled UTF-8", response(1, head, page.encode("latin-1")), "kept", "naïve café"


def _odd_letters() -> Iterator[tuple[str, bytes, bytes]]:
    yield "invalid UTF-8", OK_HTML, b"\xff\xc3\x28 \xe2\x82 and so on. \xf8\x88\x80\x80\x80</p>"
    yield "lone surrogates as bytes", OK_HTML, b"\xed\xa0\x80 and \xed\xb0\x80 so on.</p>"
    yield "lone surrogates as references", OK_HTML, b"&#xD800; and &#56320; so on &#x110000;.</p>"
    yield "NUL and controls", OK_HTML, b"\0\x01\x1b and &#0; so on.\x7f</p>"


def _head(line: str) -> bytes:
    kind = "" if line.startswith("Content-Type") else "Content-Type: text/html\r\n"
    return f"HTTP/1.1 200 OK\r\n{kind}{line}\r\n\r\n".encode()


def _bomb() -> bytes:
    return gzip.compress(b"<p>" + b" " * 60_000_000, 1)


def _compressed(record: bytes, codec: str) -> bytes:
    compress = {"gzip": zlib_member, "zstd": zstandard.ZstdCompressor().compress, "lz4": lz4.frame.compress}
    return bytes(compress[codec](record))


def zlib_member(record: bytes) -> bytes:
    """One gzip member."""
    return gzip.compress(record, mtime=0)


def _big_page(codec: str) -> bytes:
    """A page of ``BIG_PAGE_BYTES``, made and stored without ever being held."""
    paragraph = b"<p>" + SENTENCE.encode() + b" and on it goes.</p>\n"
    chunk = paragraph * (1_000_000 // len(paragraph))
    count = BIG_PAGE_BYTES // len(chunk) + 1
    head = response("big", body=b"", Content_Length=str(len(OK_HTML) + count * len(chunk))).removesuffix(b"\r\n\r\n")
    state = {
        "gzip": lambda: zlib.compressobj(1, wbits=31),
        "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
        "lz4": _Lz4,
    }[codec]()
    parts = [state.compress(head), *(state.compress(chunk) for _ in range(count)), state.compress(b"\r\n\r\n")]
    return b"".join([*parts, state.flush()])


class _Lz4:
    """LZ4's compressor under the names of the other two."""

    def __init__(self) -> None:
        self._state = lz4.frame.LZ4FrameCompressor()
        self._begin = self._state.begin()

    def compress(self, data: bytes) -> bytes:
        begin, self._begin = self._begin, b""
        return begin + bytes(self._state.compress(data))

    def flush(self) -> bytes:
        return bytes(self._state.flush())
