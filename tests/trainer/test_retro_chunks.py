import numpy as np
import pytest

from tokenizer.vocabulary import PAD_ID
from trainer.retro import chunks
from trainer.retro.chunks import HASH_LIMIT, chunk_blocks, chunk_hashes, chunks_in, split_into_chunks


def test_a_document_by_hand():
    tokens = np.array([11, 12, 13, 14, 15], np.uint16)
    assert split_into_chunks(tokens, 3).tolist() == [[11, 12, 13], [14, 15, PAD_ID]]
    assert split_into_chunks(tokens, 3, pad_id=9).tolist() == [[11, 12, 13], [14, 15, 9]]


@pytest.mark.parametrize(
    ("num_tokens", "num_chunks", "padding"), [(0, 0, 0), (1, 1, 63), (63, 1, 1), (64, 1, 0), (65, 2, 63), (128, 2, 0)]
)
def test_each_length_at_the_edge(num_tokens, num_chunks, padding):
    tokens = np.arange(1, num_tokens + 1, dtype=np.uint16)
    cut = split_into_chunks(tokens, 64)
    assert cut.shape == (num_chunks, 64)
    assert cut.dtype == np.uint16
    assert cut.ravel().tolist() == tokens.tolist() + [PAD_ID] * padding
    assert chunks_in(np.array([num_tokens]), 64).tolist() == [num_chunks]


def test_a_chunk_has_at_least_one_token():
    with pytest.raises(ValueError, match="chunk_len must be at least 1; got 0"):
        split_into_chunks(np.array([1], np.uint16), 0)


@pytest.mark.parametrize("block_tokens", [1, 7, 64, 10_000])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_a_shard_is_its_documents_one_by_one(monkeypatch, block_tokens, dtype):
    monkeypatch.setattr(chunks, "_BLOCK_TOKENS", block_tokens)
    random = np.random.default_rng(0)
    lengths = np.array([0, 1, 3, 4, 5, 8, 0, 0, 100, 2, 0])  # without bos and eos, which stand between
    tokens = random.integers(4, 60_000, int(lengths.sum()) + 2 * len(lengths)).astype(dtype)
    starts = np.cumsum(lengths + 2) - (lengths + 2) + 1
    expected = [split_into_chunks(tokens[s : s + n], 4) for s, n in zip(starts, lengths, strict=True)]
    blocks = list(chunk_blocks(tokens, starts, lengths, 4))
    assert np.concatenate(blocks).tolist() == np.concatenate(expected).tolist()
    assert {block.dtype for block in blocks} == {np.dtype(dtype)}


def test_a_shard_without_documents_has_no_blocks():
    none = np.empty(0, np.int64)
    assert list(chunk_blocks(np.empty(0, np.uint16), none, none, 4)) == []


def _mix(x: int) -> int:
    """SplitMix64, as published by Steele, Lea and Flood (2014)."""
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def test_a_chunks_hash_is_of_seed_document_and_place():
    assert _mix(0) == 0xE220A8397B1DCDAF  # the generator's first number for seed 0
    ids = np.random.default_rng(1).integers(0, 256, (3, 16)).astype(np.uint8)
    expected = []
    for row, count in enumerate([2, 0, 3]):
        low, high = (int.from_bytes(ids[row, part].tobytes(), "little") for part in (slice(0, 8), slice(8, 16)))
        expected += [_mix(_mix(_mix(_mix(7) ^ low) ^ high) ^ place) >> 1 for place in range(count)]
    hashes = chunk_hashes(ids, np.array([2, 0, 3]), seed=7)
    assert hashes.tolist() == expected
    assert max(expected) < HASH_LIMIT


def test_hashes_dont_depend_on_the_shard_and_spread_evenly():
    ids = np.random.default_rng(2).integers(0, 256, (2000, 16)).astype(np.uint8)
    counts = np.arange(2000) % 5
    whole = chunk_hashes(ids, counts, 0)
    parts = [chunk_hashes(ids[a:b], counts[a:b], 0) for a, b in [(0, 3), (3, 1500), (1500, 2000)]]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert len(set(whole.tolist())) == 4000
    # 4,000 fair coins: standard deviation 32
    assert abs(int((whole < HASH_LIMIT // 2).sum()) - 2000) < 160
    assert (chunk_hashes(ids, counts, 1) != whole).all()
