import hashlib
from datetime import UTC, date, datetime

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


def test_each_row_of_a_damaged_row_group_fails(path):
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    records = read(path, fields={"text": "content"})
    assert [(record.offset, record.length) for record in records if record.reason == "parquet"] == [
        (row, 1) for row in range(10, 20)
    ]
    assert [record.offset for record in records] == list(range(30))


def write(path, rows=2, **columns):
    pq.write_table(pa.table({"text": ["a"] * rows, **columns}), path)
    return path


def test_times_that_python_does_not_have(tmp_path):
    """Arrow raises for each of these when it is asked for Python's value."""
    ns = 1_577_934_245_000_000_001  # MOMENT and one nanosecond
    far = 300_000_000_000  # seconds: the year 11,476
    path = write(
        tmp_path / "times.parquet",
        timestamp=pa.array([far, 1_577_934_245], pa.timestamp("s", "Mars/Olympus_Mons")),
        nano=pa.array([ns, None], pa.timestamp("ns")),
        zoned=pa.array([ns, -1], pa.timestamp("ns", "Europe/Paris")),
        day=pa.array([-1, 10**8], pa.date32()),
        milli=pa.array([86_400_000 * 10**8, 86_400_000], pa.date64()),
        lasts=pa.array([1, 2], pa.duration("ns")),
    )
    first, second = (record.document for record in read(path))
    assert (first.timestamp, second.timestamp) == (None, MOMENT)
    assert first.meta == {
        "date": "300000000000000 ms",  # Parquet has no seconds
        "day": "1969-12-31",
        "milli": "100000000 days",
        "nano": "2020-01-02T03:04:05",
        "zoned": "2020-01-02T03:04:05+00:00",
    }
    assert second.meta["zoned"] == "1969-12-31T23:59:59.999999+00:00"
    assert second.meta["day"] == "100000000 days"
    assert "nano" not in second.meta


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.date32()])
def test_mapped_times(tmp_path, kind):
    at = date(2020, 1, 2) if pa.types.is_date(kind) else MOMENT.replace(tzinfo=None)
    path = write(tmp_path / "times.parquet", written=pa.array([at, None], kind))
    first, second = (record.document for record in read(path, fields={"timestamp": "written"}))
    midnight = MOMENT.replace(hour=0, minute=0, second=0)
    assert first.timestamp == (midnight if pa.types.is_date(kind) else MOMENT)
    assert (second.timestamp, first.meta, second.meta) == (None, {}, {})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2], pa.duration("ns")),
        pa.array([b"a", b"b"]),
        pa.array([[1], [2]]),
        pa.array([{"at": 1}, {"at": 1}], pa.struct([("at", pa.timestamp("ns"))])),
    ],
)
def test_text_of_another_type(tmp_path, column):
    path = write(tmp_path / "file.parquet", body=column)
    assert [record.reason for record in read(path, fields={"text": "body"})] == ["text_type"] * 2


def test_bytes_that_are_no_text_fail_their_row_alone(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b"c"]).buffers())
    path = write(tmp_path / "file.parquet", 3, body=bad, title=bad, note=bad)
    assert [record.reason for record in read(path, fields={"text": "body"})] == [None, "bad_text", None]
    document = read(path)[1].document
    assert (document.title, document.meta["note"]) == ("\ufffd", "\ufffd")


def test_strings_of_any_layout(tmp_path):
    columns = {
        "large": pa.array(["x", None], pa.large_string()),
        "view": pa.array(["x", None], pa.string_view()),
        "packed": pa.array(["x", None]).dictionary_encode(),
    }
    first, second = (record.document for record in read(write(tmp_path / "file.parquet", **columns)))
    assert first.meta == {"large": "x", "view": "x", "packed": "x"}
    assert second.meta == {}


def test_blobs_are_not_read(tmp_path):
    """A file whose other columns are destroyed is read as if they were whole."""
    path = write(tmp_path / "file.parquet", 2, blob=pa.array([b"blob" * 99] * 2), list=pa.array([[1], [2]]), n=[1, 2])
    before = read(path)
    data = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema.split(".")[0] in ("blob", "list"):
            start = column.dictionary_page_offset or column.data_page_offset
            data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    assert read(path) == before
    assert [record.document.meta for record in before] == [{"n": "1"}, {"n": "2"}]


def test_table_without_columns_or_rows(tmp_path):
    for number, table in enumerate((pa.table({}), pa.table({"text": pa.array([], pa.string())}))):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table, path)
        assert read(path) == []


def test_fields_within_structures(tmp_path):
    """Only the mapped ones are read."""
    kind = pa.struct([("url", pa.string()), ("at", pa.timestamp("us", "UTC")), ("blob", pa.binary())])
    rows = [{"url": "http://a.org/", "at": MOMENT, "blob": b"x" * 99}, None, {"url": None, "at": None, "blob": None}]
    path = write(tmp_path / "file.parquet", 3, body=["a", "b", "c"], meta=pa.array(rows, kind), n=[1, 2, 3])
    fields = {"text": "body", "url": "meta.url", "timestamp": "meta.at", "title": "meta.nothing"}
    first, second, third = (record.document for record in read(path, fields=fields))
    assert (first.url, first.timestamp, first.title, first.meta) == (
        "http://a.org/",
        MOMENT,
        None,
        {"n": "1", "text": "a"},
    )
    assert (second.text, second.url, second.meta, third.url, third.timestamp) == (
        "b",
        None,
        {"n": "2", "text": "a"},
        None,
        None,
    )


def test_text_within_a_structure_and_usual_names(tmp_path):
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table({"doc": pa.array([{"text": "a"}], pa.struct([("text", pa.string())]))}), path)
    assert [record.document.text for record in read(path, fields={"text": "doc.text"})] == ["a"]
    assert [record.reason for record in read(path)] == ["no_text"]
    pq.write_table(pa.table({"maintext": ["a"], "link": ["http://a.org/"]}), path)
    (document,) = (record.document for record in read(path))
    assert (document.text, document.url, document.meta) == ("a", "http://a.org/", {})
