"""Where HTML's tags, comments, attributes and raw text end: kernels over a page's UTF-8 bytes.

None of them raises or reads outside the page, whatever the bytes; each is linear in what it passes over.

Source: the HTML standard, 13.2.5 (tokenization).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types

from filters.utf8 import Bytes

DOUBLE_QUOTE, SINGLE_QUOTE, DASH, SLASH = 0x22, 0x27, 0x2D, 0x2F
LESS, EQUALS, GREATER, BANG = 0x3C, 0x3D, 0x3E, 0x21


_ENDS_NAME: Final = np.isin(np.arange(256), [0x20, 0x0A, 0x09, 0x0D, 0x0C, SLASH, EQUALS])

# The C library's, linked by name: 0.01 to 0.3 ns a byte, where a loop in Numba takes 0.6 to 0.9.
_memchr = types.ExternalFunction("memchr", types.uintp(types.uintp, types.int32, types.uintp))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def is_space(byte: int) -> bool:
    """HTML's white space: tab, line feed, form feed, carriage return, space."""
    return byte == 0x20 or byte == 0x0A or byte == 0x09 or byte == 0x0D or byte == 0x0C


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def is_letter(byte: int) -> bool:
    """An ASCII letter."""
    return 0x61 <= (byte | 0x20) <= 0x7A


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def find(source: Bytes, byte: int, position: int) -> int:
    """The next position of ``byte``, or the page's size."""
    size = len(source)
    if position >= size:
        return size
    start = source.ctypes.data
    found = _memchr(start + np.uintp(position), byte, np.uintp(size - position))
    offset: Any = np.int64(found - start)
    return offset if found else size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _find_before(source: Bytes, byte: int, position: int, stop: int) -> int:
    """The next position of ``byte``, or ``stop``; ``position <= stop``."""
    start = source.ctypes.data
    found = _memchr(start + np.uintp(position), byte, np.uintp(stop - position))
    offset: Any = np.int64(found - start)
    return offset if found else stop


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def next_attribute(source: Bytes, position: int, stop: int) -> tuple[int, int, int, int, int]:
    """Read the next attribute of an element.

    Args:
        source: The page.
        position: The element's ``start`` in the tree, later the last number of the previous call's result.
        stop: The element's ``stop``.

    Returns:
        ``(name_start, name_stop, value_start, value_stop, position)``. No attribute left: ``name_start`` is -1. Without
        a value its span is empty. Names come in any case, values with character references as they stand.
    """
    while position < stop and (is_space(source[position]) or source[position] == SLASH):
        position += 1
    if position >= stop:
        return -1, -1, -1, -1, stop
    name_start = position
    position += 1  # a first "=" belongs to the name
    while position < stop and not _ENDS_NAME[source[position]]:
        position += 1
    name_stop = position
    while position < stop and is_space(source[position]):
        position += 1
    if position >= stop or source[position] != EQUALS:
        return name_start, name_stop, name_stop, name_stop, position
    value_start, value_stop, position = _value(source, position + 1, stop)
    return name_start, name_stop, value_start, value_stop, position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _value(source: Bytes, position: int, stop: int) -> tuple[int, int, int]:
    """Span of the value that follows a ``=``, and where to go on."""
    while position < stop and is_space(source[position]):
        position += 1
    if position < stop and source[position] in (DOUBLE_QUOTE, SINGLE_QUOTE):
        quote, start = source[position], position + 1
        position = _find_before(source, quote, start, stop)
        return start, position, min(position + 1, stop)
    start = position
    while position < stop and not is_space(source[position]):
        position += 1
    return start, position, position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def tag_stop(source: Bytes, position: int, absent: npt.NDArray[np.int64]) -> int:
    """Find the ``>`` that ends a tag.

    A quote that the rest of the page does not close would hide all that follows. Such a value ends at the next ``>``
    instead: browsers drop the tag and the page with it, here the page is what counts.

    Args:
        source: The page.
        position: Behind the tag's name.
        absent: int64 [256], for each quote the position from which on it is known not to occur; keeps time linear.

    Returns:
        Position of the ``>``; the page's size when there is none.
    """
    size = len(source)
    has_name = False  # a "=" before any name belongs to the name
    while position < size:
        byte = source[position]
        if byte == GREATER:
            return position
        if byte == EQUALS and has_name:
            position = _value_end(source, position + 1, absent)
            has_name = False
            continue
        has_name = byte != SLASH and (has_name or not is_space(byte))
        position += 1
    return size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _value_end(source: Bytes, position: int, absent: npt.NDArray[np.int64]) -> int:
    size = len(source)
    while position < size and is_space(source[position]):
        position += 1
    if position < size and source[position] in (DOUBLE_QUOTE, SINGLE_QUOTE):
        quote, start = source[position], position + 1
        if start >= absent[quote]:
            return find(source, GREATER, start)
        position = find(source, quote, start)
        if position < size:
            return position + 1
        absent[quote] = start
        return find(source, GREATER, start)
    while position < size and source[position] != GREATER and not is_space(source[position]):
        position += 1
    return position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def markup_stop(source: Bytes, position: int) -> int:
    """Where a comment, doctype, CDATA section outside of svg and math, or other declaration ends, one past its ``>``.

    Args:
        source: The page.
        position: Behind the ``<``, where a ``!``, ``?`` or ``/`` stands.

    Returns:
        The page's size for one that does not end: as in browsers, the rest is a comment.
    """
    size = len(source)
    if position + 2 < size and source[position + 1] == DASH and source[position + 2] == DASH:
        return _comment_stop(source, position + 3)
    return min(find(source, GREATER, position) + 1, size)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _comment_stop(source: Bytes, position: int) -> int:
    r"""One past the end of a comment whose text starts at ``position``: ``-->``, ``--!>``, or a first ``>``, ``->``."""
    size, start = len(source), position
    if position < size and source[position] == GREATER:
        return position + 1
    if position + 1 < size and source[position] == DASH and source[position + 1] == GREATER:
        return position + 2
    while True:
        position = find(source, GREATER, position)
        if position == size:
            return size
        before = position - 1 if source[position - 1] != BANG else position - 2
        if before > start and source[before] == DASH and source[before - 1] == DASH:
            return position + 1
        position += 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def raw_text_stop(source: Bytes, name_start: int, name_stop: int, position: int) -> int:
    """Where the content of a raw text element ends: at its end tag's ``<``, or the page's end.

    Args:
        source: The page.
        name_start: The element's name, as its start tag writes it.
        name_stop: Its end.
        position: Where the content starts.
    """
    size = len(source)
    while True:
        position = find(source, LESS, position)
        if position == size or (
            position + 1 < size
            and source[position + 1] == SLASH
            and _is_name(source, name_start, name_stop, position + 2)
        ):
            return position
        position += 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def script_stop(source: Bytes, name_start: int, name_stop: int, position: int) -> int:
    """Where a script ends. After ``<!--`` and before ``-->``, a ``<script`` and its end tag belong to the script."""
    size = len(source)
    escaped, double_escaped = False, False
    while position < size:
        if not escaped:
            position = find(source, LESS, position)
            if position == size:
                return size
        byte = source[position]
        if byte == LESS and position + 1 < size:
            if source[position + 1] == SLASH and _is_name(source, name_start, name_stop, position + 2):
                if not double_escaped:
                    return position
                double_escaped = False
            elif escaped:
                double_escaped |= _is_name(source, name_start, name_stop, position + 1)
            elif _starts_comment(source, position):
                escaped = True
                position += 2  # its two dashes may be those of "-->"
        elif byte == GREATER and escaped and source[position - 1] == DASH and source[position - 2] == DASH:
            escaped, double_escaped = False, False
        position += 1
    return size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _starts_comment(source: Bytes, position: int) -> bool:
    return bool(
        position + 3 < len(source)
        and source[position + 1] == BANG
        and source[position + 2] == DASH
        and source[position + 3] == DASH
    )


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_name(source: Bytes, name_start: int, name_stop: int, position: int) -> bool:
    """Whether the name at ``position`` is that of the span, in any case, and ends there."""
    stop = position + name_stop - name_start
    if stop >= len(source):
        return False
    for i in range(name_stop - name_start):
        if (source[name_start + i] | 0x20) != (source[position + i] | 0x20):
            return False
    return bool(is_space(source[stop]) or source[stop] == SLASH or source[stop] == GREATER)
