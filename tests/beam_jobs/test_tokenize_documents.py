from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from job_workspace import article, files_of, id_of, rows_of, run_on_beam, workspace, write_documents

from beam_jobs.tokenize_documents import EncodeDocuments, SortBuckets, encode_shard, plan_buckets, sort_bucket
from pipeline.config import TokensConfig
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from tokenizer.training import train_tokenizer
from tokenizer.vocabulary import BOS_ID, EOS_ID

SEED = 5
TEXTS = {
    ("news", 0, 3): {number: article(number, 1 + number % 3) for number in reversed(range(30))},
    ("news", 1, 3): {},
    ("news", 2, 3): {30: "", 31: "Zwölf Boxkämpfer \u2581 日本\n\n", 32: article(32, 40)},
    ("c4", 0, 1): {number: article(number) for number in range(40, 45)},
    ("held_out/news", 0, 3): {number: article(number) for number in range(50, 54)},
    ("held_out/news", 1, 3): {},
    ("held_out/news", 2, 3): {},
    ("held_out/c4", 0, 1): {},
}
BUCKETS = {"news": 4, "c4": 1, "held_out/news": 2, "held_out/c4": 1}


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_tokenizer([article(number) for number in range(20)], 330)


@pytest.fixture
def out(tmp_path: Path, model: bytes) -> Path:
    for shard, texts in TEXTS.items():
        write_documents(tmp_path, ShardTask(*shard), texts, stage="corpus")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/tokenizer.model").write_bytes(model)
    return tmp_path


def encode_tasks(buckets: Mapping[str, int] = BUCKETS) -> list[ShardTask]:
    return [
        ShardTask(subset, index, count, ({"buckets": buckets[subset], "rows": len(texts)},), "encode")
        for (subset, index, count), texts in TEXTS.items()
    ]


def sort_tasks(buckets: Mapping[str, int] = BUCKETS) -> list[ShardTask]:
    return [
        ShardTask(subset, bucket, count, tuple({"shard": i, "of": n} for s, i, n in TEXTS if s == subset))
        for subset, count in buckets.items()
        for bucket in range(count)
    ]


def in_work(space: Workspace) -> Workspace:
    return replace(space, folder=space.work)


def tokenize(out: Path, name: str = "", buckets: Mapping[str, int] = BUCKETS) -> tuple[Workspace, list[Receipt]]:
    space = workspace(out, "tokens", name=name)
    for task in encode_tasks(buckets):
        encode_shard(task, in_work(space), SEED)
    return space, [sort_bucket(task, space) for task in sort_tasks(buckets)]


def order(number: int) -> tuple[int, bytes]:
    """A document's place by the contract's words: the order of hash(seed, id), then of id."""
    keyed = hashlib.blake2b(id_of(number), digest_size=8, key=SEED.to_bytes(8, "little"), person=b"tokens")
    return int.from_bytes(keyed.digest(), "big"), id_of(number)


def joined(space: Workspace, subset: str, count: int) -> tuple[list[int], list[dict]]:
    """All tokens of a subset, and its documents with their starts among them."""
    tokens: list[int] = []
    documents: list[dict] = []
    for index in range(count):
        array = np.load(f"{space.folder}/{subset}/tokens-{index:05d}-of-{count:05d}.npy")
        assert array.dtype == np.dtype("<u2")
        rows = rows_of(space.folder, f"{subset}/documents-{index:05d}-of-{count:05d}.parquet")
        documents += [{**row, "start": row["start"] + len(tokens)} for row in rows]
        tokens += array.tolist()
    return tokens, documents


@pytest.mark.parametrize("subset", BUCKETS)
def test_shards_are_the_documents_by_hash_one_after_another(out: Path, model: bytes, subset: str) -> None:
    space, _ = tokenize(out)
    plain = sentencepiece.SentencePieceProcessor(model_proto=model)
    texts = {number: text for (name, _, _), part in TEXTS.items() if name == subset for number, text in part.items()}
    expected: list[int] = []
    places = []
    for number in sorted(texts, key=order):
        parts = [plain.encode(part) for part in texts[number].split("\u2581")]
        mark = [plain.piece_to_id(f"<0x{byte:02X}>") for byte in "\u2581".encode()]
        ids = [token for position, part in enumerate(parts) for token in (mark if position else []) + part]
        places.append({"id": id_of(number), "start": len(expected), "length": len(ids) + 2})
        expected += [BOS_ID, *ids, EOS_ID]
    assert joined(space, subset, BUCKETS[subset]) == (expected, places)


