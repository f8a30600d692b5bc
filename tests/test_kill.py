"""Kill -9 of the driver and of worker processes, in every stage, at exact moments; then the next run goes on.

A ``sitecustomize`` on the path of the program's processes holds a run where it would write its next receipt (or
another chosen file), so that a kill does not depend on how fast anything is; and it gives every stage its workers, for
which the filter would want more documents. No process but those started here is ended; workers of a killed driver end
by themselves, which is waited for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from small_run import REPOSITORY, STAGES, files_of, run, start, wait_for, write_input

from pipeline.run_state import LockedError, locked
from pipeline.site_server import serve

pytestmark = pytest.mark.slow

GATE = '''
import contextlib, fcntl, os, re, time

from pipeline import stage_run, storage
from trainer.metrics import MetricsFile

stage_run._most_workers = lambda tasks, rows_a_worker: len(tasks)  # however few documents they have
folder, what, after = os.environ["GATE_FOLDER"], os.environ["GATE_WHAT"], int(os.environ["GATE_AFTER"])


@contextlib.contextmanager
def gate(name):
    """Let so many through, one at a time; the next one waits until it is let go, or killed."""
    if re.search(os.environ["GATE_WHILE_HELD"], name) and os.path.exists(f"{folder}/held"):
        with open(f"{folder}/stuck", "w"):
            time.sleep(600)
    if not re.search(what, name):
        yield
        return
    with open(f"{folder}/written", "a+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        if len(log.readlines()) >= after:
            with open(f"{folder}/held", "w") as held:
                held.write(f"{os.getpid()}\\n")
            while not os.path.exists(f"{folder}/open"):
                time.sleep(0.002)
        yield
        log.write(f"{name}\\n")


atomic_writer, remove, append = storage.atomic_writer, storage.remove, MetricsFile.append


@contextlib.contextmanager
def gated_writer(path, scratch):
    with gate(path), atomic_writer(path, scratch) as stream:
        yield stream


def gated_remove(path):
    with gate(f"remove {path}"):
        remove(path)


def gated_append(self, row):
    with gate(f"step {row['step']}"):
        append(self, row)


storage.atomic_writer, storage.remove, MetricsFile.append = gated_writer, gated_remove, gated_append
'''
RECEIPTS = r"^(?!remove).*/_shards/"
NOTHING = "$^"
ALL = 1_000_000
STARTED: list[Gated] = []  # by the present test


class Gated:
    """A run that stops by itself before it writes more than ``after`` files whose path matches ``what``.

    ``step N`` is a line of the metrics, ``remove PATH`` the removal of a file or folder. What matches ``while_held``
    gets stuck as long as a process is held.
    """

    def __init__(
        self,
        recipe: Path,
        out: Path,
        after: int,
        *arguments: str,
        what: str = RECEIPTS,
        while_held: str = NOTHING,
    ) -> None:
        self._folder = out.parent / f"gate-{len(list(out.parent.glob('gate-*')))}"
        self._folder.mkdir()
        (self._folder / "sitecustomize.py").write_text(GATE)
        gate = {"GATE_FOLDER": str(self._folder), "GATE_WHAT": what, "GATE_AFTER": str(after)}
        gate["GATE_WHILE_HELD"] = while_held
        path = os.pathsep.join((str(self._folder), str(REPOSITORY)))
        self.process = start(recipe, out, *arguments, environment={**gate, "PYTHONPATH": path})
        self._after = after
        STARTED.append(self)

    def written(self) -> list[str]:
        """What was let through."""
        path = self._folder / "written"
        return path.read_text().splitlines() if path.exists() else []

    def stuck(self) -> bool:
        """Whether the driver came to what it must not do while a process is held."""
        return (self._folder / "stuck").exists()

    def shards(self) -> list[str]:
        """Names of the receipts that were let through."""
        return [Path(path).stem for path in self.written()]

    def reached(self) -> None:
        """Wait until all are written that may be."""
        wait_for(lambda: len(self.written()) == self._after, self.process)

    def held(self) -> int:
        """Wait until a process is stopped at the gate; gives its id."""
        held = self._folder / "held"
        wait_for(lambda: held.exists() and held.read_text().endswith("\n"), self.process)
        return int(held.read_text())

    def open(self) -> None:
        """Hold nobody any more."""
        (self._folder / "open").touch()

    def ends(self, code: int = 0) -> str:
        """Wait for the end; gives what was said on stderr."""
        _, said = self.process.communicate(timeout=120)
        assert self.process.returncode == code, said
        return said

    def family(self) -> list[int]:
        """Ids of the driver's children, and theirs."""
        found, new = [], [self.process.pid]
        while new:
            new = [child for parent in new for child in children(parent)]
            found += new
        return found

    def kill_driver(self) -> list[int]:
        """Kill it as soon as the gate is reached; gives the processes that it leaves behind."""
        self.reached()
        family = self.family()
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL
        return family

    def kill_worker(self) -> list[int]:
        """Kill the worker process that the gate stopped; the driver must notice by itself, and say so."""
        worker, family = self.held(), self.family()
        assert worker in family, "the driver itself is at the gate"
        os.kill(worker, signal.SIGKILL)
        said = self.ends(1)
        assert "lost a worker" in said
        assert "Traceback" not in said
        return family


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """End what a failed test left behind."""
    STARTED.clear()
    yield
    for gated in STARTED:
        if gated.process.poll() is None:
            for pid in [gated.process.pid, *gated.family()]:
                os.kill(pid, signal.SIGKILL)
            gated.process.communicate()


