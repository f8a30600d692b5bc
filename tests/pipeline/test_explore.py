from __future__ import annotations

import io
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import article, driver, language_model, write_lines
from rich.console import Console
from typer.testing import CliRunner

from filters.bounds import Bound, decide
from pipeline import explore, explore_view
from pipeline.cli import app
from pipeline.config import InputConfig, Recipe, RecipeError
from pipeline.explore import explore_signal
from pipeline.manifest import ShardTask

WORDS = {"massiveweb": [*range(40, 61), 3, 4], "news": [*range(46, 56)]}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with documents of so many words; Gopher's bound of 50 applies to massiveweb alone."""
    language_model()
    base = tmp_path_factory.mktemp("explore")
    for subset, sizes in WORDS.items():
        texts = [" ".join((article(number, 20)).split()[:size]) for number, size in enumerate(sizes)]
        write_lines(base / subset / "a.jsonl", texts[:9])
        write_lines(base / subset / "b.jsonl", texts[9:])
    parts = [InputConfig(subset=subset, format="jsonl", root=str(base / subset), paths=("*",)) for subset in WORDS]
    sections: dict[str, Any] = {"extract": {"shard_input_bytes": 2_000}, "tokenizer": {"vocab_size": 330}}
    made = Recipe.model_validate({"input": tuple(parts), **sections})
    driver(made, base / "out").run("extract")
    driver(made, base / "out").run("signals")
    return base / "out"


def test_a_subset_is_described(out: Path) -> None:
    found = explore_signal(str(out), "num_words")["subsets"]["massiveweb"]
    sizes = sorted(WORDS["massiveweb"])
    assert (found["documents"], found["null"], found["applies"]) == (23, 0, True)
    assert found["quantiles"]["0.5"] == np.median(sizes) == 49
    assert (found["quantiles"]["0"], found["quantiles"]["1"]) == (3, 60)
    present, *others = found["bounds"]
    assert present == {"low": 50, "high": 100_000, "dropped": 12 / 23, "is_present": True}
    assert [(bound["low"], bound["high"]) for bound in others] == [
        *((low, 100_000) for low in (25, 37.5, 62.5, 75, 100)),
        *((50, high) for high in (50_000, 75_000, 125_000, 150_000, 200_000)),
    ]
    assert [bound["dropped"] for bound in others[:3]] == [2 / 23, 2 / 23, 1.0]
    assert sum(found["histogram"]["counts"]) == 23
    assert found["dropped_alone"] is None  # nothing is filtered yet


def test_every_share_is_what_the_filter_would_drop() -> None:
    values = [None, 0.0, 0.25, 0.5, None, 0.5, 0.75, 1.0]
    signals = pa.RecordBatch.from_pydict({"signal": pa.array(values, pa.float64())})
    column = explore._as_floats(signals["signal"])
    for low, high in itertools.product((None, 0, 0.25, 0.26, 0.5, 2), (None, 0, 0.5, 0.74, 1, 2)):
        if low is None or high is None or low <= high:
            decided = decide(signals, [Bound("signal", low, high)]).to_pylist()
            assert explore._dropped(column, low, high) == sum(map(bool, decided)) / 8
    narrow = pa.RecordBatch.from_pydict({"signal": pa.array([0.65, 0.8, None], pa.float32())})
    for bound in (Bound("signal", low=0.65), Bound("signal", high=0.65), Bound("signal", low=0.66, high=0.8)):
        decided = decide(narrow, [bound]).to_pylist()
        values_of = explore._as_floats(narrow["signal"])
        assert explore._dropped(values_of, bound.low, bound.high) == sum(map(bool, decided)) / 3
        found = list(
            explore._candidates(ShardTask("a", 0, 1), pa.array([bytes(16)] * 3, pa.binary(16)), values_of, bound)
        )
        assert {one.side for one in found if one.value == np.float32(0.65) and one.end == "low"} <= {
            "dropped" if decided[0] else "kept"
        }
    described = explore._describe(column, Bound("signal", low=0.5), True, False)
    assert (described["documents"], described["null"], sum(described["histogram"]["counts"])) == (8, 2, 6)
    nothing = explore._describe(np.array([]), Bound("signal", low=0.5), True, False)
    assert (nothing["quantiles"], nothing["bounds"][0]["dropped"]) == ({}, None)
    assert nothing["histogram"] == {"edges": [], "counts": []}


