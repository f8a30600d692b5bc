"""What is read of a Parquet file, and when: the bytes asked of the file are counted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.train_tokenizer import size_shard
from pipeline import parquet_files
from pipeline.dropped import DROPPED_SCHEMA, _write_shard
from pipeline.manifest import ShardTask, Workspace
from pipeline.parquet_files import SerialParquetFile, read_batches, read_schema, read_table
from pipeline.schema import DOCUMENT_SCHEMA
from pipeline.storage import ROWS_PER_GROUP, HashingWriter, ParquetShardWriter

TASK = ShardTask("news", 0, 1)
ROWS = 8 * ROWS_PER_GROUP + 100


class Counted(io.BytesIO):
    """A file that counts the bytes read from it, and knows which threads read them."""

    num_read = 0

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.readers: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(get_ident())
        data = super().read(size)
        self.num_read += len(data)
        return data


def documents() -> Iterable[pa.RecordBatch]:
    """Documents of 150 random letters, which do not compress."""
    letters = np.random.default_rng(5).integers(97, 123, (ROWS, 150), np.uint8)
    columns = {name: [""] * ROWS for name in ("subset", "source", "member", "url", "title")}
    columns |= {name: [0] * ROWS for name in ("offset", "length", "timestamp")}
    columns |= {"id": [number.to_bytes(16, "big") for number in range(ROWS)], "meta": [[]] * ROWS}
    columns["text"] = [row.tobytes().decode() for row in letters]
    return pa.table(columns, DOCUMENT_SCHEMA).to_batches()


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shard of nine row groups."""
    folder = tmp_path_factory.mktemp("corpus")
    with ParquetShardWriter(str(folder), TASK.file("documents"), DOCUMENT_SCHEMA, str(folder / "scratch")) as writer:
        for batch in documents():
            writer.write(batch)
    return str(folder / TASK.file("documents"))


@pytest.fixture
def file(shard: str, monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(Path(shard).read_bytes())
    monkeypatch.setattr(parquet_files, "open_read", lambda path: counted)
    return counted


def test_batches_are_read_one_row_group_at_a_time(shard: str, file: Counted) -> None:
    batches = read_batches(shard)
    for number in range(1, 10):
        assert next(batches).num_rows == (ROWS_PER_GROUP if number < 9 else 100)
        # and the footer; nine groups of one size but the last
        assert file.num_read < (number + 0.5) / 8 * len(file.getbuffer()) + 65_536
    assert next(batches, None) is None


def test_a_column_is_read_in_steps_of_the_buffer(tmp_path: Path) -> None:
    """Of files with row groups of any size."""
    path = tmp_path / "one-group"
    pq.write_table(pa.Table.from_batches(documents()), path, use_dictionary=False, data_page_size=10_000)
    file = Counted(path.read_bytes())
    next(SerialParquetFile(file, buffer_size=50_000).iter_batches(100, columns=["text"]))
    assert file.num_read < len(file.getbuffer()) / 4  # some steps and the footer


@pytest.mark.parametrize("rows", [1000, ROWS_PER_GROUP, 10**6])
def test_batches_hold_all_rows_in_order_and_end_with_their_row_group(shard: str, rows: int) -> None:
    batches = list(read_batches(shard, ["text", "id"], rows))
    assert pa.Table.from_batches(batches).equals(pq.read_table(shard, columns=["text", "id"]))
    rest = [1000, 24] if rows == 1000 else [ROWS_PER_GROUP]
    assert [batch.num_rows for batch in batches] == rest * 8 + [100]


def test_a_table_has_the_columns_that_were_asked_for_in_their_order(shard: str) -> None:
    assert read_table(shard, ["text", "id"]).equals(pq.read_table(shard, columns=["text", "id"]))
    assert read_table(shard).equals(pq.read_table(shard))
    with pytest.raises(ValueError, match=rf"{TASK.file('documents')} has no column none, other"):
        read_table(shard, ["text", "other", "none"])


READS: list[Callable[[str, Counted], object]] = [
    lambda path, file: list(read_batches(path)),
    lambda path, file: read_table(path, ["id", "text", "url"]),
    lambda path, file: read_schema(path),
    lambda path, file: SerialParquetFile(file).read_row_group(3),
    lambda path, file: list(SerialParquetFile(file).iter_batches(100_000)),
]


@pytest.mark.parametrize("read", READS, ids=["read_batches", "read_table", "read_schema", "row_group", "iter_batches"])
def test_no_thread_of_arrow_touches_the_stream(
    shard: str, file: Counted, read: Callable[[str, Counted], object]
) -> None:
    """Such a thread may hold the stream when the interpreter ends, and then the process aborts."""
    read(shard, file)
    assert file.readers == {get_ident()}


def test_arrow_left_to_itself_reads_in_threads(file: Counted) -> None:
    """Else the test above shows nothing."""
    pq.read_table(file)
    assert file.readers - {get_ident()}


def test_no_thread_of_arrow_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writers, write = set(), HashingWriter.write
    monkeypatch.setattr(HashingWriter, "write", lambda self, data: writers.add(get_ident()) or write(self, data))
    with ParquetShardWriter(str(tmp_path), "a.parquet", DOCUMENT_SCHEMA, str(tmp_path / "scratch")) as writer:
        for batch in documents():
            writer.write(batch)
    assert writers == {get_ident()}


def size(folder: str, space: Workspace) -> None:
    size_shard(TASK, space, seed=0)


def write_dropped_rows(folder: str, space: Workspace) -> None:
    decisions = pa.Table.from_pylist([{"stage": "filter", "reason": "r", "evidence": None}] * ROWS)
    with ParquetShardWriter(space.folder, "dropped", DROPPED_SCHEMA, space.scratch) as writer:
        _write_shard(f"{folder}/{TASK.file('documents')}", decisions, None, writer)
    assert writer.finished().rows == ROWS


@pytest.mark.parametrize("job", [size, write_dropped_rows])
def test_jobs_take_no_batch_of_several_row_groups(
    shard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Callable[[str, Workspace], None]
) -> None:
    given: list[int] = []
    original = pq.ParquetFile.iter_batches

    def iter_batches(file: pq.ParquetFile, *arguments: Any, **named: Any) -> Iterator[pa.RecordBatch]:
        for batch in original(file, *arguments, **named):
            given.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    folder = shard.removesuffix(f"/{TASK.file('documents')}")
    job(folder, Workspace(str(tmp_path), str(tmp_path / "tmp"), "", {"corpus": folder}))
    assert given == [ROWS_PER_GROUP] * 8 + [100]
