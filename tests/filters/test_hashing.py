import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scan_twin import MASK, twin_hash

from filters.hashing import hash_bytes, hash_taken, no_bytes, take_bytes


@njit
def hash_of_parts(numbers: np.ndarray, sizes: np.ndarray) -> np.uint64:
    partial = no_bytes()
    for i in range(len(numbers)):
        partial = take_bytes(partial, numbers[i], sizes[i])
    return hash_taken(partial)


def hashed(data: bytes, behind: bytes = b"") -> int:
    return int(hash_bytes(np.frombuffer(data + behind, np.uint8), 0, len(data)))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40), st.binary(max_size=10))
def test_hash_equals_its_twin_whatever_bytes_follow(data: bytes, behind: bytes) -> None:
    assert hashed(data, behind) == twin_hash(data)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=12))
def test_bytes_that_come_a_few_at_a_time_have_the_same_hash(parts: list[bytes]) -> None:
    numbers = np.array([int.from_bytes(part, "little") for part in parts], np.uint64)
    sizes = np.array([len(part) for part in parts])
    assert int(hash_of_parts(numbers, sizes)) == twin_hash(b"".join(parts))


def test_one_byte_is_fnv_1a_with_the_final_mix() -> None:
    # FNV-1a of "a" is af63dc4c8601ec8c in its authors' test vectors; the number of bytes and the final mix are ours.
    state = 0xAF63DC4C8601EC8C ^ 1
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    assert hashed(b"a") == state ^ state >> 33


@settings(deadline=None)
@given(st.lists(st.binary(min_size=8, max_size=8), min_size=2, max_size=50, unique=True))
def test_blocks_of_one_length_share_no_hash(blocks: list[bytes]) -> None:
    assert len(set(map(hashed, blocks))) == len(blocks)


def test_zeros_at_the_end_count() -> None:
    assert len({hashed(b"a" + bytes(size)) for size in range(20)}) == 20
