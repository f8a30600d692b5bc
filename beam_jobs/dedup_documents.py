"""Exact and near duplicates: ``verdicts-*`` (VERDICT_SCHEMA), ``clusters-*`` (CLUSTER_SCHEMA), aligned with documents.

Steps, with files between them: band keys meet by (band, hash range) and give candidate pairs; each candidate is
verified against exact hash or estimated Jaccard; verified edges join into components; every shard's verdicts are
written. Documents travel as ordinals (shard's base + row); text is never shuffled.

Survivor of a cluster: a document whose subset is not deduplicated (it stays anyway), then source priority, then most
words, then smallest id. The paper removes one of a pair at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.duplicate_clusters import Assignments, assign
from beam_jobs.shard_map import ShardMap
from filters.minhash import band_hashes, estimated_jaccard
from filters.union_find import collect_candidates
from pipeline import storage
from pipeline.accounting import count_verdicts
from pipeline.config import DedupConfig
from pipeline.documents import AlignmentError, document_shards, kept_rows, read_side_table, verdicts
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_table
from pipeline.schema import CLUSTER_SCHEMA, VERDICT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

_BASE = "base"  # a shard's first ordinal, in its descriptor
_PAIRS = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])
_EDGES = pa.schema([("a", pa.uint64()), ("b", pa.uint64()), ("jaccard", pa.float32()), ("exact", pa.bool_())])

Keyed = tuple[bytes, pa.RecordBatch]


def run(stage: StageRun) -> None:
    """Find clusters over all subsets, then decide shard by shard."""
    config, recipe = stage.recipe.dedup, stage.recipe
    tasks = _numbered(document_shards(stage.manifests["signatures"], "signatures"))
    removable = tuple(subset for subset in recipe.subsets() if recipe.apply.applies("dedup", subset))
    stage.run_once(ShardTask("all", 0, 1, step="match"), lambda: _match(stage, tasks, config), stage.intermediate())
    verify = [replace(task, step="verify") for task in tasks]
    work = stage.intermediate()
    stage.map_shards(verify, VerifyPairs(work, tasks, config, stage.logs))
    assign_task = ShardTask("all", 0, 1, step="assign")
    stage.run_once(assign_task, lambda: assign(assign_task, work, tasks, config.source_priority, removable), work)
    stage.map_shards(tasks, DedupDocuments(stage.space, removable, stage.logs))


def _numbered(tasks: Sequence[ShardTask]) -> list[ShardTask]:
    """Give each shard the ordinal of its first row."""
    base, numbered = 0, []
    for task in tasks:
        rows = task.inputs[0]["rows"]
        numbered.append(replace(task, inputs=({"rows": rows, _BASE: base},)))
        base += rows
    return numbered


def read_signatures(space: Workspace, task: ShardTask) -> pa.Table:
    """A shard's signature table, whole: some hundred bytes a document."""
    return read_table(storage.join(space.upstream["signatures"], task.file("signatures")))


