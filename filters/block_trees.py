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

from filters.uncounted import uncounted
from filters.utf8 import Bytes

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


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def raw_scores(trees: Trees, features: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Score rows.

    Args:
        trees: The model.
        features: uint8 [num_features, num_rows], C-contiguous.

    Returns:
        int32 [num_rows], log-odds times ``LEAF_SCALE``.
    """
    scores = np.full(features.shape[1], trees.bias[0], np.int32)
    if len(scores):
        _add_trees(uncounted(trees), uncounted(features), uncounted(scores), np.empty(len(scores), np.uint8))
    return scores


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _add_trees(trees: Trees, features: Bytes, scores: npt.NDArray[np.int32], leaves: Bytes) -> None:
    leaves = uncounted(leaves)
    for tree in range(len(trees.feature)):
        f, t = trees.feature[tree], trees.threshold[tree]
        _find_leaves(
            features[f[0]], features[f[1]], features[f[2]], features[f[3]], features[f[4]], features[f[5]], t, leaves
        )
        leaf = trees.leaf[tree]
        for row in range(len(scores)):
            scores[row] += leaf[np.uintp(leaves[row])]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _find_leaves(a: Bytes, b: Bytes, c: Bytes, d: Bytes, e: Bytes, f: Bytes, t: Bytes, leaves: Bytes) -> None:
    """The leaf of each row from its six features; all questions in one loop, so that leaves are written once."""
    ta, tb, tc, td, te, tf = t[0], t[1], t[2], t[3], t[4], t[5]
    for row in range(len(leaves)):
        low = np.uint8(a[row] > ta) | np.uint8(np.uint8(b[row] > tb) << 1) | np.uint8(np.uint8(c[row] > tc) << 2)
        high = np.uint8(d[row] > td) | np.uint8(np.uint8(e[row] > te) << 1) | np.uint8(np.uint8(f[row] > tf) << 2)
        leaves[row] = np.uint8(low | np.uint8(high << 3))
