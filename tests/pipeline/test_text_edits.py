"""Spans of the signals as edits: which of them change a text, how they are counted, and the text that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_workspace import id_of

from filters.c4 import C4_EDITS_TYPE
from filters.pii import PII_TYPE
from pipeline import text_edits
from pipeline.schema import VERDICT_SCHEMA
from pipeline.text_edits import (
    EDITS_TYPE,
    Editing,
    apply_edits,
    count_edits,
    edits_of,
    read_editing,
    read_edits,
    verdict_schema,
)

Span = tuple[int, int, str]

SPANS_SCHEMA = pa.schema(
    [pa.field("id", pa.binary(16), nullable=False), pa.field("c4_edits", C4_EDITS_TYPE), pa.field("pii", PII_TYPE)]
)
C4 = [(0, 4, "c4_few_words"), (10, 30, "c4_citation"), (40, 60, "c4_no_terminal_mark")]
PII = [(0, 3, "phone"), (4, 10, "email"), (29, 30, "phone"), (30, 40, "ip_address"), (59, 60, "email")]
LINES: Editing = {"c4_edits": None}
MARKS: Editing = {"pii": {"email": "MAIL", "phone": "CALL", "ip_address": "HOST"}}


def signals(*rows: tuple[list[Span] | None, list[Span] | None]) -> pa.RecordBatch:
    """Signals of documents by their spans of C4's rules and of personal data."""
    made = [
        {"id": id_of(number), "c4_edits": as_dicts(lines), "pii": as_dicts(data)}
        for number, (lines, data) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(made, SPANS_SCHEMA)


def as_dicts(spans: list[Span] | None) -> list[dict[str, Any]] | None:
    return spans and [dict(zip(("start", "stop", "kind"), span, strict=True)) for span in spans]


def as_tuples(edits: pa.Array) -> list[list[Span]]:
    return [[(edit["start"], edit["stop"], edit["replacement"]) for edit in row] for row in edits.to_pylist()]


# --- which spans edit

ROWS = signals(([], PII), (C4, PII), (C4, []), ([], []), (None, None))
DELETED = [(start, stop, "") for start, stop, _ in C4]
ONE_EACH = {"edits_c4_citation": 1, "edits_c4_few_words": 1, "edits_c4_no_terminal_mark": 1}


@pytest.mark.parametrize(
    ("editing", "expected"),
    [
        (LINES, [[], DELETED, DELETED, [], []]),
        ({"pii": {"email": "MAIL"}}, [[(4, 10, "MAIL"), (59, 60, "MAIL")]] * 2 + [[]] * 3),
        ({"pii": {"ip_address": "", "phone": "0"}}, [[(0, 3, "0"), (29, 30, "0"), (30, 40, "")]] * 2 + [[]] * 3),
        (
            {**LINES, **MARKS},
            [
                [(0, 3, "CALL"), (4, 10, "MAIL"), (29, 30, "CALL"), (30, 40, "HOST"), (59, 60, "MAIL")],
                # what begins in a line that goes, goes with it
                [DELETED[0], (4, 10, "MAIL"), DELETED[1], (30, 40, "HOST"), DELETED[2]],
                DELETED,
                [],
                [],
            ],
        ),
    ],
)
def test_spans_that_edit(editing: Editing, expected: list[list[Span]]) -> None:
    edits = edits_of(ROWS, editing)
    assert edits.type == EDITS_TYPE
    assert as_tuples(edits) == expected
    for first in range(len(expected)):
        assert as_tuples(edits_of(ROWS.slice(first, 2), editing)) == expected[first : first + 2]
    assert as_tuples(edits_of(ROWS.slice(0, 0), editing)) == []


def twin_edits(lines: list[Span], data: list[Span], editing: Editing) -> list[Span]:
    """One document's edits, span by span."""
    taken = [(start, stop, "") for start, stop, _ in lines] if "c4_edits" in editing else []
    marks = editing.get("pii") or {}
    outside = [
        (start, stop, marks[kind])
        for start, stop, kind in data
        if kind in marks and not any(first <= start < last for first, last, _ in taken)
    ]
    return sorted(taken + outside)


def apart(kinds: tuple[str, ...]) -> st.SearchStrategy[list[Span]]:
    """Spans in order that do not meet."""
    steps = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from(kinds)), max_size=5)

    def spans(found: list[tuple[int, int, str]]) -> list[Span]:
        made, position = [], 0
        for gap, length, kind in found:
            made.append((position + gap, position + gap + length, kind))
            position += gap + length
        return made

    return steps.map(spans)


