"""Counting what was written, and the refusal to commit when a row was lost on the way."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import article, driver, files_of, finished_run, folder_of, manifest_of, recipe, write_lines

from pipeline.accounting import count_present, count_records, count_rows, count_verdicts
from pipeline.config import Recipe
from pipeline.driver import check_chain
from pipeline.manifest import AccountingError, Counts
from pipeline.schema import DOCUMENT_SCHEMA, RECORD_SCHEMA, VERDICT_SCHEMA
from pipeline.storage import ParquetShardWriter


def write(path: Path, schema: pa.Schema, rows: list[dict]) -> str:
    nothing = {pa.string(): "", pa.int64(): 0, pa.int32(): 0, pa.binary(16): bytes(16)}
    filled = [{f.name: nothing.get(f.type, []) if not f.nullable else None for f in schema} | row for row in rows]
    pq.write_table(pa.Table.from_pylist(filled, schema), path)
    return str(path)


RECORDS = [
    {"outcome": "kept", "num_documents": 1},
    {"outcome": "dropped", "reason": "status"},
    {"outcome": "dropped", "reason": "empty"},
    {"outcome": "failed", "reason": "gzip", "error": "bad"},
    {"outcome": "kept", "num_documents": 1},
    {"outcome": "dropped", "reason": "status"},
]


# --- what stands in the files


def test_records_by_outcome_and_reason(tmp_path: Path) -> None:
    records = write(tmp_path / "r", RECORD_SCHEMA, RECORDS)
    documents = write(tmp_path / "d", DOCUMENT_SCHEMA, [{}, {}])
    counts = count_records(records, 6, documents)
    assert counts == Counts("records", 6, 2, {"empty": 1, "status": 2}, 1, 2)
    counts.check("here")
    with pytest.raises(AccountingError, match=r"7 records entered, but 2 kept \+ 3 dropped \+ 1 failed = 6"):
        count_records(records, 7, documents).check("here")


@pytest.mark.parametrize("num_documents", [1, 3])
def test_records_that_tell_of_other_documents_are_refused(tmp_path: Path, num_documents: int) -> None:
    records = write(tmp_path / "r", RECORD_SCHEMA, RECORDS)
    documents = write(tmp_path / "d", DOCUMENT_SCHEMA, [{}] * num_documents)
    with pytest.raises(AccountingError, match=f"d has {num_documents} documents; the records tell of 2"):
        count_records(records, 6, documents)


def test_no_records_at_all(tmp_path: Path) -> None:
    empty = write(tmp_path / "r", RECORD_SCHEMA, []), write(tmp_path / "d", DOCUMENT_SCHEMA, [])
    assert count_records(empty[0], 0, empty[1]) == Counts("records", 0, 0, {}, 0, 0)


def test_a_dropped_row_without_a_reason_is_named_so(tmp_path: Path) -> None:
    records = write(tmp_path / "r", RECORD_SCHEMA, [{"outcome": "dropped"}])
    assert count_records(records, 1, write(tmp_path / "d", DOCUMENT_SCHEMA, [])).dropped == {"unnamed": 1}


def test_absent_rows_do_not_count_as_entered(tmp_path: Path) -> None:
    verdicts = [{"verdict": "absent"}, {"verdict": "kept"}, {"verdict": "absent"}]
    verdicts += [{"verdict": "dropped", "reason": "num_words"}, {"verdict": "failed", "reason": "broken"}]
    counts = count_verdicts(write(tmp_path / "v", VERDICT_SCHEMA, verdicts), 3)
    assert counts == Counts("documents", 3, 1, {"num_words": 1}, 1, 1)
    counts.check("here")


def test_rows_and_values_are_counted_in_the_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"exact": ["a", None, "b"]}), tmp_path / "t")
    assert count_rows(str(tmp_path / "t"), 4, {"tokens": 9}) == Counts("documents", 4, 3, {}, 0, 3, {"tokens": 9})
    assert count_present(str(tmp_path / "t"), "exact", 2) == Counts("documents", 2, 2, {}, 0, 2)


# --- from stage to stage


def counts(entered: int) -> Counts:
    return Counts("documents", entered, entered, {}, 0, entered)


def test_chain_holds_when_what_was_produced_enters() -> None:
    check_chain("filter", {"news": counts(3)}, "signals", {"news": {"produced": 3}})
    check_chain("filter", {}, "signals", {"news": {"produced": 0}})


@pytest.mark.parametrize(
    ("entered", "produced", "message"),
    [
        ({"news": counts(2)}, {"news": {"produced": 3}}, "filter, news: signals produced 3, but 2 entered"),
        ({"news": counts(4)}, {"news": {"produced": 3}}, "filter, news: signals produced 3, but 4 entered"),
        ({}, {"news": {"produced": 3}}, "filter, news: signals produced 3, but 0 entered"),
        ({"books": counts(1)}, {}, "filter, books: signals produced 0, but 1 entered"),
        (
            {"books": counts(3), "news": counts(2)},  # the sum is right
            {"books": {"produced": 2}, "news": {"produced": 3}},
            "filter, books: signals produced 2, but 3 entered",
        ),
    ],
)
def test_chain_refuses_what_got_lost_or_came_from_nowhere(
    entered: dict[str, Counts], produced: dict, message: str
) -> None:
    with pytest.raises(AccountingError, match=f"{message}; nothing is committed"):
        check_chain("filter", entered, "signals", produced)


# --- a row lost on purpose


@pytest.fixture
def finished(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A copy of a finished run."""
    made, out = finished_run(tmp_path_factory.getbasetemp())
    shutil.copytree(out, tmp_path / "out")
    return made, tmp_path / "out"


