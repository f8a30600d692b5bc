"""Run a recipe as a command does: lock, stages, report, and one closing line."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import storage
from pipeline.config import Recipe, digest
from pipeline.driver import Driver, Outcome
from pipeline.dropped import write_dropped
from pipeline.finished import finished_stages
from pipeline.progress import Progress, duration
from pipeline.report import write_report
from pipeline.run_state import locked
from pipeline.runners import runner_name
from pipeline.stage_run import StageError
from pipeline.verify import differing_files


def run_recipe(
    recipe: Recipe, out: str, only: str | None = None, beam_options: Sequence[str] = (), verify: bool = False
) -> Outcome:
    """Bring a run up to date.

    Args:
        recipe: What to run.
        out: The output folder.
        only: One stage alone; None = all.
        beam_options: Handed to Beam as they are.
        verify: First compare every finished file, and the raw input, with the sha256 in the manifests.

    Raises:
        RecipeError: The recipe, runner or folder is refused; nothing was done.
        LockedError: Another driver works on the folder.
        StageError, AccountingError: A file differs from its manifest, or a stage failed; what was finished stands.
    """
    progress = Progress()
    driver = Driver(recipe, out, runner_name(recipe.run.runner), beam_options, progress)
    driver.check_disk()
    with locked(out):
        if verify:
            _verify(driver, progress)
        outcome = driver.run(only)
        _write_views(driver, recipe, out, progress)
    page = storage.join(out, "report", "index.html")
    if outcome.ran:
        print(f"done in {duration(outcome.seconds)}: ran {', '.join(outcome.ran)}; report: {page}")
    else:
        print(f"nothing to do: all {len(outcome.skipped)} stages are up to date; report: {page}")
    return outcome


def _verify(driver: Driver, progress: Progress) -> None:
    problems = differing_files(driver.planned, progress)
    if problems:
        advice = "bring the files back, or remove the stage's manifest.json to have it done again"
        raise StageError("\n  ".join([f"{len(problems)} files differ; {advice}:", *problems]))


def _write_views(driver: Driver, recipe: Recipe, out: str, progress: Progress) -> None:
    """Write the report, and the dropped documents if asked for, unless those of these very stages are there."""
    done = {name: stage.folder.rpartition("/")[2] for name, stage in finished_stages(out).items()}
    views = {"report": digest([done, recipe.report.model_dump()]), "dropped": digest(done)}
    written = driver.state.data.get("views", {})
    if written.get("report") != views["report"]:
        write_report(out)
    if recipe.run.keep_dropped_text and written.get("dropped") != views["dropped"]:
        progress.finish(f"{write_dropped(out):,} dropped documents in {storage.join(out, 'dropped')}/")
        written = {**written, "dropped": views["dropped"]}
    driver.state.data["views"] = {**written, "report": views["report"]}
    driver.state.save()
