"""The driver on a small run: what it counts, that it repeats itself exactly, what it redoes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from small_run import STAGES, files_of, manifest, massivetext, run, start, wait_for, write_input


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_input(tmp_path_factory.mktemp("input"))


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by one worker; tests copy it before they change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    run(recipe, out, "--workers", "1")
    return out


def test_counts_by_hand(finished: Path) -> None:
    extract = manifest(finished, "extract")["counts"]
    assert extract["news"] | {"failed": 1} == extract["news"]  # the line that is cut short
    assert (extract["news"]["in"], extract["news"]["kept"], extract["c4"]["in"]) == (121, 120, 40)
    dropped = {
        stage: manifest(finished, stage)["counts"]["news"]["dropped"] for stage in ("filter", "dedup", "decontaminate")
    }
    assert dropped["filter"] == {"language": 1}  # the German one
    assert dropped["dedup"] == {"exact_duplicate": 1, "near_duplicate": 1}
    assert dropped["decontaminate"] == {"contaminated": 1}
    corpus = manifest(finished, "corpus")["counts"]["news"]
    assert corpus["produced"] == 120 - 4
    assert manifest(finished, "tokens")["counts"]["news"]["in"] == 116


def test_every_manifest_balances_and_follows_the_one_before(finished: Path) -> None:
    before = None
    for stage in ("extract", "signals", "filter", "signatures", "dedup", "decontaminate", "corpus", "tokens", "retro"):
        counts = manifest(finished, stage)["counts"]
        for subset, row in counts.items():
            assert row["in"] == row["kept"] + sum(row["dropped"].values()) + row["failed"]
            assert before is None or row["in"] == before[subset]["produced"]
        before = counts


@pytest.mark.slow
def test_two_processes_and_other_batches_write_the_same_bytes(recipe: Path, finished: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "out", "--workers", "2", "--set", "run.batch_bytes=3000")
    assert files_of(tmp_path / "out") == files_of(finished)
    state = json.loads((tmp_path / "out" / "run.json").read_text())["stages"]
    for stage in ("extract", "signals", "signatures", "dedup", "decontaminate", "corpus", "tokens", "retro"):
        assert len(state[stage]["workers"]) >= 2, stage
    assert len(state["filter"]["workers"]) == 1  # so few documents are decided about before another process is there


def test_second_run_does_nothing_and_says_so(recipe: Path, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.parquet")}
    said = run(recipe, finished, "--workers", "1").stdout
    assert f"nothing to do: all {len(STAGES)} stages are up to date" in said
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*.parquet")} == before


def test_a_stage_without_its_manifest_is_redone_with_what_depends_on_it(
    recipe: Path, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    next((out / "dedup").glob("*/manifest.json")).unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    said = run(recipe, out, "--workers", "1", "--set", "train.steps=0").stdout  # a recipe without the slowest stage
    assert "ran dedup, decontaminate, corpus, tokenizer, tokens, retro;" in said
    assert files_of(out) == files_of(finished)
    for stage in STAGES:
        touched = {path.stat().st_mtime_ns != before.get(path) for path in (out / stage).rglob("*") if path.is_file()}
        assert touched == {stage not in ("extract", "signals", "filter", "signatures", "train")}, stage


def test_another_bound_redecides_beside_the_old_run(recipe: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    said = run(recipe, out, "--workers", "1", "--only", "filter", "--set", "filter.languages=['en','de']").stdout
    assert "ran filter;" in said
    assert len(list((out / "filter").iterdir())) == 2
    assert len(list((out / "signals").iterdir())) == 1


def test_interrupt_is_answered_at_once(recipe: Path, tmp_path: Path) -> None:
    """That the next run goes on from there is shown in test_kill."""
    out = tmp_path / "out"
    driver = start(recipe, out, "--workers", "2", "--only", "extract")
    wait_for(lambda: (out / "logs").exists(), driver)  # the stage has begun, its workers take a second to start
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "interrupted; run the same command again" in said
    assert json.loads((out / "run.json").read_text())["stages"]["extract"]["state"] == "interrupted"


def test_second_driver_is_refused(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    driver = start(recipe, out, "--workers", "1")
    try:
        wait_for((out / ".lock").exists, driver)
        second = run(recipe, out, check=False)
        assert second.returncode == 2
        assert f"is in use by process {driver.pid}" in second.stderr
    finally:
        driver.kill()
        driver.communicate()


def test_refusals_come_before_any_work(recipe: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--set", "dedup.bandz=3"), "unknown key dedup.bandz; known here: bands"),
        (("--runner", "dask"), "runner dask is refused"),
        (("--set", "filter.bounds={nonsense={low=1}}"), "unknown signals ['nonsense']"),
        (("--input-root", str(tmp_path)), "no file matches"),
        (("--only", "nothing"), "the recipe has no such stage"),
    ):
        done = run(recipe, tmp_path / "out", *arguments, check=False)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
    assert not list((tmp_path / "out").glob("*/*"))


def test_limit_keeps_documents_by_id(recipe: Path, tmp_path: Path) -> None:
    said = run(recipe, tmp_path / "out", "--workers", "1", "--limit", "30", "--only", "extract").stdout
    assert "ran extract" in said
    counts = manifest(tmp_path / "out", "extract")["counts"]
    assert {subset: row["kept"] for subset, row in counts.items()} == {"news": 30, "c4": 30}
    assert counts["c4"]["dropped"] == {"limit": 10}


def test_status_and_inspect_tell_what_was_decided(finished: Path) -> None:
    rows = json.loads(massivetext("status", str(finished), "--json").stdout)
    assert [row["stage"] for row in rows] == list(STAGES)
    assert {row["state"] for row in rows} == {"done"}
    found = json.loads(
        massivetext("inspect", str(finished), "--verdict", "dropped", "--reason", "contaminated", "--json").stdout
    )
    assert "brass  lantern" in found[0]["text"]
    assert found[0]["evidence"].endswith(f"to {len(found[0]['text'].encode())}")
    (failed,) = json.loads(
        massivetext("inspect", str(finished), "--verdict", "failed", "--stage", "extract", "--json").stdout
    )
    assert (failed["source"], failed["verdict"]) == ("news/0.jsonl.gz", "failed")


def test_dropped_text_is_written_on_request(recipe: Path, finished: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "out"
    shutil.copytree(finished, out)
    next((out / "corpus").glob("*/manifest.json")).unlink()
    run(recipe, out, "--workers", "1", "--only", "corpus", "--set", "run.keep_dropped_text=true")
    rows = pq.read_table(out / "dropped" / "news").to_pylist()
    assert sorted((row["stage"], row["reason"]) for row in rows) == [
        ("decontaminate", "contaminated"),
        ("dedup", "exact_duplicate"),
        ("dedup", "near_duplicate"),
        ("filter", "language"),
    ]