def test_no_alternative_is_beyond_a_share() -> None:
    assert [explore._is_share(name) for name in ("language_score", "classifier_a", "duplicate_line_fraction")] == [
        True, True, True,
    ]  # fmt: skip
    assert not explore._is_share("hash_to_word_ratio")
    described = explore._describe(np.array([0.5]), Bound("language_score", low=0.6), True, True)
    assert [bound["low"] for bound in described["bounds"]] == [0.6, 0.3, 0.45, 0.75, 0.9]  # 1.2 is not


def test_a_published_bound_is_shown_where_it_does_not_apply(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = explore_signal(str(out), "num_words", "news")
    assert list(found["subsets"]) == ["news"]
    assert found["subsets"]["news"]["applies"] is False
    assert found["subsets"]["news"]["bounds"][0] == {"low": 50, "high": 100_000, "dropped": 0.4, "is_present": True}
    assert {document["subset"] for document in found["documents"]} == {"news"}
    assert "would be dropped by its low end" in seen(found, monkeypatch)
    both = explore_signal(str(out), "num_words")
    assert {document["subset"] for document in both["documents"]} == {"massiveweb"}  # no bound drops news
    assert both["subsets"]["news"]["histogram"] == found["subsets"]["news"]["histogram"]


def test_five_documents_on_each_side_of_the_bound(out: Path) -> None:
    shown = explore_signal(str(out), "num_words")["documents"]
    by_place = [(one["end"], one["side"], one["value"]) for one in shown]
    low = [("low", "kept", value) for value in (50, 51, 52, 53, 54)]
    low += [("low", "dropped", value) for value in (49, 48, 47, 46, 45)]
    assert by_place == low + [("high", "kept", value) for value in (60, 59, 58, 57, 56)]
    for one in shown:
        assert len(one["text"].split()) == one["value"]
        assert one["source"] in ("a.jsonl", "b.jsonl")


def test_what_other_rules_drop_is_told(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Recipe.model_validate(json.loads((out / "run.json").read_text())["recipe"])
    shutil.copytree(out, tmp_path / "out")
    driver(made, tmp_path / "out").run("filter")
    tables = (tmp_path / "out" / "filter").glob("*/massiveweb/*.parquet")
    reasons = {row["id"].hex(): row["reasons"] for path in tables for row in pq.read_table(path).to_pylist()}
    found = explore_signal(str(tmp_path / "out"), "num_words")
    expected = sum(failed == ["num_words"] for failed in reasons.values()) / 23
    assert found["subsets"]["massiveweb"]["dropped_alone"] == expected
    assert 0 < expected < 12 / 23  # those of 3 and 4 words fail others too
    assert found["subsets"]["news"]["dropped_alone"] is None
    low = explore_signal(str(tmp_path / "out"), "mean_word_length")
    for explored in (found, low):
        for one in explored["documents"]:
            assert one["other_reasons"] == [name for name in reasons[one["id"]] if name != explored["signal"]]
    assert "dropped by others: num_words" in seen(low, monkeypatch)


def test_each_subset_has_its_own_nearest() -> None:
    tasks = [ShardTask(subset, 0, 1) for subset in ("a", "b")]
    ids = pa.array([bytes([number]) * 16 for number in range(20)], pa.binary(16))
    values = np.arange(20.0)
    found = [one for task in tasks for one in explore._candidates(task, ids, values, Bound("x", low=10))]
    nearest = explore._nearest([*reversed(found)])
    for task in tasks:
        kept = [one.value for one in nearest if one.task == task and one.side == "kept"]
        assert kept == [10, 11, 12, 13, 14]
    ties = explore._nearest(explore._candidates(tasks[0], ids, np.full(20, 3.0), Bound("x", low=1)))
    assert [one.id for one in ties] == ids[:5].to_pylist()


def test_without_a_bound_quantiles_are_the_alternatives(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "TABLES", {})
    monkeypatch.setattr(explore, "rules_of", lambda recipe, subset: ())
    found = explore_signal(str(out), "num_words", "news")
    assert found["documents"] == []
    bounds = found["subsets"]["news"]["bounds"]
    assert not any(bound["is_present"] for bound in bounds)
    assert [(bound["low"], bound["dropped"]) for bound in bounds if bound["low"] is not None] == [
        (46.09, 0.1), (46.45, 0.1), (46.9, 0.1), (48.25, 0.3),
    ]  # fmt: skip


def test_what_is_no_signal_is_refused_with_those_that_are(out: Path) -> None:
    for signal in ("language", "num_wordz", "id"):
        with pytest.raises(RecipeError, match=f"no signal of numbers is named '{signal}'; there are language_score, "):
            explore_signal(str(out), signal)
    with pytest.raises(RecipeError, match="no subset is named 'books'; there are massiveweb, news"):
        explore_signal(str(out), "num_words", "books")


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([3.0, 3.0], [3, 4]),
        ([0, 2, 2, 5], [0, 1, 2, 3, 4, 5, 6]),
        ([0.0, 1.0, 0.5], np.linspace(0, 1, 21)),
        ([*range(1000), 1e9], np.linspace(5, 995, 21)),
    ],
)
def test_bins(values: list[float], edges: Any) -> None:
    assert explore._bin_edges(np.array(values, float)) == pytest.approx(list(edges))


