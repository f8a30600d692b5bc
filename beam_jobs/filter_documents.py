"""Decide by bounds on stored signals, without reading text: ``verdicts-*`` (pipeline.schema.VERDICT_SCHEMA).

Where the recipe redacts (``[filter] redact``) or takes lines as C4 does (``[filter] rules``), the table also holds each
document's edits (EDITED_VERDICT_SCHEMA); later stages read the text with these applied (``pipeline.documents``). What
decides is measured before any edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_jobs.shard_map import ShardMap
from filters.bounds import decide
from filters.pii import REPLACEMENTS
from pipeline import storage
from pipeline.accounting import count_edits, count_verdicts
from pipeline.config import Recipe
from pipeline.documents import document_shards, verdicts
from pipeline.filter_rules import Rule, rules_of
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import EDITED_VERDICT_SCHEMA, EDITS_TYPE, VERDICT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ROWS_PER_GROUP, ParquetShardWriter

# signals read at once: whole row groups
_ROWS: Final = 64 * ROWS_PER_GROUP
_EDITED_ROWS: Final = 8 * ROWS_PER_GROUP  # a document has hundreds of edits


class Decision(NamedTuple):
    """What is decided by about a subset's documents."""

    rules: tuple[Rule, ...]
    redacted: tuple[str, ...] = ()  # kinds of filters.pii
    edited_by_c4: bool = False  # what filters.c4 takes from the text

    @property
    def edits(self) -> bool:
        """Whether documents may be edited."""
        return bool(self.redacted) or self.edited_by_c4

    @property
    def columns(self) -> list[str]:
        """Of the signals, those that it reads."""
        spans = [*(["c4_edits"] if self.edited_by_c4 else []), *(["pii"] if self.redacted else [])]
        return ["id", *(rule.name for rule in self.rules), *spans]


class FilterDocuments(ShardMap):
    """Write each shard's verdicts beside its signals, row by row, and count them."""

    def __init__(self, space: Workspace, decisions: dict[str, Decision], logs: str) -> None:
        super().__init__(partial(decide_shard, space=space, decisions=decisions), space, logs)


def run(stage: StageRun) -> None:
    """Decide about every shard of signals."""
    decisions = {subset: decision_of(stage.recipe, subset) for subset in stage.recipe.subsets()}
    tasks = document_shards(stage.manifests["signals"], "signals")
    stage.map_shards(tasks, FilterDocuments(stage.space, decisions, stage.logs))


def decision_of(recipe: Recipe, subset: str) -> Decision:
    """What applies to a subset."""
    redacted = recipe.filter.redact if recipe.apply.applies("redact", subset) else ()
    edited_by_c4 = "c4" in recipe.filter.rules and recipe.apply.applies("c4", subset)
    return Decision(rules_of(recipe, subset), redacted, edited_by_c4)


def decide_shard(task: ShardTask, space: Workspace, decisions: dict[str, Decision]) -> Receipt:
    """Decide about one shard."""
    path, entered, decision = task.file("verdicts"), 0, decisions[task.subset]
    schema = EDITED_VERDICT_SCHEMA if decision.edits else VERDICT_SCHEMA
    with (
        storage.open_read(storage.join(space.upstream["signals"], task.file("signals"))) as stream,
        ParquetShardWriter(space.folder, path, schema, space.scratch) as writer,
    ):
        rows = _EDITED_ROWS if decision.edits else _ROWS
        file = pq.ParquetFile(stream, pre_buffer=False)  # else all of the file at once
        for batch in file.iter_batches(rows, columns=decision.columns):
            entered += batch.num_rows
            writer.write(decide_batch(batch, decision))
    counts = count_verdicts(space.path(path), entered)
    if decision.edits:
        counts = replace(counts, extra=count_edits(space.path(path)))
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def decide_batch(signals: pa.RecordBatch, decision: Decision) -> pa.RecordBatch:
    """Verdicts of a batch of signals, with the failing measurements as evidence, and its edits."""
    reasons = decide(signals, decision.rules)
    edits = edits_of(signals, decision) if decision.edits else None
    return verdicts(signals["id"], np.ones(signals.num_rows, bool), reasons, _evidence(signals, reasons), edits)


