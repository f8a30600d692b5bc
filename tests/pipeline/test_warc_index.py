"""Rows of Common Crawl's columnar index, of CDXJ and of CDX: what they name, whose they are, and how they are cut."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import RecipeError
from pipeline.index_entries import Entry
from pipeline.index_hosts import HostFilter
from pipeline.index_plan import IndexPlan
from pipeline.records import Piece
from pipeline.warc_index import entries

PYWB = (
    b'com,example)/ 20140103030321 {"url": "http://example.com/", "mime": "text/html", "status": "200", "digest": '
    b'"B2LTWWPUOYAH7UIPQ7ZUPQ4VMBSVC36A", "length": "1043", "offset": "333", "filename": "example.warc.gz"}'
)
COMMON_CRAWL = (
    b'org,wikipedia,an)/wiki/escopete 20240518015810 {"url": "https://an.wikipedia.org/wiki/Escopete", "mime": '
    b'"text/html", "mime-detected": "application/xhtml+xml", "status": "200", "digest": "RY7PLBUFQNI2FFV5FTUQK72W6S'
    b'NPXLQU", "length": "17423", "offset": "80610731", "filename": "crawl-data/CC-MAIN-2024-22/warc/x.warc.gz", '
    b'"charset": "UTF-8", "languages": "spa"}'
)
CDX_11 = b"net,a)/b 20130729195151 http://a.net/b text/html 200 B2LTWWPUOYAH - - 581 2035 a/b.warc.gz"


def rows_of(path: Path, data: bytes, hosts: tuple[str, ...] = (), start: int = 0, end: int = -1) -> list[Entry]:
    path.write_bytes(data)
    return list(entries(str(path), "cdxj", hosts, start, end))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


# --- lines


def test_lines_of_every_indexer(path: Path) -> None:
    header = b" CDX N b a m s k r M S V g"
    lines = [header, PYWB, b'!meta {"x": 1}', b"", COMMON_CRAWL, CDX_11]
    found = rows_of(path, b"\n".join(lines) + b"\n")
    assert [entry[2:] for entry in found] == [
        ("http://example.com/", "example.warc.gz", 333, 1043, 200, "text/html", None),
        (
            "https://an.wikipedia.org/wiki/Escopete",
            "crawl-data/CC-MAIN-2024-22/warc/x.warc.gz",
            80610731,
            17423,
            200,
            "text/html",
            None,
        ),
        ("http://a.net/b", "a/b.warc.gz", 2035, 581, 200, "text/html", None),
    ]
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in (1, 4, 5)]
    assert [(entry.position, entry.size) for entry in found] == [
        (start, len(line)) for start, line in zip(starts, (PYWB, COMMON_CRAWL, CDX_11), strict=True)
    ]


def test_the_header_of_a_cdx_names_its_fields(path: Path) -> None:
    data = b" CDX a V S g s m\nhttp://a.net/ 10 20 x.warc.gz 404 text/html\n"
    (entry,) = rows_of(path, data)
    assert (entry.url, entry.offset, entry.length, entry.status) == ("http://a.net/", 10, 20, 404)
    assert rows_of(path, data, start=17) == [entry]  # its header is read though the range begins behind it


def test_a_cdx_without_lengths_says_so_for_each_line(path: Path) -> None:
    data = b" CDX N b a m s k r V g\nnet,a)/ 20130729195151 http://a.net/ text/html 200 B2 - 333 x.warc.gz\n"
    (entry,) = rows_of(path, data)
    assert "'length'" in entry.problem
    assert entry.url == "http://a.net/"


BAD_LINES = [
    b"\xff\xfe\x00 no index at all",
    b"net,a)/ 20130729195151 {not json}",
    b'net,a)/ 20130729195151 {"url": "http://a.net/"}',
    b'net,a)/ 20130729195151 {"url": 7, "length": "1", "offset": "2", "filename": "x"}',
    b'net,a)/ 20130729195151 {"url": "http://a.net/", "length": "0", "offset": "2", "filename": "x"}',
    b'net,a)/ 20130729195151 {"url": "http://a.net/", "length": "9", "offset": "-2", "filename": "x"}',
    b'net,a)/ 20130729195151 {"url": "http://a.net/", "length": "9", "offset": "2", "filename": "../etc/passwd"}',
    b'net,a)/ 20130729195151 {"url": "http://a.net/", "length": "9", "offset": "2", "filename": "/etc/passwd"}',
    b'net,a)/ 20130729195151 {"url": "http://a.net/", "length": "9", "offset": "2", "filename": "file://x"}',
    b"net,a)/b 20130729195151 http://a.net/b text/html 200",
    b"net,a)/ 20130729195151 []",
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "9", "offset": 1e400, "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "9", "offset": NaN, "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "9", "offset": "9223372036854775808", "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": 9223372036854775808, "offset": "2", "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "1099511627776", "offset": "2", "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "9", "offset": "%s", "filename": "x"}' % (b"9" * 5000),
    b'net,a)/ 2013 {"url": "http://a.net/\\ud800", "length": "9", "offset": "2", "filename": "x"}',
    b'net,a)/ 2013 {"url": "http://a.net/", "length": "9", "offset": "2", "filename": "x\\ud800"}',
    b'net,a)/ 2013 {"url": "http://a.net/\\udfff", "length": "9", "offset": "-2", "filename": "x\\ud800"}',
    b'net,a)/ 2013 {"url": ' + b"[" * 200_000,
    b'net,a)/ 2013 {"url": ' + b"[" * 101 + b"]" * 101 + b"}",
    b"x" * 3_000_000,
]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_told_and_harms_no_other(path: Path, line: bytes) -> None:
    first, bad, last = rows_of(path, b"\n".join((PYWB, line, COMMON_CRAWL)))
    assert (first.problem, last.problem) == (None, None)
    assert bad.problem
    assert (bad.filename, bad.length) == ("", 0)
    pa.array([bad.url, bad.filename, bad.problem], pa.string())  # else it could not be written
    assert bad.position == len(PYWB) + 1
    assert last.position == len(PYWB) + len(line) + 2


def test_an_index_that_is_cut_short_gives_what_can_be_had(path: Path) -> None:
    found = rows_of(path, gzip.compress(PYWB + b"\n" + random.Random(0).randbytes(9999).hex().encode())[:-500])
    assert found[0].url == "http://example.com/"
    assert "ends inside" in found[-1].problem
    (entry,) = rows_of(path, gzip.compress(PYWB)[:20])
    assert "ends inside" in entry.problem


@pytest.mark.parametrize("hosts", [(), ("a.net",)])
def test_bad_lines_end_no_planning(path: Path, hosts: tuple[str, ...]) -> None:
    path.write_bytes(b"\n".join((PYWB, *BAD_LINES, CDX_11)))
    pieces = IndexPlan("x").cut(Piece(str(path), "index", "x", "cdxj", hosts=list(hosts)), 1000)
    assert pieces


@pytest.mark.parametrize(
    "stamp", ["", "20240522123456 ", "2024-05-22T12:34:56Z ", "2024-05-22T12:34:56.123456+00:00 ", " 2024  "]
)
def test_timestamps_of_any_form_and_braces_in_urls(path: Path, stamp: str) -> None:
    row = b'{"url": "http://a.net/{x}", "length": "9", "offset": "2", "filename": "x"}'
    (entry,) = rows_of(path, b"net,a)/{x} " + stamp.encode() + row)
    assert (entry.url, entry.problem) == ("http://a.net/{x}", None)
    (entry,) = rows_of(path, CDX_11.replace(b"http://a.net/b", b"http://a.net/{b}"))
    assert (entry.url, entry.problem) == ("http://a.net/{b}", None)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, None),
        ({"status": "9" * 5000}, None),  # tells nothing
        ({"status": "-"}, None),
        ({"status": "200", "mime": "text/html; charset=utf-8"}, None),
        ({"status": "301"}, "status"),
        ({"mime": "application/pdf"}, "content_type"),
        ({"mime": "unk", "mime-detected": "image/png"}, "content_type"),
        ({"mime": "TEXT/HTML", "mime-detected": "image/png"}, None),  # the server's word counts, as when it is read
        ({"mime": "warc/revisit"}, None),
    ],
)
def test_what_the_index_says_saves_reading(path: Path, told: dict[str, str], reason: str | None) -> None:
    row = {"url": "http://a.net/", "length": "9", "offset": "2", "filename": "x", **told}
    (entry,) = rows_of(path, b"net,a)/ 2013 " + json.dumps(row).encode())
    assert entry.unwanted == reason


# --- tables


def table(numbers: range, **columns: list[Any]) -> pa.Table:
    made = {
        "url_surtkey": [f"org,example{number:03})/" for number in numbers],
        "url": [f"http://sub.example{number:03}.org/" for number in numbers],
        "url_host_name": [f"sub.example{number:03}.org" for number in numbers],
        "fetch_status": pa.array([200 for _ in numbers], pa.int16()),
        "content_mime_type": ["text/html" for _ in numbers],
        "warc_filename": [f"{number // 10}.warc.gz" for number in numbers],
        "warc_record_offset": pa.array([1000 * (number % 10) for number in numbers], pa.int32()),
        "warc_record_length": pa.array([900 + number for number in numbers], pa.int32()),
    }
    return pa.table({name: value for name, value in {**made, **columns}.items() if value is not None})


@pytest.mark.parametrize("group_rows", [7, 100])
def test_rows_of_a_table(path: Path, group_rows: int) -> None:
    pq.write_table(table(range(50)), path, row_group_size=group_rows)
    found = list(entries(str(path), "cc-index"))
    assert found == [
        Entry(
            number,
            1,
            f"http://sub.example{number:03}.org/",
            f"{number // 10}.warc.gz",
            1000 * (number % 10),
            900 + number,
            200,
            "text/html",
        )
        for number in range(50)
    ]
    for start, end in ((0, 20), (13, 14), (20, -1), (49, 50), (50, -1)):
        assert list(entries(str(path), "cc-index", (), start, end)) == found[start : None if end < 0 else end]
    hosts = ("example007.org", "sub.example030.org", "other.org")
    assert list(entries(str(path), "cc-index", hosts)) == [found[7], found[30]]
    assert list(entries(str(path), "cc-index", hosts, 8)) == [found[30]]


def test_columns_that_only_help_may_be_absent(path: Path) -> None:
    optional = ("url_surtkey", "url_host_name", "fetch_status", "content_mime_type")
    pq.write_table(table(range(9), **dict.fromkeys(optional)), path)
    (entry,) = entries(str(path), "cc-index", ["example004.org"])
    assert (entry.position, entry.status, entry.media_type, entry.problem) == (4, None, None, None)


def test_row_groups_of_other_hosts_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(table(range(100)), path, row_group_size=10)
    read = []
    original = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile,
        "iter_batches",
        lambda self, size, groups, *rest, **named: read.extend(groups) or original(self, size, groups, *rest, **named),
    )
    assert len(list(entries(str(path), "cc-index", ["example042.org", "sub.example077.org"]))) == 2
    assert read == [4, 7]


@pytest.mark.parametrize("columns", [{"url": None}, {"warc_filename": None, "warc_record_offset": None}])
def test_a_table_without_a_needed_column_says_which(path: Path, columns: dict[str, None]) -> None:
    pq.write_table(table(range(9), **columns), path)
    (entry,) = entries(str(path), "cc-index")
    assert all(name in entry.problem for name in columns)


def test_a_damaged_table_and_null_cells_are_told(path: Path) -> None:
    pq.write_table(table(range(3), url=["http://a.org/", None, "http://b.org/"]), path)
    assert [bool(entry.problem) for entry in entries(str(path), "cc-index")] == [False, True, False]
    data = bytearray(path.read_bytes())
    for broken in (b"PAR1", bytes(data[:-9])):
        path.write_bytes(broken)
        (entry,) = entries(str(path), "cc-index")
        assert "damaged" in entry.problem


def not_utf8(*values: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


BAD_COLUMNS = {
    "url": (not_utf8(b"http://sub.example000.org/\xff", b"http://b.org/", b"http://c.org/"), [True, False, False]),
    "warc_filename": (not_utf8(b"\xff", b"b", b"c"), [True, False, False]),
    "url_surtkey": (not_utf8(b"\xff", b"b", b"c"), [False] * 3),
    "url_host_name": (not_utf8(b"\xff", b"b", b"c"), [False] * 3),
    "content_mime_type": (not_utf8(b"text/\xff", b"text/html", b"c"), [False] * 3),
    "warc_record_offset": (pa.array([float("inf"), float("nan"), 3.0]), [True, True, False]),
    "warc_record_length": (pa.array([2**64 - 1, 2**63, 3], pa.uint64()), [True, True, False]),
    "fetch_status": (pa.array([b"abc", b"200", None]), [False] * 3),
}


@pytest.mark.parametrize("name", BAD_COLUMNS)
def test_values_that_are_none_of_their_column_fail_their_row(path: Path, name: str) -> None:
    column, is_bad = BAD_COLUMNS[name]
    pq.write_table(table(range(3), **{name: column}), path)
    found = list(entries(str(path), "cc-index"))
    assert [bool(entry.problem) for entry in found] == is_bad
    pa.array([text for entry in found for text in (entry.url, entry.filename, entry.problem)], pa.string())
    assert IndexPlan("x").cut(Piece(str(path), "index", "x", "cc-index"), 1000)
    list(entries(str(path), "cc-index", ["example002.org"]))  # raises nothing


@pytest.mark.parametrize("name", ["url", "warc_filename", "warc_record_offset", "url_host_name", "fetch_status"])
@pytest.mark.parametrize("value", [b"x", 7, {"a": 1}, [1], 10**18])
def test_columns_of_another_type_raise_nothing(path: Path, name: str, value: Any) -> None:
    column = pa.array([value] * 3, pa.timestamp("ns") if value == 10**18 else None)
    pq.write_table(table(range(3), **{name: column}), path)
    assert len(list(entries(str(path), "cc-index"))) >= 1
    list(entries(str(path), "cc-index", ["example002.org"]))


# --- hosts


@pytest.mark.parametrize(
    ("host", "url", "is_wanted"),
    [
        ("example.org", "http://example.org/", True),
        ("Example.ORG.", "https://news.example.org:8080/a", True),
        ("example.org", "http://a.b.example.org./", True),
        ("example.org", "http://notexample.org/", False),
        ("example.org", "http://example.org.evil.net/", False),
        ("www.example.org", "http://www.example.org/", True),
        ("www.example.org", "http://example.org/", False),
        ("bücher.example", "http://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "http://bücher.example/", True),
        ("127.0.0.1", "http://127.0.0.1:80/", True),
        ("org", "http://example.org/", True),
        ("example.org", "http://user@example.org/", True),
        ("example.org", "not a url", False),
    ],
)
def test_a_host_stands_for_what_is_below_it(host: str, url: str, is_wanted: bool) -> None:
    assert HostFilter([host]).has_host_of(url) is is_wanted
    assert HostFilter([]).has_host_of(url)


KEYS = {  # URLs and the sort keys that indexers give them
    "http://example.org/a": "org,example)/a",
    "http://www.example.org/a": "org,example)/a",
    "http://www2.example.org/a": "org,example)/a",
    "https://news.example.org:8080/": "org,example,news:8080)/",
    "http://examples.org/": "org,examples)/",
    "http://example-x.org/": "org,example-x)/",
    "http://10.1.2.3/": "10.1.2.3)/",
    "http://org/": "org)/",
}


@pytest.mark.parametrize("host", ["example.org", "www.example.org", "news.example.org", "10.1.2.3", "org", "other.net"])
def test_sort_keys_never_hide_a_wanted_host(host: str) -> None:
    wanted = HostFilter([host])
    for url, key in KEYS.items():
        if wanted.has_host_of(url):
            assert wanted.may_be_of_key(key.encode()), url
            assert wanted.may_be_between(key, key), url
            for spelled in (f"({key.replace(')', ',)')}", key.replace(")", ",)"), f"http://({key}"):  # Heritrix's
                assert wanted.may_be_of_key(spelled.encode()), spelled
                assert wanted.may_be_between(f"({key}", f"({key}")
    assert not wanted.may_be_of_key(b"net,unrelated)/")
    assert not wanted.may_be_of_key(b"(net,unrelated,)/")
    assert not wanted.may_be_between("net,unrelated)/", "net,unrelated,z)/")
    assert wanted.may_be_between(None, None)
    assert wanted.may_be_of_key(b"example.org/not(turned)round")
    assert HostFilter([]).may_be_of_key(b"net,unrelated)/")


# --- stretches


def index_of(sizes: list[int]) -> bytes:
    at = [sum(sizes[:number]) for number in range(len(sizes))]
    rows = [
        {"url": f"http://a.net/{number}", "length": size, "offset": at[number], "filename": "x.warc"}
        for number, size in enumerate(sizes)
    ]
    return b"".join(b"net,a)/%d 2013 %s\n" % (number, json.dumps(row).encode()) for number, row in enumerate(rows))


@pytest.mark.parametrize("target", [1, 100, 999, 5000, 10**9])
@pytest.mark.parametrize("is_packed", [False, True])
def test_stretches_are_near_equal_and_hold_every_row_once(path: Path, target: int, is_packed: bool) -> None:
    sizes = [random.Random(number).randint(1, 200) for number in range(300)]
    data = index_of(sizes)
    path.write_bytes(gzip.compress(data, mtime=0) if is_packed else data)
    base = Piece(str(path), "index", "news", "cdxj")
    whole = list(entries(str(path), "cdxj"))
    cut = IndexPlan("news").cut(base, target)
    pieces = [piece for _, piece in cut]
    assert [row for piece in pieces for row in entries(piece.path, "cdxj", (), piece.start, piece.end)] == whole
    assert (pieces[0].start, pieces[-1].end) == (0, -1)
    assert sum(size for size, _ in cut) == sum(sizes)
    for size, piece in cut:
        assert size == sum(row.length for row in entries(piece.path, "cdxj", (), piece.start, piece.end))
    share = sum(sizes) / max(1, -(-sum(sizes) // target))
    assert all(size <= share + 200 for size, _ in cut)
    if target >= 200:
        assert len(cut) == -(-sum(sizes) // target)


def test_an_index_without_wanted_rows_is_one_stretch(path: Path) -> None:
    path.write_bytes(index_of([5, 5]))
    base = Piece(str(path), "index", "news", "cdxj", hosts=["other.net"])
    assert IndexPlan("news").cut(base, 1) == [(0, base)]


def test_records_that_are_not_read_weigh_nothing(path: Path) -> None:
    pq.write_table(table(range(10), fetch_status=[200, 404] * 5), path)
    ((size, _),) = IndexPlan("news").cut(Piece(str(path), "index", "news", "cc-index"), 10**6)
    assert size == sum(900 + number for number in range(0, 10, 2))


def test_a_record_named_twice_is_refused_unless_the_rows_are_neighbours(path: Path) -> None:
    base = Piece(str(path), "index", "news", "cdxj")
    one, two = index_of([5, 5]).splitlines(keepends=True)
    path.write_bytes(one + one + two)
    plan = IndexPlan("[[input]] news")
    (_, _) = plan.cut(base, 5)
    plan.refuse_repeated(set())
    plan.cut(base, 5)
    with pytest.raises(RecipeError, match=r"news: the indexes name the record of .*/0 at byte 0 of x\.warc more"):
        plan.refuse_repeated(set())
    with pytest.raises(RecipeError, match=r"x\.warc is read whole, and by an index"):
        plan.refuse_repeated({"x.warc", "y.warc"})