@pytest.mark.parametrize("ends", [(30, 100_000), (500, None), (None, 994.5), (0.5, 999.5), (0, 2_000), (None, 999)])
def test_bars_are_parted_at_the_ends_of_the_bound(ends: tuple[float | None, float | None]) -> None:
    values = np.arange(1_000.0)
    found = explore._describe(values, Bound("x", *ends), True, False)["histogram"]
    edges, counts = found["edges"], found["counts"]
    assert sum(counts) == 1_000
    for end in (end for end in ends if end is not None and 0 < end <= 999):
        assert end in edges
        below = sum(count for edge, count in zip(edges, counts, strict=False) if edge < end)
        assert below == np.sum(values < end) or (end == 999 == edges[-1])


def seen(found: dict[str, Any], monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(explore_view, "Console", lambda **options: Console(file=stream, width=width, **options))
    explore_view.print_signal(found, 40)
    return stream.getvalue()


def test_what_a_person_sees(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = seen(explore_signal(str(out), "num_words", "massiveweb"), monkeypatch).split("\n")
    assert lines[0] == "num_words  massiveweb  23 documents"
    bars = [line for line in lines if "#" in line]
    assert sum(int(line.split("#")[-1].split("<")[0].split("high")[0]) for line in bars) == 23
    (marked,) = (line for line in lines if "<- low 50" in line)
    assert float(marked.split()[0]) <= 50
    (beyond,) = (line for line in lines if line.endswith("high 100,000 is above"))
    assert beyond in bars
    assert any("52.17%" in line and "present" in line for line in lines)
    assert sum("kept by its low end" in line for line in lines) == 5
    assert sum("dropped by its low end" in line for line in lines) == 5


def test_eighty_columns_hold_every_number(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = explore_signal(str(out), "top_2gram_char_fraction", "massiveweb")
    lines = seen(found, monkeypatch).split("\n")
    shown = [line for line in lines if not line[:32].isalnum()]  # but for headings of documents
    assert max(len(line) for line in shown) <= 80
    assert "…" not in "".join(shown)


def test_what_is_beyond_the_bins_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([-50.0, *range(1000), 1e6])
    described = {"x": explore._describe(values, None, False, False)}
    lines = seen({"signal": "x", "subsets": described, "documents": []}, monkeypatch).split("\n")
    bars = [line.split("#")[0].strip() for line in lines if "#" in line]
    assert (bars[0], bars[-1]) == ("< 53.55", ">= 945.4")  # bins of 49.55 from 4 to 995


def test_a_page_cannot_command_the_terminal(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = explore_signal(str(out), "num_words", "massiveweb")
    found["documents"] = [{**found["documents"][0], "text": "a\x1b[2J\x9b2J\u202eb", "url": "http://a/\x1b]0;x\x07"}]
    shown = seen(found, monkeypatch)
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(shown)
    assert "a\u241b[2J\ufffd2J\ufffdb" in shown


def test_options_of_documents_are_refused_beside_a_signal(out: Path) -> None:
    call = ["inspect", str(out), "--signal", "num_words"]
    for options, named in ((["-n", "5"], "--number"), (["--reason", "x", "--stage", "filter"], "--stage, --reason")):
        result = CliRunner().invoke(app, [*call, *options])
        assert isinstance(result.exception, RecipeError)
        assert str(result.exception).endswith(f"leave out {named}")


def test_the_command(out: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(out), "--signal", "num_words", "--subset", "news", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == explore_signal(str(out), "num_words", "news")
