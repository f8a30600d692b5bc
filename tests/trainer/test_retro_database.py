"""The reader against a database written here by hand, with numpy and pyarrow alone."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.retro.arrays import open_array, write_array
from trainer.retro.chunks import CHUNK_DOCUMENT_SCHEMA, KEYED_SCHEMA
from trainer.retro.database import ChunkDatabase, ChunkOrigin
from trainer.retro.layout import KeyShard, Layout, cut_key_shards

A, B, C, D = (bytes([letter]) * 16 for letter in b"ABCD")


def write_documents(path, rows):
    columns = zip(*rows, strict=True) if rows else [[]] * 5
    arrays = [pa.array(column, field.type) for column, field in zip(columns, CHUNK_DOCUMENT_SCHEMA, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=CHUNK_DOCUMENT_SCHEMA), path)


def write_keyed(path, rows):
    arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), KEYED_SCHEMA, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=KEYED_SCHEMA), path)


@pytest.fixture
def folder(tmp_path):
    """Five chunks of three tokens: books has A (2 chunks), B (none) and C (1); news a shard of nothing and D (2)."""
    for name in ("books", "news", "keys", "neighbours"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "books/chunks-00000-of-00001.npy", np.array([[1, 2, 3], [4, 0, 0], [5, 6, 7]], np.uint16))
    write_documents(
        tmp_path / "books/chunk_documents-00000-of-00001.parquet",
        [(A, 0, 2, 4, None), (B, 2, 0, 0, None), (C, 2, 1, 3, A)],
    )
    np.save(tmp_path / "news/chunks-00000-of-00002.npy", np.empty((0, 3), np.uint16))
    write_documents(tmp_path / "news/chunk_documents-00000-of-00002.parquet", [])
    np.save(tmp_path / "news/chunks-00001-of-00002.npy", np.array([[8, 9, 10], [11, 12, 0]], np.uint16))
    write_documents(tmp_path / "news/chunk_documents-00001-of-00002.parquet", [(D, 0, 2, 5, A)])
    write_keyed(tmp_path / "keys/keyed-00000-of-00002.parquet", [(0, 0, None), (2, 2, A)])
    write_keyed(tmp_path / "keys/keyed-00001-of-00002.parquet", [(4, 3, A)])
    np.save(tmp_path / "neighbours/neighbours-00000-of-00002.npy", np.array([[2, 4], [0, -1]]))
    np.save(tmp_path / "neighbours/distances-00000-of-00002.npy", np.array([[0.5, 1], [0.5, np.inf]], np.float32))
    np.save(tmp_path / "neighbours/neighbours-00001-of-00002.npy", np.array([[0, -1]]))
    np.save(tmp_path / "neighbours/distances-00001-of-00002.npy", np.array([[1, np.inf]], np.float32))
    shards = [("books", 0, 1, 3, 3, 0, 0), ("news", 0, 2, 0, 0, 3, 3), ("news", 1, 2, 2, 1, 3, 3)]
    names = ("subset", "index", "count", "num_chunks", "num_documents", "first_chunk", "first_document")
    layout = {
        "format_version": 1,
        "metric": "squared_l2",
        "num_chunks": 5,
        "chunk_len": 3,
        "num_neighbours": 2,
        "seed": 0,
        "hash_limit": 2**62,
        "chunk_shards": [dict(zip(names, shard, strict=True)) for shard in shards],
        "key_shards": [
            {"first_chunk": 0, "stop_chunk": 4, "num_keys": 2},
            {"first_chunk": 4, "stop_chunk": 5, "num_keys": 1},
        ],
    }
    (tmp_path / "database.json").write_text(json.dumps(layout))
    return tmp_path


def test_chunks_values_and_documents(folder):
    database = ChunkDatabase.open(str(folder))
    assert database.num_chunks == 5
    assert [database.chunk(i).tolist() for i in range(5)] == [[1, 2, 3], [4, 0, 0], [5, 6, 7], [8, 9, 10], [11, 12, 0]]
    assert [database.value(i).tolist() for i in range(5)] == [
        [1, 2, 3, 4, 0, 0],
        [4, 0, 0, 0, 0, 0],  # the end of A: what follows is C's
        [5, 6, 7, 0, 0, 0],  # the end of the shard
        [8, 9, 10, 11, 12, 0],
        [11, 12, 0, 0, 0, 0],
    ]
    assert database.value(0).dtype == database.value(1).dtype == np.uint16
    assert [database.document(i) for i in range(5)] == [
        ChunkOrigin(A, "books", 0),
        ChunkOrigin(A, "books", 1),
        ChunkOrigin(C, "books", 0),
        ChunkOrigin(D, "news", 0),
        ChunkOrigin(D, "news", 1),
    ]


def test_neighbours(folder):
    database = ChunkDatabase.open(str(folder))
    found = [[array.tolist() for array in database.neighbours(i)] for i in range(5)]
    none = [[-1, -1], [np.inf, np.inf]]
    assert found == [[[2, 4], [0.5, 1.0]], none, [[0, -1], [0.5, np.inf]], none, [[0, -1], [1.0, np.inf]]]
    assert [array.dtype for array in database.neighbours(1)] == [array.dtype for array in database.neighbours(0)]


@pytest.mark.parametrize("ordinal", [-1, 5])
@pytest.mark.parametrize("method", ["chunk", "value", "document", "neighbours"])
def test_there_is_no_such_chunk(folder, ordinal, method):
    with pytest.raises(IndexError, match=f"from 0 to 4; got {ordinal}"):
        getattr(ChunkDatabase.open(str(folder)), method)(ordinal)


def test_arrays_are_mapped_not_read(folder):
    assert isinstance(ChunkDatabase.open(str(folder)).chunk(0).base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        ChunkDatabase.open(str(folder)).chunk(0)[0] = 1


CHUNKS = "books/chunks-00000-of-00001.npy"


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


def replace_array(array):
    return lambda path: np.save(path, array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "promises 146 bytes .* the file has 145"),
        (lengthen, "promises 146 bytes .* the file has 147"),
        (lambda path: path.write_bytes(b"PK not an array"), "not an array file"),
        (lambda path: path.write_bytes(b""), "not an array file"),
        (replace_array(np.zeros((2, 3), np.uint16)), "the layout says 3 chunks; the file has 2"),
        (replace_array(np.zeros((3, 4), np.uint16)), "3 columns"),
        (replace_array(np.zeros(9, np.uint16)), "3 columns"),
        (replace_array(np.zeros((3, 3), np.int64)), "dtype must be uint16 or uint32; .* int64"),
    ],
)
def test_a_broken_chunk_file_is_named(folder, damage, message):
    damage(folder / CHUNKS)
    with pytest.raises(ValueError, match=f"{CHUNKS}: .*{message}"):
        ChunkDatabase.open(str(folder))


def test_a_file_that_is_gone_is_named(folder):
    (folder / CHUNKS).unlink()
    with pytest.raises(FileNotFoundError, match=CHUNKS):
        ChunkDatabase.open(str(folder))
    with pytest.raises(FileNotFoundError, match=r"elsewhere/database\.json: no chunk database here"):
        ChunkDatabase.open(str(folder / "elsewhere"))


DOCUMENTS = "books/chunk_documents-00000-of-00001.parquet"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "not a whole Parquet file"),
        (lambda path: write_documents(path, [(A, 0, 3, 9, None)]), "3 documents with 3 chunks; the table has 1 with 3"),
        (
            lambda path: write_documents(path, [(A, 0, 1, 3, None), (B, 1, 0, 0, None), (C, 1, 1, 3, None)]),
            "3 documents with 3 chunks; the table has 3 with 2",
        ),
        (
            lambda path: write_documents(path, [(A, 0, 1, 3, None), (B, 1, 1, 3, None), (C, 1, 1, 3, None)]),
            "first_chunk",
        ),
        (lambda path: write_keyed(path, [(0, 0, None)]), "columns must be .*'num_tokens'"),
    ],
)
def test_a_broken_document_table_is_named(folder, damage, message):
    damage(folder / DOCUMENTS)
    database = ChunkDatabase.open(str(folder))
    assert database.chunk(0).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=f"{DOCUMENTS}: .*{message}"):
        database.document(0)


def test_broken_neighbours_are_named(folder):
    np.save(folder / "neighbours/distances-00001-of-00002.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match=r"distances-00001-of-00002\.npy: the layout says 1 keys; the file has 2"):
        ChunkDatabase.open(str(folder)).neighbours(4)
    write_keyed(folder / "keys/keyed-00000-of-00002.parquet", [(0, 0, None)])
    with pytest.raises(ValueError, match=r"keyed-00000-of-00002\.parquet has 1 rows"):
        ChunkDatabase.open(str(folder)).neighbours(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version must be 1; got 2"),
        ({"num_chunks": 6}, "shards hold 5 chunks, keys cover 5; num_chunks says 6"),
        ({"colour": "red"}, "colour"),
        ({"key_shards": [{"first_chunk": 1, "stop_chunk": 5, "num_keys": 3}]}, "a key shard must begin at chunk 0"),
        ({"chunk_shards": []}, "shards hold 0 chunks"),
    ],
)
def test_a_layout_whose_parts_dont_join_is_refused(folder, change, message):
    path = folder / "database.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=rf"database\.json: .*{message}"):
        ChunkDatabase.open(str(folder))
    path.write_text("{")
    with pytest.raises(ValueError, match=r"database\.json: not a database layout"):
        ChunkDatabase.open(str(folder))


def test_a_layout_comes_back_as_it_was_written(folder):
    layout = Layout.read(str(folder))
    (folder / "database.json").write_text(layout.to_json())
    assert Layout.read(str(folder)) == layout
    assert (layout.num_documents, layout.num_keys) == (4, 3)
    assert [shard.index for shard in layout.overlapping(2, 4)] == [0, 1]


@pytest.mark.parametrize(
    ("chosen", "per_shard", "shards"),
    [
        ([2, 3, 7, 8, 9], 2, [(0, 7, 2), (7, 9, 2), (9, 12, 1)]),
        ([2, 3, 7], 3, [(0, 12, 3)]),
        (range(12), 6, [(0, 6, 6), (6, 12, 6)]),
        ([], 3, []),
    ],
)
def test_key_shards_cover_all_chunks(chosen, per_shard, shards):
    assert cut_key_shards(chosen, 12, per_shard) == tuple(KeyShard(*shard) for shard in shards)


def test_arrays_are_written_in_any_blocks_as_numpy_would(tmp_path):
    rows = np.arange(30, dtype=np.int64).reshape(10, 3)
    np.save(tmp_path / "whole.npy", rows)
    expected = (tmp_path / "whole.npy").read_bytes()
    for blocks in ([rows], [rows[:1], rows[1:1], rows[1:]], list(rows[:, None])):
        output = write_array(str(tmp_path), "out/a.npy", str(tmp_path / "tmp"), (10, 3), np.int64, blocks)
        assert (tmp_path / "out/a.npy").read_bytes() == expected
        assert (output.rows, output.bytes) == (10, len(expected))
    assert open_array(str(tmp_path / "out/a.npy"), ("int64",), 3).tolist() == rows.tolist()
    for blocks, message in (([rows[:9]], "10 rows; the blocks gave 9"), ([rows[:, :2]], "of shape \\(3,\\)")):
        with pytest.raises(ValueError, match=message):
            write_array(str(tmp_path), "b.npy", str(tmp_path / "tmp"), (10, 3), np.int64, blocks)
    assert not (tmp_path / "b.npy").exists()
