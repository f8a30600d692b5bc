"""Explicit text: a crude signal from a list of words, after the pages of listed addresses are gone.

Gopher drops explicit pages by Google's SafeSearch (Rae et al. 2021, arXiv:2112.11446, A.1.1), which nobody else has,
and says why it does not use a word list: such lists take away harmless text by and about minorities. Ours bears that in
mind. ``data/explicit-words.txt`` names no group of people, words with plain uses weigh less, and what is bounded is
their share among all words, not that one occurs: C4 drops a page for a single word of a list. The bounds are ours. It
knows English only, and neither context nor images. A classifier is the better judge where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.hashing import FNV_BASIS, hash_end, hash_step
from filters.signals import count_or_null, ratio_or_null
from filters.text import TextScan
from filters.text import scan as scan_texts
from filters.utf8 import Hashes, Positions

CONTENT_BOUNDS: Final = (
    Bound("explicit_word_fraction", high=0.01),
    Bound("num_distinct_explicit_words", high=15),
)

MAX_WORDS: Final = 3  # of an entry
_WEIGHT_UNIT: Final = 4  # weights are counted in quarters, so that sums are exact
_FORGIVEN_SHARE: Final = 20  # one word in so many: what a text is about takes less in 88 % of 4,630 real texts
_SLOTS: Final = 1 << 12  # of a table of some 250 entries: nearly every word that is on no list finds an empty slot


class _WordList(NamedTuple):
    """The list as two hash tables with open addressing; a key of 0 is an empty slot."""

    first_words: Hashes  # [_SLOTS], hash of a first word
    max_words: npt.NDArray[np.int64]  # [_SLOTS], words of the longest entry that begins with it
    keys: Hashes  # [_SLOTS], hash of a whole entry
    numbers: npt.NDArray[np.int64]  # [_SLOTS], of the entry
    weights: npt.NDArray[np.int64]  # [num_entries], of each of its words, in quarters
    groups: npt.NDArray[np.int64]  # [num_entries], number of the entry that stands for its group, see _head


def content_signals(scan: TextScan) -> pa.RecordBatch:
    """Measure how explicit each document's words are.

    Words are those of ``filters.text``; they match in simple lower case without punctuation and symbols: ``XXX!`` is
    ``xxx``, ``blow-job`` is ``blowjob``. At each word the longest entry of the list counts, and its words count once.

    - ``explicit_word_fraction``: float64 in [0, 1], the weights of the words on the list over the number of words. Of
      what weighs most in the document, a word with its longer forms and phrases (``porn``, ``pornography``), up to a
      twentieth of the words is left out: a text in which one listed word comes up again and again is about somebody
      of that name, or about the word; one that is full of it is not.
    - ``num_distinct_explicit_words``: int64, how many different entries occur.

    Returns:
        One row a document. An empty document has a count of 0 and a null fraction, a null one has nulls.
    """
    weights, distinct = _measure(scan.word_offsets, scan.shingle_hashes, _word_list())
    return pa.record_batch(
        {
            "explicit_word_fraction": ratio_or_null(weights, scan.num_words * _WEIGHT_UNIT),
            "num_distinct_explicit_words": count_or_null(distinct, scan.valid),
        }
    )


def explicit_words() -> dict[str, float]:
    """The list: words, separated by single spaces, and the weight of each in [0.25, 1]."""
    text = files("filters").joinpath("data", "explicit-words.txt").read_text("utf-8")
    entries = (line.split(" ", 1) for line in text.split("\n") if line and line[0] != "#")
    return {words: float(weight) for weight, words in entries}


@cache
def _word_list() -> _WordList:
    entries = explicit_words()
    scanned = scan_texts(pa.array(list(entries)))
    weights = np.array([round(weight * _WEIGHT_UNIT) for weight in entries.values()], np.int64)
    first_words, keys = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.uint64)
    max_words, numbers = np.zeros(_SLOTS, np.int64), np.zeros(_SLOTS, np.int64)
    groups = np.array([list(entries).index(_head(entry, entries)) for entry in entries], np.int64)
    made = _WordList(first_words, max_words, keys, numbers, weights, groups)
    _fill(scanned.word_offsets, scanned.shingle_hashes, made)
    return made


def _head(entry: str, entries: Iterable[str]) -> str:
    """The shortest entry that an entry has in it from a word's beginning on: of ``wet pussies``, ``pussies``."""
    return min((other for other in entries if f" {other}" in f" {entry}"), key=lambda other: (len(other), other))


@njit(cache=True, nogil=True)
def _fill(word_offsets: Positions, hashes: Hashes, words: _WordList) -> None:
    for entry in range(len(word_offsets) - 1):
        first, end = word_offsets[entry], word_offsets[entry + 1]
        slot = _slot(words.first_words, hashes[first])
        words.first_words[slot] = hashes[first]
        words.max_words[slot] = max(words.max_words[slot], end - first)
        key = _key(hashes, first, end)
        slot = _slot(words.keys, key)
        words.keys[slot], words.numbers[slot] = key, entry


@njit(cache=True, nogil=True)
def _slot(keys: Hashes, key: np.uint64) -> int:
    """Where a key stands, or the empty slot where it would."""
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & (_SLOTS - 1)
    return int(slot)


@njit(cache=True, nogil=True)
def _key(hashes: Hashes, first: int, end: int) -> np.uint64:
    state = FNV_BASIS
    for word in range(first, end):
        state = hash_step(state, hashes[word])
    key: np.uint64 = hash_end(state)
    return key


@njit(cache=True, nogil=True)
def _measure(word_offsets: Positions, hashes: Hashes, words: _WordList) -> tuple[Positions, Positions]:
    """Weights of the listed words of each document less what is forgiven, in quarters, and how many entries it has."""
    num_docs = len(word_offsets) - 1
    weights, distinct = np.zeros(num_docs, np.int64), np.zeros(num_docs, np.int64)
    occurs = np.zeros(len(words.weights), np.bool_)  # of the document's entries
    by_group = np.zeros(len(words.weights), np.int64)
    for doc in range(num_docs):
        word, end = word_offsets[doc], word_offsets[doc + 1]
        forgivable = (end - word) * _WEIGHT_UNIT // _FORGIVEN_SHARE
        while word < end:
            slot = _slot(words.first_words, hashes[word])
            length = 1
            if hashes[word] != 0 and words.first_words[slot] == hashes[word]:
                for num_words in range(min(words.max_words[slot], end - word), 0, -1):
                    key = _key(hashes, word, word + num_words)
                    found = _slot(words.keys, key)
                    if words.keys[found] == key:
                        entry = words.numbers[found]
                        weight = num_words * words.weights[entry]
                        weights[doc] += weight
                        by_group[words.groups[entry]] += weight
                        occurs[entry] = True
                        length = num_words
                        break
            word += length
        if weights[doc]:
            distinct[doc] = occurs.sum()
            weights[doc] -= min(by_group.max(), forgivable)
            occurs[:], by_group[:] = False, 0
    return weights, distinct