def signature_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.uint32]:
    """Signatures as uint32 [rows, num_perm]; rows that are null hold anything."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    width = array.type.byte_width
    data = np.frombuffer(array.buffers()[1], np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    return data.view(np.uint32).reshape(len(array), width // 4)


# --- candidates -----------------------------------------------------------------------------------------------------


class CandidatePairs(beam.PTransform):
    """Shard descriptors in, paths of written pair files out."""

    def __init__(self, space: Workspace, config: DedupConfig) -> None:
        super().__init__()
        self._space, self._config = space, config

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        """Apply."""
        emit = partial(band_keys, space=self._space, config=self._config)
        return (
            shards
            | "BandKeys" >> beam.FlatMap(emit).with_output_types(Keyed)
            | "Meet" >> beam.GroupByKey()
            | "Pairs" >> beam.Map(partial(write_pairs, space=self._space)).with_output_types(str)
        )


def _match(stage: StageRun, tasks: Sequence[ShardTask], config: DedupConfig) -> Receipt:
    """Let band keys meet, then sort the pairs by the shard of their second document."""
    space = stage.intermediate()

    def build(pipeline: beam.Pipeline) -> None:
        shards = pipeline | "Shards" >> beam.Create([task.to_json() for task in tasks]).with_output_types(str)
        shards | "Spread" >> beam.Reshuffle() | "Candidates" >> CandidatePairs(space, config)

    storage.remove(space.path("pairs"))
    stage.run_pipeline("match", build)
    outputs = _pairs_by_shard(space, tasks)
    return Receipt("match.all-00000-of-00001", (), tuple(outputs), None, "all")


def band_keys(descriptor: str, space: Workspace, config: DedupConfig) -> Iterator[Keyed]:
    """Pack (key, ordinal) of one shard by band and hash range; the exact hash is a band of its own."""
    task = ShardTask.from_json(descriptor)
    table = read_signatures(space, task)
    ordinals = np.arange(table.num_rows, dtype=np.uint64) + np.uint64(task.inputs[0][_BASE])
    signed = table["signature"].is_valid().to_numpy()
    bands = band_hashes(signature_matrix(table["signature"])[signed], config.bands)
    for band in range(config.bands):
        yield from _ranges(band, bands[:, band], ordinals[signed], config.partitions)
    present = table["exact"].is_valid().to_numpy()
    exact = _exact_matrix(table["exact"])[present, 0]
    yield from _ranges(config.bands, exact, ordinals[present], config.partitions)


def _exact_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    return signature_matrix(column).view(np.uint64)


def _ranges(
    band: int, keys: npt.NDArray[np.uint64], ordinals: npt.NDArray[np.uint64], partitions: int
) -> Iterator[Keyed]:
    part = keys % np.uint64(partitions)
    for number in range(partitions):
        chosen = part == number
        if chosen.any():
            batch = pa.RecordBatch.from_arrays([pa.array(keys[chosen]), pa.array(ordinals[chosen])], ["key", "ordinal"])
            yield b"%03d-%03d" % (band, number), batch


def write_pairs(group: tuple[bytes, Iterable[pa.RecordBatch]], space: Workspace) -> str:
    """Write the candidate pairs of one band and range; the same bytes however often and in whatever order it runs."""
    name, batches = group
    table = pa.Table.from_batches(list(batches))
    pairs = collect_candidates(table["key"].to_numpy(), table["ordinal"].to_numpy())
    path = f"pairs/{name.decode()}.parquet"
    with ParquetShardWriter(space.folder, path, _PAIRS, space.scratch) as writer:
        writer.write(pa.RecordBatch.from_arrays([pa.array(pairs[:, 0]), pa.array(pairs[:, 1])], schema=_PAIRS))
    return path


def _pairs_by_shard(space: Workspace, tasks: Sequence[ShardTask]) -> Iterator[Any]:
    """Unite the bands' pairs and write each shard its own: those whose second document it holds."""
    found = [_read_columns(space.path(f"pairs/{name}")) for name in storage.list_files(space.path("pairs"))]
    pairs = np.unique(np.concatenate([np.zeros((0, 2), np.uint64), *found]), axis=0)
    for task in tasks:
        base = task.inputs[0][_BASE]
        mine = pairs[(pairs[:, 1] >= base) & (pairs[:, 1] < base + task.inputs[0]["rows"])]
        path = task.file("candidates")
        with ParquetShardWriter(space.folder, path, _PAIRS, space.scratch) as writer:
            writer.write(pa.RecordBatch.from_arrays([pa.array(mine[:, 0]), pa.array(mine[:, 1])], schema=_PAIRS))
        yield writer.finished()


def _read_columns(path: str) -> npt.NDArray[np.uint64]:
    table = read_table(path, ["a", "b"])
    return np.stack([table["a"].to_numpy(), table["b"].to_numpy()], axis=1)


# --- verification ---------------------------------------------------------------------------------------------------


class VerifyPairs(ShardMap):
    """Shard descriptors in, receipts out: the edges among each shard's candidate pairs."""

    def __init__(self, space: Workspace, tasks: Sequence[ShardTask], config: DedupConfig, logs: str) -> None:
        super().__init__(partial(verify_shard, space=space, tasks=tuple(tasks), config=config), space, logs)


