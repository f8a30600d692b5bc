"""MediaWiki dumps (``pages-articles*.xml``: plain, .bz2, .gz, .zst; multistream or not) to documents, one a page.

A page is found by its ``<page>`` and ``</page>`` in the stream, which escaped text cannot contain, and parsed alone:
memory stays flat, offsets are exact, a broken page harms no other, and without a document type there are no entities
to expand.

``length`` is the page's size in the decompressed XML, and ``offset`` its first byte there. In a bzip2 file of several
streams, as multistream dumps are, ``offset`` is the first byte of the stream in which the page begins, as in the index
that comes with such dumps (and is not needed here), and ``member`` the page's first byte in that stream.

Reasons for dropping: ``redirect``, ``namespace`` (not an article), ``content_model`` (no wikitext), ``empty``. For
failing: ``xml``, ``markup``, ``too_long``, ``truncated`` (a tail, a damaged stream of several, the page that ends in
it, or a dump that ends without ``</mediawiki>``), ``not_a_dump``. ``meta`` has ``page_id``, ``revision_id`` and
``language``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final
from xml.etree import ElementTree

from filters.extraction import one_line
from pipeline.byte_streams import Window, as_stored, decompressed, is_compressed
from pipeline.bz2_streams import StreamReader, has_streams, next_stream
from pipeline.config import ExtractConfig
from pipeline.dates import parse_date
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read, size
from pipeline.wiki_limits import MarkupError
from pipeline.wiki_markup import wiki_text
from pipeline.wiki_site import ARTICLE, Site, read_site

_PAGE_START = re.compile(rb"<page>")
_PAGE_END = re.compile(rb"</page>")
_PAGE_START_OR_DUMP_END = re.compile(rb"<page>|</mediawiki>")
_END_TAG: Final = b"</page>"
_DUMP_END: Final = b"</mediawiki>"
_NO_END: Final = "the dump ends without </mediawiki>"
_NAMESPACE = re.compile(r"-?[0-9]{1,9}")
_REDIRECT = re.compile(r"[ \t\n]*#[^ \t\n#*:;\[\]{}|<>]{3,24}[ \t\n]*:?[ \t\n]*\[\[")  # the word is the wiki's own

Locate = Callable[[int], tuple[int, str] | None]  # a page's position -> offset and member; None: not of this piece


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


def read_wikipedia(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the articles of a dump; see the module for what becomes of the other pages.

    Args:
        piece: A dump, or a byte range of one that is plain (a page belongs to the range in which it begins) or a
            bzip2 file of several streams (to the range in which its stream begins).
        config: ``max_record_bytes`` bounds a page.

    Yields:
        One record a page, in order, and one for each stretch that could not be read.
    """
    end = size(piece.path) if piece.end < 0 else piece.end
    with open_read(piece.path) as file:
        preamble = _preamble(file, config.max_record_bytes)
        if preamble is None:
            if piece.start == 0:
                yield Record.failed(0, size(piece.path), "not_a_dump", "there is neither <mediawiki nor <page> in it")
            return
        reader = _PageReader(read_site(preamble), b"<mediawiki" in preamble, config.max_record_bytes)
        if has_streams(file):
            yield from reader.of_streams(file, piece.start, end)
        elif not _is_packed(file):
            file.seek(piece.start)
            yield from reader.of_window(Window(as_stored(file), piece.start), lambda at: (at, "") if at < end else None)
        elif piece.start == 0:
            yield from reader.of_window(Window(decompressed(file)), lambda at: (at, ""))


def _is_packed(file: IO[bytes]) -> bool:
    file.seek(0)
    packed = is_compressed(file.read(4))
    file.seek(0)
    return packed


def _preamble(file: IO[bytes], max_bytes: int) -> bytes | None:
    """What stands before the first page; None when it is no dump that begins so."""
    file.seek(0)
    window = Window(decompressed(file))
    first = window.find(_PAGE_START, limit=max_bytes)
    head = bytes(window.data[: first if first >= 0 else None])
    file.seek(0)
    return None if first < 0 and head.strip() and b"<mediawiki" not in head else head


