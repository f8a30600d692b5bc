from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import storage
from pipeline.schema import TOKEN_DOCUMENT_SCHEMA
from tokenizer.token_shards import DocumentSpan, TokenShards, open_token_array, token_subsets, write_token_shard

U2 = np.dtype("<u2")
# Two shards by hand: documents of 3, 2 | 4 tokens. Positions:  0 1 2 | 3 4 || 5 6 7 8
SHARDS = [[[1, 50, 2], [1, 2]], [[1, 60, 61, 2]]]


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def write(folder, subset: str, shards: list[list[list[int]]], dtype=U2) -> list[storage.OutputFile]:
    written, number = [], 0
    for index, documents in enumerate(shards):
        ids = pa.array([name(number + row) for row in range(len(documents))], pa.binary(16))
        blocks = [np.array(tokens, dtype) for tokens in documents]
        lengths = np.array([len(tokens) for tokens in documents], np.int64)
        files = write_token_shard(
            str(folder), subset, index, len(shards), ids, blocks, lengths, dtype, f"{folder}/../scratch"
        )
        written += files
        number += len(documents)
    return written


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "tokens", "web", SHARDS)
    return tmp_path / "tokens"


def test_files_by_hand(folder):
    array = np.load(folder / "web" / "tokens-00000-of-00002.npy", mmap_mode="r")
    assert (array.tolist(), array.dtype) == ([1, 50, 2, 1, 2], U2)
    table = pq.read_table(folder / "web" / "documents-00000-of-00002.parquet")
    assert table.schema.equals(TOKEN_DOCUMENT_SCHEMA)
    assert table.to_pydict() == {"id": [name(0), name(1)], "start": [0, 3], "length": [3, 2]}
    second = pq.read_table(folder / "web" / "documents-00001-of-00002.parquet")
    assert second.to_pydict() == {"id": [name(2)], "start": [0], "length": [4]}


def test_files_are_described_as_they_stand(tmp_path):
    array, table = write(tmp_path / "tokens", "web", [SHARDS[0]])
    assert (array.path, array.rows) == ("web/tokens-00000-of-00001.npy", 5)
    assert (table.path, table.rows) == ("web/documents-00000-of-00001.parquet", 2)
    for file in (array, table):
        path = str(tmp_path / "tokens" / file.path)
        assert (storage.sha256_file(path), storage.size(path)) == (file.sha256, file.bytes)


def test_bytes_do_not_depend_on_blocks(tmp_path):
    files = write(tmp_path / "a", "web", [SHARDS[0]])
    ids, lengths = pa.array([name(0), name(1)], pa.binary(16)), np.array([3, 2])
    blocks = [np.array([1, 50, 2, 1], U2), np.empty(0, U2), np.array([9, 2], U2)[1:]]
    again = write_token_shard(str(tmp_path / "b"), "web", 0, 1, ids, blocks, lengths, U2, str(tmp_path / "scratch"))
    assert list(again) == files


def test_documents_cross_no_shard_but_reads_do(folder):
    shards = TokenShards.open(str(folder), "web")
    assert (shards.num_tokens, shards.num_documents, shards.dtype) == (9, 3, U2)
    assert shards.read(0, 9).tolist() == [1, 50, 2, 1, 2, 1, 60, 61, 2]
    assert shards.read(4, 3).tolist() == [2, 1, 60]
    assert shards.read(5, 2).tolist() == [1, 60]
    assert shards.read(9, 0).tolist() == []
    assert shards.read(4, 3).dtype == shards.read(9, 0).dtype == U2


