"""The Gopher decoder in flax nnx, on one device.

RMSNorm before each sub-layer, Transformer-XL relative positions with a position projection in every layer, a GELU
feed-forward four times as wide, one embedding for input and output. Parameters are float32; activations are of the
configured type; attention's softmax and the logits are float32 ("fp32 for attention softmax and loss softmax", Gopher
appendix C). No linear map has a bias. How Gopher was initialised is not known to us: here every matrix starts with
the variance 1 / fan-in, those that write into the residual stream divided by another sqrt(2 * layers) as in GPT-2.

Axes in names: B batch, L position of a query, S position of a key, R distance, D d_model, H head, K head size,
F feed-forward, V vocabulary.

Source: Rae et al. 2021 (arXiv:2112.11446), section 3.1 and Table 1; Dai et al. 2019 (arXiv:1901.02860) for attention.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from trainer.config import ModelConfig
from trainer.positions import distance_sinusoids, relative_shift

NORM_EPSILON = 1e-6
MASKED_SCORE = -1e30  # finite: a row of -inf would make NaN gradients


def _normal(rngs: nnx.Rngs, shape: tuple[int, ...], stddev: float) -> nnx.Param:
    return nnx.Param(stddev * jax.random.normal(rngs.params(), shape, jnp.float32))


class RMSNorm(nnx.Module):
    """Divide by the root mean square over D, in float32, and scale."""

    def __init__(self, config: ModelConfig) -> None:
        self.scale_D = nnx.Param(jnp.ones(config.size.d_model, jnp.float32))

    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Return the normed input, in its own type."""
        x32_BLD = x_BLD.astype(jnp.float32)
        inverse_BL1 = jax.lax.rsqrt(jnp.mean(x32_BLD**2, axis=-1, keepdims=True) + NORM_EPSILON)
        return (x32_BLD * inverse_BL1 * self.scale_D[...]).astype(x_BLD.dtype)


def relative_scores(
    query_BLHK: jax.Array, key_BSHK: jax.Array, position_RHK: jax.Array, u_HK: jax.Array, v_HK: jax.Array
) -> jax.Array:
    """Score(i, j) = ((q_i + u) . k_j + (q_i + v) . W r(i - j)) / sqrt(K), in the dense form.

    Every distance is scored and shifted into place, which takes memory of B H L L, as the scores themselves do.

    Args:
        query_BLHK: Queries q.
        key_BSHK: Keys k, as many.
        position_RHK: W r of the distances, in the order of ``distance_sinusoids``.
        u_HK: Bias of the query that meets keys.
        v_HK: Bias of the query that meets positions.

    Returns:
        float32 [B, H, L, S]; what stands at j > i means nothing.
    """
    content_BHLS = jnp.einsum("BLHK,BSHK->BHLS", query_BLHK + u_HK, key_BSHK, preferred_element_type=jnp.float32)
    position_BHLR = jnp.einsum("BLHK,RHK->BHLR", query_BLHK + v_HK, position_RHK, preferred_element_type=jnp.float32)
    return (content_BHLS + relative_shift(position_BHLR)) * query_BLHK.shape[-1] ** -0.5


# Rematerialised: the backward pass computes scores and weights again, so that arrays of B H L L live for one layer at a
# time. On two CPU cores this costs `tiny` no measurable time; kept for all 8 layers of 44M they would fill a GPU.
@jax.checkpoint
def attend(
    query_BLHK: jax.Array,
    key_BSHK: jax.Array,
    value_BSHK: jax.Array,
    position_RHK: jax.Array,
    u_HK: jax.Array,
    v_HK: jax.Array,
) -> jax.Array:
    """Average values over the position itself and those before it, by the softmax of ``relative_scores``.

    Returns:
        [B, L, H, K], of the values' type; the softmax is float32.
    """
    causal_LS = jnp.tri(query_BLHK.shape[1], dtype=bool)
    scores_BHLS = relative_scores(query_BLHK, key_BSHK, position_RHK, u_HK, v_HK)
    weights_BHLS = jax.nn.softmax(jnp.where(causal_LS, scores_BHLS, MASKED_SCORE), axis=-1)
    return jnp.einsum("BHLS,BSHK->BLHK", weights_BHLS.astype(value_BSHK.dtype), value_BSHK)


