"""The one place where files and Beam meet: shard descriptors in, receipts out, and packed batches where stages meet.

A map stage is ``descriptors | ShardMap(function)``: the function streams its shard and writes its own output, so that
no document is ever a Beam element. A meeting stage packs hashes and ordinals into ``pa.RecordBatch`` elements of some
MB, which travel as Arrow IPC streams through ``RecordBatchCoder``; Beam would pickle them, parent buffers and all.
"""

from __future__ import annotations

import heapq
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import Coder, registry
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import storage
from pipeline.manifest import Receipt, ShardTask, Workspace, write_receipt

ShardFunction = Callable[[ShardTask], Receipt]


class RecordBatchCoder(Coder):
    """One batch, one Arrow IPC stream. Not deterministic: never for keys."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Write only the rows of the batch, not those of the parent it may be a slice of."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, value.schema, options=options) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Read the one batch."""
        return pa.ipc.open_stream(encoded).read_next_batch()

    def is_deterministic(self) -> bool:
        """Never: equal batches may be laid out differently."""
        return False

    def estimate_size(self, value: pa.RecordBatch) -> int:
        """Bytes in memory."""
        return int(value.nbytes)

    def to_type_hint(self) -> type:
        """The type that this coder is registered for."""
        return pa.RecordBatch


registry.register_coder(pa.RecordBatch, RecordBatchCoder)


@dataclass(frozen=True)
class Engine:
    """Which Beam runner, with how many workers."""

    runner: str  # as Beam names it
    workers: int
    options: tuple[str, ...] = ()  # handed to Beam as they are

    def pipeline_options(self) -> PipelineOptions:
        """Beam's options; the local runner uses processes when there is more than one worker."""
        flags = [f"--runner={self.runner}", *self.options]
        if self.runner == "FnApiRunner":
            mode = "multi_processing" if self.workers > 1 else "in_memory"
            flags += [f"--direct_running_mode={mode}", f"--direct_num_workers={self.workers}"]
        if self.runner == "PrismRunner" and not any(o.startswith("--environment_type") for o in self.options):
            flags.append("--environment_type=LOOPBACK")
        return PipelineOptions(flags)


class ShardMap(beam.PTransform):
    """Run a shard function on every descriptor (JSON text) and give its receipt (JSON text).

    The jobs' public transforms are this one with their function filled in.

    Args:
        function: Importable and picklable; writes the shard's files.
        space: Where the receipt goes.
        logs: Folder for the worker's note on the finished shard; it tells the driver how far the stage is.
    """

    def __init__(self, function: ShardFunction, space: Workspace, logs: str) -> None:
        super().__init__()
        self.space = space
        self._function, self._logs = function, logs

    def expand(self, descriptors: beam.PCollection) -> beam.PCollection:
        """Apply."""
        work = _RunShard(self._function, self.space, self._logs)
        return descriptors | "RunShard" >> beam.ParDo(work).with_output_types(str)


class _RunShard(beam.DoFn):
    def __init__(self, function: ShardFunction, space: Workspace, logs: str) -> None:
        self._function, self._space, self._logs = function, space, logs

    def process(self, descriptor: str) -> Iterator[str]:
        task = ShardTask.from_json(descriptor)
        started = time.monotonic()
        receipt = self._function(task)
        receipt.check()  # or the next run would take it for finished
        write_receipt(self._space, receipt)
        note_finished(self._logs, self._space.scratch, receipt, time.monotonic() - started)
        yield receipt.to_json()


def note_finished(logs: str, scratch: str, receipt: Receipt, seconds: float) -> None:
    """Leave a worker's note on a finished shard: who, how long, how much memory. None of it is output."""
    note = {
        "worker": f"{socket.gethostname()}-{os.getpid()}",
        "seconds": round(seconds, 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "rows": receipt.counts.entered
        if receipt.counts
        else max((output.rows for output in receipt.outputs), default=0),
    }
    path = storage.join(logs, f"{receipt.shard}.json")
    storage.write_bytes(path, json.dumps(note).encode(), scratch)


def run_shards(engine: Engine, tasks: Sequence[ShardTask], shard_map: ShardMap) -> None:
    """Run a map step as one Beam job; it is done when every receipt is written.

    The local runner deals its elements out to the workers once, in turns, whatever they cost. So it gets one element a
    worker, the shards that it is to do; other runners schedule shards themselves.
    """
    shares = deal(tasks, engine.workers) if engine.runner == "FnApiRunner" else [[task] for task in tasks]
    descriptors = [[task.to_json() for task in share] for share in shares]
    with beam.Pipeline(options=engine.pipeline_options()) as pipeline:
        dealt = pipeline | "Deal" >> beam.Create(descriptors, reshuffle=True)
        dealt | "Shards" >> beam.FlatMap(iter).with_output_types(str) | "Map" >> shard_map


def deal(tasks: Sequence[ShardTask], workers: int) -> list[list[ShardTask]]:
    """Shards to workers so that each reads about as many bytes: the longest first, each to who has least so far.

    Returns:
        One share a worker, none of them empty, each in the order of ``tasks``.
    """
    loads = [(0, number) for number in range(min(workers, len(tasks)))]
    numbers: list[list[int]] = [[] for _ in loads]
    for task_number in sorted(range(len(tasks)), key=lambda number: -tasks[number].bytes):
        load, worker = heapq.heappop(loads)
        numbers[worker].append(task_number)
        heapq.heappush(loads, (load + max(1, tasks[task_number].bytes), worker))
    return [[tasks[number] for number in sorted(share)] for share in numbers]


def run_pipeline(engine: Engine, build: Callable[[beam.Pipeline], Any]) -> None:
    """Run a meeting step: ``build`` adds its transforms to an empty pipeline."""
    with beam.Pipeline(options=engine.pipeline_options()) as pipeline:
        build(pipeline)


@contextmanager
def lost_workers() -> Iterator[list[str]]:
    """Hear at once of worker processes of the local runner that die while a job runs.

    The runner itself notices late or never (tried: not in 100 s). But it starts each process from a thread that ends
    with an error when the process does.

    Yields:
        What is known of those that died; it grows.
    """
    lost: list[str] = []
    before = threading.excepthook

    def note(ended: threading.ExceptHookArgs) -> None:
        if ended.thread is not None and ended.thread.name == "run_worker":
            lost.append(str(ended.exc_value))
        else:
            before(ended)

    threading.excepthook = note
    yield lost
    threading.excepthook = before  # not after an error: the workers are ended then, and that is no news
