"""From manifests to OUT/report/: one self-contained page, and the same numbers as ``stats.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from pipeline import storage
from pipeline.find import find_documents
from pipeline.finished import VERDICT_STAGES, FinishedStage, finished_stages, read_run
from pipeline.progress import duration, human
from pipeline.schema import DROPPED, FAILED

FUNNEL = ("crawl", "extract", *VERDICT_STAGES, "corpus")


def write_report(out: str) -> str:
    """Write ``index.html`` and ``stats.json``; gives the page's path."""
    stats = collect(out)
    scratch = storage.join(out, "tmp", "unfinished")
    text = json.dumps(stats, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    storage.write_bytes(storage.join(out, "report", "stats.json"), text.encode(), scratch)
    page = storage.join(out, "report", "index.html")
    storage.write_bytes(page, render(stats).encode(), scratch)
    return page


def collect(out: str) -> dict[str, Any]:
    """All that the report says, as plain data."""
    run, stages = read_run(out), finished_stages(out)
    settings = run["recipe"]["report"]
    return {
        "stages": [_stage_row(stage, run["stages"][stage.name]) for stage in stages.values()],
        "funnel": _funnel(stages),
        "reasons": _reasons(stages),
        "edits": _edits(stages.get("filter")),
        "tokens": _tokens(stages),
        "tokenizer": _json_of(stages.get("tokenizer"), "card.json"),
        "evaluation_texts": _evaluation(stages),
        "training": _training(stages.get("train")),
        "retro": _json_of(stages.get("retro"), "card.json"),
        "samples": _samples(out, stages, settings["samples_per_reason"], settings["sample_chars"]),
    }


def _stage_row(stage: FinishedStage, entry: Mapping[str, Any]) -> dict[str, Any]:
    known = ("digest", "seconds", "peak_memory_bytes", "attempts")
    return {
        "name": stage.name,
        **{key: entry[key] for key in known},
        "workers": len(entry["workers"]),
        "bytes": sum(output["bytes"] for output in stage.manifest["outputs"]),
        "counts": stage.manifest["counts"],
    }


def _funnel(stages: Mapping[str, FinishedStage]) -> dict[str, list[dict[str, Any]]]:
    """For each subset, what became of its records and documents stage by stage."""
    funnel: dict[str, list[dict[str, Any]]] = {}
    for name in FUNNEL:
        for subset, counts in stages[name].manifest["counts"].items() if name in stages else ():
            row = {"stage": name, **counts, "num_dropped": sum(counts["dropped"].values())}
            funnel.setdefault(subset, []).append(row)
    return funnel


def _reasons(stages: Mapping[str, FinishedStage]) -> list[dict[str, Any]]:
    """How many each reason dropped, largest first within a stage."""
    rows = []
    for name in FUNNEL:
        totals: dict[str, dict[str, int]] = {}
        for subset, counts in stages[name].manifest["counts"].items() if name in stages else ():
            for reason, number in counts["dropped"].items():
                totals.setdefault(reason, {})[subset] = number
        rows += [
            {"stage": name, "reason": reason, "subsets": by_subset, "total": sum(by_subset.values())}
            for reason, by_subset in sorted(totals.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        ]
    return rows


def _edits(stage: FinishedStage | None) -> dict[str, dict[str, Any]]:
    """For each subset with edits, how many kept documents were edited, and how many edits each reason made."""
    counts = stage.manifest["counts"] if stage else {}
    return {
        subset: {
            "edited_documents": entry["edited_documents"],
            "reasons": {key.removeprefix("edits_"): value for key, value in entry.items() if key.startswith("edits_")},
        }
        for subset, entry in counts.items()
        if "edited_documents" in entry
    }


def _tokens(stages: Mapping[str, FinishedStage]) -> dict[str, dict[str, Any]]:
    if "tokens" not in stages:
        return {}
    rows = {}
    for subset, counts in stages["tokens"].manifest["counts"].items():
        tokens, text_bytes = counts.get("tokens", 0), counts.get("text_bytes", 0)
        rows[subset] = {
            "documents": counts["produced"],
            "held_out_documents": counts.get("held_out", 0),
            "tokens": tokens,
            "held_out_tokens": counts.get("held_out_tokens", 0),
            "text_bytes": text_bytes,
            "bytes_per_token": text_bytes / tokens if tokens else None,
        }
    return rows


def _evaluation(stages: Mapping[str, FinishedStage]) -> list[str] | None:
    """The evaluation files looked for; empty when none was named."""
    if "decontaminate" not in stages:
        return None
    inputs = stages["decontaminate"].manifest["inputs"]
    return [entry["path"] for entry in inputs if not entry["path"].endswith("/manifest.json")]


def _json_of(stage: FinishedStage | None, name: str) -> dict[str, Any] | None:
    if stage is None:
        return None
    data: dict[str, Any] = json.loads(storage.read_bytes(storage.join(stage.folder, name)))
    return data


def _training(stage: FinishedStage | None) -> dict[str, Any] | None:
    if stage is None:
        return None
    lines = storage.read_bytes(storage.join(stage.folder, "metrics.jsonl")).decode().splitlines()
    return {"summary": _json_of(stage, "summary.json"), "steps": [json.loads(line) for line in lines]}


def _samples(out: str, stages: Mapping[str, FinishedStage], per_reason: int, chars: int) -> list[dict[str, Any]]:
    """A few documents of each stage and reason, the failing measurement beside them."""
    samples = []
    for name in ("extract", *VERDICT_STAGES):
        counts = stages[name].manifest["counts"] if name in stages else {}
        reasons = sorted({reason for entry in counts.values() for reason in entry["dropped"]})
        for reason in reasons:
            samples += [
                _sample(row, reason, chars) for row in find_documents(out, DROPPED, name, reason, None, per_reason)
            ]
        if any(entry["failed"] for entry in counts.values()):
            found = find_documents(out, FAILED, name, None, None, per_reason)
            samples += [_sample(row, row["reason"], chars) for row in found]
    return samples


def _sample(row: Mapping[str, Any], reason: str, chars: int) -> dict[str, Any]:
    kept = ("stage", "verdict", "subset", "id", "source", "offset", "member", "url", "evidence", "error")
    text = row.get("text") or ""
    return {key: row.get(key) for key in kept} | {"reason": reason, "text": text[:chars], "cut": len(text) > chars}


def render(stats: Mapping[str, Any]) -> str:
    """The page: no script, no font and no image from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(human=human, duration=duration, thousands=lambda number: f"{number:,}")
    return environment.get_template("report.html").render(stats, curve=curve)


def curve(steps: Sequence[Mapping[str, float]], width: int, height: int, low: float, high: float) -> str:
    """The loss by step as the ``points`` of an SVG polyline; ``high`` is the top, ``low`` the bottom."""
    first, last = steps[0]["step"], steps[-1]["step"]
    across, up = width / max(last - first, 1), height / max(high - low, 1e-9)
    return " ".join(f"{(row['step'] - first) * across:.1f},{(high - row['loss']) * up:.1f}" for row in steps)
