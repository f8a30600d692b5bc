from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_workspace import files_of, id_of, rows_of, run_on_beam, workspace, write_table

from beam_jobs import filter_documents
from beam_jobs.filter_documents import Decision, FilterDocuments, decide_batch, decide_shard, decision_of
from beam_jobs.measure_signals import signals_schema
from filters.bounds import Bound, OneOf
from filters.rule_sets import TABLES
from pipeline.config import InputConfig, Recipe, RecipeError
from pipeline.config_checks import check
from pipeline.filter_rules import rules_of
from pipeline.manifest import Counts, ShardTask
from pipeline.recipe import load_recipe
from pipeline.schema import VERDICT_SCHEMA
from pipeline.text_edits import read_editing, read_edits

SUBSETS = ("massiveweb", "books", "github")
PUBLISHED = TABLES["content"] + TABLES["quality"] + TABLES["repetition"]
LANGUAGE = (OneOf("language", ("en",)), Bound("language_score", low=0.65))


def recipe(**sections: Any) -> Recipe:
    parts = tuple(InputConfig(subset=subset, format="text", paths=("*.txt",)) for subset in SUBSETS)
    return Recipe.model_validate({"input": parts, **sections})


def sound(number: int, **signals: Any) -> dict[str, Any]:
    """Signals within every published bound, but for those named."""
    values: dict[str, Any] = {"id": id_of(number), "language": "en", "language_score": 0.9}
    values |= {bound.name: bound.low if bound.low is not None else 0 for bound in PUBLISHED}
    return values | signals


def table(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), signals_schema())


def decided(rules: Any, *rows: dict[str, Any]) -> list[tuple[str, list[str], str | None]]:
    found = decide_batch(table(*rows), Decision(tuple(rules))).to_pylist()
    assert [row["reason"] for row in found] == [(row["reasons"] or [None])[0] for row in found]
    return [(row["verdict"], row["reasons"], row["evidence"]) for row in found]


# --- which rules


def test_the_papers_matrix_is_the_default() -> None:
    made = recipe()
    assert rules_of(made, "massiveweb") == (*LANGUAGE, *PUBLISHED)
    assert rules_of(made, "books") == LANGUAGE
    assert rules_of(made, "github") == LANGUAGE


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        ({"language": (), "quality": (), "repetition": ()}, ()),
        ({"language": ("books",), "quality": ("massiveweb",), "repetition": ()}, LANGUAGE),
        ({"language": (), "quality": ("books",), "repetition": ()}, TABLES["quality"]),
        ({"language": (), "quality": (), "repetition": ("github", "books")}, TABLES["repetition"]),
        ({"language": (), "content": ("books",), "quality": (), "repetition": ()}, TABLES["content"]),
        ({"content": None, "quality": None, "repetition": None}, (*LANGUAGE, *PUBLISHED)),
    ],
)
def test_rules_follow_apply(apply: dict[str, Any], expected: tuple) -> None:
    assert rules_of(recipe(apply=apply), "books") == expected


def test_languages_and_their_score_are_settings() -> None:
    made = recipe(filter={"languages": ("de", "fr"), "min_language_score": 0.5})
    assert rules_of(made, "books") == (OneOf("language", ("de", "fr")), Bound("language_score", low=0.5))


def test_a_bound_stands_in_place_of_the_published_one() -> None:
    made = recipe(filter={"bounds": {"num_words": {"low": 5}, "top_2gram_char_fraction": {"high": 0.5}}})
    rules = rules_of(made, "massiveweb")
    published = rules_of(recipe(), "massiveweb")
    changed = {
        "num_words": Bound("num_words", low=5),
        "top_2gram_char_fraction": Bound("top_2gram_char_fraction", high=0.5),
    }
    assert rules == tuple(changed.get(rule.name, rule) for rule in published)
    assert rules != published
    assert decided(rules, sound(1, num_words=5), sound(2, num_words=200_000), sound(3, num_words=4)) == [
        ("kept", [], None),
        ("kept", [], None),
        ("dropped", ["num_words"], "num_words=4"),
    ]


