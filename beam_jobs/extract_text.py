"""Raw records to documents: ``documents-*`` (pipeline.schema.DOCUMENT_SCHEMA) and ``records-*`` (RECORD_SCHEMA).

Every record seen in the input has one row in ``records``: kept, dropped with a reason, or failed with an error.

An input's ``limit`` and ``max_bytes`` keep its documents of smallest id: as many as there may be, and as have no more
bytes of UTF-8 text together. So the choice depends on the input alone and not on its shards. Finding the last id that
is kept takes a step of its own, in which limited inputs are read once more.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from pipeline.accounting import count_records
from pipeline.blocked_urls import listed
from pipeline.compile_first import compile_kernels
from pipeline.config import ExtractConfig
from pipeline.inputs import crawl_inputs, plan_shards
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_batches
from pipeline.readers import HTML_FORMATS, read_records
from pipeline.records import Piece, Record
from pipeline.schema import DOCUMENT_SCHEMA, ID_BYTES, KEPT, RECORD_SCHEMA, document_id
from pipeline.source_trees import sha256_of
from pipeline.splitting import offset_kind
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

_ROWS, _CHARS = 256, 16_000_000  # handed to a writer at once, whichever comes first; no byte depends on them
_CANDIDATES = pa.schema([("id", pa.binary(ID_BYTES)), ("bytes", pa.int64())])

Row = tuple[Piece, Record, bytes]  # the document's id, empty unless kept
Candidate = tuple[bytes, int]  # a document's id, bytes of its text


class FindCandidates(ShardMap):
    """Shard descriptors in, receipts out: the documents of each shard that its input's limits may keep."""

    def __init__(self, space: Workspace, config: ExtractConfig, logs: str) -> None:
        super().__init__(partial(find_candidates, space=space, config=config), space, logs)


class ExtractText(ShardMap):
    """Shard descriptors in, receipts out; each shard's documents and records are written on the way."""

    def __init__(self, space: Workspace, config: ExtractConfig, logs: str) -> None:
        super().__init__(partial(extract_shard, space=space, config=config), space, logs)


def run(stage: StageRun) -> None:
    """Extract every shard of the plan."""
    files = [file for file in stage.inputs if "input" in file]  # not the blocklists
    if "crawl" in stage.manifests:
        files += crawl_inputs(stage.recipe, stage.space.upstream["crawl"], stage.manifests["crawl"]["outputs"])
    if stage.runner == "FnApiRunner" and _reads_html(stage):
        compile_kernels(stage.progress)
    if any("input" not in file for file in stage.inputs):
        stage.progress.finish(listed(stage.recipe.extract))
    tasks = _bound(stage, plan_shards(stage.recipe, files))
    stage.map_shards(tasks, ExtractText(stage.space, stage.recipe.extract, stage.logs))


def _reads_html(stage: StageRun) -> bool:
    recipe = stage.recipe
    return recipe.extract.engine == "blocks" and any(part.format in HTML_FORMATS for part in recipe.input)


def _bound(stage: StageRun, tasks: Sequence[ShardTask]) -> list[ShardTask]:
    """Tell the shards of inputs with a limit the last id that is kept."""
    step = [
        replace(task, step="candidates") for task in tasks if task.inputs[0]["limit"] or task.inputs[0]["max_bytes"]
    ]
    if not step:
        return list(tasks)
    space = stage.intermediate()
    stage.map_shards(step, FindCandidates(space, stage.recipe.extract, stage.logs))
    numbers = sorted({task.inputs[0]["input"] for task in step})
    last = {n: last_kept(space, [task for task in step if task.inputs[0]["input"] == n]) for n in numbers}
    return [
        replace(task, inputs=({**group, **last.get(group["input"], {})},)) for task in tasks for group in task.inputs
    ]


def find_candidates(task: ShardTask, space: Workspace, config: ExtractConfig) -> Receipt:
    """Write id and size of one shard's documents that may be among those kept of the whole input."""
    group, path = task.inputs[0], task.file("candidates")
    rows = _read([Piece.from_json(piece) for piece in group["pieces"]], config)
    sizes = ((row[2], len(row[1].document.text.encode())) for row in rows if row[1].document is not None)
    best = _smallest(sizes, group["limit"], group["max_bytes"])
    columns = [pa.array((one[i] for one in best), field.type) for i, field in enumerate(_CANDIDATES)]
    with ParquetShardWriter(space.folder, path, _CANDIDATES, space.scratch) as writer:
        writer.write(pa.RecordBatch.from_arrays(columns, schema=_CANDIDATES))
    return Receipt(task.name, (), (writer.finished(),), None, task.subset)


def last_kept(space: Workspace, tasks: Sequence[ShardTask]) -> dict[str, str]:
    """Merge the candidates of one input's shards.

    Returns:
        ``last_id`` (hexadecimal, empty when nothing is kept), and which limit the documents above it are dropped for.
    """
    limit, max_bytes = tasks[0].inputs[0]["limit"], tasks[0].inputs[0]["max_bytes"]
    best = _smallest(_candidates(space, tasks), limit, max_bytes)
    if max_bytes and sum(size for _, size in best) > max_bytes:
        best.pop()  # the one that passes it
    reason = "limit" if best and len(best) == limit else "max_bytes"
    return {"last_id": best[-1][0].hex() if best else "", "reason": reason}


