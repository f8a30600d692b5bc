from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from job_workspace import (
    article,
    driver,
    files_of,
    finished_run,
    folder_of,
    id_of,
    manifest_of,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
    write_verdicts,
)

from beam_jobs.decontaminate import EVIDENCE_SCHEMA, Decontaminate, _index, decontaminate_shard
from pipeline.config import DecontaminateConfig
from pipeline.manifest import Counts, ShardTask

PASSAGE = (
    "Nobody in the valley remembered who had first carried the brass lantern up the hill, but each spring the children "
    "polished it with salt and vinegar until they could count their teeth in its side, and then they hung it where the "
    "ferrymen would see it across the water before the ice went out."
)
QUESTION = {
    "question": "Which of the three harbours on the western shore of the island was closed to larger ships last year, "
    "when nobody had expected it",
    "choices": [
        {"text": "the northern one, because of the storm that came in the winter"},
        {"text": "the one near the old mill, which had been sold"},
    ],
    "answer": 1,
    "nested": {"why": ["the channel had filled with sand over many long and quiet summers", 3.5, None, True]},
}
TOPIC = (
    "The children of the valley polished the brass lantern each spring. They hung it where the ferrymen would see it."
)
REWRAPPED = PASSAGE.upper().replace(" ", "\n ").replace(",", " --").replace(".", "!")
TASK, OTHER, EMPTY = ShardTask("news", 0, 2), ShardTask("c4", 0, 1), ShardTask("news", 1, 2)
TEXTS = {
    0: article(0),
    1: f"{article(1)}\n\nÜber naïve façades … {PASSAGE} {article(2)}",
    2: f"{article(3)} {REWRAPPED}",
    3: f"{article(4)} {TOPIC}",
    4: PASSAGE,
    5: PASSAGE,
    6: f"“{QUESTION['question']}”? Who knows. {article(5)}",
    7: "The northern one! Because of the storm that came in the winter? The one near the old mill, which had been sold",
    8: "",
}
ENTERED = [number for number in TEXTS if number not in (4, 5)]
CONFIG = DecontaminateConfig()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for task in (TASK, OTHER):
        write_documents(tmp_path, task, TEXTS)
        write_verdicts(tmp_path, "filter", task, TEXTS)
        write_verdicts(tmp_path, "dedup", task, TEXTS, dropped=[4], gone=[5])
    write_documents(tmp_path, EMPTY, {})
    write_verdicts(tmp_path, "filter", EMPTY, [])
    write_verdicts(tmp_path, "dedup", EMPTY, [])
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/passage.txt").write_text(PASSAGE.replace(" the ", "\nthe  "))
    (tmp_path / "eval/questions.jsonl").write_text(f'{{"question": "too short"}}\n\n{json.dumps(QUESTION)}\n')
    return tmp_path


def indexed(out: Path, *names: str, config: DecontaminateConfig = CONFIG, **settings: Any) -> Any:
    """A workspace in whose work folder the index of these files stands."""
    space = workspace(out, "decontaminate", **settings)
    files = [{"path": name, "full_path": str(out / "eval" / name)} for name in names]
    in_work = workspace(out, f"work-decontaminate{settings.get('name', '')}")
    _index(ShardTask("all", 0, 1, step="index"), in_work, files, config)
    return space


def verdicts(space: Any, task: ShardTask = TASK) -> dict[int, dict[str, Any]]:
    return {int(row["id"]): row for row in rows_of(space.folder, task.file("verdicts"))}


def evidence(space: Any, task: ShardTask = TASK) -> dict[int, dict[str, Any]]:
    return {int(row["id"]): row for row in rows_of(space.folder, task.file("evidence"))}


# --- what is found


def test_planted_passages_are_found_and_a_topic_is_not(out: Path) -> None:
    space = indexed(out, "passage.txt", "questions.jsonl")
    receipt = decontaminate_shard(TASK, space, CONFIG, "dedup", ("news",))
    assert receipt.counts == Counts("documents", 7, 3, {"contaminated": 4}, 0, 3)
    found = {number: row["verdict"] for number, row in verdicts(space).items()}
    assert found == {
        0: "kept",
        1: "dropped",
        2: "dropped",  # other line breaks, case and punctuation
        3: "kept",  # a topic
        4: "absent",
        5: "absent",
        6: "dropped",
        7: "dropped",  # strings of a row stand together, in their order
        8: "kept",
    }
    assert {row["reason"] for row in verdicts(space).values() if row["verdict"] == "dropped"} == {"contaminated"}


def test_evidence_names_the_text_and_cuts_the_passage_out(out: Path) -> None:
    space = indexed(out, "passage.txt", "questions.jsonl")
    decontaminate_shard(TASK, space, CONFIG, "dedup", ("news",))
    rows = evidence(space)
    assert sorted(rows) == [1, 2, 6, 7]

    def cut(number: int) -> str:
        return TEXTS[number].encode()[rows[number]["start"] : rows[number]["end"]].decode()

    assert cut(1) == PASSAGE
    assert TEXTS[1].index(PASSAGE) < rows[1]["start"]  # bytes, of which there are more
    assert cut(2) == REWRAPPED
    assert cut(6).strip("“”?") == QUESTION["question"]
    assert [rows[number]["evaluation"] for number in (1, 2, 6)] == ["passage.txt", "passage.txt", "questions.jsonl:3"]
    words = len(PASSAGE.split())
    assert (rows[1]["shared_ngrams"], rows[1]["num_ngrams"]) == (words - 12, words - 12)
    said = verdicts(space)[1]["evidence"]
    assert said == (
        f"{words - 12} of {words - 12} n-grams of passage.txt; first at bytes {rows[1]['start']} to {rows[1]['end']}"
    )