def verify_shard(task: ShardTask, space: Workspace, tasks: Sequence[ShardTask], config: DedupConfig) -> Receipt:
    """Keep the candidate pairs that are exact copies, or whose estimated Jaccard reaches the bound.

    The other side's signatures are read shard by shard, so that at most two tables are in memory.
    """
    pairs = _read_columns(space.path(task.file("candidates")))
    mine, path = read_signatures(space, task), task.file("edges")
    with ParquetShardWriter(space.folder, path, _EDGES, space.scratch) as writer:
        for other in tasks:
            first, rows = other.inputs[0][_BASE], other.inputs[0]["rows"]
            chosen = pairs[(pairs[:, 0] >= first) & (pairs[:, 0] < first + rows)]
            if len(chosen):
                a_rows, b_rows = (chosen - np.array([first, task.inputs[0][_BASE]], np.uint64)).astype(np.int64).T
                jaccard, exact = _similarity(read_signatures(space, other).take(a_rows), mine.take(b_rows))
                keep = jaccard >= np.float32(config.min_jaccard)
                columns = (chosen[keep, 0], chosen[keep, 1], jaccard[keep], exact[keep])
                writer.write(pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=_EDGES))
    return Receipt(task.name, (), (writer.finished(),), None, task.subset)


def _similarity(a: pa.Table, b: pa.Table) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Similarity of two tables row by row: 1 for exact copies, else the estimate, 0 where one has no signature.

    Returns:
        float32 [rows], and bool [rows]: which are exact copies.
    """
    exact = (_exact_matrix(a["exact"]) == _exact_matrix(b["exact"])).all(axis=1)
    signed = a["signature"].is_valid().to_numpy() & b["signature"].is_valid().to_numpy()
    estimate = estimated_jaccard(signature_matrix(a["signature"]), signature_matrix(b["signature"]))
    return np.where(exact, 1.0, np.where(signed, estimate, 0.0)).astype(np.float32), exact


# --- verdicts -------------------------------------------------------------------------------------------------------


class DedupDocuments(ShardMap):
    """Shard descriptors in, receipts out: the verdicts of clusters that are already assigned."""

    def __init__(self, space: Workspace, removable: tuple[str, ...], logs: str) -> None:
        super().__init__(partial(decide_shard, space=space, removable=removable), space, logs)


def decide_shard(task: ShardTask, space: Workspace, removable: tuple[str, ...]) -> Receipt:
    """Write one shard's verdicts and clusters.

    Raises:
        AlignmentError: The signatures are of other documents, so that ordinals would name the wrong rows.
    """
    ids, alive = kept_rows(space.upstream["filter"], task)
    if not read_side_table(space.upstream["signatures"], task, "signatures", ["id"])["id"].equals(ids):
        raise AlignmentError(f"signatures and filter verdicts of {task.name} have different rows")
    found = Assignments.read(storage.join(space.work, task.file("assignments")), len(alive))
    reasons = [found.reasons(row) if task.subset in removable else () for row in np.flatnonzero(alive)]
    evidence = [found.evidence(row) for row in np.flatnonzero(alive)]
    verdict_path, cluster_path = task.file("verdicts"), task.file("clusters")
    rows = verdicts(ids.combine_chunks(), alive, reasons, evidence)
    with ParquetShardWriter(space.folder, verdict_path, VERDICT_SCHEMA, space.scratch) as verdict_writer:
        verdict_writer.write(rows)
    with ParquetShardWriter(space.folder, cluster_path, CLUSTER_SCHEMA, space.scratch) as cluster_writer:
        cluster_writer.write(found.cluster_rows(rows["id"], alive))
    counts = count_verdicts(space.path(verdict_path), int(alive.sum()))
    return Receipt(task.name, (), (verdict_writer.finished(), cluster_writer.finished()), counts, task.subset)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("dedup", argv)


if __name__ == "__main__":
    main()
