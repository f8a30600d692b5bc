from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import (
    GERMAN,
    article,
    files_of,
    id_of,
    ids_of,
    language_model,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
)

from beam_jobs.measure_signals import MeasureSignals, measure_shard, signals_of, signals_schema
from filters.rule_sets import TABLES
from pipeline.config import SignalsConfig
from pipeline.manifest import Counts, ShardTask

TASK = ShardTask("news", 0, 2)
EMPTY = ShardTask("news", 1, 2)
TEXTS = {
    0: "",
    1: "word",
    2: GERMAN,
    3: "Это просто предложение на русском языке, без какого-либо смысла.",
    4: "the same line\n" * 8,
    5: "# ... " * 30,
    6: "Write to me@post.org from 93.184.216.34 or call +44 20 7946 0958.",
    **{number: article(number) for number in range(7, 30)},
}
PII = 6


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_documents(tmp_path, TASK, TEXTS)
    write_documents(tmp_path, EMPTY, {})
    return tmp_path


@pytest.fixture(scope="module")
def model_path() -> str:
    return language_model()


def test_every_document_has_its_row_in_order(out: Path, model_path: str) -> None:
    space = workspace(out, "signals")
    receipt = measure_shard(TASK, space, SignalsConfig(), model_path)
    assert receipt.counts == Counts("documents", 30, 30, {}, 0, 30)
    rows = rows_of(space.folder, TASK.file("signals"))
    assert [row["id"] for row in rows] == [id_of(number) for number in TEXTS]
    assert [row["num_words"] for row in rows[:3]] == [0, 1, 17]
    assert [rows[number]["language"] for number in (0, 2, 3, 7)] == [None, "de", "ru", "en"]
    assert rows[0]["mean_word_length"] is None
    assert rows[4]["duplicate_line_fraction"] == 7 / 8
    assert rows[5]["hash_to_word_ratio"] == 0.5
    assert all(0 < row["language_score"] <= 1 for row in rows if row["language"])


def test_every_bound_finds_its_signal() -> None:
    names = signals_schema().names
    assert names[:3] == ["id", "language", "language_score"]
    assert len(set(names)) == len(names)
    assert {bound.name for table, bounds in TABLES.items() if table != "c4" for bound in bounds} <= set(names)


def test_an_empty_shard_has_the_columns(out: Path, model_path: str) -> None:
    space = workspace(out, "signals")
    receipt = measure_shard(EMPTY, space, SignalsConfig(), model_path)
    assert receipt.counts == Counts("documents", 0, 0, {}, 0, 0)
    assert pq.read_schema(Path(space.folder, EMPTY.file("signals"))).equals(signals_schema())


@pytest.mark.parametrize("pii", [False, True])
@pytest.mark.parametrize("batch_bytes", [1, 700, 5_000])
def test_the_same_bytes_for_any_batch_size(out: Path, model_path: str, batch_bytes: int, pii: bool) -> None:
    whole, cut = workspace(out, "signals"), workspace(out, "signals", batch_bytes, name="-cut")
    for space in (whole, cut):
        measure_shard(TASK, space, SignalsConfig(pii=pii), model_path)
    assert files_of(whole.folder) == files_of(cut.folder)


def test_a_documents_signals_depend_on_it_alone(model_path: str) -> None:
    texts = list(TEXTS.values())
    config = SignalsConfig(pii=True)
    together = signals_of(ids_of(TEXTS), pa.array(texts), model_path, config)
    alone = [signals_of(ids_of([number]), pa.array([text]), model_path, config) for number, text in TEXTS.items()]
    assert pa.Table.from_batches([together]).equals(pa.Table.from_batches(alone).combine_chunks())


def test_language_is_read_from_the_first_characters_only(model_path: str) -> None:
    texts = pa.array([GERMAN + " " + article(1, 30)])
    configs = [SignalsConfig(language_max_chars=chars) for chars in (90, 3_000)]
    languages = [signals_of(ids_of([0]), texts, model_path, config)["language"][0].as_py() for config in configs]
    assert languages == ["de", "en"]


def test_personal_data_is_found_on_demand(out: Path, model_path: str) -> None:
    space = workspace(out, "signals")
    assert "pii" not in signals_schema().names
    measure_shard(TASK, space, SignalsConfig(pii=True), model_path)
    spans = [row["pii"] for row in rows_of(space.folder, TASK.file("signals"))]
    text = TEXTS[PII]
    assert [(text[span["start"] : span["stop"]], span["kind"]) for span in spans[PII]] == [
        ("me@post.org", "email"), ("93.184.216.34", "ip_address"), ("+44 20 7946 0958", "phone"),
    ]  # fmt: skip
    assert all(not found for number, found in enumerate(spans) if number != PII)


def test_beam_writes_what_the_function_writes(out: Path, model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, beam = workspace(out, "signals"), workspace(out, "signals", name="-beam")
    receipts = [measure_shard(task, plain, SignalsConfig(), model_path) for task in (TASK, EMPTY)]
    transform = MeasureSignals(beam, SignalsConfig(), model_path, str(out / "logs"))
    run_on_beam(transform, [TASK, EMPTY], receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)