def losing(kind: str) -> Callable[[ParquetShardWriter, pa.RecordBatch], None]:
    """A ``write`` that leaves the last row of the first batch of one such file out, once."""
    write, lost = ParquetShardWriter.write, []

    def lossy(self: ParquetShardWriter, batch: pa.RecordBatch) -> None:
        if re.search(kind, self._path) and batch.num_rows and not lost:
            lost.append(self._path)
            batch = batch.slice(0, batch.num_rows - 1)
        write(self, batch)

    return lossy


@pytest.mark.parametrize(
    ("stage", "kind", "numbers"),
    [
        ("extract", "news/records-00000", r"documents-00000-of-\d+\.parquet has \d+ documents; the records tell of"),
        ("extract", "news/documents-00001", r"documents-00001-of-\d+\.parquet has \d+ documents; the records tell of"),
        ("signals", "news/signals", r"\d+ documents entered, but \d+ kept \+ 0 dropped"),
        ("filter", "news/verdicts", r"\d+ documents entered, but \d+ kept \+ 0 dropped"),
        ("signatures", "news/signatures", r"\d+ documents entered, but \d+ kept"),
        ("dedup", "news/verdicts", r"\d+ documents entered, but \d+ kept \+ 1 dropped"),
        ("decontaminate", "news/verdicts", r"\d+ documents entered, but \d+ kept"),
        ("corpus", "^news/documents", r"\d+ documents entered, but \d+ kept"),
        ("corpus", "held_out/news/documents", r"\d+ documents entered, but \d+ kept"),
        ("tokenizer", "news/sizes", r"\d+ documents entered, but \d+ kept"),
        ("tokens", "encoded", r"\d+ documents entered, but \d+ kept"),
        ("tokens", "^news/documents", r"\d+ documents entered, but \d+ kept"),
    ],
)
def test_a_stage_that_lost_a_row_commits_nothing_and_can_be_run_again(
    finished: tuple[Recipe, Path], stage: str, kind: str, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = finished
    before = files_of(folder_of(out, stage))
    (folder_of(out, stage) / "manifest.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(ParquetShardWriter, "write", losing(kind))
        with pytest.raises(AccountingError, match=rf"^{stage}.*\bnews\b.*{numbers}"):
            driver(made, out).run(only=stage)
    assert list((out / stage).glob("*/manifest.json")) == []
    driver(made, out).run(only=stage)
    assert files_of(folder_of(out, stage)) == before


# --- failures


@pytest.mark.parametrize(("fraction", "is_refused"), [(0.2, False), (0.1999, True)])
def test_failures_up_to_the_fraction_are_allowed(tmp_path: Path, fraction: float, is_refused: bool) -> None:
    write_lines(tmp_path / "input" / "a.jsonl", [article(number) for number in range(8)])
    with (tmp_path / "input" / "a.jsonl").open("a") as stream:
        stream.write("broken\n[]\n")
    made = recipe(tmp_path / "input", run={"max_failed_fraction": fraction})
    if is_refused:
        message = "extract, news: 2 of 10 records failed, more than max_failed_fraction = 0.1999"
        with pytest.raises(AccountingError, match=message) as refused:
            driver(made, tmp_path / "out").run(only="extract")
        rows = str(refused.value).splitlines()[1:]
        size = sum(len(line) for line in (tmp_path / "input" / "a.jsonl").read_bytes().splitlines(keepends=True)[:8])
        assert [row.split(":")[0].strip() for row in rows] == ["a.jsonl", "a.jsonl"]
        assert f" {size}, " in rows[0]
        assert f" {size + len('broken') + 1}, " in rows[1]
        assert list((tmp_path / "out" / "extract").glob("*/manifest.json")) == []
    else:
        driver(made, tmp_path / "out").run(only="extract")
        assert manifest_of(tmp_path / "out", "extract")["counts"]["news"]["failed"] == 2


def test_a_raised_fraction_commits_what_is_there(tmp_path: Path) -> None:
    write_lines(tmp_path / "input" / "a.jsonl", [article(1), ""])
    (tmp_path / "input" / "b.jsonl").write_text("broken\n")
    with pytest.raises(AccountingError, match="1 of 3 records failed"):
        driver(recipe(tmp_path / "input"), tmp_path / "out").run(only="extract")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "extract").rglob("*.parquet")}
    raised = recipe(tmp_path / "input", run={"max_failed_fraction": 1.0})
    assert driver(raised, tmp_path / "out").run(only="extract").ran == ["extract"]
    assert {path: path.stat().st_mtime_ns for path in written} == written
    counted = manifest_of(tmp_path / "out", "extract")["counts"]["news"]
    assert (counted["in"], counted["kept"], counted["dropped"], counted["failed"]) == (3, 1, {"empty": 1}, 1)
