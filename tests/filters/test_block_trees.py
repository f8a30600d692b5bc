import numpy as np
import pytest

from filters.block_trees import NUM_LEVELS, Trees, raw_scores


def walk(trees: Trees, row: list[int]) -> int:
    """One row's score, a question at a time."""
    score = int(trees.bias[0])
    for feature, threshold, leaf in zip(trees.feature, trees.threshold, trees.leaf, strict=True):
        number = 0
        for level in range(NUM_LEVELS):
            if row[feature[level]] > threshold[level]:
                number += 2**level
        score += int(leaf[number])
    return score


def random_trees(num_trees: int, num_features: int) -> Trees:
    random = np.random.default_rng(5)
    trees = Trees.empty(num_trees, -1234)
    trees.feature[:] = random.integers(0, num_features, trees.feature.shape)
    trees.threshold[:] = random.integers(0, 64, trees.threshold.shape)
    trees.leaf[:] = random.integers(-(2**15), 2**15, trees.leaf.shape)
    return trees


@pytest.mark.parametrize("num_rows", [0, 1, 31, 32, 200])  # around what vector instructions take at once
def test_scores_equal_a_plain_walk(num_rows):
    trees = random_trees(40, 12)
    features = np.random.default_rng(num_rows).integers(0, 64, (12, num_rows)).astype(np.uint8)
    assert raw_scores(trees, features).tolist() == [walk(trees, row) for row in features.T.tolist()]


def test_without_trees_the_bias_is_the_score():
    assert raw_scores(Trees.empty(0, 77), np.zeros((3, 2), np.uint8)).tolist() == [77, 77]


def test_a_question_is_greater_than():
    trees = Trees.empty(1, 0)
    trees.threshold[:] = 63  # never true
    trees.threshold[0, 0] = 5
    trees.leaf[0, :2] = [-1, 1]
    assert raw_scores(trees, np.array([[4, 5, 6]], np.uint8)).tolist() == [-1, -1, 1]
