"""What a run tells: to a file that depends on configuration and data alone, and to people, with rates.

``metrics.jsonl``, one line a step:

- ``step``: 0 for the first.
- ``sequences``: ``[i, j]``: the batch was sequences i to j - 1 of the global order (``trainer.data``).
- ``loss``: mean cross-entropy of the batch before the step's update, nats a token.
- ``bits_per_byte``: the same, per UTF-8 byte of the batch's targets; null when they spell no byte.
- ``learning_rate``, ``gradient_norm`` (before clipping): of the step's update.
- ``held_out_bits_per_byte``: after the update; only in steps that evaluated.

No line holds a time: rates go to the log and to ``progress``.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.config import TrainConfig, canonical_json

METRICS_NAME = "metrics.jsonl"
LOG_INTERVAL_S = 10.0
log = logging.getLogger(__name__)


class MetricsFile:
    """The growing metrics of an unfinished run.

    Args:
        path: A local file; made when it is not there.
        num_steps: Lines to keep: later ones are of steps that will be done again, or torn.

    Raises:
        ValueError: Lines are missing.
    """

    def __init__(self, path: str, num_steps: int) -> None:
        self._path = path
        lines = self.finished().splitlines(keepends=True) if os.path.exists(path) else []
        if len(lines) < num_steps:
            raise ValueError(
                f"{path} has {len(lines)} of the {num_steps} steps that the checkpoint beside it has done: "
                "bring the file back, or remove the folder and train anew"
            )
        with open(path + ".cut", "wb") as stream:
            stream.writelines(lines[:num_steps])
        os.replace(path + ".cut", path)
        self._stream = open(path, "ab")  # noqa: SIM115 - open as long as the run

    def append(self, row: dict[str, Any]) -> None:
        """Add a step's line; it is in the file when this returns, if not yet on the disk."""
        self._stream.write(canonical_json(row).encode() + b"\n")
        self._stream.flush()

    def sync(self) -> None:
        """Have all lines on the disk."""
        os.fsync(self._stream.fileno())

    def finished(self) -> bytes:
        """All lines."""
        with open(self._path, "rb") as stream:
            return stream.read()


class Progress(NamedTuple):
    """One step's news, for people: it holds times."""

    step: int  # steps done
    steps: int
    loss: float  # nats a token
    bits_per_byte: float | None
    gradient_norm: float
    tokens_per_second: float  # of the steps of this process, evaluation and checkpoints included
    seconds_left: float
    held_out_bits_per_byte: float | None  # when this step evaluated

    def line(self) -> str:
        """One line for a log."""
        bits = "" if self.bits_per_byte is None else f"  {self.bits_per_byte:.3f} bits/byte"
        held_out = (
            "" if self.held_out_bits_per_byte is None else f"  held out {self.held_out_bits_per_byte:.3f} bits/byte"
        )
        return (
            f"train {self.step}/{self.steps}  loss {self.loss:.3f}{bits}{held_out}  gradient norm "
            f"{self.gradient_norm:.2f}  {self.tokens_per_second:,.0f} tokens/s  eta {self.seconds_left:.0f}s"
        )


class Clock:
    """Rate and time left, from the second step of the process on: the first one compiles."""

    def __init__(self, config: TrainConfig) -> None:
        self._config, self._first_step = config, -1
        self._started = self._logged = time.monotonic()

    def tell(self, row: dict[str, Any], progress: Callable[[Progress], None]) -> None:
        """Hand a step's news to ``progress``, and to the log when it evaluated or the last line is 10 s old."""
        now, step = time.monotonic(), row["step"]
        seconds_a_step = (now - self._started) / max(1, step - self._first_step)
        news = Progress(
            step + 1,
            self._config.steps,
            row["loss"],
            row["bits_per_byte"],
            row["gradient_norm"],
            self._config.global_batch_size * self._config.seq_len / max(seconds_a_step, 1e-9),
            seconds_a_step * (self._config.steps - step - 1),
            row.get("held_out_bits_per_byte"),
        )
        progress(news)
        if news.held_out_bits_per_byte is not None or now - self._logged > LOG_INTERVAL_S:
            log.info("%s", news.line())
            self._logged = now
        if self._first_step < 0:
            self._first_step, self._started = step, now
