"""Classes of ASCII bytes, and words by hash: what the matchers of addresses and numbers in raw UTF-8 share.

A byte beyond ASCII belongs to no class, so it ends an address or number like white space does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.hashing import FNV_BASIS, hash_end, hash_step
from filters.utf8 import Bytes, Hashes

DIGIT: Final = 1
LETTER: Final = 2
HEX: Final = 4  # digits and the letters a to f
WORD: Final = 8  # letters, digits and the underscore
LOCAL: Final = 16  # what the part of an e-mail address before the @ is made of


def _classes() -> Bytes:
    found = np.zeros(256, np.uint8)
    for members, bit in (
        ("0123456789", DIGIT | HEX | WORD | LOCAL),
        ("abcdefABCDEF", HEX),
        ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", LETTER | WORD | LOCAL),
        ("_", WORD | LOCAL),
        (".%+-", LOCAL),
    ):
        found[[ord(member) for member in members]] |= bit
    found.flags.writeable = False
    return found


CLASSES: Final = _classes()


@njit(cache=True, nogil=True)
def is_in(data: Bytes, position: int, start: int, end: int, classes: int) -> bool:
    """Whether ``position`` is within ``start`` and ``end`` and its byte in one of ``classes``."""
    return start <= position < end and CLASSES[data[position]] & classes != 0


@njit(cache=True, nogil=True)
def byte_at(data: Bytes, position: int, start: int, end: int) -> int:
    """The byte at ``position``; 0 when that is not within ``start`` and ``end``."""
    return int(data[position]) if start <= position < end else 0


@njit(cache=True, nogil=True)
def hash_word(data: Bytes, start: int, end: int) -> np.uint64:
    """Hash a word, ASCII letters in lower case."""
    state = FNV_BASIS
    for byte in data[start:end]:
        state = hash_step(state, np.uint64(byte + 32 if 65 <= byte <= 90 else byte))
    hashed: np.uint64 = hash_end(state)
    return hashed


def hash_words(words: str) -> Hashes:
    """The sorted hashes of lower-case words that spaces set apart, as ``hash_word`` gives.

    Modules call this when they are imported, so it is Python: a first kernel has Numba load its target, half a second.
    """
    with np.errstate(over="ignore"):  # hashes wrap
        return np.sort(np.array([_hash(word.encode()) for word in words.split(" ")], np.uint64))


def _hash(word: bytes) -> np.uint64:
    state = FNV_BASIS
    for byte in word:
        state = hash_step.py_func(state, np.uint64(byte))
    hashed: np.uint64 = hash_end.py_func(state)
    return hashed


@njit(cache=True, nogil=True)
def is_one_of(value: np.uint64, hashes: Hashes) -> bool:
    """Whether a hash is among sorted ones."""
    at = np.searchsorted(hashes, value)
    return bool(at < len(hashes) and hashes[at] == value)


@njit(cache=True, nogil=True)
def word_before(data: Bytes, position: int, start: int, max_gap: int, max_length: int) -> tuple[int, int]:
    """The last run of letters before ``position``, behind at most ``max_gap`` bytes that are no letters or digits.

    Bytes beyond ASCII count as letters here, so that ``tél`` is one.

    Returns:
        Its start and end; both ``position`` when there is none, when a digit comes first, or it is longer than
        ``max_length``.
    """
    end = position
    while end > start and position - end <= max_gap and not (CLASSES[data[end - 1]] & WORD or data[end - 1] >= 0x80):
        end -= 1
    first = end
    while first > start and (CLASSES[data[first - 1]] & LETTER or data[first - 1] >= 0x80):
        first -= 1
        if end - first > max_length:
            return position, position
    if first == end or position - end > max_gap or is_in(data, first - 1, start, end, WORD):
        return position, position
    return first, end
