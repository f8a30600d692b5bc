"""Gopher's repetition rules: what they measure, and the published bounds.

Source: Rae et al. 2021 (arXiv:2112.11446), A.1.1 "Repetition Removal" and Table A1; applied to MassiveWeb only. The
paper leaves open which occurrences count and over what. Our readings, and those of datatrove, DCLM, the Dolma tagger,
NeMo Curator and RedPajama-V2 where they differ, stand at ``repetition_signals``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.signals import ratio_or_null
from filters.text import BLOCK_BYTES, Bytes, Hashes, Positions, TextScan
from filters.unaligned import read_bytes
from filters.uncounted import uncounted

TOP_NGRAMS: Final = (2, 3, 4)
DUPLICATE_NGRAMS: Final = (5, 6, 7, 8, 9, 10)

REPETITION_BOUNDS: Final = (
    Bound("duplicate_line_fraction", high=0.30),
    Bound("duplicate_paragraph_fraction", high=0.30),
    Bound("duplicate_line_char_fraction", high=0.20),
    Bound("duplicate_paragraph_char_fraction", high=0.20),
    Bound("top_2gram_char_fraction", high=0.20),
    Bound("top_3gram_char_fraction", high=0.18),
    Bound("top_4gram_char_fraction", high=0.16),
    Bound("duplicate_5gram_char_fraction", high=0.15),
    Bound("duplicate_6gram_char_fraction", high=0.14),
    Bound("duplicate_7gram_char_fraction", high=0.13),
    Bound("duplicate_8gram_char_fraction", high=0.12),
    Bound("duplicate_9gram_char_fraction", high=0.11),
    Bound("duplicate_10gram_char_fraction", high=0.10),
)


def repetition_signals(scan: TextScan) -> pa.RecordBatch:
    """Measure how much a document repeats itself.

    Words, lines, paragraphs and characters are those of ``filters.text``. Two of them are equal when their bytes are:
    equal hashes are confirmed, so no collision enters a measurement.

    - ``duplicate_line_fraction``, ``duplicate_paragraph_fraction``: extra occurrences (all but the first of equal
      ones) over all. NeMo Curator the same; datatrove too, but for lines of white space, which count there, and an
      empty line at either end of the text. DCLM and Dolma count the first one as well, Dolma also blank lines.
    - ``duplicate_line_char_fraction``, ``duplicate_paragraph_char_fraction``: characters of the extra occurrences over
      those of all lines (paragraphs). datatrove divides by the whole text, Dolma by what is not white space.
    - ``top_2gram_char_fraction`` to ``4``: characters of the words that the most frequent n-gram covers, each word
      once, over the characters of all words. An n-gram that occurs once is no repetition: 0. Of equally frequent ones
      the one that covers most counts. DCLM, Dolma and RedPajama-V2: length times count over the characters of all
      words; datatrove: the same with spaces between words, over the whole text; NeMo Curator: what deleting the
      n-gram takes from the whole text. datatrove, DCLM and Dolma take an n-gram that occurs once.
    - ``duplicate_5gram_char_fraction`` to ``10``: characters of the words covered by all n-grams that occur twice or
      more, first occurrences included, each word once, over the characters of all words: "overlapping characters
      counted once". DCLM and RedPajama-V2 the same; datatrove and NeMo Curator leave first occurrences out and
      divide by the whole text; Dolma counts a character as often as an n-gram covers it, over the same sum of all
      n-grams.

    Returns:
        One row a document, all columns float64 in 0 to 1; null for a document that is empty or null.
    """
    lines = _duplicate_segments(
        scan.data, scan.line_offsets, scan.line_starts, scan.line_ends, scan.line_chars, scan.line_hashes
    )
    paragraphs = _duplicate_segments(
        scan.data,
        scan.paragraph_offsets,
        scan.paragraph_starts,
        scan.paragraph_ends,
        scan.paragraph_chars,
        scan.paragraph_hashes,
    )
    word_chars, ngram_chars = _repeated_ngrams(
        scan.data, scan.word_offsets, scan.word_starts, scan.word_ends, scan.word_chars, scan.word_hashes
    )
    columns = {
        "duplicate_line_fraction": ratio_or_null(lines.extra, np.diff(scan.line_offsets)),
        "duplicate_paragraph_fraction": ratio_or_null(paragraphs.extra, np.diff(scan.paragraph_offsets)),
        "duplicate_line_char_fraction": ratio_or_null(lines.extra_chars, lines.chars),
        "duplicate_paragraph_char_fraction": ratio_or_null(paragraphs.extra_chars, paragraphs.chars),
    }
    for n in TOP_NGRAMS:
        columns[f"top_{n}gram_char_fraction"] = ratio_or_null(ngram_chars[:, n], word_chars)
    for n in DUPLICATE_NGRAMS:
        columns[f"duplicate_{n}gram_char_fraction"] = ratio_or_null(ngram_chars[:, n], word_chars)
    return pa.RecordBatch.from_pydict(columns)


class _Duplicates(NamedTuple):
    """Of each document: extra occurrences, their characters, and the characters of all segments."""

    extra: Positions
    extra_chars: Positions
    chars: Positions


_NONE: Final = -1
_FREE: Final = 2**31 - 1
_LAST_TOP: Final = TOP_NGRAMS[-1]
_LAST_N: Final = DUPLICATE_NGRAMS[-1]
_GOLDEN: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd; Knuth's multiplicative hashing

Ids = npt.NDArray[np.int32]


@njit(cache=True, nogil=True)
def _table_size(num_keys: int) -> int:
    """A power of two, so that the table is at most a quarter full."""
    size = 2
    while size < 4 * num_keys:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _most(offsets: Positions) -> int:
    """The largest number of entries that a document has."""
    most = 0
    for doc in range(len(offsets) - 1):
        most = max(most, offsets[doc + 1] - offsets[doc])
    return most


@njit(cache=True, nogil=True, forceinline=True)
def _same_bytes(data: Bytes, start: int, end: int, other_start: int, other_end: int) -> bool:
    if end - start != other_end - other_start:
        return False
    for done in range(0, end - start, BLOCK_BYTES):
        size = min(end - start - done, BLOCK_BYTES)
        if read_bytes(data, start + done, size) != read_bytes(data, other_start + done, size):
            return False
    return True


@njit(cache=True, nogil=True)
def _duplicate_segments(
    data: Bytes, offsets: Positions, starts: Positions, ends: Positions, chars: Positions, hashes: Hashes
) -> _Duplicates:
    """Count the lines or paragraphs that have occurred before in their document."""
    extra = np.zeros(len(offsets) - 1, np.int64)
    extra_chars = np.zeros(len(extra), np.int64)
    all_chars = np.zeros(len(extra), np.int64)
    slots = np.empty(_table_size(_most(offsets)), np.int64)  # hash -> the segment that had it first
    for doc in range(len(extra)):
        size = _table_size(offsets[doc + 1] - offsets[doc])
        slots[:size] = _NONE
        for segment in range(offsets[doc], offsets[doc + 1]):
            all_chars[doc] += chars[segment]
            slot = hashes[segment] & np.uint64(size - 1)
            first = slots[slot]
            while first != _NONE and not (
                hashes[first] == hashes[segment]
                and _same_bytes(data, starts[first], ends[first], starts[segment], ends[segment])
            ):
                slot = (slot + np.uint64(1)) & np.uint64(size - 1)
                first = slots[slot]
            if first == _NONE:
                slots[slot] = segment
            else:
                extra[doc] += 1
                extra_chars[doc] += chars[segment]
    return _Duplicates(extra, extra_chars, all_chars)


class _Words(NamedTuple):
    """The words of one document, as in the scan."""

    starts: Positions
    ends: Positions
    hashes: Hashes


class _Grams(NamedTuple):
    """Memory of one document's n-grams, in order; reused for each length and document.

    An n-gram's id is the number of its first occurrence. So a free slot, above every number, gives a new n-gram its id
    by a minimum, and no branch asks whether it is new, which no processor foretells.
    """

    positions: Ids  # by occurrence: index of the first word
    keys: Hashes  # by occurrence: ids of the two (n-1)-grams
    ids: Ids  # by occurrence
    counts: Ids  # by id: how often it occurs
    covered: Positions  # by id: characters of the words that it covers
    reach: Ids  # by id: the first word behind its last occurrence
    slots: Ids  # the hash table: ids


@njit(cache=True, nogil=True)
def _repeated_ngrams(
    data: Bytes,
    word_offsets: Positions,
    word_starts: Positions,
    word_ends: Positions,
    word_chars: npt.NDArray[np.int32],
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
    most = _most(word_offsets)
    grams = _Grams(
        np.empty(most, np.int32),
        np.empty(most, np.uint64),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int64),
        np.empty(most, np.int32),
        np.empty(_table_size(most), np.int32),
    )
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
            by_bytes and not _same_bytes(data, starts[first], ends[first], starts[word], ends[word])
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
        if length > BLOCK_BYTES and not _same_bytes(data, starts[first], ends[first], starts[word], ends[word]):
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
    table_size = _table_size(size)
    grams.slots[:table_size] = _FREE
    grams.counts[:size] = 0
    return int(table_size)


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
def _top_coverage(chars: Ids, n: int, size: int, grams: _Grams) -> int:
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
def _coverage(chars: Ids, n: int, size: int, positions: Ids) -> int:
    """Characters of the words that n-grams at ``positions[:size]`` cover, each word once."""
    covered, reach = 0, 0
    for i in range(size):
        for word in range(max(reach, positions[i]), positions[i] + n):
            covered += chars[word]
        reach = positions[i] + n
    return covered
