"""Measure every document once: ``signals-*`` holds ``id`` and one column a signal, aligned with the documents.

No bound enters here, so that other bounds are another small table and not another pass over the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from filters.language import LanguageModel
from filters.quality import quality_signals
from filters.repetition import repetition_signals
from filters.text import scan
from pipeline.accounting import count_rows
from pipeline.config import SignalsConfig
from pipeline.documents import document_shards, read_documents
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import ID_BYTES
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter


class MeasureSignals(ShardMap):
    """Shard descriptors in, receipts out."""

    def __init__(self, space: Workspace, config: SignalsConfig, model_path: str, logs: str) -> None:
        super().__init__(partial(measure_shard, space=space, config=config, model_path=model_path), space, logs)


def run(stage: StageRun) -> None:
    """Measure every shard of documents."""
    model_path = stage.inputs[0]["full_path"]
    measure = MeasureSignals(stage.space, stage.recipe.signals, model_path, stage.logs)
    stage.map_shards(document_shards(stage.manifests["extract"]), measure)


def measure_shard(task: ShardTask, space: Workspace, config: SignalsConfig, model_path: str) -> Receipt:
    """Measure one shard."""
    path, entered = task.file("signals"), 0
    with ParquetShardWriter(space.folder, path, signals_schema(), space.scratch) as writer:
        for batch, _ in read_documents(space, task, ["text"]):
            entered += batch.num_rows
            writer.write(signals_of(batch["id"], batch["text"], model_path, config.language_max_chars))
    counts = count_rows(space.path(path), entered)
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def signals_of(ids: pa.Array, texts: pa.Array, model_path: str, language_max_chars: int) -> pa.RecordBatch:
    """All signals of a batch of texts, with their ids in front."""
    scanned = scan(texts)
    language, score = _language_model(model_path).predict(texts, language_max_chars)
    columns: dict[str, pa.Array] = {"id": ids, "language": language, "language_score": score}
    for batch in (quality_signals(scanned), repetition_signals(scanned)):
        columns.update(zip(batch.schema.names, batch.columns, strict=True))
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=signals_schema())


@cache
def signals_schema() -> pa.Schema:
    """The columns of the table: those of an empty batch."""
    empty = scan(pa.array([], pa.string()))
    fields = [pa.field("id", pa.binary(ID_BYTES), nullable=False)]
    fields += [pa.field("language", pa.string()), pa.field("language_score", pa.float32())]
    for batch in (quality_signals(empty), repetition_signals(empty)):
        fields += list(batch.schema)
    return pa.schema(fields)


@cache
def _language_model(path: str) -> LanguageModel:
    """One model a process."""
    return LanguageModel(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("signals", argv)


if __name__ == "__main__":
    main()
