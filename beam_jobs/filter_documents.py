"""Decide by bounds on stored signals, without reading text: ``verdicts-*`` (pipeline.schema.VERDICT_SCHEMA)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs.shard_map import ShardMap
from filters.bounds import Bound, OneOf, decide
from filters.quality import QUALITY_BOUNDS
from filters.repetition import REPETITION_BOUNDS
from pipeline import storage
from pipeline.accounting import count_verdicts
from pipeline.config import Recipe, RecipeError
from pipeline.documents import document_shards, verdicts
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import VERDICT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

Rule = Bound | OneOf


class FilterDocuments(ShardMap):
    """Write each shard's verdicts beside its signals, row by row, and count them."""

    def __init__(self, space: Workspace, rules: dict[str, tuple[Rule, ...]], logs: str) -> None:
        super().__init__(partial(decide_shard, space=space, rules=rules), space, logs)


def run(stage: StageRun) -> None:
    """Decide about every shard of signals."""
    rules = {subset: rules_of(stage.recipe, subset) for subset in stage.recipe.subsets()}
    tasks = document_shards(stage.manifests["signals"], "signals")
    stage.map_shards(tasks, FilterDocuments(stage.space, rules, stage.logs))


def rules_of(recipe: Recipe, subset: str) -> tuple[Rule, ...]:
    """The rules that apply to a subset, in the paper's order, with the recipe's bounds in place of the published ones.

    Raises:
        RecipeError: ``[filter] bounds`` names a signal that has no bound, or a range that no value can be in.
    """
    published = {bound.name: bound for bound in (*QUALITY_BOUNDS, *REPETITION_BOUNDS)}
    if unknown := sorted(set(recipe.filter.bounds) - set(published)):
        raise RecipeError(f"[filter.bounds] has unknown signals {unknown}; known: {', '.join(published)}")
    try:
        changed = {name: Bound(name, low=bound.low, high=bound.high) for name, bound in recipe.filter.bounds.items()}
    except ValueError as error:
        raise RecipeError(f"[filter.bounds] {error}") from error
    rules: list[Rule] = []
    if recipe.apply.applies("language", subset):
        rules.append(OneOf("language", recipe.filter.languages))
        rules.append(Bound("language_score", low=recipe.filter.min_language_score))
    for rule, bounds in (("quality", QUALITY_BOUNDS), ("repetition", REPETITION_BOUNDS)):
        if recipe.apply.applies(rule, subset):
            rules += [changed.get(bound.name, bound) for bound in bounds]
    return tuple(rules)


def decide_shard(task: ShardTask, space: Workspace, rules: dict[str, tuple[Rule, ...]]) -> Receipt:
    """Decide about one shard."""
    path, entered = task.file("verdicts"), 0
    with (
        storage.open_read(storage.join(space.upstream["signals"], task.file("signals"))) as stream,
        ParquetShardWriter(space.folder, path, VERDICT_SCHEMA, space.scratch) as writer,
    ):
        for batch in pq.ParquetFile(stream).iter_batches():
            entered += batch.num_rows
            writer.write(decide_batch(batch, rules[task.subset]))
    return Receipt(task.name, (), (writer.finished(),), count_verdicts(space.path(path), entered), task.subset)


def decide_batch(signals: pa.RecordBatch, rules: Sequence[Rule]) -> pa.RecordBatch:
    """Verdicts of a batch of signals, with the failing measurements as evidence."""
    reasons = decide(signals, rules).to_pylist()
    evidence = [_evidence(signals, row, failed) if failed else None for row, failed in enumerate(reasons)]
    return verdicts(signals["id"], np.ones(signals.num_rows, bool), reasons, evidence)


def _evidence(signals: pa.RecordBatch, row: int, failed: Sequence[str]) -> str:
    """The failing measurements, as ``num_words=12; language_score=0.4``."""
    values = ((name, signals[name][row].as_py()) for name in failed)
    return "; ".join(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in values)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("filter", argv)


if __name__ == "__main__":
    main()
