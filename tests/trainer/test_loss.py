import math

import jax.numpy as jnp
import numpy as np
import pytest

from trainer.loss import bits_per_byte, mean_nats, token_nats


def test_cross_entropy_by_hand():
    # softmax of (ln 1, ln 3) is (1/4, 3/4)
    logits = jnp.log(jnp.array([[[1.0, 3.0], [1.0, 3.0]]]))
    targets = jnp.array([[0, 1]])
    np.testing.assert_allclose(token_nats(logits, targets), [[math.log(4), math.log(4 / 3)]], rtol=1e-6)
    assert float(mean_nats(logits, targets)) == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_uniform_logits_cost_the_log_of_the_vocabulary_at_any_height():
    for height in (0.0, 1e4, -1e4):
        nats = token_nats(jnp.full((1, 3, 50), height), jnp.array([[0, 7, 49]]))
        np.testing.assert_allclose(nats, np.full((1, 3), math.log(50)), rtol=1e-4)


def test_loss_of_bfloat16_logits_is_float32():
    assert token_nats(jnp.zeros((1, 1, 4), jnp.bfloat16), jnp.zeros((1, 1), jnp.int32)).dtype == jnp.float32


def test_bits_per_byte_by_hand():
    # 10 tokens of 2 bits each over 40 bytes
    assert bits_per_byte(2 * math.log(2), num_tokens=10, num_bytes=40) == pytest.approx(0.5)


def test_bits_per_byte_of_no_text_is_refused():
    with pytest.raises(ValueError, match="num_bytes=0"):
        bits_per_byte(1.0, 3, 0)
