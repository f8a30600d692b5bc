"""From band hashes to clusters: candidate pairs, and the connected components of the pairs that were verified."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Runs of equal keys up to this size give all their pairs (496 at most). A longer run is mostly boilerplate; its star
# and chain name every member at a cost that grows with the run, not with its square.
ALL_PAIRS_RUN = 32


def collect_candidates(band_keys: NDArray[np.uint64], ordinals: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pair the documents that share a band hash.

    A run is the set of documents with one key. Runs of up to ``ALL_PAIRS_RUN`` documents give every pair. Longer ones
    give each member paired with the smallest and with its successor, so the number of pairs stays below twice the
    number of records. Such a run is joined through its smallest member: two of its documents that are alike, while
    neither is like the smallest nor follows the other, are only found through another band.

    Args:
        band_keys: uint64 [num_records], from ``filters.minhash.band_hashes``; only of documents with a signature.
        ordinals: uint64 [num_records], the document of each record, in any order; repeated records count once.

    Returns:
        uint64 [num_pairs, 2], unique, first below second, sorted by first and then second.

    Raises:
        ValueError: The two arrays differ in shape or are not one-dimensional.
    """
    if band_keys.shape != ordinals.shape or band_keys.ndim != 1:
        raise ValueError(
            f"band_keys and ordinals must be one-dimensional and equally long; got {band_keys.shape}, {ordinals.shape}"
        )
    order = np.lexsort((ordinals, band_keys))
    keys, members = band_keys[order], ordinals[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (members[1:] != members[:-1])
    keys, members = keys[first], members[first]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1], [True]))) if len(keys) else np.zeros(1, int)
    return _sorted_unique(_pairs_of_runs(members, starts))


def _sorted_unique(pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    first = np.ones(len(pairs), dtype=np.bool_)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    unique: NDArray[np.uint64] = pairs[first]
    return unique


@njit(cache=True, nogil=True)
def _pairs_of_runs(members: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Pairs of every run ``members[starts[i]:starts[i + 1]]``, whose members ascend; may repeat across runs."""
    num_pairs = 0
    for run in range(len(starts) - 1):
        size = starts[run + 1] - starts[run]
        num_pairs += size * (size - 1) // 2 if size <= ALL_PAIRS_RUN else 2 * size - 3
    pairs = np.empty((num_pairs, 2), dtype=np.uint64)
    row = 0
    for run in range(len(starts) - 1):
        low, high = starts[run], starts[run + 1]
        is_short = high - low <= ALL_PAIRS_RUN
        for left in range(low, high):
            # A long run's smallest member meets all others, every other member only its successor.
            end = high if is_short or left == low else min(left + 2, high)
            for right in range(left + 1, end):
                pairs[row, 0], pairs[row, 1] = members[left], members[right]
                row += 1
    return pairs


def components(num_nodes: int, edges: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Label the connected components of an undirected graph.

    Args:
        num_nodes: Nodes are 0 to ``num_nodes - 1``.
        edges: uint64 [num_edges, 2] in any order; loops and repeats are harmless. It is not changed.

    Returns:
        int64 [num_nodes]: for each node the smallest node of its component, its own number when it is alone. The
        labels depend on the graph alone, not on the order of the edges. Memory: 8 bytes a node beside the edges.

    Raises:
        ValueError: ``edges`` is not [num_edges, 2], or names a node outside the graph.
    """
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"edges must have the shape [num_edges, 2]; got {edges.shape}")
    if edges.size and int(edges.max()) >= num_nodes:
        raise ValueError(f"edges must name nodes below num_nodes={num_nodes}; got {int(edges.max())}")
    labels: NDArray[np.int64] = _union_find(num_nodes, edges)
    return labels


@njit(cache=True, nogil=True)
def _union_find(num_nodes: int, edges: NDArray[np.uint64]) -> NDArray[np.int64]:
    parents = np.arange(num_nodes)
    for row in range(len(edges)):
        left, right = _root(parents, np.int64(edges[row, 0])), _root(parents, np.int64(edges[row, 1]))
        # The smaller root wins, which makes it the label; path halving alone keeps finds logarithmic, amortised.
        parents[max(left, right)] = min(left, right)
    for node in range(num_nodes):  # a parent is never above its child, so one ascending pass flattens every path
        parents[node] = parents[parents[node]]
    return parents


@njit(cache=True, nogil=True)
def _root(parents: NDArray[np.int64], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
