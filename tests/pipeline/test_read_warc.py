import gzip
import hashlib
import io
import zlib
from datetime import UTC, datetime

import pytest
import zstandard
from fastwarc.warc import ArchiveIterator
from warc_builder import OK_HTML, SENTENCE, arc, html, outcomes, pack, read, read_cut, response, warc

from pipeline.config import ExtractConfig
from pipeline.read_warc import read_wet
from pipeline.readers import read_records
from pipeline.records import Piece
from pipeline.splitting import is_splittable

BROTLI = bytes.fromhex(  # html(1), compressed by the brotli package
    "1b8f00409c07762c0cb26e44a36b1d13269626415ee08a27a87ccaa02607eced6f6d3f4f4a28c028d08d85f8ac82c88b610744c355a82c"
    "5c6890be7e8b152ca64459f5ffc634de2e880933052132e1168eb500"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.warc.gz"


def test_kept_page(path):
    (record,) = read(path, pack(response(7)))
    assert record.outcome == "kept"
    assert record.document.text == f"{SENTENCE} 7."
    assert record.document.title == "Page 7"
    assert record.document.url == record.url == "http://example.org/7"
    assert record.document.timestamp == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert record.document.meta == {}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (warc("warcinfo", b"software: x"), "not_response"),
        (warc("request", b"GET / HTTP/1.1\r\n\r\n"), "not_response"),
        (warc("resource", html(1)), "not_response"),
        (warc("revisit", b"HTTP/1.1 200 OK\r\n\r\n"), "revisit"),
        (response(1, b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n"), "status"),
        (response(1, b"HTTP/1.0 302 \r\nLocation: /\r\n\r\n"), "status"),
        (response(1, b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n"), "content_type"),
        (response(1, b"HTTP/1.1 200 OK\r\n\r\n", b"GIF89a"), "content_type"),
        (warc("response", b""), "empty"),
        (response(1, body=b""), "empty"),
        (response(1, b"HTTP/1.1 200 OK\r\n\r\n", b""), "empty"),
        (response(1, body=b"<html><body><nav>menu</nav></body></html>"), "empty"),
        (response(1, body=b"<div>" * 2000), "page"),
        (response(1, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\0\1\2"), "http_body"),
        (b"no record at all", "bad_header"),
    ],
)
def test_reasons(path, record, reason):
    records = read(path, pack(response(0), record, response(2)), engine="resiliparse")
    assert outcomes(records) == ["kept", reason, "kept"]


def test_a_revisit_names_the_record_that_it_refers_to(path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    target = {"WARC_Refers_To_Target_URI": "http://a.org/", "WARC_Refers_To_Date": "2019-01-02T03:04:05Z"}
    parts = [
        warc("revisit", head, 1, WARC_Refers_To="<urn:uuid:1>", **target),
        warc("revisit", head, 2, **target),
        warc("revisit", b"", 3),
        warc("revisit", b"HTTP/1.1 304 Not Modified\r\n\r\n", 4, WARC_Refers_To="<urn:uuid:4>"),
        response(5, WARC_Type="revisit", **target),  # with its payload after all
        response(6),
    ]
    records = read(path, pack(*parts))
    assert outcomes(records) == ["revisit"] * 4 + ["kept", "kept"]
    assert [record.refers_to for record in records] == [
        "urn:uuid:1 http://a.org/ 2019-01-02T03:04:05Z",
        "http://a.org/ 2019-01-02T03:04:05Z",
        None,
        "urn:uuid:4",
        None,
        None,
    ]
    assert [record.url for record in records] == [f"http://example.org/{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n", None),
        (b"HTTP/1.1 200\r\nContent-Type:text/html;charset=utf-8\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\n\r\n", None),  # no type, but HTML
        (b"", None),  # no header at all
        (b"HTTP/2 200\r\nContent-Type: application/xhtml+xml\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", f"{SENTENCE} 1.".encode()),
    ],
)
def test_headers_as_they_come(path, head, body):
    (record,) = read(path, pack(response(1, head, body)))
    assert record.document.text == f"{SENTENCE} 1."


def test_offsets_lengths_and_digests_name_the_stored_member(path):
    data = pack(warc("warcinfo", b"x"), response(1), response(2))
    records = read(path, data)
    assert [record.offset for record in records] == [0, records[0].length, records[0].length + records[1].length]
    assert sum(record.length for record in records) == len(data)
    for number, record in enumerate(records[1:], 1):
        stored = data[record.offset : record.offset + record.length]
        assert hashlib.sha256(stored).digest() == record.raw_sha256
        assert gzip.decompress(stored) == response(number)


def test_other_streams_count_bytes_after_decompression(path):
    plain = warc("warcinfo", b"x") + response(1) + response(2)
    for data in (plain, gzip.compress(plain), gzip.compress(plain[:200]) + gzip.compress(plain[200:])):
        records = read(path, data)
        assert outcomes(records) == ["not_response", "kept", "kept"]
        for number, record in enumerate(records[1:], 1):
            raw = plain[record.offset : record.offset + record.length]
            assert raw == response(number).removesuffix(b"\r\n\r\n")
            assert hashlib.sha256(raw).digest() == record.raw_sha256


def test_further_records_of_a_member_are_numbered(path):
    records = read(path, pack(warc("warcinfo", b"x"), response(1) + response(2), response(3)))
    assert [(record.member, record.url[-1]) for record in records[1:]] == [("", "1"), ("1", "2"), ("", "3")]
    assert records[1].offset == records[2].offset
    assert records[1].raw_sha256 == records[2].raw_sha256


def test_arc(path):
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html(5)
    info = b"1 0 Crawler\nURL IP-address Archive-date Content-type Archive-length\n"
    parts = [arc("filedesc://x.arc", "text/plain", info), arc("http://a.org/b c", "text/html", body)]
    for data in (b"".join(parts), pack(*parts), gzip.compress(b"".join(parts))):
        records = read(path, data)
        assert outcomes(records) == ["not_response", "kept"]
        assert records[1].url == "http://a.org/b c"
        assert records[1].document.timestamp == datetime(2008, 5, 9, 19, 2, 41, tzinfo=UTC)


def test_wet(path):
    text = "First line\r\nsecond line"
    records = read(path, pack(warc("warcinfo", b"x"), warc("conversion", text.encode(), 3)), reader=read_wet)
    assert outcomes(records) == ["not_conversion", "kept"]
    assert records[1].document.text == "First line\nsecond line"


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("length", ["999999", "10", "-1", "abc", None])
def test_wrong_length_harms_no_neighbour(path, packed, length):
    parts = [response(1), response(2, Content_Length=length), response(3)]
    records = read(path, pack(*parts) if packed else b"".join(parts))
    assert outcomes(records) == ["kept", "kept", "kept"]
    assert [record.document.text[-2] for record in records] == ["1", "2", "3"]
    assert [record.document.meta for record in records] == [{}, {"damage": "content_length"}, {}]


def test_over_long_length_is_undone_even_past_the_bound(path):
    """The block is said to be longer than a record may be: it is not held, and what follows its end is looked at."""
    data = response(1) + response(2, Content_Length="700000") + response(3) * 3000
    assert len(data) > 700_000
    records = read(path, data, max_record_bytes=100_000)
    assert outcomes(records) == ["kept"] * 3002
    assert records[1].document.meta == {"damage": "content_length"}


def test_no_byte_is_read_again_and_again_where_all_lengths_are_too_large(path, monkeypatch):
    read_bytes = []
    monkeypatch.setattr("pipeline.warc_files.open_read", lambda name: _Counted(name, read_bytes))
    data = b"".join(response(number, body=html(number) * 9, Content_Length="999999999999") for number in range(300))
    assert outcomes(read(path, data)) == ["kept"] * 299 + ["truncated"]  # as far as one can see
    assert sum(read_bytes) < 2 * len(data)


class _Counted(io.FileIO):
    def __init__(self, name, sizes):
        super().__init__(name)
        self.sizes = sizes

    def read(self, size=-1):
        data = super().read(size)
        self.sizes.append(len(data))
        return data


ARC_PAGES = [arc(f"http://a.org/{number}", "text/html", OK_HTML + html(number)) for number in range(5)]


@pytest.mark.parametrize("parts", [ARC_PAGES, [response(number) for number in range(5)]], ids=["arc", "warc"])
def test_a_flipped_bit_in_a_header_loses_no_record_in_silence(path, parts):
    """Header and line ends of the third record, bit by bit."""
    start = len(parts[0]) + len(parts[1])
    places = [
        *range(start - 4, start + parts[2].index(b"HTTP/1.1")),
        *range(start + len(parts[2]) - 4, start + len(parts[2])),
    ]
    for at in places:
        for bit in (0, 3, 5, 7):
            data = bytearray(b"".join(parts))
            data[at] ^= 1 << bit
            records = read(path, bytes(data))
            assert len(records) == 5 or any(record.outcome == "failed" for record in records), (at - start, bit)
            texts = [record.document.text for record in records if record.document]
            assert all(text.count(SENTENCE) == 1 for text in texts), (at - start, bit)


def test_an_arc_without_addresses(path):
    data = b"".join(ARC_PAGES).replace(b" 1.2.3.4 ", b" - ")
    assert [record.url for record in read(path, data)] == [f"http://a.org/{number}" for number in range(5)]
    assert outcomes(read(path)) == ["kept"] * 5


def test_too_long_records_are_failed_and_not_held(path):
    parts = [response(1), response(2, body=html(2) * 3000), response(3)]
    for data in (pack(*parts), b"".join(parts), gzip.compress(b"".join(parts))):
        records = read(path, data, max_record_bytes=10_000)
        assert outcomes(records) == ["kept", "too_long", "kept"]
        assert records[1].url == "http://example.org/2"


def test_lf_only_archives(path):
    data = (warc("warcinfo", b"x") + warc("conversion", b"a\r\nb\r\nc", 1) * 2).replace(b"\r\n", b"\n")
    records = read(path, data, reader=read_wet)
    assert outcomes(records) == ["not_conversion", "kept", "kept"]
    assert [record.document.text for record in records[1:]] == ["a\nb\nc"] * 2


def test_damaged_member_costs_only_itself(path):
    parts = [gzip.compress(response(number), mtime=0) for number in range(4)]
    broken = bytearray(parts[1])
    broken[len(broken) // 2] ^= 0x5A
    records = read(path, parts[0] + bytes(broken) + parts[2] + parts[3])
    assert outcomes(records) == ["kept", "gzip", "kept", "kept"]
    assert (records[1].offset, records[1].length) == (len(parts[0]), len(parts[1]))


def test_garbage_between_members_and_padding(path):
    parts = [gzip.compress(response(number), mtime=0) for number in range(3)]
    records = read(path, parts[0] + b"\0" * 512 + parts[1] + b"garbage \x1f\x8b\x08 here" + parts[2] + b"\n")
    assert outcomes(records) == ["kept", "kept", "not_gzip", "kept"]
    assert records[2].length == len(b"garbage \x1f\x8b\x08 here")


@pytest.mark.parametrize("cut", [1, 3, 12, 100])
def test_unreadable_tail_is_one_failed_record_with_the_bytes_lost(path, cut):
    first, second = gzip.compress(response(1), mtime=0), gzip.compress(response(2), mtime=0)
    records = read(path, first + second[:cut])
    assert outcomes(records) == ["kept", "truncated"]
    assert (records[1].offset, records[1].length) == (len(first), cut)


def test_truncated_plain_and_single_member_streams(path):
    plain = response(1) + response(2)
    records = read(path, plain[:-30])
    assert outcomes(records) == ["kept", "truncated"]
    assert records[1].offset + records[1].length == len(plain) - 30
    many = b"".join(response(hashlib.sha256(b"%d" % number).hexdigest()) for number in range(99))
    records = read(path, gzip.compress(many)[:-1000])
    assert 50 < len(records) < 100
    assert outcomes(records) == ["kept"] * (len(records) - 1) + ["truncated"]
    assert "stored file ends" in records[-1].error


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\r\n\r\n"])
def test_files_without_a_record(path, data):
    assert read(path, data) == []


@pytest.mark.parametrize(
    "data", [b"x", b"\x1f\x8b\x08", b"PK\x03\x04 no archive of this kind", b"WARC/1.0\r\n", b"BZh9"]
)
def test_files_that_are_something_else_give_one_failed_record(path, data):
    (record,) = read(path, data)
    assert (record.outcome, record.offset) == ("failed", 0)


def test_body_encodings(path):
    body, deflate = html(1), zlib.compressobj(wbits=-15)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:]))
    raw_deflate = deflate.compress(body) + deflate.flush()
    cases = {
        "gzip": gzip.compress(body),
        "gzip, gzip": gzip.compress(gzip.compress(body)),
        "deflate": zlib.compress(body),
        " Deflate": raw_deflate,
        "br": BROTLI,
        "zstd": zstandard.ZstdCompressor().compress(body),
        "x-gzip": body,  # decoded before it was written
        "utf-8": body,  # no encoding
    }
    for name, data in cases.items():
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {name}\r\n\r\n".encode()
        assert read(path, pack(response(1, head, data)))[0].document.meta == {}, name
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    data = gzip.compress(body)
    (record,) = read(path, pack(response(1, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))))
    assert record.document.text == f"{SENTENCE} 1."
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    for data, meta in ((chunked + b"0\r\n\r\n", {}), (body, {}), (chunked, {"damage": "chunked"})):
        (record,) = read(path, pack(response(1, head, data)))
        assert record.document.text == f"{SENTENCE} 1."
        assert record.document.meta == meta


def test_body_that_breaks_off_is_kept_as_far_as_it_goes_and_bombs_are_failed(path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n"
    body = b"<html><body>" + b"".join(b"<p>%s %d.</p>" % (SENTENCE.encode(), number) for number in range(999))
    (record,) = read(path, pack(response(1, head, gzip.compress(body)[:-500])))
    assert record.document.meta == {"damage": "content_encoding"}
    assert f"{SENTENCE} 100." in record.document.text
    (record,) = read(path, pack(response(1, head, gzip.compress(b" " * 3_000_000))), max_record_bytes=1_000_000)
    assert record.reason == "http_body"


def broken_middle():
    parts = [gzip.compress(response(number), mtime=0) for number in range(6)]
    return parts[0] + parts[1] + parts[2][:-9] + b"garbage" + parts[3] + parts[4] + parts[5][:50]


@pytest.mark.parametrize(
    "data",
    [
        pack(*(response(number) for number in range(6))),
        b"".join(response(number) for number in range(6)),
        broken_middle(),
        response(0) + b"garbage\r\n" + response(1) + response(2, Content_Length="7") + response(3)[:-20],
        gzip.compress(b"".join(response(number) for number in range(6))),
    ],
    ids=["members", "plain", "broken members", "broken plain", "one member"],
)
def test_every_cut_gives_the_same_records_exactly_once(path, data):
    whole = read(path, data)
    assert len(whole) >= 4
    for cut in range(1, len(data) + 1, 7):
        assert read_cut(path, [cut]) == whole, cut
    for record in whole:  # right on a boundary, one byte before, one after
        cuts = sorted({cut for cut in (record.offset - 1, record.offset, record.offset + 1) if 0 < cut < len(data)})
        assert read_cut(path, cuts) == whole, cuts


def test_range_of_a_plain_file_may_begin_like_a_compressed_one(path):
    body = b"<p>" + b"\x1f\x8b\x08" * 20 + html(1)
    data = response(0) + response(1, body=body) + response(2)
    whole = read(path, data)
    for cut in range(data.index(b"\x1f\x8b") - 1, data.index(b"\x1f\x8b") + 60):
        assert read_cut(path, [cut]) == whole


def test_splittable(path):
    for data, expected in (
        (pack(response(1), response(2)), True),
        (response(1) + response(2), True),
        (gzip.compress(response(1) + response(2)), False),
        (gzip.compress(response(1)[:100]) + gzip.compress(response(1)[100:]), False),
        (b"BZh9", False),
        (b"", True),
    ):
        path.write_bytes(data)
        assert is_splittable(str(path), "warc") is expected


@pytest.mark.parametrize(
    "name", ["aut-example", "IAH-urls-wget", "dolma-sample-0000", "pywb-iana", "resiliparse-warcfile"]
)
def test_sound_crawls_read_as_fastwarc_reads_them(shared, name):
    path = shared / "warc-real" / f"{name}.warc.gz"
    records = read(path)
    with path.open("rb") as stream:
        oracle = [
            (record.stream_pos, record.headers.get("WARC-Target-URI"), record.headers["WARC-Type"])
            for record in ArchiveIterator(stream, parse_http=False)
        ]
    assert [record.offset for record in records] == [offset for offset, _, _ in oracle]
    assert [record.url for record in records] == [url.strip("<>") if url else None for _, url, _ in oracle]
    assert all(kind == "response" for record, (_, _, kind) in zip(records, oracle, strict=True) if record.document)
    assert not [record for record in records if record.outcome == "failed"]


BAD = {  # pages, be there text in them or not, and what failed at which offset; counted by hand
    "IAH-blackbook-truncated.warc.gz": (3, []),
    "aut-issue-493.warc": (4, []),
    "copycat-cc-arc-1213893279526_0-wrong-lengths.arc.gz": (125, []),
    "copycat-wayback-topic-02-no-http-header.warc.gz": (127, []),
    "derived-bad-version-line.warc.gz": (1, [(321, "bad_header")]),
    "derived-bitflip.warc.gz": (12, [(100_561, "gzip")]),
    "derived-empty.warc.gz": (0, []),
    "derived-garbage-between.warc.gz": (13, [(43_307, "not_gzip")]),
    "derived-length-missing.warc.gz": (3, []),
    "derived-length-too-long.warc.gz": (4, []),
    "derived-length-too-short.warc.gz": (4, []),
    "derived-notgzip.warc.gz": (3, []),
    "derived-single-member.warc.gz": (13, []),
    "derived-truncated-gzipheader.warc.gz": (12, [(361_519, "truncated")]),
    "derived-truncated-midmember.warc.gz": (12, [(361_519, "truncated")]),
    "derived-wrong-charset.warc.gz": (3, []),
    "jwarc-gzip_extra_sl.warc.gz": (0, []),
    "pywb-missing-status-text.warc": (0, []),
    "resiliparse-clipped.warc.gz": (0, [(0, "truncated")]),
    "warcio-bad.arc": (2, []),
    "warcio-example-bad-non-chunked.warc.gz": (1, []),
    "warcio-example-bad.warc.gz.bad": (1, []),
    "warcio-example-trunc.warc": (1, []),
    "warcio-example-wrong-chunks.warc.gz": (1, []),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_malformed_archives(shared, name):
    records = read(shared / "warc-bad" / name)
    pages = [record for record in records if record.outcome == "kept" or record.reason == "empty"]
    failed = [(record.offset, record.reason) for record in records if record.outcome == "failed"]
    assert (len(pages), failed) == BAD[name]
    assert all(record.error for record in records if record.outcome == "failed")
    assert all(record.reason for record in records if record.outcome == "dropped")


def test_malformed_wet(shared):
    records = read(shared / "warc-bad" / "cc_net-sample-lf-only.warc.wet", reader=read_wet)
    assert outcomes(records) == ["not_conversion", "kept", "kept", "kept"]


def test_wrong_charset_labels_do_no_harm(shared):
    """The same pages stand in the sound file; the fourth is labelled application/pdf and dropped."""
    bad = [record.document for record in read(shared / "warc-bad" / "derived-wrong-charset.warc.gz") if record.document]
    sound = read(shared / "warc" / "article-extraction-benchmark.warc.gz", None, 0, 1_000_000)
    texts = {record.url: record.document.text for record in sound if record.document}
    assert [document.text for document in bad] == [texts[document.url] for document in bad]


@pytest.mark.slow
def test_ranges_of_real_crawls(shared):
    for path in sorted((shared / "warc-real").iterdir()) + sorted((shared / "warc-bad").iterdir()):
        whole, num_bytes = read(path), path.stat().st_size
        for count in (2, 3, 7):
            cuts = sorted({num_bytes * index // count for index in range(1, count)} - {0})
            assert read_cut(path, cuts) == whole, (path.name, cuts)


def test_mojibake_is_repaired_when_asked(path):
    page = f"<title>Déjà</title><p>{SENTENCE} one, café déjà vu.</p>".encode().decode("latin-1").encode()
    path.write_bytes(pack(response(1, body=page), response(2)))
    piece = Piece(str(path), path.name, "massiveweb", "warc")
    before, after = (list(read_records(piece, ExtractConfig(fix_mojibake=fix))) for fix in (False, True))
    assert "cafÃ©" in before[0].document.text
    assert after[0].document.text == f"{SENTENCE} one, café déjà vu."
    assert after[0].document.meta == {"repaired": "mojibake"}
    assert after[1] == before[1]
    assert after[0].document.title == "Déjà"
    assert after[0]._replace(document=None) == before[0]._replace(document=None)
