from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import id_of, ids_of, workspace, write_documents, write_table, write_verdicts

from filters.pii import PII_TYPE
from pipeline.config import RecipeError
from pipeline.documents import (
    AlignmentError,
    document_shards,
    kept_rows,
    read_documents,
    read_side_table,
    shard_edits,
    verdicts,
)
from pipeline.manifest import ShardTask
from pipeline.schema import VERDICT_SCHEMA
from pipeline.text_edits import verdict_schema

TASK = ShardTask("news", 0, 2)
SPANS_SCHEMA = pa.schema([pa.field("id", pa.binary(16)), pa.field("pii", PII_TYPE)])
TEXTS = {number: f"text {number} " * (number + 1) for number in range(10)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_documents(tmp_path, TASK, TEXTS)
    write_verdicts(tmp_path, "filter", TASK, range(10), dropped=[0, 4], gone=[9])
    return tmp_path


def test_shards_of_a_manifest_by_kind() -> None:
    paths = [
        "news/documents-00003-of-00012.parquet",
        "news/records-00003-of-00012.parquet",
        "held_out/news/documents-00000-of-00001.parquet",
        "news/tokens-00000-of-00001.npy",
        "card.json",
    ]
    manifest = {"outputs": [{"path": path, "rows": rows, "bytes": 10 * rows} for rows, path in enumerate(paths)]}
    assert document_shards(manifest) == [
        ShardTask("news", 3, 12, ({"rows": 0},), bytes=0),
        ShardTask("held_out/news", 0, 1, ({"rows": 2},), bytes=20),
    ]
    assert document_shards(manifest, "records") == [ShardTask("news", 3, 12, ({"rows": 1},), bytes=10)]
    assert document_shards(manifest, "verdicts") == []


def test_without_a_stage_before_all_are_alive(out: Path) -> None:
    ((batch, alive),) = read_documents(workspace(out, "x"), TASK, ["text"])
    assert batch.schema.names == ["id", "text"]
    assert batch["text"].to_pylist() == list(TEXTS.values())
    assert alive.tolist() == [True] * 10


def test_only_what_the_stage_before_kept_is_alive(out: Path) -> None:
    ((batch, alive),) = read_documents(workspace(out, "x"), TASK, ["text"], after="filter")
    assert batch["id"].to_pylist() == [id_of(number) for number in range(10)]
    assert np.flatnonzero(alive).tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert kept_rows(str(out / "filter"), TASK)[1].tolist() == alive.tolist()


@pytest.mark.parametrize("batch_bytes", [1, 300, 500, 10**9])
def test_batches_of_any_size_hold_the_same_rows(out: Path, batch_bytes: int) -> None:
    parts = list(read_documents(workspace(out, "x", batch_bytes), TASK, ["text"], after="filter"))
    assert [text for batch, _ in parts for text in batch["text"].to_pylist()] == list(TEXTS.values())
    assert np.flatnonzero(np.concatenate([alive for _, alive in parts])).tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert {1: 10, 10**9: 1}.get(batch_bytes, len(parts)) == len(parts)
    assert all(batch.num_rows == len(alive) for batch, alive in parts)


def test_an_empty_shard_has_no_batches(out: Path) -> None:
    empty = ShardTask("news", 1, 2)
    write_documents(out, empty, {})
    write_verdicts(out, "filter", empty, [])
    assert list(read_documents(workspace(out, "x"), empty, ["text"], after="filter")) == []


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([*range(9), 11], "are not those of .*documents-00000-of-00002.parquet, rows 8 to 10"),
        ([1, 0, *range(2, 10)], "are not those of .*, rows 0 to 2"),
        (range(9), "are not those of .*, rows 8 to 10"),
        (range(11), "have 11 rows; .* has 10"),
        ([], "are not those of"),
    ],
)
def test_verdicts_about_other_documents_are_refused(tmp_path: Path, numbers: list[int], message: str) -> None:
    write_documents(tmp_path, TASK, {number: "ab" for number in range(10)})
    write_verdicts(tmp_path, "filter", TASK, numbers)
    space = workspace(tmp_path, "x", batch_bytes=1)
    rows_at_once = len(next(read_documents(space, TASK, ["text"]))[1])
    assert rows_at_once == 1
    pattern = message.replace("8 to 10", r"\d to \d+").replace("0 to 2", r"0 to 1")
    with pytest.raises(AlignmentError, match=f"filter verdicts of news-00000-of-00002 {pattern}"):
        list(read_documents(space, TASK, ["text"], after="filter"))


