"""The hash of words, lines and whatever else kernels compare: the same on every machine, without a seed.

64-bit FNV-1a with a final mix. Bytes are taken in eight at a step, the last ones filled up with zeros, and their number
at the end. Each step is one to one, so bytes of one length up to eight never share a hash. Any two of ``m`` different
longer ones share one with a probability of about ``m * m / 2**65``: 0.03 for 1e9; who knows the function can build some
that do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from filters.unaligned import load, read_bytes
from filters.utf8 import Bytes

FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
FNV_PRIME: Final = np.uint64(0x100000001B3)
BLOCK_BYTES: Final = 8


@njit(cache=True, nogil=True)
def hash_step(state: np.uint64, value: np.uint64) -> np.uint64:
    """Take one more value, a byte or a hash, into an FNV-1a hash that starts from ``FNV_BASIS``."""
    return (state ^ value) * FNV_PRIME


@njit(cache=True, nogil=True)
def hash_end(state: np.uint64) -> np.uint64:
    """Spread the bits of a hash (the last steps of MurmurHash3), so that any of them serve as table index."""
    state = (state ^ (state >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    state = (state ^ (state >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return state ^ (state >> np.uint64(33))


@njit(cache=True, nogil=True, forceinline=True)
def hash_bytes(data: Bytes, start: int, end: int) -> np.uint64:
    """Hash the bytes from ``start`` to ``end``, one at least."""
    state, position = FNV_BASIS, start
    while position + BLOCK_BYTES < end:
        state = hash_step(state, load(data, np.int64(position)))
        position += BLOCK_BYTES
    state = hash_step(state, read_bytes(data, position, end - position))
    hashed: np.uint64 = hash_end(state ^ np.uint64(end - start))
    return hashed


class PartialHash(NamedTuple):
    """What ``hash_bytes`` has of bytes that come a few at a time."""

    state: np.uint64
    block: np.uint64  # the bytes since the last step
    num_bytes: int


@njit(cache=True, nogil=True, forceinline=True)
def no_bytes() -> PartialHash:
    """The hash before the first byte."""
    return PartialHash(FNV_BASIS, np.uint64(0), 0)


@njit(cache=True, nogil=True, forceinline=True)
def take_bytes(partial: PartialHash, number: np.uint64, size: int) -> PartialHash:
    """Take ``size`` more bytes in, 1 to 8, that ``read_bytes`` or ``encode`` has made a number."""
    filled = partial.num_bytes % BLOCK_BYTES
    state, block = partial.state, partial.block | number << np.uint64(8 * filled)
    if filled + size >= BLOCK_BYTES:
        state = hash_step(state, block)
        half = np.uint64(4 * (BLOCK_BYTES - filled))  # twice, as a shift by all 64 bits is undefined
        block = number >> half >> half
    return PartialHash(state, block, partial.num_bytes + size)


@njit(cache=True, nogil=True, forceinline=True)
def hash_taken(partial: PartialHash) -> np.uint64:
    """What ``hash_bytes`` gives for all bytes taken in, one at least."""
    is_whole = partial.num_bytes % BLOCK_BYTES == 0
    state = partial.state if is_whole else hash_step(partial.state, partial.block)
    hashed: np.uint64 = hash_end(state ^ np.uint64(partial.num_bytes))
    return hashed