def children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def state_of(pid: int) -> str:
    """One letter; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(family: Sequence[int]) -> None:
    """Wait until processes have ended by themselves."""
    wait_for(lambda: not any(state_of(pid) not in ("", "Z") for pid in family))


class Line(NamedTuple):
    """A recipe and its undisturbed run."""

    recipe: Path
    out: Path
    receipts: list[str]  # in the order of writing, by one worker

    def shards(self, stage: str) -> list[str]:
        """A stage's shards; those of the steps before its last one have their receipts in ``tmp``."""
        places = (f"{self.out}/{stage}/", f"{self.out}/tmp/{stage}-")
        return [Path(path).stem for path in self.receipts if path.startswith(places)]

    def before(self, stage: str, folder: Path) -> Path:
        """A copy in which everything before a stage is finished."""
        entries = json.loads((self.out / "run.json").read_text())
        names = list(entries["stages"])
        done = names[: names.index(stage)]
        out = folder / "out"
        out.mkdir(parents=True)
        for name in done:
            shutil.copytree(self.out / name, out / name)
        entries["stages"] = {name: entries["stages"][name] for name in done}
        (out / "run.json").write_text(json.dumps(entries))
        return out


def finished_line(recipe: Path, out: Path, *arguments: str) -> Line:
    undisturbed = Gated(recipe, out, ALL, "--workers", "1", *arguments)
    undisturbed.ends()
    return Line(recipe, out, undisturbed.written())


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    folder = tmp_path_factory.mktemp("line")
    return finished_line(write_input(folder), folder / "out")


def receipts_of(out: Path, stage: str) -> dict[str, Path]:
    paths = [*(out / stage).glob("*/_shards/*.json"), *(out / "tmp").glob(f"{stage}-*/_shards/*.json")]
    return {path.stem: path for path in paths}


def finished_files(out: Path, stage: str) -> dict[Path, tuple[int, int]]:
    """Receipts and the files behind them, each with what a rewrite would change."""
    found = {}
    for path in receipts_of(out, stage).values():
        outputs = [path.parents[1] / output["path"] for output in json.loads(path.read_text())["outputs"]]
        for file in (path, *outputs):
            found[file] = (file.stat().st_ino, file.stat().st_mtime_ns)
    return found


