"""Text from a trained model, token by token; the same seed gives the same tokens.

Axes: L position, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from flax import nnx

from trainer.model import Gopher


@nnx.jit
def _logits_at(model: Gopher, ids_1L: jax.Array, position: jax.Array) -> jax.Array:
    return model(ids_1L)[0, position]


def generate(
    model: Gopher,
    prompt_ids: Sequence[int],
    num_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    stop_id: int | None = None,
) -> list[int]:
    """Continue a prompt.

    The model sees the last ``seq_len`` tokens, as many as it was trained with. Every token runs the whole window anew
    (filled up to a power of two, so that few programs are compiled): simple, and quick enough for small models.

    Args:
        model: Predicts.
        prompt_ids: At least one token; that is bos for a text from nothing.
        num_tokens: How many to add, at most.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: In (0, 1]: sample among the fewest tokens whose probabilities reach this sum.
        seed: Of the random numbers.
        stop_id: Ends the text, and is not returned; None = nothing does.

    Returns:
        The new tokens.

    Raises:
        ValueError: An empty prompt, or a setting out of range.
    """
    if not len(prompt_ids) or temperature < 0 or not 0 < top_p <= 1:
        raise ValueError(
            "a prompt needs a token, temperature must be at least 0 and top_p in (0, 1]; "
            f"got {len(prompt_ids)} tokens, temperature={temperature}, top_p={top_p}"
        )
    random = np.random.default_rng(seed)
    ids = list(prompt_ids)
    for _ in range(num_tokens):
        token = choose(_next_logits(model, ids), temperature, top_p, random.random())
        if token == stop_id:
            break
        ids.append(token)
    return ids[len(prompt_ids) :]


def _next_logits(model: Gopher, ids: list[int]) -> np.ndarray:
    window = ids[-model.config.seq_len :]
    length = 1 << (len(window) - 1).bit_length()
    ids_1L = np.zeros((1, length), np.int32)  # what fills up comes later, so nothing depends on it
    ids_1L[0, : len(window)] = window
    return np.asarray(_logits_at(model, ids_1L, np.int32(len(window) - 1)))


def choose(logits_V: np.ndarray, temperature: float, top_p: float, uniform: float) -> int:
    """Draw one token.

    Args:
        logits_V: Of the next token.
        temperature: As in ``generate``.
        top_p: As in ``generate``.
        uniform: The random number, in [0, 1).

    Returns:
        The token; ties go to the lower id.
    """
    if temperature == 0:
        return int(np.argmax(logits_V))
    scaled_V = logits_V.astype(np.float64) / temperature
    weight_V = np.exp(scaled_V - scaled_V.max())
    order = np.argsort(-weight_V, kind="stable")
    cumulative = np.cumsum(weight_V[order]) / weight_V.sum()
    kept = min(int(np.searchsorted(cumulative, top_p)) + 1, len(order))
    drawn = int(np.searchsorted(cumulative[:kept], uniform * cumulative[kept - 1], side="right"))
    return int(order[min(drawn, kept - 1)])  # rounding may carry the product up to the sum
