import math
from itertools import pairwise

import numpy as np
import pytest

from trainer.retro import neighbours
from trainer.retro.neighbours import KeyBlock, nearest_neighbours


def naive(keys, groups, ordinals, k):
    """Every pair, in Python floats, summed exactly."""
    found = []
    for i in range(len(keys)):
        pairs = []
        for j in range(len(keys)):
            if groups[i] != groups[j]:
                terms = [(float(a) - float(b)) ** 2 for a, b in zip(keys[i], keys[j], strict=True)]
                pairs.append((np.float32(math.fsum(terms)), int(ordinals[j])))
        best = sorted(pairs)[:k]
        found.append(best + [(np.float32(np.inf), -1)] * (k - len(best)))
    return [[o for _, o in row] for row in found], [[d for d, _ in row] for row in found]


def block(keys, groups=None, ordinals=None):
    rows = np.arange(len(keys))
    return KeyBlock(
        keys, rows if groups is None else np.array(groups), rows if ordinals is None else np.array(ordinals)
    )


def search(whole, k, query_rows=1024, key_rows=4096, pieces=1):
    bounds = np.linspace(0, len(whole), pieces + 1).astype(int)
    parts = [KeyBlock(whole.keys[a:b], whole.groups[a:b], whole.ordinals[a:b]) for a, b in pairwise(bounds)]
    return nearest_neighbours(whole, parts, k, query_rows, key_rows)


def test_by_hand():
    # squared distances: 0-1 1, 0-2 9 + 16 = 25, 0-3 100, 1-2 4 + 16 = 20, 1-3 1 + 100 = 101, 2-3 9 + 36 = 45
    keys = np.array([[0, 0], [1, 0], [3, 4], [0, 10]], np.float16)
    ordinals, distances = search(block(keys), 2)
    assert ordinals.tolist() == [[1, 2], [0, 2], [1, 0], [2, 0]]
    assert distances.tolist() == [[1, 25], [1, 20], [20, 25], [45, 100]]
    assert (ordinals.dtype, distances.dtype) == (np.int64, np.float32)


def test_a_group_is_passed_over_and_what_is_missing_is_marked():
    keys = np.array([[0], [1], [2], [50]], np.float16)
    ordinals, distances = search(block(keys, groups=[7, 7, 8, 8], ordinals=[10, 20, 30, 40]), 3)
    assert ordinals.tolist() == [[30, 40, -1], [30, 40, -1], [20, 10, -1], [20, 10, -1]]
    assert distances.tolist() == [[4, 2500, np.inf], [1, 2401, np.inf], [1, 4, np.inf], [2401, 2500, np.inf]]


def test_equal_distances_are_ranked_by_ordinal_wherever_they_stand():
    keys = np.zeros((9, 8), np.float16)
    shuffled = np.random.default_rng(0).permutation(9)
    for key_rows in (1, 2, 9):
        ordinals, distances = search(block(keys, ordinals=shuffled), 3, key_rows=key_rows)
        expected = [[o for o in range(9) if o != own][:3] for own in shuffled]
        assert ordinals.tolist() == expected
        assert not distances.any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("d", [1, 5, 64])
def test_against_every_pair(dtype, d):
    random = np.random.default_rng(d)
    keys = random.normal(size=(70, d)).astype(dtype)
    keys[40:50] = keys[:10]  # copies, so that there are ties
    groups = random.integers(0, 30, 70)
    ordinals = random.permutation(1000)[:70]
    expected = naive(keys, groups, ordinals, 6)
    found = search(block(keys, groups, ordinals), 6, query_rows=16, key_rows=16, pieces=3)
    assert found[0].tolist() == expected[0]
    assert found[1].tolist() == expected[1]


def test_neighbours_that_the_matrix_product_cannot_tell_apart():
    """Long keys that differ in their last bits: |q|**2 + |k|**2 - 2 qk cancels, and its order means nothing."""
    random = np.random.default_rng(3)
    keys = (1000 + random.integers(0, 9, (60, 32)) / 2).astype(np.float16)
    whole = block(keys)
    approximate, _ = neighbours._approximate_distances(keys, keys)
    expected = naive(keys, whole.groups, whole.ordinals, 5)
    np.fill_diagonal(approximate, np.inf)
    assert np.argsort(approximate, axis=1)[:, :5].tolist() != expected[0]  # the trap is one
    for key_rows in (7, 60):
        found = search(whole, 5, key_rows=key_rows)
        assert found[0].tolist() == expected[0]
        assert found[1].tolist() == expected[1]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_the_error_bound_holds(scale):
    random = np.random.default_rng(4)
    keys = (scale * random.normal(size=(300, 384))).astype(np.float32)
    keys[150:] = keys[:150] * np.float32(1.0001)
    approximate, error = neighbours._approximate_distances(keys[:200], keys)
    exact = np.square(keys[:200, None].astype(np.float64) - keys.astype(np.float64)).sum(2)
    assert (np.abs(approximate - exact) <= error[:, None]).all()
    assert np.median(error) < 1e-3 * np.median(exact)  # and says something


def test_the_bits_dont_depend_on_blocks_or_shards():
    random = np.random.default_rng(5)
    keys = random.normal(size=(500, 48)).astype(np.float16)
    whole = block(keys, groups=random.integers(0, 200, 500))
    first = search(whole, 8)
    for query_rows, key_rows, pieces in [(1, 4096, 1), (7, 13, 1), (500, 1, 2), (64, 100, 5)]:
        again = search(whole, 8, query_rows, key_rows, pieces)
        assert [array.tobytes() for array in again] == [array.tobytes() for array in first]


def test_nobody_to_search_or_to_find():
    none = block(np.empty((0, 4), np.float16))
    one = block(np.ones((1, 4), np.float16))
    assert [array.shape for array in nearest_neighbours(none, [one], 3)] == [(0, 3), (0, 3)]
    assert nearest_neighbours(one, [none, one], 2)[0].tolist() == [[-1, -1]]
