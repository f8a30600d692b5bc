"""The kernel that finds words: their ends, lengths, letters and hashes. What a word is, ``filters.text`` says.

A word of ASCII characters is read as one block, without a loop over them; any other, and what is longer than a block,
goes character by character. Both give the same of the same word.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import reused
from filters.hashing import BLOCK_BYTES, hash_bytes, hash_taken, no_bytes, take_bytes
from filters.unaligned import LANES, between, load, low_bytes, read_bytes, trailing_zeros
from filters.uncounted import uncounted
from filters.unicode_tables import ALPHABETIC, PUNCTUATION, WHITE_SPACE
from filters.utf8 import Bytes, Flags, Hashes, Places, Positions, decode, encode

Properties = npt.NDArray[np.uint8]
CodePoints = npt.NDArray[np.int32]


class Words(NamedTuple):
    """The word arrays of a TextScan, in its order."""

    starts: Places
    ends: Places
    chars: Places
    is_alphabetic: Flags
    hashes: Hashes
    shingle_hashes: Hashes

    @classmethod
    def empty(cls, size: int) -> Words:
        """Memory for ``size`` words."""
        kinds = (np.int32, np.int32, np.int32, np.bool_, np.uint64, np.uint64)
        return cls._make(reused.empty(size, kind) for kind in kinds)

    def first(self, size: int) -> Words:
        """The first ``size`` words."""
        return type(self)._make(column[:size] for column in self)


class _Word(NamedTuple):
    chars: int  # 0: none
    end: int
    is_alphabetic: bool
    hash: np.uint64
    shingle_hash: np.uint64


@njit(cache=True, nogil=True)
def find_words(
    data: Bytes, doc_offsets: Positions, valid: Flags, properties: Properties, lower: CodePoints, words: Words
) -> tuple[Positions, Positions]:
    """Fill ``words``; return the documents' first words and their numbers of characters."""
    data, properties, lower = uncounted(data), uncounted(properties), uncounted(lower)
    word_offsets = np.zeros(len(doc_offsets), np.int64)
    num_chars = np.zeros(len(valid), np.int64)
    count = 0
    for doc in range(len(valid)):
        position, end = doc_offsets[doc], doc_offsets[doc + 1] if valid[doc] else doc_offsets[doc]
        chars = 0
        while position < end:  # each turn reads a word, if one starts here, and one character of white space
            is_ascii, word = _read_ascii_word(data, position, end)
            if not is_ascii:
                word = _read_word(data, position, end, properties, lower)
            if word.chars:
                words.starts[count], words.ends[count], words.chars[count] = position, word.end, word.chars
                words.is_alphabetic[count] = word.is_alphabetic
                words.hashes[count], words.shingle_hashes[count] = word.hash, word.shingle_hash
                count += 1
                chars += word.chars
                position = word.end
            if position < end:
                position += decode(data, position, end)[1]
                chars += 1
        word_offsets[doc + 1] = count
        num_chars[doc] = chars
    return word_offsets, num_chars


@njit(cache=True, nogil=True, forceinline=True)
def _read_word(data: Bytes, start: int, end: int, properties: Properties, lower: CodePoints) -> _Word:
    """Read a word character by character."""
    position, chars, seen, shingle = start, 0, 0, no_bytes()
    while position < end:
        code_point, size = decode(data, position, end)
        bits = properties[code_point]
        if bits & WHITE_SPACE:
            break
        if not bits & PUNCTUATION:
            number, num_bytes = read_bytes(data, position, size), size
            if lower[code_point] != code_point:
                number, num_bytes = encode(lower[code_point])
            shingle = take_bytes(shingle, number, num_bytes)
        seen |= bits
        chars += 1
        position += size
    word_hash = hash_bytes(data, start, position) if chars else np.uint64(0)
    shingle_hash = _not_0(hash_taken(shingle)) if shingle.num_bytes else np.uint64(0)
    return _Word(chars, position, seen & ALPHABETIC != 0, word_hash, shingle_hash)


@njit(cache=True, nogil=True, forceinline=True)
def _read_ascii_word(data: Bytes, start: int, end: int) -> tuple[bool, _Word]:
    """Read a word of up to ``LANES`` characters; False when it is none of ASCII alone, or too long.

    Also when there is not a block and some bytes more in ``data``, which may be anything.
    """
    nothing = np.uint64(0)
    no_word = _Word(0, start, False, nothing, nothing)
    if start + LANES + BLOCK_BYTES > len(data):
        return False, no_word
    white = between(data, start, ord(" "), ord(" ")) | between(data, start, ord("\t"), ord("\r"))
    size = min(trailing_zeros(white), end - start)
    inside = (np.uint64(1) << np.uint64(size)) - np.uint64(1)
    if size > LANES or between(data, start, 0x80, 0xFF) & inside:
        return False, no_word
    if size == 0:
        return True, no_word
    capitals = between(data, start, ord("A"), ord("Z")) & inside
    letters = capitals | between(data, start, ord("a"), ord("z")) & inside
    others = between(data, start, ord("0"), ord("9")) | between(data, start, 0x00, 0x1F)  # and control characters
    kept = letters | (others | between(data, start, 0x7F, 0x7F)) & inside
    shingle_hash = word_hash = hash_bytes(data, start, start + size)
    if kept != inside or capitals:
        shingle_hash = _hash_kept(data, start, kept) if kept else nothing
    return True, _Word(size, start + size, letters != 0, word_hash, _not_0(shingle_hash) if kept else nothing)


@njit(cache=True, nogil=True, forceinline=True)
def _hash_kept(data: Bytes, start: int, kept: np.uint64) -> np.uint64:
    """Hash the ASCII characters at ``start`` whose bits are set in ``kept``, in lower case; run by run."""
    shingle = no_bytes()
    while kept:
        first = trailing_zeros(kept)
        size = min(trailing_zeros(~(kept >> np.uint64(first))), BLOCK_BYTES)
        shingle = take_bytes(shingle, _lower(load(data, start + first) & low_bytes(size)), size)
        kept &= ~np.uint64(0) << np.uint64(first + size)
    hashed: np.uint64 = hash_taken(shingle)
    return hashed


_EACH: Final = np.uint64(0x0101_0101_0101_0101)


@njit(cache=True, nogil=True, forceinline=True)
def _lower(block: np.uint64) -> np.uint64:
    """Eight ASCII characters, A to Z in lower case."""
    from_a = block + _EACH * np.uint64(0x80 - ord("A"))  # carries into a byte's highest bit from A on
    behind_z = block + _EACH * np.uint64(0x80 - ord("Z") - 1)
    return block | (from_a & ~behind_z & _EACH << np.uint64(7)) >> np.uint64(2)


@njit(cache=True, nogil=True, forceinline=True)
def _not_0(shingle_hash: np.uint64) -> np.uint64:
    """0 stands for "nothing left", so the one word in 2**64 that hashes to it takes 1."""
    return max(shingle_hash, np.uint64(1))
