import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipeline import storage
from trainer.checkpoint import Checkpoints
from trainer.metrics import METRICS_NAME, MetricsFile


def some_state(seed=0):
    values = np.random.default_rng(seed).normal(size=(3, 4))
    return {
        "params": jnp.asarray(values, jnp.float32),
        "half": jnp.asarray(values, jnp.bfloat16),
        "count": jnp.int32(7),
    }


@pytest.fixture
def store():
    yield "memory://store/checkpoints"
    storage.remove("memory://store")


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


def test_a_store_keeps_the_latest_checkpoint_and_the_metrics_beside_it(store):
    with Checkpoints(store, "d1") as checkpoints:
        for step in (1, 2, 3):
            with open(os.path.join(checkpoints.folder, METRICS_NAME), "ab") as stream:
                stream.write(b'{"step":%d}\n' % (step - 1))
            checkpoints.save(some_state(step), step, 8 * step)
        former = checkpoints.folder
    assert not os.path.exists(former)
    assert storage.list_files(store) == ["latest.tar"]
    with Checkpoints(store, "d1") as checkpoints:
        state, place = checkpoints.restore(some_state())
        assert MetricsFile(os.path.join(checkpoints.folder, METRICS_NAME), 3).finished().count(b"\n") == 3
        assert "3" in os.listdir(checkpoints.folder)
        assert "2" not in os.listdir(checkpoints.folder)
    assert (place.step, place.next_sequence) == (3, 24)
    np.testing.assert_array_equal(state["params"], some_state(3)["params"])


def test_a_copy_that_breaks_off_leaves_the_one_before(store, monkeypatch):
    with Checkpoints(store, "d1") as checkpoints:
        checkpoints.save(some_state(1), 1, 8)
        with monkeypatch.context() as patched:
            patched.setattr(storage.HashingWriter, "write", lambda self, data: (_ for _ in ()).throw(OSError("lost")))
            with pytest.raises(OSError, match="lost"):
                checkpoints.save(some_state(2), 2, 16)
    with Checkpoints(store, "d1") as checkpoints:
        state, place = checkpoints.restore(some_state())
    assert place.step == 1
    np.testing.assert_array_equal(state["params"], some_state(1)["params"])


def test_messages_name_the_folder_of_the_store(store):
    with Checkpoints(store, "d1") as checkpoints:
        checkpoints.save(some_state(), 5, 40)
    with Checkpoints(store, "d2") as checkpoints, pytest.raises(ValueError, match=f"step 5 in {store} "):
        checkpoints.restore(some_state())


def test_a_file_url_is_the_folder_that_it_names(tmp_path):
    with Checkpoints(f"file://{tmp_path}/checkpoints", "d1") as checkpoints:
        checkpoints.save(some_state(), 5, 40)
    assert "5" in os.listdir(tmp_path / "checkpoints")
