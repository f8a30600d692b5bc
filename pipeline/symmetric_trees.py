"""Gradient boosting of symmetric trees on features of one byte: what trains the block classifier.

A symmetric (oblivious) tree asks the same question of every row at each level, so that its leaf is a number of
``depth`` bits. It is evaluated without branches, in ``filters.block_trees``; on byte features its training is a few
histograms, which is why no training library is needed.

Sources: Friedman 2001, "Greedy function approximation" (gradient boosting); Chen and Guestrin 2016 (arXiv:1603.02754),
section 2.2 (second-order gain); Prokhorenkova et al. 2018 (arXiv:1706.09516), section 3 (symmetric trees).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_trees import LEAF_SCALE, NUM_LEVELS, Trees, raw_scores

Floats = npt.NDArray[np.float64]
NUM_BINS: Final = 64  # values of a feature: 0 to 63


@dataclass(frozen=True)
class BoostingConfig:
    """What a training run is made of."""

    num_trees: int = 250
    learning_rate: float = 0.08
    l2: float = 8.0  # added to each leaf's second derivative; rows weigh about 1
    row_fraction: float = 0.6  # of the rows each tree's questions are chosen on
    feature_fraction: float = 0.25  # of the features each tree may ask about
    seed: int = 0


def train_trees(
    features: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.floating[Any]],
    weights: npt.NDArray[np.floating[Any]],
    config: BoostingConfig,
) -> Trees:
    """Fit trees to the log loss.

    Args:
        features: uint8 [num_features, num_rows], values below 64.
        labels: [num_rows], probability of the positive class, 0 to 1.
        weights: [num_rows], not negative.
        config: Sizes, rates and the seed; the same input and config give the same trees.

    Returns:
        The trees, leaf values as integers (see ``filters.block_trees``).
    """
    random = np.random.default_rng(config.seed)
    num_features, num_rows = features.shape
    share = np.average(labels, weights=weights)
    raw = np.full(num_rows, np.log(share / (1 - share)))
    trees = Trees.empty(config.num_trees, round(raw[0] * LEAF_SCALE))
    for tree in range(config.num_trees):
        gradient, hessian = _derivatives(raw, labels, weights)
        rows = np.flatnonzero(random.random(num_rows) < config.row_fraction).astype(np.int32)
        asked = np.sort(random.permutation(num_features)[: max(1, round(config.feature_fraction * num_features))])
        questions = _grow(features, asked, rows, gradient[rows], hessian[rows], config.l2)
        trees.feature[tree], trees.threshold[tree] = questions
        leaves = _leaves(features, *questions)
        values = _leaf_values(leaves, gradient, hessian, config)
        trees.leaf[tree] = np.rint(values * LEAF_SCALE)
        raw += trees.leaf[tree][leaves] / LEAF_SCALE
    return trees


def probabilities(trees: Trees, features: npt.NDArray[np.uint8]) -> Floats:
    """Probability of the positive class for each row, [num_rows]."""
    scores: npt.NDArray[np.int32] = raw_scores(trees, features)
    return np.asarray(1 / (1 + np.exp(-scores / LEAF_SCALE)), np.float64)


def _derivatives(raw: Floats, labels: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    p = 1 / (1 + np.exp(-raw))
    return weights * (p - labels), weights * np.maximum(p * (1 - p), 1e-6)


def _leaf_values(leaves: npt.NDArray[np.uint8], gradient: Floats, hessian: Floats, config: BoostingConfig) -> Floats:
    size = 1 << NUM_LEVELS
    sums = np.bincount(leaves, gradient, size), np.bincount(leaves, hessian, size)
    values: Floats = -config.learning_rate * sums[0] / (sums[1] + config.l2)
    return values


@njit(cache=True, nogil=True)
def _grow(
    features: npt.NDArray[np.uint8],
    asked: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int32],
    gradient: Floats,
    hessian: Floats,
    l2: float,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Choose level by level the question, feature > threshold, that lowers the loss most."""
    best_feature = np.zeros(NUM_LEVELS, np.int16)
    best_threshold = np.full(NUM_LEVELS, NUM_BINS - 1, np.uint8)  # asks nothing, should no question help
    leaves = np.zeros(len(rows), np.int64)
    for level in range(NUM_LEVELS):
        best_gain = -1.0
        for feature in asked:
            values = features[feature]
            sums = np.zeros((2, NUM_BINS << level))
            for i in range(len(rows)):
                cell = leaves[i] * NUM_BINS + values[rows[i]]
                sums[0, cell] += gradient[i]
                sums[1, cell] += hessian[i]
            gain, threshold = _best_threshold(sums, l2)
            if gain > best_gain:
                best_gain = gain
                best_feature[level], best_threshold[level] = feature, threshold
        values = features[best_feature[level]]
        for i in range(len(rows)):
            leaves[i] |= (values[rows[i]] > best_threshold[level]) << level
    return best_feature, best_threshold


@njit(cache=True, nogil=True)
def _best_threshold(sums: Floats, l2: float) -> tuple[float, int]:
    """Best gain over all leaves of asking ``> threshold``, from the sums of each leaf's bins."""
    gains = np.zeros(NUM_BINS - 1)
    for start in range(0, sums.shape[1], NUM_BINS):
        all_gradient, all_hessian = sums[0, start : start + NUM_BINS].sum(), sums[1, start : start + NUM_BINS].sum()
        low_gradient = low_hessian = 0.0
        for threshold in range(NUM_BINS - 1):
            low_gradient += sums[0, start + threshold]
            low_hessian += sums[1, start + threshold]
            high_gradient, high_hessian = all_gradient - low_gradient, all_hessian - low_hessian
            gains[threshold] += low_gradient**2 / (low_hessian + l2) + high_gradient**2 / (high_hessian + l2)
    best = int(gains.argmax())
    return gains[best], best


@njit(cache=True, nogil=True)
def _leaves(
    features: npt.NDArray[np.uint8], asked: npt.NDArray[np.int16], thresholds: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Leaf of each row."""
    leaves = np.zeros(features.shape[1], np.uint8)
    for level in range(NUM_LEVELS):
        values = features[asked[level]]
        for row in range(len(values)):
            leaves[row] |= (values[row] > thresholds[level]) << level
    return leaves
