"""Times programs side by side: the same input, one core, CPU time, in rounds that take turns.

Each contender is a script of its own, run by the interpreter of its own environment: peers pin NumPy and spaCy as they
like. It loads its input, makes one pass to warm up, and waits. The rounds then go A B C, A B C, ..., so that a machine
whose speed drifts is as fast or slow to all of them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-bench"  # made by `make bench`


@dataclass(frozen=True)
class Contender:
    """One program of a comparison.

    Attributes:
        name: As the table shows it.
        script: In ``contenders/``.
        arguments: Handed to the script.
        environment: Folder below ``.venv-bench``; empty = this interpreter.
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    environment: str = ""

    def python(self) -> Path:
        """Its interpreter."""
        return ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else Path(sys.executable)


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one pass, user and system, children included, and what the pass went over."""

    cpu_s: float  # median of the rounds
    size: int  # bytes, pages or whatever the script counts


def time_contenders(contenders: Sequence[Contender], rounds: int = 5, core: int = 0) -> dict[str, Timing]:
    """Run the contenders whose environment is there; the others are named on stderr and left out.

    Raises:
        RuntimeError: A contender ended; its own words stand on stderr.
    """
    started: dict[str, subprocess.Popen[str]] = {}
    for contender in contenders:
        if contender.python().exists():
            started[contender.name] = _start(contender, core)
        else:
            print(f"left out: {contender.name}; `make bench` brings it", file=sys.stderr)
    passes: dict[str, list[Timing]] = {name: [_next_pass(name, process)] for name, process in started.items()}
    for _ in range(rounds):
        for name, process in started.items():
            passes[name].append(_next_pass(name, process))
    for process in started.values():
        process.communicate("", timeout=60)
    return {name: Timing(statistics.median(t.cpu_s for t in ts[1:]), ts[0].size) for name, ts in passes.items()}


def _start(contender: Contender, core: int) -> subprocess.Popen[str]:
    command = [str(contender.python()), str(HERE / "contenders" / contender.script), *contender.arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "BENCH_CORE": str(core),
            "PYTHONPATH": str(HERE.parents[1]) if not contender.environment else "",
        },
    )


def _next_pass(name: str, process: subprocess.Popen[str]) -> Timing:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("pass\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("{"):  # peers print words of their own
            return Timing(**json.loads(line))
    raise RuntimeError(f"{name} ended with exit code {process.wait()}")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal and for the docs."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rates(timings: Mapping[str, Timing], against: str) -> str:
    """MB/s of one core, and how many times slower than ``against`` each is."""
    best = timings[against].cpu_s / timings[against].size
    rows = [[name, f"{t.size / t.cpu_s / 1e6:.2f}", f"{t.cpu_s / t.size / best:.1f}"] for name, t in timings.items()]
    return markdown(["what", "MB/s/core", "times our cost"], rows)
