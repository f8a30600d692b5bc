"""The n-grams of a document that occur twice or more, and the characters that they cover.

What is measured, and by which reading of the paper, ``filters.repetition`` says.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from filters.hash_tables import most_entries, same_bytes, table_size
from filters.hashing import BLOCK_BYTES
from filters.uncounted import uncounted
from filters.utf8 import Bytes, Hashes, Places, Positions

TOP_NGRAMS: Final = (2, 3, 4)
DUPLICATE_NGRAMS: Final = (5, 6, 7, 8, 9, 10)

_FREE: Final = 2**31 - 1
_LAST_TOP: Final = TOP_NGRAMS[-1]
_LAST_N: Final = DUPLICATE_NGRAMS[-1]
_GOLDEN: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd; Knuth's multiplicative hashing


class _Words(NamedTuple):
    """The words of one document, as in the scan."""

    starts: Places
    ends: Places
    hashes: Hashes


class _Grams(NamedTuple):
    """Memory of one document's n-grams, in order; reused for each length and document.

    An n-gram's id is the number of its first occurrence. So a free slot, above every number, gives a new n-gram its id
    by a minimum, and no branch asks whether it is new, which no processor foretells.
    """

    positions: Places  # by occurrence: index of the first word
    keys: Hashes  # by occurrence: ids of the two (n-1)-grams
    ids: Places  # by occurrence
    counts: Places  # by id: how often it occurs
    covered: Places  # by id: characters of the words that it covers; in the memory of keys, read by then
    reach: Places  # by id: the first word behind its last occurrence; likewise
    slots: Places  # the hash table: ids


@njit(cache=True, nogil=True)
def _memory(size: int) -> _Grams:
    """For documents of up to ``size`` words."""
    keys = np.empty(size, np.uint64)
    halves = keys.view(np.int32)
    return _Grams(
        np.empty(size, np.int32),
        keys,
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        halves[:size],
        halves[size:],
        np.empty(table_size(size), np.int32),
    )


@njit(cache=True, nogil=True)
def repeated_ngrams(
    data: Bytes,
    word_offsets: Positions,
    word_starts: Places,
    word_ends: Places,
    word_chars: Places,
    word_hashes: Hashes,
) -> tuple[Positions, Positions]:
    """Characters of each document's words, [n], and of those that its repeated n-grams cover, [n, 11] by length.

    An n-gram that occurs twice is made of two overlapping (n-1)-grams that do. So ids are given out level by level, and
    only where both of these occur twice: the pair of their ids is the key. That is exact, hashes no n-gram, and leaves
    little to do beyond n = 3 in prose.
    """
    data = uncounted(data)
    all_chars = np.zeros(len(word_offsets) - 1, np.int64)
    covered = np.zeros((len(all_chars), _LAST_N + 1), np.int64)
    grams = _memory(most_entries(word_offsets))
    for doc in range(len(all_chars)):
        first, last = word_offsets[doc], word_offsets[doc + 1]
        chars = word_chars[first:last]
        for length in chars:
            all_chars[doc] += length
        words = _Words(word_starts[first:last], word_ends[first:last], word_hashes[first:last])
        size = _number_words(data, words, False, grams)
        if not _are_equal(data, words, size, grams):
            size = _number_words(data, words, True, grams)
        for n in range(2, _LAST_N + 1):
            size = _number_ngrams(_pair(size, grams), grams)
            if size == 0:
                break
            if n <= _LAST_TOP:
                covered[doc, n] = _top_coverage(chars, n, size, grams)
            else:
                covered[doc, n] = _coverage(chars, n, size, grams.positions)
    return all_chars, covered


@njit(cache=True, nogil=True)
def _number_words(data: Bytes, words: _Words, by_bytes: bool, grams: _Grams) -> int:
    """Fill ``grams`` with the words that occur twice or more; return the number of their occurrences.

    Words are taken for equal when their hashes are; with ``by_bytes``, when their bytes are too.
    """
    starts, ends, hashes = words
    ids, counts, slots = grams.ids, grams.counts, grams.slots
    mask = np.uint64(_clear(len(hashes), grams) - 1)
    for word in range(len(hashes)):
        slot = hashes[word] & mask
        first = min(slots[slot], np.int32(word))
        while hashes[first] != hashes[word] or (
            by_bytes and not same_bytes(data, starts[first], ends[first], starts[word], ends[word])
        ):
            slot = (slot + np.uint64(1)) & mask
            first = min(slots[slot], np.int32(word))
        slots[slot] = first
        counts[first] += 1
        ids[word] = first
        grams.positions[word] = word
    return int(_keep_repeated(len(hashes), grams))


@njit(cache=True, nogil=True)
def _are_equal(data: Bytes, words: _Words, size: int, grams: _Grams) -> bool:
    """Whether words of one id have the same bytes; up to a block of bytes, hash and length settle that."""
    starts, ends, _ = words
    for i in range(size):
        word, first = grams.positions[i], grams.ids[i]
        length = ends[word] - starts[word]
        if length != ends[first] - starts[first]:
            return False
        if length > BLOCK_BYTES and not same_bytes(data, starts[first], ends[first], starts[word], ends[word]):
            return False
    return True


@njit(cache=True, nogil=True)
def _pair(size: int, grams: _Grams) -> int:
    """Put (n-1)-grams that are one word apart together to keys of n-grams; return how many there are."""
    positions, keys, ids = grams.positions, grams.keys, grams.ids
    num_pairs = 0  # <= i: what is still to be read stays
    for i in range(size - 1):
        position = positions[i]
        keys[num_pairs] = np.uint64(ids[i]) << np.uint64(32) | np.uint64(ids[i + 1])
        positions[num_pairs] = position
        num_pairs += positions[i + 1] == position + 1
    return num_pairs


@njit(cache=True, nogil=True)
def _number_ngrams(size: int, grams: _Grams) -> int:
    """Go from keys to the n-grams that occur twice or more; return the number of their occurrences."""
    keys, ids, counts, slots = grams.keys, grams.ids, grams.counts, grams.slots
    mask = np.uint64(_clear(size, grams) - 1)
    for i in range(size):
        slot = keys[i] * _GOLDEN >> np.uint64(32) & mask
        first = min(slots[slot], np.int32(i))
        while keys[first] != keys[i]:
            slot = (slot + np.uint64(1)) & mask
            first = min(slots[slot], np.int32(i))
        slots[slot] = first
        counts[first] += 1
        ids[i] = first
    return int(_keep_repeated(size, grams))


@njit(cache=True, nogil=True)
def _clear(size: int, grams: _Grams) -> int:
    """Make the table and the counts ready for ``size`` occurrences; return the table's size."""
    num_slots = table_size(size)
    grams.slots[:num_slots] = _FREE
    grams.counts[:size] = 0
    return int(num_slots)


