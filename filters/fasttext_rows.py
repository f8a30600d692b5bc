"""The first layer of a fastText classifier: which rows of its input matrix a line of text has, and their mean.

Each word between spaces gives the row of the word, if the dictionary has it, and the rows of its character n-grams,
with ``<`` before and ``>`` after the word; ``</s>`` ends the line; then come the word n-grams. The sum is in float32
and in fastText's order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filters.fasttext_buckets import Buckets, bucket_of, buckets_of, is_kept, row_of
from filters.fasttext_file import FastTextFile
from filters.fasttext_words import (
    HASH_BASIS,
    Words,
    as_in_word_ngrams,
    begins_as_label,
    find_entry,
    hash_of,
    hash_step,
    is_same,
    words_of,
)

Hidden = NDArray[np.float32]

_WORD_NGRAM_FACTOR: Final = np.uint64(116_049_371)
_END: Final = b"</s>"  # fastText's word for the end of a line
_SPACE, _OPEN, _CLOSE = 0x20, 0x3C, 0x3E
_LAST_CONTINUATION: Final = -65  # of the signed bytes 0x80 to 0xBF, which continue a character
_PENDING: Final = 1_024  # rows that are summed at once
_LEAD: Final = 9  # places of n-grams that would begin before the token
_CACHED_WORDS: Final = 4_096  # a power of two; with their rows they fit into a core's second cache
_CACHED_ROWS: Final = 32  # a word of up to about ten letters


class Tables(NamedTuple):
    """A model as its kernel reads it; see ``FastTextFile``."""

    words: Words
    buckets: Buckets
    end_word: int  # entry of ``</s>``; -1 = the dictionary does not have it
    end_hash: np.uint64
    min_chars: int
    max_chars: int
    word_ngrams: int


class _Scratch(NamedTuple):
    """What the kernel works in; its size goes by the longest line of a batch."""

    token: NDArray[np.int8]  # a word between its brackets, and a 0
    states: NDArray[np.uint32]  # hashes of the token's n-grams
    hashes: NDArray[np.uint64]  # of the line's words
    pending: NDArray[np.int32]  # rows to add
    cached_starts: NDArray[np.int64]  # where a word stood for which cached_rows are
    cached_sizes: NDArray[np.int64]  # bytes; 0 = none
    cached_counts: NDArray[np.int64]  # rows
    cached_rows: NDArray[np.int32]


def tables_of(file: FastTextFile) -> Tables:
    """Arrange a model for ``mean_rows``, whose rows are then the words' and those of the kept buckets in order."""
    has_end = _END in file.words[: file.num_words]
    return Tables(
        words=words_of(file.words, file.num_words),
        buckets=buckets_of(file.bucket_rows >= 0, file.num_words),
        end_word=file.words.index(_END) if has_end else -1,
        end_hash=as_in_word_ngrams(hash_of(np.frombuffer(_END, np.int8), 0, len(_END))),
        min_chars=file.header.min_chars,
        max_chars=file.header.max_chars,
        word_ngrams=file.header.word_ngrams,
    )


