"""Hash tables of kernels: how large they are, and whether equal hashes are those of equal bytes."""

from __future__ import annotations

from typing import Final

from numba import njit

from filters.hashing import BLOCK_BYTES
from filters.unaligned import read_bytes
from filters.utf8 import Bytes, Positions

_LARGE: Final = 1 << 20  # keys whose table no cache holds anyway


@njit(cache=True, nogil=True)
def table_size(num_keys: int) -> int:
    """A power of two, so that the table is at most a quarter full; half full when it is large."""
    room = 4 if num_keys < _LARGE else 2
    size = 2
    while size < room * num_keys:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def most_entries(offsets: Positions) -> int:
    """The largest number of entries that a document has."""
    most = 0
    for doc in range(len(offsets) - 1):
        most = max(most, offsets[doc + 1] - offsets[doc])
    return most


@njit(cache=True, nogil=True, forceinline=True)
def same_bytes(data: Bytes, start: int, end: int, other_start: int, other_end: int) -> bool:
    """Whether the bytes from ``start`` to ``end`` are those from ``other_start`` to ``other_end``."""
    if end - start != other_end - other_start:
        return False
    for done in range(0, end - start, BLOCK_BYTES):
        size = min(end - start - done, BLOCK_BYTES)
        if read_bytes(data, start + done, size) != read_bytes(data, other_start + done, size):
            return False
    return True