def test_documents_by_hand(folder):
    shards = TokenShards.open(str(folder), "web")
    assert shards.documents(2, 5) == [
        DocumentSpan(shard=0, row=0, id=name(0), offset=2, length=1),
        DocumentSpan(shard=0, row=1, id=name(1), offset=0, length=2),
        DocumentSpan(shard=1, row=0, id=name(2), offset=0, length=2),
    ]
    assert shards.locate(7) == DocumentSpan(shard=1, row=0, id=name(2), offset=2, length=1)
    assert shards.documents(3, 0) == []


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (9, 1), (0, 10), (3, -1)])
def test_reads_outside(folder, start, length):
    shards = TokenShards.open(str(folder), "web")
    with pytest.raises(IndexError, match=f"9 tokens; got start={start}, length={length}"):
        shards.read(start, length)
    with pytest.raises(IndexError):
        shards.documents(start, length)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_against_lists(tmp_path_factory, data):
    document = st.integers(0, 5).map(lambda n: [1, *range(10, 10 + n), 2])
    shards = data.draw(st.lists(st.lists(document, max_size=4), min_size=1, max_size=4))
    folder = tmp_path_factory.mktemp("tokens")
    write(folder, "web", shards)
    flat = [token for documents in shards for tokens in documents for token in tokens]
    owners = [
        (index, row, offset)
        for index, documents in enumerate(shards)
        for row, tokens in enumerate(documents)
        for offset in range(len(tokens))
    ]
    start = data.draw(st.integers(0, len(flat)))
    length = data.draw(st.integers(0, len(flat) - start))
    opened = TokenShards.open(str(folder), "web")
    assert opened.read(start, length).tolist() == flat[start : start + length]
    found = [(s.shard, s.row, s.offset + n) for s in opened.documents(start, length) for n in range(s.length)]
    assert found == owners[start : start + length]


def test_tables_are_cached_only_so_far(tmp_path):
    write(tmp_path / "tokens", "web", [[[1, 2]]] * 9)
    shards = TokenShards.open(str(tmp_path / "tokens"), "web")
    for _ in range(2):
        assert [span.shard for span in shards.documents(0, 18)] == list(range(9))
    assert len(shards._cached_tables) == 4


def test_empty_shards(tmp_path):
    write(tmp_path / "tokens", "web", [[], SHARDS[0], [], []])
    shards = TokenShards.open(str(tmp_path / "tokens"), "web")
    assert (shards.num_tokens, shards.locate(0).shard, shards.locate(4).shard) == (5, 1, 1)
    write(tmp_path / "tokens", "none", [[]])
    nothing = TokenShards.open(str(tmp_path / "tokens"), "none")
    assert (nothing.num_tokens, nothing.num_documents, nothing.read(0, 0).tolist()) == (0, 0, [])


def test_wide_ids(tmp_path):
    write(tmp_path / "tokens", "web", [[[1, 70_000, 2]]], np.dtype("<u4"))
    assert TokenShards.open(str(tmp_path / "tokens"), "web").read(0, 3).tolist() == [1, 70_000, 2]


def test_a_store_that_cannot_be_mapped(folder):
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/token_shards_test", recursive=True)
    stored = TokenShards.open("memory://token_shards_test", "web")
    assert stored.read(1, 7).tolist() == [50, 2, 1, 2, 1, 60, 61]
    assert stored.locate(5).id == name(2)
    memory.rm("/token_shards_test", recursive=True)


def test_subsets(folder):
    write(folder, "books", [[[1, 2]]])
    write(folder, "held_out/web", [[[1, 2]]])
    assert token_subsets(str(folder)) == ["books", "web"]
    assert token_subsets(str(folder), held_out=True) == ["held_out/web"]
    assert TokenShards.open(str(folder), "held_out/web").num_tokens == 2


def test_unknown_subset_lists_the_known(folder):
    with pytest.raises(FileNotFoundError, match="subsets there: web"):
        TokenShards.open(str(folder), "news")


@pytest.mark.parametrize(
    ("blocks", "lengths", "problem"),
    [
        ([np.array([1, 2], U2)], [3], "lengths add up to 3 tokens; got 2"),
        ([np.array([1, 5, 2], U2)], [2], "lengths add up to 2 tokens; got 3"),
        ([np.array([1, 5, 2], np.int32)], [3], "must have the shard's dtype <u2; got <i4"),
        ([np.array([1], U2)], [1], "got a length of 1"),
        ([np.array([1, 2, 1, 2], U2)], [2, 2], "got 1 and 2"),
    ],
)
def test_writer_refuses_and_leaves_nothing(tmp_path, blocks, lengths, problem):
    with pytest.raises(ValueError, match=f"tokens-00000-of-00001.npy: .*{problem}"):
        write_token_shard(
            str(tmp_path / "tokens"),
            "web",
            0,
            1,
            pa.array([name(0)], pa.binary(16)),
            blocks,
            np.array(lengths),
            U2,
            str(tmp_path / "scratch"),
        )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_writer_refuses_other_integers(tmp_path):
    with pytest.raises(ValueError, match="uint16 or uint32; got <i8"):
        write(tmp_path, "web", [[[1, 2]]], np.dtype("<i8"))


