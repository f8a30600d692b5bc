"""Records read through an index: what they give when the file is read whole, and what becomes of wrong indexes."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import driver, manifest_of, rows_of
from pydantic import ValidationError
from warc_builder import arc, html, outcomes, pack, response, warc

from pipeline import read_warc_index as module
from pipeline.config import ExtractConfig, InputConfig, Recipe, RecipeError
from pipeline.config_checks import check
from pipeline.inputs import extract_inputs, plan_shards
from pipeline.read_warc import read_warc
from pipeline.read_warc_index import read_warc_index
from pipeline.recipe import load_recipe
from pipeline.records import Piece, Record

ARC = [
    arc("filedesc://x.arc", "text/plain", b"1 0 Crawler\nURL IP-address Archive-date Content-type Archive-length\n"),
    arc("http://a.org/b", "text/html", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html(5)),
]
RECORDS = [
    warc("warcinfo", b"software: x", WARC_Target_URI=None),
    response(1),
    warc("request", b"GET / HTTP/1.1\r\n\r\n", 1),
    response(2, b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n"),
    response(3, Content_Length="7"),
    response(4, body=b"<div>" * 5000),
    response(5),
    warc("revisit", b"HTTP/1.1 200 OK\r\n\r\n", 6, WARC_Refers_To="<urn:uuid:1>"),
]


def whole(path: Path) -> list[Record]:
    return list(read_warc(Piece(str(path), path.name, "massiveweb", "warc"), ExtractConfig()))


def row(record: Record, name: str, **told: Any) -> dict[str, Any]:
    place = {"length": str(record.length), "offset": str(record.offset), "filename": name}
    return {"url": record.url, **place, **told}


def write_cdxj(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(f"org,example)/ 20200102030405 {json.dumps(row)}\n" for row in rows))


def read(index: Path, root: str | Path, hosts: Iterable[str] = (), format: str = "cdxj", **config: Any) -> list[Record]:
    piece = Piece(str(index), "the/index", "massiveweb", format, hosts=list(hosts), warc_root=str(root))
    return list(read_warc_index(piece, ExtractConfig(**config)))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index.cdxj"


# --- the same as the file read whole


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4", "zstd with dictionary", None])
@pytest.mark.parametrize("records", [RECORDS, ARC], ids=["warc", "arc"])
def test_records_are_those_of_the_file_read_whole(
    tmp_path: Path, index: Path, records: list[bytes], codec: str | None
) -> None:
    path = tmp_path / "deep" / "x.warc"
    path.parent.mkdir()
    path.write_bytes(pack(*records, codec=codec) if codec else b"".join(records))
    expected = [record for record in whole(path) if record.url]
    assert len(expected) == len(records) - (records is RECORDS)
    write_cdxj(index, (row(record, "deep/x.warc") for record in expected))
    assert read(index, tmp_path) == [record._replace(source="deep/x.warc") for record in expected]


def test_lengths_of_uncompressed_records_may_hold_the_line_ends_behind(tmp_path: Path, index: Path) -> None:
    path = tmp_path / "x.warc"
    path.write_bytes(b"".join(RECORDS))
    expected = [record for record in whole(path) if record.url]
    write_cdxj(index, (row(record, "x.warc", length=record.length + 4) for record in expected))
    assert read(index, tmp_path) == [record._replace(source="x.warc") for record in expected]


def test_a_member_of_several_records_gives_the_named_one(tmp_path: Path, index: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(pack(RECORDS[0], response(1) + response(2), response(3)))
    expected = whole(path)[1:]
    write_cdxj(index, (row(record, "x.warc.gz") for record in (expected[1], expected[0], expected[2])))
    found = read(index, tmp_path)
    assert found == [expected[number]._replace(source="x.warc.gz") for number in (1, 0, 2)]
    assert found[0].member == "1"


@pytest.mark.parametrize("name", ["whirlwind", "dolma-sample-0000", "IAH-urls-wget", "pywb-iana"])
def test_real_crawls(tmp_path: Path, index: Path, shared: Path, name: str) -> None:
    """Under an index made by another library."""
    from fastwarc.warc import ArchiveIterator

    path = shared / "warc-real" / f"{name}.warc.gz"
    with path.open("rb") as stream:
        found = [(r.stream_pos, r.headers.get("WARC-Target-URI")) for r in ArchiveIterator(stream, parse_http=False)]
    ends = [*(offset for offset, _ in found[1:]), path.stat().st_size]
    rows = [
        {"url": url.strip("<>"), "offset": offset, "length": end - offset, "filename": path.name}
        for (offset, url), end in zip(found, ends, strict=True)
        if url
    ]
    write_cdxj(index, rows)
    expected = [record._replace(source=path.name) for record in whole(path) if record.url]
    assert read(index, path.parent) == expected
    assert any(record.document for record in expected)


# --- wrong indexes


@pytest.fixture
def archive(tmp_path: Path) -> list[Record]:
    (tmp_path / "x.warc.gz").write_bytes(pack(*RECORDS))
    (tmp_path / "x.warc").write_bytes(b"".join(RECORDS))
    return [record for record in whole(tmp_path / "x.warc.gz") if record.url]


@pytest.mark.parametrize(
    ("wrong", "reason", "error"),
    [
        ({"filename": "missing.warc.gz"}, "unreadable", "FileNotFoundError"),
        ({"offset": 10**9}, "unreadable", "were asked for"),
        ({"length": 10**6}, "unreadable", "were asked for"),
        ({"length": 10**9}, "too_long", "1000000000 bytes"),
        ({"url": "http://example.org/other"}, "other_record", "a record of http://example.org/1 stands there"),
        ({"length": "50"}, "truncated", "ends inside gzip data"),
        ({"length": "200", "filename": "x.warc", "offset": "101"}, "truncated", "Content-Length"),
        ({"offset": "3"}, "bad_header", "no record begins here"),
        ({"offset": "0"}, "other_record", "a record of None stands there"),
        ({"offset": "x"}, "bad_index", "invalid literal"),
        ({"filename": "../x.warc.gz"}, "bad_index", "no place of a record"),
    ],
)
def test_a_wrong_row_is_failed_and_harms_no_other(
    tmp_path: Path, index: Path, archive: list[Record], wrong: dict[str, Any], reason: str, error: str
) -> None:
    rows = [row(archive[5], "x.warc.gz"), row(archive[0], "x.warc.gz", **wrong), row(archive[3], "x.warc.gz")]
    if wrong == {"offset": "0"}:  # the warcinfo record, which is shorter
        rows[1]["length"] = str(archive[0].offset)
    write_cdxj(index, rows)
    first, bad, last = read(index, tmp_path)
    assert outcomes([first, last]) == ["kept", "kept"]
    assert (bad.outcome, bad.reason) == ("failed", reason)
    assert error in bad.error
    if reason == "bad_index":
        length = len(index.read_text().splitlines()[1])
        assert (bad.source, bad.offset, bad.length) == (None, len(index.read_text().splitlines()[0]) + 1, length)
    else:
        assert (bad.source, bad.offset) == (rows[1]["filename"], int(rows[1]["offset"]))
    assert bad.url == rows[1]["url"]


def test_rows_are_dropped_unread_for_what_they_say(tmp_path: Path, index: Path, archive: list[Record]) -> None:
    rows = [
        row(archive[0], "missing.warc.gz", status="301"),
        row(archive[0], "missing.warc.gz", mime="image/png", offset=7),
        row(archive[0], "x.warc.gz", status="200", mime="text/html"),
        row(archive[0], "x.warc.gz"),
    ]
    write_cdxj(index, rows)
    found = read(index, tmp_path)
    assert outcomes(found) == ["status", "content_type", "kept", "repeated_row"]
    assert [record.source for record in found] == ["missing.warc.gz"] * 2 + ["x.warc.gz"] * 2
    assert {record.outcome for record in found} == {"dropped", "kept"}


def test_only_the_named_hosts_are_read(tmp_path: Path, index: Path) -> None:
    hosts = ("a.org", "www.a.org", "b.a.org", "xa.org", "c.net")
    records = [response(host, WARC_Target_URI=f"http://{host}/") for host in hosts]
    (tmp_path / "x.warc.gz").write_bytes(pack(*records))
    lines = [
        f"{','.join(reversed(host.removeprefix('www.').split('.')))})/ 2020 {json.dumps(row(record, 'x.warc.gz'))}\n"
        for host, record in zip(hosts, whole(tmp_path / "x.warc.gz"), strict=True)
    ]
    index.write_text("".join(lines))
    for named, expected in (
        (["a.org"], ["a.org", "www.a.org", "b.a.org"]),
        (["www.a.org", "C.NET"], ["www.a.org", "c.net"]),
        ([], hosts),
        (["d.net"], []),
    ):
        assert [record.url for record in read(index, tmp_path, named)] == [f"http://{host}/" for host in expected]


def test_urls_are_compared_as_pages_are(tmp_path: Path, index: Path) -> None:
    (tmp_path / "x.warc").write_bytes(response(1, WARC_Target_URI="http://EXAMPLE.org:80/a b"))
    write_cdxj(index, [{**row(whole(tmp_path / "x.warc")[0], "x.warc"), "url": "http://example.org/a%20b"}])
    (record,) = read(index, tmp_path)
    assert record.outcome == "kept"
    assert record.url == "http://EXAMPLE.org:80/a b"


# --- stores


class Store:
    """Files on loopback HTTP, by ranges; what was asked, and what the next answers are to be instead."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.failures: dict[str, list[int]] = {}  # path -> statuses to answer first
        self.ignores_ranges = False
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                store.asked.append((self.path, wanted))
                path = folder / self.path.lstrip("/")
                planned = store.failures.get(self.path, [])
                status = planned.pop(0) if planned else 206 if path.is_file() else 404
                data = path.read_bytes() if path.is_file() and status == 206 else b""
                match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
                if match and not store.ignores_ranges:
                    data = data[int(match[1]) : int(match[2]) + 1]
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(module, "_PAUSES_S", (0.01, 0.01))
    store = Store(tmp_path)
    yield store
    store.close()


