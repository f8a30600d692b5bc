"""The lines of a blocklist in the notations that published lists have, each cut down to the address that it names.

UT1 and squidGuard write ``bad.com`` and ``bad.com/page``, hosts files ``0.0.0.0 bad.com``, ad blockers
``||bad.com^``, others ``*.bad.com``, ``.bad.com`` or ``http://bad.com/``; all may end in white space and a comment.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from ada_url import URL
from numba import njit

from filters.utf8 import Bytes

_HASH, _BANG, _AT, _BAR, _CARET, _STAR, _DOT, _SLASH, _COLON, _BRACKET = (ord(mark) for mark in "#!@|^*./:[")
_SPACE: Final = 0x20
_MAX_SCHEME: Final = 8  # letters


def in_ascii(lines: bytes) -> bytes:
    """Whole lines with the addresses beyond ASCII, and those of IPv6, spelt as browsers and ``ada_url`` spell them.

    Hosts become punycode, paths percent-encoded UTF-8. A line that is no address stays as it is.
    """
    if lines.isascii() and b"::" not in lines and b"[" not in lines:
        return lines
    parts = lines.split(b"\n")
    for number, line in enumerate(parts):
        if not line.isascii() or b"::" in line or b"[" in line:
            parts[number] = _spelt(line)
    return b"\n".join(parts)


def _spelt(line: bytes) -> bytes:
    start, end = address_in(np.frombuffer(line, np.uint8), 0, len(line))
    address = line[start:end].decode("utf-8", "replace")
    is_bare_ipv6 = "::" in address and not address.startswith("[")
    try:
        url = URL(f"http://[{address}]" if is_bare_ipv6 else f"http://{address}")
    except ValueError:
        return line
    path = url.pathname + url.search
    return (url.hostname if path == "/" else url.hostname + path).encode()


@njit(cache=True, nogil=True)
def address_in(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Where the address that a line names starts and ends: host and path, without marks around them.

    Returns:
        Two equal positions for an empty line, a comment, and an ad blocker's heading or exception. A line that is no
        address gives what is left of it.
    """
    start, end = _trimmed(data, start, end)
    if end - start >= 3 and data[start] == 0xEF and data[start + 1] == 0xBB and data[start + 2] == 0xBF:
        start, end = _trimmed(data, start + 3, end)
    if start == end or _is_remark(data, start, end):
        return start, start
    stop = _word_end(data, start, end)
    after, _ = _trimmed(data, stop, end)
    if after == end or data[after] == _HASH:
        end = stop
    elif _is_number(data, start, stop):  # a line of a hosts file; of several names the first
        start, end = after, _word_end(data, after, end)
    start, end = _without_marks(data, start, end)
    return start, end


@njit(cache=True, nogil=True)
def _trimmed(data: Bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start] <= _SPACE:
        start += 1
    while end > start and data[end - 1] <= _SPACE:
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _is_remark(data: Bytes, start: int, end: int) -> bool:
    """Whether a line is a comment, ``@@`` (an exception), or a heading such as ``[Adblock Plus 2.0]``."""
    first = data[start]
    if first in (_HASH, _BANG):
        return True
    if first == _AT:
        return start + 1 < end and data[start + 1] == _AT
    return first == _BRACKET and not (data[start:end] == _COLON).any()


@njit(cache=True, nogil=True)
def _word_end(data: Bytes, start: int, end: int) -> int:
    while start < end and data[start] > _SPACE:
        start += 1
    return start


@njit(cache=True, nogil=True)
def _is_number(data: Bytes, start: int, end: int) -> bool:
    """Whether this is an address of nowhere, as ``127.0.0.1`` or ``::``: digits, dots and colons alone."""
    is_number = True
    for byte in data[start:end]:
        is_number &= 0x30 <= byte <= 0x39 or byte in (_DOT, _COLON)
    return is_number


@njit(cache=True, nogil=True)
def _without_marks(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """An address without scheme, wild cards and marks of ad blockers, and without what names nothing at its end."""
    if end - start > 2 and data[start] == _BAR and data[start + 1] == _BAR:
        start += 2
        for at in range(start, end):
            if data[at] == _CARET:
                end = at
                break
    start = _scheme_end(data, start, end)
    while start < end and (data[start] == _STAR or data[start] == _DOT):
        start += 1
    while end > start and (data[end - 1] == _SLASH or data[end - 1] == _HASH or data[end - 1] == _STAR):
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _scheme_end(data: Bytes, start: int, end: int) -> int:
    at = start
    while at < end and at - start < _MAX_SCHEME and 0x61 <= data[at] | 0x20 <= 0x7A:
        at += 1
    is_scheme = at + 2 < end and data[at] == _COLON and data[at + 1] == _SLASH and data[at + 2] == _SLASH
    return at + 3 if is_scheme else start
