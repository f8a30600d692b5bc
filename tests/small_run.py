"""A small run of every stage but the crawl, for tests of the driver: input, recipe, and the program as a subprocess."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

STAGES = ("extract", "signals", "filter", "signatures", "dedup", "decontaminate", "corpus", "tokenizer", "tokens")
STAGES += ("train", "retro")

_SUBJECTS = "the old engine,a small river,our new teacher,every careful reader,the northern harbour,that quiet garden"
_VERBS = "was repaired by,has been described in,will remain near,gave its name to,could not be seen from,grew beside"
_OBJECTS = "the people of the town,a long wooden bridge,an early winter morning,the museum of science,two of the farms"
_EVALUATION = (
    "Nobody in the valley remembered who had first carried the brass lantern up the hill, but each spring the children "
    "polished it with salt and vinegar until they could count their teeth in its side, and then they hung it where the "
    "ferrymen would see it across the water before the ice went out."
)

RECIPE = """
[[input]]
subset = "news"
format = "jsonl"
paths = ["news/*.jsonl.gz"]

[[input]]
subset = "c4"
format = "c4"
paths = ["c4/*.json.gz"]

[extract]
shard_input_bytes = 6000

[decontaminate]
evaluation = ["evaluation.txt"]

[corpus]
held_out_fraction = 0.1

[tokenizer]
vocab_size = 400

[tokens]
shard_text_bytes = 20000

[train]
steps = 6
seq_len = 32
global_batch_size = 4
warmup_steps = 2
checkpoint_steps = 2
evaluate_steps = 3

[retro]
encoder = "hash"
chunks_per_shard = 150
num_neighbours = 2
"""


def write_input(folder: Path) -> Path:
    """Write raw input and a recipe; gives the recipe's path."""
    words = random.Random(0)
    texts = [_article(words) for _ in range(160)]
    texts[20] = texts[3]  # an exact copy
    texts[21] = texts[4] + " Amen."  # a near copy
    texts[22] = _article(words) + "\n" + _EVALUATION.replace(" ", "  ")  # contaminated, with other white space
    texts[23] = "Der schnelle braune Fuchs springt über den faulen Hund und läuft dann weiter durch den dunklen Wald."
    _write_lines(folder / "news", texts[:120], 6, "jsonl.gz", bad=b'{"text": "cut sho\n')
    _write_lines(folder / "c4", texts[120:], 2, "json.gz")
    (folder / "evaluation.txt").write_text(_EVALUATION)
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe


def _article(words: random.Random) -> str:
    def one_of(phrases: str) -> str:
        return words.choice(phrases.split(","))

    lines = [
        f"{one_of(_SUBJECTS).capitalize()} {one_of(_VERBS)} {one_of(_OBJECTS)} in {words.randint(1500, 2020)}, "
        f"and it is said that {one_of(_SUBJECTS)} {one_of(_VERBS)} {one_of(_OBJECTS)}."
        for _ in range(words.randint(6, 14))
    ]
    return "\n".join(lines)


def _write_lines(folder: Path, texts: Sequence[str], files: int, extension: str, bad: bytes = b"") -> None:
    folder.mkdir(parents=True)
    for number in range(files):
        rows = [{"text": text, "url": f"http://example.org/{i}"} for i, text in enumerate(texts) if i % files == number]
        data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        data += bad if number == 0 else b""
        (folder / f"{number}.{extension}").write_bytes(gzip.compress(data, mtime=0))


def command(*arguments: str) -> list[str]:
    """The program, as a user would start it."""
    return [sys.executable, "-m", "pipeline.cli", *arguments]


def run(recipe: Path, out: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a recipe to its end. One broken line in 161 is more than 1 % of its subset's 121."""
    return massivetext(*_run_words(recipe, out), *arguments, check=check)


def massivetext(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the program and show what it said when it fails."""
    done = subprocess.run(command(*arguments), cwd=REPOSITORY, capture_output=True, text=True, env=_environment())
    if check and done.returncode:
        raise AssertionError(f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def start(
    recipe: Path, out: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a run, with further variables in its environment, and leave it running."""
    return subprocess.Popen(
        command(*_run_words(recipe, out), *arguments),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**_environment(), **(environment or {})},
    )


def wait_for(condition: Callable[[], bool], running: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so, while a process runs that is to bring it about."""
    end = time.monotonic() + 120
    while not condition():
        if running is not None and running.poll() is not None and not condition():
            raise AssertionError(f"the run ended first: {running.communicate()}")
        if time.monotonic() > end:
            raise AssertionError("it never came to that")
        time.sleep(0.001)


def _run_words(recipe: Path, out: Path) -> tuple[str, ...]:
    return "run", str(recipe), "--out", str(out), "--set", "run.max_failed_fraction=0.02"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def files_of(out: Path, stages: Sequence[str] = STAGES) -> dict[str, str]:
    """Every file below the stage folders, with its digest."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for stage in stages
        for path in sorted((out / stage).rglob("*"))
        if path.is_file()
    }


def manifest(out: Path, stage: str) -> dict:
    """The one manifest of a stage."""
    (path,) = (out / stage).glob("*/manifest.json")
    return json.loads(path.read_text())
