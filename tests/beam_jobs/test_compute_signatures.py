from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
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

from beam_jobs.compute_signatures import ComputeSignatures, schema, sign_batch, sign_shard
from filters.minhash import estimated_jaccard, exact_hashes, exact_jaccard, signatures
from filters.text import scan
from pipeline.config import SignaturesConfig
from pipeline.manifest import Counts, ShardTask

CONFIG = SignaturesConfig(num_perm=128, ngram=5)
TASK, EMPTY, GONE = (ShardTask("news", index, 3) for index in range(3))
TEXTS = {
    **{number: article(number) for number in range(20)},
    20: "",
    21: "only four words here",
    22: "five words are a shingle",
    23: f"\n\t {article(0)}   ".replace(" ", "  "),
    24: article(0).upper(),
}
DROPPED, ABSENT = (3, 7, 19), (0, 8)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_documents(tmp_path, TASK, TEXTS)
    write_verdicts(tmp_path, "filter", TASK, TEXTS, dropped=DROPPED, gone=ABSENT)
    write_documents(tmp_path, EMPTY, {})
    write_verdicts(tmp_path, "filter", EMPTY, [])
    write_documents(tmp_path, GONE, {30: "a b c", 31: "d e f"})
    write_verdicts(tmp_path, "filter", GONE, [30, 31], dropped=[30, 31])
    return tmp_path


def test_rows_align_and_only_the_living_are_signed(out: Path) -> None:
    space = workspace(out, "signatures")
    receipt = sign_shard(TASK, space, CONFIG)
    assert receipt.counts == Counts("documents", 20, 20, {}, 0, 20)
    rows = rows_of(space.folder, TASK.file("signatures"))
    assert [row["id"] for row in rows] == [id_of(number) for number in TEXTS]
    for number, row in enumerate(rows):
        is_alive = number not in (*DROPPED, *ABSENT)
        assert (row["exact"] is not None) == (row["num_words"] is not None) == is_alive
        assert (row["signature"] is not None) == (is_alive and number not in (20, 21))
    assert [rows[number]["num_words"] for number in (20, 21, 22)] == [0, 4, 5]


def test_values_are_those_of_each_document_alone(out: Path) -> None:
    space = workspace(out, "signatures")
    sign_shard(TASK, space, CONFIG)
    for number, row in enumerate(rows_of(space.folder, TASK.file("signatures"))):
        if row["exact"] is not None:
            alone = scan(pa.array([TEXTS[number]]))
            assert row["exact"] == exact_hashes(alone).tobytes()
            assert row["num_words"] == len(TEXTS[number].split())
            signed, has_signature = signatures(alone, 128, 5, 0)
            assert row["signature"] == (signed.astype("<u4").tobytes() if has_signature[0] else None)


def test_signatures_estimate_and_exact_hashes_ignore_white_space_alone() -> None:
    texts = pa.array([article(0), TEXTS[23], TEXTS[24], article(0) + " Amen and amen to all of that."])
    batch = sign_batch(ids_of(range(4)), texts, np.ones(4, bool), SignaturesConfig(num_perm=1024, ngram=5))
    exact = batch["exact"].to_pylist()
    assert exact[0] == exact[1]
    assert exact[0] != exact[2]
    signed = [np.frombuffer(one, "<u4")[None] for one in batch["signature"].to_pylist()]
    assert estimated_jaccard(signed[0], signed[1]) == 1
    assert estimated_jaccard(signed[0], signed[2]) == 1  # shingles ignore case
    true = exact_jaccard(scan(texts), 0, 3, 5)
    assert 0.8 < true < 0.95
    assert abs(estimated_jaccard(signed[0], signed[3])[0] - true) < 4 * np.sqrt(true * (1 - true) / 1024)


@pytest.mark.parametrize(("task", "rows"), [(EMPTY, 0), (GONE, 2)])
def test_a_shard_without_living_documents(out: Path, task: ShardTask, rows: int) -> None:
    space = workspace(out, "signatures")
    receipt = sign_shard(task, space, CONFIG)
    assert receipt.counts == Counts("documents", 0, 0, {}, 0, 0)
    table = pq.read_table(Path(space.folder, task.file("signatures")))
    assert table.schema.equals(schema(128))
    assert table.num_rows == rows
    assert [table[name].null_count for name in ("exact", "num_words", "signature")] == [rows] * 3


@pytest.mark.parametrize("batch_bytes", [1, 900])
def test_the_same_bytes_for_any_batch_size(out: Path, batch_bytes: int) -> None:
    whole, cut = workspace(out, "signatures"), workspace(out, "signatures", batch_bytes, name="-cut")
    for space in (whole, cut):
        sign_shard(TASK, space, CONFIG)
    assert files_of(whole.folder) == files_of(cut.folder)


def test_the_seed_is_a_setting() -> None:
    batches = [
        sign_batch(ids_of([1]), pa.array([article(1)]), np.ones(1, bool), SignaturesConfig(seed=seed))
        for seed in (0, 1)
    ]
    assert batches[0]["signature"] != batches[1]["signature"]
    assert batches[0]["exact"] == batches[1]["exact"]


def test_beam_writes_what_the_function_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [TASK, EMPTY, GONE]
    plain, beam = workspace(out, "signatures"), workspace(out, "signatures", name="-beam")
    receipts = [sign_shard(task, plain, CONFIG) for task in tasks]
    run_on_beam(ComputeSignatures(beam, CONFIG, str(out / "logs")), tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)