class _PageReader:
    """Reads pages of one dump, whichever way its bytes come."""

    def __init__(self, site: Site, has_root: bool, max_record_bytes: int) -> None:
        self._site, self._has_root, self._max_record_bytes = site, has_root, max_record_bytes
        self._lacks_end = False  # whether what was read last ends without the dump's end, and it is ours to say so

    def of_window(self, window: Window, locate: Locate) -> Iterator[Record]:
        """Pages of one stretch of XML, and a failed record where it breaks off between two of them."""
        is_told = False
        for record in self._pages(window, locate, window.position == 0):
            is_told = record.reason == "truncated"
            yield record
        if window.error is not None and not is_told:
            yield Record.failed(window.position, 0, "truncated", window.error)
        elif self._lacks_end:
            yield Record.failed(window.position, 0, "truncated", _NO_END)

    def of_streams(self, file: IO[bytes], start: int, end: int) -> Iterator[Record]:
        """Pages of the streams that begin in a range; what follows a damaged stream is read on."""
        num_bytes = file.seek(0, 2)
        position = next_stream(file, start, end)
        while position is not None:
            reader = StreamReader(file, position)
            window = Window(reader.chunks())

            def locate(at: int, reader: StreamReader = reader) -> tuple[int, str] | None:
                stream, within = reader.place(at)
                return (stream, str(within)) if stream < end else None

            yield from self._pages(window, locate, position == 0)
            if self._lacks_end and window.error is None:
                yield Record.failed(num_bytes, 0, "truncated", _NO_END)
            if window.error is None or reader.current >= end:
                return
            following = next_stream(file, reader.damaged + 1, num_bytes)
            lost = (num_bytes if following is None else following) - reader.damaged
            yield Record.failed(reader.damaged, lost, "truncated", window.error)
            position = following if following is not None and following < end else None

    def _pages(self, window: Window, locate: Locate, has_head: bool) -> Iterator[Record]:
        is_ours = has_head  # the dump's end: of who reads its last page, or its head if there is none
        is_ended = self._skip_to_page(window)
        while window.data and (place := locate(window.position)):
            record = self._next_record(window)
            yield record._replace(offset=place[0], member=place[1])
            is_ours = record.reason not in ("truncated", "too_long")  # else the end may have gone with the page's
            is_ended = self._skip_to_page(window)
        is_at_end = window.position > 0 and not window.data
        self._lacks_end = self._has_root and is_ours and is_at_end and not is_ended

    def _skip_to_page(self, window: Window) -> bool:
        """Drop what stands before the next page, or all; whether a dump ended there, behind which another may begin."""
        window.skip_to(_PAGE_START_OR_DUMP_END)
        is_ended = False
        while window.data.startswith(_DUMP_END):
            is_ended = True
            window.skip_to(_PAGE_START_OR_DUMP_END, start=1)
        return is_ended

    def _next_record(self, window: Window) -> Record:
        """The page that the window begins with."""
        end = window.find(_PAGE_END, limit=self._max_record_bytes)
        if end < 0:
            return self._endless(window)
        following = _PAGE_START.search(window.data, 1, end)
        if following:  # the end of this one is lost
            window.drop(following.start())
            return Record.failed(0, following.start(), "xml", "another page begins before this one ends")
        raw = bytes(window.data[: end + len(_END_TAG)])
        window.drop(len(raw))
        return _to_record(raw, self._site)

    def _endless(self, window: Window) -> Record:
        length = window.skip_to(_PAGE_START, start=1)
        if window.data or length > self._max_record_bytes:
            return Record.failed(0, length, "too_long", f"no </page> within {self._max_record_bytes} bytes")
        return Record.failed(0, length, "truncated", window.error or "the dump ends inside a page")


def _to_record(raw: bytes, site: Site) -> Record:
    try:
        page = _parse(raw)
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        return Record.failed(0, len(raw), "xml", error)
    url = site.url(page.title)
    if reason := _unwanted(page, site):
        return Record.dropped(0, len(raw), reason, url)
    try:
        text = wiki_text(page.markup, page.title, site.link_prefixes, site.language)
    except MarkupError as error:
        return Record.failed(0, len(raw), "markup", error, url)
    if not text:
        return Record.dropped(0, len(raw), "empty", url)
    meta = {"page_id": page.page_id, "revision_id": page.revision_id, "language": site.language}
    document = RawDocument(
        text, one_line(page.title), url, parse_date(page.timestamp), {k: v for k, v in meta.items() if v}
    )
    return Record.kept(0, len(raw), hashlib.sha256(raw).digest(), document)


def _parse(raw: bytes) -> _WikiPage:
    root = ElementTree.fromstring(raw)
    namespace = root.findtext("ns") or ""
    markup = root.findtext("revision/text") or ""
    return _WikiPage(
        title=root.findtext("title") or "",
        namespace=int(namespace) if _NAMESPACE.fullmatch(namespace) else None,
        page_id=root.findtext("id") or "",
        revision_id=root.findtext("revision/id") or "",
        timestamp=root.findtext("revision/timestamp") or "",
        model=root.findtext("revision/model") or "wikitext",
        markup=markup,
        is_redirect=root.find("redirect") is not None or _REDIRECT.match(markup) is not None,
    )


def _unwanted(page: _WikiPage, site: Site) -> str | None:
    """Why a page is dropped. Dumps before 0.6 have no ``<ns>``: there the title's prefix tells."""
    namespace = site.namespace_of(page.title) if page.namespace is None else page.namespace
    if namespace != ARTICLE:
        return "namespace"
    if page.is_redirect:
        return "redirect"
    return None if page.model == "wikitext" else "content_model"
