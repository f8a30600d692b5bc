import bz2
import gzip
import hashlib
import json
import sys
from datetime import UTC, datetime
from random import Random

import pytest
import zstandard

from pipeline.config import ExtractConfig
from pipeline.read_jsonl import read_jsonl
from pipeline.readers import read_records
from pipeline.records import Piece
from pipeline.splitting import is_splittable

MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(path, data=None, start=0, end=-1, fields=None, **config):
    if data is not None:
        path.write_bytes(data)
    return list(
        read_jsonl(Piece(str(path), path.name, "news", "jsonl", start, end, fields or {}), ExtractConfig(**config))
    )


def lines(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.jsonl"


def test_columns_and_meta(path):
    row = {
        "text": "  A text,\r\nas it is.\u00a0\n", "title": " Its\ntitle ", "url": " http://a.org/ ",
        "timestamp": "2019-04-22T22:21:10Z", "id": 7, "score": 0.5, "ok": True, "note": "x\ud800y",
        "none": None, "list": [1], "object": {"a": 1},
    }  # fmt: skip
    (record,) = read(path, lines(row))
    document = record.document
    assert document.text == row["text"]
    assert (document.title, document.url) == ("Its title", "http://a.org/")
    assert document.timestamp == datetime(2019, 4, 22, 22, 21, 10, tzinfo=UTC)
    assert document.meta == {"id": "7", "note": "x\ufffdy", "ok": "true", "score": "0.5"}


def test_field_mapping_and_dates(path):
    rows = [
        {"body": "a", "headline": "t", "published": "04 May 2012", "date": "x"},
        {"body": "a", "headline": ["t"], "published": "some day"},
    ]
    first, second = read(path, lines(*rows), fields={"text": "body", "title": "headline", "timestamp": "published"})
    assert first.document.timestamp == datetime(2012, 5, 4, tzinfo=UTC)
    assert first.document.meta == {"date": "x"}
    assert (second.document.title, second.document.timestamp) == (None, None)
    assert second.document.meta == {"date": "some day"}  # the raw words of a date that can't be read
    (record,) = read(path, lines({"text": "a", "date": "2020-01-02"}))
    assert (record.document.timestamp, record.document.meta) == (datetime(2020, 1, 2, tzinfo=UTC), {})


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        (b'{"text": "unended', "failed", "bad_json"),
        (b'{"text": "\xff"}', "failed", "bad_json"),
        (b"[" * 200_000, "failed", "too_deep"),
        (b'{"text": "a", "x": ' + b"[" * 99 + b"]" * 99 + b"}", "kept", None),
        (b'{"text": "a", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "failed", "too_deep"),
        (b'{"text": "a", "x": ' + b'{"k":' * 99 + b"[]" + b"}" * 100, "failed", "too_deep"),
        (b'{"text": "a", "x": [' + b"[[[]]]," * 200 + b"1]}", "kept", None),
        (b'{"text": "' + b'[{\\"\\\\\\\\' * 200 + b'", "x": []}', "kept", None),  # brackets and escapes in a string
        (b'{"text": "a\\\\", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "failed", "too_deep"),  # the string ends
        ('{"text": "a"}'.encode("utf-16-be"), "failed", "bad_json"),
        (b'["text"]', "failed", "not_an_object"),
        (b'{"body": "a"}', "failed", "no_text"),
        (b'{"text": 3}', "failed", "text_type"),
        (b'{"text": "a\\ud800b"}', "failed", "bad_text"),
        (b'{"text": null}', "dropped", "empty"),
        (b'{"text": " \\n"}', "dropped", "empty"),
        (b'{"text": "' + b"a" * 300_000 + b'"}', "failed", "too_long"),
    ],
)
def test_reasons(path, line, outcome, reason):
    sound = lines({"text": "sound"})
    records = read(path, sound + line + b"\n" + sound, max_record_bytes=250_000)
    assert [record.outcome for record in records] == ["kept", outcome, "kept"]
    assert (records[1].reason, records[1].offset, records[1].length) == (reason, len(sound), len(line))
    assert records[2].offset == len(sound) + len(line) + 1


def test_depth_is_told_alike_from_a_deep_stack(path):
    """The parser counts its caller's frames: what it can take here, it could not there."""
    data = lines({"text": "a"}) + b'{"text": "a", "x": ' + b"[" * 300 + b"]" * 300 + b"}\n"

    def read_below(frames):
        return read(path, data) if frames == 0 else read_below(frames - 1)

    records = read_below(0)
    assert [record.reason for record in records] == [None, "too_deep"]
    assert read_below(sys.getrecursionlimit() - 350) == records


def test_depth_is_that_of_a_scan_by_character(path):
    """On random JSON, and on the same with a character lost."""
    random = Random(3)
    outcomes = set()
    for _ in range(200):
        value = ']{\\"['[: random.randrange(6)]
        for _ in range(random.randrange(90, 110)):
            value = [value, "[" * random.randrange(3)] if random.random() < 0.5 else {'"': value, "[": "\\"}
        data = json.dumps({"text": "a", "x": value}).encode()
        cut = random.randrange(len(data)) if random.random() < 0.3 else len(data)
        (record,) = read(path, data[:cut] + data[cut + 1 :])
        if cut == len(data):
            assert (record.reason == "too_deep") == (_depth_by_character(data) > 100)
        outcomes.add(record.reason)
    assert {None, "too_deep", "bad_json"} <= outcomes


def _depth_by_character(data):
    depth = deepest = 0
    in_string = is_escaped = False
    for char in data.decode():
        if in_string:
            in_string = is_escaped or char != '"'
            is_escaped = char == "\\" and not is_escaped
        elif char == '"':
            in_string = True
        else:
            depth += (char in "[{") - (char in "]}")
            deepest = max(deepest, depth)
    return deepest


def test_blank_lines_marks_and_a_missing_last_line_end(path):
    records = read(path, b'\xef\xbb\xbf{"text": "a"}\r\n\n  \r\n{"text": "\xc3\xa9"}')
    assert [record.document.text for record in records] == ["a", "é"]
    assert read(path, b"") == read(path, b"\n\n") == []


PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip members": lambda data: gzip.compress(data[:70]) + gzip.compress(data[70:]) + b"\0" * 9,
    "bzip2": lambda data: bz2.compress(data, 1),
    "zstd": zstandard.compress,
    "zstd frames": lambda data: zstandard.compress(data[:70]) + zstandard.compress(data[70:]),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_offsets_and_digests_name_the_line(path, packer):
    data = lines(*({"text": f"text {number}", "n": number} for number in range(2000)))
    records = read(path, PACKERS[packer](data))
    assert len(records) == 2000
    for number, record in enumerate(records):
        raw = data[record.offset : record.offset + record.length]
        assert json.loads(raw)["n"] == number
        assert hashlib.sha256(raw).digest() == record.raw_sha256


@pytest.mark.parametrize("packer", [packer for packer in PACKERS if packer != "plain"])
def test_cut_stream_ends_in_one_failed_record(path, packer):
    data = lines(*({"text": hashlib.sha256(b"%d" % number).hexdigest()} for number in range(5000)))
    records = read(path, PACKERS[packer](data)[:-5000])
    assert len(records) > 100
    assert [record.reason for record in records if record.document is None] == ["truncated"]
    assert records[-1].reason == "truncated"
    assert records[-1].offset == records[-2].offset + records[-2].length + 1


def test_every_cut_of_a_plain_file_gives_each_line_once(path):
    data = lines({"text": "a"}, {"text": "bb"}) + b"\n\nbroken\n" + lines({"text": "c" * 50}).rstrip()
    whole = read(path, data)
    assert len(whole) == 4
    for cut in range(len(data) + 1):
        assert read(path, None, 0, cut) + read(path, None, cut, -1) == whole


def test_compressed_files_belong_to_the_first_range(path):
    data = gzip.compress(lines({"text": "a"}, {"text": "b"}))
    assert len(read(path, data, 0, 10)) == 2
    assert read(path, data, 10, -1) == []
    assert not is_splittable(str(path), "jsonl")
    path.write_bytes(b"{}\n")
    assert is_splittable(str(path), "c4")


def test_real_news_and_c4(shared):
    counts = {}
    for folder, kind in (("news", "jsonl"), ("c4", "c4")):
        for path in sorted((shared / folder).iterdir()):
            documents = [
                record.document for record in read_records(Piece(str(path), path.name, folder, kind), ExtractConfig())
            ]
            assert all(documents)
            num_dated = sum(document.timestamp is not None for document in documents)
            counts[path.name.split(".")[0]] = len(documents), num_dated
    assert counts == {  # rows as the README counts them, and how many have a date
        "bbc-news": (1624, 0),
        "realnews_tiny": (5, 4),
        "reuters21578-000-011": (10_963, 10_666),  # the others end in control characters of the wire
        "web-articles-wcxb-dev": (423, 421),  # two have no day
        "c4-pf-decoding": (1110, 0),
        "c4-sample": (10, 10),
        "cc_en_head-0091": (10, 10),
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"maintext": "a", "headline": "t", "link": "http://a.org/", "date_publish": "2020-01-02 03:04:05"},
            ("a", "t", "http://a.org/", MOMENT),
        ),
        ({"text": "a", "raw_content": "b", "title": "t", "published": 1577934245}, ("a", "t", None, MOMENT)),
        ({"raw_content": "a", "created": 1577934245000}, ("a", None, None, MOMENT)),
        ({"text": "a", "date": 20200102}, ("a", None, None, None)),
        ({"text": "a", "date": True}, ("a", None, None, None)),
        ({"text": "a", "date": 1e300}, ("a", None, None, None)),
    ],
)
def test_usual_names(path, row, expected):
    (record,) = read(path, lines(row))
    document = record.document
    assert (document.text, document.title, document.url, document.timestamp) == expected


def test_names_within_objects(path):
    fields = {"text": "doc.body", "url": "meta.url", "timestamp": "meta.at.day"}
    rows = [
        {"doc": {"body": "a"}, "meta": {"url": "http://a.org/", "at": {"day": "2020-01-02"}}, "note": "n"},
        {"doc.body": "b", "doc": {"body": "no"}, "meta": {"at": {"day": "some day"}}},
        {"doc": "text", "meta": []},
    ]
    first, second, third = read(path, lines(*rows), fields=fields)
    assert (first.document.text, first.document.url, first.document.meta) == ("a", "http://a.org/", {"note": "n"})
    assert first.document.timestamp == datetime(2020, 1, 2, tzinfo=UTC)
    assert (second.document.text, second.document.url, second.document.meta) == ("b", None, {"date": "some day"})
    assert third.reason == "no_text"
