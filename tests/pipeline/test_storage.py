from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline import storage
from pipeline.storage import MIB, ParquetShardWriter, atomic_writer

SCHEMA = pa.schema([("text", pa.string()), ("number", pa.int64()), ("meta", pa.map_(pa.string(), pa.string()))])


@pytest.fixture
def store() -> Iterator[str]:
    """A folder that is not of this machine's disk."""
    yield "memory://store"
    storage.remove("memory://store")


def rows(count: int) -> list[dict[str, object]]:
    return [
        {"text": None if i % 7 == 0 else "x" * (i % 50), "number": i, "meta": [("k", str(i))]} for i in range(count)
    ]


def write(folder: Path, name: str, data: list[dict[str, object]], step: int) -> storage.OutputFile:
    with ParquetShardWriter(str(folder), name, SCHEMA, str(folder / "scratch")) as writer:
        for start in range(0, len(data), step):
            writer.write(pa.RecordBatch.from_pylist(data[start : start + step], SCHEMA))
    return writer.finished()


@pytest.mark.parametrize("step", [1, 7, 1000, 1024, 2500])
def test_bytes_do_not_depend_on_how_rows_arrive(tmp_path: Path, step: int) -> None:
    data = rows(2500)
    assert write(tmp_path, "a.parquet", data, step).sha256 == write(tmp_path, "b.parquet", data, 333).sha256
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == pa.Table.from_pylist(data, SCHEMA).to_pylist()


def test_row_groups_end_at_the_row_that_fills_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BYTES_PER_GROUP", 100)
    # with 16 bytes beside the text: 60 + 60 | 10 + 200 | 5
    data = [{"text": "x" * (size - 16), "number": 0, "meta": []} for size in (60, 60, 26, 200, 21)]
    for step in (1, 2, 5):
        write(tmp_path, "a.parquet", data, step)
        file = pq.ParquetFile(tmp_path / "a.parquet")
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 2, 1]


SPANS = pa.list_(pa.struct([("start", pa.int32()), ("kind", pa.string())]))


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.string(), ["", "abc", "é", None], [4, 7, 6, 4]),
        (pa.int64(), [1, None], [8, 8]),
        (pa.binary(16), [b"x" * 16], [16]),
        (pa.list_(pa.int32()), [[1], [1, 2, 3], [], None], [8, 16, 4, 4]),
        # a pair is two strings
        (pa.map_(pa.string(), pa.string()), [[("a", "bcd")], [], [("k", None), ("", "x")]], [16, 4, 22]),
        (SPANS, [[{"start": 1, "kind": "email"}, {"start": 2, "kind": None}], None, [None]], [25, 4, 12]),
    ],
)
def test_row_bytes_are_those_of_values_at_any_depth(kind: pa.DataType, values: list, expected: list[int]) -> None:
    batch = pa.record_batch({"column": pa.array([*values, *values], kind)})
    assert storage._row_bytes(batch).tolist() == expected * 2
    assert storage._row_bytes(batch.slice(1, len(values))).tolist() == [*expected[1:], expected[0]]


def test_row_bytes_leave_out_what_a_null_hides() -> None:
    hidden = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["aa", "bb", "c"]), mask=pa.array([True, False]))
    assert storage._row_bytes(pa.record_batch({"lists": hidden})).tolist() == [4, 9]


def test_metadata_fills_a_row_group_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BYTES_PER_GROUP", 1_000)
    row = {"text": "x", "number": 0, "meta": [("licence", "x" * 200), ("b", "y")]}  # 5 + 8 + 4 + 211 + 10 bytes
    write(tmp_path, "a.parquet", [row] * 12, 7)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [5, 5, 2]


def test_output_describes_the_file(tmp_path: Path) -> None:
    output = write(tmp_path, "sub/a.parquet", rows(3), 2)
    data = (tmp_path / "sub/a.parquet").read_bytes()
    assert (output.path, output.rows, output.bytes) == ("sub/a.parquet", 3, len(data))
    assert output.sha256 == hashlib.sha256(data).hexdigest() == storage.sha256_file(str(tmp_path / "sub/a.parquet"))


def break_off(writer: ParquetShardWriter) -> None:
    with writer:
        writer.write(pa.RecordBatch.from_pylist(rows(5), SCHEMA))
        raise KeyError("broken")


def test_failure_leaves_no_file(tmp_path: Path) -> None:
    writer = ParquetShardWriter(str(tmp_path), "a.parquet", SCHEMA, str(tmp_path / "scratch"))
    with pytest.raises(KeyError):
        break_off(writer)
    assert storage.list_files(str(tmp_path)) == []
    with pytest.raises(RuntimeError, match=r"a\.parquet is not finished"):
        writer.finished()


