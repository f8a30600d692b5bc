import bz2
import gzip
import hashlib
from datetime import UTC, datetime

import pytest

from pipeline.config import ExtractConfig
from pipeline.read_wikipedia import read_wikipedia
from pipeline.records import Piece
from pipeline.wiki_limits import MAX_UNCLOSED
from pipeline.wiki_markup import wiki_text

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="nl">
  <siteinfo><sitename>Wikipedia</sitename><base>https://nl.wikipedia.org/wiki/Hoofdpagina</base>
  <namespaces><namespace key="-2">Media</namespace><namespace key="0" /><namespace key="1">Overleg</namespace>
  <namespace key="6">Bestand</namespace><namespace key="14">Categorie</namespace></namespaces></siteinfo>
"""


def page(title="A page", markup="Its ''text''.", namespace="<ns>0</ns>", extra="", revision=""):
    return f"""<page>
    <title>{title}</title>{namespace}<id>12</id>{extra}
    <revision><id>345</id><timestamp>2014-09-17T16:54:12Z</timestamp><contributor><id>9</id></contributor>{revision}
    <text xml:space="preserve">{markup}</text></revision>
  </page>"""


def read(path, *pages, head=HEAD, tail="\n</mediawiki>\n", pack=bz2.compress, **config):
    path.write_bytes(pack((head + "\n  ".join(pages) + tail).encode("utf-8", "surrogatepass")))
    return list(read_wikipedia(Piece(str(path), path.name, "wikipedia", "wikipedia"), ExtractConfig(**config)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dump.xml.bz2"


def test_page(path):
    (record,) = read(path, page("Köln &amp; Bonn", "Its ''text'' &amp;amp; more."))
    document = record.document
    assert document.text == "Köln & Bonn\n\nIts text & more."
    assert document.title == "Köln & Bonn"
    assert document.url == "https://nl.wikipedia.org/wiki/K%C3%B6ln_%26_Bonn"
    assert document.timestamp == datetime(2014, 9, 17, 16, 54, 12, tzinfo=UTC)
    assert document.meta == {"page_id": "12", "revision_id": "345", "language": "nl"}


@pytest.mark.parametrize(
    "pack", [bz2.compress, gzip.compress, bytes, lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:])]
)
def test_offsets_lengths_and_digests_name_the_page(path, pack):
    pages = [page(f"Page {number}", "é" * number) for number in range(1, 40)]
    data = (HEAD + "\n  ".join(pages) + "\n</mediawiki>\n").encode()
    records = read(path, *pages, pack=pack)
    for text, record in zip(pages, records, strict=True):
        assert data[record.offset : record.offset + record.length] == text.encode()
        assert record.raw_sha256 == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (page("Overleg:A", namespace="<ns>1</ns>"), "namespace"),
        (page("overleg:A", namespace=""), "namespace"),  # dumps before 0.6 have no <ns>
        (page("Overleg: the film"), None),  # <ns> says that it is an article
        (page("2001: A Space Odyssey", namespace=""), None),
        (page("A", "#REDIRECT [[B]]"), "redirect"),
        (page("A", "#doorverwijzing[[B]]"), "redirect"),
        (page("A", extra='<redirect title="B" />'), "redirect"),
        (page("A", revision="<model>css</model>"), "content_model"),
        (page("A", "{{stub}}\n== References ==\n* one"), "empty"),
        (page("A", ""), "empty"),
        (page("A", "&undefined;"), "xml"),
        (page("A", "<b>"), "xml"),
        (page("A", "\ud800"), "xml"),
        (page("A", "[[" * (MAX_UNCLOSED + 1)), "markup"),
        (page("A", "word " * 30_000), "too_long"),
        ("<page><title>no end", "xml"),
    ],
)
def test_reasons(path, text, reason):
    records = read(path, page("First"), text, page("Last"), max_record_bytes=100_000)
    assert [record.reason for record in records] == [None, reason, None]
    assert records[1].error or records[1].outcome != "failed"


def test_entities_are_not_expanded(path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + HEAD
    (record,) = read(path, page("A", "&b;"), head=bomb)
    assert record.reason == "xml"


def test_cut_dump_ends_in_one_failed_record(path):
    pages = [page(f"Page {number}", hashlib.sha256(b"%d" % number).hexdigest()) for number in range(3000)]
    whole = read(path, *pages, pack=lambda data: bz2.compress(data, 1))
    path.write_bytes(path.read_bytes()[:-9000])
    cut = list(read_wikipedia(Piece(str(path), path.name, "wikipedia", "wikipedia"), ExtractConfig()))
    assert 100 < len(cut) < 3000
    assert cut[:-1] == whole[: len(cut) - 1]
    assert (cut[-1].reason, cut[-1].offset) == ("truncated", whole[len(cut) - 1].offset)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_dump_that_ends_between_pages_is_told(path, pack):
    pages = [page("A"), page("B"), page("C")]
    assert [record.reason for record in read(path, *pages, pack=pack)] == [None] * 3
    records = read(path, *pages, pack=pack, tail="\n  ")
    assert [record.reason for record in records] == [None] * 3 + ["truncated"]
    size = len((HEAD + "\n  ".join(pages) + "\n  ").encode())
    assert (records[-1].offset, records[-1].length) == (size, 0)
    assert [record.reason for record in read(path, pack=pack, tail="")] == ["truncated"]
    assert [record.reason for record in read(path, *pages, pack=pack, head="", tail="")] == [None] * 3  # a part of one
    two = read(path, *pages, pack=pack, tail=f"</mediawiki>\n{HEAD}{page('D')}")
    assert [record.reason for record in two] == [None] * 4 + ["truncated"]


@pytest.mark.parametrize("tail", ["\n</mediawiki>\n", "\n  ", "\n<page><title>"])
def test_any_cut_tells_once_that_the_end_is_missing(path, tail):
    whole = read(path, page("A"), page("B"), tail=tail, pack=bytes)
    for cut in range(path.stat().st_size):
        pieces = (Piece(str(path), path.name, "wikipedia", "wikipedia", *ends) for ends in ((0, cut), (cut, -1)))
        assert [record for piece in pieces for record in read_wikipedia(piece, ExtractConfig())] == whole


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (b"", []),
        (b"<mediawiki></mediawiki>", []),
        (b"565:12:Anarchism\n" * 99, ["not_a_dump"]),  # the index of a multistream dump
        (bz2.compress(b"text"), ["not_a_dump"]),
        (b"BZh9", ["truncated"]),
        (b"<mediawiki><page>", ["truncated"]),
        (b"<mediawiki><siteinfo>", ["truncated"]),
    ],
)
def test_what_is_no_dump_does_not_raise(path, data, reasons):
    path.write_bytes(data)
    records = read_wikipedia(Piece(str(path), "x", "w", "wikipedia"), ExtractConfig())
    assert [record.reason for record in records] == reasons


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (
            "'''Bold''' [[link|shown]] [[plain]] [http://a.org site] http://b.org &eacute;",
            "Bold shown plain site http://b.org é",
        ),
        ("a{{template|with [[link]]}}b<ref name=x>no</ref>c<!-- no -->d<ref name=x/>", "abcd"),
        ("{| class=x\n|-\n| cell\n|}\ntext", "text"),
        ("[[File:A.jpg|thumb|A [[caption]]]]text [[:Category:Shown]]", "text :Category:Shown"),
        ("[[Bestand:A.jpg|bijschrift]]text[[Categorie:B]]\n[[de:Anders]] [[zh-min-nan:X]]", "text"),
        ("[[wikt:word|a word]] of [[Star Trek: Voyager]]", "a word of Star Trek: Voyager"),
        ("* one\n** two\n*{{empty}}\n* {{empty}}.\n# first\n: indented", "• one\n  • two\n first\n indented"),
        ("x<br/>y __NOTOC__ <nowiki>[[z]]</nowiki> ({{lang|a}}, ) <math>a^2</math>", "x\ny  [[z]] <math>"),
        ("<gallery>\nA.jpg|caption\n</gallery>text", "text"),
    ],
)
def test_markup(markup, expected):
    text = wiki_text(markup, "T", {"bestand", "categorie"}).removeprefix("T\n\n")
    assert text == expected.replace("<math>", "a^2")


def test_sections_of_the_paper_are_dropped_with_what_is_below_them():
    markup = """Lead.