def test_a_bound_holds_without_its_set_where_its_table_applies() -> None:
    ratio = Bound("newline_to_word_ratio", high=0.1)
    made = recipe(filter={"bounds": {"newline_to_word_ratio": {"high": 0.1}}})
    assert rules_of(made, "massiveweb") == (*LANGUAGE, *PUBLISHED, ratio)
    assert rules_of(made, "books") == LANGUAGE
    made = recipe(filter={"rules": (), "bounds": {"num_words": {"low": 5}}})
    assert rules_of(made, "massiveweb") == (*LANGUAGE, *TABLES["content"], Bound("num_words", low=5))
    made = recipe(filter={"rules": (), "bounds": {"num_words": {"low": 5}}}, apply={"quality": ("books",)})
    assert rules_of(made, "books") == (*LANGUAGE, Bound("num_words", low=5))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (
            {"num_wordz": {"low": 1}, "a": {}},
            r"unknown signals \['a', 'num_wordz'\]; known: explicit_word_fraction, num_distinct_explicit_words",
        ),
        ({"num_words": {"low": 9, "high": 1}}, "bound num_words: low must not be above high; got low=9.0, high=1.0"),
        ({"num_lorem_ipsum": {"high": 5}}, r"has \['num_lorem_ipsum'\], which \[signals\] c4 = true measures"),
    ],
)
def test_a_bound_that_cannot_be_is_refused_before_any_work(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=rf"\[filter\.bounds\].*{message}"):
        check(recipe(filter={"bounds": bounds}))


def test_bounds_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[[input]]\nsubset = "massiveweb"\nformat = "text"\npaths = ["*"]\n')
    made = load_recipe(str(tmp_path / "r.toml"), ["filter.bounds.num_words.low=7"])
    assert Bound("num_words", low=7) in rules_of(made, "massiveweb")


# --- decisions


def test_all_failing_reasons_in_the_order_of_the_rules() -> None:
    rules = rules_of(recipe(), "massiveweb")
    bad = sound(1, language="de", language_score=0.25, num_stop_words=1, num_words=49, duplicate_line_fraction=0.31)
    ((verdict, reasons, evidence),) = decided(rules, bad)
    assert verdict == "dropped"
    assert reasons == ["language", "language_score", "num_words", "num_stop_words", "duplicate_line_fraction"]
    assert evidence == "language=de; language_score=0.25; num_words=49; num_stop_words=1; duplicate_line_fraction=0.31"


@pytest.mark.parametrize("bound", PUBLISHED, ids=lambda bound: bound.name)
def test_each_published_bound_keeps_its_edge_and_names_itself_beyond(bound: Bound) -> None:
    rules = rules_of(recipe(), "massiveweb")
    step = 1 if isinstance(bound.low or bound.high, int) and bound.name.startswith("num_") else 1e-9
    for edge, sign in ((bound.low, -1), (bound.high, 1)):
        if edge is not None:
            (kept, dropped) = decided(
                rules, sound(1, **{bound.name: edge}), sound(2, **{bound.name: edge + sign * step})
            )
            assert kept == ("kept", [], None)
            assert dropped[:2] == ("dropped", [bound.name])


def test_evidence_is_the_measurement() -> None:
    rules = rules_of(recipe(), "massiveweb")
    assert [row[2] for row in decided(
        rules,
        sound(1, mean_word_length=10.123456789),
        sound(2, num_words=123_456_789),
        sound(3, num_words=0, mean_word_length=None, alphabetic_word_fraction=None, language=None, language_score=None),
    )] == [
        "mean_word_length=10.1235",
        "num_words=123456789",
        "language=None; language_score=None; num_words=0; mean_word_length=None; alphabetic_word_fraction=None",
    ]  # fmt: skip


NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1).map(float))
COUNTS = st.one_of(st.none(), st.integers(0, 2**53))
NAMES = st.one_of(st.none(), st.text(max_size=5))


@given(st.lists(st.tuples(NUMBERS, st.one_of(st.none(), st.floats(width=32, allow_nan=False)), COUNTS, NAMES)))
def test_evidence_agrees_with_its_twin(rows: list[tuple[float | None, float | None, int | None, str | None]]) -> None:
    rules = (Bound("a", low=math.inf), Bound("b", high=-1.0), Bound("c", low=1e15), OneOf("d", ("",)))
    columns = [
        pa.array(values, kind)
        for values, kind in zip(
            [*zip(*rows, strict=True)] or [()] * 4, (pa.float64(), pa.float32(), pa.int64(), pa.string()), strict=True
        )
    ]
    ids = pa.array([id_of(number) for number in range(len(rows))], pa.binary(16))
    signals = pa.RecordBatch.from_arrays([ids, *columns], names=["id", *"abcd"])
    for row, found in zip(signals.to_pylist(), decide_batch(signals, Decision(rules)).to_pylist(), strict=True):
        said = [f"{name}={shown(row[name])}" for name in found["reasons"]]
        assert found["evidence"] == ("; ".join(said) or None)


