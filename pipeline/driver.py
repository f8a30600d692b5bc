"""Runs the stages of a recipe: what is up to date, what goes on from its receipts, what starts afresh; commits them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import storage
from pipeline.accounting import first_failed
from pipeline.config import Recipe, RecipeError, canonical_json
from pipeline.evaluation_files import check_evaluation
from pipeline.manifest import (
    MANIFEST,
    AccountingError,
    Counts,
    TooManyFailedError,
    Workspace,
    build_manifest,
    total_counts,
    write_manifest,
)
from pipeline.progress import Progress, duration
from pipeline.run_state import RunState
from pipeline.stage_run import StageError, StageRun
from pipeline.stages import PlannedStage, plan


def default_workers(memory_gb: float) -> int:
    """One worker process a core, as far as memory goes at 1 GB each (0.3 to 0.5 GB were measured); at least one."""
    memory = memory_gb * 1e9 or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, int(memory / 1e9)))


@dataclass
class Outcome:
    """What a run did."""

    ran: list[str]
    skipped: list[str]
    seconds: float


class Driver:
    """Runs the stages of one recipe into one output folder."""

    def __init__(
        self, recipe: Recipe, out: str, runner: str, beam_options: Sequence[str] = (), progress: Progress | None = None
    ) -> None:
        # workers may stand in another folder
        self._recipe, self._runner = recipe, runner
        self._out = out = storage.normalised(out)
        self._beam_options = tuple(beam_options)
        self._progress = progress or Progress()
        self.planned = plan(recipe, out)
        self._check_extras()
        self._check_rules()
        self._workers = recipe.run.workers or default_workers(recipe.run.memory_gb)

    def _check_extras(self) -> None:
        for planned in self.planned:
            needed = planned.stage.modules(self._recipe)
            missing = [name for name in needed if importlib.util.find_spec(name.split(".")[0]) is None]
            if missing:
                raise RecipeError(
                    f"stage {planned.name} needs {', '.join(missing)}: pip install 'massivetext[{planned.name}]'"
                )

    def _check_rules(self) -> None:
        from pipeline.config_checks import check

        check(self._recipe)

    def check_disk(self) -> None:
        """Refuse to start on a disk that cannot hold the output; a run with nothing to do needs none.

        Raises:
            RecipeError: Less than about three times the raw input is free.
        """
        if not storage.is_local(self._out) or not self.stale():
            return
        os.makedirs(self._out, exist_ok=True)
        raw = sum(int(file["bytes"]) for planned in self.planned for file in planned.inputs)
        needed, free = 3 * raw + 200_000_000, shutil.disk_usage(self._out).free
        if free < needed:
            raise RecipeError(
                f"{self._out} has {free / 1e9:.1f} GB free; this recipe needs about {needed / 1e9:.1f} GB "
                "(three times its raw input): choose another --out, or --limit the input"
            )

    def run(self, only: str | None = None) -> Outcome:
        """Bring every stage up to date, or ``only`` one, whose inputs must be. The caller holds the folder's lock."""
        started = time.monotonic()
        outcome = Outcome([], [], 0.0)
        stale = self.stale()
        chosen = self._chosen(only, stale)
        for planned in chosen:
            if planned.name == "decontaminate" and planned.name in stale:
                check_evaluation(planned.inputs)
        self.state = RunState(self._out)  # not before the lock is held: another driver may just have written it
        self.state.select(self._recipe.model_dump(mode="json"), {p.name: p.digest for p in self.planned})
        self._discard([planned for planned in chosen if planned.name in stale])
        self._sweep()
        for planned in chosen:
            if planned.name in stale:
                self._run_stage(planned)
                outcome.ran.append(planned.name)
            else:
                outcome.skipped.append(planned.name)
        outcome.seconds = time.monotonic() - started
        return outcome

    def _chosen(self, only: str | None, stale: set[str]) -> list[PlannedStage]:
        """The stages to bring up to date.

        Raises:
            RecipeError: ``only`` is no stage of the recipe, or reads one that is not up to date.
        """
        if only is None:
            return self.planned
        chosen = [planned for planned in self.planned if planned.name == only]
        if not chosen:
            raise RecipeError(f"--only {only}: the recipe has no such stage; it has {[p.name for p in self.planned]}")
        if missing := [read.name for read in chosen[0].reads if read.name in stale]:
            for_c4 = only == "filter" and "signals" in missing and "c4" in self._recipe.filter.rules
            why = ' ("c4" among [filter] rules has signals of its own)' if for_c4 else ""
            raise RecipeError(
                f"--only {only} reads {', '.join(missing)}, not finished or not up to date{why}; run it first, "
                "with the same --set and --limit"
            )
        return chosen

    def stale(self) -> set[str]:
        """Stages without a manifest or that read other bytes than stand there now, and all that read one of them."""
        stale: set[str] = set()
        for planned in self.planned:
            if any(read.name in stale for read in planned.reads) or not _is_current(planned):
                stale.add(planned.name)
        return stale

    def _discard(self, stages: Sequence[PlannedStage]) -> None:
        """Make stale stages start afresh, but for one that was broken off, which goes on from its receipts.

        A stage that once was committed and has no manifest now had it removed by hand: it is to be redone.
        """
        afresh: dict[str, PlannedStage] = {}
        for planned in stages:
            entry = self.state.stage(planned.name, planned.digest)
            was_done = planned.manifest() is not None or (entry is not None and entry["state"] == "done")
            if was_done or any(read.name in afresh for read in planned.reads):
                afresh[planned.name] = planned
        for planned in reversed(afresh.values()):  # killed in between, the rest still tells that it must go
            storage.remove(storage.join(planned.folder, MANIFEST))  # first: what has one is whole
            storage.remove(planned.folder)
            storage.remove(self._space(planned).work)
            self.state.update(planned.name, planned.digest, state="stale")

    def _sweep(self) -> None:
        """Remove what killed attempts left half written.

        Their workers may live on for seconds: then one of them fails where it would have renamed its file.
        """
        scratch = self._space(self.planned[0]).scratch
        for name in storage.list_files(scratch):
            with contextlib.suppress(FileNotFoundError):
                storage.remove(storage.join(scratch, name))

    def _space(self, planned: PlannedStage) -> Workspace:
        return Workspace(
            folder=planned.folder,
            scratch=storage.join(self._out, "tmp", "unfinished"),
            work=storage.join(self._out, "tmp", f"{planned.name}-{planned.digest}"),
            upstream={read.name: read.folder for read in planned.reads},
            batch_bytes=self._recipe.run.batch_bytes,
        )

    def _run_stage(self, planned: PlannedStage) -> None:
        started = time.monotonic()
        entry = self.state.stage(planned.name, planned.digest)
        attempts = (entry["attempts"] if entry else 0) + 1
        spent = entry["seconds"] if entry and entry["state"] not in ("done", "stale") else 0.0
        self.state.update(planned.name, planned.digest, state="running", attempts=attempts)
        manifests = {read.name: _required_manifest(read) for read in planned.reads}
        run = StageRun(
            stage=planned.name,
            recipe=self._recipe,
            space=self._space(planned),
            manifests=manifests,
            inputs=planned.inputs,
            runner=self._runner,
            workers=self._workers,
            beam_options=self._beam_options,
            logs=storage.join(self._out, "logs", f"{planned.name}-{planned.digest}"),
            progress=self._progress,
        )
        state = "failed"
        try:
            importlib.import_module(planned.stage.job).run(run)
            counts = self._commit(planned, run, manifests)
            state = "done"
        except RecipeError:
            raise
        except ValueError as error:  # a setting that only the data shows to be wrong, as a vocabulary too large for it
            raise StageError(f"{planned.name}: {error}") from error
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            workers, peak = run.workers_seen()
            seconds = round(spent + time.monotonic() - started, 3)
            self.state.update(
                planned.name, planned.digest, state=state, seconds=seconds, peak_memory_bytes=peak, workers=workers
            )
        self._progress.finish(f"{planned.name}: {summary(counts)}  in {duration(seconds)}")

    def _commit(self, planned: PlannedStage, run: StageRun, manifests: Mapping[str, Any]) -> dict[str, Counts]:
        """Check the sums, then make the stage real."""
        try:
            counts = total_counts(run.receipts, self._recipe.run.max_failed_fraction, planned.name)
        except TooManyFailedError as error:
            rows = first_failed(planned.folder, run.receipts, error.subset)
            raise AccountingError("\n  ".join([f"{error}. The first:", *rows])) from None
        if before := planned.stage.follows:
            check_chain(planned.name, counts, before, manifests[before]["counts"])
        read = [_manifest_input(read) for read in planned.reads]
        # those of an input are digested whole by the shards that read them
        read += [_raw_input(file) for file in planned.inputs if "input" not in file]
        manifest = build_manifest(
            planned.name,
            planned.digest,
            planned.stage.format_version,
            planned.config,
            read,
            run.receipts,
            counts,
        )
        write_manifest(planned.folder, manifest, run.space.scratch)
        storage.remove(run.space.work)
        return counts