def edits_of(signals: pa.RecordBatch, decision: Decision) -> pa.Array:
    """Each document's edits (EDITS_TYPE): what C4's rules take, and the marks that personal data gives way to.

    Personal data in a line that goes, goes with it.
    """
    taken = _spans(signals["c4_edits"]) if decision.edited_by_c4 else _NO_SPANS
    spans = _with_data(taken, signals["pii"], decision.redacted) if decision.redacted else taken
    start, stop, kinds = (spans[name].combine_chunks() for name in ("start", "stop", "kind"))
    marks = pa.repeat("", len(kinds))  # nothing for C4's
    if decision.redacted:
        which = pc.index_in(kinds, value_set=pa.array(list(REPLACEMENTS), pa.string()))
        marks = pc.fill_null(pa.array(REPLACEMENTS.values(), pa.string()).take(which), "")
    values = pa.StructArray.from_arrays([start, stop, marks, kinds], fields=list(EDITS_TYPE.value_type))
    counts = np.bincount(spans["row"].to_numpy(), minlength=signals.num_rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=EDITS_TYPE)


def _with_data(taken: pa.Table, lists: pa.Array, redacted: Sequence[str]) -> pa.Table:
    """Spans that are taken, and those of personal data outside them, in order."""
    data = _spans(lists)
    data = data.filter(pc.is_in(data["kind"], value_set=pa.array(redacted, pa.string())))
    data = data.filter(pa.array(~_covered(data, taken)))
    return pa.concat_tables([taken, data]).sort_by([("row", "ascending"), ("start", "ascending")])


_NO_SPANS = pa.table(
    {
        "row": pa.array([], pa.int64()),
        "start": pa.array([], pa.int32()),
        "stop": pa.array([], pa.int32()),
        "kind": pa.array([], pa.string()),
    }
)


def _spans(lists: pa.Array) -> pa.Table:
    """A row a span of ``lists`` (start, stop, kind), with the document's row in the batch."""
    flat = lists.flatten()
    columns = [pc.list_parent_indices(lists), *(flat.field(name) for name in ("start", "stop", "kind"))]
    return pa.Table.from_arrays(columns, _NO_SPANS.column_names).cast(_NO_SPANS.schema)


def _covered(spans: pa.Table, others: pa.Table) -> npt.NDArray[np.bool_]:
    """Which spans begin in one of ``others``, which are in order and apart."""
    starts, other_starts = (table["row"].to_numpy() << 32 | table["start"].to_numpy() for table in (spans, others))
    before = np.searchsorted(other_starts, starts, side="right") - 1
    ends = others["row"].to_numpy() << 32 | others["stop"].to_numpy()
    covered: npt.NDArray[np.bool_] = (before >= 0) & (starts < np.append(ends, 0)[before])
    return covered


def _evidence(signals: pa.RecordBatch, reasons: pa.ListArray) -> pa.Array:
    """The failing measurements of each document, as ``num_words=12; language_score=0.4``; null where none fails."""
    rows, names = pc.list_parent_indices(reasons), reasons.flatten()
    said = np.empty(len(names), object)
    for name in pc.unique(names).to_pylist():
        at = np.flatnonzero(pc.equal(names, name))
        said[at] = _said(name, signals[name].take(rows.take(pa.array(at))).to_pylist())
    lists = pa.ListArray.from_arrays(reasons.offsets, pa.array(said, pa.string()))
    return pc.if_else(pc.greater(pc.list_value_length(reasons), 0), pc.binary_join(lists, "; "), None)


def _said(name: str, values: Sequence[Any]) -> list[str]:
    return [f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for value in values]


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("filter", argv)


if __name__ == "__main__":
    main()
