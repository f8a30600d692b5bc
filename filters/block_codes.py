"""How measures become features of one byte, 0 to 63.

Counts are on a logarithmic scale with four steps an octave, ratios are in 63rds, weights are centred at 32. So every
feature is an integer computed with integers, the same on every machine, and a question of the model compares bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Features = npt.NDArray[np.uint8]


@njit(cache=True, nogil=True)
def log_code(count: int) -> int:
    """Code a count: itself up to 8, then four steps an octave, 63 from 114,688 on."""
    if count < 4:
        return max(0, count)
    octave = 2
    while (count >> (octave + 1)) > 0:
        octave += 1
    return min(63, 4 * (octave - 1) + ((count >> (octave - 2)) & 3))


@njit(cache=True, nogil=True)
def ratio_code(part: int, whole: int) -> int:
    """Code a ratio in 63rds, rounded down; 0 for an empty whole, 63 from 1 on."""
    return min(63, 63 * max(0, part) // whole) if whole > 0 else 0


@njit(cache=True, nogil=True)
def signed_code(value: int, step: int) -> int:
    """Code a signed value around 32, ``step`` a unit."""
    return min(63, max(0, 32 + value // step))