def test_a_batch_is_decided_as_its_documents_one_by_one() -> None:
    rules = rules_of(recipe(), "massiveweb")
    values = np.random.default_rng(0).uniform(
        0, 2, (200, len(PUBLISHED))
    )  # as low as half and as high as twice a bound
    rows = [
        sound(number, language=(None, "en", "de")[number % 3], **{
            bound.name: float(factor) * (bound.low if bound.low is not None else bound.high or 0)
            for bound, factor in zip(PUBLISHED, row, strict=True) if not bound.name.startswith("num_")
        })
        for number, row in enumerate(values)
    ]  # fmt: skip
    found = decide_batch(table(*rows), Decision(rules)).to_pylist()
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, of_row in zip(rows, found, strict=True):
        failed = [rule.name for rule in rules if not keeps(rule, row[rule.name])]
        assert of_row["reasons"] == failed
        assert (of_row["evidence"] or "").count("=") == len(failed)
        assert all(f"{name}={shown(row[name])}" in of_row["evidence"].split("; ") for name in failed)


def keeps(rule: Bound | OneOf, value: Any) -> bool:
    if isinstance(rule, OneOf):
        return value in rule.values
    return (rule.low is None or value >= rule.low) and (rule.high is None or value <= rule.high)


def shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def test_without_rules_all_are_kept() -> None:
    assert decided((), sound(1, language="xx", num_words=0)) == [("kept", [], None)]


def test_no_documents() -> None:
    assert decided(LANGUAGE) == []


# --- shards


@pytest.fixture
def out(tmp_path: Path) -> Path:
    rows = [sound(number, num_words=number, language="en" if number % 2 else "de") for number in range(40, 60)]
    for subset in SUBSETS:
        task = ShardTask(subset, 0, 1)
        write_table(tmp_path, f"signals/{task.file('signals')}", pa.Table.from_batches([table(*rows)]))
    return tmp_path


def test_each_subset_gets_its_own_rules(out: Path) -> None:
    made = recipe(apply={"language": ("massiveweb", "books"), "quality": ("massiveweb",), "repetition": ()})
    decisions = {subset: decision_of(made, subset) for subset in SUBSETS}
    space = workspace(out, "filter")
    receipts = {subset: decide_shard(ShardTask(subset, 0, 1), space, decisions) for subset in SUBSETS}
    assert receipts["massiveweb"].counts == Counts("documents", 20, 5, {"language": 10, "num_words": 5}, 0, 5)
    assert receipts["books"].counts == Counts("documents", 20, 10, {"language": 10}, 0, 10)
    assert receipts["github"].counts == Counts("documents", 20, 20, {}, 0, 20)
    rows = rows_of(space.folder, "massiveweb/verdicts-00000-of-00001.parquet")
    assert [row["id"] for row in rows] == [id_of(number) for number in range(40, 60)]
    assert rows[0]["reasons"] == ["language", "num_words"]


def test_beam_writes_what_the_function_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions = {subset: decision_of(recipe(), subset) for subset in SUBSETS}
    tasks = [ShardTask(subset, 0, 1) for subset in SUBSETS]
    plain, beam = workspace(out, "filter"), workspace(out, "filter", name="-beam")
    receipts = [decide_shard(task, plain, decisions) for task in tasks]
    run_on_beam(FilterDocuments(beam, decisions, str(out / "logs")), tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)


# --- edits


def pii_rows() -> pa.RecordBatch:
    """Four documents with spans, of which the third is dropped."""
    spans = [
        [(5, 16, "email"), (22, 35, "ip_address"), (44, 60, "phone")],
        [],
        [(0, 9, "email")],
        [(3, 9, "phone"), (10, 21, "email"), (30, 40, "email")],
    ]
    rows = [
        sound(
            number, language="de" if number == 2 else "en", pii=[dict(zip(SPAN, span, strict=True)) for span in found]
        )
        for number, found in enumerate(spans)
    ]
    return pa.RecordBatch.from_pylist(rows, signals_schema(pii=True))


SPAN = ("start", "stop", "kind")


