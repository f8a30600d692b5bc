"""Archives of Zstandard and LZ4 frames: as those of gzip members, whole, cut anywhere, and damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zlib
from functools import partial
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from warc_builder import arc, html, outcomes, pack, pack_with_dictionary, read, read_cut, response, warc

from pipeline import decompressors
from pipeline.byte_streams import decompressed
from pipeline.decompressors import codec_of
from pipeline.splitting import is_splittable, offset_kind

FRAMED = ("zstd", "lz4", "zstd with dictionary")
RECORDS = [warc("warcinfo", b"software: x"), *(response(number) for number in range(1, 6))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.warc"


@pytest.mark.parametrize("codec", FRAMED)
def test_places_and_digests_are_of_the_stored_frames(path: Path, codec: str) -> None:
    data = pack(*RECORDS, codec=codec)
    records = read(path, data)
    assert outcomes(records) == ["not_response"] + ["kept"] * 5
    assert [record.url for record in records[1:]] == [f"http://example.org/{number}" for number in range(1, 6)]
    assert [a.offset + a.length for a in records] == [*(b.offset for b in records[1:]), len(data)]
    for record in records[1:]:
        stored = data[record.offset : record.offset + record.length]
        assert hashlib.sha256(stored).digest() == record.raw_sha256
    assert is_splittable(str(path), "warc")
    assert offset_kind(str(path), "warc") == f"{codec.split()[0]} frame"


def test_frames_hold_what_they_held(path: Path) -> None:
    data = pack(*RECORDS, codec="zstd")
    for record, raw in zip(read(path, data), RECORDS, strict=True):
        assert zstandard.ZstdDecompressor().decompress(data[record.offset : record.offset + record.length]) == raw
    data = pack(*RECORDS, codec="lz4")
    for record, raw in zip(read(path, data), RECORDS, strict=True):
        assert lz4.frame.decompress(data[record.offset : record.offset + record.length]) == raw


@pytest.mark.parametrize("is_packed", [True, False])
def test_dictionary_may_be_compressed_itself_or_not(path: Path, is_packed: bool) -> None:
    assert outcomes(read(path, pack_with_dictionary(RECORDS, is_packed))) == ["not_response"] + ["kept"] * 5


def test_frames_without_their_dictionary_are_failed_one_by_one(path: Path) -> None:
    data = pack_with_dictionary(RECORDS)
    data = data[8 + int.from_bytes(data[4:8], "little") :]
    (record,) = read(path, data)
    assert (record.outcome, record.offset, record.length) == ("failed", 0, len(data))
    assert "dictionary" in record.error.lower()


@pytest.mark.parametrize("codec", FRAMED)
def test_every_cut_gives_the_same_records_exactly_once(path: Path, codec: str) -> None:
    data = pack(*RECORDS, codec=codec)
    whole = read(path, data)
    near = {
        at + step for record in whole for at in (record.offset, record.offset + record.length) for step in (-1, 0, 1)
    }
    for cut in sorted({at for at in near if 0 < at < len(data)} | set(range(1, len(data), 97))):
        assert read_cut(path, [cut]) == whole, cut
    assert read_cut(path, [record.offset for record in whole[1:]]) == whole


@pytest.mark.parametrize("codec", FRAMED)
def test_a_damaged_frame_costs_only_itself(path: Path, codec: str) -> None:
    data = bytearray(pack(*RECORDS, codec=codec))
    place = read(path, bytes(data))[2]
    data[place.offset + 4 : place.offset + 12] = b"\xff" * 8
    records = read(path, bytes(data))
    name = codec.split()[0]
    assert outcomes(records) == ["not_response", "kept", name, "kept", "kept", "kept"]
    assert (records[2].offset, records[2].length) == (place.offset, place.length)
    assert records[2].error
    assert read_cut(path, [place.offset + 3]) == records


@pytest.mark.parametrize("codec", FRAMED)
def test_garbage_and_an_unreadable_tail_are_told_with_their_bytes(path: Path, codec: str) -> None:
    data = pack(*RECORDS, codec=codec)
    place = read(path, data)[3]
    garbage = data[: place.offset] + b"garbage" + data[place.offset : -7]
    records = read(path, garbage)
    name = codec.split()[0]
    expected = ["not_response", "kept", "kept", f"not_{name}", "kept", "kept", "truncated"]
    assert outcomes(records) == expected
    assert records[3].length == len(b"garbage")
    assert records[-1].offset + records[-1].length == len(garbage)
    for cut in range(place.offset - 2, place.offset + 12):
        assert read_cut(path, [cut]) == records


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_one_frame_over_many_records_is_read_as_a_stream(path: Path, codec: str) -> None:
    plain = b"".join(RECORDS)
    records = read(path, pack(plain, codec=codec))
    assert outcomes(records) == ["not_response"] + ["kept"] * 5
    for record, raw in zip(records, RECORDS, strict=True):
        assert plain[record.offset : record.offset + record.length] == raw.removesuffix(b"\r\n\r\n")
    assert not is_splittable(str(path), "warc")
    assert offset_kind(str(path), "warc") == "decompressed byte"
    assert read_cut(path, [len(path.read_bytes()) // 2]) == records


def test_a_frame_of_several_blocks_is_found_by_a_cut_before_it(path: Path) -> None:
    """Neither gives anything before the end of its first block, which may lie megabytes on."""
    noise = random.Random(0).randbytes(3_000_000).hex().encode()
    big = response(2, body=html(2) + b"<!--" + noise + b"-->")
    for codec, data in (
        ("zstd", pack(response(1), big, response(3), codec="zstd")),
        ("lz4", b"".join(lz4.frame.compress(part, block_size=7) for part in (response(1), big, response(3)))),
    ):
        whole = read(path, data)
        assert outcomes(whole) == ["kept"] * 3, codec
        assert read_cut(path, [whole[1].offset - 1]) == read_cut(path, [whole[1].offset + 1]) == whole
        damaged = data[: whole[1].offset - 9] + data[whole[1].offset :]
        assert outcomes(read(path, damaged)) == [codec, "kept", "kept"], codec


@pytest.mark.parametrize("codec", FRAMED)
def test_arc_and_skippable_frames(path: Path, codec: str) -> None:
    info = b"1 0 Crawler\nURL IP-address Archive-date Content-type Archive-length\n"
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html(5)
    parts = (arc("filedesc://x.arc", "text/plain", info), arc("http://a.org/", "text/html", page))
    data = pack(*parts, codec=codec)
    whole = read(path, data)
    assert outcomes(whole) == ["not_response", "kept"]
    skipped = data[: whole[1].offset] + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + data[whole[1].offset :]
    assert outcomes(read(path, skipped)) == ["not_response", "kept"]


@pytest.mark.parametrize("data", [b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18\x64", b"\x5d\x2a\x4d\x18\xff\xff\xff\xff"])
def test_heads_alone_are_one_failed_record(path: Path, data: bytes) -> None:
    (record,) = read(path, data)
    assert (record.reason, record.offset, record.length) == ("truncated", 0, len(data))


def test_a_file_that_is_cut_in_its_dictionary_is_one_failed_record(path: Path) -> None:
    data = pack_with_dictionary(RECORDS)
    end = 8 + int.from_bytes(data[4:8], "little")
    for cut in (9, 12, 100, end - 1):
        (record,) = read(path, data[:cut])
        assert (record.reason, record.offset, record.length) == ("truncated", 0, cut)
    assert read(path, data[:end]) == []


@pytest.mark.parametrize("at", range(4, 8))
@pytest.mark.parametrize("bit", [0, 3, 6])
def test_a_wrong_length_of_the_dictionary_is_told(path: Path, at: int, bit: int) -> None:
    data = bytearray(pack_with_dictionary(RECORDS))
    data[at] ^= 1 << bit
    records = read(path, bytes(data))
    assert (records[0].outcome, records[0].offset) == ("failed", 0)
    assert len(records) in (1, 7)  # a longer one still begins with the whole of the compressed dictionary
    assert sum(record.length for record in records) == len(data)


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_damaged_dictionary_fails_records_and_raises_nothing(path: Path, is_packed: bool) -> None:
    sound, rng = pack_with_dictionary(RECORDS, is_packed), random.Random(0)
    end = 8 + int.from_bytes(sound[4:8], "little")
    for at in (8, 9, 16, 17, 20, 30, *(rng.randrange(8, end) for _ in range(60))):
        data = bytearray(sound)
        data[at] ^= 1 << rng.randrange(8)
        records = read(path, bytes(data))
        assert len(records) == 6 or any(record.outcome == "failed" for record in records)


def test_frames_of_the_longest_window_are_read(path: Path) -> None:
    """As ``zstd --long=31`` writes them; a decoder must be told to take more than 128 MB."""
    settings = zstandard.ZstdCompressionParameters(window_log=31, compression_level=1)
    frames = []
    for record in RECORDS:
        state = zstandard.ZstdCompressor(compression_params=settings).compressobj()
        frames.append(state.compress(record) + state.flush())
    assert zstandard.get_frame_parameters(frames[0]).window_size == 1 << 31
    assert outcomes(read(path, b"".join(frames))) == ["not_response"] + ["kept"] * 5


CHECKED = {  # only gzip has a check sum unasked
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": partial(lz4.frame.compress, content_checksum=True),
}


@pytest.mark.parametrize("codec", CHECKED)
@pytest.mark.parametrize("damage", [slice(40, 48), slice(-6, -2), slice(0, 3)], ids=["content", "check sum", "magic"])
def test_behind_a_damaged_member_of_many_records_the_next_is_read(path: Path, codec: str, damage: slice) -> None:
    parts = [CHECKED[codec](b"".join(response(10 * part + one) for one in range(10))) for part in range(4)]
    sound = read(path, b"".join(parts))
    assert len(sound) == 40
    broken = bytearray(parts[1])
    broken[damage] = bytes(byte ^ 0xFF for byte in broken[damage])
    data = parts[0] + bytes(broken) + parts[2] + parts[3]
    records = read(path, data)
    assert offset_kind(str(path), "warc") == "decompressed byte"
    failed = [record for record in records if record.outcome == "failed"]
    assert [record.reason for record in failed] == ["truncated"]
    lost = f"; {len(broken)} stored bytes from byte {len(parts[0])} on are lost"
    assert failed[0].error.endswith(lost)
    urls = [record.url for record in records if record.document]
    assert urls[:10] == [record.url for record in sound[:10]]
    assert urls[-20:] == [record.url for record in sound[20:]]
    offsets = [record.offset for record in records]
    assert offsets == sorted(offsets)
    assert len({record.offset for record in records if record.document}) == len(urls)


def test_bombs_are_given_in_pieces() -> None:
    """One letter again and again; Zstandard makes 2 kB of 60 MB."""
    size = 60_000_000
    for stored, most in (
        (gzip.compress(b"a" * size, 1), 300_000),
        (zstandard.ZstdCompressor().compress(b"a" * size), 34_000_000),
        (lz4.frame.compress(b"a" * size), 300_000),
    ):
        stream = io.BytesIO(stored)
        assert codec_of(stream) is not None
        pieces = [len(piece) for piece in decompressed(stream)]
        assert sum(pieces) == size
        assert max(pieces) <= most


def test_damaged_gzip_gives_what_zlib_gives() -> None:
    """Another decoder than zlib does the work: it must refuse what zlib refuses, and give no less before."""
    words = random.Random(3)
    content = " ".join(str(words.randint(0, 9999)) for _ in range(4000)).encode()
    sound = pack(content)
    for _ in range(300):
        broken = bytearray(sound)
        broken[words.randrange(10, len(sound))] ^= 1 << words.randrange(8)
        state, oracle = decompressors._CODECS[0].start(), zlib.decompressobj(wbits=31)
        assert _content(state, bytes(broken)) == _content(oracle, bytes(broken))


def _content(state: object, data: bytes) -> bytes | None:
    """All of it, or None for damaged data; both count a stream that does not end as one."""
    try:
        content = state.decompress(data, 1_000_000)  # type: ignore[attr-defined]
    except (zlib.error, *decompressors.DECODING_ERRORS):
        return None
    return content if state.eof else None  # type: ignore[attr-defined]
