"""Words of ASCII letters and digits, eight bytes at a time.

A loop over a word's bytes ends at another place each time, which costs a mispredicted branch, more than all else that
is done with a short word. Here a word of up to eight bytes is one step without branches.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from filters.hashing import FNV_BASIS, FNV_PRIME
from filters.unaligned import read_bytes
from filters.utf8 import Bytes


def _each(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


ZEROS: Final = _each(0x30)
_HIGH, _LOW, _BLANK, _ONES = _each(0x80), _each(0x7F), _each(0x20), _each(0x01)
# What carries into a byte's highest bit from a character on: "a", behind "z", "0", behind "9".
_FROM_A, _BEHIND_Z, _FROM_0, _BEHIND_9 = _each(0x1F), _each(0x05), _each(0x50), _each(0x46)
_EIGHT: Final = np.uint64(8)
_FACTORS: Final = np.array([FNV_PRIME] * 8 + [np.uint64(1)] * 8)  # of a step of the hash: a byte's, or none's
_BYTE: Final = np.uint64(0xFF)
_TO_HIGH: Final = np.uint64(2)  # from the bit that tells small letters from capitals to the highest
_LAST_BYTE: Final = np.uint64(56)  # how far its flag is from the first one's


@intrinsic
def _trailing_zeros(typing_context: Any, number: Any) -> Any:
    """Zero bits below the lowest one of a uint64; 64 without any."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), code


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def letter_flags(block: np.uint64) -> np.uint64:
    """The highest bit of each byte that is an ASCII letter."""
    small = (block & _LOW) | _BLANK
    return (small + _FROM_A) & ~(small + _BEHIND_Z) & ~block & _HIGH


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def digit_flags(block: np.uint64) -> np.uint64:
    """The highest bit of each byte that is an ASCII digit."""
    low = block & _LOW
    return (low + _FROM_0) & ~(low + _BEHIND_9) & ~block & _HIGH


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def num_first(flags: np.uint64) -> int:
    """How many of eight bytes have their flag before the first one that has none."""
    return int(np.int64(_trailing_zeros(~flags & _HIGH) >> np.uint64(3)))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def num_flags(flags: np.uint64, size: int) -> int:
    """How many of the first ``size`` bytes, 1 to 8, have their flag."""
    ones = (flags << np.uint64(64 - 8 * size)) >> np.uint64(7)
    return int(np.int64((ones * _ONES) >> _LAST_BYTE))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def lower_case(block: np.uint64, letters: np.uint64) -> np.uint64:
    """The block with its letters, as ``letter_flags`` gives them, in lower case."""
    return block | (letters >> _TO_HIGH)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def hash_block(state: np.uint64, block: np.uint64, size: int) -> np.uint64:
    """Take the first ``size`` of eight bytes, 1 to 8, into a hash, as ``filters.text.hash_step`` takes one."""
    others = np.uint64(64 - 8 * size)
    block = block << others >> others
    for i in range(8):
        state = (state ^ (block & _BYTE)) * _FACTORS[8 - size + i]
        block >>= _EIGHT
    return state


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def next_word(source: Bytes, position: int, stop: int) -> tuple[np.uint64, int]:
    """Read the next word of a class, id or the like.

    A word is a run of ASCII letters and digits, cut where a capital follows a small letter: ``articleBody-main`` has
    three.

    Returns:
        The hash of the word in lower case (``filters.html_tags.name_hash``), 0 when none is left; where to go on.
    """
    state, after_small = FNV_BASIS, np.uint64(0)
    in_word = False
    while position < stop:
        block = read_bytes(source, position, min(8, stop - position))
        letters = letter_flags(block)
        small = letters & (block << _TO_HIGH)
        cuts = letters & ~small & (small << _EIGHT | after_small)
        size = num_first((letters | digit_flags(block)) & ~cuts)
        if size:
            in_word = True
            state = hash_block(state, lower_case(block, letters), size)
            position += size
            after_small = small >> _LAST_BYTE
        if in_word and size < 8:
            break
        position += size == 0
    return (state if in_word else np.uint64(0)), position