def test_empty_table(tmp_path: Path) -> None:
    assert write(tmp_path, "a.parquet", [], 1).rows == 0
    assert pq.read_table(tmp_path / "a.parquet").schema.equals(SCHEMA)


def test_unfinished_file_is_never_seen_under_its_name(tmp_path: Path) -> None:
    with atomic_writer(str(tmp_path / "a"), str(tmp_path / "scratch")) as stream:
        stream.write(b"half")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"half"


def test_file_has_its_bytes_on_the_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, int] = {}
    replace, named = os.replace, []

    def note_sync(descriptor: int) -> None:
        synced[os.fstat(descriptor).st_ino] = os.fstat(descriptor).st_size

    def note_name(source: str, target: str) -> None:
        named.append((synced.get(os.stat(source).st_ino), target))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_name)
    storage.write_bytes(str(tmp_path / "a"), b"12345", str(tmp_path / "scratch"))
    assert named == [(5, str(tmp_path / "a"))]


def break_off_in(path: str, scratch: str) -> None:
    with atomic_writer(path, scratch) as stream:
        stream.write(b"half")
        raise KeyError("broken")


def test_failure_leaves_the_former_file_in_a_store(store: str) -> None:
    with pytest.raises(KeyError):
        break_off_in(f"{store}/out/a", f"{store}/scratch")
    assert storage.list_files(store) == []
    storage.write_bytes(f"{store}/out/a", b"whole", f"{store}/scratch")
    with pytest.raises(KeyError):
        break_off_in(f"{store}/out/a", f"{store}/scratch")
    assert storage.list_files(store) == ["out/a"]
    assert storage.read_bytes(f"{store}/out/a") == b"whole"


def test_two_attempts_at_one_file_of_a_store_do_not_mix(store: str) -> None:
    path, scratch = f"{store}/a", f"{store}/scratch"
    with atomic_writer(path, scratch) as first:
        first.write(b"fir")
        with atomic_writer(path, scratch) as second:
            second.write(b"second")
            assert not storage.exists(path)
        assert storage.read_bytes(path) == b"second"
        first.write(b"st")
        assert storage.read_bytes(path) == b"second"
    assert storage.read_bytes(path) == b"first"
    assert storage.list_files(store) == ["a"]


def test_files_written_by_others_since_the_last_listing_are_seen(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = MemoryFileSystem.find

    def find_as_stores_do(self: MemoryFileSystem, path: str) -> list[str]:
        if path not in self.dircache:
            self.dircache[path] = find(self, path)
        return self.dircache[path] if path in self.dircache else find(self, path)

    monkeypatch.setattr(MemoryFileSystem, "find", find_as_stores_do)
    for names in (["a"], ["a", "b"]):
        MemoryFileSystem.store[f"/store/{names[-1]}"] = MemoryFileSystem().open("/elsewhere", "wb")
        assert storage.list_files(store) == names


@pytest.mark.parametrize("given", ["out", "./out/", "file://{here}/out", "{here}/x/../out", "file://{here}/x/../out/"])
def test_local_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.normalised(given.format(here=tmp_path)) == str(tmp_path / "out")


def test_other_urls_stay_as_they_are() -> None:
    for url in ("s3://bucket/out", "gs://bucket/a//b", "memory://out"):
        assert storage.normalised(url) == url


@pytest.mark.parametrize("root", ["/data/dump-*", "/data/part-?", "s3://bucket/[ab]"])
def test_folder_to_search_holds_no_wildcard(root: str) -> None:
    with pytest.raises(ValueError, match="must hold no wildcard"):
        storage.glob(root, "*.txt")


def test_fingerprint_reads_first_middle_and_last_mib(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, 5 * MIB, np.uint8)
    path = tmp_path / "raw"
    data.tofile(path)
    middle = data[5 * MIB // 2 - MIB // 2 : 5 * MIB // 2 + MIB // 2].tobytes()
    expected = hashlib.sha256(data[:MIB].tobytes() + middle + data[4 * MIB :].tobytes()).hexdigest()
    assert storage.fingerprint(str(path)) == expected


def test_glob_takes_links_to_files(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/1").write_text("x")
    (tmp_path / "data-1.txt").symlink_to("blobs/1")
    (tmp_path / "data-2.txt").symlink_to("nowhere")
    (tmp_path / "data-3.txt").symlink_to("blobs")
    assert storage.glob(str(tmp_path), "*.txt") == ["data-1.txt"]


def test_glob_is_sorted_and_relative(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a/1.txt", "a/deep/3.txt", "4.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert storage.glob(str(tmp_path), "**/*.txt") == ["a/1.txt", "a/deep/3.txt", "b/2.txt"]
    assert storage.glob(str(tmp_path), "*.md") == ["4.md"]
    assert storage.list_files(str(tmp_path)) == ["4.md", "a/1.txt", "a/deep/3.txt", "b/2.txt"]
