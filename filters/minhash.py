"""Near and exact duplicates: shingles, MinHash signatures, band hashes, Jaccard estimates, and the exact hash.

A shingle is an n-gram of normalised words (lower case, without punctuation; a word of nothing else is skipped), as a
64-bit hash. Gopher: "13-gram Jaccard", section A.1.1; its numbers of hashes, bands and rows are not published.

Everything here follows from the text, the parameters and splitmix64 alone: equal on every platform and for any batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filters.text import TextScan

EMPTY_SLOT: Final = 0xFFFF_FFFF  # fills the signature of a document that has none
EXACT_HASH_BYTES: Final = 16

_GOLDEN: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # splitmix64's increment, odd
_BLOCK: Final = 4096  # shingles that all permutations see before the next ones: 16 kB, half of a first-level cache


@dataclass(frozen=True)
class Shingles:
    """The n-grams of a batch.

    Attributes:
        hashes: uint64 [num_shingles], in text order, repeats included.
        offsets: int64 [n + 1], where each document's shingles start.
        words: int64 [num_filled], the scan's number of each word that is not empty once normalised.
        word_offsets: int64 [n + 1], where each document's entries of ``words`` start. Shingle ``offsets[i] + k`` covers
            ``words[word_offsets[i] + k]`` and the ``ngram - 1`` entries behind it.
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    words: NDArray[np.int64]
    word_offsets: NDArray[np.int64]


def shingles(scan: TextScan, ngram: int) -> Shingles:
    """List the word n-grams of each document; one of fewer than ``ngram`` words has none.

    Raises:
        ValueError: ``ngram`` is below 1.
    """
    _check_ngram(ngram)
    words = np.flatnonzero(scan.shingle_hashes).astype(np.int64, copy=False)
    word_offsets = np.searchsorted(words, scan.word_offsets).astype(np.int64)
    counts = np.maximum(np.diff(word_offsets) - (ngram - 1), 0)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    hashes = _hash_ngrams(scan.shingle_hashes[words], word_offsets, offsets, ngram)
    return Shingles(hashes, offsets, words, word_offsets)


