"""Arrays in memory that is used again once nobody holds them any more.

Memory fresh from the system costs a page fault for every 4 kB: a tenth of the time that a batch's scan and rules take.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_SMALLEST: Final = 1 << 16  # bytes; the allocator itself keeps smaller ones
_LARGEST: Final = 1 << 26  # bytes: a column of a batch of 32 MB, not one of a long document
_KEPT: Final = 1 << 29  # bytes of all blocks that lie idle

_idle: dict[int, list[npt.NDArray[np.uint8]]] = {}


def empty(size: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """``numpy.empty``, in memory of earlier arrays where some is idle.

    Memory is idle once the array and all views of it are gone. Safe for threads.
    """
    num_bytes = size * np.dtype(kind).itemsize
    if num_bytes < _SMALLEST:
        return np.empty(size, kind)
    block = _taken(1 << (num_bytes - 1).bit_length())
    lease = _Lease(block)
    weakref.finalize(lease, _give_back, block).atexit = False
    return np.asarray(lease)[:num_bytes].view(kind)


class _Lease:
    """What an array and all its views hold on to: NumPy keeps whoever lends memory by this attribute."""

    def __init__(self, block: npt.NDArray[np.uint8]) -> None:
        self.__array_interface__ = block.__array_interface__


def _taken(num_bytes: int) -> npt.NDArray[np.uint8]:
    """An idle block of this size, or a new one."""
    try:
        return _idle[num_bytes].pop()
    except (KeyError, IndexError):
        return np.empty(num_bytes, np.uint8)


def _give_back(block: npt.NDArray[np.uint8]) -> None:
    """Keep a block, unless it is large; when there are too many bytes by now, in place of all others."""
    if len(block) > _LARGEST:
        return
    if len(block) + sum(size * len(blocks) for size, blocks in list(_idle.items())) > _KEPT:
        _idle.clear()  # they were for batches of another size
    _idle.setdefault(len(block), []).append(block)
