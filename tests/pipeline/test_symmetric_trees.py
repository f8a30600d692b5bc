import numpy as np
import pytest

from filters.block_trees import LEAF_SCALE, raw_scores
from pipeline.symmetric_trees import BoostingConfig, _best_threshold, probabilities, train_trees


def test_best_threshold_equals_trying_all():
    random = np.random.default_rng(1)
    gradient, hessian = random.normal(size=(2, 64)), random.random((2, 64))  # two leaves

    def gain(threshold: int) -> float:
        total = 0.0
        for leaf in range(2):
            for part in (slice(0, threshold + 1), slice(threshold + 1, 64)):
                total += gradient[leaf, part].sum() ** 2 / (hessian[leaf, part].sum() + 3.0)
        return total

    best, threshold = _best_threshold(np.array([gradient.ravel(), hessian.ravel()]), 3.0)
    gains = [gain(t) for t in range(63)]
    assert threshold == int(np.argmax(gains))
    assert best == pytest.approx(max(gains))


def test_what_no_single_feature_tells_is_learned():
    random = np.random.default_rng(2)
    features = random.integers(0, 64, (6, 4000)).astype(np.uint8)
    labels = ((features[1] > 30) ^ (features[4] > 40)).astype(float)
    trees = train_trees(features, labels, np.ones(4000), BoostingConfig(num_trees=40, feature_fraction=1.0))
    assert ((probabilities(trees, features) > 0.5) == labels).mean() > 0.99


def test_soft_labels_and_weights_set_the_probability():
    features = np.zeros((1, 3), np.uint8)
    trees = train_trees(features, np.array([0.2, 0.8, 0.8]), np.array([3.0, 0.5, 0.5]), BoostingConfig(num_trees=3))
    expected = (3 * 0.2 + 0.8) / 4
    assert probabilities(trees, features) == pytest.approx(expected, abs=1e-3)


def test_the_same_input_gives_the_same_trees():
    random = np.random.default_rng(3)
    features = random.integers(0, 64, (5, 300)).astype(np.uint8)
    labels = random.random(300)
    first, second = (train_trees(features, labels, np.ones(300), BoostingConfig(num_trees=5)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert raw_scores(first, features).dtype == np.int32
    assert abs(first.bias[0] / LEAF_SCALE) < 1  # mean of labels is about a half
