import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from filters.unaligned import LANES, between, load, low_bytes, read_bytes, trailing_zeros


@njit
def bits_between(data: np.ndarray, position: int, low: int, high: int) -> np.uint64:
    return between(data, position, low, high)


@njit
def loaded(data: np.ndarray, position: int) -> np.uint64:
    return load(data, position)


@njit
def zeros_of(number: np.uint64) -> int:
    return trailing_zeros(number)


@settings(deadline=None)
@given(st.binary(min_size=LANES, max_size=2 * LANES), st.integers(0, 255), st.integers(0, 255), st.data())
def test_between_has_a_bit_for_each_byte(raw: bytes, low: int, high: int, data: st.DataObject) -> None:
    low, high = sorted((low, high))
    position = data.draw(st.integers(0, len(raw) - LANES))
    found = int(bits_between(np.frombuffer(raw, np.uint8), position, low, high))
    assert found == sum((low <= byte <= high) << i for i, byte in enumerate(raw[position : position + LANES]))


@pytest.mark.parametrize("position", range(6))
def test_bytes_are_read_lowest_first(position: int) -> None:
    raw = bytes(range(200, 213))
    data = np.frombuffer(raw, np.uint8)
    assert int(loaded(data, position)) == int.from_bytes(raw[position : position + 8], "little")
    for size in range(1, 9):
        assert int(read_bytes(data, position, size)) == int.from_bytes(raw[position : position + size], "little")


def test_the_last_bytes_are_read_without_what_is_behind_them() -> None:
    data = np.frombuffer(b"abcd", np.uint8)
    for position in range(4):
        for size in range(1, 5 - position):
            expected = int.from_bytes(b"abcd"[position : position + size], "little")
            assert int(read_bytes(data, position, size)) == expected


def test_bits_by_hand() -> None:
    assert [int(zeros_of(np.uint64(number))) for number in (0, 1, 8, 2**63)] == [64, 0, 3, 63]
    assert [int(low_bytes(size)) for size in (1, 2, 8)] == [0xFF, 0xFFFF, 2**64 - 1]
