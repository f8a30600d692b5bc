"""Who may import whom, stated once. Each module is imported in a fresh interpreter and ``sys.modules`` is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

FOLDERS = ("pipeline", "filters", "tokenizer", "trainer", "beam_jobs")
SHARED_PIPELINE = {f"pipeline.{name}" for name in ("schema", "config", "storage", "manifest", "assets", "documents")}
HEAVY = {"apache_beam", "jax", "flax", "optax", "orbax", "grain", "typer", "aiohttp", "sentencepiece", "fasttext"}
HEAVY |= {"fastwarc", "resiliparse", "mwparserfromhell", "warcio", "jinja2", "numba", "tokenizers", "safetensors"}

# pattern of modules -> (our own packages or modules that may be loaded, heavy third-party packages that may be loaded)
RULES = {
    "filters.*": ({"filters"}, {"numba", "resiliparse", "fasttext"}),
    "pipeline.schema": (SHARED_PIPELINE, set()),
    "pipeline.config": (SHARED_PIPELINE, set()),
    "pipeline.storage": (SHARED_PIPELINE, set()),
    "pipeline.manifest": (SHARED_PIPELINE, set()),
    "pipeline.assets": (SHARED_PIPELINE, set()),
    "pipeline.documents": (SHARED_PIPELINE, set()),
    "pipeline.report": ({"pipeline"}, {"jinja2"}),
    "tokenizer.*": ({"tokenizer", *SHARED_PIPELINE}, {"numba", "sentencepiece"}),
    "trainer.retro.embed": (
        {"tokenizer", "trainer", *SHARED_PIPELINE},
        {"jax", "tokenizers", "safetensors", "sentencepiece"},
    ),
    "trainer.retro.*": ({"tokenizer", "trainer", *SHARED_PIPELINE}, {"sentencepiece"}),
    "trainer.*": (
        {"tokenizer", "trainer", *SHARED_PIPELINE},
        {"jax", "flax", "optax", "orbax", "grain", "safetensors", "sentencepiece", "tokenizers"},
    ),
    "beam_jobs.*": (set(FOLDERS), HEAVY - {"jax", "flax", "optax", "orbax", "typer", "jinja2"}),
    "pipeline.cli": ({"pipeline"}, {"typer"}),
    "pipeline.stages": ({"pipeline"}, set()),
    "pipeline.driver": ({"pipeline"}, set()),
    "pipeline.train_stage": (set(FOLDERS), HEAVY - {"apache_beam", "typer"}),
    "pipeline.*": ({"pipeline", "filters"}, HEAVY - {"apache_beam", "jax", "flax", "optax", "orbax", "grain"}),
}


def modules() -> list[str]:
    names = []
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if path.name != "__init__.py":
                names.append(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    return names


def loaded_by(name: str) -> list[str]:
    code = f"import json, sys, {name}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """For each module, what a fresh interpreter holds after importing it; a core each, since each takes a second."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(modules(), pool.map(loaded_by, modules()), strict=True))


def rule_of(name: str) -> tuple[set[str], set[str]]:
    return next(rule for pattern, rule in RULES.items() if fnmatch(name, pattern))


@pytest.mark.parametrize("name", modules())
def test_module_keeps_to_its_layer(name: str, loaded: dict[str, list[str]]) -> None:
    rule = rule_of(name)
    assert rule is not None
    ours, third_party = rule
    own = {m for m in loaded[name] if m.split(".")[0] in FOLDERS and m not in FOLDERS and m != "trainer.retro"}
    strangers = {m for m in own if not any(m == allowed or m.startswith(f"{allowed}.") for allowed in ours)}
    assert not strangers - {name}
    assert not ({m.split(".")[0] for m in loaded[name]} & HEAVY) - third_party


def test_packages_are_empty() -> None:
    for folder in FOLDERS:
        for path in (REPOSITORY / folder).rglob("__init__.py"):
            assert path.read_text() == ""
