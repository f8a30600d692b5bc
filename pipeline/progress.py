"""How far a stage is: one line that renews itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

_PLAIN_EVERY_S = 10.0


def human(number: float) -> str:
    """A number in three figures, as 41k or 1.9M."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < 999.5:  # which three figures round up
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}P"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


class Progress:
    """Show done / total, rate and time left of one step after another."""

    def __init__(self, stream: TextIO | None = None) -> None:
        # a copy of the descriptor: while Beam runs, number 2 itself goes to a log file
        self._stream = stream or os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self._terminal = self._stream.isatty()
        self._label, self._started, self._shown = "", time.monotonic(), 0.0

    def start(self, label: str) -> None:
        """Begin a step."""
        self._label, self._started, self._shown = label, time.monotonic(), time.monotonic()

    def update(self, done: int, total: int, rows: float = 0, before: int = 0, unit: str = "shards") -> None:
        """Say how far the step is; cheap to call often.

        Args:
            done: Finished shards, those of an earlier run included.
            total: All shards.
            rows: Documents of the shards finished since the step began.
            before: Shards that were finished before it began, and say nothing of its rate.
            unit: What is counted in place of shards.
        """
        elapsed = max(time.monotonic() - self._started, 1e-9)
        parts = [f"{self._label} {done:,}/{total:,} {unit}"]
        if rows:
            parts.append(f"{human(rows)} docs  {human(rows / elapsed)} docs/s")
        if before < done < total:
            parts.append(f"eta {duration(elapsed * (total - done) / (done - before))}")
        self.say("  ".join(parts))

    def say(self, line: str) -> None:
        """Say how far a step is in its own words; cheap to call often."""
        now = time.monotonic()
        if now - self._shown >= (0.2 if self._terminal else _PLAIN_EVERY_S):
            self._shown = now
            self._write(line)

    def finish(self, line: str) -> None:
        """End the step with its one summary line."""
        if self._terminal:
            self._stream.write(f"\r\x1b[K{line}\n")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()
