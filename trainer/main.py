"""Train on token shards by hand: ``python -m trainer.main --help``. The pipeline runs the same function as a stage."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from pipeline import storage
from pipeline.config import RecipeError
from trainer.token_run import BelowExpectation, train_on_tokens
from trainer.train import TrainingDiverged

EPILOG = """example:
  python -m trainer.main --recipe recipe.toml --tokens out/tokens/0123456789abcdef \\
      --tokenizer out/tokenizer/fedcba9876543210/tokenizer.model --out model/ --set train.steps=2000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and train.

    Returns:
        Exit code: 0 done, 1 failed, 2 refused, 130 interrupted; run again to go on.
    """
    parser = argparse.ArgumentParser(
        "python -m trainer.main",
        description="Train a model on token shards, or go on where its last checkpoint stands.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipe", required=True, help="TOML file; its [train] and [mixture] count")
    parser.add_argument("--tokens", required=True, help="folder of a tokens stage")
    parser.add_argument("--tokenizer", required=True, help="the SentencePiece model of those tokens")
    parser.add_argument("--out", required=True, help="gets the model, and checkpoints/ until it is removed")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)  # absl was there first
    for library in ("absl", "orbax", "jax"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        return _train(arguments)
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    except (BelowExpectation, TrainingDiverged, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _train(arguments: argparse.Namespace) -> int:
    from pipeline.recipe import load_recipe  # for this command alone; what else is here needs no recipe

    recipe = load_recipe(arguments.recipe, arguments.set)
    if recipe.train.steps < 1:
        raise RecipeError(f"{arguments.recipe} [train] steps is 0: there is nothing to train")
    manifest = storage.sha256_file(storage.join(arguments.tokens, "manifest.json"))
    summary, files = train_on_tokens(
        recipe.train,
        recipe.mixture,
        arguments.tokens,
        manifest,
        arguments.tokenizer,
        arguments.out,
        os.path.join(arguments.out, "tmp"),
        os.path.join(arguments.out, "checkpoints"),
    )
    for name in ("held_out_bits_per_byte", "unigram_bits_per_byte", "bigram_bits_per_byte"):
        print(f"{name:24} {'none held out' if summary[name] is None else round(summary[name], 3)}")
    print(f"{arguments.out}: {', '.join(file.path for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
