import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pipeline.config import TrainConfig
from trainer.optimizer import gopher_optimizer, learning_rate_schedule


def test_schedule_by_hand():
    schedule = learning_rate_schedule(
        TrainConfig(steps=110, warmup_steps=10, learning_rate=1e-3, final_learning_rate_fraction=0.1)
    )
    assert float(schedule(0)) == pytest.approx(1e-7)
    assert float(schedule(5)) == pytest.approx((1e-7 + 1e-3) / 2)
    assert float(schedule(10)) == pytest.approx(1e-3)
    assert float(schedule(60)) == pytest.approx(1e-3 * (0.1 + 0.9 * 0.5))  # half way down the cosine
    assert float(schedule(110)) == pytest.approx(1e-4)


def test_schedule_without_warm_up_starts_at_the_maximum():
    schedule = learning_rate_schedule(TrainConfig(steps=10, warmup_steps=0, learning_rate=1e-3))
    assert float(schedule(0)) == pytest.approx(1e-3)


def numpy_adam(parameter, gradients, rates, clip_norm):
    """Kingma and Ba's algorithm 1 after clipping, one parameter array."""
    first, second = np.zeros_like(parameter), np.zeros_like(parameter)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        clipped = gradient * min(1.0, clip_norm / np.linalg.norm(gradient))
        first = 0.9 * first + 0.1 * clipped
        second = 0.95 * second + 0.05 * clipped**2
        parameter = parameter - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.95**t)) + 1e-8)
    return parameter


def test_updates_are_adams_on_clipped_gradients():
    config = TrainConfig(steps=4, warmup_steps=1, learning_rate=0.1, clip_norm=1.0)
    optimizer, parameter = gopher_optimizer(config), jnp.array([1.0, -2.0, 3.0])
    gradients = np.array([[3.0, 4.0, 0.0], [0.1, -0.2, 0.3], [30.0, 0.0, -40.0]])  # norms 5, 0.37, 50
    state, start = optimizer.init(parameter), np.asarray(parameter, np.float64)
    for gradient in gradients:
        updates, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, parameter)
        parameter = optax.apply_updates(parameter, updates)
    rates = [float(learning_rate_schedule(config)(step)) for step in range(3)]
    np.testing.assert_allclose(parameter, numpy_adam(start, gradients, rates, 1.0), rtol=1e-5)


def test_warm_up_as_long_as_the_run_is_refused():
    with pytest.raises(ValueError, match="warmup_steps=10, steps=10"):
        TrainConfig(steps=10, warmup_steps=10)


def test_parts_that_don_t_divide_the_batch_are_refused():
    with pytest.raises(ValueError, match="microbatch_size=3, global_batch_size=8"):
        TrainConfig(global_batch_size=8, microbatch_size=3)
