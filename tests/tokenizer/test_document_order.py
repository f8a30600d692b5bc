import hashlib

import numpy as np
import pyarrow as pa
import pytest

from tokenizer.document_order import chosen, document_order

IDS = pa.array([bytes([n % 256, n // 256] * 8) for n in range(2000)], pa.binary(16))


def test_formula():
    order = document_order(IDS, 258, b"tokens")
    digest = hashlib.blake2b(IDS[7].as_py(), digest_size=8, key=b"\2\1\0\0\0\0\0\0", person=b"tokens").digest()
    assert order[7] == int.from_bytes(digest, "big")
    assert (order.dtype, order.shape) == (np.uint64, (2000,))


def test_pinned():
    """The order of every corpus hangs on this number: it must never change."""
    assert document_order(pa.array([b"0123456789abcdef"], pa.binary(16)), 0, b"tokens").tolist() == [
        9638279165356933047
    ]


def test_each_id_alone():
    assert document_order(IDS.slice(5, 3), 1, b"x").tolist() == document_order(IDS, 1, b"x")[5:8].tolist()
    assert document_order(IDS.slice(0, 0), 1, b"x").tolist() == []


def test_seeds_and_purposes_are_unrelated():
    orders = [document_order(IDS, seed, purpose) for seed in (0, 1) for purpose in (b"tokens", b"held out")]
    halves = np.array([order < 2**63 for order in orders])
    for a in range(4):
        for b in range(a):
            agreement = (halves[a] == halves[b]).mean()
            assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(2000)  # 5 standard errors of a fair coin


def test_chosen_share():
    for fraction in (0.01, 0.3):
        share = chosen(IDS, 3, b"sample", fraction).mean()
        assert abs(share - fraction) < 5 * np.sqrt(fraction * (1 - fraction) / 2000)


def test_chosen_grows_with_the_fraction():
    few, many = (chosen(IDS, 0, b"sample", fraction) for fraction in (0.1, 0.5))
    assert few.any()
    assert not (few & ~many).any()


def test_chosen_at_the_ends():
    assert not chosen(IDS, 0, b"sample", 0.0).any()
    assert chosen(IDS, 0, b"sample", 1.0).all()
    assert chosen(IDS, 0, b"sample", np.nextafter(1.0, 0)).all()


def test_refusals():
    with pytest.raises(ValueError, match="1 of 2"):
        document_order(pa.array([b"x" * 16, None], pa.binary(16)), 0, b"tokens")
    with pytest.raises(ValueError, match="1 to 16 bytes"):
        document_order(IDS, 0, b"")
    with pytest.raises(ValueError, match="1 to 16 bytes"):
        document_order(IDS, 0, b"x" * 17)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        chosen(IDS, 0, b"sample", 1.5)
