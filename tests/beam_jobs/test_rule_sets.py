"""``[filter] rules``: which bounds decide, and a whole run under all sets."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import article, driver, folder_of, language_model, manifest_of, write_lines
from job_workspace import recipe as run_recipe
from pydantic import ValidationError

from beam_jobs import measure_signals
from beam_jobs.filter_documents import Decision, decide_batch, decision_of
from beam_jobs.measure_signals import signals_of, signals_schema
from filters import rule_sets
from filters.bounds import Bound
from filters.rule_sets import RULE_SETS, SIGNALS, TABLES
from pipeline import filter_rules
from pipeline.config import ApplyConfig, FilterConfig, InputConfig, Recipe, RecipeError, SignalsConfig
from pipeline.filter_rules import check_reach, check_replaced, rules_of
from pipeline.stages import plan

README = Path(__file__).parent.parent.parent / "README.md"
ALONE = {"language": (), "content": ()}  # of [apply]: neither is one of the sets
CONTENT, C4, FINEWEB = (TABLES[table] for table in ("content", "c4", "fineweb"))  # with what a user adds
GOPHER = TABLES["quality"] + TABLES["repetition"]
TIGHTER = Bound("duplicate_line_char_fraction", high=0.1)  # FineWeb's, where Gopher has 0.2


def recipe(*rules: str, subset: str = "massiveweb", **sections: Any) -> Recipe:
    part = InputConfig(subset=subset, format="text", paths=("*.txt",))
    filter_section = {"rules": rules, **sections.pop("filter", {})}
    defaults = {"signals": {"c4": "c4" in rules}, "apply": ALONE}
    return Recipe.model_validate({"input": (part,), "filter": filter_section, **defaults, **sections})


def test_configuration_knows_every_set_and_apply_every_table() -> None:
    assert set(get_args(get_args(FilterConfig.model_fields["rules"].annotation)[0])) == set(RULE_SETS)
    assert {table for tables in RULE_SETS.values() for table in tables} | {"content"} == set(TABLES)
    assert set(TABLES) <= set(type(recipe().apply).model_fields)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), ()),
        (("gopher",), GOPHER),
        (("refinedweb",), GOPHER),
        (("refinedweb", "gopher"), GOPHER),
        (("c4",), C4),
        (("fineweb",), FINEWEB),
        (("fineweb", "c4"), C4 + FINEWEB),
    ],
)
def test_a_set_has_its_published_bounds(rules: tuple[str, ...], expected: tuple[Bound, ...]) -> None:
    assert rules_of(recipe(*rules), "massiveweb") == expected
    assert rules_of(recipe(*rules, subset="books"), "books") == ()


def test_gopher_is_the_default() -> None:
    made = Recipe.model_validate({"input": recipe().input, "apply": {"language": ()}})
    assert rules_of(made, "massiveweb") == CONTENT + GOPHER


def test_where_two_sets_bound_a_signal_both_hold() -> None:
    rules = rules_of(recipe("gopher", "fineweb"), "massiveweb")
    gopher = tuple(TIGHTER if bound.name == TIGHTER.name else bound for bound in GOPHER)
    assert rules == gopher + tuple(bound for bound in FINEWEB if bound.name != TIGHTER.name)
    changed = recipe("gopher", "fineweb", filter={"bounds": {TIGHTER.name: {"high": 0.5}}})
    assert Bound(TIGHTER.name, high=0.5) in rules_of(changed, "massiveweb")


def test_apply_turns_a_set_on_and_off_by_subset() -> None:
    made = recipe("c4", "fineweb", subset="books", apply={**ALONE, "c4": (), "fineweb": ("books",)})
    assert decision_of(made, "books") == Decision(FINEWEB)
    made = recipe("c4", "fineweb", subset="books", apply={**ALONE, "c4": None})
    assert decision_of(made, "books") == Decision(C4, edited_by_c4=True)


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ValidationError, match="'gopher', 'refinedweb', 'c4' or 'fineweb'"):
        recipe("gofer")


def test_c4_among_the_rules_is_measured_without_being_asked_for(tmp_path: Path) -> None:
    made = recipe("gopher", "c4", "fineweb", signals={})
    assert made.signals.c4
    assert Recipe.model_validate(made.model_dump(mode="json")) == made
    assert not recipe("gopher", "fineweb", signals={}).signals.c4
    write_lines(tmp_path / "a.jsonl", [article(1)])

    def planned(rules: tuple[str, ...], **signals: bool) -> dict[str, str]:
        return {
            one.name: one.digest for one in plan(run_recipe(tmp_path, signals=signals, filter={"rules": rules}), "/o")
        }

    assert planned(("gopher", "c4")) == planned(("gopher", "c4"), c4=True)
    assert planned(("gopher",))["signals"] != planned(("gopher", "c4"))["signals"]
    assert planned(("gopher",), c4=True)["signals"] == planned(("gopher", "c4"))["signals"]


def test_only_filter_with_c4_asks_for_the_signals_first(tmp_path: Path) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [article(1)])
    made = run_recipe(tmp_path / "in", filter={"rules": ("c4",)}, apply={"c4": None})
    with pytest.raises(
        RecipeError, match=r'reads signals, .*\("c4" among \[filter\] rules has signals of its own\); run it'
    ):
        driver(made, tmp_path / "out").run("filter")


def test_other_rules_leave_the_signals_as_they_are(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [article(1)])
    settings = ({"rules": ("gopher",)}, {"rules": ("c4", "fineweb")})
    plans = [plan(run_recipe(tmp_path, signals={"c4": True}, filter=section), "/out") for section in settings]
    digests = [{planned.name: planned.digest for planned in made} for made in plans]
    assert digests[0]["signals"] == digests[1]["signals"]
    assert digests[0]["filter"] != digests[1]["filter"]


def test_the_readmes_rule_is_measured_decides_and_has_a_bound_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    section = README.read_text("utf-8").split("\n## Add a rule\n")[1]
    code = section.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) < 15
    new_file, addition = code.split("# filters/rule_sets.py\n")
    module = ModuleType("filters.line_length")
    exec(new_file, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    known = {**vars(rule_sets)}
    known["SIGNALS"] = tuple(function for function in SIGNALS if function.__name__ != "line_signals")  # it may be there
    exec(addition.replace("(...,", "(*SIGNALS,").replace("{...,", "{**TABLES,"), known)
    monkeypatch.setattr(measure_signals, "SIGNALS", known["SIGNALS"])
    monkeypatch.setattr(filter_rules, "TABLES", known["TABLES"])
    monkeypatch.setattr(measure_signals, "signals_schema", signals_schema.__wrapped__)
    texts = pa.array(["one two\nthree four five six", "one two\nthree four five"])  # 3 and 2.5 words a line
    ids = pa.array([bytes(16), bytes([1] * 16)], pa.binary(16))
    signals = signals_of(ids, texts, language_model(), SignalsConfig())
    made = recipe("gopher", filter={"bounds": {"num_words": {}, "mean_word_length": {}, "num_stop_words": {}}})
    decided = decide_batch(signals, decision_of(made, "massiveweb"))
    assert decided["reasons"].to_pylist() == [[], ["words_per_line"]]
    assert decided["evidence"].to_pylist() == [None, "words_per_line=2.5"]
    looser = recipe("gopher", filter={"bounds": {"words_per_line": {"low": 2}}})
    assert Bound("words_per_line", low=2) in rules_of(looser, "massiveweb")


# --- a whole run

MENU = "Home\nAbout us\n\n"
COOKIES = "\nThis site uses cookies to know you again."


def page(number: int) -> str:
    sentences = [f"{line.strip()}." for line in article(number).split(".") if line.strip()]
    return MENU + "\n".join(" ".join(sentences[at : at + 3]) for at in range(0, len(sentences), 3)) + COOKIES


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("rules")
    write_lines(base / "in" / "a.jsonl", [*(page(number) for number in range(30)), page(30) + "\n{ code }"])
    made = run_recipe(
        base / "in",
        signals={"c4": True},
        filter={"rules": ("c4", "fineweb")},
        apply={"c4": ("news",), "fineweb": ("news",)},
    )
    driver(made, base / "out").run()
    return base / "out"


def test_lines_are_counted_by_reason_and_a_page_by_its_bound(out: Path) -> None:
    counts = manifest_of(out, "filter")["counts"]["news"]
    assert (counts["in"], counts["kept"], counts["dropped"]) == (31, 30, {"num_curly_brackets": 1})
    assert counts["edited_documents"] == 30
    edits = {key: value for key, value in counts.items() if key.startswith("edits_")}
    assert edits["edits_c4_blank_line"] == edits["edits_c4_policy"] == 30
    assert edits["edits_c4_no_terminal_mark"] == 60


def test_later_stages_read_what_is_left(out: Path) -> None:
    tables = [pq.read_table(path) for path in sorted(folder_of(out, "corpus").rglob("documents-*"))]
    texts = pa.concat_tables(tables)["text"].to_pylist()
    whole = [page(number) for number in range(30)]
    assert sorted(texts) == sorted(text.removeprefix(MENU).removesuffix(COOKIES) for text in whole)


def test_measuring_c4_adds_its_columns() -> None:
    model_path = language_model()
    texts, ids = pa.array(["One two three four five."]), pa.array([bytes(16)], pa.binary(16))
    measured = signals_of(ids, texts, model_path, SignalsConfig(c4=True))
    assert measured.schema.names[-4:] == ["num_retained_sentences", "num_curly_brackets", "num_lorem_ipsum", "c4_edits"]
    ellipsis = pa.array(["One two three four five..."])
    for terminal_marks, kept in ((True, 0), (False, 1)):
        config = SignalsConfig(c4=True, c4_terminal_marks=terminal_marks)
        assert signals_of(ids, ellipsis, model_path, config)["num_retained_sentences"].to_pylist() == [kept]


# --- what decides about nothing


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"bounds": {"num_words": {"low": 9, "high": 99}}},
            r'\[filter.bounds\] num_words .* set \[apply\] quality = \["web"\]',
        ),
        (
            {"bounds": {"short_line_fraction": {"high": 0.5}}},
            r'short_line_fraction .* set \[apply\] fineweb = \["web"\]',
        ),
        ({"rules": ["gopher"]}, r'rules: gopher decides about no .* quality = \["web"\] and repetition = \["web"\]'),
        ({"rules": ["c4"]}, r"rules: c4 decides about no document: no subset has its rules"),
    ],
)
def test_rules_and_bounds_that_reach_no_subset_are_refused(section: dict[str, Any], message: str) -> None:
    part = InputConfig(subset="web", format="text", paths=("*.txt",))
    made = Recipe.model_validate({"input": (part,), "filter": section})
    with pytest.raises(RecipeError, match=message):
        check_reach(made)
    reached = made.model_copy(update={"apply": ApplyConfig(quality=None, repetition=None, c4=None, fineweb=None)})
    check_reach(reached)


def test_a_bound_on_a_classifier_that_judges_no_subset_is_refused() -> None:
    part = InputConfig(subset="web", format="text", paths=("*.txt",))
    sections = {
        "signals": {"classifiers": {"good": "good.bin"}},
        "filter": {"bounds": {"classifier_good": {"low": 0.5}}},
    }
    with pytest.raises(RecipeError, match=r'classifier_good decides about no .* set \[apply\] classifiers = \["web"\]'):
        check_reach(Recipe.model_validate({"input": (part,), "apply": {"classifiers": ()}, **sections}))
    check_reach(Recipe.model_validate({"input": (part,), **sections}))


def test_the_papers_matrix_may_reach_none_by_default() -> None:
    part = InputConfig(subset="books", format="text", paths=("*.txt",))
    check_reach(Recipe.model_validate({"input": (part,)}))


@pytest.mark.parametrize("bound", [{"high": -1}, {"high": 1.5}, {"low": -0.5, "high": 0.5}])
def test_a_fraction_is_from_0_to_1(bound: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=r"top_2gram_char_fraction: a fraction is from 0 to 1; got "):
        rules_of(recipe("gopher", filter={"bounds": {"top_2gram_char_fraction": bound}}), "massiveweb")


def test_a_published_end_that_is_left_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def said(bound: dict[str, float]) -> list[str]:
        caplog.clear()
        check_replaced(recipe("gopher", filter={"bounds": {"mean_word_length": bound}}))
        return [record.getMessage() for record in caplog.records]

    assert said({"high": 12}) == [
        "[filter.bounds] mean_word_length takes the place of the published range: give low = 3 too to keep it"
    ]
    assert said({"low": 2, "high": 12}) == said({}) == []  # both, or off
    curly = recipe("c4", filter={"bounds": {"num_curly_brackets": {"low": 1}}})
    check_replaced(curly)
    assert "give high = 0 too" in caplog.text
