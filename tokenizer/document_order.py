"""Put documents in an order that only their ids and a seed decide, and choose a share of them.

Used for the place of a document in its subset's tokens, for the tokenizer's sample and for the held-out split. Each
use has a purpose of its own, so that the held-out documents aren't the first ones of another order.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

MAX_PURPOSE_BYTES = 16  # BLAKE2b's field for it


def document_order(ids: pa.Array, seed: int, purpose: bytes) -> np.ndarray:
    """Hash ids to keys; documents sorted by key, then by id, are in random order.

    Args:
        ids: fixed_size_binary(16), without nulls.
        seed: In [0, 2**64).
        purpose: 1 to 16 bytes that name the use, such as ``b"tokens"``; other purposes give unrelated keys.

    Returns:
        uint64 array [len(ids)], uniform: the 8-byte BLAKE2b digest of the id, read big-endian, with the seed (8 bytes,
        little-endian) as BLAKE2's key and the purpose as its personalisation.

    Raises:
        ValueError: A null id, or a purpose of another length.
    """
    if ids.null_count:
        raise ValueError(f"document ids must not be null; {ids.null_count} of {len(ids)} are")
    if not 1 <= len(purpose) <= MAX_PURPOSE_BYTES:
        raise ValueError(f"purpose must have 1 to {MAX_PURPOSE_BYTES} bytes; got {purpose!r}")
    keyed = hashlib.blake2b(digest_size=8, key=seed.to_bytes(8, "little"), person=purpose)
    return np.frombuffer(b"".join(_digests(keyed, ids.to_pylist())), ">u8").astype(np.uint64)


def _digests(keyed: hashlib.blake2b, ids: list[bytes]) -> list[bytes]:
    digests = []
    for document in ids:
        one = keyed.copy()  # half the time of a new keyed hash
        one.update(document)
        digests.append(one.digest())
    return digests


def chosen(ids: pa.Array, seed: int, purpose: bytes, fraction: float) -> np.ndarray:
    """Choose documents by hash, each with probability ``fraction``, whatever else is in the corpus.

    Args:
        ids: As in ``document_order``.
        seed: As in ``document_order``.
        purpose: As in ``document_order``.
        fraction: In [0, 1]. A document chosen at one fraction is chosen at every larger one.

    Returns:
        bool array [len(ids)].

    Raises:
        ValueError: fraction is outside [0, 1].
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie in [0, 1]; got {fraction}")
    if fraction == 1.0:
        return np.ones(len(ids), bool)
    return np.asarray(document_order(ids, seed, purpose) < np.uint64(int(fraction * 2.0**64)))