def test_a_store_is_asked_once_for_each_record(tmp_path: Path, index: Path, store: Store) -> None:
    (tmp_path / "x.warc.gz").write_bytes(pack(*(response(number) for number in range(40))))
    records = whole(tmp_path / "x.warc.gz")
    write_cdxj(
        index, (row(record, "x.warc.gz", status="404" if record.url[-1] == "3" else "200") for record in records)
    )
    found = read(index, store.url)
    local = read(index, tmp_path)
    assert found == local
    assert [record.url for record in found] == [record.url for record in records]
    ranges = [f"bytes={r.offset}-{r.offset + r.length - 1}" for r in records if r.url[-1] != "3"]
    assert sorted(store.asked) == sorted(("/x.warc.gz", asked) for asked in ranges)


def test_refused_requests_are_made_again_and_missing_files_are_not(
    tmp_path: Path, index: Path, store: Store, archive: list[Record]
) -> None:
    (tmp_path / "y.warc.gz").write_bytes((tmp_path / "x.warc.gz").read_bytes())
    store.failures = {"/x.warc.gz": [503, 429], "/y.warc.gz": [503, 500, 503], "/w.warc.gz": [403]}
    rows = [row(archive[0], name) for name in ("x.warc.gz", "y.warc.gz", "z.warc.gz", "w.warc.gz")]
    write_cdxj(index, rows)
    found = read(index, store.url)
    assert outcomes(found) == ["kept", "unreadable", "unreadable", "unreadable"]
    asked = [path for path, _ in store.asked]
    assert [asked.count(f"/{name}.warc.gz") for name in "xyzw"] == [3, 3, 1, 1]
    assert "FileNotFoundError" in found[2].error


