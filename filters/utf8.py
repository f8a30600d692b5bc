"""UTF-8 in kernels: the arrays they read, and one character at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.unaligned import read_bytes

NEWLINE: Final = 0x0A
REPLACEMENT: Final = 0xFFFD

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int32]  # positions and numbers within one batch of less than 2 GiB
Positions = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def decode(data: Bytes, position: int, end: int) -> tuple[int, int]:
    """Read the character at ``position`` of UTF-8 text that ends at ``end``, which is behind it.

    Returns:
        Its code point and its size in bytes; U+FFFD and 1 at a byte that starts no whole character before ``end``, and
        at surrogates and forms longer than need be, which are no UTF-8: else white space could hide in them.
    """
    block: Any = np.int64(
        read_bytes(data, position, min(4, end - position))
    )  # zeros behind the end continue no character
    lead, second, third, fourth = block & 0xFF, block >> 8 & 0x3F, block >> 16 & 0x3F, block >> 24 & 0x3F
    if lead < 0x80:
        return lead, 1
    if block & 0xC0E0 == 0x80C0 and lead >= 0xC2:
        return (lead & 0x1F) << 6 | second, 2
    code_point = (lead & 0x0F) << 12 | second << 6 | third
    if block & 0xC0C0F0 == 0x8080E0 and code_point >= 0x800 and code_point >> 11 != 0x1B:
        return code_point, 3
    code_point = (lead & 0x07) << 18 | second << 12 | third << 6 | fourth
    if block & 0xC0C0C0F8 == 0x808080F0 and 0x10000 <= code_point < 0x110000:
        return code_point, 4
    return REPLACEMENT, 1


@njit(cache=True, nogil=True)
def encode(code_point: int) -> tuple[np.uint64, int]:
    """A character's UTF-8 as a number, the first byte lowest, and its size in bytes."""
    last = 0x80 | code_point & 0x3F
    if code_point < 0x80:
        return np.uint64(code_point), 1
    if code_point < 0x800:
        return np.uint64(0xC0 | code_point >> 6 | last << 8), 2
    third = 0x80 | code_point >> 6 & 0x3F
    if code_point < 0x10000:
        return np.uint64(0xE0 | code_point >> 12 | third << 8 | last << 16), 3
    second = 0x80 | code_point >> 12 & 0x3F
    return np.uint64(0xF0 | code_point >> 18 | second << 8 | third << 16 | last << 24), 4
