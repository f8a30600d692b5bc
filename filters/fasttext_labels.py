"""The second layer of a fastText classifier: from the mean of a line's rows to labels and probabilities.

Two kinds: softmax over all labels, and hierarchical softmax, a tree with a yes-or-no question at each inner node. Like
fastText's own figures, probabilities are up to 1e-5 too high, a level of the tree.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filters.fasttext_rows import Hidden

_EPSILON: Final = 1e-5  # which fastText adds to each probability before it takes the logarithm


def label_tree(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Huffman's tree over labels sorted by falling count, as fastText builds it.

    Returns:
        int32 [labels - 1, 2]: left and right child of each inner node; below ``labels`` it is that label, else inner
        node ``labels + i``. The last one is the root.
    """
    size = len(counts)
    weights = [*counts.tolist(), *[10**15] * (size - 1)]
    children = np.empty((size - 1, 2), np.int32)
    leaf, node = size - 1, size
    for inner in range(size - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[inner, side] = leaf
                leaf -= 1
            else:
                children[inner, side] = node
                node += 1
        weights[size + inner] = weights[children[inner, 0]] + weights[children[inner, 1]]
    return children


def path_to_root(children: NDArray[np.int32], label: int) -> NDArray[np.int32]:
    """Inner nodes from a label up to the root, with the side on which the way goes on: int32 [depth, 2]."""
    size = len(children) + 1
    parents = {int(child): (inner, side) for inner, pair in enumerate(children) for side, child in enumerate(pair)}
    path, at = [], label
    while at in parents:
        inner, side = parents[at]
        path.append((inner, side))
        at = size + inner
    return np.array(path, np.int32).reshape(-1, 2)


@njit(cache=True, nogil=True)
def best_of_tree(
    hidden: Hidden, known: NDArray[np.bool_], output: NDArray[np.float32], children: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The likeliest leaf of each line: the likelier side first, and no way that is worse than the best leaf so far."""
    size = len(children) + 1
    best, scores = np.full(len(hidden), -1, np.int32), np.full(len(hidden), np.nan, np.float32)
    nodes, probabilities = np.empty(size + 1, np.int32), np.empty(size + 1, np.float64)
    for line in range(len(hidden)):
        depth, top = 0, 0.0
        if known[line]:
            nodes[0], probabilities[0], depth = 2 * size - 2, 1.0, 1
        while depth:
            depth -= 1
            node, probability = nodes[depth], probabilities[depth]
            if probability < top:
                continue
            if node < size:
                best[line], top = node, probability
                continue
            right = _right_probability(output[node - size], hidden[line])
            likelier = 1 if right > 0.5 else 0
            for side in (1 - likelier, likelier):
                nodes[depth] = children[node - size, side]
                probabilities[depth] = probability * ((right if side else 1.0 - right) + _EPSILON)
                depth += 1
        if known[line]:
            scores[line] = min(top, 1.0)
    return best, scores


@njit(cache=True, nogil=True)
def probability_in_tree(
    hidden: Hidden, known: NDArray[np.bool_], output: NDArray[np.float32], path: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Probability of one leaf for each line, whose way up is ``path``; NaN for a line that is not known."""
    scores = np.full(len(hidden), np.nan, np.float32)
    for line in range(len(hidden)):
        if known[line]:
            probability = 1.0
            for step in range(len(path)):
                right = _right_probability(output[path[step, 0]], hidden[line])
                probability *= (right if path[step, 1] else 1.0 - right) + _EPSILON
            scores[line] = min(probability, 1.0)
    return scores


@njit(cache=True, nogil=True)
def _right_probability(row: NDArray[np.float32], hidden: NDArray[np.float32]) -> float:
    """Probability of an inner node's right side, rounded to float32 as in fastText."""
    return float(np.float32(1.0 / (1.0 + exponential(-float(_dot(row, hidden))))))


@njit(cache=True, nogil=True)
def best_of_all(
    hidden: Hidden, known: NDArray[np.bool_], output: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The likeliest label of each line by softmax, and its probability; -1 and NaN for a line that is not known."""
    best, scores = np.full(len(hidden), -1, np.int32), np.full(len(hidden), np.nan, np.float32)
    probabilities = np.empty(len(output), np.float64)
    for line in range(len(hidden)):
        if known[line]:
            _softmax(output, hidden[line], probabilities)
            best[line] = np.argmax(probabilities)
            scores[line] = min(probabilities[best[line]] + _EPSILON, 1.0)
    return best, scores


@njit(cache=True, nogil=True)
def probability_of_all(
    hidden: Hidden, known: NDArray[np.bool_], output: NDArray[np.float32], label: int
) -> NDArray[np.float32]:
    """Probability of one label for each line by softmax; NaN for a line that is not known."""
    scores = np.full(len(hidden), np.nan, np.float32)
    probabilities = np.empty(len(output), np.float64)
    for line in range(len(hidden)):
        if known[line]:
            _softmax(output, hidden[line], probabilities)
            scores[line] = min(probabilities[label] + _EPSILON, 1.0)
    return scores


@njit(cache=True, nogil=True)
def _softmax(output: NDArray[np.float32], hidden: NDArray[np.float32], probabilities: NDArray[np.float64]) -> None:
    for label in range(len(output)):
        probabilities[label] = _dot(output[label], hidden)
    peak, total = probabilities.max(), 0.0
    for label in range(len(output)):
        probabilities[label] = exponential(probabilities[label] - peak)
        total += probabilities[label]
    probabilities /= total


@njit(cache=True, nogil=True)
def _dot(row: NDArray[np.float32], hidden: NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for column in range(len(hidden)):
        total += row[column] * hidden[column]
    return total


@njit(cache=True, nogil=True)
def exponential(x: float) -> float:
    """e**x in plain float64 arithmetic, to 1e-15: the same bits on every machine, which no library's is."""
    if x < -700.0:
        return 0.0
    power = math.floor(x * 1.4426950408889634 + 0.5)
    rest = x - power * 0.693147180369123816490 - power * 1.90821492927058770002e-10  # ln 2 in two parts
    total, term = 1.0, 1.0
    for i in range(1, 15):  # |rest| <= 0.35, so that the fifteenth term is below 1e-19
        term *= rest / i
        total += term
    return math.ldexp(total, int(power))
