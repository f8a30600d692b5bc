"""Measure every document once: ``signals-*`` holds ``id`` and one column a signal, aligned with the documents.

No bound enters here, so that other bounds are another small table and not another pass over the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from filters.c4 import c4_signals
from filters.classifier import Classifier
from filters.language import LanguageDetector, LanguageModel, paragraph_language_fraction
from filters.language_heliport import HeliportDetector
from filters.pii import PII_TYPE, pii_spans
from filters.rule_sets import SIGNALS
from filters.text import TextScan, scan
from pipeline.accounting import count_rows
from pipeline.compile_first import make_first_call
from pipeline.config import LANGUAGE_PARAGRAPHS, SignalsConfig
from pipeline.documents import document_shards, read_documents
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import ID_BYTES
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

_ONE_DOCUMENT = (pa.array([bytes(ID_BYTES)], pa.binary(ID_BYTES)), pa.array(["One document."], pa.string()))


class MeasureSignals(ShardMap):
    """Shard descriptors in, receipts out."""

    def __init__(self, space: Workspace, config: SignalsConfig, model_path: str, logs: str) -> None:
        super().__init__(partial(measure_shard, space=space, config=config, model_path=model_path), space, logs)


def run(stage: StageRun) -> None:
    """Measure every shard of documents."""
    config = stage.recipe.signals
    model_path = stage.inputs[0]["full_path"] if config.language_engine == "fasttext" else ""
    if stage.runner == "FnApiRunner":
        make_first_call(stage.progress, stage.stage, lambda: signals_of(*_ONE_DOCUMENT, model_path, config))
    measure = MeasureSignals(stage.space, config, model_path, stage.logs)
    stage.map_shards(document_shards(stage.manifests["extract"]), measure)


def measure_shard(task: ShardTask, space: Workspace, config: SignalsConfig, model_path: str) -> Receipt:
    """Measure one shard."""
    path, entered = task.file("signals"), 0
    schema = signals_schema(config.pii, config.optional_signals(), config.c4)
    with ParquetShardWriter(space.folder, path, schema, space.scratch) as writer:
        for batch, _ in read_documents(space, task, ["text"]):
            entered += batch.num_rows
            writer.write(signals_of(batch["id"], batch["text"], model_path, config))
    counts = count_rows(space.path(path), entered)
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def signals_of(ids: pa.Array, texts: pa.Array, model_path: str, config: SignalsConfig) -> pa.RecordBatch:
    """All signals of a batch of texts, with their ids in front."""
    scanned, detector = scan(texts), _detector(config.language_engine, model_path)
    columns = [ids, *detector.predict(texts, config.language_max_chars)]
    for batch in _of_scan(scanned):
        columns += batch.columns
    if config.language_paragraphs:
        columns.append(paragraph_language_fraction(scanned, columns[1], detector, config.language_max_chars))
    for _, classifier in sorted(config.classifiers.items()):
        columns.append(_classifier(classifier.model, classifier.label).probabilities(texts))
    if config.c4:
        columns += c4_signals(scanned, config.c4_terminal_marks).columns
    if config.pii:
        columns.append(pii_spans(texts))
    return pa.RecordBatch.from_arrays(columns, schema=signals_schema(config.pii, config.optional_signals(), config.c4))


@cache
def signals_schema(pii: bool = False, optional: tuple[str, ...] = (), c4: bool = False) -> pa.Schema:
    """The columns of the table: those of an empty batch, and ``SignalsConfig.optional_signals``."""
    fields = [pa.field("id", pa.binary(ID_BYTES), nullable=False)]
    fields += [pa.field("language", pa.string()), pa.field("language_score", pa.float32())]
    nothing = scan(pa.array([], pa.string()))
    for batch in _of_scan(nothing):
        fields += list(batch.schema)
    for name in optional:
        fields.append(pa.field(name, pa.float64() if name == LANGUAGE_PARAGRAPHS else pa.float32()))
    fields += list(c4_signals(nothing).schema) if c4 else []
    if pii:
        fields.append(pa.field("pii", PII_TYPE))
    return pa.schema(fields)


def _of_scan(scanned: TextScan) -> tuple[pa.RecordBatch, ...]:
    return tuple(signals(scanned) for signals in SIGNALS)


@cache
def _detector(engine: str, model_path: str) -> LanguageDetector:
    """One a process."""
    return HeliportDetector() if engine == "heliport" else LanguageModel(model_path)


@cache
def _classifier(path: str, label: str) -> Classifier:
    """One a process."""
    return Classifier(path, label)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("signals", argv)


if __name__ == "__main__":
    main()
