"""The training loop: one device, exact resume, and a record of what every step was trained on.

A stage folder gets, at the end, ``model.safetensors`` and ``config.json`` (``trainer.model_files``) and
``metrics.jsonl``, one line a step:

- ``step``: 0 for the first.
- ``sequences``: ``[i, j]``: the batch was sequences i to j - 1 of the global order (``trainer.data``).
- ``loss``: mean cross-entropy of the batch before the step's update, nats a token.
- ``bits_per_byte``: the same, per UTF-8 byte of the batch's targets; null when they spell no byte.
- ``learning_rate``, ``gradient_norm`` (before clipping): of the step's update.
- ``held_out_bits_per_byte``: after the update; only in steps that evaluated.

No line holds a time: rates go to the log and to ``progress``. Until the end, ``metrics.jsonl`` grows beside the
checkpoints; a resumed run cuts off what was written after its checkpoint, so no step is missing or there twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from pipeline import storage
from pipeline.config import TrainConfig, canonical_json
from trainer.checkpoint import Checkpoints
from trainer.config import ModelConfig
from trainer.evaluate import held_out_bits_per_byte
from trainer.loss import bits_per_byte
from trainer.model import Gopher
from trainer.model_files import write_file, write_model
from trainer.optimizer import gopher_optimizer, learning_rate_schedule
from trainer.step import initial_state, train_step

LOG_INTERVAL_S = 10.0
METRICS_NAME = "metrics.jsonl"
log = logging.getLogger(__name__)


class TrainingDiverged(RuntimeError):
    """The loss or the gradient is no finite number any more."""


class TrainingData(NamedTuple):
    """What a run trains and is judged on.

    Attributes:
        batches_from: Given a sequence's index, yields int32 [global_batch_size, seq_len + 1] from it on, without end: a
            pure function of the index.
        piece_bytes: Integer array [vocab_size], UTF-8 bytes that each piece stands for.
        held_out: int32 [N, seq_len + 1], as ``evaluate.held_out_sequences`` gives; without rows nothing is evaluated.
        held_out_bytes: UTF-8 bytes of the held-out documents.
        digest: Of all that the sequences depend on: token manifest and mixture.
    """

    batches_from: Callable[[int], Iterator[np.ndarray]]
    piece_bytes: np.ndarray
    held_out: np.ndarray
    held_out_bytes: int
    digest: str


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
        held_out = "" if self.held_out_bits_per_byte is None else f"  held out {self.held_out_bits_per_byte:.3f} bits/byte"
        return (
            f"train {self.step}/{self.steps}  loss {self.loss:.3f}{bits}{held_out}  gradient norm "
            f"{self.gradient_norm:.2f}  {self.tokens_per_second:,.0f} tokens/s  eta {self.seconds_left:.0f}s"
        )


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        model: The trained model.
        num_tokens: Targets trained on.
        held_out_bits_per_byte: At the end; None without held-out text.
        outputs: The files written, in the order model, configuration, metrics.
    """

    model: Gopher
    num_tokens: int
    held_out_bits_per_byte: float | None
    outputs: tuple[storage.OutputFile, ...]


def train(
    config: TrainConfig,
    data: TrainingData,
    folder: str,
    scratch: str,
    checkpoints: str,
    progress: Callable[[Progress], None] = lambda news: None,
) -> TrainResult:
    """Train a model, or go on where its latest checkpoint stands.

    The result is a function of the configuration and the data: bit for bit on one machine, whether or not the run was
    interrupted. Ctrl-C lets the step end, saves a checkpoint and raises ``KeyboardInterrupt``; a second one doesn't wait.

    Args:
        config: ``[train]`` of the recipe, with at least one step.
        data: What to train on.
        folder: Gets the three files at the end, each atomically.
        scratch: As in ``storage.atomic_writer``.
        checkpoints: A local folder outside any stage folder.
        progress: Called after each step.

    Raises:
        TrainingDiverged: Loss or gradient norm became infinite or NaN; names step, sequences and last good checkpoint.
        ValueError: The checkpoints there are of other data, or the batches don't have the configured shape.
    """
    model = ModelConfig.of(config.model, len(data.piece_bytes), config.seq_len, config.activation_dtype)
    log.info("training %s: %s parameters, %d steps", config.model, f"{model.num_parameters:,}", config.steps)
    with Checkpoints(checkpoints, data.digest) as saved, deferred_interrupt() as interrupt:
        run = _Run(config, model, data, saved)
        run.go_on(progress, interrupt)
    metrics = run.metrics.finished()
    files = write_model(run.state.params, model, config, folder, scratch)
    metrics_file = write_file(folder, METRICS_NAME, metrics, config.steps, scratch)
    last = json.loads(metrics.splitlines()[-1])
    num_tokens = last["sequences"][1] * config.seq_len
    return TrainResult(run.model(), num_tokens, last.get("held_out_bits_per_byte"), (*files, metrics_file))


