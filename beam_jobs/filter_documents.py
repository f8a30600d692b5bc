"""Decide by bounds on stored signals, without reading text: ``verdicts-*`` (pipeline.schema.VERDICT_SCHEMA).

Where the recipe redacts (``[filter] redact``) or takes lines as C4 does (``[filter] rules``), the table also holds each
document's edits (EDITED_VERDICT_SCHEMA); later stages read the text with these applied (``pipeline.documents``). What
decides is measured before any edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

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
from pipeline.storage import ParquetShardWriter


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
        for batch in pq.ParquetFile(stream).iter_batches(columns=decision.columns):
            entered += batch.num_rows
            writer.write(decide_batch(batch, decision))
    counts = count_verdicts(space.path(path), entered)
    if decision.edits:
        counts = replace(counts, extra=count_edits(space.path(path)))
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def decide_batch(signals: pa.RecordBatch, decision: Decision) -> pa.RecordBatch:
    """Verdicts of a batch of signals, with the failing measurements as evidence, and its edits."""
    reasons = decide(signals, decision.rules).to_pylist()
    values = {name: signals[name].to_pylist() for name in dict.fromkeys(chain.from_iterable(reasons))}
    evidence = [_evidence(values, row, failed) if failed else None for row, failed in enumerate(reasons)]
    edits = edits_of(signals, decision) if decision.edits else None
    return verdicts(signals["id"], np.ones(signals.num_rows, bool), reasons, evidence, edits)


def edits_of(signals: pa.RecordBatch, decision: Decision) -> pa.Array:
    """Each document's edits (EDITS_TYPE): what C4's rules take, and the marks that personal data gives way to.

    Personal data in a line that goes, goes with it.
    """
    taken = _spans(signals["c4_edits"]) if decision.edited_by_c4 else _NO_SPANS
    data = _spans(signals["pii"]) if decision.redacted else _NO_SPANS
    data = data.filter(pc.is_in(data["kind"], value_set=pa.array(decision.redacted, pa.string())))
    data = data.filter(pa.array(~_covered(data, taken)))
    spans = pa.concat_tables([taken, data]).sort_by([("row", "ascending"), ("start", "ascending")])
    start, stop, kinds = (spans[name].combine_chunks() for name in ("start", "stop", "kind"))
    which = pc.index_in(kinds, value_set=pa.array(list(REPLACEMENTS), pa.string()))
    marks = pc.fill_null(pa.array(REPLACEMENTS.values(), pa.string()).take(which), "")  # nothing for C4's
    columns = [start, stop, marks, kinds]
    values = pa.StructArray.from_arrays(columns, fields=list(EDITS_TYPE.value_type))
    counts = np.bincount(spans["row"].to_numpy(), minlength=signals.num_rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=EDITS_TYPE)


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


def _evidence(values: Mapping[str, Sequence[Any]], row: int, failed: Sequence[str]) -> str:
    """The failing measurements, as ``num_words=12; language_score=0.4``."""
    shown = ((name, values[name][row]) for name in failed)
    return "; ".join(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("filter", argv)


if __name__ == "__main__":
    main()
