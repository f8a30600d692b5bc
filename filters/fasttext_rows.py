"""The first layer of a fastText classifier: which rows of its input matrix a line of text has, and their mean.

Each word between spaces gives the row of the word, if the dictionary has it, and the rows of its character n-grams,
with ``<`` before and ``>`` after the word; ``</s>`` ends the line; then come the word n-grams. The sum is in float32
and in fastText's order.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from filters.fasttext_file import LABEL_PREFIX, FastTextFile

Hidden = NDArray[np.float32]

_BASIS: Final = np.uint32(2_166_136_261)  # FNV-1a, 32 bits, with bytes taken as signed
_PRIME: Final = np.uint32(16_777_619)
_WORD_NGRAM_FACTOR: Final = np.uint64(116_049_371)
_END: Final = b"</s>"  # fastText's word for the end of a line
_SPACE, _OPEN, _CLOSE = 0x20, 0x3C, 0x3E
_LAST_CONTINUATION: Final = -65  # of the signed bytes 0x80 to 0xBF, which continue a character
_PENDING: Final = 1_024  # rows that are summed at once
_CACHED_WORDS: Final = 4_096  # a power of two; with their rows they fit into a core's second cache
_CACHED_ROWS: Final = 32  # a word of up to about ten letters


class Tables(NamedTuple):
    """A model as its kernel reads it; see ``FastTextFile``."""

    word_bytes: NDArray[np.int8]
    word_offsets: NDArray[np.int64]
    word_slots: NDArray[np.int32]  # open addressing by the word's hash; -1 = free
    num_words: int
    end_word: int  # entry of ``</s>``; -1 = the dictionary does not have it
    end_hash: np.uint64
    buckets: np.uint64
    blocks: NDArray[np.uint64]  # of 32 buckets: low half, a bit for each that is kept; high half, row of the first kept
    min_chars: int
    max_chars: int
    word_ngrams: int
    label_prefix: NDArray[np.int8]


class _Scratch(NamedTuple):
    """What the kernel works in; its size goes by the longest line of a batch."""

    token: NDArray[np.int8]  # a word between its brackets, and a 0
    hashes: NDArray[np.uint64]  # of the line's words
    pending: NDArray[np.int32]  # rows to add
    cached_starts: NDArray[np.int64]  # where a word stood for which cached_rows are
    cached_sizes: NDArray[np.int64]  # bytes; 0 = none
    cached_counts: NDArray[np.int64]  # rows
    cached_rows: NDArray[np.int32]


def tables_of(file: FastTextFile) -> Tables:
    """Arrange a model for ``mean_rows``, whose rows are then the words' and those of the kept buckets in order."""
    joined = np.frombuffer(b"".join(file.words), np.int8)
    offsets = np.zeros(len(file.words) + 1, np.int64)
    np.cumsum([len(word) for word in file.words], out=offsets[1:])
    slots = np.full(1 << (2 * len(file.words)).bit_length(), -1, np.int32)
    _fill_slots(joined, offsets, slots)
    is_known = _END in file.words[: file.num_words]
    return Tables(
        word_bytes=joined,
        word_offsets=offsets,
        word_slots=slots,
        num_words=file.num_words,
        end_word=file.words.index(_END) if is_known else -1,
        end_hash=_signed_hash(np.frombuffer(_END, np.int8)),
        buckets=np.uint64(len(file.bucket_rows)),
        blocks=_blocks(file.bucket_rows >= 0, file.num_words),
        min_chars=file.header.min_chars,
        max_chars=file.header.max_chars,
        word_ngrams=file.header.word_ngrams,
        label_prefix=np.frombuffer(LABEL_PREFIX.encode(), np.int8),
    )