def _candidates(space: Workspace, tasks: Sequence[ShardTask]) -> Iterator[Candidate]:
    for task in tasks:
        for batch in read_batches(space.path(task.file("candidates"))):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _smallest(candidates: Iterable[Candidate], limit: int, max_bytes: int) -> list[Candidate]:
    """The documents of smallest id until there are ``limit``, or they reach ``max_bytes`` together; 0 = no such end.

    Holds no more than those. The smallest of several lists of smallest are those of all documents.
    """
    best: list[tuple[int, int]] = []  # a heap of (-id, bytes): the largest id first
    total = 0
    for identity, size in candidates:
        heapq.heappush(best, (-int.from_bytes(identity, "big"), size))
        total += size
        while len(best) > (limit or sys.maxsize) or total - best[0][1] >= (max_bytes or sys.maxsize):
            total -= heapq.heappop(best)[1]
    return [((-negative).to_bytes(ID_BYTES, "big"), size) for negative, size in sorted(best, reverse=True)]


def extract_shard(task: ShardTask, space: Workspace, config: ExtractConfig) -> Receipt:
    """Read one shard's pieces and write its documents and records."""
    group = task.inputs[0]
    pieces = [Piece.from_json(piece) for piece in group["pieces"]]
    seen = _Seen(_read(pieces, config))
    rows = _limited(seen, bytes.fromhex(group["last_id"]), group["reason"]) if "last_id" in group else seen
    records_path, documents_path = task.file("records"), task.file("documents")
    records = ParquetShardWriter(space.folder, records_path, RECORD_SCHEMA, space.scratch)
    documents = ParquetShardWriter(space.folder, documents_path, DOCUMENT_SCHEMA, space.scratch)
    with records, documents:
        _write(rows, records, documents)
    counts = count_records(space.path(records_path), seen.total(), space.path(documents_path))
    whole = [_describe(piece) for piece in pieces if piece.start == 0]
    return Receipt(task.name, tuple(whole), (documents.finished(), records.finished()), counts, task.subset)


def _describe(piece: Piece) -> dict[str, Any]:
    """The full digest of a raw file, and what offsets into it count; the shard that holds its beginning says so."""
    sha256, num_bytes = sha256_of(piece.path)
    return {
        "path": piece.source,
        "sha256": sha256,
        "bytes": num_bytes,
        "offsets": offset_kind(piece.path, piece.format),
    }


class _Seen(Iterator[Row]):
    """The reader's rows, counted where they come from: what is lost on the way to the files makes the sums differ."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows, self._num_seen = rows, 0

    def __next__(self) -> Row:
        row = next(self._rows)
        self._num_seen += 1
        return row

    def total(self) -> int:
        """Records in the input; reads on to its end, should nobody have."""
        for _ in self:
            pass
        return self._num_seen


def _read(pieces: list[Piece], config: ExtractConfig) -> Iterator[Row]:
    for piece in pieces:
        for record in read_records(piece, config):
            place = (piece.subset, record.source or piece.source, record.member, record.offset)
            yield piece, record, document_id(*place, record.raw_sha256) if record.outcome == KEPT else b""


def _limited(rows: Iterator[Row], last_id: bytes, reason: str) -> Iterator[Row]:
    """Drop the documents above the last id that is kept."""
    for row in rows:
        yield (row[0], row[1].but_dropped(reason), b"") if row[2] > last_id else row


def _write(rows: Iterator[Row], records: ParquetShardWriter, documents: ParquetShardWriter) -> None:
    pending_records: list[dict[str, Any]] = []
    pending_documents: list[dict[str, Any]] = []
    num_chars = 0
    for row in rows:
        pending_records.append(_record_row(row))
        if row[2]:
            pending_documents.append(_document_row(row))
            num_chars += _num_chars(row[1])
        if len(pending_records) == _ROWS or num_chars >= _CHARS:
            _flush(pending_records, records, pending_documents, documents)
            num_chars = 0
    _flush(pending_records, records, pending_documents, documents)


def _num_chars(record: Record) -> int:
    """Characters of all that can be long in a document."""
    document = record.document
    return len(document.text) + sum(map(len, document.meta.values())) if document else 0


def _flush(
    record_rows: list[dict[str, Any]],
    records: ParquetShardWriter,
    document_rows: list[dict[str, Any]],
    documents: ParquetShardWriter,
) -> None:
    records.write(pa.RecordBatch.from_pylist(record_rows, RECORD_SCHEMA))
    documents.write(pa.RecordBatch.from_pylist(document_rows, DOCUMENT_SCHEMA))
    record_rows.clear()
    document_rows.clear()


def _record_row(row: Row) -> dict[str, Any]:
    piece, record, identity = row
    return {
        "source": record.source or piece.source,
        "offset": record.offset,
        "length": record.length,
        "member": record.member,
        "url": record.url,
        "outcome": record.outcome,
        "reason": record.reason,
        "error": record.error,
        "refers_to": record.refers_to,
        "num_documents": int(bool(identity)),
    }


def _document_row(row: Row) -> dict[str, Any]:
    piece, record, identity = row
    document = record.document
    if document is None:
        raise TypeError(f"a kept record has no document: {piece.source} at {record.offset}")
    return {
        "id": identity,
        "subset": piece.subset,
        "source": record.source or piece.source,
        "offset": record.offset,
        "length": record.length,
        "member": record.member,
        "url": document.url,
        "timestamp": document.timestamp,
        "title": document.title,
        "text": document.text,
        "meta": sorted(document.meta.items()),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("extract", argv)


if __name__ == "__main__":
    main()