def check_untouched(out: Path, before: dict[Path, tuple[int, int]]) -> None:
    """Files are still the same; only those of a committed stage's work folder may be gone."""
    for path, stat in before.items():
        if path.exists() or not path.is_relative_to(out / "tmp"):
            assert (path.stat().st_ino, path.stat().st_mtime_ns) == stat, path


def in_driver(shard: str) -> bool:
    """Whether a step has no shards, and so no worker."""
    return "all-00000-of-00001" in shard


def moments(shards: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many receipts there are after the first and the next-to-last shard, for driver and worker."""
    by_worker = [number for number, shard in enumerate(shards) if not in_driver(shard)]
    return {
        ("driver", "first"): 1,
        ("driver", "next-to-last"): len(shards) - 1,
        ("worker", "first"): by_worker[0] + 1,
        ("worker", "next-to-last"): by_worker[-1],
    }


def kill(line: Line, out: Path, stage: str, victim: str, moment: str) -> list[int]:
    """Run a stage, two workers, until so many of its shards are finished, and kill; gives what is left to end."""
    present = receipts_of(out, stage)
    before = finished_files(out, stage)
    target = moments(line.shards(stage))[victim, moment]
    gated = Gated(line.recipe, out, target - len(present), "--workers", "2", "--only", stage)
    family = gated.kill_driver() if victim == "driver" else gated.kill_worker()
    assert len(receipts_of(out, stage)) == target
    assert not set(gated.shards()) & set(present), "a shard with a receipt was done again"
    check_untouched(out, before)
    return family


def disturbed(line: Line, stage: str, folder: Path, kills: Sequence[tuple[str, str]], *last: str) -> None:
    """Kill a stage's run several times, each going on where the last one was broken off; then let it end."""
    out = line.before(stage, folder)
    family = [pid for victim, moment in kills for pid in kill(line, out, stage, victim, moment)]
    before, present = finished_files(out, stage), set(receipts_of(out, stage))
    gated = Gated(line.recipe, out, ALL, "--only", stage, *last)
    gated.ends()
    assert sorted(gated.shards()) == sorted(set(line.shards(stage)) - present)
    check_untouched(out, before)
    assert files_of(out, [stage]) == files_of(line.out, [stage])
    gone(family)


ORDERS = {
    "driver-worker": ((("driver", "first"), ("worker", "next-to-last")), ("--workers", "2")),
    "worker-driver": (
        (("worker", "first"), ("driver", "next-to-last")),
        ("--workers", "1", "--set", "run.batch_bytes=3000"),
    ),
}


def disturb_both_ways(line: Line, stage: str, folder: Path) -> None:
    """Driver first and worker first; each mostly waits for programs to start, so both at the same time."""
    assert sum(not in_driver(shard) for shard in line.shards(stage)) >= 4
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        chains = [
            pool.submit(disturbed, line, stage, folder / name, kills, *last) for name, (kills, last) in ORDERS.items()
        ]
    for chain in chains:
        chain.result()


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "train"])
def test_killed_stage_goes_on_to_the_same_bytes(line: Line, stage: str, tmp_path: Path) -> None:
    disturb_both_ways(line, stage, tmp_path)


# --- the stages that are unlike the others


