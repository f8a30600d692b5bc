"""Edits of documents' texts: spans that the signals hold, by what the filter decided about them.

The filter's table names, in its file's metadata, the columns of spans that edit its shard's documents. The spans, of
which C4's rules alone find some fifty a document, are written once, in the signals, and decided about without a copy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.parquet_files import SerialParquetFile, read_schema, read_table
from pipeline.schema import KEPT, VERDICT_SCHEMA

# Column of the signals with a list of spans (start, stop, kind) a document -> what takes the place of each kind, where
# other kinds stay; None = all spans go, and nothing takes their place. Of a later column no span counts that begins
# within one of an earlier column's: personal data in a line that goes, goes with it.
Editing = Mapping[str, Mapping[str, str] | None]

# A change of a document's text: its bytes (UTF-8) from start up to stop become the replacement. A document's edits are
# in order and do not overlap; deleting a line is an edit with an empty replacement.
EDITS_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int32(), nullable=False),
            pa.field("stop", pa.int32(), nullable=False),
            pa.field("replacement", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        ]
    )
)

_KEY: Final = b"edits"
_ROWS: Final = 8 * storage.ROWS_PER_GROUP  # read at once; a document may have hundreds of spans


def verdict_schema(editing: Editing) -> pa.Schema:
    """VERDICT_SCHEMA with what edits the shard's documents; as it is where nothing does."""
    return VERDICT_SCHEMA.with_metadata({_KEY: json.dumps(editing)}) if editing else VERDICT_SCHEMA


def read_editing(verdicts_path: str) -> Editing:
    """What edits a shard's documents, by the filter's table."""
    metadata = read_schema(verdicts_path).metadata or {}
    editing: Editing = json.loads(metadata.get(_KEY, b"{}"))
    return editing


def read_edits(signals_path: str, editing: Editing, num_rows: int | None = None) -> pa.Table:
    """The edits of a shard's documents, whatever their verdict.

    Args:
        signals_path: The signals' table.
        editing: As ``read_editing`` gives; something edits.
        num_rows: Of no fewer than the first so many documents; None = of all.

    Returns:
        ``id`` and ``edits`` (EDITS_TYPE), as the signals' rows.
    """
    fields = {
        column: ("start", "stop") if marks is None else ("start", "stop", "kind") for column, marks in editing.items()
    }
    columns = ["id", *(_leaf(column, field) for column in fields for field in fields[column])]
    with storage.open_read(signals_path) as stream:
        file = SerialParquetFile(stream)
        schema = pa.schema([file.schema_arrow.field("id"), pa.field("edits", EDITS_TYPE)])
        batches, rows = [], 0
        for batch in file.iter_batches(_ROWS, columns=columns):
            if num_rows is not None and rows >= num_rows:
                break
            batches.append(pa.RecordBatch.from_arrays([batch["id"], edits_of(batch, editing)], schema=schema))
            rows += batch.num_rows
    return pa.Table.from_batches(batches, schema)


def count_edits(verdicts_path: str, signals_path: str) -> dict[str, int]:
    """Edits of a shard's kept documents: how many documents have one, and how many edits each kind of span makes."""
    editing, edited, tally, start = read_editing(verdicts_path), 0, Counter[str](), 0
    verdicts = read_table(verdicts_path, ["verdict"])["verdict"]
    is_kept = pc.equal(verdicts, KEPT).combine_chunks()
    for signals in _row_groups(signals_path, editing):
        kept = signals.filter(is_kept.slice(start, signals.num_rows))
        has_edit = np.zeros(kept.num_rows, np.bool_)
        for spans in _spans_that_edit(kept, editing):
            has_edit[spans.rows] = True
            kinds = spans.values.field("kind").value_counts()
            tally.update({entry["values"]: entry["counts"] for entry in kinds.to_pylist()})
        edited += int(has_edit.sum())
        start += signals.num_rows
    return {"edited_documents": edited, **{f"edits_{kind}": number for kind, number in sorted(tally.items())}}


def _row_groups(signals_path: str, editing: Editing) -> Iterator[pa.RecordBatch]:
    """The spans of a shard; only of one row group does Arrow give their kinds as codes, in a fifth of the time."""
    kinds = [_leaf(column, "kind") for column in editing]
    columns = kinds if len(editing) == 1 else list(editing)  # where they stand is asked for where two columns meet
    with storage.open_read(signals_path) as stream:
        file = SerialParquetFile(stream, read_dictionary=kinds)
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=columns).combine_chunks().to_batches()


def _leaf(column: str, field: str) -> str:
    """What Parquet calls a field of a list of structs."""
    return f"{column}.list.element.{field}"


class _Spans(NamedTuple):
    """Of one column, in order."""

    rows: npt.NDArray[np.int64]  # of their documents in the batch
    values: pa.StructArray

    @classmethod
    def of(cls, lists: pa.ListArray) -> _Spans:
        return cls(pc.list_parent_indices(lists).to_numpy(), lists.flatten())

    def where(self, mask: npt.NDArray[np.bool_]) -> _Spans:
        return _Spans(self.rows[mask], self.values.filter(pa.array(mask)))

    def places(self, field: str) -> npt.NDArray[np.int64]:
        """``start`` or ``stop`` of each, as a number that ascends through all documents."""
        places: npt.NDArray[np.int64] = self.rows << 32 | self.values.field(field).to_numpy()
        return places

    def begin_in(self, others: _Spans) -> npt.NDArray[np.bool_]:
        """Which of them begin in one of ``others``."""
        starts = self.places("start")
        before = np.searchsorted(others.places("start"), starts, side="right") - 1
        inside: npt.NDArray[np.bool_] = (before >= 0) & (starts < np.append(others.places("stop"), 0)[before])
        return inside


