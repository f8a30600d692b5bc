"""The models of the signals stage in the plan: named by content, refused when they are not there."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from job_workspace import article, language_model, recipe, write_lines

from pipeline import extras
from pipeline.config import RecipeError
from pipeline.stages import PlannedStage, plan


@pytest.fixture(autouse=True)
def _has_language_model() -> None:
    language_model()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lines(tmp_path / "input" / "a.jsonl", [article(1), article(2)])
    return tmp_path / "input"


def signals_stage(root: Path, **signals) -> PlannedStage:
    return next(one for one in plan(recipe(root, signals=signals), "/out") if one.name == "signals")


def test_a_classifier_is_named_by_its_content_and_name_not_its_folder(root: Path, tmp_path: Path) -> None:
    for folder, content in (("one", b"1"), ("two", b"1"), ("three", b"3")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "q.bin").write_bytes(content)
    shutil.copy(tmp_path / "one" / "q.bin", tmp_path / "one" / "r.bin")

    def digest(path: str, name: str = "quality", label: str = "positive") -> str:
        return signals_stage(root, classifiers={name: {"model": str(tmp_path / path), "label": label}}).digest

    same = digest("one/q.bin")
    assert digest("two/q.bin") == same
    others = [digest("three/q.bin"), digest("one/r.bin"), digest("one/q.bin", "safety"), digest("one/q.bin", label="a")]
    assert len({same, *others, signals_stage(root).digest}) == 6
    planned = signals_stage(root, classifiers={"quality": str(tmp_path / "one" / "q.bin")})
    assert str(tmp_path) not in json.dumps(planned.config)
    assert [file["path"] for file in planned.inputs] == ["lid.176.ftz", "quality/q.bin"]


def test_a_classifier_that_is_not_there_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\[signals\.classifiers\] quality: there is no file .*none\.bin"):
        signals_stage(root, classifiers={"quality": str(tmp_path / "none.bin")})


def test_heliport_is_named_by_its_release_and_reads_no_other_model(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(extras.metadata, "version", lambda package: {"heliport": "1.0.1"}[package])
    planned = signals_stage(root, language_engine="heliport")
    assert planned.inputs == []
    assert planned.config["heliport"] == "1.0.1"
    assert signals_stage(root, language_engine="heliport", language_model="other").digest == planned.digest
    monkeypatch.setattr(extras.metadata, "version", lambda package: "1.0.2")
    assert signals_stage(root, language_engine="heliport").digest != planned.digest


def test_without_heliport_its_recipe_is_refused_with_the_command_that_helps(root: Path, monkeypatch) -> None:
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(extras.metadata, "version", missing)
    with pytest.raises(RecipeError, match=r"needs heliport: pip install 'massivetext\[heliport\]'"):
        signals_stage(root, language_engine="heliport")
