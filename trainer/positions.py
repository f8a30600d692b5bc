"""Transformer-XL's relative positions: distances as sinusoids, and the shift that lines scores up with keys.

Axes: B batch, H head, L query position, S key position, R distance, D d_model.

Source: Dai et al. 2019 (arXiv:1901.02860), section 3.3 and appendix B. Gopher uses them, so that it can be evaluated at
lengths beyond the one trained at.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

MAX_WAVELENGTH = 10_000.0


def distance_sinusoids(num_distances: int, d_model: int) -> jax.Array:
    """Encode the distances between a query and the keys before it, the farthest first.

    Args:
        num_distances: Length of the sequence; distances are ``num_distances - 1`` down to 0.
        d_model: Width, even: sines of all frequencies, then their cosines.

    Returns:
        float32 [num_distances, d_model]; row r encodes distance ``num_distances - 1 - r``.
    """
    distance_R = jnp.arange(num_distances - 1, -1, -1, dtype=jnp.float32)
    frequency = MAX_WAVELENGTH ** -(jnp.arange(0, d_model, 2, dtype=jnp.float32) / d_model)
    angle = distance_R[:, None] * frequency[None, :]
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def relative_shift(scores_BHLR: jax.Array) -> jax.Array:
    """Turn scores by distance into scores by key: move row i left by ``length - 1 - i``.

    Args:
        scores_BHLR: [batch, heads, length, length], distances in the order of ``distance_sinusoids``.

    Returns:
        [batch, heads, length, length]: at (i, j), for j <= i, the score of distance i - j. Where j > i stands what the
        shift left there; a causal mask must hide it.
    """
    batch, heads, length, _ = scores_BHLR.shape
    padded = jnp.pad(scores_BHLR, ((0, 0), (0, 0), (0, 0), (1, 0)))
    return padded.reshape(batch, heads, length + 1, length)[:, :, 1:, :]
