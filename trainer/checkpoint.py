"""Checkpoints through Orbax's V0 interface; no other module of the trainer imports Orbax.

A checkpoint is a folder named by its step, with the arrays (parameters and optimizer state) and a `Place`. It holds
dates, so it never stands in a stage folder. It appears whole or not at all; the two latest are kept. A run into an
object store trains beside a local folder and keeps in the store one file, ``latest.tar``: the latest checkpoint and
what stands beside it.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

from pipeline import storage
from pipeline.config import digest

State = TypeVar("State")
KEPT = 2
_ARCHIVE = "latest.tar"


@dataclass(frozen=True)
class Place:
    """Where a run stands: with the arrays, all that is needed to go on.

    Attributes:
        step: Updates done.
        next_sequence: First sequence of the global order that is still to be trained on.
        data_digest: Digest of what the sequences come from.
        arrays_digest: Digest of the arrays' shapes and types.
    """

    step: int
    next_sequence: int
    data_digest: str
    arrays_digest: str


def _arrays_digest(state: Any) -> str:
    return digest([[list(leaf.shape), str(leaf.dtype)] for leaf in jax.tree.leaves(state)])


class Checkpoints:
    """The checkpoints of one run. A context manager; it saves before ``save`` returns.

    Args:
        place: A folder, made when it is not there; what a killed save left in it is removed. In an object store,
            ``save`` copies there, and a new run begins with what it finds.
        data_digest: Digest of this run's data: the token manifest and the mixture.

    Attributes:
        place: The folder as it was given, for messages.
        folder: Where the files are as long as this is open: ``place``, or a temporary folder (``TMPDIR`` says where)
            with room for three checkpoints.
    """

    def __init__(self, place: str, data_digest: str) -> None:
        self.place, self._data_digest = place, data_digest
        self._closing = contextlib.ExitStack()
        self._is_remote = not storage.is_local(place)
        if self._is_remote:
            self.folder = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="massivetext-checkpoints-"))
            self._bring_back()
        else:
            self.folder = storage.normalised(place)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT, cleanup_tmp_directories=True, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)
        self._closing.callback(self._manager.close)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    @property
    def last_step(self) -> int | None:
        """Updates done at the latest checkpoint; None when there is none."""
        return self._manager.latest_step()

    def save(self, state: Any, step: int, next_sequence: int) -> None:
        """Save a tree of arrays and, in an object store, the files beside it; nothing when this step is saved."""
        if self.last_step == step:
            return
        place = asdict(Place(step, next_sequence, self._data_digest, _arrays_digest(state)))
        self._manager.save(
            step, args=ocp.args.Composite(state=ocp.args.StandardSave(state), place=ocp.args.JsonSave(place))
        )
        if self._is_remote:
            self._copy_out(step)

    def _copy_out(self, step: int) -> None:
        archive, scratch = storage.join(self.place, _ARCHIVE), storage.join(self.place, "unfinished")
        with storage.atomic_writer(archive, scratch) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            for entry in sorted(os.scandir(self.folder), key=lambda entry: entry.name):
                if entry.name == str(step) or entry.is_file():
                    tar.add(entry.path, entry.name)

    def _bring_back(self) -> None:
        archive = storage.join(self.place, _ARCHIVE)
        if storage.exists(archive):
            with storage.open_read(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                tar.extractall(self.folder, filter="data")

    def restore(self, like: State) -> tuple[State, Place] | None:
        """Read the latest checkpoint.

        Args:
            like: A tree of arrays with the structure, shapes, types and devices that are wanted.

        Returns:
            The tree and the place; None when there is no checkpoint.

        Raises:
            ValueError: The checkpoint's data is not this run's, or its arrays are of another model.
        """
        step = self.last_step
        if step is None:
            return None
        place = self._place(step)
        if place.arrays_digest != _arrays_digest(like):  # Orbax would say so of the first array, in its own words
            raise ValueError(
                f"the checkpoint of step {step} in {self.place} is of another model or vocabulary: "
                "train into another folder, or remove that one"
            )
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        return self._manager.restore(step, args=arguments).state, place

    def _place(self, step: int) -> Place:
        arguments = ocp.args.Composite(place=ocp.args.JsonRestore())
        place = Place(**self._manager.restore(step, args=arguments).place)
        if place.data_digest != self._data_digest:
            raise ValueError(
                f"the checkpoint of step {step} in {self.place} was trained on data {place.data_digest}, and this "
                f"run's data is {self._data_digest}: train into another folder, or remove that one"
            )
        return place