class RelativeAttention(nnx.Module):
    """Causal attention with relative positions: projections around ``attend``."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        size = config.size
        inputs = (size.d_model, size.num_heads, size.head_size)
        outputs = (size.num_heads, size.head_size, size.d_model)
        stddev = size.d_model**-0.5
        self.query_DHK = _normal(rngs, inputs, stddev)
        self.key_DHK = _normal(rngs, inputs, stddev)
        self.value_DHK = _normal(rngs, inputs, stddev)
        self.position_DHK = _normal(rngs, inputs, stddev)
        self.output_HKD = _normal(rngs, outputs, stddev * (2 * size.num_layers) ** -0.5)
        self.content_bias_HK = nnx.Param(jnp.zeros(outputs[:2], jnp.float32))  # u
        self.position_bias_HK = nnx.Param(jnp.zeros(outputs[:2], jnp.float32))  # v

    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Return what each position reads from itself and the positions before it, [B, L, D]."""
        dtype = x_BLD.dtype
        distance_RD = distance_sinusoids(x_BLD.shape[1], x_BLD.shape[2]).astype(dtype)
        query_BLHK = jnp.einsum("BLD,DHK->BLHK", x_BLD, self.query_DHK[...].astype(dtype))
        key_BSHK = jnp.einsum("BSD,DHK->BSHK", x_BLD, self.key_DHK[...].astype(dtype))
        value_BSHK = jnp.einsum("BSD,DHK->BSHK", x_BLD, self.value_DHK[...].astype(dtype))
        position_RHK = jnp.einsum("RD,DHK->RHK", distance_RD, self.position_DHK[...].astype(dtype))
        u_HK, v_HK = self.content_bias_HK[...].astype(dtype), self.position_bias_HK[...].astype(dtype)
        read_BLHK = attend(query_BLHK, key_BSHK, value_BSHK, position_RHK, u_HK, v_HK)
        return jnp.einsum("BLHK,HKD->BLD", read_BLHK, self.output_HKD[...].astype(dtype))


class FeedForward(nnx.Module):
    """Widen four times, GELU, narrow."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        d_model = config.size.d_model
        d_ff = 4 * d_model
        self.widen_DF = _normal(rngs, (d_model, d_ff), d_model**-0.5)
        self.narrow_FD = _normal(rngs, (d_ff, d_model), (d_ff * 2 * config.size.num_layers) ** -0.5)

    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Return [B, L, D]."""
        h_BLF = jax.nn.gelu(x_BLD @ self.widen_DF[...].astype(x_BLD.dtype))
        return h_BLF @ self.narrow_FD[...].astype(x_BLD.dtype)


class Block(nnx.Module):
    """Attention, then feed-forward, each on the normed stream and added to it."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        self.attention_norm = RMSNorm(config)
        self.attention = RelativeAttention(config, rngs)
        self.feed_forward_norm = RMSNorm(config)
        self.feed_forward = FeedForward(config, rngs)

    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Return [B, L, D]."""
        x_BLD = x_BLD + self.attention(self.attention_norm(x_BLD))
        return x_BLD + self.feed_forward(self.feed_forward_norm(x_BLD))


class Gopher(nnx.Module):
    """Token ids to the logits of the next token.

    Args:
        config: Sizes and types; kept as ``config``.
        rngs: Gives the initial values from its ``params`` stream; equal seeds give equal values.
    """

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        self.config = config
        self.embedding_VD = _normal(rngs, (config.vocab_size, config.size.d_model), config.size.d_model**-0.5)
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.size.num_layers)])
        self.output_norm = RMSNorm(config)

    def __call__(self, ids_BL: jax.Array) -> jax.Array:
        """Predict the token after each position.

        Args:
            ids_BL: int32 [batch, length] of any length, each in [0, vocab_size).

        Returns:
            float32 logits [batch, length, vocab_size]; those at a position depend on no later one.
        """
        dtype = jnp.dtype(self.config.activation_dtype)
        h_BLD = self.embedding_VD[...][ids_BL].astype(dtype)
        for block in self.blocks:
            h_BLD = block(h_BLD)
        h_BLD = self.output_norm(h_BLD)
        embedding_VD = self.embedding_VD[...].astype(dtype)
        return jnp.einsum("BLD,VD->BLV", h_BLD, embedding_VD, preferred_element_type=jnp.float32)
