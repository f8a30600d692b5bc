import gzip
import hashlib
import random
import zlib

import pytest

from pipeline.config import ExtractConfig
from pipeline.read_books import read_gutenberg, read_text
from pipeline.records import Piece

BOOK = """\ufeffThe Project Gutenberg eBook of A Title

This ebook is for the use of anyone anywhere.

Title: A Title,
        and more of it

Author: Some One

Release date: June 27, 2008 [eBook #41]
                Most recently updated: June 27, 2022

Language: English

Credits: Produced by X


*** START OF THE PROJECT GUTENBERG EBOOK A TITLE ***

Produced by X and
the Team


A Title

by Some One\u00a0


Chapter one.
  "Indented"

THE END

End of the Project Gutenberg EBook of A Title

*** END OF THE PROJECT GUTENBERG EBOOK A TITLE ***

START: FULL LICENSE
"""


def read(path, data, reader=read_gutenberg, **config):
    path.write_bytes(data)
    (record,) = reader(Piece(str(path), path.name, "books", "gutenberg"), ExtractConfig(**config))
    return record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pg41.txt.gz"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_book_without_header_licence_and_credits(path, line_end, pack):
    data = pack(BOOK.replace("\n", line_end).encode())
    record = read(path, data)
    assert (record.offset, record.length, record.raw_sha256) == (0, len(data), hashlib.sha256(data).digest())
    assert record.document.text == 'A Title\n\nby Some One\n\nChapter one.\n  "Indented"\n\nTHE END'
    assert record.document.title == "A Title, and more of it"
    assert record.document.meta == {
        "author": "Some One",
        "language": "English",
        "release_date": "June 27, 2008 [eBook #41] Most recently updated: June 27, 2022",
    }


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("***START OF THE PROJECT GUTENBERG EBOOK A\nTITLE***", "***END OF THE PROJECT GUTENBERG EBOOK A TITLE***"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A ***", "End of Project Gutenberg's A"),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*", "End of The Project Gutenberg Etext"),
    ],
)
def test_older_markers(path, start, end):
    record = read(path, f"Header\n{start}\n\nBody of the book.\n\n{end}\nlicence".encode())
    assert record.document.text == "Body of the book."


def test_missing_markers_leave_the_text_whole(path):
    assert read(path, b"Just a text.\n").document.text == "Just a text."
    assert read(path, BOOK.partition("*** END")[0].encode()).document.text.endswith("THE END")


def test_old_character_sets(path):
    assert read(path, "Größe und Bücher für alle Fälle".encode("cp1252")).document.text.startswith("Größe und Bücher")


def test_failures(path):
    assert read(path, b"").reason == "empty"
    assert read(path, b"*** START OF THE PROJECT GUTENBERG EBOOK A ***\n\n\n").reason == "empty"
    assert read(path, gzip.compress(BOOK.encode())[:-20]).reason == "truncated"
    assert read(path, gzip.compress(b"a" * 2_000_000), max_record_bytes=1_000_000).reason == "too_long"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("=====\nTitle one\n=====\n\nText", "Title one"),
        ("\n\n  日本語  \ntext", "日本語"),
        ("long " * 50, None),
        ("--- ***", None),
    ],
)
def test_text_and_its_title(path, text, title):
    record = read(path, text.encode(), reader=read_text)
    assert record.document.title == title
    assert record.document.text == text.strip("\n").rstrip(" ").replace("  \n", "\n")


NOISE = bytes(random.Random(1).choices(range(256), k=4_000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + NOISE, "binary"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8, "binary"),
        (b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n", "binary"),  # whose streams may all be text
        (NOISE, "binary"),
        (zlib.compress(BOOK.encode()), "binary"),
        (bytes(1_000), "binary"),
        (gzip.compress(NOISE), "binary"),
        ("Größe, naïve café\n".encode("utf-16"), None),
        ("日本語のテキスト\n".encode("utf-16-be") * 9, None),
        ("Немного текста, и ещё немного.\n".encode("koi8-r") * 9, None),
        (b"one page\x0canother \x1b[1mpage\x1b[0m\r\n" * 9 + b"\x1a", None),  # form feed, escapes, the end in DOS
    ],
)
@pytest.mark.parametrize("reader", [read_text, read_gutenberg])
def test_files_that_are_no_text_are_dropped(path, reader, data, reason):
    record = read(path, data, reader=reader)
    assert (record.reason, record.document is None) == (reason, reason is not None)


def test_real_books(shared):
    for path in sorted((shared / "books").glob("*.txt*")):
        (record,) = read_gutenberg(Piece(str(path), path.name, "books", "gutenberg"), ExtractConfig())
        assert record.document.title
        assert "Gutenberg" not in record.document.text[:200] + record.document.text[-200:], path.name
        assert len(record.document.text) > 50_000
