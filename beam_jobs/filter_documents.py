"""Decide by bounds on stored signals, without reading text: ``verdicts-*`` (pipeline.schema.VERDICT_SCHEMA).

Where the recipe redacts (``[filter] redact``), the table also holds each document's edits (EDITED_VERDICT_SCHEMA);
later stages read the text with these applied (``pipeline.documents``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_jobs.shard_map import ShardMap
from filters.bounds import Bound, OneOf, decide
from filters.content import CONTENT_BOUNDS
from filters.pii import REPLACEMENTS
from filters.quality import QUALITY_BOUNDS
from filters.repetition import REPETITION_BOUNDS
from pipeline import storage
from pipeline.accounting import count_edits, count_verdicts
from pipeline.config import LANGUAGE_PARAGRAPHS, Recipe, RecipeError
from pipeline.documents import document_shards, verdicts
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import EDITED_VERDICT_SCHEMA, EDITS_TYPE, VERDICT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

Rule = Bound | OneOf


class Decision(NamedTuple):
    """What is decided by about a subset's documents."""

    rules: tuple[Rule, ...]
    redacted: tuple[str, ...] = ()  # kinds of filters.pii


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
    return Decision(rules_of(recipe, subset), redacted)


def rules_of(recipe: Recipe, subset: str) -> tuple[Rule, ...]:
    """The rules that apply to a subset, in the paper's order, with the recipe's bounds in place of the published ones.

    Raises:
        RecipeError: ``[filter] bounds`` names a signal that has no bound, or a range that no value can be in.
    """
    published = {bound.name: bound for bound in (*CONTENT_BOUNDS, *QUALITY_BOUNDS, *REPETITION_BOUNDS)}
    known = (*published, *recipe.signals.optional_signals())
    if unknown := sorted(set(recipe.filter.bounds) - set(known)):
        raise RecipeError(f"[filter.bounds] has unknown signals {unknown}; known: {', '.join(known)}")
    try:
        changed = {name: Bound(name, low=bound.low, high=bound.high) for name, bound in recipe.filter.bounds.items()}
    except ValueError as error:
        raise RecipeError(f"[filter.bounds] {error}") from error
    rules: list[Rule] = []
    if recipe.apply.applies("language", subset):
        rules.append(OneOf("language", recipe.filter.languages))
        rules.append(Bound("language_score", low=recipe.min_language_score(subset)))
        rules += [changed[LANGUAGE_PARAGRAPHS]] if LANGUAGE_PARAGRAPHS in changed else []
    if recipe.apply.applies("classifiers", subset):
        rules += [changed[name] for name in known if name in changed and name.startswith("classifier_")]
    published_by_rule = (("content", CONTENT_BOUNDS), ("quality", QUALITY_BOUNDS), ("repetition", REPETITION_BOUNDS))
    for rule, bounds in published_by_rule:
        if recipe.apply.applies(rule, subset):
            rules += [changed.get(bound.name, bound) for bound in bounds]
    return tuple(rules)


def decide_shard(task: ShardTask, space: Workspace, decisions: dict[str, Decision]) -> Receipt:
    """Decide about one shard."""
    path, entered, decision = task.file("verdicts"), 0, decisions[task.subset]
    schema = EDITED_VERDICT_SCHEMA if decision.redacted else VERDICT_SCHEMA
    with (
        storage.open_read(storage.join(space.upstream["signals"], task.file("signals"))) as stream,
        ParquetShardWriter(space.folder, path, schema, space.scratch) as writer,
    ):
        for batch in pq.ParquetFile(stream).iter_batches():
            entered += batch.num_rows
            writer.write(decide_batch(batch, decision))
    counts = count_verdicts(space.path(path), entered)
    if decision.redacted:
        counts = replace(counts, extra=count_edits(space.path(path)))
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def decide_batch(signals: pa.RecordBatch, decision: Decision) -> pa.RecordBatch:
    """Verdicts of a batch of signals, with the failing measurements as evidence, and its edits."""
    reasons = decide(signals, decision.rules).to_pylist()
    evidence = [_evidence(signals, row, failed) if failed else None for row, failed in enumerate(reasons)]
    edits = redactions(signals["pii"], decision.redacted) if decision.redacted else None
    return verdicts(signals["id"], np.ones(signals.num_rows, bool), reasons, evidence, edits)


def redactions(spans: pa.Array, kinds: Sequence[str]) -> pa.Array:
    """The edits (EDITS_TYPE) that put a kind's name in the place of each span of one of ``kinds``.

    Args:
        spans: ``filters.pii.PII_TYPE`` [n].
        kinds: Those that are redacted.
    """
    flat, rows = spans.flatten(), pc.list_parent_indices(spans)
    chosen = pc.is_in(flat.field("kind"), value_set=pa.array(kinds, pa.string()))
    flat, counts = flat.filter(chosen), np.bincount(rows.filter(chosen).to_numpy(), minlength=len(spans))
    replacements = pa.array([REPLACEMENTS[kind] for kind in flat.field("kind").to_pylist()], pa.string())
    columns = [flat.field("start"), flat.field("stop"), replacements, flat.field("kind")]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    values = pa.StructArray.from_arrays(columns, fields=list(EDITS_TYPE.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=EDITS_TYPE)


def _evidence(signals: pa.RecordBatch, row: int, failed: Sequence[str]) -> str:
    """The failing measurements, as ``num_words=12; language_score=0.4``."""
    values = ((name, signals[name][row].as_py()) for name in failed)
    return "; ".join(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in values)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("filter", argv)


if __name__ == "__main__":
    main()
