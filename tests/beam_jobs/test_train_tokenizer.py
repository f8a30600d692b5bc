from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from job_workspace import (
    article,
    files_of,
    id_of,
    recipe,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
)

from beam_jobs import train_tokenizer as job
from beam_jobs.train_tokenizer import SizeDocuments, size_shard, train
from pipeline.config import TokenizerConfig
from pipeline.manifest import Counts, ShardTask, Workspace
from pipeline.progress import Progress
from pipeline.stage_run import StageRun
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


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_tokenizer(DOCUMENTS.values(), 320)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, model: bytes) -> list[str]:
    """The texts that the training is given; the smallest samples are too small for any model, so one stands ready."""
    given: list[str] = []
    monkeypatch.setattr(job, "train_tokenizer", lambda texts, vocab_size: given.extend(texts) or model)
    return given


def config(sample_bytes: int) -> TokenizerConfig:
    return TokenizerConfig(vocab_size=320, sample_bytes=sample_bytes, seed=SEED)


@pytest.mark.parametrize(
    ("sample_bytes", "least", "most"), [(1, 1, 1), (3_000, 2, 20), (10_000, 20, 39), (10**9, 40, 40)]
)
def test_the_sample_is_the_documents_of_smallest_hash(
    out: Path, given: list[str], sample_bytes: int, least: int, most: int
) -> None:
    expected = expected_sample(sample_bytes)
    assert least <= len(expected) <= most
    receipt = train(ALL, sized(out), TASKS, config(sample_bytes))
    assert given == [text for number, text in DOCUMENTS.items() if number in expected]
    assert receipt.counts == Counts("sampled documents", len(given), len(given), {}, 0, len(given))


def test_a_sample_of_just_the_size_takes_no_more(out: Path, given: list[str]) -> None:
    size = sum(len(DOCUMENTS[number].encode()) for number in sorted(DOCUMENTS, key=order)[:20])
    for extra, number in ((0, 20), (1, 21)):
        given.clear()
        train(ALL, sized(out, str(extra)), TASKS, config(size + extra))
        assert len(given) == number


def test_model_and_card_are_of_the_sample(out: Path) -> None:
    space = sized(out)
    receipt = train(ALL, space, TASKS, config(10_000))
    sample = [text for number, text in DOCUMENTS.items() if number in expected_sample(10_000)]
    written = files_of(space.folder)
    assert written["tokenizer.model"] == train_tokenizer(sample, 320)
    card = json.loads(written["card.json"])
    assert (card["vocab_size"], card["sample"]["documents"]) == (320, len(sample))
    assert card["sample"]["bytes"] == sum(len(text.encode()) for text in sample)
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
    with pytest.raises(ValueError, match=message):
        train(ALL, sized(out), TASKS, TokenizerConfig(vocab_size=vocab_size, seed=SEED))


def test_a_corpus_without_documents_fails_with_what_to_look_at(tmp_path: Path) -> None:
    for shard in TEXTS:
        write_documents(tmp_path, ShardTask(*shard), {}, stage="corpus")
    with pytest.raises(ValueError, match="the tokenizer's sample has no text"):
        train(ALL, sized(tmp_path), TASKS, TokenizerConfig(vocab_size=320))


def test_held_out_documents_are_never_in_the_sample(out: Path, given: list[str]) -> None:
    """The stage chooses the shards; a subset's own name may begin alike."""
    shards = {shard: list(texts.values()) for shard, texts in TEXTS.items()}
    for shard in (("held_out_too", 0, 1), ("held_out/news", 0, 1), ("held_out/held_out_too", 0, 1)):
        numbers = range(100 * (len(shards) + 1), 100 * (len(shards) + 1) + 5)
        shards[shard] = [article(number) for number in numbers]
        write_documents(out, ShardTask(*shard), {number: article(number) for number in numbers}, stage="corpus")
    outputs = [
        {"path": ShardTask(*shard).file("documents"), "rows": len(texts), "bytes": 0} for shard, texts in shards.items()
    ]
    run = StageRun(
        stage="tokenizer",
        recipe=recipe(out, tokenizer={"vocab_size": 320, "seed": SEED}),
        space=workspace(out, "tokenizer"),
        manifests={"corpus": {"outputs": outputs}},
        inputs=(),
        runner="FnApiRunner",
        workers=1,
        beam_options=(),
        logs=str(out / "logs"),
        progress=Progress(io.StringIO()),
    )
    job.run(run)
    training = [text for (subset, _, _), texts in shards.items() if "/" not in subset for text in texts]
    assert len(training) == 45
    assert sorted(given) == sorted(training)
    (receipt,) = run.receipts
    assert receipt.counts == Counts("sampled documents", 45, 45, {}, 0, 45)
