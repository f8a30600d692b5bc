import numpy as np
import pytest

from filters.block_groups import count_equals, first_of_equals


@pytest.mark.parametrize("num_keys", [0, 1, 7, 8, 9, 500])
@pytest.mark.parametrize("shift", [0, 61])  # 61: many keys of the same highest bits, which share a place
def test_equal_keys_equal_a_slow_twin(num_keys, shift):
    keys = np.random.default_rng(num_keys).integers(0, 1 + num_keys // 2, num_keys).astype(np.uint64) * np.uint64(7919)
    keys = keys ^ (keys << np.uint64(shift))
    first = first_of_equals(keys)
    assert first.tolist() == [keys.tolist().index(key) for key in keys.tolist()]
    assert count_equals(first).tolist() == [keys.tolist().count(key) for key in keys.tolist()]
