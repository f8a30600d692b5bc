"""Multistream dumps: any cut gives the same rows, damage costs its stream alone."""

from __future__ import annotations

import bz2
import io
from pathlib import Path
from random import Random

import pytest

from pipeline.byte_streams import Window
from pipeline.bz2_streams import StreamReader, has_streams, next_stream
from pipeline.config import ExtractConfig
from pipeline.read_wikipedia import read_wikipedia
from pipeline.records import Piece, Record
from pipeline.splitting import is_splittable, offset_kind

HEAD = b'<mediawiki xml:lang="en"><siteinfo><base>https://en.wikipedia.org/wiki/Main</base></siteinfo>\n'


def pages(count: int) -> list[bytes]:
    """Articles of various lengths, every seventh without its end."""
    rng = Random(0)
    text = [b"".join(b"word%d " % rng.randint(0, 10**9) for _ in range(rng.randint(1, 300))) for _ in range(count)]
    return [
        b"<page><title>P%d</title><ns>0</ns><id>%d</id><revision><text>%s</text></revision>%s\n"
        % (number, number, words, b"" if number % 7 == 2 else b"</page>")
        for number, words in enumerate(text)
    ]


def multistream(parts: list[bytes], per_stream: int = 5) -> bytes:
    """As Wikipedia packs its dumps: preamble, pages, end."""
    groups = [b"".join(parts[at : at + per_stream]) for at in range(0, len(parts), per_stream)]
    return b"".join(bz2.compress(part) for part in (HEAD, *groups, b"</mediawiki>"))


def parallel(parts: list[bytes], size: int = 3001) -> bytes:
    """As pbzip2 packs any file: streams end wherever they do, in the middle of a tag too."""
    data = HEAD + b"".join(parts) + b"</mediawiki>"
    return b"".join(bz2.compress(data[at : at + size]) for at in range(0, len(data), size))


def read(path: Path, start: int = 0, end: int = -1, **config: int) -> list[Record]:
    return list(read_wikipedia(Piece(str(path), "x", "wikipedia", "wikipedia", start, end), ExtractConfig(**config)))


