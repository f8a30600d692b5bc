import hashlib
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import ExtractConfig
from pipeline.read_parquet import read_parquet
from pipeline.records import Piece

MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(path, start=0, end=-1, fields=None, **config):
    piece = Piece(str(path), path.name, "c4", "parquet", start, end, fields or {})
    return list(read_parquet(piece, ExtractConfig(**config)))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.parquet"
    table = pa.table(
        {
            "content": [f"text {number}" for number in range(28)] + ["", None],
            "url": [f"http://a.org/{number}" for number in range(30)],
            "timestamp": pa.array([MOMENT] * 30, pa.timestamp("ms", "UTC")),
            "n": list(range(30)),
            "nested": [[1]] * 30,
        }
    )
    pq.write_table(table, path, row_group_size=10)
    return path


def test_rows(path):
    records = read(path, fields={"text": "content"})
    assert [(record.offset, record.length) for record in records] == [(row, 1) for row in range(30)]
    assert [record.reason for record in records] == [None] * 28 + ["empty", "empty"]
    assert records[7].raw_sha256 == hashlib.sha256(b"text 7").digest()
    assert records[7].document == ("text 7", None, "http://a.org/7", MOMENT, {"n": "7"})


def test_row_groups_belong_to_the_range_in_which_they_start(path):
    whole = read(path, fields={"text": "content"})
    for cut in range(0, path.stat().st_size, 37):
        assert read(path, 0, cut, {"text": "content"}) + read(path, cut, -1, {"text": "content"}) == whole


def test_bad_columns_and_bad_files(path, tmp_path):
    assert {record.reason for record in read(path)} == {"no_text"}
    assert {record.reason for record in read(path, fields={"text": "n"})} == {"text_type"}
    assert read(path, fields={"text": "content"}, max_record_bytes=6)[20].reason == "too_long"
    broken = tmp_path / "broken.parquet"
    for data in (b"", b"PAR1", path.read_bytes()[:-1]):
        broken.write_bytes(data)
        assert [record.reason for record in read(broken)] == ["parquet"]
        assert read(broken, start=1) == []


def test_damaged_row_group_is_one_failed_record(path):
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    records = read(path, fields={"text": "content"})
    assert [record.offset for record in records if record.reason == "parquet"] == [10]
    assert sum(record.length for record in records) == 30
