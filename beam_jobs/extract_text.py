"""Raw records to documents: ``documents-*`` (pipeline.schema.DOCUMENT_SCHEMA) and ``records-*`` (RECORD_SCHEMA).

Every record seen in the input has one row in ``records``: kept, dropped with a reason, or failed with an error.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from pipeline import storage
from pipeline.accounting import count_records
from pipeline.config import ExtractConfig
from pipeline.inputs import crawl_inputs, plan_shards
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.readers import read_records
from pipeline.records import Piece, Record
from pipeline.schema import DOCUMENT_SCHEMA, KEPT, RECORD_SCHEMA, document_id
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

_ROWS = 256  # rows handed to a writer at once; no byte depends on it


class ExtractText(ShardMap):
    """Shard descriptors in, receipts out; each shard's documents and records are written on the way."""

    def __init__(self, space: Workspace, config: ExtractConfig, logs: str) -> None:
        super().__init__(partial(extract_shard, space=space, config=config), space, logs)


def run(stage: StageRun) -> None:
    """Extract every shard of the plan."""
    files = list(stage.inputs)
    if "crawl" in stage.manifests:
        files += crawl_inputs(stage.recipe, stage.space.upstream["crawl"], stage.manifests["crawl"]["outputs"])
    tasks = plan_shards(stage.recipe, files)
    stage.map_shards(tasks, ExtractText(stage.space, stage.recipe.extract, stage.logs))


def extract_shard(task: ShardTask, space: Workspace, config: ExtractConfig) -> Receipt:
    """Read one shard's pieces and write its documents and records."""
    group = task.inputs[0]
    pieces = [Piece.from_json(piece) for piece in group["pieces"]]
    rows = _capped(_read(pieces, config), group["max_bytes"])
    rows = rows if group["limit"] < 0 else _limited(rows, group["limit"])
    records_path, documents_path = task.file("records"), task.file("documents")
    records = ParquetShardWriter(space.folder, records_path, RECORD_SCHEMA, space.scratch)
    documents = ParquetShardWriter(space.folder, documents_path, DOCUMENT_SCHEMA, space.scratch)
    with records, documents:
        entered = _write(rows, records, documents)
    counts = count_records(space.path(records_path), entered, space.path(documents_path))
    whole = [_describe(piece) for piece in pieces if piece.start == 0]
    return Receipt(task.name, tuple(whole), (documents.finished(), records.finished()), counts, task.subset)


def _describe(piece: Piece) -> dict[str, Any]:
    """The full digest of a raw file; the shard that holds its beginning computes it."""
    return {"path": piece.source, "sha256": storage.sha256_file(piece.path), "bytes": storage.size(piece.path)}


Row = tuple[Piece, Record, bytes]  # the document's id, empty unless kept


def _read(pieces: list[Piece], config: ExtractConfig) -> Iterator[Row]:
    for piece in pieces:
        for record in read_records(piece, config):
            place = (piece.subset, piece.source, record.member, record.offset)
            yield piece, record, document_id(*place, record.raw_sha256) if record.outcome == KEPT else b""


def _dropped(row: Row, reason: str) -> Row:
    piece, record, _ = row
    return piece, Record.dropped(record.offset, record.length, reason, record.url, record.member), b""


def _capped(rows: Iterator[Row], max_bytes: int) -> Iterator[Row]:
    """Drop documents from where their text together passes ``max_bytes`` (below 0: no cap)."""
    total = 0
    for row in rows:
        document = row[1].document
        if max_bytes >= 0 and document is not None:
            total += len(document.text.encode())
            yield row if total <= max_bytes else _dropped(row, "max_bytes")
        else:
            yield row


def _limited(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    """Keep the ``limit`` documents of smallest id. Holds those and one small row for each of the others."""
    seen: list[Row] = []
    best: list[tuple[int, int]] = []  # a heap of (-id, position): the largest id first
    for row in rows:
        seen.append(row)
        if row[2]:
            heapq.heappush(best, (-int.from_bytes(row[2], "big"), len(seen) - 1))
            if len(best) > limit:
                _, position = heapq.heappop(best)
                seen[position] = _dropped(seen[position], "limit")
    yield from seen


def _write(rows: Iterator[Row], records: ParquetShardWriter, documents: ParquetShardWriter) -> int:
    """Write all rows; gives how many records the readers saw."""
    entered = 0
    pending_records: list[dict[str, Any]] = []
    pending_documents: list[dict[str, Any]] = []
    for row in rows:
        entered += 1
        pending_records.append(_record_row(row))
        if row[2]:
            pending_documents.append(_document_row(row))
        if len(pending_records) == _ROWS:
            _flush(pending_records, records, pending_documents, documents)
    _flush(pending_records, records, pending_documents, documents)
    return entered


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
        "source": piece.source,
        "offset": record.offset,
        "length": record.length,
        "url": record.url,
        "outcome": record.outcome,
        "reason": record.reason,
        "error": record.error,
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
        "source": piece.source,
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
