import threading

import numpy as np
import pytest

from filters import reused

LARGE = 3 << 18  # of float64: a block of 8 MiB


@pytest.fixture(autouse=True)
def nothing_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reused, "_idle", {})


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_arrays_are_as_numpy_makes_them() -> None:
    for size in (0, 1, 1000, LARGE):
        for kind in (np.bool_, np.int32, np.uint64):
            made = reused.empty(size, kind)
            assert made.shape == (size,)
            assert made.dtype == kind
            assert made.flags.writeable
            assert made.flags.aligned
            assert made.flags.c_contiguous


def test_memory_is_used_again_once_the_array_is_gone() -> None:
    made = reused.empty(LARGE, np.float64)
    before = address(made)
    del made
    assert address(reused.empty(LARGE + 1000, np.int64)) == before


@pytest.mark.parametrize("view", [lambda a: a[5:7], lambda a: a.view(np.int32)[::3], lambda a: a.reshape(2, -1).T[1:]])
def test_memory_is_not_used_again_while_a_view_is_held(view) -> None:
    held = view(reused.empty(LARGE, np.int64))
    held[:] = 7
    others = [reused.empty(LARGE, np.int64) for _ in range(3)]
    for other in others:
        assert not np.shares_memory(other, held)
        other[:] = 1
    assert (held == 7).all()


def test_no_more_is_kept_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reused, "_KEPT", 20 << 20)
    monkeypatch.setattr(reused, "_LARGEST", 8 << 20)
    made = [reused.empty(LARGE, np.float64) for _ in range(5)]
    made.append(reused.empty(2 * LARGE, np.float64))
    del made
    assert sum(len(block) for blocks in reused._idle.values() for block in blocks) == 8 << 20  # the fifth alone


def test_threads_never_share_memory() -> None:
    faults = []

    def use(number: int) -> None:
        for _ in range(300):
            made = reused.empty(20_000, np.int64)
            made[:] = number
            if not (made == number).all():
                faults.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
