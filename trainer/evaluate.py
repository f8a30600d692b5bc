"""Bits per byte on held-out documents.

Axes: N window, B windows at once, L position.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from trainer.loss import bits_per_byte, token_nats
from trainer.model import Gopher

PADDING = -1  # stands after the last token of the last window; never an id
TOKENS_AT_ONCE = 8_192  # logits of so many targets: 1 GB at 32,000 pieces


def held_out_sequences(tokens: np.ndarray, seq_len: int, eos_id: int) -> np.ndarray:
    """Cut a stream of held-out documents into windows, such that every token is a target exactly once.

    Args:
        tokens: Integer array [num_tokens], documents one after another as stored, each with its bos and eos.
        seq_len: Targets in a window.
        eos_id: Stands before the first token, as an eos stands before each later document.

    Returns:
        int32 [ceil(num_tokens / seq_len), seq_len + 1], windows at stride ``seq_len``, the last one filled up with
        ``PADDING``. A window's first token is the last target of the window before: the first target is predicted from
        that one token, and nothing before it is seen, so figures are a little worse than with a sliding window.
    """
    num_windows = -(-len(tokens) // seq_len)
    stream = np.full(num_windows * seq_len + 1, PADDING, np.int32)
    stream[0] = eos_id
    stream[1 : len(tokens) + 1] = tokens
    starts_N = np.arange(num_windows) * seq_len
    return stream[starts_N[:, None] + np.arange(seq_len + 1)]


@nnx.jit
def _window_nats(model: Gopher, windows_BL: jax.Array) -> jax.Array:
    ids_BL, targets_BL = jnp.maximum(windows_BL[:, :-1], 0), windows_BL[:, 1:]
    nats_BL = token_nats(model(ids_BL), jnp.maximum(targets_BL, 0))
    return jnp.where(targets_BL == PADDING, 0.0, nats_BL).sum(axis=1)


def _batches(sequences: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Batches of one size, so that one program serves all; the last is filled with windows of padding."""
    for start in range(0, len(sequences), size):
        batch = sequences[start : start + size]
        yield np.pad(batch, ((0, size - len(batch)), (0, 0)), constant_values=PADDING)


def total_nats(model: Gopher, sequences: np.ndarray) -> float:
    """Cross-entropy summed over all targets.

    Args:
        model: Predicts.
        sequences: int32 [N, L + 1], as ``held_out_sequences`` gives; ``PADDING`` is no target.

    Returns:
        Nats; 0 for no targets. Sums of windows are float32, their sum float64.
    """
    size = min(len(sequences), max(1, TOKENS_AT_ONCE // (sequences.shape[1] - 1)))
    sums = [np.asarray(_window_nats(model, batch), np.float64).sum() for batch in _batches(sequences, size or 1)]
    return float(sum(sums))


def held_out_bits_per_byte(model: Gopher, sequences: np.ndarray, num_bytes: int) -> float:
    """Cross-entropy of held-out text, in bits per UTF-8 byte.

    Args:
        model: Predicts.
        sequences: As in ``total_nats``. bos and eos count as targets, though they carry no bytes.
        num_bytes: UTF-8 bytes of the documents.

    Raises:
        ValueError: There is no text.
    """
    return bits_per_byte(total_nats(model, sequences), 1, num_bytes)
