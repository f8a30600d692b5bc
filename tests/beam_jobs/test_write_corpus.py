from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from job_workspace import (
    article,
    files_of,
    id_of,
    ids_of,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
    write_verdicts,
)

from beam_jobs.write_corpus import WriteCorpus, write_shard
from pipeline.config import CorpusConfig
from pipeline.manifest import Counts, ShardTask, Workspace
from pipeline.schema import DOCUMENT_SCHEMA
from tokenizer.document_order import chosen

TASK, OTHER, EMPTY = ShardTask("news", 0, 2), ShardTask("c4", 0, 1), ShardTask("news", 1, 2)
TEXTS = {number: f"{article(number)} é" for number in range(200)}
DROPPED, GONE = (5, 50, 199), (0, 51)
KEPT = [number for number in TEXTS if number not in (*DROPPED, *GONE)]
CONFIG = CorpusConfig(held_out_fraction=0.25, seed=3)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for task in (TASK, OTHER):
        write_documents(tmp_path, task, TEXTS)
        write_verdicts(tmp_path, "filter", task, TEXTS)
        write_verdicts(tmp_path, "decontaminate", task, TEXTS, dropped=DROPPED, gone=GONE)
    write_documents(tmp_path, EMPTY, {})
    write_verdicts(tmp_path, "filter", EMPTY, [])
    write_verdicts(tmp_path, "decontaminate", EMPTY, [])
    return tmp_path


def split(space: Workspace, task: ShardTask = TASK) -> tuple[list[int], list[int]]:
    """Numbers of the documents in the training and in the held-out part."""
    main, held = (rows_of(space.folder, f"{prefix}{task.file('documents')}") for prefix in ("", "held_out/"))
    return [int(row["id"]) for row in main], [int(row["id"]) for row in held]


def test_the_parts_together_are_what_was_kept_in_order(out: Path) -> None:
    space = workspace(out, "corpus")
    receipt = write_shard(TASK, space, CONFIG)
    training, held_out = split(space)
    assert sorted(training + held_out) == KEPT
    assert training == sorted(training)
    assert held_out == sorted(held_out)
    assert 30 < len(held_out) < 70  # of 195 at a quarter
    counts = receipt.counts
    assert counts is not None
    sizes = {number: len(text.encode()) for number, text in TEXTS.items()}
    extra = {
        "held_out": len(held_out),
        "text_bytes": sum(sizes[number] for number in training),
        "held_out_text_bytes": sum(sizes[number] for number in held_out),
    }
    assert counts == Counts("documents", 195, 195, {}, 0, 195, extra)
    assert [output.rows for output in receipt.outputs] == [len(training), len(held_out)]


def test_rows_are_the_documents_as_extracted(out: Path) -> None:
    space = workspace(out, "corpus")
    write_shard(TASK, space, CONFIG)
    before = {row["id"]: row for row in rows_of(out / "extract", TASK.file("documents"))}
    for name in (TASK.file("documents"), f"held_out/{TASK.file('documents')}"):
        assert pq.read_schema(Path(space.folder, name)).names == DOCUMENT_SCHEMA.names
        assert all(row == before[row["id"]] for row in rows_of(space.folder, name))


def test_the_split_is_by_hash_of_id(out: Path) -> None:
    space = workspace(out, "corpus")
    write_shard(TASK, space, CONFIG)
    is_out = chosen(ids_of(KEPT), 3, b"held_out", 0.25)
    assert split(space)[1] == np.array(KEPT)[is_out].tolist()


def test_a_held_out_document_stays_so_whatever_is_beside_it(out: Path) -> None:
    space = workspace(out, "corpus")
    write_shard(TASK, space, CONFIG)
    held_out = set(split(space)[1])
    few = {number: TEXTS[number] for number in range(40, 90)}
    write_documents(out, OTHER, few)
    write_verdicts(out, "filter", OTHER, few)
    write_verdicts(out, "decontaminate", OTHER, few)
    write_shard(OTHER, space, CONFIG)
    training, out_again = split(space, OTHER)
    assert held_out & set(few) - {50, 51} == set(out_again) - {50, 51}
    assert not set(training) & held_out


def test_more_is_held_out_at_a_larger_fraction(out: Path) -> None:
    parts = []
    for fraction in (0.0, 0.1, 0.5, 1.0):
        space = workspace(out, "corpus", name=str(fraction))
        write_shard(TASK, space, CorpusConfig(held_out_fraction=fraction))
        parts.append(set(split(space)[1]))
    assert parts[0] == set()
    assert parts[3] == set(KEPT)
    assert parts[0] < parts[1] < parts[2] < parts[3]


def test_the_seed_is_a_setting(out: Path) -> None:
    parts = []
    for seed in (0, 1):
        space = workspace(out, "corpus", name=str(seed))
        write_shard(TASK, space, CorpusConfig(held_out_fraction=0.5, seed=seed))
        parts.append(set(split(space)[1]))
    assert parts[0] != parts[1]


def test_an_empty_shard_has_both_files(out: Path) -> None:
    space = workspace(out, "corpus")
    receipt = write_shard(EMPTY, space, CONFIG)
    extra = {"held_out": 0, "text_bytes": 0, "held_out_text_bytes": 0}
    assert receipt.counts == Counts("documents", 0, 0, {}, 0, 0, extra)
    assert split(space, EMPTY) == ([], [])


@pytest.mark.parametrize("batch_bytes", [1, 2_000])
def test_the_same_bytes_for_any_batch_size(out: Path, batch_bytes: int) -> None:
    whole, cut = workspace(out, "corpus"), workspace(out, "corpus", batch_bytes, name="-cut")
    for space in (whole, cut):
        write_shard(TASK, space, CONFIG)
    assert files_of(whole.folder) == files_of(cut.folder)


def test_beam_writes_what_the_function_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [TASK, OTHER, EMPTY]
    plain, beam = workspace(out, "corpus"), workspace(out, "corpus", name="-beam")
    receipts = [write_shard(task, plain, CONFIG) for task in tasks]
    run_on_beam(WriteCorpus(beam, CONFIG, str(out / "logs")), tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)
    assert id_of(1) in {row["id"] for row in rows_of(beam.folder, TASK.file("documents"))}