# Broken files: the error names the one to look at.


def test_truncated_array(folder):
    path = folder / "web" / "tokens-00001-of-00002.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"tokens-00001-of-00002\.npy: .* 136 bytes; the file has 135: truncated"):
        TokenShards.open(str(folder), "web")


def test_array_with_bytes_too_many(folder):
    path = folder / "web" / "tokens-00001-of-00002.npy"
    path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(ValueError, match=r"tokens-00001-of-00002\.npy: .* 136 bytes; the file has 138"):
        TokenShards.open(str(folder), "web")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x76\x00{'descr': ", b"PAR1" * 40])
def test_no_array_at_all(folder, content):
    path = folder / "web" / "tokens-00000-of-00002.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"tokens-00000-of-00002\.npy is not a version 1\.0 \.npy file"):
        TokenShards.open(str(folder), "web")


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros(5, np.int64), "got <i8, shape"),
        (np.zeros(5, ">u2"), "got >u2"),
        (np.zeros((5, 1), np.uint16), r"shape \(5, 1\)"),
        (np.array(5, np.uint16), r"shape \(\)"),
    ],
)
def test_wrong_dtype_or_shape(tmp_path, array, problem):
    np.save(tmp_path / "wrong.npy", array)
    with pytest.raises(ValueError, match=rf"wrong\.npy: .*{problem}"):
        open_token_array(str(tmp_path / "wrong.npy"))


def test_shards_of_two_dtypes(folder):
    np.save(folder / "web" / "tokens-00001-of-00002.npy", np.array([1, 60, 61, 2], np.uint32))
    with pytest.raises(ValueError, match=r"tokens-00001-of-00002\.npy holds <u4 and .*tokens-00000.* <u2"):
        TokenShards.open(str(folder), "web")


def test_sums_that_do_not_match(folder):
    np.save(folder / "web" / "tokens-00000-of-00002.npy", np.array([1, 50, 2, 1, 9, 2], np.uint16))
    with pytest.raises(ValueError, match=r"documents-00000-of-00002\.parquet: .*end at token 5; .* has 6 tokens"):
        TokenShards.open(str(folder), "web")


def test_truncated_table(folder):
    path = folder / "web" / "documents-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"documents-00001-of-00002\.parquet is not a whole Parquet file"):
        TokenShards.open(str(folder), "web")


def test_table_of_something_else(folder):
    pq.write_table(pa.table({"id": ["a"]}), folder / "web" / "documents-00001-of-00002.parquet")
    with pytest.raises(ValueError, match=r"documents-00001-of-00002\.parquet: columns must be"):
        TokenShards.open(str(folder), "web")


def test_table_with_a_gap(folder):
    columns = [pa.array([name(0), name(1)], pa.binary(16)), pa.array([0, 3], pa.int64()), pa.array([2, 2], pa.int64())]
    pq.write_table(
        pa.Table.from_arrays(columns, schema=TOKEN_DOCUMENT_SCHEMA),
        folder / "web" / "documents-00000-of-00002.parquet",
    )
    shards = TokenShards.open(str(folder), "web")  # the end fits: 3 + 2
    with pytest.raises(ValueError, match=r"documents-00000-of-00002\.parquet: each document must start where"):
        shards.locate(1)


def test_missing_shards(folder):
    (folder / "web" / "tokens-00000-of-00002.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"2 token shards; .*tokens-00000-of-00002\.npy"):
        TokenShards.open(str(folder), "web")


def test_missing_table(folder):
    (folder / "web" / "documents-00001-of-00002.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"documents-00001-of-00002\.parquet"):
        TokenShards.open(str(folder), "web")
