"""HTTP responses as archives hold them: status, headers, and the body with its transfer and content encodings undone.

Archives often hold bodies that were decoded before they were written while the headers still name the encoding. Such
a body is taken as it is. A body that breaks off is given as far as it goes, and ``damage`` says so.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import Final, NamedTuple

from fastwarc.stream_io import BrotliReader, ZstdReader

_STATUS_LINE = re.compile(rb"HTTP/[\d.]+[ \t]+(\d{3})")
_HEADER_END = re.compile(rb"\r*\n\r*\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,4096})?\r?\n")
_CHARSET = re.compile(r"""charset[ ]*=[ ]*["']?([^\s"';,]+)""", re.IGNORECASE)
_ZLIB_WBITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Response(NamedTuple):
    """A response as far as it could be read."""

    status: int | None  # None without a status line
    content_type: str | None  # lower case, without parameters
    charset: str | None  # of the Content-Type header
    body: bytes  # decoded
    damage: tuple[str, ...]  # chunked, content_encoding: what broke off


class BodyError(ValueError):
    """A body that cannot be decoded at all, or decodes to too much."""


def parse_headers(header: bytes) -> dict[str, str]:
    """Header lines to values by lower-case name: any line ends, continued lines joined, of equal names the first."""
    headers: dict[str, str] = {}
    name = ""
    for line in header.split(b"\n")[1:]:
        if line[:1] in (b" ", b"\t") and name:
            headers[name] += " " + line.strip().decode("utf-8", "replace")
        elif b":" in line:
            key, value = line.split(b":", 1)
            name = key.strip().lower().decode("latin-1")
            headers.setdefault(name, value.strip().decode("utf-8", "replace"))
    return headers


def parse_response(block: bytes, max_body_bytes: int) -> Response:
    """Read the block of a response record.

    Args:
        block: Status line, headers and body. Without a status line all of it is the body.
        max_body_bytes: The most that a body may decode to.

    Raises:
        BodyError: See there.
    """
    status_line = _STATUS_LINE.match(block)
    if status_line is None:
        return Response(None, None, None, block, ())
    end = _HEADER_END.search(block)
    header, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    headers = parse_headers(header)
    damage = []
    transfer = [coding.strip() for coding in headers.get("transfer-encoding", "").lower().split(",")]
    if "chunked" in transfer:
        body, is_whole = dechunk(body)
        damage += [] if is_whole else ["chunked"]
    for coding in reversed([*headers.get("content-encoding", "").lower().split(","), *transfer]):
        body, is_whole = _decode_content(body, coding.strip(), max_body_bytes)
        damage += [] if is_whole else ["content_encoding"]
    content_type = headers.get("content-type", "")
    charset = _CHARSET.search(content_type)
    media_type = content_type.split(";")[0].split(",")[0].strip().lower()
    return Response(int(status_line[1]), media_type or None, charset[1] if charset else None, body, tuple(damage))


def dechunk(body: bytes) -> tuple[bytes, bool]:
    """Undo chunked transfer encoding.

    Returns:
        The body as far as its chunks are whole or begun, and whether the last chunk was reached. A body that does not
        begin with a chunk's size was decoded before and comes back as it is.
    """
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK_SIZE.match(body, at):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts), True
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size
        at += 2 if body.startswith(b"\r\n", at) else 1 if body.startswith(b"\n", at) else 0
    return (b"".join(parts), False) if parts else (body, True)


def _decode_content(body: bytes, coding: str, max_body_bytes: int) -> tuple[bytes, bool]:
    if coding in _ZLIB_WBITS:
        decoded, is_whole = _inflate(body, _ZLIB_WBITS[coding], max_body_bytes)
        if not decoded and coding == "deflate":
            decoded, is_whole = _inflate(body, -15, max_body_bytes)  # what some servers call deflate
    elif coding in ("br", "zstd"):
        decoded, is_whole = _read_coded(body, coding, max_body_bytes)
    else:
        return body, True  # chunked, identity, and labels that name no encoding, as utf-8
    if len(decoded) > max_body_bytes:
        raise BodyError(f"the body decodes to more than {max_body_bytes} bytes")
    if decoded or is_whole or not body:
        return decoded, is_whole
    if _is_text(body):
        return body, True
    raise BodyError(f"the body is not {coding}")


def _inflate(body: bytes, wbits: int, max_body_bytes: int) -> tuple[bytes, bool]:
    """Decompress one or several gzip or zlib streams, as far as they go."""
    parts, size = [], 0
    while body and size <= max_body_bytes:
        state = zlib.decompressobj(wbits=wbits)
        try:
            parts.append(state.decompress(body, max_body_bytes + 1 - size))
        except zlib.error:
            # the call that fails gives nothing: what comes before the fault is had in smaller steps
            parts.append(_inflate_to_fault(body, wbits, max_body_bytes + 1 - size))
            return b"".join(parts), bool(parts[:-1])
        size += len(parts[-1])
        if not state.eof:
            return b"".join(parts), False
        body = state.unused_data
    return b"".join(parts), True


def _inflate_to_fault(body: bytes, wbits: int, max_bytes: int) -> bytes:
    state, parts, size = zlib.decompressobj(wbits=wbits), [], 0
    try:
        for start in range(0, len(body), 256):
            parts.append(state.decompress(body[start : start + 256], max_bytes - size) if size < max_bytes else b"")
            size += len(parts[-1])
    except zlib.error:
        pass
    return b"".join(parts)


def _read_coded(body: bytes, coding: str, max_body_bytes: int) -> tuple[bytes, bool]:
    stream = io.BytesIO(body)
    reader = BrotliReader(stream) if coding == "br" else ZstdReader(stream)
    parts: list[bytes] = []
    size = 0
    try:
        while size <= max_body_bytes and (piece := reader.read(65_536)):
            parts.append(piece)
            size += len(piece)
    except OSError:
        return b"".join(parts), False
    return b"".join(parts), True


def _is_text(body: bytes) -> bool:
    return b"\0" not in body[:1024] and b"<" in body[:1024]
