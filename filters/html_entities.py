"""HTML's character references, ``&amp;`` and the like, as kernels read them.

Source: the HTML standard, 13.2.5.72 to 13.2.5.84, and its table of 2,231 names, which is frozen and which the standard
library has.
"""

from __future__ import annotations

from functools import cache
from html.entities import html5
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.hashing import FNV_BASIS, hash_step
from filters.html_tags import name_hash
from filters.html_tokens import is_letter
from filters.utf8 import REPLACEMENT, Bytes

_TABLE_SIZE = 8192
_LONGEST: Final = max(map(len, html5))
_LONGEST_BARE: Final = max(len(name) for name in html5 if not name.endswith(";"))  # may stand without a semicolon
_SEMICOLON = 0x3B


class References(NamedTuple):
    """The named references by hash of the name, semicolon included where it belongs to it.

    Attributes:
        keys: uint64 [8192], open addressing; an empty place has ``code_points`` 0.
        code_points: int32 [2, 8192], the first and the second (0 if there is none).
    """

    keys: npt.NDArray[np.uint64]
    code_points: npt.NDArray[np.int32]


@cache
def references() -> References:
    """Build the table, once a process."""
    keys, code_points = np.zeros(_TABLE_SIZE, np.uint64), np.zeros((2, _TABLE_SIZE), np.int32)
    for name, value in html5.items():
        place = name_hash(name) % _TABLE_SIZE
        while code_points[0, place]:
            place = (place + 1) % _TABLE_SIZE
        keys[place] = name_hash(name)
        code_points[: len(value), place] = [ord(character) for character in value]
    return References(keys, code_points)


def _windows_1252() -> npt.NDArray[np.int32]:
    """What ``&#128;`` to ``&#159;`` mean: Windows' characters, where it has one."""
    characters = (bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0))
    return np.array([ord(character) for character in characters], np.int32)


_WINDOWS_1252: Final = _windows_1252()


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def read_reference(source: Bytes, position: int, stop: int, table: References) -> tuple[int, int, int]:
    """Read the character reference that an ``&`` may start.

    Args:
        source: The page.
        position: Of the ``&``.
        stop: End of the text.
        table: ``references()``.

    Returns:
        ``(first, second, size)``: its one or two code points (the second is 0 then) and its bytes; size 0 when the
        ``&`` stands for itself.
    """
    if position + 1 < stop and source[position + 1] == 0x23:  # #
        code_point, size = _numeric(source, position + 2, stop)
        return code_point, 0, size + 2 if size else 0
    name, end, found, found_size = FNV_BASIS, position + 1, -1, 0
    while end < stop and end - position <= _LONGEST and _is_alphanumeric(source[end]):
        name = hash_step(name, np.uint64(source[end]))
        end += 1
        if end - position - 1 <= _LONGEST_BARE:
            place = _lookup(name, table)
            if place >= 0:
                found, found_size = place, end - position
    if end < stop and source[end] == _SEMICOLON:
        place = _lookup(hash_step(name, np.uint64(_SEMICOLON)), table)
        if place >= 0:
            found, found_size = place, end + 1 - position
    if found < 0:
        return 0, 0, 0
    return table.code_points[0, found], table.code_points[1, found], found_size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_alphanumeric(byte: int) -> bool:
    return is_letter(byte) or 0x30 <= byte <= 0x39


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _lookup(name: np.uint64, table: References) -> int:
    """Place of a name, -1 if there is none such."""
    place: Any = np.int64(name & np.uint64(_TABLE_SIZE - 1))
    while table.code_points[0, place]:
        if table.keys[place] == name:
            return place
        place = (place + 1) & (_TABLE_SIZE - 1)
    return -1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _numeric(source: Bytes, position: int, stop: int) -> tuple[int, int]:
    """Code point of the number after ``&#``, and its size from there, the semicolon included; size 0 for no number."""
    start = position
    base = 10
    if position < stop and (source[position] | 0x20) == 0x78:  # x
        base, position = 16, position + 1
    first_digit, number = position, 0
    while position < stop and _digit(source[position]) < base:
        number = min(number * base + _digit(source[position]), 0x110000)
        position += 1
    if position == first_digit:
        return 0, 0
    if position < stop and source[position] == _SEMICOLON:
        position += 1
    return _valid(number), position - start


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _digit(byte: int) -> int:
    """Value of a hexadecimal digit, 16 for anything else."""
    value: Any = np.int64(byte)
    if 0x30 <= value <= 0x39:
        return value - 0x30
    value |= 0x20
    return value - 0x57 if 0x61 <= value <= 0x66 else 16


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _valid(number: int) -> int:
    """The code point that a number stands for."""
    if number == 0 or number >= 0x110000 or 0xD800 <= number < 0xE000:
        return REPLACEMENT
    return _WINDOWS_1252[number - 0x80] if 0x80 <= number < 0xA0 else number
