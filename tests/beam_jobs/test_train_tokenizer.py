from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from job_workspace import (
    article,
    driver,
    files_of,
    id_of,
    manifest_of,
    recipe,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
    write_lines,
)

from beam_jobs import train_tokenizer as job
from beam_jobs.train_tokenizer import SizeDocuments, size_shard, train
from pipeline.config import TokenizerConfig
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from pipeline.stage_run import StageError
from tokenizer.training import train_tokenizer

SEED = 2
TEXTS = {
    ("news", 0, 2): {number: article(number, 1 + number % 5) for number in range(25)},
    ("news", 1, 2): {},
    ("c4", 0, 1): {number: article(number, 2) + " é" for number in range(30, 45)},
}
DOCUMENTS = {number: text for texts in TEXTS.values() for number, text in texts.items()}
TASKS = [ShardTask(*shard, step="size") for shard in TEXTS]
ALL = ShardTask("all", 0, 1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for shard, texts in TEXTS.items():
        write_documents(tmp_path, ShardTask(*shard), texts, stage="corpus")
    return tmp_path


def in_work(space: Workspace) -> Workspace:
    return replace(space, folder=space.work)


def sized(out: Path, name: str = "") -> Workspace:
    space = workspace(out, "tokenizer", name=name)
    for task in TASKS:
        size_shard(task, in_work(space), SEED)
    return space


def order(number: int) -> int:
    keyed = hashlib.blake2b(id_of(number), digest_size=8, key=SEED.to_bytes(8, "little"), person=b"tokenizer")
    return int.from_bytes(keyed.digest(), "big")


def expected_sample(sample_bytes: int) -> set[int]:
    """Documents of smallest hash, until they reach the size."""
    chosen: set[int] = set()
    total = 0
    for number in sorted(DOCUMENTS, key=order):
        if total >= sample_bytes:
            break
        chosen.add(number)
        total += len(DOCUMENTS[number].encode())
    return chosen


def trained(space: Workspace, monkeypatch: pytest.MonkeyPatch, sample_bytes: int) -> tuple[Receipt, list[str]]:
    """The receipt, and the texts that the training was given."""
    given: list[str] = []

    def remember(texts: object, vocab_size: int) -> bytes:
        given.extend(texts)  # type: ignore[call-overload]
        return train_tokenizer(given, vocab_size)

    monkeypatch.setattr(job, "train_tokenizer", remember)
    config = TokenizerConfig(vocab_size=320, sample_bytes=sample_bytes, seed=SEED)
    return train(ALL, space, TASKS, config), given


@pytest.mark.parametrize("sample_bytes", [1, 3_000, 10_000, 1_000_000])
def test_the_sample_is_the_documents_of_smallest_hash(
    out: Path, monkeypatch: pytest.MonkeyPatch, sample_bytes: int
) -> None:
    expected = expected_sample(sample_bytes)
    assert len(expected) == {1: 1, 1_000_000: 40}.get(sample_bytes, len(expected))
    assert sample_bytes in (1, 1_000_000) or 1 < len(expected) < 40
    if sample_bytes == 1:
        monkeypatch.setattr(job, "tokenizer_card", lambda model, texts: {"sample": {"documents": len(list(texts))}})
        monkeypatch.setattr(job, "train_tokenizer", lambda texts, size: json.dumps(list(texts)).encode())
        receipt = train(ALL, space := sized(out), TASKS, TokenizerConfig(sample_bytes=1, seed=SEED))
        given = json.loads(Path(space.folder, "tokenizer.model").read_text())
    else:
        receipt, given = trained(sized(out), monkeypatch, sample_bytes)
    assert given == [text for number, text in DOCUMENTS.items() if number in expected]
    assert receipt.counts == Counts("sampled documents", len(given), len(given), {}, 0, len(given))


def test_the_sample_ends_with_the_document_that_reaches_the_size() -> None:
    """Just so, and one byte more: the oracle itself."""
    first, second = sorted(DOCUMENTS, key=order)[:2]
    size = len(DOCUMENTS[first].encode())
    assert expected_sample(size) == {first}
    assert expected_sample(size + 1) == {first, second}


def test_a_sample_of_just_the_size_takes_no_more(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eight = sorted(DOCUMENTS, key=order)[:20]
    size = sum(len(DOCUMENTS[number].encode()) for number in eight)
    for extra, number in ((0, 20), (1, 21)):
        _, given = trained(sized(out, str(extra)), monkeypatch, size + extra)
        assert len(given) == number


def test_model_and_card_are_of_the_sample(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = sized(out)
    receipt, given = trained(space, monkeypatch, 1_000_000)
    written = files_of(space.folder)
    assert written["tokenizer.model"] == train_tokenizer(given, 320)
    card = json.loads(written["card.json"])
    assert card["vocab_size"] == 320
    assert card["sample"]["documents"] == 40
    assert card["sample"]["bytes"] == sum(len(text.encode()) for text in DOCUMENTS.values())
    assert [output.path for output in receipt.outputs] == ["tokenizer.model", "card.json"]
    assert all(output.sha256 == hashlib.sha256(written[output.path]).hexdigest() for output in receipt.outputs)


def test_sizes_are_bytes_and_balance(out: Path) -> None:
    space = in_work(workspace(out, "tokenizer"))
    receipts = [size_shard(task, space, SEED) for task in TASKS]
    assert [receipt.counts.produced for receipt in receipts if receipt.counts] == [25, 0, 15]
    rows = rows_of(space.folder, TASKS[2].file("sizes"))
    assert rows == [{"order": order(n), "bytes": len(text.encode())} for n, text in TEXTS["c4", 0, 1].items()]


def test_beam_writes_what_the_function_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, beam = (in_work(workspace(out, "tokenizer", name=name)) for name in ("", "-beam"))
    receipts = [size_shard(task, plain, SEED) for task in TASKS]
    run_on_beam(SizeDocuments(beam, SEED, str(out / "logs")), TASKS, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)


@pytest.mark.parametrize(
    ("vocab_size", "message"), [(30_000, "too small for 30,000 pieces; set .* vocab_size to at most"), (9, "need")]
)
def test_a_vocabulary_that_does_not_fit_fails_with_what_to_set(out: Path, vocab_size: int, message: str) -> None:
    with pytest.raises(StageError, match=f"tokenizer failed: .*{message}"):
        train(ALL, sized(out), TASKS, TokenizerConfig(vocab_size=vocab_size, seed=SEED))


def test_a_corpus_without_documents_fails_with_what_to_look_at(tmp_path: Path) -> None:
    for shard in TEXTS:
        write_documents(tmp_path, ShardTask(*shard), {}, stage="corpus")
    with pytest.raises(StageError, match="the tokenizer's sample has no text"):
        train(ALL, sized(tmp_path), TASKS, TokenizerConfig(vocab_size=320))


def test_held_out_documents_are_never_in_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the stage, which chooses the shards; a subset's own name may begin alike."""
    given: list[str] = []
    monkeypatch.setattr(job, "train_tokenizer", lambda texts, size: train_tokenizer(given.extend(texts) or given, size))
    write_lines(tmp_path / "input/a.jsonl", [f"{article(number)} number{number}" for number in range(60)])
    made = recipe(tmp_path / "input", corpus={"held_out_fraction": 0.4}, tokenizer={"vocab_size": 330})
    named = made.model_copy(update={"input": (made.input[0].model_copy(update={"subset": "held_out_news"}),)})
    out = tmp_path / "out"
    whole = driver(named, out)
    for stage in ("extract", "signals", "filter", "signatures", "dedup", "decontaminate", "corpus", "tokenizer"):
        whole.run(only=stage)
    (corpus,) = (out / "corpus").iterdir()
    training = [row["text"] for path in (corpus / "held_out_news").iterdir() for row in rows_of(path, "")]
    held_out = [row["text"] for path in (corpus / "held_out/held_out_news").iterdir() for row in rows_of(path, "")]
    assert len(held_out) > 10
    assert sorted(given) == sorted(training)
    assert not set(given) & set(held_out)
    counts = manifest_of(out, "tokenizer")["counts"]["all"]
    assert counts["in"] == counts["produced"] == len(training)
    assert np.all([len(text) for text in given])
