"""Run a recipe as a command does: lock, stages, report, and one closing line."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import storage
from pipeline.config import Recipe
from pipeline.dropped import write_dropped
from pipeline.progress import Progress, duration
from pipeline.report import write_report
from pipeline.run_state import locked
from pipeline.runners import runner_name
from pipeline.stages import Driver, Outcome


def run_recipe(recipe: Recipe, out: str, only: str | None = None, beam_options: Sequence[str] = ()) -> Outcome:
    """Bring a run up to date.

    Raises:
        RecipeError: The recipe, runner or folder is refused; nothing was done.
        LockedError: Another driver works on the folder.
        StageError, AccountingError: A stage failed; what was finished before it stands.
    """
    progress = Progress()
    driver = Driver(recipe, out, runner_name(recipe.run.runner), beam_options, progress)
    driver.check_disk()
    page = storage.join(out, "report", "index.html")
    with locked(out):
        outcome = driver.run(only)
        if outcome.ran or not storage.exists(page):
            write_report(out)
        if outcome.ran and recipe.run.keep_dropped_text:
            progress.finish(f"{write_dropped(out):,} dropped documents in {storage.join(out, 'dropped')}/")
    if outcome.ran:
        print(f"done in {duration(outcome.seconds)}: ran {', '.join(outcome.ran)}; report: {page}")
    else:
        print(f"nothing to do: all {len(outcome.skipped)} stages are up to date; report: {page}")
    return outcome
