"""Characters of a page to lines of plain text: white space evened out, references decoded, what is no text left out.

The writer is ``out``, uint8 with room for all that is written, and ``state``, int64 [WRITER_STATE or more]. What its
caller wants between two texts (a blank line, an item's mark) is noted in the state and comes out before the next
visible character, so that nothing is parted from nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.html_entities import References, read_reference
from filters.html_stack import Numbers
from filters.utf8 import Bytes, decode

# Places of the state: bytes written; line ends (up to 2), tabs and, if nonzero, a space wanted; the line's indentation;
# the item's mark, NO_PREFIX, BULLET_PREFIX or its number; whether white space is kept as it is.
LENGTH, LINES, TABS, BLANKS, INDENT, PREFIX, IS_PRE = range(7)
WRITER_STATE: Final = 7
NO_PREFIX, BULLET_PREFIX = -2, -1

_SPACE, _TAB, _NEWLINE, _AMPERSAND = 0x20, 0x09, 0x0A, 0x26
_BULLET: Final = 0x2022

_PLAIN, _BLANK, _MARKUP, _INVISIBLE, _LOOK = range(5)  # classes of a byte that starts a character


def _byte_classes() -> Bytes:
    classes = np.full(256, _PLAIN, np.uint8)
    classes[:0x20] = _INVISIBLE
    classes[0x7F] = _INVISIBLE
    classes[[0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = _BLANK
    classes[_AMPERSAND] = _MARKUP
    classes[[0xC2, 0xE1, 0xE2, 0xE3, 0xEF]] = _LOOK  # first bytes of Unicode's spaces, line ends and byte-order mark
    return classes


_CLASSES: Final = _byte_classes()


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def write_text(
    source: Bytes, position: int, stop: int, table: References, out: Bytes, state: Numbers, has_references: bool
) -> None:
    """Write a text of the page."""
    while position < stop:
        byte_class = _CLASSES[source[position]]
        if byte_class == _PLAIN:
            position = _write_plain(source, position, stop, out, state)
        elif byte_class == _BLANK:
            if source[position] != 0x0D or position + 1 == stop or source[position + 1] != _NEWLINE:
                _write_blank(np.int64(source[position]), out, state)
            position += 1
        elif byte_class == _MARKUP and has_references:
            first, second, size = read_reference(source, position, stop, table)
            _write_character(first if size else _AMPERSAND, out, state)
            if second:
                _write_character(second, out, state)
            position += max(size, 1)
        elif byte_class == _INVISIBLE:
            position += 1
        else:
            code_point, size = decode(source, position, stop)
            _write_character(code_point, out, state)
            position += size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_plain(source: Bytes, position: int, stop: int, out: Bytes, state: Numbers) -> int:
    """Copy the bytes up to the next one that may need a look; return its position."""
    _write_wanted(out, state)
    length = state[LENGTH]
    while position < stop and _CLASSES[source[position]] == _PLAIN:
        out[length] = source[position]
        position += 1
        length += 1
    state[LENGTH] = length
    return position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_character(code_point: int, out: Bytes, state: Numbers) -> None:
    """Write a character, whatever it is."""
    if _is_blank(code_point):
        _write_blank(code_point, out, state)
    elif code_point >= 0x20 and code_point != 0x7F and code_point != 0xFEFF:
        _write_wanted(out, state)
        state[LENGTH] = _encode(code_point, out, state[LENGTH])


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_blank(code_point: int) -> bool:
    """Unicode's White_Space."""
    if code_point <= 0x20:
        return code_point == 0x20 or 0x09 <= code_point <= 0x0D
    if code_point < 0x1680:
        return code_point == 0xA0 or code_point == 0x85
    return 0x2000 <= code_point <= 0x200A or code_point in (0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_blank(code_point: int, out: Bytes, state: Numbers) -> None:
    """White space: one space for a run of it, or, in ``pre``, a space, tab or line end for each."""
    if not state[IS_PRE]:
        state[BLANKS] = 1
    elif 0x0A <= code_point <= 0x0D or code_point in (0x85, 0x2028, 0x2029):
        state[LINES] = min(2, state[LINES] + 1)
    else:
        _write_wanted(out, state)
        out[state[LENGTH]] = _TAB if code_point == _TAB else _SPACE
        state[LENGTH] += 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_wanted(out: Bytes, state: Numbers) -> None:
    """Write what has to stand before the next character."""
    if state[LENGTH] == 0 or state[LINES]:
        length = _end_lines(out, state[LENGTH], state[LINES])
        length = _start_line(out, length, state[INDENT], state[PREFIX])
    elif state[TABS] + state[BLANKS] == 0:
        return
    else:
        length = state[LENGTH]
        if not state[TABS]:
            out[length] = _SPACE
            length += 1
    for _ in range(state[TABS]):
        out[length] = _TAB
        length += 1
    state[LENGTH], state[LINES], state[TABS], state[BLANKS], state[PREFIX] = length, 0, 0, 0, NO_PREFIX


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _end_lines(out: Bytes, length: int, lines: int) -> int:
    """End the line, and leave a blank one if two ends are wanted; never two blank lines, and none at the beginning."""
    while length and out[length - 1] in (_SPACE, _TAB):
        length -= 1
    if length == 0:
        return 0
    if out[length - 1] == _NEWLINE:  # a line of blanks in ``pre``
        lines = 0 if length > 1 and out[length - 2] == _NEWLINE else 1
    for _ in range(lines):
        out[length] = _NEWLINE
        length += 1
    return length


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _start_line(out: Bytes, length: int, indent: int, prefix: int) -> int:
    if prefix != NO_PREFIX:
        indent -= 2
    for _ in range(indent):
        out[length] = _SPACE
        length += 1
    if prefix == BULLET_PREFIX:
        length = _encode(_BULLET, out, length)
    elif prefix >= 0:
        length = _write_number(prefix, out, length)
    if prefix != NO_PREFIX:
        out[length] = _SPACE
        length += 1
    return length


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_number(number: int, out: Bytes, length: int) -> int:
    """Decimal digits and a full stop."""
    unit = 1
    while unit * 10 <= number:
        unit *= 10
    while unit:
        out[length] = 0x30 + number // unit % 10
        length += 1
        unit //= 10
    out[length] = 0x2E
    return length + 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _encode(code_point: int, out: Bytes, length: int) -> int:
    """Write a code point as UTF-8; return the new length."""
    if code_point < 0x80:
        out[length] = code_point
        return length + 1
    size = 2 + (code_point >= 0x800) + (code_point >= 0x10000)
    for i in range(size - 1, 0, -1):
        out[length + i] = 0x80 | (code_point & 0x3F)
        code_point >>= 6
    out[length] = (0xF00 >> size & 0xFF) | code_point
    return length + size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def stripped(out: Bytes, length: int) -> int:
    """The length without blanks and line ends at the end."""
    while length and out[length - 1] in (_SPACE, _TAB, _NEWLINE):
        length -= 1
    return length
