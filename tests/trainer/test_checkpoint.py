import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.checkpoint import Checkpoints


def some_state(seed=0):
    values = np.random.default_rng(seed).normal(size=(3, 4))
    return {
        "params": jnp.asarray(values, jnp.float32),
        "half": jnp.asarray(values, jnp.bfloat16),
        "count": jnp.int32(7),
    }


def test_round_trip_is_exact_in_value_and_type(tmp_path):
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        checkpoints.save(some_state(), step=3, next_sequence=24)
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        state, place = checkpoints.restore(some_state(1))
    assert (place.step, place.next_sequence, place.data_digest) == (3, 24, "d1")
    for name, expected in some_state().items():
        assert state[name].dtype == expected.dtype
        np.testing.assert_array_equal(state[name], expected)


def test_no_checkpoint_is_none(tmp_path):
    with Checkpoints(str(tmp_path / "new"), "d1") as checkpoints:
        assert checkpoints.last_step is None
        assert checkpoints.restore(some_state()) is None


def test_the_two_latest_are_kept_and_the_last_is_restored(tmp_path):
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(some_state(step), step, 8 * step)
        checkpoints.save(some_state(99), 3, 24)  # already there: nothing happens
        state, place = checkpoints.restore(some_state())
    assert place.step == 3
    np.testing.assert_array_equal(state["params"], some_state(3)["params"])
    assert sorted(name for name in os.listdir(tmp_path) if name.isdigit()) == ["2", "3"]


def test_other_data_is_refused(tmp_path):
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        checkpoints.save(some_state(), 5, 40)
    with (
        Checkpoints(str(tmp_path), "d2") as checkpoints,
        pytest.raises(ValueError, match=r"step 5 .*data d1.*data is d2"),
    ):
        checkpoints.restore(some_state())


def test_another_models_arrays_are_refused(tmp_path):
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        checkpoints.save(some_state(), 5, 40)
        larger = {**some_state(), "params": jnp.zeros((3, 5))}
        with pytest.raises(ValueError, match="another model"):
            checkpoints.restore(larger)


def test_an_unfinished_save_counts_for_nothing(tmp_path):
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        checkpoints.save(some_state(), 5, 40)
    unfinished = tmp_path / "6.orbax-checkpoint-tmp"  # as a killed save leaves it
    unfinished.mkdir()
    (unfinished / "state").write_bytes(b"torn")
    with Checkpoints(str(tmp_path), "d1") as checkpoints:
        assert checkpoints.last_step == 5
        _, place = checkpoints.restore(jax.tree.map(jnp.zeros_like, some_state()))
    assert place.step == 5
    assert not unfinished.exists()