@pytest.fixture(params=[multistream, parallel, lambda parts: HEAD + b"".join(parts) + b"</mediawiki>"])
def dump(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "dump.xml"
    path.write_bytes(request.param(pages(60)))
    return path


def assert_same_in_any_cut(path: Path, **config: int) -> list[Record]:
    whole = read(path, **config)
    size, rng = path.stat().st_size, Random(1)
    for count in (1, 5, 20):
        cuts = sorted({0, *(rng.randrange(size) for _ in range(count))})
        ends = [*cuts[1:], -1]
        parts = [record for start, end in zip(cuts, ends, strict=True) for record in read(path, start, end, **config)]
        assert parts == whole, cuts
    return whole


def test_any_cut_gives_the_same_rows(dump: Path) -> None:
    records = assert_same_in_any_cut(dump)
    assert len(records) == 60
    assert [r.document.title if r.document else r.reason for r in records] == [
        "xml" if number % 7 == 2 else f"P{number}" for number in range(60)
    ]
    assert is_splittable(str(dump), "wikipedia")


def test_a_cut_right_at_a_stream_or_a_page(dump: Path) -> None:
    whole = read(dump)
    for at in sorted({record.offset for record in whole})[::9]:
        for cut in (max(1, at - 1), at or 1, at + 1):
            assert read(dump, 0, cut) + read(dump, cut) == whole


def test_any_cut_tells_once_that_the_last_stream_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(multistream(pages(30)).removesuffix(bz2.compress(b"</mediawiki>")))
    *records, last = assert_same_in_any_cut(path)
    assert len(records) == 30
    assert (last.reason, last.offset, last.length) == ("truncated", path.stat().st_size, 0)


@pytest.mark.parametrize("pack", [multistream, parallel])
def test_offset_and_member_find_the_page_again(tmp_path: Path, pack) -> None:
    path = tmp_path / "dump.xml.bz2"
    parts = pages(30)
    path.write_bytes(pack(parts))
    assert offset_kind(str(path), "wikipedia") == "bzip2 stream"
    data = path.read_bytes()
    for part, record in zip(parts, read(path), strict=True):
        rest = bz2.decompress(data[record.offset :])
        page = rest[int(record.member) :][: record.length]
        assert page == part.rstrip(b"\n") if record.document else page.startswith(part)
        assert int(record.member) < len(bz2.BZ2Decompressor().decompress(data[record.offset :]))
    assert len({(record.offset, record.member) for record in read(path)}) == 30


@pytest.mark.parametrize("pack", [multistream, parallel])
def test_damage_costs_its_stream_alone(tmp_path: Path, pack) -> None:
    path = tmp_path / "dump.xml.bz2"
    data = bytearray(pack(pages(60)))
    path.write_bytes(data)
    sound = read(path)
    streams = sorted({record.offset for record in sound})
    third = streams[3]
    data[third + 60 : third + 70] = b"\0" * 10
    path.write_bytes(data)
    records = assert_same_in_any_cut(path)
    (lost,) = [record for record in records if record.offset == third and not record.member]
    assert (lost.reason, lost.length) == ("truncated", streams[4] - third)
    kept = [record for record in records if record.document]
    assert all(record in sound for record in kept)
    later = [r for r in sound if r.document and r.offset > third]
    assert [r for r in kept if r.offset > third] == later  # those that begin behind it


def test_cut_off_and_followed_by_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    data = multistream(pages(60))
    path.write_bytes(data[:-300])
    records = assert_same_in_any_cut(path)
    assert records[-1].reason == "truncated"
    assert records[-1].offset + records[-1].length == len(data) - 300
    path.write_bytes(data + b"\n\0\n")
    assert [r.reason for r in read(path)] == [r.reason for r in read(path, 0, len(data))]
    path.write_bytes(data[: records[-1].offset] + b"garbage" * 9 + data[records[-1].offset :])
    records = assert_same_in_any_cut(path)
    assert [(r.length, r.reason) for r in records if r.reason == "truncated"] == [(63, "truncated")]


def test_long_pages_are_failed_in_any_cut(dump: Path) -> None:
    records = assert_same_in_any_cut(dump, max_record_bytes=3000)
    assert "too_long" in {record.reason for record in records}


def test_one_stream_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(bz2.compress(HEAD + b"".join(pages(9)) + b"</mediawiki>"))
    assert not is_splittable(str(path), "wikipedia")
    assert offset_kind(str(path), "wikipedia") == "decompressed byte"
    assert len(read(path)) == 9
    assert read(path, 1) == []


def test_streams_are_found_across_the_edges_of_reads() -> None:
    stream = bz2.compress(b"x")
    for before in (0, 1, 262_134, 262_135, 262_140, 262_143, 262_144, 524_280):
        file = io.BytesIO(b"B" * before + stream + b"BZh9" + stream)
        assert next_stream(file, 0, 10**9) == before
        assert next_stream(file, before + 1, 10**9) == before + len(stream) + 4
        assert next_stream(file, 0, before) is None
    assert next_stream(io.BytesIO(bz2.compress(b"")), 0, 99) == 0  # a stream without blocks
    assert not has_streams(io.BytesIO(b"x" + stream + stream))


def test_places_across_empty_streams() -> None:
    parts = [b"", b"ab", b"", b"", b"c" * 3]
    packed = [bz2.compress(part) for part in parts]
    starts = [sum(map(len, packed[:number])) for number in range(5)]
    reader = StreamReader(io.BytesIO(b"".join(packed)), 0)
    window = Window(reader.chunks())
    assert window.hold(5)
    assert [reader.place(at) for at in range(5)] == [
        (starts[1], 0), (starts[1], 1), (starts[4], 0), (starts[4], 1), (starts[4], 2),
    ]  # fmt: skip
