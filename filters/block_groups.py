"""Which of a page's blocks or elements have the same key: one look at each, in place of sorting them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def first_of_equals(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """Find the first place of each key.

    Args:
        keys: uint64 [n], hashes that went through ``filters.text.hash_end``.

    Returns:
        int32 [n], the lowest index with the same key.
    """
    bits = 4
    while (1 << bits) < 2 * len(keys):
        bits += 1
    slots = np.full(1 << bits, -1, np.int32)
    first = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        slot = np.int64(keys[i] >> np.uint64(64 - bits))
        while slots[slot] >= 0 and keys[slots[slot]] != keys[i]:
            slot = (slot + 1) & ((1 << bits) - 1)
        if slots[slot] < 0:
            slots[slot] = i
        first[i] = slots[slot]
    return first


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def count_equals(first: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """How many have the same key, themselves included; ``first`` is from ``first_of_equals``."""
    count = np.zeros(len(first), np.int32)
    for i in range(len(first)):
        count[first[i]] += 1
    return count[first]
