"""Find what a run has written: its stages' folders and manifests, by ``run.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipeline import storage
from pipeline.config import RecipeError
from pipeline.manifest import read_manifest

ORDER = (
    "crawl",
    "extract",
    "signals",
    "filter",
    "signatures",
    "dedup",
    "decontaminate",
    "corpus",
    "tokenizer",
    "tokens",
    "train",
    "retro",
)
VERDICT_STAGES = ("filter", "dedup", "decontaminate")


@dataclass(frozen=True)
class FinishedStage:
    """A stage that has a manifest."""

    name: str
    folder: str
    manifest: dict[str, Any]


def read_run(out: str) -> dict[str, Any]:
    """``run.json`` of an output folder.

    Raises:
        RecipeError: There is none.
    """
    path = storage.join(out, "run.json")
    if not storage.exists(path):
        raise RecipeError(f"{out} holds no run: {path} is missing; begin with massivetext run RECIPE --out {out}")
    data: dict[str, Any] = json.loads(storage.read_bytes(path))
    return data


def finished_stages(out: str) -> dict[str, FinishedStage]:
    """The finished stages of the last recipe that was run into ``out``, in order."""
    known = read_run(out)["stages"]
    found = {}
    for name in ORDER:
        if name in known:
            folder = storage.join(out, name, known[name]["digest"])
            manifest = read_manifest(folder)
            if manifest is not None:
                found[name] = FinishedStage(name, folder, manifest)
    return found


def finished_stage(out: str, name: str) -> FinishedStage:
    """One finished stage.

    Raises:
        RecipeError: It is not finished.
    """
    found = finished_stages(out).get(name)
    if found is None:
        raise RecipeError(f"{out} has no finished {name} stage; massivetext status {out} shows what there is")
    return found
