"""A fastText model's dictionary, and the hash by which fastText finds words and n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filters.fasttext_file import LABEL_PREFIX

HASH_BASIS: Final = np.uint32(2_166_136_261)  # FNV-1a, 32 bits, with bytes taken as signed
_PRIME: Final = np.uint32(16_777_619)
_LABEL_PREFIX: Final = np.frombuffer(LABEL_PREFIX.encode(), np.int8)


class Words(NamedTuple):
    """The entries, words and then labels, as kernels find them by their hash."""

    data: NDArray[np.int8]
    offsets: NDArray[np.int64]
    slots: NDArray[np.int32]  # open addressing; -1 = free
    bits: NDArray[np.uint64]  # a bit for the lowest bits of a hash, eight a slot; 0 = no entry has such a hash
    num_words: int  # entries from here on are labels


def words_of(entries: Sequence[bytes], num_words: int) -> Words:
    """Arrange a dictionary.

    Args:
        entries: Words, and labels behind them.
        num_words: How many are words.
    """
    data = np.frombuffer(b"".join(entries), np.int8)
    offsets = np.zeros(len(entries) + 1, np.int64)
    np.cumsum([len(entry) for entry in entries], out=offsets[1:])
    slots = np.full(1 << (2 * len(entries)).bit_length(), -1, np.int32)
    bits = np.zeros(-(-len(slots) // 8), np.uint64)
    _fill(data, offsets, slots, bits)
    return Words(data, offsets, slots, bits, num_words)


@njit(cache=True, nogil=True)
def _fill(
    data: NDArray[np.int8], offsets: NDArray[np.int64], slots: NDArray[np.int32], bits: NDArray[np.uint64]
) -> None:
    for entry in range(len(offsets) - 1):
        state = hash_of(data, offsets[entry], offsets[entry + 1])
        bits[(state >> np.uint32(6)) & (len(bits) - 1)] |= np.uint64(1) << np.uint64(state & 63)
        slot = state & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = entry


@njit(cache=True, nogil=True)
def find_entry(words: Words, data: NDArray[np.int8], start: int, size: int, state: np.uint32) -> int:
    """Entry of the dictionary that the ``size`` bytes from ``start`` on are, whose hash is ``state``; or -1."""
    block = words.bits[(state >> np.uint32(6)) & (len(words.bits) - 1)]
    if (block >> np.uint64(state & 63)) & np.uint64(1) == 0:
        return -1
    slot = np.int64(state) & (len(words.slots) - 1)
    while words.slots[slot] >= 0:
        entry = words.slots[slot]
        first = words.offsets[entry]
        if words.offsets[entry + 1] - first == size and is_same(words.data, first, data, start, size):
            return int(entry)
        slot = (slot + 1) & (len(words.slots) - 1)
    return -1


@njit(cache=True, nogil=True)
def begins_as_label(data: NDArray[np.int8], start: int, size: int) -> bool:
    """Whether a word begins as labels do."""
    return size >= len(_LABEL_PREFIX) and is_same(_LABEL_PREFIX, 0, data, start, len(_LABEL_PREFIX))


@njit(cache=True, nogil=True)
def is_same(one: NDArray[np.int8], first: int, other: NDArray[np.int8], second: int, size: int) -> bool:
    """Whether two stretches of ``size`` bytes are equal."""
    same = 0
    while same < size and one[first + same] == other[second + same]:
        same += 1
    return same == size


@njit(cache=True, nogil=True)
def hash_of(data: NDArray[np.int8], start: int, end: int) -> np.uint32:
    """Hash of the bytes from ``start`` up to ``end``."""
    state = HASH_BASIS
    for i in range(start, end):
        state = hash_step(state, data[i])
    return state


@njit(cache=True, nogil=True)
def hash_step(state: np.uint32, byte: np.int8) -> np.uint32:
    """Hash of some bytes and one more."""
    return np.uint32((state ^ np.uint32(byte)) * _PRIME)


@njit(cache=True, nogil=True)
def as_in_word_ngrams(state: np.uint32) -> np.uint64:
    """A word's hash as word n-grams take it in: its 32 bits as a signed number."""
    return np.uint64(np.int64(np.int32(state)))