@pytest.fixture(scope="module")
def crawl_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Three hosts with a chain of pages each, so that there are three rounds of three lists."""
    folder = tmp_path_factory.mktemp("crawl")
    hosts = [f"{name}.test" for name in "abc"]
    for host in hosts:
        for depth in range(3):
            page = folder / "site" / host / str(depth) / "index.html"
            page.parent.mkdir(parents=True)
            page.write_text(f"<p>Page {depth} of {host}.</p>" + f'<a href="/{depth + 1}/">on</a>' * (depth < 2))
    with serve(str(folder / "site")) as addresses:
        recipe = folder / "recipe.toml"
        recipe.write_text(
            f"""
            [run.crawl_addresses]
            {"".join(f'"{host}" = "{address}"{chr(10)}' for host, address in addresses.items())}
            [[input]]
            subset = "massiveweb"
            format = "warc"
            from_crawl = true

            [crawl]
            seeds = {[f"http://{host}/0/" for host in hosts]}
            user_agent = "FooBot/1.0 (+https://example.org/bot)"
            clock = "2026-01-01T00:00:00Z"
            delay_s = 0.1
            hosts_per_list = 1
            """
        )
        yield finished_line(recipe, folder / "out", "--only", "crawl")


def test_killed_crawl_goes_on_to_the_same_bytes(crawl_line: Line, tmp_path: Path) -> None:
    assert len(crawl_line.shards("crawl")) == 3 * 3
    disturb_both_ways(crawl_line, "crawl", tmp_path)


def test_killed_training_goes_on_from_its_checkpoint(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six steps, a checkpoint after every second. Its processes compile once together; ``line`` did for itself."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    out = line.before("train", tmp_path)

    def train(after: int) -> Gated:
        return Gated(line.recipe, out, after, "--only", "train", what=f"^step |{RECEIPTS}")

    interrupted = train(1)
    interrupted.held()
    interrupted.process.send_signal(signal.SIGINT)  # is to end the step and save, but the step is held
    assert any("once more" in said for said in interrupted.process.stderr)  # a slow machine first says how far it is
    interrupted.process.send_signal(signal.SIGINT)
    interrupted.ends(130)
    between = train(3)
    between.kill_driver()
    assert between.written() == ["step 0", "step 1", "step 2"]
    before_the_receipt = train(4)
    before_the_receipt.held()
    before_the_receipt.kill_driver()
    assert before_the_receipt.written() == ["step 2", "step 3", "step 4", "step 5"]
    assert len(list((out / "train").glob("*/model.safetensors"))) == 1
    last = train(ALL)
    last.ends()
    assert [Path(path).stem for path in last.written()] == line.shards("train")
    assert files_of(out, ["train"]) == files_of(line.out, ["train"])
    (metrics,) = (out / "train").glob("*/metrics.jsonl")
    assert [json.loads(row)["step"] for row in metrics.read_text().splitlines()] == list(range(6))


@pytest.mark.parametrize("victim", ["driver", "worker"])
def test_killed_where_batches_meet(line: Line, victim: str, tmp_path: Path) -> None:
    """Dedup's candidate pairs: a step without shards, done whole or not at all."""
    out = line.before("dedup", tmp_path)
    gated = Gated(line.recipe, out, 5, "--workers", "2", "--only", "dedup", what="/pairs/")
    family = gated.kill_driver() if victim == "driver" else gated.kill_worker()
    assert receipts_of(out, "dedup") == {}
    run(line.recipe, out, "--workers", "2", "--only", "dedup")
    assert files_of(out, ["dedup"]) == files_of(line.out, ["dedup"])
    gone(family)


# --- what else may happen around a kill


def test_workers_of_a_killed_driver_may_write_after_the_next_run_has_ended(line: Line, tmp_path: Path) -> None:
    out = line.before("signals", tmp_path)
    killed = Gated(line.recipe, out, 1, "--workers", "2", "--only", "signals")
    killed.held()
    family = killed.family()
    for pid in family:
        os.kill(pid, signal.SIGSTOP)  # or they would end within seconds
    killed.kill_driver()
    run(line.recipe, out, "--workers", "2", "--only", "signals")
    assert {state_of(pid) for pid in family} == {"T"}, "the run waited for them"
    killed.open()
    for pid in family:
        os.kill(pid, signal.SIGCONT)
    gone(family)
    assert len(killed.written()) > 1, "nobody wrote late"
    assert files_of(out, ["signals"]) == files_of(line.out, ["signals"])
    said = run(line.recipe, out, "--only", "signals").stdout
    assert "nothing to do" in said


