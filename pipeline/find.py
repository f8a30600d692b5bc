"""Find documents of a run by what was decided about them; their text is as the filter edited it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.config import RecipeError
from pipeline.documents import document_shards, read_side_table, shard_edits, with_edits
from pipeline.finished import VERDICT_STAGES, FinishedStage, finished_stage, finished_stages
from pipeline.manifest import ShardTask
from pipeline.parquet_files import SerialParquetFile, read_table
from pipeline.schema import DROPPED, KEPT

_FIELDS = ["id", "subset", "source", "offset", "length", "member", "url", "title", "text"]


def find_documents(
    out: str, verdict: str, stage: str | None, reason: str | None, subset: str | None, number: int
) -> list[dict[str, Any]]:
    """Documents with a verdict, in the order of shards and rows.

    Args:
        out: Output folder.
        verdict: ``kept`` (by every finished stage, or by ``stage``), ``dropped`` or ``failed``.
        stage: ``extract`` (raw records, without text), ``filter``, ``dedup`` or ``decontaminate``; None = any of the
            three that judge documents.
        reason: One of the document's reasons.
        subset: Of this subset.
        number: At most so many.

    Raises:
        RecipeError: Nothing is extracted yet, or the stage gives no verdicts.
    """
    finished = finished_stages(out)
    extract = finished_stage(out, "extract")
    if stage is not None and stage not in ("extract", *VERDICT_STAGES):
        raise RecipeError(f"stage {stage} gives no verdicts; those that do: extract, {', '.join(VERDICT_STAGES)}")
    shards = [task for task in document_shards(extract.manifest) if subset in (None, task.subset)]
    if verdict != KEPT and stage == "extract":
        return list(islice(_records(extract, shards, verdict, reason), number))
    stages = [finished[name] for name in VERDICT_STAGES if name in finished and stage in (None, name)]
    found = _documents(finished, stages, shards, verdict, reason, number)
    return list(islice(found, number))


def what_there_is(out: str, verdict: str) -> list[str]:
    """Say how many documents have a verdict: a line for each stage that gave it to any, with its first reasons."""
    lines = []
    for name, stage in finished_stages(out).items():
        counts = stage.manifest["counts"].values() if name in ("extract", *VERDICT_STAGES) else ()
        reasons = sum((Counter(count["dropped"]) for count in counts), Counter[str]())
        number = reasons.total() if verdict == DROPPED else sum(count[verdict] for count in counts)
        said = ", ".join(f"{reason} {times:,}" for reason, times in reasons.most_common())
        if number:
            lines.append(f"--stage {name} has {number:,} {verdict}" + (f": {said}" if verdict == DROPPED else ""))
    return lines


def _records(
    extract: FinishedStage, shards: list[ShardTask], verdict: str, reason: str | None
) -> Iterator[dict[str, Any]]:
    """Raw records that gave no document; their text was never read out."""
    for task in shards:
        rows = read_table(storage.join(extract.folder, task.file("records"))).filter(pc.field("outcome") == verdict)
        for row in rows.to_pylist():
            if reason in (None, row["reason"]):
                yield {"stage": "extract", "verdict": verdict, "subset": task.subset, **row}


def _documents(
    finished: Mapping[str, FinishedStage],
    stages: list[FinishedStage],
    shards: list[ShardTask],
    verdict: str,
    reason: str | None,
    number: int,
) -> Iterator[dict[str, Any]]:
    """The first documents of each shard, no fewer than ``number`` where it has as many."""
    for task in shards:
        found: dict[int, dict[str, Any]] = {}
        for stage in stages:  # a document is dropped by one stage at most, and kept when the last one kept it
            table = read_side_table(stage.folder, task, "verdicts", ["verdict", "reason", "reasons", "evidence"])
            rows = _rows_with(table, verdict, reason)[:number]
            values = table.take(rows).to_pylist()
            decided = {row: {"stage": stage.name, **one} for row, one in zip(rows.tolist(), values, strict=True)}
            found = decided if verdict == KEPT else {**found, **decided}
        if not stages and verdict == KEPT:
            rows_of_shard = range(min(number, task.inputs[0]["rows"]))
            found = {row: {"stage": "extract", "verdict": KEPT} for row in rows_of_shard}
        yield from read_documents_at(finished, task, found)


def _rows_with(table: pa.Table, verdict: str, reason: str | None) -> npt.NDArray[np.int64]:
    """Where a table of verdicts has one, ``reason`` among its reasons."""
    has_it = pc.equal(table["verdict"], verdict).to_numpy()
    if reason is not None:
        reasons = table["reasons"].combine_chunks()
        has_reason = np.zeros(len(table), np.bool_)
        has_reason[pc.list_parent_indices(reasons).filter(pc.equal(reasons.flatten(), reason)).to_numpy()] = True
        has_it = has_it & has_reason
    return np.flatnonzero(has_it)


def read_documents_at(
    finished: Mapping[str, FinishedStage], task: ShardTask, found: dict[int, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Read the documents of the found rows, row group by row group."""
    if not found:
        return
    first, folders = 0, {name: stage.folder for name, stage in finished.items()}
    edits = shard_edits(folders, task, max(found) + 1) if "filter" in finished else None
    with storage.open_read(storage.join(folders["extract"], task.file("documents"))) as stream:
        file = SerialParquetFile(stream)
        for group in range(file.metadata.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            rows = sorted(row for row in found if first <= row < last)
            if rows:
                table = file.read_row_group(group, _FIELDS).take([row - first for row in rows])
                (batch,) = table.combine_chunks().to_batches()
                if edits is not None:
                    batch = with_edits(batch, edits.take(rows))
                for row, document in zip(rows, batch.to_pylist(), strict=True):
                    yield {**found[row], **document, "id": document["id"].hex()}
            first = last
