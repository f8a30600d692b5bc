"""Remove documents that hold evaluation text: ``verdicts-*`` (VERDICT_SCHEMA) and ``evidence-*``.

``evidence`` has one row a contaminated document: ``id``; ``evaluation`` (file and row of the text found);
``shared_ngrams`` and ``num_ngrams`` (distinct word n-grams found, and those of the evaluation text); ``start``, ``end``
(byte span of the first match in the document's text).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from filters.contamination import EvaluationIndex, Overlaps, build_index, overlaps
from filters.text import scan
from pipeline import storage
from pipeline.accounting import count_verdicts
from pipeline.config import DecontaminateConfig
from pipeline.documents import document_shards, kept_rows, read_documents, verdicts
from pipeline.evaluation_files import evaluation_texts
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import ID_BYTES, VERDICT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile, ParquetShardWriter, join

_log = logging.getLogger(__name__)

EVIDENCE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("evaluation", pa.string(), nullable=False),
        pa.field("shared_ngrams", pa.int64(), nullable=False),
        pa.field("num_ngrams", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
    ]
)
_INDEX, _NAMES = "evaluation.index", "evaluation.json"


class Decontaminate(ShardMap):
    """Shard descriptors in, receipts out; the evaluation index is already in the stage's work folder."""

    def __init__(
        self, space: Workspace, config: DecontaminateConfig, after: str, applied: Sequence[str], logs: str
    ) -> None:
        super().__init__(
            partial(decontaminate_shard, space=space, config=config, after=after, applied=tuple(applied)), space, logs
        )


def run(stage: StageRun) -> None:
    """Index the evaluation texts, then compare every shard."""
    recipe = stage.recipe
    if not stage.inputs:
        _log.warning("no evaluation text is named ([decontaminate] evaluation): nothing can be found, all is kept")
    task = ShardTask("all", 0, 1, step="index")
    space = stage.intermediate()
    stage.run_once(task, lambda: _index(task, space, stage.inputs, recipe.decontaminate), space)
    applied = tuple(s for s in recipe.subsets() if stage.inputs and recipe.apply.applies("decontaminate", s))
    compare = Decontaminate(stage.space, recipe.decontaminate, "dedup", applied, stage.logs)
    stage.map_shards(document_shards(stage.manifests["extract"]), compare)


def _index(task: ShardTask, space: Workspace, files: Sequence[Any], config: DecontaminateConfig) -> Receipt:
    named = [entry for file in files for entry in evaluation_texts(file["full_path"], file["path"])]
    index = build_index(pa.array([text for _, text in named], pa.string()), config.ngram)
    if index.num_too_short:
        _log.warning("%d of %d evaluation texts have under %d words and cannot be looked for",
                     index.num_too_short, len(named), config.ngram)  # fmt: skip
    names = [name for name, _ in named]
    outputs = []
    for path, data in ((_INDEX, index.to_bytes()), (_NAMES, json.dumps(names).encode())):
        with storage.atomic_writer(space.path(path), space.scratch) as stream:
            stream.write(data)
        outputs.append(OutputFile(path, stream.sha256, len(names), stream.bytes))
    return Receipt(task.name, (), tuple(outputs), None, task.subset)


@cache
def _load(work: str) -> tuple[EvaluationIndex, list[str]]:
    """The index and the names of its texts, once a process."""
    names: list[str] = json.loads(storage.read_bytes(join(work, _NAMES)))
    return EvaluationIndex.from_bytes(storage.read_bytes(join(work, _INDEX))), names


def decontaminate_shard(
    task: ShardTask, space: Workspace, config: DecontaminateConfig, after: str, applied: Sequence[str]
) -> Receipt:
    """Compare one shard's documents that ``after`` kept."""
    verdict_path, evidence_path = task.file("verdicts"), task.file("evidence")
    _, alive = kept_rows(space.upstream[after], task)
    verdict_writer = ParquetShardWriter(space.folder, verdict_path, VERDICT_SCHEMA, space.scratch)
    evidence_writer = ParquetShardWriter(space.folder, evidence_path, EVIDENCE_SCHEMA, space.scratch)
    with verdict_writer, evidence_writer:
        for batch, entered in read_documents(space, task, ["text"], after):
            found = _compare(batch, entered, space, config) if task.subset in applied else []
            evidence = {row["row"]: row for row in found}
            rows = [evidence.get(number) for number in range(int(entered.sum()))]
            reasons = [("contaminated",) if row else () for row in rows]
            said = [_say(row) if row else None for row in rows]
            verdict_writer.write(verdicts(batch["id"], entered, reasons, said))
            evidence_writer.write(pa.RecordBatch.from_pylist(found, EVIDENCE_SCHEMA))
    counts = count_verdicts(space.path(verdict_path), int(alive.sum()))
    return Receipt(task.name, (), (verdict_writer.finished(), evidence_writer.finished()), counts, task.subset)


def _compare(
    batch: pa.RecordBatch, alive: np.ndarray, space: Workspace, config: DecontaminateConfig
) -> list[dict[str, Any]]:
    """Evidence of the contaminated documents among the alive ones; ``row`` counts the alive."""
    index, names = _load(space.work)
    living = batch.filter(pa.array(alive))
    found = overlaps(scan(living["text"]), index, config.min_shared_ngrams, config.min_coverage)
    rows = np.flatnonzero(found.is_contaminated)
    return [_evidence(int(row), living["id"][int(row)].as_py(), found, index, names) for row in rows]


def _evidence(
    row: int, identity: bytes, found: Overlaps, index: EvaluationIndex, names: Sequence[str]
) -> dict[str, Any]:
    text = int(found.text_number[row])
    return {
        "row": row,
        "id": identity,
        "evaluation": names[text],
        "shared_ngrams": int(found.num_shared[row]),
        "num_ngrams": int(index.ngrams_per_text[text]),
        "start": int(found.first_start[row]),
        "end": int(found.first_end[row]),
    }


def _say(row: dict[str, Any]) -> str:
    return (
        f"{row['shared_ngrams']} of {row['num_ngrams']} n-grams of {row['evaluation']}; "
        f"first at bytes {row['start']} to {row['end']}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("decontaminate", argv)


if __name__ == "__main__":
    main()
