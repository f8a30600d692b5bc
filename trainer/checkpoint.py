"""Checkpoints through Orbax's V0 interface; no other module of the trainer imports Orbax.

A checkpoint is a folder named by its step, with the arrays (parameters and optimizer state) and a `Place`. It holds
dates, so it never stands in a stage folder. It appears whole or not at all; the two latest are kept.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

from pipeline.config import digest

State = TypeVar("State")
KEPT = 2


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
        folder: A local folder, made when it is not there; what a killed save left in it is removed.
        data_digest: Digest of this run's data: the token manifest and the mixture.
    """

    def __init__(self, folder: str, data_digest: str) -> None:
        self.folder = os.path.abspath(folder)
        self._data_digest = data_digest
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT, cleanup_tmp_directories=True, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()

    @property
    def last_step(self) -> int | None:
        """Updates done at the latest checkpoint; None when there is none."""
        return self._manager.latest_step()

    def save(self, state: Any, step: int, next_sequence: int) -> None:
        """Save a tree of arrays; nothing happens when this step is already saved."""
        if self.last_step == step:
            return
        place = asdict(Place(step, next_sequence, self._data_digest, _arrays_digest(state)))
        self._manager.save(
            step, args=ocp.args.Composite(state=ocp.args.StandardSave(state), place=ocp.args.JsonSave(place))
        )

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
                f"the checkpoint of step {step} in {self.folder} is of another model or vocabulary: "
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
                f"the checkpoint of step {step} in {self.folder} was trained on data {place.data_digest}, and this "
                f"run's data is {self._data_digest}: train into another folder, or remove that one"
            )
        return place
