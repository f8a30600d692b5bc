from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.manifest import (
    AccountingError,
    Counts,
    Receipt,
    ShardTask,
    TooManyFailedError,
    Workspace,
    build_manifest,
    finished_receipt,
    total_counts,
    write_receipt,
)
from pipeline.schema import document_id
from pipeline.storage import OutputFile


def counts(entered: int, kept: int, failed: int = 0, **dropped: int) -> Counts:
    return Counts("documents", entered, kept, dropped, failed, kept)


def test_sums_that_do_not_balance_are_refused() -> None:
    counts(5, 2, 1, short=2).check("here")
    with pytest.raises(AccountingError, match=r"here: 5 documents entered, but 2 kept \+ 1 dropped \+ 1 failed = 4"):
        counts(5, 2, 1, short=1).check("here")


def test_too_many_failures_are_refused_just_above_the_fraction() -> None:
    total_counts([Receipt("a", (), (), counts(100, 99, 1), "news")], 0.01, "filter")
    message = r"filter, news: 2 of 100 documents failed, more than max_failed_fraction = 0\.01"
    with pytest.raises(TooManyFailedError, match=message):
        total_counts([Receipt("a", (), (), counts(100, 98, 2), "news")], 0.01, "filter")


def test_totals_are_by_subset_and_reason() -> None:
    receipts = [
        Receipt("a", (), (), counts(3, 1, short=2), "news"),
        Receipt("b", (), (), counts(4, 2, short=1, long=1), "news"),
        Receipt("c", (), (), counts(1, 1), "books"),
        Receipt("d", (), (), None, "books"),
    ]
    totals = total_counts(receipts, 0.0, "filter")
    assert totals["news"].as_dict() == {
        "unit": "documents",
        "in": 7,
        "kept": 3,
        "dropped": {"long": 1, "short": 3},
        "failed": 0,
        "produced": 3,
    }
    assert list(totals) == ["books", "news"]


def test_receipt_holds_only_while_its_files_do(tmp_path: Path) -> None:
    space = Workspace(str(tmp_path / "stage"), str(tmp_path / "scratch"), str(tmp_path / "work"))
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "a.parquet").write_bytes(b"12345")
    receipt = Receipt("a", ({"path": "raw"},), (OutputFile("a.parquet", "ab", 1, 5),), counts(1, 1), "news")
    assert finished_receipt(space.folder, "a") is None
    write_receipt(space, receipt)
    assert finished_receipt(space.folder, "a") == receipt
    (tmp_path / "stage" / "a.parquet").write_bytes(b"1234")
    assert finished_receipt(space.folder, "a") is None


def test_extra_counts_survive_a_receipt() -> None:
    receipt = Receipt("a", (), (), Counts("documents", 1, 1, {}, 0, 1, {"tokens": 9}), "news")
    assert Receipt.from_json(receipt.to_json()) == receipt


def test_shard_task_survives_json_and_names_files() -> None:
    task = ShardTask("held_out/news", 3, 12, ({"rows": 4},), "encode")
    assert ShardTask.from_json(task.to_json()) == task
    assert task.name == "encode.held_out.news-00003-of-00012"
    assert task.file("documents") == "held_out/news/documents-00003-of-00012.parquet"


def test_manifest_is_sorted_and_names_each_input_once() -> None:
    receipts = [
        Receipt("b", ({"path": "z", "sha256": "1"},), (OutputFile("b", "x", 1, 1),), counts(1, 1), "news"),
        Receipt("a", ({"path": "y", "sha256": "2"},), (OutputFile("a", "x", 1, 1),), counts(1, 1), "news"),
    ]
    manifest = build_manifest("extract", "0" * 16, 1, {}, [{"path": "y", "sha256": "2"}], receipts, {})
    assert [entry["path"] for entry in manifest["inputs"]] == ["y", "z"]
    assert [entry["path"] for entry in manifest["outputs"]] == ["a", "b"]


def test_document_id_by_hand() -> None:
    # printf 'news\0a.jsonl\0\0\7\0\0\0\0\0\0\0\0', then 32 zero bytes, through b2sum -l 128
    assert document_id("news", "a.jsonl", "", 7, bytes(32)).hex() == "e2cb049e018b60daf9bab0c8a0049591"
    with pytest.raises(ValueError, match="must be 32 bytes; got 31"):
        document_id("news", "a.jsonl", "", 7, bytes(31))
