"""Web pages with the text that a person, or another extractor, took from them: for training and for scoring.

It reads the layout of the project's data folder::

    extraction/<source>/html/<id>.html.gz       one page, UTF-8
    extraction/<source>/expected.json.gz        id -> {page_type, url, text}
    web-gold/<source>-gold.jsonl.gz             url and reference of pages in ...
    warc/<source>.warc.gz                       ... this archive

A source that is not there is left out; a page that two sources share (same address) is given once.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from warcio.archiveiterator import ArchiveIterator

from filters.charsets import decode
from pipeline.urls import hostname_of

SOURCES: Final = {  # name in tables -> folder of extraction/, or (reference, archive)
    "aeb": "article-extraction-benchmark",
    "wcxb": "wcxb-dev-nonarticle",
    "mh_forum": "magic-html-forum",
    "mh_article": "magic-html-article",
    "readability": "readability-test-pages",
}
SNIPPETS: Final = "trafilatura-eval"
# Registries that sell names one level down; the last two labels of a host would join strangers.
_SECOND_LEVEL: Final = frozenset(
    {"ac", "co", "com", "edu", "gov", "gob", "gouv", "go", "ne", "net", "nic", "or", "org"}
)
# Names under which strangers publish: each is a site of its own.
_SHARED_SITES: Final = frozenset({"blogspot.com", "wordpress.com", "github.io", "tumblr.com", "readthedocs.io"})


class GoldPage(NamedTuple):
    """A page and what is known of its main content."""

    source: str  # key of SOURCES, "traf" for pages with snippets only
    name: str
    site: str  # registered domain, the unit of every split; the page's name where no address is known
    page_type: str
    html: bytes  # UTF-8
    text: str  # reference; empty where only snippets are known (two pages of WCXB, too)
    wanted: tuple[str, ...]  # snippets that belong to the main content
    unwanted: tuple[str, ...]


def read_gold(folder: Path) -> list[GoldPage]:
    """Read every page of the data folder, in a fixed order, each address once."""
    pages: dict[str, GoldPage] = {}
    for page in [*_from_warc(folder), *_from_folders(folder)]:
        pages.setdefault(page.name, page)
    return list(pages.values())


def site_of(url: str) -> str:
    """Registered domain of an address, by rule of thumb: enough to keep a site's pages on one side of a split."""
    labels = hostname_of(url.strip()).split(".")
    size = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    if ".".join(labels[-2:]) in _SHARED_SITES:
        size = 3
    return ".".join(labels[-size:])


def _from_folders(folder: Path) -> Iterator[GoldPage]:
    for source, name in SOURCES.items():
        place = folder / "extraction" / name
        if not place.is_dir():
            continue
        with gzip.open(place / "expected.json.gz") as file:
            expected: dict[str, dict[str, Any]] = json.load(file)
        for key in sorted(expected):
            html = gzip.decompress((place / "html" / f"{key}.html.gz").read_bytes())
            yield _page(source, key, html, expected[key], expected[key]["text"])


def _from_warc(folder: Path) -> Iterator[GoldPage]:
    gold = folder / "web-gold"
    if (gold / "wcxb-dev-gold.jsonl.gz").exists():
        html = _bodies(folder / "warc" / "wcxb-dev.warc.gz")
        for row in _json_lines(gold / "wcxb-dev-gold.jsonl.gz"):
            yield _page("wcxb", row["file_id"], html[row["url"].strip()], row, row.get("main_content") or "")
    if (gold / f"{SNIPPETS}-snippets.jsonl.gz").exists():
        html = _bodies(folder / "warc" / f"{SNIPPETS}.warc.gz")
        for row in _json_lines(gold / f"{SNIPPETS}-snippets.jsonl.gz"):
            yield _page("traf", row["file"], html[row["url"].strip()], {"page_type": "article", **row}, "")


def _page(source: str, key: str, html: bytes, row: dict[str, Any], text: str) -> GoldPage:
    url = row.get("url") or ""
    name = url.strip() or f"{source}/{key}"
    snippets = (tuple(row.get(kind) or ()) for kind in ("with", "without"))
    kind = row["page_type"]
    page_type = kind["primary"] if isinstance(kind, dict) else kind
    return GoldPage(source, name, site_of(url) or name, page_type, html, text, *snippets)


def _bodies(archive: Path) -> dict[str, bytes]:
    bodies = {}
    with archive.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type == "response":
                body = record.content_stream().read()
                bodies[record.rec_headers.get_header("WARC-Target-URI").strip()] = _utf8(body)
    return bodies


def _utf8(body: bytes) -> bytes:
    return decode(body, None, is_html=True).encode("utf-8", "replace")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