def _blocks(is_kept: NDArray[np.bool_], num_words: int) -> NDArray[np.uint64]:
    """Which buckets have a row, and which, in so little memory (0.5 MB for lid.176) that it stays near the core."""
    bits = np.zeros(-(-len(is_kept) // 32) * 32, np.bool_)
    bits[: len(is_kept)] = is_kept
    firsts = num_words + np.cumsum(bits) - bits
    low = np.packbits(bits, bitorder="little").view("<u4").astype(np.uint64)
    return firsts[::32].astype(np.uint64) << np.uint64(32) | low


@njit(cache=True, nogil=True)
def _fill_slots(words: NDArray[np.int8], offsets: NDArray[np.int64], slots: NDArray[np.int32]) -> None:
    for word in range(len(offsets) - 1):
        slot = _hash(words, offsets[word], offsets[word + 1]) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = word


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
        np.empty(longest // 2 + 2 if tables.word_ngrams > 1 else 0, np.uint64),
        np.empty(_PENDING + _CACHED_ROWS + max(tables.max_chars, tables.word_ngrams) + 2, np.int32),
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
    so the rows of the last ones are kept. n-grams of two to four one-byte characters, lid.176's of most text, have a
    loop of their own, without the questions of the general one: a fifth less time for English.
    """
    token, pending, cached_rows = scratch.token, scratch.pending, scratch.cached_rows
    cached_starts, cached_sizes, cached_counts = scratch.cached_starts, scratch.cached_sizes, scratch.cached_counts
    blocks, buckets = tables.blocks, tables.buckets
    reciprocal = np.uint64(1 << 32) // max(buckets, np.uint64(1))
    is_two_to_four = tables.min_chars == 2 and tables.max_chars == 4
    token[0] = _OPEN
    count, total, num_words = 0, 0, 0
    while at < end:
        if count >= _PENDING:
            total += _add_rows(rows, pending, count, hidden)
            count = 0
        start, size, state, signs = at, 1, _BASIS, 0
        while at < end and data[at] != _SPACE:
            token[size] = data[at]
            signs |= data[at]
            state = _hash_step(state, data[at])
            size += 1
            at += 1
        num_bytes = size - 1
        at += 1
        slot = state & (_CACHED_WORDS - 1)
        is_cached = num_bytes == cached_sizes[slot] and _is_same(data, cached_starts[slot], data, start, num_bytes)
        word = -1
        if not is_cached:
            word = _find_word(tables, data, start, num_bytes, state)
            if word >= tables.num_words or (word < 0 and _is_label(tables, data, start, num_bytes)):
                continue  # fastText passes over labels in a text
        if tables.word_ngrams > 1:
            scratch.hashes[num_words] = np.uint64(np.int64(np.int32(state)))
            num_words += 1
        if is_cached:
            for i in range(cached_counts[slot]):
                pending[count + i] = cached_rows[slot, i]
            count += cached_counts[slot]
            continue
        before = total + count
        pending[count] = word
        count += word >= 0
        token[size], token[size + 1] = _CLOSE, 0
        size += 1
        if is_two_to_four and signs >= 0:
            for first in range(size - 1):
                state = _hash_step(_hash_step(_BASIS, token[first]), token[first + 1])
                for i in range(first + 2, first + 5):
                    row = _bucket_row(blocks, buckets, reciprocal, state)
                    if row >= 0:
                        pending[count] = row
                        count += 1
                    if i >= size:
                        break
                    state = _hash_step(state, token[i])
                if count >= _PENDING:
                    total += _add_rows(rows, pending, count, hidden)
                    count = 0
        elif tables.max_chars > 0:
            for first in range(size):
                if token[first] <= _LAST_CONTINUATION:
                    continue
                i, num_chars, state = first, 0, _BASIS
                while i < size and num_chars < tables.max_chars:
                    state = _hash_step(state, token[i])
                    i += 1
                    while token[i] <= _LAST_CONTINUATION:
                        state = _hash_step(state, token[i])
                        i += 1
                    num_chars += 1
                    if num_chars >= tables.min_chars and (num_chars > 1 or 0 < first < size - 1):
                        row = _bucket_row(blocks, buckets, reciprocal, state)
                        if row >= 0:
                            pending[count] = row
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


@njit(cache=True, nogil=True)
def _add_word_ngrams(
    hashes: NDArray[np.uint64],
    tables: Tables,
    rows: NDArray[np.float32],
    pending: NDArray[np.int32],
    hidden: NDArray[np.float32],
) -> int:
    count, total = 0, 0
    for first in range(len(hashes)):
        mixed = hashes[first]
        for i in range(first + 1, min(first + tables.word_ngrams, len(hashes))):
            mixed = mixed * _WORD_NGRAM_FACTOR + hashes[i]
            row = _row_of(tables.blocks, mixed % tables.buckets)
            pending[count] = row
            count += row >= 0
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


@njit(cache=True, nogil=True)
def _bucket_row(blocks: NDArray[np.uint64], buckets: np.uint64, reciprocal: np.uint64, state: np.uint32) -> int:
    """Row of an n-gram by its hash, or -1; ``reciprocal`` is 2**32 // buckets."""
    # state % buckets without a division: the product with the reciprocal is the quotient, or one less
    bucket = state - ((np.uint64(state) * reciprocal) >> np.uint64(32)) * buckets
    return int(_row_of(blocks, bucket - buckets * (bucket >= buckets)))


@njit(cache=True, nogil=True)
def _row_of(blocks: NDArray[np.uint64], bucket: np.uint64) -> int:
    block, one = blocks[bucket >> np.uint64(5)], np.uint64(1) << (bucket & np.uint64(31))
    if block & one == 0:
        return -1
    return int((block >> np.uint64(32)) + _count_bits(block & (one - np.uint64(1))))


@intrinsic
def _count_bits(typing_context: Any, number: Any) -> Any:
    """Ones of a uint64, by the machine's own instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def _find_word(tables: Tables, data: NDArray[np.int8], start: int, size: int, state: np.uint32) -> int:
    """Entry of the dictionary that a word is, or -1."""
    mask = len(tables.word_slots) - 1
    slot = np.int64(state) & mask
    while tables.word_slots[slot] >= 0:
        word = tables.word_slots[slot]
        first = tables.word_offsets[word]
        if tables.word_offsets[word + 1] - first == size and _is_same(tables.word_bytes, first, data, start, size):
            return int(word)
        slot = (slot + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def _is_label(tables: Tables, data: NDArray[np.int8], start: int, size: int) -> bool:
    """Whether a word that the dictionary does not have begins as labels do."""
    prefix = tables.label_prefix
    return size >= len(prefix) and _is_same(prefix, 0, data, start, len(prefix))


@njit(cache=True, nogil=True)
def _is_same(one: NDArray[np.int8], first: int, other: NDArray[np.int8], second: int, size: int) -> bool:
    same = 0
    while same < size and one[first + same] == other[second + same]:
        same += 1
    return same == size


@njit(cache=True, nogil=True)
def _hash(data: NDArray[np.int8], start: int, end: int) -> np.uint32:
    state = _BASIS
    for i in range(start, end):
        state = _hash_step(state, data[i])
    return state


@njit(cache=True, nogil=True)
def _hash_step(state: np.uint32, byte: np.int8) -> np.uint32:
    return np.uint32((state ^ np.uint32(byte)) * _PRIME)


@njit(cache=True, nogil=True)
def _signed_hash(word: NDArray[np.int8]) -> np.uint64:
    """A word's hash as word n-grams take it in: its 32 bits as a signed number."""
    return np.uint64(np.int64(np.int32(_hash(word, 0, len(word)))))
