"""Plans and digests."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_workspace import article, language_model, recipe, write_lines

from filters import rule_sets
from filters.bounds import Bound
from filters.rule_sets import TABLES
from pipeline import filter_rules, stages
from pipeline.config import Recipe
from pipeline.finished import ORDER
from pipeline.stages import STAGES, plan

BEFORE_TRAINING = [
    "extract",
    "signals",
    "filter",
    "signatures",
    "dedup",
    "decontaminate",
    "corpus",
    "tokenizer",
    "tokens",
]


@pytest.fixture(autouse=True)
def _has_language_model() -> None:
    language_model()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lines(tmp_path / "input" / "a.jsonl", [article(1), article(2)])
    return tmp_path / "input"


def digests(made: Recipe) -> dict[str, str]:
    return {planned.name: planned.digest for planned in plan(made, "/out")}


def changed(before: Recipe, after: Recipe) -> list[str]:
    old, new = digests(before), digests(after)
    return [name for name in new if new[name] != old.get(name)]


# --- plans


def test_stages_stand_in_one_order_everywhere() -> None:
    assert tuple(stage.name for stage in STAGES) == ORDER
    for number, stage in enumerate(STAGES):
        earlier = {other.name for other in STAGES[:number]}
        assert set(stage.reads) <= earlier
        assert stage.follows is None or stage.follows in earlier


def test_a_recipe_without_a_crawl_training_or_retrieval_leaves_those_stages_out(root: Path) -> None:
    planned = plan(recipe(root), "/out")
    assert [one.name for one in planned] == BEFORE_TRAINING
    assert [read.name for read in planned[0].reads] == []
    assert planned[0].folder == f"/out/extract/{planned[0].digest}"
    assert len(planned[0].digest) == 16
    full = recipe(root, train={"steps": 1, "warmup_steps": 0}, retro={"encoder": "hash"})
    assert [one.name for one in plan(full, "/out")] == [*BEFORE_TRAINING, "train", "retro"]


@pytest.mark.parametrize(
    ("section", "values", "first"),
    [
        ("extract", {"max_record_bytes": 99_999}, "extract"),
        ("signals", {"language_max_chars": 99}, "signals"),
        ("filter", {"languages": ("en", "de")}, "filter"),
        ("filter", {"bounds": {"num_words": {"low": 3}}}, "filter"),
        ("apply", {"quality": ("news",)}, "filter"),
        ("signatures", {"seed": 1}, "signatures"),
        ("dedup", {"min_jaccard": 0.9}, "dedup"),
        ("apply", {"dedup": ()}, "dedup"),
        ("decontaminate", {"min_shared_ngrams": 5}, "decontaminate"),
        ("apply", {"decontaminate": ()}, "decontaminate"),
        ("corpus", {"seed": 1}, "corpus"),
        ("tokenizer", {"vocab_size": 331}, "tokenizer"),
        ("tokens", {"seed": 1}, "tokens"),
    ],
)
def test_a_setting_renames_its_stage_and_those_that_read_it(
    root: Path, section: str, values: dict[str, Any], first: str
) -> None:
    expected = BEFORE_TRAINING[BEFORE_TRAINING.index(first) :]
    assert changed(recipe(root), recipe(root, **{section: values})) == expected


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("run", {"workers": 7, "batch_bytes": 5, "max_failed_fraction": 0.5, "memory_gb": 3}),
        ("report", {"sample_chars": 9}),
        ("mixture", {"weights": {"news": 3.0}}),
    ],
)
def test_how_to_run_and_report_renames_nothing(root: Path, section: str, values: dict[str, Any]) -> None:
    assert changed(recipe(root), recipe(root, **{section: values})) == []


def test_mixture_and_training_are_of_the_train_stage_alone(root: Path) -> None:
    training = {"train": {"steps": 1, "warmup_steps": 0}, "retro": {"encoder": "hash"}}
    before = recipe(root, **training)
    assert changed(before, recipe(root, **training, mixture={"weights": {"news": 3.0}})) == ["train"]
    assert changed(before, recipe(root, train={"steps": 2, "warmup_steps": 0}, retro={"encoder": "hash"})) == ["train"]


def test_another_folder_with_the_same_files_renames_nothing(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    assert changed(recipe(root), recipe(tmp_path / "copy")) == []


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_other_input_renames_everything(root: Path, change: str) -> None:
    before = digests(recipe(root))
    if change == "content":
        (root / "a.jsonl").write_bytes((root / "a.jsonl").read_bytes().replace(b"town", b"twon"))
    elif change == "name":
        (root / "a.jsonl").rename(root / "b.jsonl")
    else:
        write_lines(root / "b.jsonl", [article(3)])
    after = digests(recipe(root))
    assert [name for name in after if after[name] != before[name]] == BEFORE_TRAINING


def test_evaluation_texts_are_of_decontaminate_by_content_not_place(root: Path, tmp_path: Path) -> None:
    for folder, text in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "valid.txt").write_text(text)

    def named(folder: str) -> Recipe:
        return recipe(root, decontaminate={"evaluation": (str(tmp_path / folder / "valid.txt"),)})

    later = BEFORE_TRAINING[BEFORE_TRAINING.index("decontaminate") :]
    assert changed(recipe(root), named("one")) == later
    assert changed(named("one"), named("two")) == []
    assert changed(named("one"), named("three")) == later


def test_a_new_format_version_renames_the_stage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(recipe(root))
    raised = tuple(replace(s, format_version=s.format_version + 1) if s.name == "corpus" else s for s in STAGES)
    monkeypatch.setattr(stages, "STAGES", raised)
    after = digests(recipe(root))
    assert [name for name in after if after[name] != before[name]] == ["corpus", "tokenizer", "tokens"]


def test_a_new_signal_and_a_new_bound_rename_their_stages(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = recipe(root, apply={"quality": ("news",)})
    before = digests(made)
    quality = (*TABLES["quality"], Bound("another_signal", low=3))
    monkeypatch.setattr(filter_rules, "TABLES", {**TABLES, "quality": quality})
    bounded = digests(made)
    assert [name for name in before if before[name] != bounded[name]] == BEFORE_TRAINING[2:]
    monkeypatch.setattr(rule_sets, "SIGNALS", (*rule_sets.SIGNALS, test_no_configuration_names_this_machines_paths))
    measured = digests(made)
    assert [name for name in before if bounded[name] != measured[name]] == BEFORE_TRAINING[1:]


def test_no_configuration_names_this_machines_paths(root: Path) -> None:
    for planned in plan(recipe(root), "/out"):
        assert str(root) not in json.dumps(planned.config)