def check_chain(name: str, counts: Mapping[str, Counts], before: str, produced: Mapping[str, Any]) -> None:
    """Check that what the stage before produced is what entered here.

    Raises:
        AccountingError: A subset gained or lost documents between the two.
    """
    for subset in sorted({*counts, *produced}):
        entered = counts[subset].entered if subset in counts else 0
        expected = produced[subset]["produced"] if subset in produced else 0
        if entered != expected:
            raise AccountingError(
                f"{name}, {subset}: {before} produced {expected}, but {entered} entered; nothing is committed"
            )


def _is_current(planned: PlannedStage) -> bool:
    """Whether a stage is finished, from what the stages before hold now: a crawl done again has other pages."""
    manifest = planned.manifest()
    return manifest is not None and all(_manifest_input(read) in manifest["inputs"] for read in planned.reads)


def _required_manifest(planned: PlannedStage) -> dict[str, Any]:
    manifest = planned.manifest()
    if manifest is None:
        raise RecipeError(f"stage {planned.name} is not finished; run it first, or leave out --only")
    return manifest


def _manifest_input(planned: PlannedStage) -> dict[str, Any]:
    """A stage's manifest as an input: digested without its versions, which alone may differ between Pythons."""
    manifest = {key: value for key, value in _required_manifest(planned).items() if key != "versions"}
    text = canonical_json(manifest).encode()
    path = f"{planned.name}/{planned.digest}/{MANIFEST}"
    return {"path": path, "sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}


def _raw_input(file: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": file["path"], "sha256": storage.sha256_file(file["full_path"]), "bytes": file["bytes"]}


def summary(counts: Mapping[str, Counts]) -> str:
    """One line: how much entered, stayed, was dropped and failed."""
    if not counts:
        return "done"
    total = Counts("", 0, 0, {}, 0, 0)
    for one in counts.values():
        total = total + Counts("", one.entered, one.kept, one.dropped, one.failed, one.produced)
    unit = next(iter(counts.values())).unit
    dropped = sum(total.dropped.values())
    return f"{total.entered:,} {unit}, {total.kept:,} kept, {dropped:,} dropped, {total.failed:,} failed"
