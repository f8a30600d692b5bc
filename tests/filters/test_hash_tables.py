import numpy as np
import pytest

from filters.hash_tables import most_entries, same_bytes, table_size


@pytest.mark.parametrize(
    ("num_keys", "expected"),
    [(0, 2), (1, 4), (2, 8), (3, 16), (2**20 - 1, 2**22), (2**20, 2**21), (2**20 + 1, 2**22), (25_000_000, 2**26)],
)
def test_tables_have_room_and_are_powers_of_two(num_keys: int, expected: int) -> None:
    assert table_size(num_keys) == expected


def test_the_most_entries_of_a_document() -> None:
    assert most_entries(np.array([0, 3, 3, 8, 9])) == 5
    assert most_entries(np.array([0])) == 0


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 23, 24])
def test_bytes_are_the_same_up_to_the_last(size: int) -> None:
    data = np.frombuffer(bytes(range(30)) * 2, np.uint8)
    assert same_bytes(data, 2, 2 + size, 32, 32 + size)
    assert not same_bytes(data, 2, 2 + size, 32, 33 + size)
    for place in range(size):
        changed = data.copy()
        changed[2 + place] ^= 1
        assert not same_bytes(changed, 2, 2 + size, 32, 32 + size)
