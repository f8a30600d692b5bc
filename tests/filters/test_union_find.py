from collections import defaultdict
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.union_find import ALL_PAIRS_RUN, collect_candidates, components


def as_edges(pairs) -> np.ndarray:
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


def candidates(records) -> list[tuple[int, int]]:
    """Candidate pairs of (key, ordinal) records."""
    keys, ordinals = np.array(records, dtype=np.uint64).reshape(-1, 2).T
    return [tuple(pair) for pair in collect_candidates(keys, ordinals).tolist()]


def test_components_by_hand() -> None:
    # 0-3-5 and 1-4 are joined, 2 is alone; the loop and the repeat change nothing.
    edges = as_edges([(5, 3), (4, 1), (3, 0), (2, 2), (3, 5)])
    assert components(6, edges).tolist() == [0, 1, 2, 0, 1, 0]
    assert components(6, edges).dtype == np.int64


def test_components_of_no_edges_and_no_nodes() -> None:
    assert components(3, as_edges([])).tolist() == [0, 1, 2]
    assert components(0, as_edges([])).tolist() == []


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_path_is_one_component_from_either_end(step: int) -> None:
    nodes = np.arange(100_000, dtype=np.uint64)
    path = np.stack([nodes[1:], nodes[:-1]], axis=1)[::step]
    assert not components(100_000, path).any()


def test_components_of_a_star_and_a_clique() -> None:
    star = [(9, other) for other in range(5, 9)]
    clique = list(combinations(range(1, 5), 2))
    assert components(11, as_edges(star + clique)).tolist() == [0, 1, 1, 1, 1, 5, 5, 5, 5, 5, 10]


def slow_components(num_nodes: int, pairs) -> list[int]:
    """Relabel whole components with the smaller label, edge by edge."""
    labels = {node: node for node in range(num_nodes)}
    for left, right in pairs:
        old, new = sorted((labels[left], labels[right]), reverse=True)
        labels = {node: new if label == old else label for node, label in labels.items()}
    return [labels[node] for node in range(num_nodes)]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30), st.randoms(use_true_random=False))
def test_components_agree_with_the_slow_twin_in_any_edge_order(pairs, random) -> None:
    expected = slow_components(20, pairs)
    assert components(20, as_edges(pairs)).tolist() == expected
    random.shuffle(pairs)
    assert components(20, as_edges([pair[::-1] for pair in pairs])).tolist() == expected


def test_edges_outside_the_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="below num_nodes=3; got 3"):
        components(3, as_edges([(0, 3)]))
    with pytest.raises(ValueError, match=r"\[num_edges, 2\]; got \(4,\)"):
        components(3, np.zeros(4, dtype=np.uint64))


def test_candidates_by_hand() -> None:
    # Key 7 holds 4, 1 and 2 (1 twice), key 8 holds 2 and 1 again, key 9 holds 5 alone.
    records = [(7, 4), (8, 2), (7, 1), (9, 5), (7, 2), (7, 1), (8, 1)]
    assert candidates(records) == [(1, 2), (1, 4), (2, 4)]


def test_no_records_give_no_candidates() -> None:
    assert candidates([]) == []
    assert candidates([(1, 0)]) == []


def slow_candidates(records) -> list[tuple[int, int]]:
    runs = defaultdict(set)
    for key, ordinal in records:
        runs[key].add(ordinal)
    pairs = set()
    for run in runs.values():
        members = sorted(run)
        if len(members) <= ALL_PAIRS_RUN:
            pairs |= set(combinations(members, 2))
        else:
            pairs |= {(members[0], other) for other in members[1:]} | set(pairwise(members))
    return sorted(pairs)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=300))
def test_candidates_agree_with_the_slow_twin(records) -> None:
    assert candidates(records) == slow_candidates(records)


@pytest.mark.parametrize("size", [ALL_PAIRS_RUN, ALL_PAIRS_RUN + 1])
def test_runs_around_the_limit(size: int) -> None:
    pairs = candidates([(3, member) for member in range(size)])
    # All pairs of 32 are 32 * 31 / 2 = 496; of 33 a star has 32 and a chain of the other 32 has 31.
    assert len(pairs) == (496 if size == ALL_PAIRS_RUN else 63)
    assert pairs == slow_candidates([(3, member) for member in range(size)])


def test_a_hot_key_stays_linear_and_connected() -> None:
    size = 200_000
    ordinals = np.arange(size, dtype=np.uint64)[::-1].copy()
    pairs = collect_candidates(np.full(size, 2**63, dtype=np.uint64), ordinals)
    assert len(pairs) == 2 * size - 3
    assert not components(size, pairs).any()


def test_records_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"equally long; got \(2,\), \(3,\)"):
        collect_candidates(np.zeros(2, dtype=np.uint64), np.zeros(3, dtype=np.uint64))
