"""One training step: a pure function of the state and a batch.

Axes: B batch, L position.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from trainer.config import ModelConfig
from trainer.loss import mean_nats
from trainer.model import Gopher


class TrainState(NamedTuple):
    """What a step changes and a checkpoint saves."""

    params: nnx.State  # float32
    optimizer: optax.OptState  # moments in float32; it also counts the updates


class Measured(NamedTuple):
    """What a step tells, float32 scalars."""

    loss: jax.Array  # mean cross-entropy before the update, nats a token
    gradient_norm: jax.Array  # over all parameters, before clipping


def initial_state(
    model: ModelConfig, optimizer: optax.GradientTransformation, seed: int
) -> tuple[nnx.GraphDef[Gopher], TrainState]:
    """Make a new model's parameters and optimizer state on the device.

    Returns:
        The model's structure, for ``nnx.merge`` with parameters, and the state.
    """
    graphdef, params = nnx.split(Gopher(model, nnx.Rngs(seed)), nnx.Param)
    return graphdef, TrainState(params, optimizer.init(params))


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def train_step(
    graphdef: nnx.GraphDef[Gopher],
    optimizer: optax.GradientTransformation,
    microbatch_size: int,
    state: TrainState,
    batch_BL: jax.Array,
) -> tuple[TrainState, Measured]:
    """Update on one batch. ``state`` is donated: its arrays are gone after the call.

    Args:
        graphdef: From ``initial_state``.
        optimizer: Equal objects share one compiled program.
        microbatch_size: Sequences computed at once, a divisor of the batch; 0 = all.
        state: Before the step.
        batch_BL: int32 [B, L + 1]; inputs are all but the last token of a row, targets all but the first.
    """
    loss, gradients = _loss_and_gradients(graphdef, state.params, batch_BL, microbatch_size or batch_BL.shape[0])
    updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(params, optimizer_state), Measured(loss, optax.tree.norm(gradients))


def _loss_and_gradients(
    graphdef: nnx.GraphDef[Gopher], params: nnx.State, batch_BL: jax.Array, size: int
) -> tuple[jax.Array, Any]:
    """Means over the batch, one part after another, so that only one part's activations are in memory."""

    def loss(params: nnx.State, part_BL: jax.Array) -> jax.Array:
        return mean_nats(nnx.merge(graphdef, params)(part_BL[:, :-1]), part_BL[:, 1:])

    if size == batch_BL.shape[0]:
        return jax.value_and_grad(loss)(params, batch_BL)

    def add_part(total: Any, part_BL: jax.Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, part_BL)), None

    parts = batch_BL.reshape(-1, size, batch_BL.shape[1])
    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    total, _ = jax.lax.scan(add_part, zero, parts)
    return jax.tree.map(lambda each: each / len(parts), total)
