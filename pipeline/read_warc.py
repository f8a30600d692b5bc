"""Web archives to documents: WARC, ARC and WET, compressed or not, sound or not.

Every record gives one ``Record``. Reasons for dropping: ``not_response`` (request, warcinfo, metadata, resource ...),
``not_conversion`` (the same for WET), ``revisit``, ``status`` (not 200), ``content_type`` (neither HTML nor plain
text), ``empty`` (no text in it). Reasons for failing: ``bad_header``, ``gzip`` (a damaged member), ``not_gzip`` (a
stretch between members), ``truncated`` (the tail of the file), ``too_long``, ``http_body`` (not decodable), ``page``
(the HTML engine refused it).

In a file of one gzip member a record, ``offset`` and ``length`` are the member's in the stored file and the digest is
over its stored bytes. A member that holds further records numbers them in ``member`` ("1", "2", ...). In any other
file they are bytes after decompression, of the record's header and block. Kept documents of records whose length or
encoding was wrong say so in ``meta["damage"]``.

An archive inside an archive, cut by a byte range in its middle, is read as records of the outer one: the bytes don't
tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.extraction import Page, PageError, plain_text, read_page
from pipeline.config import ExtractConfig
from pipeline.dates import parse_date
from pipeline.http_responses import BodyError, Response, parse_headers, parse_response
from pipeline.records import Piece, RawDocument, Record
from pipeline.warc_files import Place, found_records
from pipeline.warc_records import FoundRecord

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(rb"<(?:!doctype html|html|head|body|title)\b", re.IGNORECASE)
_SNIFFED_BYTES = 2048
_ARC_HEADER = re.compile(rb"(?P<url>.+?) [0-9A-Fa-f.:]+ (?P<date>\d{8,18}) (?P<type>[^\n]*?) ?[^ \n]+\r*\n")


def read_warc(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the HTML and plain text responses of a WARC or ARC file; see the module for what becomes of the rest.

    Args:
        piece: A file, or a byte range of one that may be split (``pipeline.splitting``).
        config: ``max_record_bytes`` bounds a record and what its body may decode to.

    Yields:
        One record for each of the file's that starts in the range, in order.
    """
    for found, place in found_records(piece, config.max_record_bytes):
        yield _to_record(found, place, config, is_wet=False)


def read_wet(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the text (``conversion``) records of a WET file; otherwise as ``read_warc``."""
    for found, place in found_records(piece, config.max_record_bytes):
        yield _to_record(found, place, config, is_wet=True)


def _to_record(found: FoundRecord, place: Place, config: ExtractConfig, is_wet: bool) -> Record:
    headers, url = _headers_and_url(found)
    if found.problem is not None:
        return _failed(place, found.problem, found.detail or "", url)
    if reason := _unwanted(headers, is_wet):
        return _dropped(place, reason, url)
    timestamp = parse_date(headers.get("warc-date", ""))
    damage: tuple[str, ...] = ("content_length",) if found.detail else ()
    if is_wet:
        page, reason = Page(plain_text(found.block), None), None
    else:
        try:
            response = parse_response(found.block, config.max_record_bytes)
            page, reason = _page(response)
            damage += response.damage
        except (BodyError, PageError) as error:
            return _failed(place, "http_body" if isinstance(error, BodyError) else "page", error, url)
    if reason or not page.text:
        return _dropped(place, reason or "empty", url)
    if "warc-truncated" in headers:
        damage += ("truncated",)
    document = RawDocument(page.text, page.title, url, timestamp, {"damage": ",".join(damage)} if damage else {})
    return Record.kept(place.offset, place.length, place.sha256(), document, place.member)


def _dropped(place: Place, reason: str, url: str | None) -> Record:
    return Record.dropped(place.offset, place.length, reason, url, place.member)


def _failed(place: Place, reason: str, error: object, url: str | None) -> Record:
    return Record.failed(place.offset, place.length, reason, error, url, place.member)


def _headers_and_url(found: FoundRecord) -> tuple[dict[str, str], str | None]:
    """WARC's headers by lower-case name; ARC's line as those that say the same."""
    if not found.header:
        return {}, None
    if not found.is_arc:
        headers = parse_headers(found.header)
        return headers, headers.get("warc-target-uri", "").strip("<> ") or None
    match = _ARC_HEADER.match(found.header)
    if match is None:
        return {}, None
    url = match["url"].decode("utf-8", "replace")
    is_response = url.lower().startswith(("http:", "https:"))
    return {"warc-type": "response" if is_response else "warcinfo", "warc-date": match["date"].decode()}, url


def _unwanted(headers: dict[str, str], is_wet: bool) -> str | None:
    kind = headers.get("warc-type", "").lower()
    if is_wet:
        return None if kind == "conversion" else "not_conversion"
    if kind == "revisit":
        return "revisit"
    return None if kind == "response" else "not_response"


def _page(response: Response) -> tuple[Page, str | None]:
    """The page and why it is dropped, if it is."""
    nothing = Page("", None)
    if response.status not in (200, None):
        return nothing, "status"
    kind = response.content_type
    if kind is None and _LOOKS_LIKE_HTML.search(response.body, 0, _SNIFFED_BYTES):
        kind = "text/html"
    if kind in _HTML_TYPES:
        return read_page(response.body, response.charset), None
    if kind == "text/plain":
        return Page(plain_text(response.body, response.charset), None), None
    return nothing, "content_type"