def test_several_buckets_hold_something(out: Path) -> None:
    space, _ = tokenize(out)
    sizes = [len(np.load(f"{space.folder}/news/tokens-{index:05d}-of-00004.npy")) for index in range(4)]
    assert all(sizes)
    bounds = [order(int(row["id"]))[0] for row in joined(space, "news", 4)[1]]
    assert bounds == sorted(bounds)


def test_the_same_tokens_from_any_number_of_buckets(out: Path) -> None:
    many, _ = tokenize(out)
    one, _ = tokenize(out, "-one", dict.fromkeys(BUCKETS, 1))
    more, _ = tokenize(out, "-more", dict.fromkeys(BUCKETS, 13))
    for subset, count in BUCKETS.items():
        assert joined(many, subset, count) == joined(one, subset, 1) == joined(more, subset, 13)


def test_an_empty_subset_has_empty_shards(out: Path) -> None:
    space, receipts = tokenize(out)
    assert joined(space, "held_out/c4", 1) == ([], [])
    empty = next(receipt for receipt in receipts if receipt.shard == "held_out.c4-00000-of-00001")
    extra = {"held_out": 0, "held_out_tokens": 0, "held_out_text_bytes": 0}
    assert (empty.counts, empty.subset) == (Counts("documents", 0, 0, {}, 0, 0, extra), "c4")


def test_counts_are_of_the_subset_with_the_held_out_part_beside(out: Path) -> None:
    space, receipts = tokenize(out)
    counts = [receipt.counts for receipt in receipts if receipt.subset == "news" and receipt.counts]
    assert len(counts) == 6
    total = sum(counts[1:], counts[0])
    training = [text for (name, _, _), texts in TEXTS.items() if name == "news" for text in texts.values()]
    held_out = TEXTS["held_out/news", 0, 3].values()
    assert total == Counts(
        "documents",
        37,
        37,
        {},
        0,
        37,
        {
            "held_out": 4,
            "tokens": len(joined(space, "news", 4)[0]),
            "held_out_tokens": len(joined(space, "held_out/news", 2)[0]),
            "text_bytes": sum(len(text.encode()) for text in training),
            "held_out_text_bytes": sum(len(text.encode()) for text in held_out),
        },
    )


def test_encoding_balances_and_puts_each_document_into_one_bucket(out: Path) -> None:
    space = in_work(workspace(out, "tokens"))
    receipts = [encode_shard(task, space, SEED) for task in encode_tasks()]
    assert [receipt.counts.produced for receipt in receipts if receipt.counts] == [len(t) for t in TEXTS.values()]
    seen: list[int] = []
    for bucket in range(4):
        found = [
            int(row["id"])
            for index in range(3)
            for row in rows_of(space.folder, f"news/bucket-{bucket:05d}/encoded-{index:05d}-of-00003.parquet")
        ]
        assert all(order(number)[0] * 4 >> 64 == bucket for number in found)
        seen += found
    assert sorted(seen) == list(range(33))


def test_buckets_follow_the_size_of_the_text() -> None:
    counts = {"news": {"text_bytes": 1001, "held_out_text_bytes": 1000}, "c4": {"text_bytes": 0}}
    counts["c4"]["held_out_text_bytes"] = 2500
    planned = plan_buckets({"counts": counts}, TokensConfig(shard_text_bytes=1000))
    assert planned == {"news": 2, "held_out/news": 1, "c4": 1, "held_out/c4": 3}


def test_beam_writes_what_the_functions_write(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, beam = workspace(out, "tokens"), workspace(out, "tokens", name="-beam")
    encoded = [encode_shard(task, in_work(plain), SEED) for task in encode_tasks()]
    logs = str(out / "logs")
    with monkeypatch.context() as first:
        run_on_beam(EncodeDocuments(in_work(beam), SEED, logs), encode_tasks(), encoded, first)
    assert files_of(beam.work) == files_of(plain.work)
    written = [sort_bucket(task, plain) for task in sort_tasks()]
    run_on_beam(SortBuckets(beam, logs), sort_tasks(), written, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)


def test_equal_hashes_are_ordered_by_id(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "beam_jobs.tokenize_documents.document_order", lambda ids, seed, purpose: np.zeros(len(ids), np.uint64)
    )
    space, _ = tokenize(out)
    documents = joined(space, "news", 4)[1]
    assert [row["id"] for row in documents] == [id_of(number) for number in range(33)]
    assert [a["start"] + a["length"] for a, _ in pairwise(documents)] == [b["start"] for _, b in pairwise(documents)]
    assert documents[30]["length"] == 2  # an empty document is bos and eos
