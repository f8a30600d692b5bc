"""Documents found by what was decided about them, against all rows of all verdict tables read one by one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import finished_run, folder_of, manifest_of
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.find import find_documents, what_there_is
from pipeline.finished import VERDICT_STAGES

NONE_OF_DEDUP = {("dedup", "dropped", reason) for reason in (None, "late", "few")}  # but for one exact copy


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of several shards, whose filter dropped some for two reasons; its verdicts in many row groups."""
    _, finished = finished_run(tmp_path_factory.getbasetemp())
    out = tmp_path_factory.mktemp("found") / "out"
    shutil.copytree(finished, out)
    for number, path in enumerate(sorted(folder_of(out, "filter").rglob("verdicts-*"))):
        rows = pq.read_table(path).to_pylist()
        for row in rows[number % 3 :: 3]:
            row |= {"verdict": "dropped", "reason": "few", "reasons": ["few", "late"], "evidence": "few=1"}
        for row in rows[::5]:
            row |= {"verdict": "dropped", "reason": "late", "reasons": ["late"], "evidence": None}
        pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(path)), path, row_group_size=4)
    return out


def twin(out: Path, verdict: str, stage: str | None, reason: str | None) -> list[tuple[str, str, str | None]]:
    """Id, stage and evidence of all that are to be found, in the order of shards and rows."""
    stages = [name for name in VERDICT_STAGES if stage in (None, name)]
    found = []
    for path in sorted(folder_of(out, "filter").rglob("verdicts-*")):
        tables = {
            name: pq.read_table(folder_of(out, name) / path.relative_to(folder_of(out, "filter"))).to_pylist()
            for name in stages
        }
        for row in range(len(tables[stages[0]])):
            by_stage = {name: tables[name][row] for name in stages if tables[name][row]["verdict"] == verdict}
            if verdict == "kept":
                by_stage = {name: one for name, one in by_stage.items() if name == stages[-1]}
            if by_stage:
                name, one = list(by_stage.items())[-1]
                if reason is None or reason in one["reasons"]:
                    found.append((one["id"].hex(), name, one["evidence"]))
    return found


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(one["id"], one["stage"], one["evidence"]) for one in found]


@pytest.mark.parametrize("number", [1, 3, 1000])
@pytest.mark.parametrize("stage", [None, "filter", "dedup"])
@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("kept", None), ("dropped", None), ("dropped", "late"), ("dropped", "few"), ("failed", None)],
)
def test_documents_are_found_in_order(
    out: Path, verdict: str, stage: str | None, reason: str | None, number: int
) -> None:
    expected = twin(out, verdict, stage, reason)
    assert (len(expected) > 3) == (verdict != "failed" and (stage, verdict, reason) not in NONE_OF_DEDUP)
    assert told(find_documents(str(out), verdict, stage, reason, None, number)) == expected[:number]
    assert find_documents(str(out), verdict, stage, reason, "books", number) == []


def test_where_nothing_matches_what_there_is_is_said(out: Path) -> None:
    assert what_there_is(str(out), "failed") == ["--stage extract has 1 failed"]
    lines = what_there_is(str(out), "dropped")
    stages = ("filter", "dedup")  # extract dropped none, and nothing is contaminated
    for line, stage in zip(lines, stages, strict=True):
        counts = manifest_of(out, stage)["counts"].values()
        reasons = [pair for count in counts for pair in count["dropped"].items()]
        assert line.startswith(f"--stage {stage} has {sum(number for _, number in reasons)} dropped: ")
        assert all(reason in line for reason, _ in reasons)
    shown = CliRunner().invoke(app, ["inspect", str(out), "--verdict", "dropped", "--reason", "num_wordz"])
    assert shown.output.splitlines() == ["no document matches", *(f"  {line}" for line in lines)]
