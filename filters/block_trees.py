"""Evaluate a small model of symmetric trees on features of one byte, with integers only.

A row's leaf in a tree is a number of six bits, one for each question ``feature > threshold``; the row's score is the
sum of its leaves' values. Integer sums do not depend on order or machine, and the loop has no branches: compilers turn
it into vector instructions, 32 rows at a time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

NUM_LEVELS: Final = 6
LEAF_SCALE: Final = 1 << 12  # a score of 4,096 is a log-odds of 1


class Trees(NamedTuple):
    """A model: T trees of six levels.

    Attributes:
        feature: int16 [T, 6], row of the feature matrix.
        threshold: uint8 [T, 6], in 0..63; bit i of the leaf is ``feature > threshold`` of level i.
        leaf: int16 [T, 64], log-odds times ``LEAF_SCALE``.
        bias: int32 [1], score before any tree.
    """

    feature: npt.NDArray[np.int16]
    threshold: npt.NDArray[np.uint8]
    leaf: npt.NDArray[np.int16]
    bias: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, num_trees: int, bias: int) -> Trees:
        """Trees to be filled in."""
        return cls(
            np.zeros((num_trees, NUM_LEVELS), np.int16),
            np.zeros((num_trees, NUM_LEVELS), np.uint8),
            np.zeros((num_trees, 1 << NUM_LEVELS), np.int16),
            np.array([bias], np.int32),
        )


@njit(cache=True, nogil=True)
def raw_scores(trees: Trees, features: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Score rows.

    Args:
        trees: The model.
        features: uint8 [num_features, num_rows], C-contiguous.

    Returns:
        int32 [num_rows], log-odds times ``LEAF_SCALE``.
    """
    num_rows = features.shape[1]
    scores = np.full(num_rows, trees.bias[0], np.int32)
    leaves = np.empty(num_rows, np.uint8)
    for tree in range(len(trees.feature)):
        leaves[:] = 0
        for level in range(NUM_LEVELS):
            values, threshold = features[trees.feature[tree, level]], trees.threshold[tree, level]
            bit = np.uint8(1 << level)
            for row in range(num_rows):
                leaves[row] |= bit if values[row] > threshold else np.uint8(0)
        values_of_leaf = trees.leaf[tree]
        for row in range(num_rows):
            scores[row] += values_of_leaf[leaves[row]]
    return scores
