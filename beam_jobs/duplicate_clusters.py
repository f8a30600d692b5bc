"""From verified edges to clusters, survivors, and each shard's assignments (an intermediate table of dedup)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.union_find import components
from pipeline import storage
from pipeline.documents import read_side_table
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_table
from pipeline.schema import CLUSTER_SCHEMA, ID_BYTES
from pipeline.storage import ParquetShardWriter

_ID = pa.binary(ID_BYTES)
_ASSIGNMENTS = pa.schema(
    [
        ("row", pa.int64()),
        ("cluster", _ID),
        ("size", pa.int64()),
        ("survivor", _ID),
        ("partner", _ID),
        ("jaccard", pa.float32()),
        ("exact", pa.bool_()),  # the partner is an exact copy
        ("is_survivor", pa.bool_()),
    ]
)


def assign(
    task: ShardTask,
    space: Workspace,
    tasks: Sequence[ShardTask],
    source_priority: Sequence[str],
    removable: Sequence[str],
) -> Receipt:
    """Join edges into components, choose survivors, and write one assignment table a shard.

    One process holds a label a document and all verified edges: 9.4 GB of labels at 2.35e9 documents.
    """
    edges = _read_edges(space, tasks)
    num_nodes = sum(shard.inputs[0]["rows"] for shard in tasks)
    pairs = np.stack([edges["a"].to_numpy(), edges["b"].to_numpy()], axis=1)
    members = np.unique(pairs)
    labels = components(num_nodes, pairs)[members.astype(np.int64)]
    facts = _member_facts(space, tasks, members, source_priority, removable)
    rows = _rows(members, labels, facts, _partners(edges))
    outputs = [_write(space, shard, members, rows) for shard in tasks]
    return Receipt(task.name, (), tuple(outputs), None, task.subset)


def _read_edges(space: Workspace, tasks: Sequence[ShardTask]) -> pa.Table:
    return pa.concat_tables(read_table(space.path(task.file("edges"))) for task in tasks)


def _member_facts(
    space: Workspace,
    tasks: Sequence[ShardTask],
    members: npt.NDArray[np.uint64],
    source_priority: Sequence[str],
    removable: Sequence[str],
) -> list[tuple[tuple[bool, int, int, bytes], bytes]]:
    """For each member its rank (smallest survives) and its id."""
    facts: list[tuple[tuple[bool, int, int, bytes], bytes]] = []
    for task in tasks:
        rank = source_priority.index(task.subset) if task.subset in source_priority else len(source_priority)
        rows = _rows_of(task, members)
        table = read_side_table(space.upstream["signatures"], task, "signatures", ["id", "num_words"]).take(rows)
        for identity, words in zip(table["id"].to_pylist(), table["num_words"].to_pylist(), strict=True):
            facts.append(((task.subset in removable, rank, -words, identity), identity))
    return facts


def _rows_of(task: ShardTask, members: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    base = task.inputs[0]["base"]
    low, high = np.searchsorted(members, [base, base + task.inputs[0]["rows"]])
    return (members[low:high] - np.uint64(base)).astype(np.int64)


Partner = tuple[bool, float, int]  # exact copy, similarity, ordinal


def _partners(edges: pa.Table) -> dict[int, Partner]:
    """Each document's most similar verified neighbour: exact copies first; ties go to the smallest ordinal."""
    best: dict[int, Partner] = {}
    columns = (edges[name].to_pylist() for name in ("a", "b", "jaccard", "exact"))
    for a, b, jaccard, exact in zip(*columns, strict=True):
        for one, other in ((a, b), (b, a)):
            known = best.get(one)
            if known is None or (exact, jaccard, -other) > (known[0], known[1], -known[2]):
                best[one] = (exact, jaccard, other)
    return best


def _rows(
    members: npt.NDArray[np.uint64],
    labels: npt.NDArray[np.int64],
    facts: Sequence[tuple[tuple[bool, int, int, bytes], bytes]],
    partners: dict[int, Partner],
) -> list[dict[str, Any]]:
    """One row a member: its cluster's name, size and survivor, and its partner."""
    clusters: dict[int, list[int]] = {}
    for position, label in enumerate(labels.tolist()):
        clusters.setdefault(label, []).append(position)
    position_of = {ordinal: position for position, ordinal in enumerate(members.tolist())}
    rows: list[dict[str, Any]] = [{} for _ in members]
    for positions in clusters.values():
        survivor = min(positions, key=lambda position: facts[position][0])
        name = min(facts[position][1] for position in positions)
        for position in positions:
            exact, jaccard, partner = partners[int(members[position])]
            rows[position] = {
                "cluster": name,
                "size": len(positions),
                "survivor": facts[survivor][1],
                "partner": facts[position_of[partner]][1],
                "jaccard": jaccard,
                "exact": exact,
                "is_survivor": position == survivor,
            }
    return rows


def _write(
    space: Workspace, task: ShardTask, members: npt.NDArray[np.uint64], rows: Sequence[dict[str, Any]]
) -> storage.OutputFile:
    base = task.inputs[0]["base"]
    low, high = np.searchsorted(members, [base, base + task.inputs[0]["rows"]])
    mine = [
        {**row, "row": number} for row, number in zip(rows[low:high], _rows_of(task, members).tolist(), strict=True)
    ]
    with ParquetShardWriter(space.folder, task.file("assignments"), _ASSIGNMENTS, space.scratch) as writer:
        writer.write(pa.RecordBatch.from_pylist(mine, _ASSIGNMENTS))
    return writer.finished()


class Assignments:
    """The clustered rows of one shard."""

    def __init__(self, rows: dict[int, dict[str, Any]], length: int) -> None:
        self._rows, self._length = rows, length

    @classmethod
    def read(cls, path: str, length: int) -> Assignments:
        """Read a shard's table; ``length`` is the shard's number of documents."""
        return cls({row["row"]: row for row in read_table(path).to_pylist()}, length)

    def reasons(self, row: int) -> tuple[str, ...]:
        """Why a document is removed; empty when it stays."""
        found = self._rows.get(row)
        if found is None or found["is_survivor"]:
            return ()
        return ("exact_duplicate",) if found["exact"] else ("near_duplicate",)

    def evidence(self, row: int) -> str | None:
        """Partner, similarity and survivor of a clustered document."""
        found = self._rows.get(row)
        if found is None:
            return None
        return (
            f"jaccard={found['jaccard']:.3f} with {found['partner'].hex()}; survivor={found['survivor'].hex()}; "
            f"cluster of {found['size']}"
        )

    def cluster_rows(self, ids: pa.Array, alive: npt.NDArray[np.bool_]) -> pa.RecordBatch:
        """The shard's rows of the clusters table."""
        names = CLUSTER_SCHEMA.names[1:]
        alone = dict.fromkeys(names)
        rows = [
            {"id": identity, **alone, "size": int(alive[row]), **_cluster_columns(self._rows.get(row), names)}
            for row, identity in enumerate(ids.to_pylist())
        ]
        return pa.RecordBatch.from_pylist(rows, CLUSTER_SCHEMA)


def _cluster_columns(found: dict[str, Any] | None, names: Sequence[str]) -> dict[str, Any]:
    return {name: found[name] for name in names} if found else {}
