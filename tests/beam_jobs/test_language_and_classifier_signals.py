"""The signals that a recipe asks for: heliport's language, paragraphs, classifiers; and the bounds on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fasttext
import pyarrow as pa
import pytest
from job_workspace import GERMAN, article, files_of, ids_of, language_model, rows_of, workspace, write_documents

from beam_jobs.filter_documents import Decision, decide_batch
from beam_jobs.measure_signals import measure_shard, signals_of, signals_schema
from filters.bounds import Bound, OneOf
from pipeline.config import ClassifierConfig, InputConfig, Recipe, RecipeError, SignalsConfig
from pipeline.config_checks import check
from pipeline.filter_rules import rules_of
from pipeline.manifest import ShardTask
from pipeline.recipe import load_recipe

TASK = ShardTask("news", 0, 1)
TEXTS = {0: "", 1: GERMAN, 2: article(2), 3: f"{article(3)}\n\n{GERMAN}", 4: "buy now"}


@pytest.fixture(scope="module")
def model_path() -> str:
    return language_model()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    lines = [f"__label__positive {article(n, 1)}\n__label__negative buy it now, number {n}" for n in range(40)]
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    model = fasttext.train_supervised(str(folder / "train.txt"), dim=4, epoch=20, lr=0.5, thread=1, verbose=0)
    model.save_model(str(folder / "quality.bin"))
    return str(folder / "quality.bin")


def recipe(**sections: Any) -> Recipe:
    parts = tuple(InputConfig(subset=subset, format="text", paths=("*.txt",)) for subset in ("news", "books"))
    return Recipe.model_validate({"input": parts, **sections})


def measured(out: Path, config: SignalsConfig, model_path: str, batch_bytes: int = 32_000_000) -> list[dict[str, Any]]:
    write_documents(out, TASK, TEXTS)
    space = workspace(out, "signals", batch_bytes, name=f"-{batch_bytes}")
    measure_shard(TASK, space, config, model_path)
    return rows_of(space.folder, TASK.file("signals"))


# --- signals


def test_a_classifiers_probability_is_a_signal(tmp_path: Path, classifier: str, model_path: str) -> None:
    config = SignalsConfig(
        classifiers={"quality": ClassifierConfig(model=classifier), "ads": {"model": classifier, "label": "negative"}}
    )
    rows = measured(tmp_path, config, model_path)
    assert [row["classifier_quality"] is None for row in rows] == [True, False, False, False, False]
    assert rows[2]["classifier_quality"] > 0.9 > 0.1 > rows[4]["classifier_quality"]
    for row in rows[1:]:
        assert row["classifier_quality"] + row["classifier_ads"] == pytest.approx(1, abs=1e-4)
    names = signals_schema(optional=config.optional_signals()).names
    assert names[-2:] == ["classifier_ads", "classifier_quality"]  # in any order of the recipe
    assert signals_schema().names == names[:-2]


def test_paragraphs_in_another_language_are_a_signal(tmp_path: Path, model_path: str) -> None:
    rows = measured(tmp_path, SignalsConfig(language_paragraphs=True), model_path)
    found = [row["language_paragraph_fraction"] for row in rows]
    english = len(article(3))
    assert found[:3] == [None, 1.0, 1.0]
    assert found[3] == english / (english + len(GERMAN))


@pytest.mark.parametrize("batch_bytes", [1, 300])
def test_the_same_bytes_for_any_batch_size(tmp_path: Path, classifier: str, model_path: str, batch_bytes: int) -> None:
    config = SignalsConfig(language_paragraphs=True, classifiers={"quality": {"model": classifier}})
    measured(tmp_path, config, model_path)
    measured(tmp_path, config, model_path, batch_bytes)
    assert files_of(tmp_path / "signals-32000000") == files_of(tmp_path / f"signals-{batch_bytes}")


def test_heliport_names_the_languages_by_the_same_codes(model_path: str) -> None:
    pytest.importorskip("heliport", reason="needs the extra heliport")
    texts = pa.array(list(TEXTS.values()))
    found = {
        engine: signals_of(ids_of(TEXTS), texts, path, SignalsConfig(language_engine=engine))
        for engine, path in (("fasttext", model_path), ("heliport", ""))
    }
    assert found["heliport"]["language"].to_pylist()[:4] == [None, "de", "en", "en"]
    assert found["fasttext"]["language"].to_pylist()[:4] == [None, "de", "en", "en"]
    assert found["heliport"].schema == found["fasttext"].schema


# --- bounds


def test_a_subset_has_its_own_bound_on_the_languages_score() -> None:
    made = recipe(filter={"language_scores": {"books": 0.5}})
    assert made.min_language_score("news") == 0.65
    assert made.min_language_score("books") == 0.5
    assert Bound("language_score", low=0.5) in rules_of(made, "books")
    assert Bound("language_score", low=0.65) in rules_of(made, "news")
    changed = recipe(filter={"language_scores": {"books": 0.5}, "min_language_score": 0.8})
    assert [changed.min_language_score(subset) for subset in ("news", "books")] == [0.8, 0.5]


def test_a_subset_has_its_own_languages() -> None:
    made = recipe(filter={"languages": ("en", "de"), "subset_languages": {"books": ("fr",)}})
    assert OneOf("language", ("fr",)) in rules_of(made, "books")
    assert OneOf("language", ("en", "de")) in rules_of(made, "news")


def test_each_engine_has_a_bound_that_suits_its_score() -> None:
    made = recipe(signals={"language_engine": "heliport"})
    assert Bound("language_score", low=0.5) in rules_of(made, "news")
    assert recipe(signals={"language_engine": "heliport"}, filter={"min_language_score": 0.9}).min_language_score(
        "news"
    ) == pytest.approx(0.9)


def test_bounds_on_signals_that_are_asked_for(tmp_path: Path, classifier: str, model_path: str) -> None:
    signals = {"classifiers": {"quality": classifier}, "language_paragraphs": True}
    bounds = {"classifier_quality": {"low": 0.5}, "language_paragraph_fraction": {"low": 0.9}}
    made = recipe(
        signals=signals,
        filter={"bounds": bounds, "languages": ("en", "de"), "min_language_score": 0},
        apply={"classifiers": ("news",)},
    )
    write_documents(tmp_path, TASK, TEXTS)
    batch = signals_of(ids_of(TEXTS), pa.array(list(TEXTS.values())), model_path, made.signals)
    found = decide_batch(batch, Decision(rules_of(made, "news"))).to_pylist()
    expected = ["language", "language_score", "language_paragraph_fraction", "classifier_quality"]
    assert [row["reasons"] for row in found] == [
        expected,
        found[1]["reasons"],
        [],
        ["language_paragraph_fraction"],
        ["classifier_quality"],
    ]
    assert "classifier_quality" not in [rule.name for rule in rules_of(made, "books")]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"filter": {"bounds": {"classifier_quality": {"low": 0.5}}}}, r"unknown signals \['classifier_quality'\]"),
        ({"filter": {"bounds": {"language_paragraph_fraction": {}}}}, "unknown signals"),
        (
            {"filter": {"languages": ("en", "eng")}},
            r"\[filter\] languages has unknown ones \['eng'\]; known: af, als, am",
        ),
        (
            {"filter": {"subset_languages": {"news": ("fr", "french")}}},
            r"\[filter\] subset_languages, news: has unknown ones \['french'\]; known: af, als, am",
        ),
        (
            {"filter": {"languages": ("hr",)}, "signals": {"language_engine": "heliport"}},
            r"unknown ones \['hr'\]; known",
        ),
        ({"signals": {"classifiers": {"q": "none.bin"}}}, r"\[signals.classifiers\] q: none.bin cannot be read"),
    ],
)
def test_what_no_model_gives_is_refused_before_any_work(
    sections: dict[str, Any], message: str, model_path: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        check(recipe(**sections))


def test_a_label_that_the_classifier_has_not_is_refused(classifier: str, model_path: str) -> None:
    check(recipe(signals={"classifiers": {"quality": classifier}}))
    with pytest.raises(RecipeError, match=r"quality: .*quality\.bin has no label 'good'; it has (negative|positive), "):
        check(recipe(signals={"classifiers": {"quality": {"model": classifier, "label": "good"}}}))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("signals.language_engine=cld", "signals.language_engine"),
        ("signals.classifiers.Quality=a.bin", r"signals\.classifiers\.Quality"),
        ("signals.classifiers.q.modle=a.bin", "unknown key signals.classifiers.q.modle; known here: label, model"),
        ("filter.language_scores.news=1.5", r"filter\.language_scores\.news"),
        ("filter.language_scores.other=0.5", r"\[filter\] language_scores names unknown subsets \['other'\]"),
        ("filter.subset_languages.other=['fr']", r"\[filter\] subset_languages names unknown subsets \['other'\]"),
        ("filter.bounds.num_words.lo=1", "unknown key filter.bounds.num_words.lo; known here: high, low"),
    ],
)
def test_wrong_settings_are_refused_with_the_right_ones(tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "r.toml").write_text('[[input]]\nsubset = "news"\nformat = "text"\npaths = ["*"]\n')
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(tmp_path / "r.toml"), [override])


def test_a_classifiers_path_starts_from_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        '[[input]]\nsubset = "news"\nformat = "text"\npaths = ["*"]\n[signals.classifiers]\nq = "models/q.bin"\n'
    )
    made = load_recipe(str(tmp_path / "r.toml"), ["signals.classifiers.p=p.bin"])
    assert {name: one.model for name, one in made.signals.classifiers.items()} == {
        "q": str(tmp_path / "models" / "q.bin"),
        "p": str(tmp_path / "p.bin"),
    }