@njit(cache=True, nogil=True)
def _keep_repeated(size: int, grams: _Grams) -> int:
    """Take out the occurrences of n-grams that occur once; return how many are left."""
    positions, ids, counts = grams.positions, grams.ids, grams.counts
    kept = 0
    for i in range(size):
        gram = ids[i]
        positions[kept], ids[kept] = positions[i], gram
        kept += counts[gram] > 1
    return kept


@njit(cache=True, nogil=True)
def _top_coverage(chars: Places, n: int, size: int, grams: _Grams) -> int:
    """Characters that the most frequent n-gram covers; of several, the largest number."""
    positions, ids, counts, covered, reach = grams.positions, grams.ids, grams.counts, grams.covered, grams.reach
    top, most = 0, 0
    for gram in ids[:size]:
        top = max(top, counts[gram])
        covered[gram], reach[gram] = 0, 0
    for i in range(size):
        gram = ids[i]
        if counts[gram] == top:
            for word in range(max(reach[gram], positions[i]), positions[i] + n):
                covered[gram] += chars[word]
            reach[gram] = positions[i] + n
            most = max(most, covered[gram])
    return most


@njit(cache=True, nogil=True)
def _coverage(chars: Places, n: int, size: int, positions: Places) -> int:
    """Characters of the words that n-grams at ``positions[:size]`` cover, each word once."""
    covered, reach = 0, 0
    for i in range(size):
        for word in range(max(reach, positions[i]), positions[i] + n):
            covered += chars[word]
        reach = positions[i] + n
    return covered
