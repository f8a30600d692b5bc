"""Exact nearest neighbours by squared Euclidean distance, the same bits for any block size, thread count and machine.

A float32 matrix product finds candidates and nothing else: a key is one when its approximate distance is within a
proven error bound of the k-th best, so no true neighbour is missed, however the product was rounded. Candidates are
then ranked by a distance that depends on the two keys alone: differences and squares in float64, summed in one fixed
order, rounded to float32. Equal distances are ranked by ordinal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.retro.layout import NO_NEIGHBOUR

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float32]
_PAIRS_AT_ONCE = 8192  # pairs measured in float64: 25 MB of differences for keys of 384 numbers


@dataclass(frozen=True)
class KeyBlock:
    """Some keys, as queries or to be searched.

    Attributes:
        keys: float16 or float32 [n, d], finite.
        groups: int64 [n]; keys of one group (a document, or a cluster of duplicates) are not each other's neighbours.
        ordinals: int64 [n], of the keys' chunks; unique in the database.
    """

    keys: np.ndarray
    groups: _Ints
    ordinals: _Ints

    def __len__(self) -> int:
        """Number of keys."""
        return len(self.keys)

    def blocks(self, rows: int) -> Iterator[KeyBlock]:
        """Cut into blocks of at most so many keys."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield KeyBlock(self.keys[part], self.groups[part], self.ordinals[part])


def nearest_neighbours(
    queries: KeyBlock, database: list[KeyBlock], k: int, query_rows: int = 1024, key_rows: int = 4096
) -> tuple[_Ints, _Floats]:
    """Search all keys for every query.

    The work is one matrix product, and about a microsecond for each candidate: many when many keys are equal.

    Args:
        queries: Their groups are excluded from the answers, and with them the query itself.
        database: All keys, in any number of blocks; may be memory-mapped.
        k: Neighbours a query.
        query_rows: Queries at once; the answer does not depend on it.
        key_rows: Keys at once; the answer does not depend on it.

    Returns:
        int64 [queries, k] ordinals, nearest first, -1 where fewer than k keys are allowed; float32 [queries, k]
        squared distances, infinite there.
    """
    found = [_search(part, database, k, key_rows) for part in queries.blocks(query_rows)]
    if not found:
        return np.empty((0, k), np.int64), np.empty((0, k), np.float32)
    return np.concatenate([ordinals for ordinals, _ in found]), np.concatenate([d for _, d in found])


def _search(queries: KeyBlock, database: list[KeyBlock], k: int, key_rows: int) -> tuple[_Ints, _Floats]:
    best = np.full((len(queries), k), NO_NEIGHBOUR, np.int64)
    distances = np.full((len(queries), k), np.inf, np.float32)
    for block in (part for whole in database for part in whole.blocks(key_rows)):
        rows, columns = _candidates(queries, block, distances[:, -1], k)
        exact = _exact_distances(queries.keys, block.keys, rows, columns)
        best, distances = _merge(best, distances, rows, block.ordinals[columns], exact)
    return best, distances


def _candidates(queries: KeyBlock, block: KeyBlock, worst: _Floats, k: int) -> tuple[_Ints, _Ints]:
    """Pairs (query row, key row) that may be among the k nearest.

    Args:
        queries: The queries.
        block: The keys.
        worst: float32 [queries], the k-th distance so far, infinite while there are fewer.
        k: Neighbours a query.
    """
    approximate, error = _approximate_distances(queries.keys, block.keys)
    approximate[queries.groups[:, None] == block.groups] = np.inf
    limit = worst + error
    unlimited = np.flatnonzero(np.isinf(worst))
    if len(unlimited) and len(block) > k:
        # k keys are truly within kth + error, so all that matter are approximately within kth + 2 * error
        kth = np.partition(approximate[unlimited], k - 1, axis=1)[:, k - 1]
        limit[unlimited] = kth + 2 * error[unlimited]
    rows, columns = np.nonzero((approximate <= limit[:, None]) & np.isfinite(approximate))
    return rows, columns


def _approximate_distances(queries: np.ndarray, keys: np.ndarray) -> tuple[_Floats, _Floats]:
    """Distances by one matrix product, float32 [queries, keys], and a bound of their error, float32 [queries].

    A float32 inner product of d terms, summed in any order, is off by at most d * 2**-24 * |q||k| (to first order);
    norms and additions add a few roundings of (|q| + |k|)**2. The bound is more than twice the sum of these.
    """
    q, x = queries.astype(np.float32), keys.astype(np.float32)
    q_norms = np.square(q, dtype=np.float64).sum(axis=1)
    x_norms = np.square(x, dtype=np.float64).sum(axis=1)
    product = q @ x.T
    product *= -2
    product += q_norms.astype(np.float32)[:, None]
    product += x_norms.astype(np.float32)
    largest = np.sqrt(q_norms) + np.sqrt(x_norms.max())
    return product, ((q.shape[1] + 16) * 2.0**-23 * np.square(largest)).astype(np.float32)


def _exact_distances(queries: np.ndarray, keys: np.ndarray, rows: _Ints, columns: _Ints) -> _Floats:
    """float32 [pairs]: each depends on its two keys alone, and is 0 for equal ones."""
    distances = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        difference = queries[rows[part]].astype(np.float64) - keys[columns[part]].astype(np.float64)
        distances[part] = _row_sums(np.square(difference))
    return distances


def _row_sums(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum each row by folding its upper half onto the lower: an order that no library or processor changes."""
    width = terms.shape[1]
    while width > 1:
        half = (width + 1) // 2
        terms[:, : width - half] += terms[:, half:width]
        width = half
    return terms[:, 0]


def _merge(best: _Ints, distances: _Floats, rows: _Ints, ordinals: _Ints, exact: _Floats) -> tuple[_Ints, _Floats]:
    """Keep each query's k first of what it had and the new pairs, by distance and ordinal."""
    num_queries, k = best.shape
    all_rows = np.concatenate([np.repeat(np.arange(num_queries), k), rows])
    all_ordinals = np.concatenate([best.ravel(), ordinals])
    all_distances = np.concatenate([distances.ravel(), exact])
    order = np.lexsort((all_ordinals, all_distances, all_rows))
    counts = np.bincount(all_rows, minlength=num_queries)  # at least k each
    first = np.cumsum(counts) - counts
    chosen = order[first[:, None] + np.arange(k)]
    return all_ordinals[chosen], all_distances[chosen]
