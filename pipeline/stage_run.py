"""One stage's run as its job module sees it: the recipe, the folders, and ways to run shards and steps."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipeline import storage
from pipeline.config import Recipe
from pipeline.manifest import AccountingError, Receipt, ShardTask, Workspace, finished_receipt, write_receipt
from pipeline.progress import Progress

if TYPE_CHECKING:  # Beam takes a second to import, and a run with nothing to do needs none of it
    from beam_jobs.shard_map import ShardMap

_POLL_S = 0.2
_ACCOUNTING = f"{AccountingError.__module__}.{AccountingError.__name__}: "


class StageError(RuntimeError):
    """A stage that could not finish; the message says where and what to do."""


@dataclass
class StageRun:
    """What a job module's ``run`` is given; it returns when every receipt of the stage is written.

    Attributes:
        stage: Its name.
        recipe: The whole recipe.
        space: The stage's folders and those of the stages it reads.
        manifests: Of the stages it reads.
        inputs: Raw files the stage reads, as the plan found them (``path``, ``bytes``, ``fingerprint``, ``full_path``).
        runner: As Beam names it.
        workers: Worker processes.
        beam_options: Handed to Beam as they are.
        logs: Folder of this stage's worker notes.
        progress: Tells the user.
        receipts: Of the finished shards, in order: what the manifest is made of.
    """

    stage: str
    recipe: Recipe
    space: Workspace
    manifests: Mapping[str, dict[str, Any]]
    inputs: Sequence[Mapping[str, Any]]
    runner: str
    workers: int
    beam_options: tuple[str, ...]
    logs: str
    progress: Progress
    receipts: list[Receipt] = field(default_factory=list)

    def intermediate(self) -> Workspace:
        """A workspace for what the stage needs between its steps; not part of its output."""
        return replace(self.space, folder=self.space.work)

    def map_shards(
        self, tasks: Sequence[ShardTask], shard_map: ShardMap, rows_a_worker: int | None = None
    ) -> list[Receipt]:
        """Run a map step as a Beam job, but for the shards that have a receipt.

        Args:
            tasks: All shards of the step.
            shard_map: What to do with a shard. With the workspace ``intermediate()`` the step only prepares another,
                and its receipts stay out of the manifest.
            rows_a_worker: Documents for which a worker process is worth its start, which takes seconds; None = those
                of any shard. Where one worker is enough, it is this process.

        Returns:
            The receipts of all tasks, in their order.
        """
        where = shard_map.space
        left = [task for task in tasks if finished_receipt(where.folder, task.name) is None]
        label = " ".join(filter(None, (self.stage, tasks[0].step if tasks else "")))
        if left:
            engine = self._engine(min(self.workers, _most_workers(left, rows_a_worker)))
            self._run_job(label, left, len(tasks), shard_map, engine)
        receipts = [finished_receipt(where.folder, task.name) for task in tasks]
        missing = [task.name for task, receipt in zip(tasks, receipts, strict=True) if receipt is None]
        if missing:
            raise StageError(f"{label}: no receipt for shards {missing[:5]}; the runner lost them, run again")
        found = [receipt for receipt in receipts if receipt is not None]
        if where.folder == self.space.folder:
            self.receipts += found
        return found

    def _run_job(self, label: str, tasks: Sequence[ShardTask], total: int, shard_map: ShardMap, engine: Any) -> None:
        from beam_jobs.shard_map import run_shards

        unread, rows, before = {f"{task.name}.json" for task in tasks}, 0, total - len(tasks)

        def poll() -> None:
            nonlocal rows
            for name in unread.intersection(storage.list_files(self.logs)):
                unread.remove(name)
                rows += self._note(name)["rows"]
            self.progress.update(total - len(unread), total, rows, before)

        for name in unread:
            storage.remove(storage.join(self.logs, name))
        self._watched(label, lambda: run_shards(engine, tasks, shard_map), poll)

    def run_pipeline(self, label: str, build: Callable[[Any], Any]) -> None:
        """Run a meeting step: ``build`` adds transforms to an empty Beam pipeline."""
        from beam_jobs.shard_map import run_pipeline

        self._watched(f"{self.stage} {label}", lambda: run_pipeline(self._engine(self.workers), build), lambda: None)

    def run_once(self, task: ShardTask, function: Callable[[], Receipt], space: Workspace | None = None) -> Receipt:
        """Run a step that has no shards, here in the driver, unless its receipt is there."""
        from beam_jobs.shard_map import note_finished

        where = space or self.space
        receipt = finished_receipt(where.folder, task.name)
        if receipt is None:
            started = time.monotonic()
            receipt = function()
            receipt.check()
            write_receipt(where, receipt)
            note_finished(self.logs, where.scratch, receipt, time.monotonic() - started)
        if space is None:
            self.receipts.append(receipt)
        return receipt

    def _engine(self, workers: int) -> Any:
        from beam_jobs.shard_map import Engine

        return Engine(self.runner, workers, self.beam_options)

    def _note(self, name: str) -> dict[str, Any]:
        """What a worker left about a shard it finished."""
        note: dict[str, Any] = json.loads(storage.read_bytes(storage.join(self.logs, name)))
        return note

    def workers_seen(self) -> tuple[dict[str, int], int]:
        """Shards written by each worker, and the largest peak memory of one in bytes."""
        notes = [self._note(name) for name in storage.list_files(self.logs) if name.endswith(".json")]
        shards = Counter(note["worker"] for note in notes)
        return dict(sorted(shards.items())), max((note["peak_memory_bytes"] for note in notes), default=0)

    def _watched(self, label: str, job: Callable[[], None], poll: Callable[[], None]) -> None:
        """Run Beam, which blocks, and tell meanwhile how far it is.

        Raises:
            StageError: The job failed, or lost a worker process; what is finished has its receipts.
            AccountingError: The sums of a shard do not balance.
        """
        self.progress.start(label)
        log, poll = storage.join(self.logs, "beam.log"), _sparing(poll)
        try:
            with _stderr_to(log):
                _run_beside(job, poll) if self.runner == "FnApiRunner" else _run_here(job, poll)
        except Exception as error:
            said = _innermost(error)  # another process's error comes as text alone
            kind = AccountingError if isinstance(error, AccountingError) or _ACCOUNTING in said else StageError
            raise kind(f"{label} failed: {said}; see {log}") from error


def _most_workers(tasks: Sequence[ShardTask], rows_a_worker: int | None) -> int:
    """How many worker processes have enough to do."""
    if rows_a_worker is None:
        return len(tasks)
    rows = sum(int(task.inputs[0]["rows"]) for task in tasks)
    return min(len(tasks), max(1, rows // rows_a_worker))


def _sparing(poll: Callable[[], None]) -> Callable[[], None]:
    """Leave a poll out as long as it would take more than a twentieth of the time: long folders are slow to list."""
    due = 0.0

    def poll_if_due() -> None:
        nonlocal due
        started = time.monotonic()
        if started >= due:
            poll()
            ended = time.monotonic()
            due = ended + 19 * (ended - started)

    return poll_if_due


def _run_beside(job: Callable[[], None], poll: Callable[[], None]) -> None:
    """Run the local runner in a thread: it would wait for its workers before it heeds Ctrl-C, and for lost ones too."""
    from beam_jobs.shard_map import lost_workers

    failure: list[BaseException] = []

    def work() -> None:
        try:
            job()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True, name="beam")
    with lost_workers() as lost:
        thread.start()
        while thread.is_alive() and not lost:
            thread.join(_POLL_S)
            poll()
        if failure:
            raise failure[0]
        if thread.is_alive():
            raise StageError(f"lost a worker: {lost[0]} (137 = killed, as when memory is short); run again to go on")


def _run_here(job: Callable[[], None], poll: Callable[[], None]) -> None:
    """Run another runner in the main thread, which it wants for its signal handlers."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_POLL_S):
            poll()

    watcher = threading.Thread(target=watch, daemon=True, name="progress")
    watcher.start()
    try:
        job()
    finally:
        finished.set()
        watcher.join()


def _innermost(error: BaseException) -> str:
    """The last line of an error that Beam may have wrapped several times over."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


@contextlib.contextmanager
def _stderr_to(path: str) -> Iterator[None]:
    """Send what Beam and its worker processes print to a file; our own progress keeps the terminal.

    Workers inherit file descriptor 2, so it is the descriptor that must change.
    """
    if not storage.is_local(path):
        yield
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    saved = os.dup(2)
    with open(path, "ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
