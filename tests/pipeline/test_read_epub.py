"""EPUB books, made here."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from pipeline.config import ExtractConfig
from pipeline.read_epub import page_text
from pipeline.readers import read_records
from pipeline.records import Piece, Record

CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
OPF = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">
<dc:title>A
 Book</dc:title><dc:title>Its other title</dc:title>
<dc:creator id="c1">One</dc:creator><dc:creator opf:role="aut">Two</dc:creator>
<dc:creator id="c3">Three</dc:creator><meta refines="#c3" property="role">trl</meta>
<dc:contributor opf:role="edt">Four</dc:contributor><dc:contributor>Nobody</dc:contributor>
<dc:language>en</dc:language><dc:publisher>P</dc:publisher><dc:date>1999</dc:date></metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/b%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="a.xhtml#top" media-type="application/xhtml+xml"/>
<item id="pic" href="a.svg" media-type="image/svg+xml"/>
<item id="css" href="a.css" media-type="text/css"/></manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="pic"/><itemref idref="two" linear="no"/></spine>
</package>"""
PAGE = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{title}</title><style>p {{}}</style></head>
<body>{body}</body></html>"""
ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
 xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>
<enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/>
<enc:CipherData><enc:CipherReference URI="{}"/></enc:CipherData></enc:EncryptedData></encryption>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": OPF,
    "OPS/nav.xhtml": PAGE.format(title="Contents", body="<nav><ol><li>One</li></ol></nav>"),
    "OPS/text/b b.xhtml": PAGE.format(
        title="", body="<h1>Two</h1><p>Second <i>text</i>&#160;here.</p><ul><li>item</li></ul>"
    ),
    "OPS/a.xhtml": PAGE.format(title="t", body="<h1>One</h1><p>First<br/>line.</p><p>Größe &amp; more.</p>"),
    "OPS/a.svg": "<svg/>",
    "OPS/a.css": "p {}",
}  # fmt: skip


def epub(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def read(tmp_path: Path, data: bytes, **config: int) -> Record:
    path = tmp_path / "book.epub"
    path.write_bytes(data)
    (record,) = read_records(Piece(str(path), path.name, "books", "epub"), ExtractConfig(**config))
    return record


def test_book(tmp_path: Path) -> None:
    data = epub(BOOK)
    record = read(tmp_path, data)
    assert (record.offset, record.length, record.raw_sha256) == (0, len(data), hashlib.sha256(data).digest())
    document = record.document
    assert document is not None
    assert document.text == "One\n\nFirst\nline.\n\nGröße & more.\n\nTwo\n\nSecond text here.\n\n• item"
    assert document.title == "A Book"
    assert document.meta == {
        "author": "One; Two", "translator": "Three", "editor": "Four", "language": "en", "publisher": "P",
        "date": "1999",
    }  # fmt: skip


def test_gutenberg_frame_goes(tmp_path: Path) -> None:
    head = "<p>Header</p><div>*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***</div><h1>One</h1>"
    foot = "<p>The end.</p><div>*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***</div><p>Licence</p>"
    parts = {"OPS/a.xhtml": PAGE.format(title="", body=head), "OPS/text/b b.xhtml": PAGE.format(title="", body=foot)}
    document = read(tmp_path, epub({**BOOK, **parts})).document
    assert document is not None
    assert document.text == "One\n\nThe end."


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"META-INF/container.xml": None}, "epub"),
        ({"META-INF/container.xml": "<container/>"}, "epub"),
        ({"META-INF/container.xml": "<container"}, "epub"),
        ({"META-INF/container.xml": '<!DOCTYPE x [<!ENTITY a "b">]>' + CONTAINER[21:]}, "epub"),
        ({"OPS/book.opf": None}, "epub"),
        ({"OPS/book.opf": OPF.replace('idref="one"', 'idref="none"')}, "epub"),
        ({"OPS/book.opf": OPF.partition("<spine>")[0] + "</package>"}, "epub"),
        ({"OPS/a.xhtml": None}, "epub"),  # a chapter that is lost is told
        ({"OPS/a.xhtml": "<p>" + "word " * 1_000_000 + "</p>"}, "too_long"),
        ({"META-INF/encryption.xml": ENCRYPTION.format("OPS/a.xhtml")}, "encrypted"),
        ({"META-INF/encryption.xml": ENCRYPTION.format("OPS/font.otf")}, None),  # fonts only
        ({"OPS/a.xhtml": "", "OPS/text/b b.xhtml": "<html/>"}, "empty"),
        ({"OPS/a.xhtml": b"\xff\xfe\x00"}, None),  # a chapter of garbage is no text, and harms no other
    ],
)
def test_faults(tmp_path: Path, changed: dict[str, str | bytes | None], reason: str | None) -> None:
    parts = {name: content for name, content in {**BOOK, **changed}.items() if content is not None}
    record = read(tmp_path, epub(parts), max_record_bytes=1_000_000)
    assert record.reason == reason
    assert bool(record.error) is (reason not in (None, "empty"))


def test_damaged_archives_fail(tmp_path: Path) -> None:
    data = epub(BOOK)
    for size in (0, 10, 500, len(data) - 30):
        assert read(tmp_path, data[:size]).reason == "epub"
    at = data.index(b"OPS/a.xhtml") + len(b"OPS/a.xhtml") + 5
    assert read(tmp_path, data[:at] + b"\xff" * 20 + data[at + 20 :]).reason == "epub"
    flagged = data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")
    assert read(tmp_path, flagged).reason in ("encrypted", "epub")


def test_elements_that_are_empty_as_xml_writes_it() -> None:
    body = '<p>a<a id="x"/>b</p><title/><script src="y"/><p/><div class="z"/><p>c<br/>d</p>'
    assert page_text(PAGE.format(title="", body=body).encode()) == "ab\n\nc\nd"


DECLARATION = '<?xml version="1.0"?>'


@pytest.mark.parametrize(
    ("name", "old", "new", "codec"),
    [
        ("OPS/book.opf", DECLARATION, '<?xml version="1.0" encoding="x-foo"?>', "utf-8"),
        ("OPS/book.opf", DECLARATION, '<?xml version="1.0" encoding="shift_jis"?>', "shift_jis"),
        ("OPS/book.opf", DECLARATION, '<?xml version="1.0" encoding="utf-16"?>', "utf-16"),
        ("META-INF/container.xml", "OPS/book.opf", "./OPS/book.opf", "utf-8"),
        ("META-INF/container.xml", "OPS/book.opf", "/OPS/./book.opf", "utf-8"),
        ("OPS/book.opf", 'href="a.xhtml#top"', 'href="/OPS/a.xhtml"', "utf-8"),
        ("OPS/book.opf", "application/xhtml+xml", "text/xml", "utf-8"),
        ("OPS/book.opf", "application/xhtml+xml", "Application/XHTML+XML; charset=utf-8", "utf-8"),
        ("OPS/a.xhtml", "utf-8", "iso-8859-2", "iso-8859-2"),
        ("OPS/a.xhtml", "utf-8", "x-foo", "utf-8"),
        ("OPS/a.xhtml", "First", "<![CDATA[Fi]]>r<![CDATA[st]]>", "utf-8"),
    ],
)
def test_what_packagers_write_otherwise(tmp_path: Path, name: str, old: str, new: str, codec: str) -> None:
    assert old in BOOK[name]
    document = read(tmp_path, epub({**BOOK, name: BOOK[name].replace(old, new).encode(codec)})).document
    assert document == read(tmp_path, epub(BOOK)).document


def test_a_declared_character_set_that_a_guess_would_miss() -> None:
    page = PAGE.format(title="", body="<p>Košice, žltý kôň</p>").replace("utf-8", "iso-8859-2")
    assert page_text(page.encode("iso-8859-2")) == "Košice, žltý kôň"


def test_entities_are_refused_in_any_character_set(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]>' + CONTAINER.partition("?>")[2]
    assert read(tmp_path, epub({**BOOK, "META-INF/container.xml": bomb.encode("utf-16")})).reason == "epub"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>a <![CDATA[<b> & c]]></p>", "a <b> & c"),
        ("<p>a</p><script>//<![CDATA[\nif (x<y) {}\n//]]></script><p>b</p>", "a\n\nb"),
        ("<p>a <![CDATA[b</p><p>c</p>", "a\n\nc"),  # never ended: what HTML makes of it
    ],
)
def test_text_that_is_not_parsed(body: str, text: str) -> None:
    assert page_text(PAGE.format(title="", body=body).encode()) == text


def test_time_of_what_is_no_element_is_linear() -> None:
    """Quadratic, as it was, this would take half an hour and end in the timeout of all tests."""
    assert page_text(b"<p>x</p><" + b"a" * 400_000 + b" " + b"/" * 400_000 + b"<p>y</p>").startswith("x")
