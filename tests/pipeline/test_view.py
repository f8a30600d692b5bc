"""What a person sees of a run."""

from __future__ import annotations

import io
from importlib.metadata import version
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline import view
from pipeline.cli import app


def shown(monkeypatch: pytest.MonkeyPatch, width: int) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(view, "Console", lambda **options: Console(file=stream, width=width, **options))
    return stream


def stage(name: str, state: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": name, "state": state, "counts": counts, "receipts": 12, "seconds": 75.0,
        "peak_memory_bytes": 548_000_000, "workers": {"host": 2},
    }  # fmt: skip


@pytest.mark.parametrize(("width", "has_workers"), [(80, False), (120, True)])
def test_a_status_is_not_cut(monkeypatch: pytest.MonkeyPatch, width: int, has_workers: bool) -> None:
    stream = shown(monkeypatch, width)
    counts = {"a": {"in": 2_000_000, "kept": 1_900_000, "dropped": {"num_words": 90_000}, "failed": 10_000}}
    view.print_status([stage("decontaminate", "done", counts), stage("signals", "failed", {}), stage("x", "new", {})])
    lines = stream.getvalue().split("\n")
    assert max(map(len, lines)) <= width
    assert "…" not in stream.getvalue()
    (done,) = (line.split() for line in lines if "decontaminate" in line)
    assert done[:8] == ["decontaminate", "done", "2,000,000", "1,900,000", "90,000", "10,000", "1m15s", "548"]
    assert ("workers" in stream.getvalue()) is has_workers


@pytest.mark.parametrize("width", [20, 50, 60, 72, 80, 100, 200])
def test_numbers_are_whole_at_any_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stream = shown(monkeypatch, width)
    numbers = {"in": 17_833_000_000_001, "kept": 11_581_000_000_002, "dropped": {"num_words": 6_252}, "failed": 3}
    view.print_status([stage("decontaminate", "interrupted", {"a": numbers})])
    assert {"decontaminate", "17,833,000,000,001", "11,581,000,000,002", "6,252", "3"} <= set(stream.getvalue().split())
    assert ("548 MB" in stream.getvalue()) is (width == 200)


def test_the_version_is_the_packages() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"massivetext {version('massivetext')}\n")


def test_lines_of_a_text_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = shown(monkeypatch, 80)
    row = {"id": "00", "subset": "a", "source": "b", "offset": 0, "stage": "filter", "verdict": "kept"}
    view.print_documents([{**row, "text": f"{'word ' * 40}\nsecond"}], 400)
    assert f"{'word ' * 40}\nsecond\n" in stream.getvalue()


def test_a_document_cannot_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = shown(monkeypatch, 80)
    escape = "\x1b]0;title\x07"
    row = {"id": "00", "subset": "a", "source": escape, "offset": 0, "url": escape, "text": f"b\n\t{escape}"}
    view.print_documents([{**row, "stage": "filter", "verdict": "kept"}], 80)
    assert not {"\x1b", "\x07"} & set(stream.getvalue())
    assert stream.getvalue().count("\u241b]0;title\u2407") == 3