def test_shard_whose_file_was_cut_is_done_again(line: Line, tmp_path: Path) -> None:
    out = line.before("extract", tmp_path)
    gone(kill(line, out, "extract", "driver", "next-to-last"))
    shard, receipt = sorted(receipts_of(out, "extract").items())[0]
    path = receipt.parents[1] / json.loads(receipt.read_text())["outputs"][0]["path"]
    os.truncate(path, path.stat().st_size - 1)
    leftover = out / "tmp" / "unfinished" / "of-a-killed-writer"
    leftover.write_bytes(b"half a shard")
    missing = set(line.shards("extract")) - set(receipts_of(out, "extract"))
    last = Gated(line.recipe, out, ALL, "--only", "extract", "--workers", "1")
    last.ends()
    assert sorted(last.shards()) == sorted({shard, *missing})
    assert files_of(out, ["extract"]) == files_of(line.out, ["extract"])
    assert not leftover.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_interrupted_and_once_more_while_it_saves_its_state(line: Line, workers: str, tmp_path: Path) -> None:
    out = line.before("signatures", tmp_path)
    gated = Gated(line.recipe, out, 1, "--workers", workers, "--only", "signatures", while_held="/run.json$")
    gated.held()
    family = gated.family()
    gated.process.send_signal(signal.SIGINT)
    wait_for(gated.stuck, gated.process)
    gated.process.send_signal(signal.SIGINT)
    assert "Traceback" not in gated.ends(130)
    run(line.recipe, out, "--workers", "2", "--only", "signatures")
    assert files_of(out, ["signatures"]) == files_of(line.out, ["signatures"])
    gone(family)


def test_second_driver_is_refused_while_the_first_lives_and_not_a_moment_longer(line: Line, tmp_path: Path) -> None:
    out = line.before("signatures", tmp_path)
    first = Gated(line.recipe, out, 1, "--workers", "2", "--only", "signatures")
    first.reached()
    second = run(line.recipe, out, "--only", "signatures", check=False)
    assert (second.returncode, f"is in use by process {first.process.pid} " in second.stderr) == (2, True)
    family = first.family()
    first.process.kill()
    wait_for(lambda: state_of(first.process.pid) == "Z")  # dead, and nobody has asked for its exit code
    run(line.recipe, out, "--workers", "1", "--only", "signatures")
    assert files_of(out, ["signatures"]) == files_of(line.out, ["signatures"])
    first.process.communicate()
    gone(family)


def test_of_two_that_find_a_dead_driver_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(str(tmp_path)):
        dead = json.loads((tmp_path / ".lock").read_text()) | {"started": "1"}
    (tmp_path / ".lock").write_text(json.dumps(dead))
    quicker = locked(str(tmp_path))

    def overtaken(holder: dict) -> bool:
        monkeypatch.undo()
        quicker.__enter__()
        return False  # of the holder that was read, this stays true

    monkeypatch.setattr("pipeline.run_state._is_alive", overtaken)
    with pytest.raises(LockedError, match="in use"), locked(str(tmp_path)):
        pass
    quicker.__exit__(None, None, None)


def test_killed_while_stale_stages_are_removed(line: Line, tmp_path: Path) -> None:
    """Readers go before what they read, so that a manifest only ever stands for a whole stage of the present input."""
    out = line.before("corpus", tmp_path)
    next((out / "dedup").glob("*/manifest.json")).unlink()
    killed = Gated(line.recipe, out, 1, what=f"^remove {out}/dedup/")
    killed.held()
    killed.kill_driver()
    assert [path for path in (out / "decontaminate").rglob("*") if path.is_file()] == []
    assert len(receipts_of(out, "dedup")) == 4  # not broken off, but to be redone: these must not count
    last = Gated(line.recipe, out, ALL, "--workers", "1", "--only", "dedup")
    last.ends()
    assert sorted(last.shards()) == sorted(line.shards("dedup"))
    assert files_of(out, ["dedup"]) == files_of(line.out, ["dedup"])
