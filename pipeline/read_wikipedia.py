"""MediaWiki dumps (``pages-articles*.xml``, plain, .bz2 or .gz) to documents, one a page.

A page is found by its ``<page>`` and ``</page>`` in the stream, which escaped text cannot contain, and parsed alone:
memory stays flat, offsets are exact (bytes after decompression), a broken page harms no other, and without a document
type there are no entities to expand.

Reasons for dropping: ``redirect``, ``namespace`` (not an article), ``content_model`` (no wikitext), ``empty``. For
failing: ``xml``, ``markup``, ``too_long``, ``truncated`` (the tail). ``meta`` has ``page_id``, ``revision_id`` and
``language``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from filters.extraction import one_line
from pipeline.byte_streams import Window, decompressed
from pipeline.config import ExtractConfig
from pipeline.dates import parse_date
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read
from pipeline.wiki_markup import MarkupError, wiki_text

_PAGE_START = re.compile(rb"<page>")
_PAGE_END = re.compile(rb"</page>")
_LANGUAGE = re.compile(rb"<mediawiki[^>]*\bxml:lang=[\"']([A-Za-z-]+)")
_SITEINFO = re.compile(rb"<siteinfo>.*?</siteinfo>", re.DOTALL)
_SHORT_REDIRECT = re.compile(
    r"[ \n]*#(?:redirect|rinvia|doorverwijzing|weiterleitung|redirección)[a-z]*[ :]*\[\[", re.IGNORECASE
)
_ARTICLE, _FILE, _CATEGORY = 0, 6, 14  # namespace numbers


@dataclass(frozen=True)
class Site:
    """What the dump says of its wiki."""

    language: str = ""
    url_prefix: str = ""  # of articles; empty when not known
    namespaces: dict[str, int] = field(default_factory=dict)  # lower-case name -> number, articles' excluded

    @property
    def link_prefixes(self) -> frozenset[str]:
        """Names of the file and category namespaces."""
        return frozenset(name for name, key in self.namespaces.items() if key in (_FILE, _CATEGORY))


@dataclass(frozen=True)
class _WikiPage:
    title: str
    namespace: int | None
    page_id: str
    revision_id: str
    timestamp: str
    model: str
    markup: str
    is_redirect: bool


NO_SITE: Final = Site()


def read_wikipedia(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the articles of a dump; see the module for what becomes of the other pages.

    Args:
        piece: A whole dump: compressed ones cannot be cut, and plain ones are rare.
        config: ``max_record_bytes`` bounds a page.

    Yields:
        One record a page, in order, and one for a tail that could not be read.
    """
    with open_read(piece.path) as stream:
        window = Window(decompressed(stream))
        first = window.find(_PAGE_START, limit=config.max_record_bytes)
        site = read_site(bytes(window.data[: max(first, 0) or None]))
        while window.skip_to(_PAGE_START) >= 0 and window.data:
            yield _next_record(window, site, config.max_record_bytes)
        if window.error is not None:
            yield Record.failed(window.position, 0, "truncated", window.error)


def read_site(head: bytes) -> Site:
    """Read language, base address and namespaces from what stands before the first page; all may be missing."""
    language = _LANGUAGE.search(head)
    info = _SITEINFO.search(head)
    try:
        root = ElementTree.fromstring(info[0]) if info else ElementTree.Element("siteinfo")
    except ElementTree.ParseError:
        root = ElementTree.Element("siteinfo")
    base = root.findtext("base") or ""
    names = {
        (entry.text or "").strip().lower(): int(entry.get("key") or 0)
        for entry in root.iter("namespace")
        if (entry.get("key") or "0").lstrip("-").isdigit()
    }
    prefix = base.rpartition("/")[0]
    return Site(
        language[1].decode() if language else "",
        f"{prefix}/" if prefix else "",
        {name: key for name, key in names.items() if name and key != _ARTICLE},
    )


def _next_record(window: Window, site: Site, max_record_bytes: int) -> Record:
    """The page that the window begins with."""
    offset = window.position
    end = window.find(_PAGE_END, limit=max_record_bytes)
    if end < 0:
        return _endless(window, max_record_bytes)
    following = _PAGE_START.search(window.data, 1, end)
    if following:  # the end of this one is lost
        window.drop(following.start())
        return Record.failed(offset, following.start(), "xml", "another page begins before this one ends")
    raw = bytes(window.data[: end + len(b"</page>")])
    window.drop(len(raw))
    return _to_record(offset, raw, site)


def _endless(window: Window, max_record_bytes: int) -> Record:
    offset = window.position
    length = window.skip_to(_PAGE_START, start=1)
    if window.data or length > max_record_bytes:
        return Record.failed(offset, length, "too_long", f"no </page> within {max_record_bytes} bytes")
    error, window.error = window.error or "the dump ends inside a page", None
    return Record.failed(offset, length, "truncated", error)


def _to_record(offset: int, raw: bytes, site: Site) -> Record:
    try:
        page = _parse(raw)
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        return Record.failed(offset, len(raw), "xml", error)
    url = site.url_prefix + quote(page.title.replace(" ", "_"), safe="/:(),!*'~@;$-._") if site.url_prefix else None
    if reason := _unwanted(page, site):
        return Record.dropped(offset, len(raw), reason, url)
    try:
        text = wiki_text(page.markup, page.title, site.link_prefixes)
    except MarkupError as error:
        return Record.failed(offset, len(raw), "markup", error, url)
    if not text:
        return Record.dropped(offset, len(raw), "empty", url)
    meta = {"page_id": page.page_id, "revision_id": page.revision_id, "language": site.language}
    document = RawDocument(
        text, one_line(page.title), url, parse_date(page.timestamp), {k: v for k, v in meta.items() if v}
    )
    return Record.kept(offset, len(raw), hashlib.sha256(raw).digest(), document)


def _parse(raw: bytes) -> _WikiPage:
    root = ElementTree.fromstring(raw)
    namespace = root.findtext("ns") or ""
    markup = root.findtext("revision/text") or ""
    return _WikiPage(
        title=root.findtext("title") or "",
        namespace=int(namespace) if namespace.lstrip("-").isdigit() else None,
        page_id=root.findtext("id") or "",
        revision_id=root.findtext("revision/id") or "",
        timestamp=root.findtext("revision/timestamp") or "",
        model=root.findtext("revision/model") or "wikitext",
        markup=markup,
        is_redirect=root.find("redirect") is not None or _SHORT_REDIRECT.match(markup) is not None,
    )


def _unwanted(page: _WikiPage, site: Site) -> str | None:
    """Why a page is dropped. Dumps before 0.6 have no ``<ns>``: there the title's prefix tells."""
    namespace = page.namespace
    if namespace is None:
        prefix, colon, _ = page.title.partition(":")
        namespace = site.namespaces.get(prefix.strip().lower(), _ARTICLE) if colon else _ARTICLE
    if namespace != _ARTICLE:
        return "namespace"
    if page.is_redirect:
        return "redirect"
    return None if page.model == "wikitext" else "content_model"