def signatures(
    scan: TextScan, num_perm: int = 200, ngram: int = 13, seed: int = 0
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Sign each document with the smallest hash of its shingles under each of ``num_perm`` permutations.

    Permutation p maps the upper 32 bits x of a shingle's hash to ``(a_p * x + b_p) mod 2**32`` with a_p odd. The slots
    of two documents are equal with probability J, their Jaccard similarity, so the share of equal slots estimates J
    with the standard error ``sqrt(J * (1 - J) / num_perm)``: 0.028 at J = 0.8 with 200.

    Args:
        scan: n documents.
        num_perm: Slots of a signature.
        ngram: Words of a shingle.
        seed: Selects the permutations; 0 to 2**64 - 1.

    Returns:
        uint32 [n, num_perm], and bool [n]: whether the document has a signature. One with fewer than ``ngram`` words
        (punctuation not counted) has none: its row holds ``EMPTY_SLOT`` and must not be compared.

    Raises:
        ValueError: ``num_perm`` or ``ngram`` is below 1.
    """
    if num_perm < 1:
        raise ValueError(f"num_perm must be at least 1; got {num_perm}")
    grams = shingles(scan, ngram)
    multipliers, addends = _permutations(num_perm, seed)
    signed: NDArray[np.uint32] = _sign(grams.hashes, grams.offsets, multipliers, addends)
    return signed, np.diff(grams.offsets) > 0


def exact_hashes(scan: TextScan) -> NDArray[np.uint8]:
    """Hash each document's words as they stand, joined by single spaces; only white space is normalised.

    Returns:
        uint8 [n, 16]: BLAKE2b with a digest of 16 bytes, so that nobody can forge a duplicate. All documents without
        a word share one hash.
    """
    max_bytes = int(scan.doc_offsets[-1] - scan.doc_offsets[0])  # white space between two words has a byte at least
    joined, offsets = _join_words(scan.data, scan.word_starts, scan.word_ends, scan.word_offsets, max_bytes)
    text = memoryview(joined)
    bounds = offsets.tolist()
    digests = b"".join(
        hashlib.blake2b(text[start:end], digest_size=EXACT_HASH_BYTES).digest() for start, end in pairwise(bounds)
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, EXACT_HASH_BYTES)


def band_hashes(signatures: NDArray[np.uint32], bands: int) -> NDArray[np.uint64]:
    """Hash each band of a signature, with the band's number: documents sharing one are candidates.

    Args:
        signatures: uint32 [n, num_perm], only of documents that have one.
        bands: Divides num_perm; each band has ``num_perm / bands`` rows.

    Returns:
        uint64 [n, bands]. Two documents of similarity J share at least one with ``catch_probability``.

    Raises:
        ValueError: ``bands`` is below 1 or does not divide num_perm.
    """
    num_perm = signatures.shape[1]
    if bands < 1 or num_perm % bands:
        raise ValueError(f"bands must divide num_perm; got bands={bands}, num_perm={num_perm}")
    hashed: NDArray[np.uint64] = _hash_bands(signatures, bands)
    return hashed


def catch_probability(jaccard: float, bands: int, rows: int) -> float:
    """Give the probability ``1 - (1 - J**rows)**bands`` that a pair of similarity J shares a band.

    With 20 bands of 10 rows: 0.90 at 0.8, 0.44 at 0.7, 0.11 at 0.6.
    """
    return float(1.0 - (1.0 - jaccard**rows) ** bands)


def estimated_jaccard(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Estimate the similarity of pairs of documents, row by row.

    Args:
        left: uint32 [n, num_perm], of documents that have a signature.
        right: uint32 [n, num_perm], likewise.

    Returns:
        float32 [n] in [0, 1]: the share of equal slots.

    Raises:
        ValueError: The shapes differ.
    """
    if left.shape != right.shape:
        raise ValueError(f"signatures must have the same shape; got {left.shape} and {right.shape}")
    share: NDArray[np.float64] = np.mean(left == right, axis=1, dtype=np.float64)
    return share.astype(np.float32)


def exact_jaccard(scan: TextScan, i: int, j: int, ngram: int) -> float:
    """Compute the Jaccard similarity of the sets of shingles of documents ``i`` and ``j``.

    Returns:
        A number in [0, 1]; 0 when either has no shingle.

    Raises:
        ValueError: ``ngram`` is below 1.
    """
    _check_ngram(ngram)
    left, right = _shingle_set(scan, i, ngram), _shingle_set(scan, j, ngram)
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / max(len(left) + len(right) - shared, 1)


def _check_ngram(ngram: int) -> None:
    if ngram < 1:
        raise ValueError(f"ngram must be at least 1; got {ngram}")


def _shingle_set(scan: TextScan, doc: int, ngram: int) -> NDArray[np.uint64]:
    """The different shingles of one document, sorted."""
    hashes = scan.shingle_hashes[scan.word_offsets[doc] : scan.word_offsets[doc + 1]]
    hashes = hashes[hashes != 0]
    bounds = [np.array([0, end]) for end in (len(hashes), max(len(hashes) - ngram + 1, 0))]
    return np.unique(_hash_ngrams(hashes, *bounds, ngram))


def _permutations(num_perm: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    stream = _splitmix64(np.uint64(seed), 2 * num_perm) >> np.uint64(32)
    multipliers = (stream[0::2] | np.uint64(1)).astype(np.uint32)
    return multipliers, stream[1::2].astype(np.uint32)


@njit(cache=True, nogil=True)
def _splitmix64(seed: np.uint64, count: int) -> NDArray[np.uint64]:
    """The first ``count`` outputs of splitmix64 (Steele, Lea, Flood 2014); NumPy's own streams may change."""
    out = np.empty(count, dtype=np.uint64)
    for i in range(count):
        seed += _GOLDEN
        out[i] = _mix(seed)
    return out


@njit(cache=True, nogil=True)
def _mix(x: np.uint64) -> np.uint64:
    """splitmix64's output function: a bijection of 64 bits in which each input bit reaches all output bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash_ngrams(
    word_hashes: NDArray[np.uint64], word_offsets: NDArray[np.int64], offsets: NDArray[np.int64], ngram: int
) -> NDArray[np.uint64]:
    """Hash the n-gram w_0 ... w_{n-1} as mix(sum of w_k * golden**(n-1-k)), rolling over the words."""
    out = np.empty(offsets[-1], dtype=np.uint64)
    leaving = np.uint64(1)  # golden**ngram, by which the word that leaves the window is weighted
    for _ in range(ngram):
        leaving *= _GOLDEN
    for doc in range(len(offsets) - 1):
        first_word = word_offsets[doc]
        rolling = np.uint64(0)
        for k in range(offsets[doc + 1] - offsets[doc] + ngram - 1 if offsets[doc + 1] > offsets[doc] else 0):
            rolling = rolling * _GOLDEN + word_hashes[first_word + k]
            if k >= ngram:
                rolling -= leaving * word_hashes[first_word + k - ngram]
            if k >= ngram - 1:
                out[offsets[doc] + k - (ngram - 1)] = _mix(rolling)
    return out


@njit(cache=True, nogil=True)
def _sign(
    hashes: NDArray[np.uint64], offsets: NDArray[np.int64], multipliers: NDArray[np.uint32], addends: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Minima per document and permutation; the innermost loop is one that LLVM vectorises over shingles."""
    num_docs, num_perm = len(offsets) - 1, len(multipliers)
    out = np.full((num_docs, num_perm), EMPTY_SLOT, dtype=np.uint32)
    for doc in range(num_docs):
        for start in range(offsets[doc], offsets[doc + 1], _BLOCK):
            block = (hashes[start : min(start + _BLOCK, offsets[doc + 1])] >> np.uint64(32)).astype(np.uint32)
            for perm in range(num_perm):
                out[doc, perm] = min(out[doc, perm], _smallest(block, multipliers[perm], addends[perm]))
    return out


@njit(cache=True, nogil=True)
def _smallest(keys: NDArray[np.uint32], multiplier: np.uint32, addend: np.uint32) -> np.uint32:
    smallest = np.uint32(EMPTY_SLOT)
    for i in range(len(keys)):
        smallest = min(smallest, np.uint32(np.uint32(multiplier * keys[i]) + addend))
    return smallest


@njit(cache=True, nogil=True)
def _hash_bands(signatures: NDArray[np.uint32], bands: int) -> NDArray[np.uint64]:
    num_docs, num_perm = signatures.shape
    rows = num_perm // bands
    out = np.empty((num_docs, bands), dtype=np.uint64)
    for doc in range(num_docs):
        for band in range(bands):
            hashed = _mix(np.uint64(band) + _GOLDEN)
            for row in range(band * rows, (band + 1) * rows):
                hashed = _mix((hashed ^ np.uint64(signatures[doc, row])) + _GOLDEN)
            out[doc, band] = hashed
    return out


@njit(cache=True, nogil=True)
def _join_words(
    data: NDArray[np.uint8],
    word_starts: NDArray[np.int32],
    word_ends: NDArray[np.int32],
    word_offsets: NDArray[np.int64],
    max_bytes: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Copy each document's words, single spaces between them: bytes, and each document's start in them."""
    out = np.empty(max_bytes, dtype=np.uint8)
    offsets = np.zeros(len(word_offsets), dtype=np.int64)
    write = 0
    for doc in range(len(word_offsets) - 1):
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            if word > word_offsets[doc]:
                out[write] = 0x20
                write += 1
            for at in range(word_starts[word], word_ends[word]):
                out[write] = data[at]
                write += 1
        offsets[doc + 1] = write
    return out[:write], offsets
