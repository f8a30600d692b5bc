"""Fit the weights of hashed words by logistic regression: which class names and which words mark main content."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

SCALE: Final = 16  # a stored weight of 16 is a log-odds of 1
MIN_SITES: Final = 3  # a word of fewer sites has no weight
_EPOCHS: Final = 4
_RATE: Final = 0.3


class WordLists(NamedTuple):
    """Hashed words of many rows: row r has word[start[r]] to word[start[r + 1] - 1], values below 2 ** 14."""

    word: npt.NDArray[np.uint16]
    start: npt.NDArray[np.int64]


def fit_word_weights(
    lists: WordLists, labels: Floats, row_weights: Floats, sites: npt.NDArray[np.int64], num_words: int, is_mean: bool
) -> npt.NDArray[np.int8]:
    """Fit one weight a hashed word so that their sum, or mean, in a row predicts its label.

    Args:
        lists: Words of each row.
        labels: [num_rows], 0 to 1.
        row_weights: [num_rows].
        sites: [num_rows], number of each row's site.
        num_words: Size of the table.
        is_mean: Whether a row's score is the mean of its words' weights instead of their sum.

    Returns:
        int8 [num_words], log-odds times ``SCALE``.
    """
    is_common = _count_sites(lists, sites, num_words) >= MIN_SITES
    rows = np.random.default_rng(0).permutation(len(labels))
    weights = np.zeros(num_words + 1)  # the last one is the bias
    squares = np.full(num_words + 1, 1e-2)
    for _ in range(_EPOCHS):
        _descend(lists, labels, row_weights, rows, is_common, is_mean, weights, squares)
    return np.clip(np.rint(weights[:-1] * SCALE), -127, 127).astype(np.int8)


@njit(cache=True, nogil=True)
def _count_sites(lists: WordLists, sites: npt.NDArray[np.int64], num_words: int) -> npt.NDArray[np.int64]:
    """Number of sites of each word; rows of a site stand together."""
    count, last = np.zeros(num_words, np.int64), np.full(num_words, -1, np.int64)
    for row in range(len(sites)):
        for i in range(lists.start[row], lists.start[row + 1]):
            word = lists.word[i]
            if last[word] != sites[row]:
                last[word] = sites[row]
                count[word] += 1
    return count


@njit(cache=True, nogil=True)
def _descend(
    lists: WordLists,
    labels: Floats,
    row_weights: Floats,
    rows: npt.NDArray[np.int64],
    is_common: npt.NDArray[np.bool_],
    is_mean: bool,
    weights: Floats,
    squares: Floats,
) -> None:
    """One pass of AdaGrad over the rows, in their order."""
    bias = len(weights) - 1
    for row in rows:
        start, stop = lists.start[row], lists.start[row + 1]
        part = 1.0 / max(1, stop - start) if is_mean else 1.0
        score = weights[bias]
        for i in range(start, stop):
            score += part * weights[lists.word[i]]
        error = (1 / (1 + np.exp(-score)) - labels[row]) * row_weights[row]
        squares[bias] += error * error
        weights[bias] -= _RATE * error / np.sqrt(squares[bias])
        step = error * part
        for i in range(start, stop):
            word = lists.word[i]
            if is_common[word]:
                gradient = step + 1e-3 * weights[word]
                squares[word] += gradient * gradient
                weights[word] -= _RATE * gradient / np.sqrt(squares[word])
