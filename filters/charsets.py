"""Bytes to text: which character set a page or file is written in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_META_CHARSET = re.compile(
    rb"""<meta[^>]{1,500}?charset[ \t\r\n]*=[ \t\r\n"']*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE
)
_META_WINDOW = 8192  # bytes; HTML asks for the first 1,024, real pages put scripts before it
_ISO_2022_ESCAPES = (b"\x1b$", b"\x1b(")  # 7-bit, so that it passes as UTF-8
_DETECTOR_WINDOW = 131_072  # bytes
_MAX_BAD_SHARE = 0.1  # of the characters beyond ASCII that may be undecodable under a character set that is believed


def decode(data: bytes, charset: str | None = None, is_html: bool = False) -> str:
    """Decode text of unknown origin; never fails.

    The order is that of ``notes`` measured on 25 character sets: byte-order mark, strict UTF-8, the transport's label,
    the page's ``meta`` element, UTF-8 with a few bad bytes, a statistical detector. A label counts when at most a
    tenth of the characters beyond ASCII are undecodable under it, so that one broken byte doesn't discredit a true
    label, and a false ``utf-8`` over Latin-1 does not win.

    Args:
        data: The bytes as they came, transfer and content encodings undone.
        charset: Label from the HTTP header, in any case and spelling; unknown labels are ignored.
        is_html: Also look for a ``meta`` element.

    Returns:
        Text without byte-order mark and without lone surrogates; undecodable bytes are U+FFFD.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    if (text := _strict_utf8(data)) is not None:
        return text
    for name in _labels(data, charset, is_html):
        text = data.decode(name, "replace")
        if _is_plausible(text):
            return text
    return _detected(data)


def _strict_utf8(data: bytes) -> str | None:
    """UTF-8 without fault, but for a last character that was cut short; None when it is something else."""
    if b"\0" in data or (b"\x1b" in data and any(escape in data for escape in _ISO_2022_ESCAPES)):
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        is_cut = (
            error.reason == "unexpected end of data" and not before.isascii()
        )  # else it may be Latin-1's last letter
        return before.decode("utf-8") if is_cut else None


def _labels(data: bytes, charset: str | None, is_html: bool) -> Iterator[str]:
    if charset and (name := _python_codec(charset)):
        yield name
    if is_html and (match := _META_CHARSET.search(data, 0, _META_WINDOW)):
        name = _python_codec(match[1].decode("ascii"))
        if name and not name.startswith("utf-16"):  # it was readable as ASCII, so it isn't UTF-16 (WHATWG says UTF-8)
            yield name
    if b"\0" not in data:
        yield "utf-8"


def _python_codec(label: str) -> str | None:
    """The codec of a WHATWG label; None for unknown ones, and for Python's own such as ``unicode_escape``."""
    name = map_encoding_to_html5(label.strip(" \t\r\n\"'").lower(), fallback_utf8=False)
    return str(name) if name else None


def _is_plausible(text: str) -> bool:
    num_beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") <= _MAX_BAD_SHARE * num_beyond_ascii


def _detected(data: bytes) -> str:
    name = detect_encoding(data[:_DETECTOR_WINDOW]) or "cp1252"
    text = data.decode(name, "replace")
    if _is_plausible(text):
        return text
    try:
        return data.decode("euc_kr")  # the detector takes all of it for UTF-8
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