== History ==
Old.
=== See also ===
no
==== Deeper ====
no
=== Later ===
New.
== References ==
no
=== Books ===
no
== External links ==
no
== Empty ==
== ''Legacy'' ==
End."""
    assert wiki_text(markup, "Title") == "Title\n\nLead.\n\nHistory\nOld.\n\nLater\nNew.\n\nLegacy\nEnd."


@pytest.mark.parametrize(
    ("name", "kept", "dropped"),
    [
        ("frwiki-20101103-pages-articles-sample.xml.bz2", 5, {"redirect": 1}),  # no <ns>
        ("nlwiki-20140927-pages-articles-sample.xml.bz2", 19, {"redirect": 2}),
        ("ltgwiki-smallwiki-part1.xml.bz2", 567, {"empty": 7, "namespace": 752, "redirect": 74}),
    ],
)
def test_real_dumps(shared, name, kept, dropped):
    path = shared / "wikipedia" / name
    records = list(read_wikipedia(Piece(str(path), name, "wikipedia", "wikipedia"), ExtractConfig()))
    assert sum(record.outcome == "kept" for record in records) == kept
    found = [record.reason for record in records if record.outcome == "dropped"]
    assert {reason: found.count(reason) for reason in sorted(set(found))} == dropped
    assert not [record for record in records if record.outcome == "failed"]
    assert len(records) == bz2.decompress(path.read_bytes()).count(b"<page>")
