"""Count what was really written: the files are read again, and no worker's tally is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.manifest import AccountingError, Counts, Receipt
from pipeline.parquet_files import SerialParquetFile, read_table
from pipeline.schema import DROPPED, FAILED, KEPT

# kind of table -> the column that tells failed rows, and those that say where
_FAILED_ROWS = {
    "records": ("outcome", ("source", "offset", "reason", "error")),
    "verdicts": ("verdict", ("id", "reason", "evidence")),
}


def count_records(path: str, entered: int, documents_path: str) -> Counts:
    """Balance a shard's records table against what its reader saw.

    Args:
        path: The records table.
        entered: Raw records that the reader saw.
        documents_path: The documents table; its rows are what is produced.

    Raises:
        AccountingError: The documents are not as many as the records table tells of.
    """
    outcomes, dropped = _outcomes(path, "outcome")
    rows, told = _num_rows(documents_path), _total(path, "num_documents")
    if rows != told:
        raise AccountingError(f"{documents_path} has {rows} documents; the records tell of {told}")
    return Counts("records", entered, outcomes.get(KEPT, 0), dropped, outcomes.get(FAILED, 0), rows)


def count_verdicts(path: str, entered: int) -> Counts:
    """Balance a shard's verdicts against the documents that entered; absent rows are those of earlier stages."""
    outcomes, dropped = _outcomes(path, "verdict")
    kept = outcomes.get(KEPT, 0)
    return Counts("documents", entered, kept, dropped, outcomes.get(FAILED, 0), kept)


def count_rows(path: str, entered: int, extra: Mapping[str, int] | None = None) -> Counts:
    """Balance a shard in which every document gives one row."""
    rows = _num_rows(path)
    return Counts("documents", entered, rows, {}, 0, rows, extra or {})


def count_present(path: str, column: str, entered: int) -> Counts:
    """Balance a shard in which every document that entered gives one row with a value in ``column``."""
    values = read_table(path, [column])[column]
    present = len(values) - int(values.null_count)
    return Counts("documents", entered, present, {}, 0, present)


def first_failed(folder: str, receipts: Iterable[Receipt], subset: str, number: int = 5) -> list[str]:
    """The first failed rows of a subset, a line each: where the record stands, or the document's id, and why."""
    lines: list[str] = []
    for output in (output for receipt in receipts if receipt.subset == subset for output in receipt.outputs):
        kind = output.path.rpartition("/")[2].split("-")[0]
        if kind in _FAILED_ROWS and len(lines) < number:
            lines += _failed_rows(storage.join(folder, output.path), *_FAILED_ROWS[kind])
    return lines[:number]


def _failed_rows(path: str, outcome: str, shown: tuple[str, ...]) -> Iterator[str]:
    table = read_table(path, [outcome, *shown])
    for row in table.filter(pc.equal(table[outcome], FAILED)).select(shown).to_pylist():
        where, *rest = (value.hex() if isinstance(value, bytes) else str(value) for value in row.values())
        yield f"{where}: {', '.join(rest)}"


def _num_rows(path: str) -> int:
    with storage.open_read(path) as stream:
        return int(SerialParquetFile(stream).metadata.num_rows)


def _total(path: str, column: str) -> int:
    return int(pc.sum(read_table(path, [column])[column]).as_py() or 0)


def _outcomes(path: str, column: str) -> tuple[dict[str, int], dict[str, int]]:
    """Rows by outcome, and dropped rows by reason."""
    table = read_table(path, [column, "reason"])
    dropped = table.filter(pc.equal(table[column], DROPPED))["reason"]
    return _tally(table[column]), _tally(pc.fill_null(dropped, "unnamed"))


def _tally(values: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in values.value_counts().to_pylist()}
