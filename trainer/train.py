"""The training loop: one device, exact resume, and a record of what every step was trained on.

A stage folder gets, at the end, ``model.safetensors`` and ``config.json`` (``trainer.model_files``) and
``metrics.jsonl`` (``trainer.metrics``).
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from pipeline import storage
from pipeline.config import TrainConfig
from trainer.checkpoint import Checkpoints
from trainer.config import ModelConfig
from trainer.evaluate import held_out_bits_per_byte
from trainer.loss import bits_per_byte
from trainer.metrics import METRICS_NAME, Clock, MetricsFile, Progress
from trainer.model import Gopher
from trainer.model_files import write_file, write_model
from trainer.optimizer import gopher_optimizer, learning_rate_schedule
from trainer.step import initial_state, train_step

log = logging.getLogger(__name__)


class TrainingDiverged(RuntimeError):
    """The loss or the gradient is no finite number any more."""


class TrainingData(NamedTuple):
    """What a run trains and is judged on.

    Attributes:
        batches_from: Given a sequence's index, a generator of int32 [global_batch_size, seq_len + 1] from it on,
            without end: a pure function of the index.
        piece_bytes: Integer array [vocab_size], UTF-8 bytes that each piece stands for.
        held_out: int32 [N, seq_len + 1], as ``evaluate.held_out_sequences`` gives; without rows nothing is evaluated.
        held_out_bytes: UTF-8 bytes of the held-out documents.
        digest: Of all that the sequences depend on: token manifest and mixture.
    """

    batches_from: Callable[[int], Generator[np.ndarray, None, None]]
    piece_bytes: np.ndarray
    held_out: np.ndarray
    held_out_bytes: int
    digest: str


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
    interrupted. Ctrl-C lets the step end, saves a checkpoint and raises ``KeyboardInterrupt``; a second one doesn't
    wait.

    Args:
        config: ``[train]`` of the recipe, with at least one step.
        data: What to train on.
        folder: Gets the three files at the end, each atomically.
        scratch: As in ``storage.atomic_writer``.
        checkpoints: A folder outside any stage folder; see ``trainer.checkpoint.Checkpoints``.
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
        clock = Clock(self._config)
        with contextlib.closing(self._data.batches_from(self._next_sequence)) as batches:
            while self._done < self._config.steps:
                row = self._advance(next(batches))
                self.metrics.append(row)
                clock.tell(row, progress)
                stop = interrupt.is_set()
                if stop or self._is_due(self._config.checkpoint_steps):
                    self._checkpoint()
                if stop:
                    raise KeyboardInterrupt

    def _is_due(self, interval: int) -> bool:
        return self._done % interval == 0 or self._done == self._config.steps

    def _advance(self, batch_BL: np.ndarray) -> dict[str, Any]:
        """Do one step; returns its line of the metrics."""
        config, first = self._config, self._next_sequence
        wanted = (config.global_batch_size, config.seq_len + 1)
        if batch_BL.shape != wanted:
            raise ValueError(
                f"a batch must be [global_batch_size, seq_len + 1] = {list(wanted)}; got {list(batch_BL.shape)}"
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
            f"{self._next_sequence + self._config.global_batch_size - 1}); {good}, in {self._saved.place}; "
            "lower learning_rate, or raise warmup_steps"
        )

    def _checkpoint(self) -> None:
        self.metrics.sync()  # a checkpoint never knows of a step that the metrics lost
        self._saved.save(self.state, self._done, self._next_sequence)


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
