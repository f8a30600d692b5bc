"""Real pages, looked at by eye: what the document must say, and which words of the site around it must be gone."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ExtractConfig
from pipeline.readers import read_records
from pipeline.records import Piece

PAGES = tomllib.loads((Path(__file__).parents[1] / "data" / "expected_massiveweb.toml").read_text())["page"]


@cache
def documents(archive: Path) -> dict[str | None, str]:
    """The text of each of an archive's pages by its address."""
    piece = Piece(str(archive), archive.name, "massiveweb", "warc")
    return {record.url: record.document.text for record in read_records(piece, ExtractConfig()) if record.document}


def test_there_are_twenty_pages_at_least() -> None:
    assert len({page["url"] for page in PAGES}) == len(PAGES) >= 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page["url"])
def test_the_document_is_what_a_person_would_call_right(page: dict[str, Any], shared: Path) -> None:
    text = documents(shared / "warc" / page["archive"])[page["url"]]
    assert [words for words in page["present"] if words not in text] == []
    assert [words for words in page["absent"] if words in text] == []
