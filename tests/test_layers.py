"""Who may import whom, stated once. The modules are imported in fresh interpreters and ``sys.modules`` is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

FOLDERS = ("pipeline", "filters", "tokenizer", "trainer", "beam_jobs")
SHARED_PIPELINE = {
    f"pipeline.{name}" for name in ("schema", "config", "storage", "parquet_files", "manifest", "assets", "documents")
}
SHARED_PIPELINE |= {"pipeline.text_edits"}
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
    "pipeline.text_edits": (SHARED_PIPELINE, set()),
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
    # workers that decide call no kernel, and kernels' modules take half a second to import
    "beam_jobs.filter_documents": (set(FOLDERS), HEAVY - {"jax", "flax", "optax", "orbax", "typer", "jinja2", "numba"}),
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


def ruled_by(pattern: str) -> list[str]:
    """The modules whose first fitting pattern this is."""
    return [name for name in modules() if next(rule for rule in RULES if fnmatch(name, rule)) == pattern]


def loaded_by(names: Sequence[str], then: str = "pass") -> list[str]:
    """What a fresh interpreter holds after importing these modules, and then running a statement."""
    code = f"import json, sys, {', '.join(names)}; {then}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(run.stdout.splitlines()[-1])
    return loaded


def strangers(names: Sequence[str], pattern: str) -> set[str]:
    """What importing these modules loads, and their rule does not allow."""
    loaded = loaded_by(names)
    ours, third_party = RULES[pattern]
    own = {m for m in loaded if m.split(".")[0] in FOLDERS and m not in FOLDERS and m != "trainer.retro"}
    own = {m for m in own - set(names) if not any(m == allowed or m.startswith(f"{allowed}.") for allowed in ours)}
    return own | ({m.split(".")[0] for m in loaded} & HEAVY) - third_party


@pytest.mark.parametrize("pattern", RULES)
def test_modules_keep_to_their_layer(pattern: str) -> None:
    names = ruled_by(pattern)  # all of one rule together: an interpreter for each would take minutes
    assert names, f"{pattern} is the rule of no module"
    if strangers(names, pattern):
        assert {name: found for name in names if (found := strangers([name], pattern))} == {}
        raise AssertionError("only together do they load what their rule forbids")


def test_no_kernel_is_called_when_a_module_is_imported() -> None:
    """With the first one Numba loads its target, half a second that only who computes should pay."""
    target = "numba.np.arraymath"
    assert target not in loaded_by([name for name in modules() if name.startswith("filters.")])
    assert target in loaded_by(["filters.hashing"], "filters.hashing.hash_end(1)")  # or Numba has it elsewhere by now


def test_packages_are_empty() -> None:
    """But for the line of ``filters`` that must run before Numba is imported; it loads only the standard library."""
    for folder in FOLDERS:
        for path in (REPOSITORY / folder).rglob("__init__.py"):
            assert path.read_text() == "" or path.parent == REPOSITORY / "filters"
    code = "import sys; before = set(sys.modules); import filters; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {m.split(".")[0] for m in run.stdout.split()} <= {"filters", *sys.stdlib_module_names}
