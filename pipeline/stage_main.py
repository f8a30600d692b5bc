"""Run one stage alone: what ``python -m beam_jobs.<job>`` does.

Workers import the job modules, hence this one: what only the command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def stage_main(stage: str, argv: Sequence[str] | None = None) -> None:
    """Run a stage of a recipe whose inputs are finished; flags that we do not know go to Beam.

    Args:
        stage: Its name.
        argv: Command line without the program; None = that of this process.
    """
    from pipeline.exit_codes import run_and_exit

    parser = argparse.ArgumentParser(
        description=f"Run the {stage} stage of a recipe; the stages it reads must be finished.",
        epilog="Other flags go to Beam. Example: recipe.toml --out out/ --set run.workers=2",
    )
    parser.add_argument("recipe", help="TOML file")
    parser.add_argument("--out", required=True, help="output folder")
    parser.add_argument("--input-root", help="folder that relative input paths start from")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    known, beam_options = parser.parse_known_args(argv)
    run_and_exit(lambda: _run(stage, known, beam_options))


def _run(stage: str, known: argparse.Namespace, beam_options: list[str]) -> None:
    from pipeline.conduct import run_recipe
    from pipeline.recipe import load_recipe

    run_recipe(load_recipe(known.recipe, known.set, known.input_root), known.out, stage, beam_options)
