"""Overlap of documents with evaluation texts, by word n-grams.

Both sides are compared as normalised words (lower case, without punctuation), so line breaks, spaces, case and
punctuation make no difference. A document is contaminated by one evaluation text when it holds enough of that text's
different n-grams; n-grams of several texts are never added up, which is what a mere common topic would give.

Gopher compares 13-gram Jaccard similarity (A.1.1, notes on the test sets); a passage inside a longer document has a low
one, so we count the passage's own n-grams, as GPT-3 (arXiv:2005.14165, appendix C) and later decontamination did.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from filters.minhash import Shingles, shingles
from filters.text import TextScan
from filters.text import scan as scan_texts


@dataclass(frozen=True, eq=False)
class EvaluationIndex:
    """The n-grams of a list of evaluation texts, numbered from 0 in their order.

    Attributes:
        ngram: Words of an n-gram.
        hashes: uint64 [num_ngrams], sorted and unique.
        text_offsets: int64 [num_ngrams + 1], where the texts of each n-gram start in ``text_numbers``.
        text_numbers: int64 [num_postings], the texts that hold the n-gram, ascending.
        ngrams_per_text: int64 [num_texts], different n-grams of each text; 0 for a text that is too short.
    """

    ngram: int
    hashes: NDArray[np.uint64]
    text_offsets: NDArray[np.int64]
    text_numbers: NDArray[np.int64]
    ngrams_per_text: NDArray[np.int64]

    @property
    def num_too_short(self) -> int:
        """Texts of fewer than ``ngram`` words, which are not looked for; null and empty ones count."""
        return int(np.count_nonzero(self.ngrams_per_text == 0))

    @cached_property
    def buckets(self) -> NDArray[np.int64]:
        """Where the hashes with each value of their upper bits start: int64 [2**bits + 1].

        There are at least as many values as hashes, so that a look-up compares one or two hashes. Not stored.
        """
        bits = max(len(self.hashes).bit_length(), 1)
        firsts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
        return np.append(np.searchsorted(self.hashes, firsts), len(self.hashes)).astype(np.int64)

    def to_bytes(self) -> bytes:
        """Write the index as one ``.npy`` after another; equal indexes give equal bytes."""
        out = io.BytesIO()
        for field in fields(self):
            np.save(out, np.asarray(getattr(self, field.name)), allow_pickle=False)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> EvaluationIndex:
        """Read what ``to_bytes`` wrote."""
        source = io.BytesIO(stored)
        ngram, *arrays = (np.load(source, allow_pickle=False) for _ in fields(cls))
        return cls(int(ngram), *arrays)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """What n documents share with the evaluation texts; -1 where a document shares nothing.

    Attributes:
        is_contaminated: bool [n].
        text_number: int64 [n], the evaluation text with the most shared n-grams, the first of equals; of a contaminated
            document, among the texts that contaminate it.
        num_shared: int64 [n], different n-grams of that text in the document; 0 when it shares nothing.
        first_start: int64 [n], first byte in the document's UTF-8 of the first run of words shared with that text.
        first_end: int64 [n], where this run ends.
    """

    is_contaminated: NDArray[np.bool_]
    text_number: NDArray[np.int64]
    num_shared: NDArray[np.int64]
    first_start: NDArray[np.int64]
    first_end: NDArray[np.int64]


def build_index(texts: pa.Array, ngram: int = 13) -> EvaluationIndex:
    """Index the n-grams of the evaluation texts.

    Args:
        texts: string or large_string [num_texts]. A text should be what is evaluated at once (a question with its
            answers, an article): the bounds of ``overlaps`` apply to each alone.
        ngram: Words of an n-gram.

    Raises:
        ValueError: ``ngram`` is below 1.
    """
    grams = shingles(scan_texts(texts), ngram)
    owners = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(grams.offsets))
    order = np.lexsort((owners, grams.hashes))
    hashes, numbers = grams.hashes[order], owners[order]
    if len(hashes):
        is_new = np.append(True, (np.diff(hashes) != 0) | (np.diff(numbers) != 0))
        hashes, numbers = hashes[is_new], numbers[is_new]
    unique, firsts = np.unique(hashes, return_index=True)
    text_offsets = np.append(firsts, len(hashes)).astype(np.int64)
    return EvaluationIndex(ngram, unique, text_offsets, numbers, np.bincount(numbers, minlength=len(texts)))


def overlaps(
    scan: TextScan, index: EvaluationIndex, min_shared_ngrams: int = 10, min_coverage: float = 0.5
) -> Overlaps:
    """Find the documents that hold enough of one evaluation text.

    Enough of a text with n_i different n-grams is ``min(min_shared_ngrams, max(1, ceil(min_coverage * n_i)))`` of them.
    With the defaults: 10 shared 13-grams, as 22 words in a row have, or half of a text shorter than 32 words.

    Args:
        scan: n documents.
        index: Of the evaluation texts.
        min_shared_ngrams: From 1.
        min_coverage: Share of a text's n-grams, 0 to 1.

    Raises:
        ValueError: A bound is outside its range.
    """
    if min_shared_ngrams < 1 or not 0.0 <= min_coverage <= 1.0:
        raise ValueError(
            "min_shared_ngrams must be at least 1 and min_coverage in [0, 1]; "
            f"got min_shared_ngrams={min_shared_ngrams}, min_coverage={min_coverage}"
        )
    # The subtraction keeps 0.07 * 100, which is above 7 in binary, from asking for 8.
    share = np.ceil(min_coverage * index.ngrams_per_text - 1e-9).astype(np.int64)
    needed = np.minimum(min_shared_ngrams, np.maximum(1, share))
    grams = shingles(scan, index.ngram)
    rows = _look_up(grams.hashes, index.hashes, index.buckets)
    hits = np.flatnonzero(rows >= 0)
    hit_offsets = np.searchsorted(hits, grams.offsets)
    result = _nothing_shared(len(grams.offsets) - 1)
    for doc in np.flatnonzero(np.diff(hit_offsets)):  # few documents share anything
        own = hits[hit_offsets[doc] : hit_offsets[doc + 1]]
        text, shared, is_of_text = _most_shared(rows[own], index, needed)
        own = own[is_of_text]
        start, end = _first_run(own, grams, int(doc), scan, index.ngram)
        result.is_contaminated[doc] = shared >= needed[text]
        result.text_number[doc], result.num_shared[doc] = text, shared
        result.first_start[doc], result.first_end[doc] = start, end
    return result


def _nothing_shared(num_docs: int) -> Overlaps:
    numbers = [np.full(num_docs, fill, dtype=np.int64) for fill in (-1, 0, -1, -1)]
    return Overlaps(np.zeros(num_docs, dtype=np.bool_), *numbers)


def _most_shared(
    rows: NDArray[np.int64], index: EvaluationIndex, needed: NDArray[np.int64]
) -> tuple[int, int, NDArray[np.bool_]]:
    """Choose the text with the most of these n-grams: among the texts that have enough, else among all.

    Returns:
        The text, its number of different n-grams in ``rows``, and bool [num_rows]: which of the rows are its own.
    """
    unique, inverse = np.unique(rows, return_inverse=True)  # an n-gram repeated in the document counts once
    starts, counts = index.text_offsets[unique], np.diff(index.text_offsets)[unique]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers = index.text_numbers[np.repeat(starts, counts) + within]  # the texts of each n-gram, one after another
    texts, shared = np.unique(numbers, return_counts=True)
    best = np.lexsort((texts, -shared, shared < needed[texts]))[0]
    has_text = np.zeros(len(unique), dtype=np.bool_)
    has_text[np.repeat(np.arange(len(unique)), counts)[numbers == texts[best]]] = True
    return int(texts[best]), int(shared[best]), has_text[inverse]


def _first_run(hits: NDArray[np.int64], grams: Shingles, doc: int, scan: TextScan, ngram: int) -> tuple[int, int]:
    """Byte span, within the document, of the words under the first hits that follow each other without a gap."""
    gaps = np.flatnonzero(np.diff(hits) != 1)
    last = hits[gaps[0]] if len(gaps) else hits[-1]
    words = grams.words[grams.word_offsets[doc] :]
    first_word, last_word = words[hits[0] - grams.offsets[doc]], words[last - grams.offsets[doc] + ngram - 1]
    base = scan.doc_offsets[doc]
    return int(scan.word_starts[first_word] - base), int(scan.word_ends[last_word] - base)


@njit(cache=True, nogil=True)
def _look_up(queries: NDArray[np.uint64], hashes: NDArray[np.uint64], buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each query in the sorted ``hashes``, -1 where it is not there."""
    rows = np.full(len(queries), -1, dtype=np.int64)
    bits = 0
    while 1 << bits < len(buckets) - 1:
        bits += 1
    for i in range(len(queries)):
        bucket = np.int64(queries[i] >> np.uint64(64 - bits))
        for row in range(buckets[bucket], buckets[bucket + 1]):
            if hashes[row] == queries[i]:
                rows[i] = row
    return rows
