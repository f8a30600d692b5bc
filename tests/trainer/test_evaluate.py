import math

import jax
import numpy as np
import pytest
from flax import nnx

import trainer.evaluate
from trainer.config import ModelConfig, Size
from trainer.evaluate import PADDING, held_out_bits_per_byte, held_out_sequences, total_nats
from trainer.model import Gopher

EOS = 2


@pytest.fixture(scope="module")
def gopher():
    return Gopher(ModelConfig(Size(1, 2, 4, 8), 17, 4, "float32"), nnx.Rngs(1))


@nnx.jit
def log_softmax(model, ids):
    return jax.nn.log_softmax(model(ids))


def test_windows_by_hand():
    windows = held_out_sequences(np.array([1, 7, 2, 1, 8, 2], np.uint16), seq_len=4, eos_id=EOS)
    assert windows.tolist() == [[EOS, 1, 7, 2, 1], [1, 8, 2, PADDING, PADDING]]
    assert windows.dtype == np.int32


@pytest.mark.parametrize("num_tokens", [1, 3, 4, 5, 8, 9])
def test_every_token_is_a_target_once_after_the_token_before_it(num_tokens):
    tokens = np.arange(100, 100 + num_tokens)
    windows = held_out_sequences(tokens, seq_len=4, eos_id=EOS)
    targets, inputs = windows[:, 1:].ravel(), windows[:, :-1].ravel()
    assert targets[targets != PADDING].tolist() == tokens.tolist()
    assert inputs[targets != PADDING].tolist() == [EOS, *tokens[:-1].tolist()]


def test_no_tokens_are_no_windows(gopher):
    windows = held_out_sequences(np.empty(0, np.uint16), 4, EOS)
    assert windows.shape == (0, 5)
    assert total_nats(gopher, windows) == 0
    with pytest.raises(ValueError, match="num_bytes=0"):
        held_out_bits_per_byte(gopher, windows, 0)


def test_total_is_the_sum_over_single_windows_whatever_the_batch(gopher, monkeypatch):
    tokens = np.random.default_rng(0).integers(0, 17, 30)
    windows = held_out_sequences(tokens, 4, EOS)
    slow = 0.0
    for window in windows:
        window = window[window != PADDING]
        log_probabilities = np.asarray(log_softmax(gopher, window[None, :-1]))[0]
        slow -= sum(float(log_probabilities[i, target]) for i, target in enumerate(window[1:]))
    for tokens_at_once in (1, 12, 1000):
        monkeypatch.setattr(trainer.evaluate, "TOKENS_AT_ONCE", tokens_at_once)
        assert total_nats(gopher, windows) == pytest.approx(slow, rel=1e-5)
    assert held_out_bits_per_byte(gopher, windows, 50) == pytest.approx(slow / math.log(2) / 50, rel=1e-5)
