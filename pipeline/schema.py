"""Arrow schemas and column names of every table that the pipeline writes, and the document id.

A document is one row of ``documents-*.parquet``. Every later stage up to ``corpus`` writes side tables with the same
shard names, rows and order, so a document's history is the same row of each table.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pyarrow as pa

KEPT: Final = "kept"
DROPPED: Final = "dropped"
FAILED: Final = "failed"
ABSENT: Final = "absent"  # gone in an earlier stage

ID_BYTES: Final = 16

DOCUMENT_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),  # see document_id; printed as 32 hex digits
        pa.field("subset", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # path relative to the input's root, with "/"
        pa.field("offset", pa.int64(), nullable=False),  # where the raw record starts; its kind is in the manifest
        pa.field("length", pa.int64(), nullable=False),  # size of the raw record, in the same unit
        pa.field("member", pa.string(), nullable=False),  # path within an archive, else ""
        pa.field("url", pa.string()),
        pa.field("timestamp", pa.timestamp("s", "UTC")),  # null when unknown or unreadable
        pa.field("title", pa.string()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("meta", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)

RECORD_SCHEMA: Final = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("member", pa.string()),  # as the documents'
        pa.field("url", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),  # kept, dropped or failed
        pa.field("reason", pa.string()),  # null when kept
        pa.field("error", pa.string()),  # the exception's text when failed
        pa.field("refers_to", pa.string()),  # of a revisit: id, URL and date of the record with the payload, as given
        pa.field("num_documents", pa.int32(), nullable=False),  # 1 when kept, else 0
    ]
)

VERDICT_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),  # kept, dropped, failed or absent
        pa.field("reason", pa.string()),  # the first reason; null unless dropped or failed
        pa.field("reasons", pa.list_(pa.string()), nullable=False),  # all of them, in the order of the rules
        pa.field("evidence", pa.string()),  # what the decision rests on, for a person to read
    ]
)

CLUSTER_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("cluster", pa.binary(ID_BYTES)),  # smallest id of the cluster; null when alone or absent
        pa.field("size", pa.int64(), nullable=False),  # documents in the cluster; 1 when alone, 0 when absent
        pa.field("survivor", pa.binary(ID_BYTES)),  # the one that stays; null when alone or absent
        pa.field("partner", pa.binary(ID_BYTES)),  # the most similar verified neighbour; null without one
        pa.field("jaccard", pa.float32()),  # similarity to that partner: 1 for exact copies, else estimated
    ]
)

TOKEN_DOCUMENT_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # index in the token shard of the same number
        pa.field("length", pa.int64(), nullable=False),  # tokens, bos and eos included
    ]
)


def document_id(subset: str, source: str, member: str, offset: int, raw_sha256: bytes) -> bytes:
    """Name a document by where its raw record stands and what it holds.

    Extraction settings never enter, so that a document keeps its id under another extractor.

    Args:
        subset: Mixture part, such as ``massiveweb``.
        source: Path relative to the input's root, with ``/``.
        member: Path within an archive, else the empty string.
        offset: Start of the raw record, as in the ``offset`` column.
        raw_sha256: SHA-256 of the raw record's bytes as stored (32 bytes).

    Returns:
        16 bytes: BLAKE2b of the fields with a zero byte between them, the offset as little-endian int64.

    Raises:
        ValueError: ``raw_sha256`` is not 32 bytes.
    """
    if len(raw_sha256) != 32:
        raise ValueError(f"raw_sha256 must be 32 bytes; got {len(raw_sha256)}")
    head = "\0".join((subset, source, member, "")).encode("utf-8", "surrogatepass")
    place = head + offset.to_bytes(8, "little", signed=True) + b"\0"
    return hashlib.blake2b(place + raw_sha256, digest_size=ID_BYTES).digest()
