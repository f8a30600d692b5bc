"""How measures become features of one byte, 0 to 63.

Counts are on a logarithmic scale with four steps an octave, ratios are in 63rds, weights are centred at 32. So every
feature is an integer computed with integers, the same on every machine, and a question of the model compares bytes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

Features = npt.NDArray[np.uint8]


def _log_codes() -> Features:
    """Codes of the counts up to a few thousand: all but the sums of large pages."""
    codes = list(range(4))
    for octave in range(2, 12):
        codes += [4 * (octave - 1) + quarter for quarter in range(4) for _ in range(1 << (octave - 2))]
    return np.array(codes, np.uint8)


_LOG_CODES: Final = _log_codes()
_NUM_LOG_CODES: Final = len(_LOG_CODES)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def log_code(count: int) -> int:
    """Code a count: itself up to 8, then four steps an octave, 63 from 114,688 on."""
    return int(_LOG_CODES[max(0, count)]) if count < _NUM_LOG_CODES else _high_log_code(count)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _high_log_code(count: int) -> int:
    octave = 2
    while (count >> (octave + 1)) > 0:
        octave += 1
    return min(63, 4 * (octave - 1) + ((count >> (octave - 2)) & 3))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def ratio_code(part: int, whole: int) -> int:
    """Code a ratio in 63rds, rounded down; 0 for an empty whole, 63 from 1 on."""
    if whole <= 0:
        return 0
    code: Any = np.int64(np.uint64(63 * max(0, part)) // np.uint64(whole))  # unsigned: no question of signs
    return int(min(63, code))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def signed_code(value: int, step: int) -> int:
    """Code a signed value around 32, ``step`` a unit."""
    return min(63, max(0, 32 + value // step))