def test_side_table_columns_in_the_order_asked(out: Path) -> None:
    write_table(out, f"signals/{TASK.file('signals')}", pa.table({"a": [1], "b": [2], "c": [3]}))
    assert read_side_table(str(out / "signals"), TASK, "signals", ["c", "a"]).to_pylist() == [{"c": 3, "a": 1}]


def test_verdict_rows_by_hand() -> None:
    alive = np.array([False, True, True, False, True])
    batch = verdicts(ids_of(range(5)), alive, [("a", "b"), (), ("c",)], ["x", None, "z"])
    assert batch.schema.equals(VERDICT_SCHEMA)
    assert [tuple(row.values())[1:] for row in batch.to_pylist()] == [
        ("absent", None, [], None),
        ("dropped", "a", ["a", "b"], "x"),
        ("kept", None, [], None),
        ("absent", None, [], None),
        ("dropped", "c", ["c"], "z"),
    ]
    assert verdicts(ids_of([]), np.zeros(0, bool), [], []).num_rows == 0


def test_evidence_of_a_kept_document_stays() -> None:
    batch = verdicts(ids_of([1]), np.ones(1, bool), [()], ["in a cluster, but not removed"])
    assert batch.to_pylist()[0]["evidence"] == "in a cluster, but not removed"
    assert batch.to_pylist()[0]["verdict"] == "kept"


# --- edits


def write_spans(out: Path, numbers: Iterable[int]) -> None:
    """Signals in which the first four bytes of every even document are a span."""
    span = {"start": 0, "stop": 4, "kind": "word"}
    rows = [{"id": id_of(number), "pii": [] if number % 2 else [span]} for number in numbers]
    write_table(out, f"signals/{TASK.file('signals')}", pa.Table.from_pylist(rows, SPANS_SCHEMA))


@pytest.fixture
def edited(out: Path) -> Path:
    """Verdicts of the filter by which the word ``text`` of every even document is edited."""
    rows = pq.read_table(out / "filter" / TASK.file("verdicts"))
    schema = verdict_schema({"pii": {"word": "TEXT!"}})
    write_table(out, f"filter/{TASK.file('verdicts')}", rows.cast(schema))
    write_spans(out, range(10))
    write_verdicts(out, "dedup", TASK, range(10), dropped=[1], gone=[0, 4, 9])
    return out


@pytest.mark.parametrize("batch_bytes", [1, 300, 10**9])
@pytest.mark.parametrize("after", ["filter", "dedup"])
def test_whoever_reads_after_the_filter_reads_edited_text(edited: Path, after: str, batch_bytes: int) -> None:
    parts = read_documents(workspace(edited, "x", batch_bytes), TASK, ["title", "text"], after=after)
    found = [text for batch, _ in parts for text in batch["text"].to_pylist()]
    assert found == [f"TEXT!{text[4:]}" if number % 2 == 0 else text for number, text in TEXTS.items()]


def test_before_the_filter_the_text_is_as_extracted(edited: Path) -> None:
    ((batch, _),) = read_documents(workspace(edited, "x"), TASK, ["text"])
    assert batch["text"].to_pylist() == list(TEXTS.values())
    ((batch, _),) = read_documents(workspace(edited, "x"), TASK, ["title"], after="filter")
    assert batch.schema.names == ["id", "title"]


def test_edits_of_other_documents_are_refused(edited: Path) -> None:
    write_spans(edited, reversed(range(10)))
    with pytest.raises(AlignmentError, match="edits of 10 documents are not those"):
        list(read_documents(workspace(edited, "x"), TASK, ["text"], after="dedup"))
    write_spans(edited, range(9))
    with pytest.raises(AlignmentError, match="edits of 9 documents are not those of the 10"):
        list(read_documents(workspace(edited, "x"), TASK, ["text"], after="dedup"))


def test_edits_without_finished_signals_are_refused(edited: Path) -> None:
    with pytest.raises(RecipeError, match="the filter's edits stand in the signals, and these are not finished"):
        shard_edits({"filter": str(edited / "filter")}, TASK)


def test_without_edits_the_signals_are_not_asked_for(out: Path) -> None:
    assert shard_edits({"filter": str(out / "filter")}, TASK) is None