def test_a_store_that_sends_whole_files_is_not_believed(tmp_path: Path, index: Path, store: Store) -> None:
    (tmp_path / "x.warc").write_bytes(b"".join(RECORDS))
    write_cdxj(index, [{"url": "http://example.org/1", "offset": 0, "length": 5, "filename": "x.warc"}])
    store.ignores_ranges = True
    (record,) = read(index, store.url)
    assert (record.outcome, record.reason) == ("failed", "unreadable")


# --- in a recipe


def cc_index(path: Path, records: Iterable[Record], filename: str) -> None:
    rows = [
        {
            "url": record.url,
            "url_host_name": "example.org",
            "fetch_status": 200,
            "content_mime_detected": "text/html",
            "warc_filename": filename,
            "warc_record_offset": record.offset,
            "warc_record_length": record.length,
        }
        for record in records
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """Two archives of thirty pages, and an index of each in both formats."""
    for name in ("a", "b"):
        path = tmp_path / "data" / "crawl-data" / f"{name}.warc.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(*(response(f"{name}{number}") for number in range(30))))
        cc_index(tmp_path / "index" / f"{name}.parquet", whole(path), f"crawl-data/{path.name}")
        write_cdxj(tmp_path / "index" / f"{name}.cdxj", (row(r, f"crawl-data/{path.name}") for r in whole(path)))
    return tmp_path


def run(crawl: Path, name: str, **settings: Any) -> dict[str, dict]:
    """Documents by id of a run of extract, cut small."""
    part = InputConfig(subset="massiveweb", **settings)
    made = Recipe(input=(part,), extract={"shard_input_bytes": 2_000})
    driver(made, crawl / name).run(only="extract")
    (folder,) = (crawl / name / "extract").iterdir()
    rows = [one for path in sorted((folder / "massiveweb").glob("documents-*")) for one in rows_of(path, "")]
    assert len(list((folder / "massiveweb").glob("documents-*"))) > 2
    return {one["id"]: one for one in rows}


def test_documents_are_the_same_through_every_index(crawl: Path) -> None:
    data = str(crawl / "data")
    expected = run(crawl, "whole", format="warc", root=data, paths=("crawl-data/*.warc.gz",))
    assert len(expected) == 60
    for format, pattern in (("cc-index", "*.parquet"), ("cdxj", "*.cdxj")):
        settings = {"format": format, "root": str(crawl / "index"), "paths": (pattern,), "warc_root": data}
        assert run(crawl, format, **settings, hosts=("example.org",)) == expected
        read_files = manifest_of(crawl / format, "extract")["inputs"]
        indexes = [file["path"] for file in read_files if file.get("offsets") == "index"]
        assert indexes == [pattern.replace("*", name) for name in "ab"]


def test_the_index_names_the_run_and_its_hosts_too_but_not_the_place_of_the_archives(crawl: Path) -> None:
    from pipeline.stages import plan

    def digest(**settings: Any) -> str:
        part = {"subset": "massiveweb", "format": "cdxj", "root": str(crawl / "index"), "paths": ("*.cdxj",)}
        made = Recipe(input=(InputConfig(**{**part, "warc_root": str(crawl / "data"), **settings}),))
        return plan(made, str(crawl / "out"))[0].digest

    first = digest()
    assert digest(warc_root="https://data.commoncrawl.org/") == first
    assert digest(hosts=("example.org",)) != first
    with (crawl / "index" / "a.cdxj").open("a") as stream:
        stream.write("\n")
    assert digest() != first


def test_one_archive_read_whole_and_by_index_is_refused(crawl: Path) -> None:
    data = str(crawl / "data")
    indexed = InputConfig(
        subset="massiveweb", format="cdxj", root=str(crawl / "index"), paths=("a.cdxj",), warc_root=data
    )
    read_whole = InputConfig(subset="massiveweb", format="warc", root=data, paths=("crawl-data/a.warc.gz",))
    made = Recipe(input=(indexed, read_whole))
    with pytest.raises(RecipeError, match=r"crawl-data/a\.warc\.gz is read whole, and by an index"):
        plan_shards(made, extract_inputs(made))


def test_root_of_the_archives_is_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = '[[input]]\nsubset = "x"\nformat = "cdxj"\npaths = ["*.cdxj"]\nhosts = ["a.org"]\nwarc_root = "{}"\n'
    (tmp_path / "recipe.toml").write_text(recipe.format("warcs"))
    assert load_recipe(str(tmp_path / "recipe.toml")).input[0].warc_root == str(tmp_path / "warcs")
    (tmp_path / "recipe.toml").write_text(recipe.format("s3://commoncrawl/"))
    assert load_recipe(str(tmp_path / "recipe.toml")).input[0].warc_root == "s3://commoncrawl/"


@pytest.mark.parametrize("store", ["s3://commoncrawl/", "nowhere://x/"])
def test_a_store_that_no_package_reaches_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    part = InputConfig(subset="massiveweb", format="cdxj", paths=("a",), warc_root=store)
    made = Recipe(input=(part,), apply={"language": ()})
    with pytest.raises(RecipeError, match=r"massiveweb: warc_root .*://"):
        check(made)


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "cdxj", "paths": ("a",)},
        {"format": "cc-index", "from_crawl": True, "warc_root": "x"},
        {"format": "warc", "paths": ("a",), "warc_root": "x"},
        {"format": "jsonl", "paths": ("a",), "hosts": ("a.org",)},
        {"format": "cdxj", "paths": ("a",), "warc_root": "x", "hosts": ("http://a.org/",)},
        {"format": "cdxj", "paths": ("a",), "warc_root": "x", "hosts": ("*.a.org",)},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        InputConfig(subset="massiveweb", **settings)
