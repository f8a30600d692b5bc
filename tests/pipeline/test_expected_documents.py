"""Real records of the subsets other than web pages, looked at by eye: what each document must say, and what not.

``tests/data/expected_<subset>.toml`` holds short quotations; the corpora themselves are not part of the repository.
"""

from __future__ import annotations

import bz2
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ExtractConfig
from pipeline.readers import read_records
from pipeline.records import Piece, Record

DATA = Path(__file__).parents[1] / "data"
FORMATS = {"wikipedia": "wikipedia", "books": "gutenberg", "news": "jsonl", "c4": "jsonl", "github": "code"}
TABLES = {subset: tomllib.loads((DATA / f"expected_{subset}.toml").read_text("utf-8")) for subset in FORMATS}
DOCUMENTS = [(subset, entry) for subset, table in TABLES.items() for entry in table["document"]]


def name_of(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("title") or value.get("member") or f"{value['source']}@{value.get('offset', 0)}")
    return str(value)


@pytest.fixture(scope="module")
def records(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], dict[object, Record]]:
    """Gives the records of a file by what the table names them with; each file is read once."""

    @cache
    def of(source: str, subset: str) -> dict[object, Record]:
        path = shared / source
        if subset == "wikipedia":
            small = small_dump(path, tmp_path_factory.mktemp("dump") / "dump.xml")
            return {r.document.title: r for r in read(small, subset) if r.document}
        return {(r.member if subset == "github" else r.offset): r for r in read(path, subset)}

    return of


def read(path: Path, subset: str) -> Iterator[Record]:
    return read_records(Piece(str(path), path.name, subset, FORMATS[subset]), ExtractConfig())


def small_dump(path: Path, small: Path) -> Path:
    """Write a dump's preamble and the pages of the table: to parse all of them takes 20 s."""
    dump = bz2.decompress(path.read_bytes()).decode("utf-8")
    titles = [e["title"] for e in TABLES["wikipedia"]["document"] if e["source"].endswith(path.name)]
    pages = [page for page in re.findall(r"<page>.*?</page>", dump, re.DOTALL) if title_of(page) in map(escape, titles)]
    small.write_text(dump[: dump.index("<page>")] + "\n".join(pages) + "\n</mediawiki>\n", "utf-8")
    return small


def title_of(page: str) -> str:
    return page.partition("<title>")[2].partition("</title>")[0]


@pytest.mark.parametrize("subset", FORMATS)
def test_there_are_twenty_of_each_subset_at_least(subset: str) -> None:
    entries = TABLES[subset]["document"]
    assert len({(entry["source"], name_of(entry)) for entry in entries}) == len(entries) >= 20
    assert all(entry["present"] and entry["absent"] for entry in entries)


@pytest.mark.parametrize(("subset", "entry"), DOCUMENTS, ids=name_of)
def test_the_document_is_what_a_person_would_call_right(subset: str, entry: dict[str, Any], records) -> None:
    key = {"wikipedia": entry.get("title"), "github": entry.get("member")}.get(subset, entry.get("offset", 0))
    document = records(entry["source"], subset)[key].document
    assert document is not None
    assert [words for words in entry["present"] if words not in document.text] == []
    assert [words for words in entry["absent"] if words in document.text] == []
    if subset != "github":  # where it is the file's name
        assert document.title == entry.get("title")
    assert document.url == entry.get("url", document.url)
    if "timestamp" in entry:
        assert document.timestamp is not None
        assert document.timestamp.isoformat() == entry["timestamp"].replace("Z", "+00:00")
    for name in ("author", "language", "license"):
        assert document.meta.get(name) == entry.get(name, document.meta.get(name))


@pytest.mark.parametrize("entry", TABLES["github"]["dropped"], ids=name_of)
def test_what_is_no_source_of_the_tree_is_dropped(entry: dict[str, Any], records) -> None:
    record = records(entry["source"], "github")[entry["member"]]
    assert (record.outcome, record.reason) == ("dropped", entry["reason"])