def test_what_edits_is_what_is_redacted_and_what_c4_takes() -> None:
    phone = {"phone": "|||PHONE_NUMBER|||"}
    assert Decision(LANGUAGE).editing == {}
    assert Decision((), ("phone",)).editing == {"pii": phone}
    assert Decision((), edited_by_c4=True).editing == {"c4_edits": None}
    both = Decision((), ("phone", "email"), edited_by_c4=True).editing
    assert list(both.items()) == [("c4_edits", None), ("pii", {**phone, "email": "|||EMAIL_ADDRESS|||"})]


def test_the_table_names_what_edits_and_has_no_other_columns(tmp_path: Path) -> None:
    task = ShardTask("books", 0, 1)
    write_table(tmp_path, f"signals/{task.file('signals')}", pa.Table.from_batches([pii_rows()]))
    space = workspace(tmp_path, "filter")
    signals, verdicts = f"{tmp_path}/signals/{task.file('signals')}", space.path(task.file("verdicts"))
    decide_shard(task, space, {"books": Decision(LANGUAGE, ("email", "phone"))})
    assert pq.read_schema(verdicts).equals(VERDICT_SCHEMA)
    edits = read_edits(signals, read_editing(verdicts))
    assert [row["verdict"] for row in rows_of(space.folder, task.file("verdicts"))] == [
        "kept",
        "kept",
        "dropped",
        "kept",
    ]
    assert [[tuple(edit.values()) for edit in row] for row in edits["edits"].to_pylist()] == [
        [(5, 16, "|||EMAIL_ADDRESS|||"), (44, 60, "|||PHONE_NUMBER|||")],
        [],
        [(0, 9, "|||EMAIL_ADDRESS|||")],
        [(3, 9, "|||PHONE_NUMBER|||"), (10, 21, "|||EMAIL_ADDRESS|||"), (30, 40, "|||EMAIL_ADDRESS|||")],
    ]
    decide_shard(task, space, {"books": Decision(LANGUAGE)})
    assert read_editing(verdicts) == {}


def test_spans_are_not_read_to_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen = ShardTask("books", 0, 1), []
    write_table(tmp_path, f"signals/{task.file('signals')}", pa.Table.from_batches([pii_rows()]))
    monkeypatch.setattr(
        filter_documents, "decide_batch", lambda batch, by: seen.append(batch.schema.names) or decide_batch(batch, by)
    )
    decide_shard(task, workspace(tmp_path, "filter"), {"books": Decision(LANGUAGE, ("email",))})
    assert seen == [["id", "language", "language_score"]]


def test_edits_of_kept_documents_are_counted_by_reason(tmp_path: Path) -> None:
    for subset in SUBSETS:
        path = f"signals/{ShardTask(subset, 0, 1).file('signals')}"
        write_table(tmp_path, path, pa.Table.from_batches([pii_rows()]))
    made = recipe(signals={"pii": True}, filter={"redact": ("email", "phone")}, apply={"redact": ("books", "github")})
    decisions = {subset: decision_of(made, subset) for subset in SUBSETS}
    space = workspace(tmp_path, "filter")
    counts = {subset: decide_shard(ShardTask(subset, 0, 1), space, decisions).counts for subset in SUBSETS}
    edits = {"edited_documents": 2, "edits_email": 3, "edits_phone": 2}
    assert counts["books"] == Counts("documents", 4, 3, {"language": 1}, 0, 3, edits)
    assert counts["massiveweb"] is not None
    assert counts["massiveweb"].extra == {}
    assert read_editing(space.path("massiveweb/verdicts-00000-of-00001.parquet")) == {}


def test_beam_writes_the_same_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [ShardTask(subset, 0, 1) for subset in SUBSETS]
    for task in tasks:
        write_table(tmp_path, f"signals/{task.file('signals')}", pa.Table.from_batches([pii_rows()]))
    decisions = {subset: Decision(LANGUAGE, ("email",)) for subset in SUBSETS}
    plain, beam = workspace(tmp_path, "filter"), workspace(tmp_path, "filter", name="-beam")
    receipts = [decide_shard(task, plain, decisions) for task in tasks]
    run_on_beam(FilterDocuments(beam, decisions, str(tmp_path / "logs")), tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)


def test_redaction_without_the_spans_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[filter\] redact needs the spans that \[signals\] pii = true finds"):
        recipe(filter={"redact": ("email",)})
    with pytest.raises(ValueError, match="redact"):
        recipe(signals={"pii": True}, filter={"redact": ("name",)})
