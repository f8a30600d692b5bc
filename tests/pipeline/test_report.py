from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from job_workspace import (
    DROPPED_PAGE,
    article,
    driver,
    files_of,
    finished_run,
    folder_of,
    manifest_of,
    recipe,
    write_lines,
)

from pipeline.config import RecipeError
from pipeline.report import collect, curve, render, write_report

STAGES = ("extract", "signals", "filter", "signatures", "dedup", "decontaminate", "corpus", "tokenizer", "tokens")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _, finished = finished_run(tmp_path_factory.getbasetemp())
    out = tmp_path_factory.mktemp("report") / "out"
    shutil.copytree(finished, out)
    write_report(str(out))
    return out


@pytest.fixture(scope="module")
def stats(out: Path) -> dict[str, Any]:
    return json.loads((out / "report" / "stats.json").read_text())


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return (out / "report" / "index.html").read_text()


class Elements(HTMLParser):
    """Every tag with its attributes, and the text of each table row."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


# --- numbers


def test_stats_have_the_manifests_numbers(out: Path, stats: dict[str, Any]) -> None:
    assert [row["name"] for row in stats["stages"]] == list(STAGES)
    for row in stats["stages"]:
        manifest = manifest_of(out, row["name"])
        assert row["digest"] == manifest["digest"]
        assert row["counts"] == manifest["counts"]
        assert row["bytes"] == sum(output["bytes"] for output in manifest["outputs"])
        assert row["workers"] == 1
        assert row["attempts"] == 1


def test_the_funnel_is_every_deciding_stage_in_order(out: Path, stats: dict[str, Any]) -> None:
    assert list(stats["funnel"]) == ["news"]
    rows = stats["funnel"]["news"]
    assert [row["stage"] for row in rows] == ["extract", "filter", "dedup", "decontaminate", "corpus"]
    for row in rows:
        counts = manifest_of(out, row["stage"])["counts"]["news"]
        assert {key: row[key] for key in counts} == counts
        assert row["num_dropped"] == sum(counts["dropped"].values())
    assert [row["in"] for row in rows] == [63, 62, 61, 60, 60]


def test_reasons_and_tokens(out: Path, stats: dict[str, Any]) -> None:
    assert [(row["stage"], row["reason"], row["total"], row["subsets"]) for row in stats["reasons"]] == [
        ("filter", "language", 1, {"news": 1}),
        ("dedup", "exact_duplicate", 1, {"news": 1}),
    ]
    counts = manifest_of(out, "tokens")["counts"]["news"]
    (row,) = stats["tokens"].values()
    assert (row["documents"], row["tokens"], row["held_out_documents"]) == (60, counts["tokens"], counts["held_out"])
    assert row["held_out_tokens"] == counts["held_out_tokens"]
    assert row["bytes_per_token"] == counts["text_bytes"] / counts["tokens"]
    assert stats["tokenizer"] == json.loads((folder_of(out, "tokenizer") / "card.json").read_text())


def test_the_page_shows_the_same_numbers(stats: dict[str, Any], page: str) -> None:
    rows = [[" ".join(cell.split()) for cell in row] for row in Elements(page).rows]
    assert ["filter", "language", "1", "news 1"] in rows
    funnel = {row["stage"]: row for row in stats["funnel"]["news"]}
    for stage in ("filter", "dedup", "decontaminate", "corpus"):
        cells = next(row for row in rows if row[0] == stage)
        row = funnel[stage]
        assert cells[1:5] == [str(row[key]) for key in ("in", "kept", "num_dropped", "failed")]
    tokens = stats["tokens"]["news"]
    assert ["news", str(60 - tokens["held_out_documents"]), f"{tokens['tokens']:,}", "100.0 %"] in [r[:4] for r in rows]


# --- samples


def test_samples_show_what_was_dropped_and_why(stats: dict[str, Any]) -> None:
    by_reason = {(row["stage"], row["reason"]): row for row in stats["samples"]}
    assert list(by_reason) == [("extract", "bad_json"), ("filter", "language"), ("dedup", "exact_duplicate")]
    failed, language = by_reason["extract", "bad_json"], by_reason["filter", "language"]
    assert (failed["verdict"], failed["source"], failed["text"]) == ("failed", "b.jsonl", "")
    assert failed["error"].startswith("JSONDecodeError: ")
    assert (language["text"], language["cut"]) == (DROPPED_PAGE, False)
    assert language["evidence"].startswith("language=de")
    assert by_reason["dedup", "exact_duplicate"]["evidence"].startswith("jaccard=1.000 with ")


def test_samples_are_as_many_and_as_long_as_asked(out: Path) -> None:
    state = json.loads((out / "run.json").read_text())
    state["recipe"]["report"] = {"samples_per_reason": 0, "sample_chars": 10}
    other = out.parent / "other"
    shutil.copytree(out, other)
    (other / "run.json").write_text(json.dumps(state))
    assert collect(str(other))["samples"] == []
    state["recipe"]["report"]["samples_per_reason"] = 1
    (other / "run.json").write_text(json.dumps(state))
    cut = {row["reason"]: (row["text"], row["cut"]) for row in collect(str(other))["samples"]}
    assert cut["language"] == (DROPPED_PAGE[:10], True)
    assert " ..." in render(collect(str(other)))


# --- the page


def test_markup_in_documents_is_shown_not_run(page: str) -> None:
    assert "<script" not in page
    assert "<b>fett" not in page
    assert "&lt;script&gt;alert(&#39;ha&#39;)&lt;/script&gt; &lt;b&gt;fett&lt;/b&gt; &amp; so weiter." in page


def test_markup_anywhere_else_is_shown_too(stats: dict[str, Any]) -> None:
    evil = "<img src=http://a.test/x onerror=alert(1)>"
    keys = ("subset", "source", "evidence", "url", "reason", "member", "error")
    changed = {**stats, "samples": [{**stats["samples"][0], **dict.fromkeys(keys, evil)}], "evaluation_texts": [evil]}
    changed["reasons"] = [{"stage": evil, "reason": evil, "subsets": {evil: 1}, "total": 1}]
    changed["funnel"] = {evil: stats["funnel"]["news"]}
    page = render(changed)
    assert "<img" not in page
    assert page.count("&lt;img") >= 8


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    elements = Elements(page)
    assert elements.open == []
    for tag, attributes in elements.found:
        assert tag not in ("script", "link", "iframe", "object", "img")
        assert not {"src", "href", "xlink:href", "action", "srcset"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_same_run_gives_the_same_page(out: Path) -> None:
    before = files_of(out / "report")
    write_report(str(out))
    assert files_of(out / "report") == before


def test_a_corpus_that_is_not_decontaminated_says_so(stats: dict[str, Any], page: str) -> None:
    assert stats["evaluation_texts"] == []
    assert '<p class="warn">No evaluation text was named' in page
    named = render({**stats, "evaluation_texts": ["wikitext-2/valid.txt", "b.jsonl"]})
    assert "Evaluation texts looked for: wikitext-2/valid.txt, b.jsonl" in named
    assert 'class="warn"' not in named
    not_yet = render({**stats, "evaluation_texts": None})
    assert 'class="warn"' not in not_yet
    assert "looked for" not in not_yet


def test_evaluation_files_are_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "input/a.jsonl", [article(number) for number in range(3)])
    (tmp_path / "valid.txt").write_text(article(1))
    made = recipe(tmp_path / "input", decontaminate={"evaluation": (str(tmp_path / "valid.txt"),)})
    run = driver(made, tmp_path / "out")
    for stage in STAGES[: STAGES.index("decontaminate") + 1]:
        run.run(only=stage)
    stats = collect(str(tmp_path / "out"))
    assert stats["evaluation_texts"] == ["valid.txt"]
    assert stats["samples"][-1]["text"] == article(1)[:400]
    assert stats["samples"][-1]["reason"] == "contaminated"
    assert (stats["tokens"], stats["tokenizer"], stats["training"], stats["retro"]) == ({}, None, None, None)
    assert Elements(render(stats)).open == []


def test_training_and_retrieval_have_their_parts(stats: dict[str, Any]) -> None:
    bits = {"held_out_bits_per_byte": 2.125, "unigram_bits_per_byte": 2.875, "bigram_bits_per_byte": 1.7504}
    training = {
        "summary": {"model": "tiny", "num_parameters": 123_456, "steps": 3, "num_tokens": 4_096, **bits},
        "steps": [{"step": step, "loss": loss} for step, loss in ((1, 9.0), (2, 8.0), (3, 7.5))],
    }
    chunk = {"subset": "news", "document": "00ff", "text": "a <chunk>"}
    retro = {
        "num_chunks": 1_234,
        "num_keys": 1_000,
        "chunk_len": 64,
        "encoder": "hash",
        "num_neighbours": 4,
        "examples": [{**chunk, "neighbour": {**chunk, "text": "<its> neighbour"}, "distance": 0.25}],
    }
    page = render({**stats, "training": training, "retro": retro})
    elements = Elements(page)
    assert elements.open == []
    (line,) = (attributes for tag, attributes in elements.found if tag == "polyline")
    assert line["points"] == curve(training["steps"], 1000, 200, 7.5, 9.0)  # type: ignore[arg-type]
    for said in (
        "123,456 parameters",
        "<b>2.125</b>",
        "unigram 2.875, bigram 1.750",
        "1,234 chunks",
        "1,000 have a key",
    ):
        assert said in page
    assert "a &lt;chunk&gt;" in page
    assert "&lt;its&gt; neighbour" in page


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no run"):
        write_report(str(tmp_path))


def test_curve_by_hand() -> None:
    # ten steps over 100 wide, losses 1 to 5 over 20 high: the top is the highest
    steps = [{"step": 1, "loss": 5.0}, {"step": 6, "loss": 3.0}, {"step": 11, "loss": 1.0}]
    assert curve(steps, 100, 20, 1.0, 5.0) == "0.0,0.0 50.0,10.0 100.0,20.0"
    assert curve(steps[:1], 100, 20, 5.0, 5.0) == "0.0,0.0"