@njit(cache=True, nogil=True)
def mean_rows(
    data: NDArray[np.int8],
    offsets: NDArray[np.int64],
    tables: Tables,
    rows: NDArray[np.float32],
    hidden: Hidden,
) -> NDArray[np.bool_]:
    """Find the mean of each line's rows.

    Args:
        data: UTF-8 text of lines: words with single spaces between.
        offsets: int64 [n + 1], where each line starts in ``data``.
        tables: Of the model.
        rows: float32 [rows, dim], in the order that ``tables_of`` says.
        hidden: float32 [n, dim], zeros; takes the means.

    Returns:
        bool [n]: which lines have any row. An empty line has none.
    """
    known = np.zeros(len(hidden), np.bool_)
    longest = 0
    for line in range(len(hidden)):
        longest = max(longest, offsets[line + 1] - offsets[line])
    scratch = _Scratch(
        np.empty(longest + 3, np.int8),
        np.empty(_LEAD + 3 * _PENDING, np.uint32),
        np.empty(longest // 2 + 2 if tables.word_ngrams > 1 else 0, np.uint64),
        np.empty(4 * _PENDING + _CACHED_ROWS + max(tables.max_chars, tables.word_ngrams) + 2, np.int32),
        np.zeros(_CACHED_WORDS, np.int64),
        np.zeros(_CACHED_WORDS, np.int64),
        np.zeros(_CACHED_WORDS, np.int64),
        np.empty((_CACHED_WORDS, _CACHED_ROWS), np.int32),
    )
    for line in range(len(hidden)):
        start, end = offsets[line], offsets[line + 1]
        total = _sum_rows(data, start, end, tables, rows, scratch, hidden[line]) if start < end else 0
        if total:
            known[line] = True
            hidden[line] *= np.float32(1.0 / total)
    return known


@njit(cache=True, nogil=True)
def _sum_rows(
    data: NDArray[np.int8],
    at: int,
    end: int,
    tables: Tables,
    rows: NDArray[np.float32],
    scratch: _Scratch,
    hidden: NDArray[np.float32],
) -> int:
    """Add the rows of one line to ``hidden``; return how many they are.

    One function on purpose: a call a word that passes the tables costs as much as the word. Words come again and again,
    so the rows of the last ones are kept.
    """
    token, states, pending, cached_rows = scratch.token, scratch.states, scratch.pending, scratch.cached_rows
    cached_starts, cached_sizes, cached_counts = scratch.cached_starts, scratch.cached_sizes, scratch.cached_counts
    words, buckets = tables.words, tables.buckets
    is_two_to_four = tables.min_chars == 2 and tables.max_chars == 4
    token[0] = _OPEN
    count, total, num_words = 0, 0, 0
    while at < end:
        if count >= _PENDING:
            total += _add_rows(rows, pending, count, hidden)
            count = 0
        start, size, state = at, 1, HASH_BASIS
        while at < end and data[at] != _SPACE:
            token[size] = data[at]
            state = hash_step(state, data[at])
            size += 1
            at += 1
        num_bytes = size - 1
        at += 1
        slot = state & (_CACHED_WORDS - 1)
        is_cached = num_bytes == cached_sizes[slot] and is_same(data, cached_starts[slot], data, start, num_bytes)
        entry = -1
        if not is_cached:
            entry = find_entry(words, data, start, num_bytes, state)
            if entry >= words.num_words or (entry < 0 and begins_as_label(data, start, num_bytes)):
                continue  # fastText passes over labels in a text
        if tables.word_ngrams > 1:
            scratch.hashes[num_words] = as_in_word_ngrams(state)
            num_words += 1
        if is_cached:
            for i in range(cached_counts[slot]):
                pending[count + i] = cached_rows[slot, i]
            count += cached_counts[slot]
            continue
        before = total + count
        pending[count] = entry
        count += entry >= 0
        token[size], token[size + 1] = _CLOSE, 0
        size += 1
        if is_two_to_four and size < _PENDING:
            last = _hash_two_to_four(token, size, states)
            count = _append_rows(states, _LEAD, last, buckets, pending, count)
        elif tables.max_chars > 0:
            for first in range(size):
                if token[first] <= _LAST_CONTINUATION:
                    continue
                i, num_chars, state = first, 0, HASH_BASIS
                while i < size and num_chars < tables.max_chars:
                    state = hash_step(state, token[i])
                    i += 1
                    while token[i] <= _LAST_CONTINUATION:
                        state = hash_step(state, token[i])
                        i += 1
                    num_chars += 1
                    if num_chars >= tables.min_chars and (num_chars > 1 or 0 < first < size - 1):
                        bucket = bucket_of(buckets, state)
                        if is_kept(buckets, bucket):
                            pending[count] = row_of(buckets, bucket)
                            count += 1
                if count >= _PENDING:
                    total += _add_rows(rows, pending, count, hidden)
                    count = 0
        num_rows = total + count - before
        if num_rows <= min(_CACHED_ROWS, count):  # else part of them is added already
            cached_starts[slot], cached_sizes[slot], cached_counts[slot] = start, num_bytes, num_rows
            for i in range(num_rows):
                cached_rows[slot, i] = pending[count - num_rows + i]
    pending[count] = tables.end_word
    count += tables.end_word >= 0
    total += _add_rows(rows, pending, count, hidden)
    if tables.word_ngrams > 1:
        scratch.hashes[num_words] = tables.end_hash
        total += _add_word_ngrams(scratch.hashes[: num_words + 1], tables, rows, pending, hidden)
    return int(total)


@njit(cache=True, nogil=True, forceinline=True)
def _hash_two_to_four(token: NDArray[np.int8], size: int, states: NDArray[np.uint32]) -> int:
    """Hash a token's n-grams of two to four characters (lid.176's), by their first character and then by their length.

    One pass: the n-grams that end at a character are hashed together, each to the place that it has by its beginning,
    ``_LEAD + 3 * first character + length - 2``. Indices are unsigned: Numba asks of others whether they are negative.

    Returns:
        Where in ``states`` the hashes end, which begin at ``_LEAD``.
    """
    at, place, end = np.uintp(0), np.uintp(_LEAD), np.uintp(size)
    one, two, three = HASH_BASIS, HASH_BASIS, HASH_BASIS
    while at < end:
        four, three, two, one = three, two, one, HASH_BASIS
        while True:
            byte = token[at]
            one, two = hash_step(one, byte), hash_step(two, byte)
            three, four = hash_step(three, byte), hash_step(four, byte)
            at += np.uintp(1)
            if token[at] > _LAST_CONTINUATION:
                break
        states[place - np.uintp(3)] = two
        states[place - np.uintp(5)] = three
        states[place - np.uintp(7)] = four
        place += np.uintp(3)
    # Behind the last but two characters no four follow, behind the last but one only two.
    states[place - np.uintp(7)] = states[place - np.uintp(6)]
    return int(np.int64(place)) - 6


@njit(cache=True, nogil=True, forceinline=True)
def _append_rows(
    states: NDArray[np.uint32], first: int, last: int, buckets: Buckets, pending: NDArray[np.int32], count: int
) -> int:
    """Append the rows of the n-grams whose hashes are ``states`` from ``first`` up to ``last``; return the new count.

    Their buckets come first, and all of them, those without a row to be written over: one n-gram in five to ten has
    one, and the processor would often guess wrongly which.
    """
    found = np.uintp(count)
    for i in range(np.uintp(first), np.uintp(last)):
        bucket = bucket_of(buckets, states[i])
        pending[found] = bucket
        found += np.uintp(is_kept(buckets, bucket))
    for i in range(np.uintp(count), found):
        pending[i] = row_of(buckets, np.uint64(pending[i]))
    return int(np.int64(found))


@njit(cache=True, nogil=True)
def _add_word_ngrams(
    hashes: NDArray[np.uint64],
    tables: Tables,
    rows: NDArray[np.float32],
    pending: NDArray[np.int32],
    hidden: NDArray[np.float32],
) -> int:
    buckets, count, total = tables.buckets, 0, 0
    for first in range(len(hashes)):
        mixed = hashes[first]
        for i in range(first + 1, min(first + tables.word_ngrams, len(hashes))):
            mixed = mixed * _WORD_NGRAM_FACTOR + hashes[i]
            bucket = mixed % buckets.size
            if is_kept(buckets, bucket):
                pending[count] = row_of(buckets, bucket)
                count += 1
        if count >= _PENDING:
            total += _add_rows(rows, pending, count, hidden)
            count = 0
    return int(total + _add_rows(rows, pending, count, hidden))


@njit(cache=True, nogil=True)
def _add_rows(rows: NDArray[np.float32], chosen: NDArray[np.int32], count: int, total: NDArray[np.float32]) -> int:
    """Add the chosen rows in their order, eight a time, so that the sums stay in registers."""
    size, whole = np.uintp(len(total)), count & ~7
    for i in range(0, whole, 8):
        a, b, c, d = np.uintp(chosen[i]), np.uintp(chosen[i + 1]), np.uintp(chosen[i + 2]), np.uintp(chosen[i + 3])
        e, f, g, h = np.uintp(chosen[i + 4]), np.uintp(chosen[i + 5]), np.uintp(chosen[i + 6]), np.uintp(chosen[i + 7])
        for k in range(size):
            four = total[k] + rows[a, k] + rows[b, k] + rows[c, k] + rows[d, k]
            total[k] = four + rows[e, k] + rows[f, k] + rows[g, k] + rows[h, k]
    for i in range(whole, count):
        row = np.uintp(chosen[i])
        for k in range(size):
            total[k] += rows[row, k]
    return count