def test_the_settings_decide_how_much_is_enough(out: Path) -> None:
    twenty = " ".join(PASSAGE.split()[:20])  # eight 13-grams of some forty: neither ten nor half
    write_documents(out, TASK, {0: f"{article(0)} {twenty}"})
    write_verdicts(out, "filter", TASK, [0])
    write_verdicts(out, "dedup", TASK, [0])
    for name, settings, expected in (
        ("-a", {}, "kept"),
        ("-b", {"min_shared_ngrams": 8}, "dropped"),
        ("-c", {"min_shared_ngrams": 9}, "kept"),
        ("-d", {"min_coverage": 0.15}, "dropped"),
        ("-e", {"ngram": 10}, "dropped"),  # eleven 10-grams
    ):
        config = DecontaminateConfig(**settings)
        space = indexed(out, "passage.txt", config=config, name=name)
        decontaminate_shard(TASK, space, config, "dedup", ("news",))
        assert verdicts(space)[0]["verdict"] == expected, settings


def test_a_subset_without_the_rule_is_left_alone(out: Path) -> None:
    space = indexed(out, "passage.txt")
    receipts = [decontaminate_shard(task, space, CONFIG, "dedup", ("news",)) for task in (TASK, OTHER)]
    assert [receipt.counts.dropped for receipt in receipts if receipt.counts] == [{"contaminated": 2}, {}]
    assert {row["verdict"] for number, row in verdicts(space, OTHER).items() if number in ENTERED} == {"kept"}
    assert evidence(space, OTHER) == {}


def test_without_evaluation_text_all_are_kept(out: Path) -> None:
    space = indexed(out)
    receipt = decontaminate_shard(TASK, space, CONFIG, "dedup", ("news",))
    assert receipt.counts == Counts("documents", 7, 7, {}, 0, 7)


def test_an_empty_shard(out: Path) -> None:
    space = indexed(out, "passage.txt")
    receipt = decontaminate_shard(EMPTY, space, CONFIG, "dedup", ("news",))
    assert receipt.counts == Counts("documents", 0, 0, {}, 0, 0)
    assert verdicts(space, EMPTY) == evidence(space, EMPTY) == {}


@pytest.mark.parametrize("batch_bytes", [1, 600])
def test_the_same_bytes_for_any_batch_size(out: Path, batch_bytes: int) -> None:
    whole = indexed(out, "passage.txt", "questions.jsonl")
    cut = indexed(out, "passage.txt", "questions.jsonl", batch_bytes=batch_bytes, name="-cut")
    for space in (whole, cut):
        decontaminate_shard(TASK, space, CONFIG, "dedup", ("news",))
    assert files_of(whole.folder) == files_of(cut.folder)


def test_evidence_rows_are_in_the_order_of_the_documents(out: Path) -> None:
    space = indexed(out, "passage.txt", "questions.jsonl", batch_bytes=1)
    receipt = decontaminate_shard(TASK, space, CONFIG, "dedup", ("news",))
    rows = rows_of(space.folder, TASK.file("evidence"))
    assert [row["id"] for row in rows] == [id_of(number) for number in (1, 2, 6, 7)]
    assert list(rows[0]) == EVIDENCE_SCHEMA.names
    assert [output.rows for output in receipt.outputs] == [9, 4]


def test_beam_writes_what_the_function_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [TASK, OTHER, EMPTY]
    plain, beam = (indexed(out, "passage.txt", name=name) for name in ("", "-beam"))
    receipts = [decontaminate_shard(task, plain, CONFIG, "dedup", ("news",)) for task in tasks]
    transform = Decontaminate(beam, CONFIG, "dedup", ("news",), str(out / "logs"))
    run_on_beam(transform, tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)


# --- the stage


def test_a_run_without_evaluation_text_warns(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    made, finished = finished_run(tmp_path_factory.getbasetemp())
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (folder_of(out, "decontaminate") / "manifest.json").unlink()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        driver(made, out).run(only="decontaminate")
    assert [r.levelname for r in caplog.records if "no evaluation text is named" in r.getMessage()] == ["WARNING"]
    counts = manifest_of(out, "decontaminate")["counts"]["news"]
    assert counts["in"] == counts["kept"] == 60
    named = made.model_copy(update={"decontaminate": DecontaminateConfig(evaluation=(str(tmp_path / "eval.txt"),))})
    (tmp_path / "eval.txt").write_text(article(11))
    caplog.clear()
    driver(named, out).run(only="decontaminate")
    assert [record for record in caplog.records if "evaluation text" in record.getMessage()] == []
    (one,) = (m for m in (out / "decontaminate").glob("*/manifest.json") if "eval.txt" in m.read_text())
    assert json.loads(one.read_text())["counts"]["news"]["dropped"] == {"contaminated": 1}