class _Run:
    """A run between two steps: its state, how far it is, and where its checkpoints and metrics are."""

    def __init__(self, config: TrainConfig, model: ModelConfig, data: TrainingData, saved: Checkpoints) -> None:
        self._config, self._data, self._saved = config, data, saved
        self._optimizer = gopher_optimizer(config)
        self._learning_rates = np.asarray(learning_rate_schedule(config)(np.arange(config.steps)))
        self._graphdef, self.state = initial_state(model, self._optimizer, config.seed)
        self._done, self._next_sequence = 0, 0
        if (restored := saved.restore(self.state)) is not None:
            self.state, place = restored
            self._done, self._next_sequence = place.step, place.next_sequence
            log.info("going on after step %d, at sequence %d", place.step, place.next_sequence)
        self.metrics = MetricsFile(os.path.join(saved.folder, METRICS_NAME), self._done)

    def model(self) -> Gopher:
        return nnx.merge(self._graphdef, self.state.params)

    def go_on(self, progress: Callable[[Progress], None], interrupt: threading.Event) -> None:
        """Train until the last step, or raise ``KeyboardInterrupt`` after the step in which ``interrupt`` was set."""
        clock = _Clock(self._config)
        with contextlib.closing(self._data.batches_from(self._next_sequence)) as batches:
            while self._done < self._config.steps:
                row = self._advance(next(batches))
                self.metrics.append(row)
                if interrupt.is_set() or self._is_due(self._config.checkpoint_steps):
                    self._checkpoint()
                clock.tell(row, progress)
                if interrupt.is_set():
                    raise KeyboardInterrupt

    def _is_due(self, interval: int) -> bool:
        return self._done % interval == 0 or self._done == self._config.steps

    def _advance(self, batch_BL: np.ndarray) -> dict[str, Any]:
        """Do one step; returns its line of the metrics."""
        config, first = self._config, self._next_sequence
        if batch_BL.shape != (config.global_batch_size, config.seq_len + 1):
            raise ValueError(
                f"a batch must be [global_batch_size, seq_len + 1] = [{config.global_batch_size}, {config.seq_len + 1}]; "
                f"got {list(batch_BL.shape)}"
            )
        self.state, measured = train_step(
            self._graphdef, self._optimizer, config.microbatch_size, self.state, jnp.asarray(batch_BL)
        )
        loss, norm = float(measured.loss), float(measured.gradient_norm)
        self._check_finite(loss, norm)
        row = {
            "step": self._done,
            "sequences": [first, first + len(batch_BL)],
            "loss": loss,
            "bits_per_byte": self._bits_per_byte(loss, batch_BL),
            "learning_rate": float(self._learning_rates[self._done]),
            "gradient_norm": norm,
        }
        self._done, self._next_sequence = self._done + 1, first + len(batch_BL)
        if len(self._data.held_out) and self._is_due(config.evaluate_steps):
            held_out = held_out_bits_per_byte(self.model(), self._data.held_out, self._data.held_out_bytes)
            row["held_out_bits_per_byte"] = held_out
        return row

    def _bits_per_byte(self, loss: float, batch_BL: np.ndarray) -> float | None:
        targets_BL = batch_BL[:, 1:]
        num_bytes = int(self._data.piece_bytes[targets_BL].sum())
        return bits_per_byte(loss, targets_BL.size, num_bytes) if num_bytes else None

    def _check_finite(self, loss: float, gradient_norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            return
        last = self._saved.last_step
        good = "there is no checkpoint" if last is None else f"the last good checkpoint is that of {last} steps"
        raise TrainingDiverged(
            f"step {self._done} has loss {loss} and gradient norm {gradient_norm} (sequences {self._next_sequence} to "
            f"{self._next_sequence + self._config.global_batch_size - 1}); {good}, in {self._saved.folder}; "
            "lower learning_rate, or raise warmup_steps"
        )

    def _checkpoint(self) -> None:
        self.metrics.sync()  # a checkpoint never knows of a step that the metrics lost
        self._saved.save(self.state, self._done, self._next_sequence)


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


class _Clock:
    """Rate and time left, from the second step of the process on: the first one compiles."""

    def __init__(self, config: TrainConfig) -> None:
        self._config, self._first_step = config, -1
        self._started = self._logged = time.monotonic()

    def tell(self, row: dict[str, Any], progress: Callable[[Progress], None]) -> None:
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


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that no step and no file is torn; the second one interrupts as ever.

    Outside the main thread, where Python allows no signal handler, the event is never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)
        log.warning("interrupted: saving a checkpoint after this step; once more to stop at once")

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
