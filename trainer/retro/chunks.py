"""RETRO chunks: how documents are cut, the tables beside the chunk arrays, and which chunks get a key.

A document's chunks are its tokens without bos and eos, ``chunk_len`` at a time from its first token; the last is filled
with pad. Eos is left out because padding already says where a document ends: the last chunk is short, or its
continuation is all pad. With eos, a document of exactly 64 tokens would get a second chunk without any text.

The tables written beside the arrays:

- ``chunk_documents``: one row a document, in the order of the token shard of the same number: ``id``, ``first_chunk``
  (row of the chunk array of the same number), ``num_chunks``, ``num_tokens`` (without bos and eos), ``cluster``.
- ``keyed``: one row a key: ``chunk`` and ``document`` (ordinals in the whole database), ``cluster``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.schema import ID_BYTES
from tokenizer.vocabulary import PAD_ID

CHUNK_DOCUMENT_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("first_chunk", pa.int64(), nullable=False),
        pa.field("num_chunks", pa.int64(), nullable=False),
        pa.field("num_tokens", pa.int64(), nullable=False),
        pa.field("cluster", pa.binary(ID_BYTES)),  # of duplicates, as dedup names it; null when alone
    ]
)

KEYED_SCHEMA: Final = pa.schema(
    [
        pa.field("chunk", pa.int64(), nullable=False),  # ascending
        pa.field("document", pa.int64(), nullable=False),
        pa.field("cluster", pa.binary(ID_BYTES)),
    ]
)

HASH_LIMIT: Final = 1 << 63  # no chunk hash reaches it

_BLOCK_TOKENS = 1 << 20  # tokens laid out at once; the index arrays take 16 bytes a token
_Ints = npt.NDArray[np.int64]


def split_into_chunks(tokens: np.ndarray, chunk_len: int, pad_id: int = PAD_ID) -> np.ndarray:
    """Cut one document into RETRO chunks.

    Args:
        tokens: int array [num_tokens], one document, without bos and eos.
        chunk_len: Tokens per chunk (m in the paper, where it is 64).
        pad_id: Fills the last chunk.

    Returns:
        Array [ceil(num_tokens / chunk_len), chunk_len] of the input's dtype; zero rows for an empty document.

    Raises:
        ValueError: chunk_len is below 1.

    Source: Borgeaud et al. 2022 (arXiv:2112.04426), section 2.1.
    """
    chunks = np.full((int(chunks_in(np.int64(len(tokens)), chunk_len)), chunk_len), pad_id, tokens.dtype)
    chunks.reshape(-1)[: len(tokens)] = tokens
    return chunks


def chunks_in(num_tokens: _Ints | np.int64, chunk_len: int) -> _Ints:
    """Chunks of documents of so many tokens, rounded up.

    Raises:
        ValueError: chunk_len is below 1.
    """
    if chunk_len < 1:
        raise ValueError(f"chunk_len must be at least 1; got {chunk_len}")
    return np.asarray(-(-num_tokens // chunk_len), np.int64)


def starts_of(lengths: _Ints) -> _Ints:
    """Where each of some pieces begins when they are joined: the sum of all before it."""
    return np.cumsum(lengths, dtype=np.int64) - lengths


def chunk_blocks(tokens: np.ndarray, starts: _Ints, lengths: _Ints, chunk_len: int) -> Iterator[np.ndarray]:
    """Cut the documents of a token shard, some at a time.

    Args:
        tokens: int array [shard], or what gives one for a slice, as ``open_token_array`` does; read slice by slice.
        starts: int64 [documents], each document's first token after bos; ascending.
        lengths: int64 [documents], tokens without bos and eos; 0 gives no chunk.
        chunk_len: Tokens per chunk.

    Yields:
        Arrays [chunks, chunk_len] of the tokens' dtype; joined, they are what ``split_into_chunks`` gives document by
        document. A block has about a million tokens, or one longer document.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    first = 0
    while first < len(lengths):
        limit = (ends[first - 1] if first else 0) + _BLOCK_TOKENS
        last = max(first + 1, int(np.searchsorted(ends, limit, side="right")))
        begin, end = int(starts[first]), int(starts[last - 1] + lengths[last - 1])
        yield _lay_out(tokens[begin:end], starts[first:last] - begin, lengths[first:last], chunk_len)
        first = last


def _lay_out(tokens: np.ndarray, starts: _Ints, lengths: _Ints, chunk_len: int) -> np.ndarray:
    num_chunks = chunks_in(lengths, chunk_len)
    chunks = np.full((int(num_chunks.sum()), chunk_len), PAD_ID, tokens.dtype)
    step = np.arange(lengths.sum())
    before = starts_of(lengths)
    source = np.repeat(starts - before, lengths) + step
    target = np.repeat(starts_of(num_chunks) * chunk_len - before, lengths) + step
    chunks.reshape(-1)[target] = tokens[source]
    return chunks


def chunk_hashes(ids: npt.NDArray[np.uint8], num_chunks: _Ints, seed: int) -> npt.NDArray[np.uint64]:
    """Hash every chunk's name, which is its document's id and its place there.

    Args:
        ids: uint8 [documents, 16].
        num_chunks: int64 [documents].
        seed: Another seed, other hashes.

    Returns:
        uint64 [sum(num_chunks)] below ``HASH_LIMIT``, in the order of the chunks.
    """
    words = np.ascontiguousarray(ids).view("<u8").astype(np.uint64)
    seeds = np.full(len(words), seed % (1 << 64), np.uint64)
    documents = _mix(_mix(_mix(seeds) ^ words[:, 0]) ^ words[:, 1])
    position = np.arange(num_chunks.sum()) - np.repeat(starts_of(num_chunks), num_chunks)
    return _mix(np.repeat(documents, num_chunks) ^ position.astype(np.uint64)) >> np.uint64(1)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One step of SplitMix64: every input bit reaches every output bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def id_bytes(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Document ids as uint8 [documents, 16]."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    flat = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return flat[array.offset * ID_BYTES : (array.offset + len(array)) * ID_BYTES].reshape(-1, ID_BYTES)