@given(
    st.lists(st.tuples(apart(("c4_policy", "c4_citation")), apart(("email", "phone", "ip_address"))), max_size=6),
    st.lists(st.sampled_from(["email", "phone", "ip_address"]), unique=True),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_edits_agree_with_their_twin(rows: list[tuple[list[Span], list[Span]]], kinds: list[str], c4: bool) -> None:
    marks = {"pii": {kind: kind.upper() for kind in kinds}} if kinds or not c4 else {}
    editing: Editing = {**(LINES if c4 else {}), **marks}
    expected = [twin_edits(*row, editing) for row in rows]
    assert as_tuples(edits_of(signals(*rows), editing)) == expected


# --- files


def write_shard(folder: Path, editing: Editing, verdicts: list[str], rows: pa.RecordBatch, size: int) -> list[str]:
    """Paths of a shard's verdicts and signals, these in row groups of a size."""
    made = [{"id": id_of(number), "verdict": verdict, "reasons": []} for number, verdict in enumerate(verdicts)]
    pq.write_table(pa.Table.from_pylist(made, VERDICT_SCHEMA).cast(verdict_schema(editing)), folder / "verdicts")
    pq.write_table(pa.Table.from_batches([rows]), folder / "signals", row_group_size=size)
    return [str(folder / "verdicts"), str(folder / "signals")]


VERDICTS = ["kept", "kept", "dropped", "kept", "kept"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_edits_are_read_whatever_the_verdict(tmp_path: Path, size: int) -> None:
    for editing in (LINES, MARKS, {**LINES, **MARKS}):
        paths = write_shard(tmp_path, editing, VERDICTS, ROWS, size)
        assert read_editing(paths[0]) == editing
        found = read_edits(paths[1], editing)
        assert found["id"].to_pylist() == ROWS["id"].to_pylist()
        assert found["edits"].to_pylist() == edits_of(ROWS, editing).to_pylist()


def test_edits_of_the_first_documents_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_edits, "_ROWS", 2)
    paths = write_shard(tmp_path, LINES, VERDICTS, ROWS, 2)
    expected = edits_of(ROWS, LINES).to_pylist()
    for num_rows, read in ((0, 0), (1, 2), (2, 2), (3, 4), (5, 5), (9, 5)):
        found = read_edits(paths[1], LINES, num_rows)
        assert found["edits"].to_pylist() == expected[:read]


def test_a_table_that_edits_nothing_says_nothing(tmp_path: Path) -> None:
    path, _ = write_shard(tmp_path, {}, VERDICTS, ROWS, 5)
    assert verdict_schema({}) is VERDICT_SCHEMA
    assert read_editing(path) == {}


def test_no_documents(tmp_path: Path) -> None:
    paths = write_shard(tmp_path, LINES, [], ROWS.slice(0, 0), 5)
    found = read_edits(paths[1], LINES)
    assert (found.num_rows, found.schema.field("edits").type) == (0, EDITS_TYPE)
    assert count_edits(*paths) == {"edited_documents": 0}


@pytest.mark.parametrize(
    ("editing", "expected"),
    [
        (LINES, {"edited_documents": 1, **ONE_EACH}),
        (MARKS, {"edited_documents": 2, "edits_email": 4, "edits_ip_address": 2, "edits_phone": 4}),
        ({"pii": {"phone": "CALL"}}, {"edited_documents": 2, "edits_phone": 4}),
        (
            {**LINES, **MARKS},
            {
                "edited_documents": 2,
                **ONE_EACH,
                "edits_email": 3,
                "edits_ip_address": 2,
                "edits_phone": 2,
            },  # none within
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_edits_of_kept_documents_are_counted_through_all_row_groups(
    tmp_path: Path, editing: Editing, expected: dict[str, int], size: int
) -> None:
    assert count_edits(*write_shard(tmp_path, editing, VERDICTS, ROWS, size)) == expected
    absent = ["absent"] * len(VERDICTS)
    assert count_edits(*write_shard(tmp_path, editing, absent, ROWS, size)) == {"edited_documents": 0}


# --- the text they leave


def array_of(*rows: list[Span]) -> pa.Array:
    names = ("start", "stop", "replacement")
    made = [[dict(zip(names, edit, strict=True)) for edit in row] for row in rows]
    return pa.array(made, EDITS_TYPE)


def twin_apply(text: str, edits: list[Span]) -> str:
    """From the last to the first, so that positions stay true."""
    data = text.encode()
    for start, stop, replacement in reversed(edits):
        data = data[:start] + replacement.encode() + data[stop:]
    return data.decode()


def test_edits_by_hand() -> None:
    texts = pa.array(["call 555 now", "no edit", "", "äöü x äöü", "one\ntwo\nthree", "abc"])
    rows: list[list[Span]] = [
        [(5, 8, "NUMBER")],
        [],
        [(0, 0, "inserted")],
        [(0, 2, ""), (7, 8, "é"), (9, 15, "")],  # two bytes a letter
        [(4, 8, "")],  # a line deleted
        [(0, 3, ""), (3, 3, "z")],
    ]
    edited = apply_edits(texts, array_of(*rows))
    assert edited.to_pylist() == ["call NUMBER now", "no edit", "inserted", "öü é ", "one\nthree", "z"]
    assert edited.type == texts.type
    assert edited.validate(full=True) is None


def test_nothing_to_edit_gives_the_same_array() -> None:
    texts = pa.array(["a", "b"])
    assert apply_edits(texts, array_of([], [])) is texts
    assert apply_edits(pa.array([], pa.string()), array_of()).to_pylist() == []


EDIT = st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from(["", "R", "längere Ersetzung"]))


@given(st.lists(st.tuples(st.text(max_size=30), st.lists(EDIT, max_size=4)), max_size=6), st.integers(0, 6), st.data())
@settings(max_examples=200, deadline=None)
def test_edits_agree_with_their_twin_in_any_slice(rows: list, first: int, data: st.DataObject) -> None:
    texts, edits = [], []
    for text, wanted in rows:
        bounds = [len(text[:i].encode()) for i in range(len(text) + 1)]
        fitting, position = [], 0
        for start, length, replacement in sorted(wanted):
            if position <= start <= len(text):
                position = min(start + length, len(text))
                fitting.append((bounds[start], bounds[position], replacement))
        texts.append(text)
        edits.append(fitting)
    expected = [twin_apply(text, row) for text, row in zip(texts, edits, strict=True)]
    columns = pa.array(texts, pa.string()), array_of(*edits)
    for begin in (0, first):
        edited = apply_edits(*(column.slice(begin) for column in columns))
        edited.validate(full=True)
        assert edited.to_pylist() == expected[begin:]


@pytest.mark.parametrize(
    "row",
    [[(4, 6, ""), (2, 3, "")], [(1, 4, ""), (3, 5, "")], [(5, 4, "")], [(3, 7, "")], [(-1, 2, "")], [(7, 7, "x")]],
)
def test_edits_out_of_order_or_out_of_the_text_are_refused(row: list[Span]) -> None:
    texts = pa.array(["before", "abcdef", "behind"])
    with pytest.raises(ValueError, match="edits must be in order, apart, and within its text"):
        apply_edits(texts, array_of([], row, []))
