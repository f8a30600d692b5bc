"""Decide by bounds on stored signals, without reading text: ``verdicts-*`` (pipeline.schema.VERDICT_SCHEMA).

Where the recipe redacts (``[filter] redact``) or takes lines as C4 does (``[filter] rules``), the table names the spans
of the signals that edit its documents (``pipeline.text_edits``); later stages read the text with these edits applied
(``pipeline.documents``). What decides is measured before any edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.shard_map import ShardMap
from filters.bounds import Bound, OneOf, decide
from filters.redaction import REPLACEMENTS
from pipeline import storage
from pipeline.accounting import count_verdicts
from pipeline.config import Recipe
from pipeline.documents import document_shards, verdicts
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.parquet_files import SerialParquetFile
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ROWS_PER_GROUP, ParquetShardWriter
from pipeline.text_edits import Editing, count_edits, verdict_schema

_ROWS: Final = 64 * ROWS_PER_GROUP  # of signals, read at once: whole row groups
_ROWS_A_WORKER: Final = 400_000  # decided in 3 s, which is what another process takes to start


class Decision(NamedTuple):
    """What is decided by about a subset's documents."""

    rules: tuple[Bound | OneOf, ...]
    redacted: tuple[str, ...] = ()  # kinds of filters.pii
    edited_by_c4: bool = False  # what filters.c4 takes from the text

    @property
    def editing(self) -> Editing:
        """The spans that edit the documents, and the marks that personal data gives way to."""
        marks = {kind: REPLACEMENTS[kind] for kind in self.redacted}
        return {**({"c4_edits": None} if self.edited_by_c4 else {}), **({"pii": marks} if marks else {})}


class FilterDocuments(ShardMap):
    """Write each shard's verdicts beside its signals, row by row, and count them."""

    def __init__(self, space: Workspace, decisions: dict[str, Decision], logs: str) -> None:
        super().__init__(partial(decide_shard, space=space, decisions=decisions), space, logs)


def run(stage: StageRun) -> None:
    """Decide about every shard of signals."""
    decisions = {subset: decision_of(stage.recipe, subset) for subset in stage.recipe.subsets()}
    tasks = document_shards(stage.manifests["signals"], "signals")
    stage.map_shards(tasks, FilterDocuments(stage.space, decisions, stage.logs), _ROWS_A_WORKER)


def decision_of(recipe: Recipe, subset: str) -> Decision:
    """What applies to a subset."""
    from pipeline.filter_rules import rules_of  # with the kernels' modules: not for the workers, which call no kernel

    redacted = recipe.filter.redact if recipe.apply.applies("redact", subset) else ()
    edited_by_c4 = "c4" in recipe.filter.rules and recipe.apply.applies("c4", subset)
    return Decision(rules_of(recipe, subset), redacted, edited_by_c4)


def decide_shard(task: ShardTask, space: Workspace, decisions: dict[str, Decision]) -> Receipt:
    """Decide about one shard."""
    signals = storage.join(space.upstream["signals"], task.file("signals"))
    path, entered, decision = task.file("verdicts"), 0, decisions[task.subset]
    columns = ["id", *(rule.name for rule in decision.rules)]
    with (
        storage.open_read(signals) as stream,
        ParquetShardWriter(space.folder, path, verdict_schema(decision.editing), space.scratch) as writer,
    ):
        file = SerialParquetFile(stream)
        for batch in file.iter_batches(_ROWS, columns=columns):
            entered += batch.num_rows
            writer.write(decide_batch(batch, decision))
    counts = count_verdicts(space.path(path), entered)
    if decision.editing:
        counts = replace(counts, extra=count_edits(space.path(path), signals))
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def decide_batch(signals: pa.RecordBatch, decision: Decision) -> pa.RecordBatch:
    """Verdicts of a batch of signals, with the failing measurements as evidence."""
    reasons = decide(signals, decision.rules)
    return verdicts(signals["id"], np.ones(signals.num_rows, bool), reasons, _evidence(signals, reasons))


def _evidence(signals: pa.RecordBatch, reasons: pa.ListArray) -> pa.Array:
    """The failing measurements of each document, as ``num_words=12; language_score=0.4``; null where none fails."""
    rows, names = pc.list_parent_indices(reasons).to_numpy(), reasons.flatten().dictionary_encode()
    codes = names.indices.to_numpy()
    places, said = [np.empty(0, np.int64)], [pa.array([], pa.string())]
    for code, name in enumerate(names.dictionary.to_pylist()):
        places.append(np.flatnonzero(codes == code))
        said.append(_said(name, signals[name].take(pa.array(rows[places[-1]]))))
    in_order = pa.concat_arrays(said).take(pa.array(np.argsort(np.concatenate(places))))
    lists = pa.ListArray.from_arrays(reasons.offsets, in_order)
    return pc.if_else(pc.greater(pc.list_value_length(reasons), 0), pc.binary_join(lists, "; "), None)


def _said(name: str, values: pa.Array) -> pa.StringArray:
    texts = _six_digits(values) if pa.types.is_floating(values.type) else values.cast(pa.string())
    return pc.binary_join_element_wise(name, texts, "=", null_handling="replace", null_replacement="None")


def _six_digits(values: pa.FloatingPointArray) -> pa.StringArray:
    """Each as ``%.6g`` gives it; one call formats all of them, in half the time of a call each."""
    lines = "%.6g\n" * len(values) % tuple(values.fill_null(0).to_pylist())
    return pc.if_else(values.is_valid(), pa.array(lines.splitlines(), pa.string()), None)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("filter", argv)


if __name__ == "__main__":
    main()
