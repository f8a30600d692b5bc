"""What is not deterministic about a run: ``run.json``, and the lock that keeps a second driver out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pipeline import storage

_log = logging.getLogger(__name__)


class LockedError(RuntimeError):
    """Another driver works on the output folder; the message names it."""


def _process_start(pid: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; tells a pid from its later namesake.

    Returns:
        The time; "ended" for one that is dead and whose parent has not asked yet how it ended; None when unknown.
    """
    try:
        with open(f"/proc/{pid}/stat") as stream:
            fields = stream.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return "ended" if fields[0] in "ZX" else fields[19]


def _is_alive(holder: dict[str, Any]) -> bool:
    """Say whether a lock's holder still runs; a holder on another host is taken to."""
    if holder["host"] != socket.gethostname():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    started = _process_start(holder["pid"])
    return started is None or holder.get("started") is None or started == holder["started"]


@contextmanager
def locked(out: str) -> Iterator[None]:
    """Hold ``OUT/.lock``; the lock of a dead holder is taken over.

    Object stores have no exclusive create, so there is no lock there, and a warning says so: two drivers would write
    whole files, but each remove what the other needs.

    Raises:
        LockedError: A living driver holds it.
    """
    if not storage.is_local(out):
        _log.warning("%s is in an object store and has no lock: see that no other run writes there", out)
        yield
        return
    folder = storage.normalised(out)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, ".lock")
    mine = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _process_start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
    }
    _take(path, mine)
    try:
        yield
    finally:
        _release(path, mine)


def _take(path: str, mine: dict[str, Any]) -> None:
    unfinished = f"{path}.{storage.attempt_name()}"
    with open(unfinished, "w") as stream:
        json.dump(mine, stream)
        stream.flush()
        os.fsync(stream.fileno())  # after a power cut an empty lock would have no holder to ask for
    try:
        while True:
            try:
                os.link(unfinished, path)  # atomic, and fails when there is a lock
                return
            except FileExistsError:
                _refuse_or_break(path)
    finally:
        os.unlink(unfinished)


def _release(path: str, mine: dict[str, Any]) -> None:
    """Remove our lock; one that was removed by hand may be another driver's by now."""
    with contextlib.suppress(OSError, ValueError), open(path) as stream:
        if json.load(stream) == mine:
            os.unlink(path)


def _refuse_or_break(path: str) -> None:
    with contextlib.suppress(FileNotFoundError), open(path) as stream:
        holder = json.load(stream)
        if _is_alive(holder):
            raise LockedError(
                f"{os.path.dirname(path)} is in use by process {holder['pid']} on {holder['host']} since "
                f"{holder['since']} ({holder['command']}); wait for it or end it; if it is surely gone, remove {path}"
            )
        fcntl.flock(stream, fcntl.LOCK_EX)  # two may find the dead holder; the later must not unlink the earlier's lock
        if os.path.samestat(os.fstat(stream.fileno()), os.stat(path)):
            os.unlink(path)


class RunState:
    """``OUT/run.json``: the recipe and, for each of its stages, digest, state, seconds, memory, attempts and workers.

    What is known of stages under other digests is kept beside them, under ``earlier``: a recipe may come back.
    """

    def __init__(self, out: str) -> None:
        self._path, self._scratch = storage.join(out, "run.json"), storage.join(out, "tmp")
        self.data: dict[str, Any] = {"recipe": None, "stages": {}, "earlier": {}}
        if storage.exists(self._path):
            self.data.update(json.loads(storage.read_bytes(self._path)))

    def select(self, recipe: dict[str, Any], digests: Mapping[str, str]) -> None:
        """Make this recipe the current one, with its stages under these digests, and save if that changes anything."""
        stages, earlier = self.data["stages"], self.data["earlier"]
        known = {**earlier, **{f"{name}/{entry['digest']}": entry for name, entry in stages.items()}}
        current = {name: known.pop(f"{name}/{digest}", None) or _new(digest) for name, digest in digests.items()}
        selected = {**self.data, "recipe": recipe, "stages": current, "earlier": known}
        if selected != self.data:
            self.data = selected
            self.save()

    def stage(self, name: str, digest: str) -> dict[str, Any] | None:
        """What is known of a stage under this digest."""
        entry: dict[str, Any] | None = self.data["stages"].get(name)
        return entry if entry and entry["digest"] == digest else None

    def update(self, name: str, digest: str, **values: Any) -> None:
        """Change a stage's entry (a new digest starts a new one) and save."""
        self.data["stages"][name] = {**(self.stage(name, digest) or _new(digest)), **values}
        self.save()

    def save(self) -> None:
        """Write the file."""
        storage.write_bytes(self._path, (json.dumps(self.data, indent=1) + "\n").encode(), self._scratch)


def _new(digest: str) -> dict[str, Any]:
    """A stage of which nothing was done."""
    return {"digest": digest, "state": "new", "seconds": 0.0, "peak_memory_bytes": 0, "attempts": 0, "workers": {}}
