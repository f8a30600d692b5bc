"""Cross-entropy in nats, and bits per byte.

Axes: B batch, L position, V vocabulary.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp


def token_nats(logits_BLV: jax.Array, targets_BL: jax.Array) -> jax.Array:
    """Cross-entropy of every target, in float32.

    Args:
        logits_BLV: Of any float type; the softmax is taken in float32.
        targets_BL: int32, each in [0, V).

    Returns:
        float32 [B, L], nats, at least 0 but for rounding.
    """
    logits_BLV = logits_BLV.astype(jnp.float32)
    target_BL = jnp.take_along_axis(logits_BLV, targets_BL[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits_BLV, axis=-1) - target_BL


def mean_nats(logits_BLV: jax.Array, targets_BL: jax.Array) -> jax.Array:
    """Mean cross-entropy, nats a token: what training minimises. All targets weigh the same, bos and eos too."""
    return token_nats(logits_BLV, targets_BL).mean()


def bits_per_byte(nats_per_token: float, num_tokens: int, num_bytes: int) -> float:
    """Turn a mean loss into one that doesn't depend on the tokenizer.

    Args:
        nats_per_token: Mean over ``num_tokens`` targets.
        num_tokens: Targets, with the bos and eos that carry no bytes.
        num_bytes: UTF-8 bytes of the text that the tokens stand for.

    Returns:
        nats / ln 2 * tokens / bytes.

    Raises:
        ValueError: There are no bytes.
    """
    if num_bytes < 1:
        raise ValueError(f"bits per byte need text; got num_bytes={num_bytes}, num_tokens={num_tokens}")
    return nats_per_token / math.log(2) * num_tokens / num_bytes