def _spans_that_edit(signals: pa.RecordBatch, editing: Editing) -> list[_Spans]:
    """Of each column those spans that change the text."""
    found: list[_Spans] = []
    for column, marks in editing.items():
        spans = _Spans.of(signals[column])
        if marks is not None:
            spans = spans.where(pc.is_in(spans.values.field("kind"), pa.array(marks, pa.string())).to_numpy(False))
        for earlier in found:
            spans = spans.where(~spans.begin_in(earlier))
        found.append(spans)
    return found


def edits_of(signals: pa.RecordBatch, editing: Editing) -> pa.ListArray:
    """Each document's edits (EDITS_TYPE), by the spans in its row of the signals."""
    found = _spans_that_edit(signals, editing)
    rows = np.concatenate([spans.rows for spans in found])
    texts = ["", *(mark for marks in editing.values() for mark in (marks or {}).values())]
    codes = [_codes(spans, marks, texts) for spans, marks in zip(found, editing.values(), strict=True)]
    columns = [[spans.values.field(field).to_numpy() for spans in found] for field in ("start", "stop")]
    starts, stops, marks = (np.concatenate(parts) for parts in (*columns, codes))
    if len(found) > 1:
        order = np.argsort(np.concatenate([spans.places("start") for spans in found]), kind="stable")  # merges them
        starts, stops, marks = starts[order], stops[order], marks[order]
    replacements = pa.DictionaryArray.from_arrays(pa.array(marks), pa.array(texts, pa.string()))
    fields = list(EDITS_TYPE.value_type)
    values = pa.StructArray.from_arrays([pa.array(starts), pa.array(stops), replacements], fields=fields)
    ends = np.cumsum(np.bincount(rows, minlength=signals.num_rows))
    return pa.ListArray.from_arrays(pa.array(np.append(0, ends).astype(np.int32)), values, type=EDITS_TYPE)


def _codes(spans: _Spans, marks: Mapping[str, str] | None, texts: list[str]) -> npt.NDArray[np.int8]:
    """Which of ``texts`` takes each span's place."""
    if marks is None:
        return np.zeros(len(spans.rows), np.int8)
    kinds = pc.index_in(spans.values.field("kind"), pa.array(marks, pa.string())).to_numpy(zero_copy_only=False)
    of_kinds = np.array([texts.index(mark) for mark in marks.values()], np.int8)
    codes: npt.NDArray[np.int8] = of_kinds[kinds]
    return codes


def apply_edits(texts: pa.Array, edits: pa.Array) -> pa.Array:
    """Apply each document's edits to its text.

    Args:
        texts: string [n], no nulls.
        edits: ``EDITS_TYPE`` [n]; positions are bytes of the text as extracted.

    Returns:
        string [n]; ``texts`` itself where there is nothing to edit.

    Raises:
        ValueError: A document's edits are not in order, overlap, or pass its end; or the result is 2 GiB or larger.
    """
    flat = edits.flatten()
    if not len(flat):
        return texts
    _, offset_buffer, data = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    rows = pc.list_parent_indices(edits).to_numpy()
    starts, stops = (offsets[rows] + flat.field(name).to_numpy() for name in ("start", "stop"))
    before = np.maximum(offsets[rows], np.append(offsets[0], stops[:-1]))  # where each edit may start at the earliest
    if (starts < before).any() or (stops < starts).any() or (stops > offsets[rows + 1]).any():
        raise ValueError("a document's edits must be in order, apart, and within its text; some are not")
    replacements = flat.field("replacement")
    codes, marks = replacements.indices.to_numpy(), [mark.encode() for mark in replacements.dictionary.to_pylist()]
    sizes = np.array([len(mark) for mark in marks])[codes]
    lengths = np.diff(offsets) + np.bincount(rows, sizes - (stops - starts), len(texts)).astype(np.int64)
    if lengths.sum() >= 2**31:
        raise ValueError(f"edited texts of a batch must be smaller than 2 GiB; got {lengths.sum()} bytes")
    edited = _replaced(data, np.column_stack((starts, stops)).ravel(), offsets[[0, -1]], codes, marks)
    ends = np.append(0, np.cumsum(lengths)).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(texts), [None, pa.py_buffer(ends), edited])


def _replaced(
    data: pa.Buffer,
    edges: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int8],
    marks: Sequence[bytes],
) -> pa.Buffer:
    """The bytes between ``ends``, with a mark for those between each pair of ``edges``; Arrow copies piece by piece."""
    offsets = np.concatenate((ends[:1], edges, ends[1:])).astype(np.int32)
    pieces = pa.Array.from_buffers(pa.binary(), len(edges) + 1, [None, pa.py_buffer(offsets), data])
    chosen = np.arange(len(pieces))
    if any(marks):
        pieces = pa.concat_arrays([pieces, pa.array(marks, pa.binary())])
        chosen[1::2] = codes.astype(np.int64) + len(edges) + 1
    else:
        chosen = chosen[::2]
    return pieces.take(pa.array(chosen)).buffers()[2]
