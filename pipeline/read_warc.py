"""Web archives to documents: WARC, ARC and WET, compressed or not, sound or not.

Every record gives one ``Record``. Reasons for dropping: ``not_response`` (request, warcinfo, metadata, resource ...),
``not_conversion`` (the same for WET), ``revisit`` (without the payload, which stands in the record that
``refers_to`` names), ``blocklist_...`` (its address is listed), ``status`` (not 200), ``content_type`` (neither HTML
nor plain text), ``empty`` (no text in it). Reasons for failing: ``bad_header``, ``gzip``, ``zstd``, ``lz4`` (a damaged
member or frame), ``not_gzip`` ... (a stretch between members), ``truncated`` (the tail of the file), ``too_long``,
``http_body`` (not decodable), ``page`` (the HTML engine refused it).

In a file of one gzip member (or Zstandard or LZ4 frame) a record, ``offset`` and ``length`` are the member's in the
stored file and the digest is over its stored bytes. A member that holds further records numbers them in ``member``
("1", "2", ...). In any other file they are bytes after decompression, of the record's header and block. Kept documents
of records whose length or encoding was wrong say so in ``meta["damage"]``.

An archive inside an archive, cut by a byte range in its middle, is read as records of the outer one: the bytes don't
tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from filters.charsets import decode
from filters.extraction import Engine, Page, PageError, plain_text, read_page
from filters.mojibake import repair
from pipeline.blocked_urls import Screen, screen_of
from pipeline.config import ExtractConfig
from pipeline.dates import parse_date
from pipeline.http_responses import BodyError, Response, parse_headers, parse_response
from pipeline.records import Piece, RawDocument, Record
from pipeline.warc_files import Place, found_records
from pipeline.warc_records import FoundRecord

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_PLAIN_TYPE = "text/plain"
_REFERENCES = ("warc-refers-to", "warc-refers-to-target-uri", "warc-refers-to-date")  # of a revisit
_LOOKS_LIKE_HTML = re.compile(rb"<(?:!doctype html|html|head|body|title)\b", re.IGNORECASE)
_SNIFFED_BYTES = 2048
_ARC_HEADER = re.compile(rb"(?P<url>.+?) (?:-|[0-9A-Fa-f.:]+) (?P<date>\d{8,18}) (?P<type>[^\n]*?) ?[^ \n]+\r*\n")


def read_warc(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the HTML and plain text responses of a WARC or ARC file; see the module for what becomes of the rest.

    Args:
        piece: A file, or a byte range of one that may be split (``pipeline.splitting``).
        config: ``max_record_bytes`` bounds a record and what its body may decode to.

    Yields:
        One record for each of the file's that starts in the range, in order.
    """
    blocked = screen_of(piece, config)
    for found, place in found_records(piece, config.max_record_bytes):
        yield to_record(found, place, config, blocked)


def read_wet(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the text (``conversion``) records of a WET file; otherwise as ``read_warc``."""
    blocked = screen_of(piece, config)
    for found, place in found_records(piece, config.max_record_bytes):
        yield to_record(found, place, config, blocked, is_wet=True)


def to_record(found: FoundRecord, place: Place, config: ExtractConfig, blocked: Screen, is_wet: bool = False) -> Record:
    """What becomes of one record of an archive; of one that is ``blocked`` nothing but its header is looked at."""
    headers, url = headers_and_url(found)
    if found.problem is not None:
        return Record.failed(place.offset, place.length, found.problem, found.detail or "", url, place.member)
    response, reason = None, _unwanted(headers, is_wet) or blocked(url)
    try:
        if reason is None and not is_wet:
            response = parse_response(found.block, config.max_record_bytes)
            reason = _unwanted_response(headers, response)
        if reason is not None:
            return _dropped(place, reason, url, headers)
        mended = _mended(response) if response and config.fix_mojibake else response
        page = _page(mended, config.engine) if mended else Page(plain_text(found.block), None)
    except (BodyError, PageError) as error:
        reason = "http_body" if isinstance(error, BodyError) else "page"
        return Record.failed(place.offset, place.length, reason, error, url, place.member)
    if not page.text:
        return _dropped(place, "empty", url, headers)
    meta = _meta(found, headers, response) | ({"repaired": "mojibake"} if mended is not response else {})
    document = RawDocument(page.text, page.title, url, parse_date(headers.get("warc-date", "")), meta)
    return Record.kept(place.offset, place.length, place.sha256(), document, place.member)


def headers_and_url(found: FoundRecord) -> tuple[dict[str, str], str | None]:
    """WARC's headers by lower-case name; ARC's line as those that say the same. And the URL that was fetched."""
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


def _dropped(place: Place, reason: str, url: str | None, headers: Mapping[str, str]) -> Record:
    refers_to = " ".join(filter(None, (headers.get(name, "").strip("<>") for name in _REFERENCES))) or None
    return Record.dropped(place.offset, place.length, reason, url, place.member)._replace(refers_to=refers_to)


def _unwanted(headers: Mapping[str, str], is_wet: bool) -> str | None:
    """Why a record is dropped for what its own header says."""
    kind = headers.get("warc-type", "").lower()
    if is_wet:
        return None if kind == "conversion" else "not_conversion"
    return None if kind in ("response", "revisit") else "not_response"


def _unwanted_response(headers: Mapping[str, str], response: Response) -> str | None:
    """Why a record is dropped for what the server answered."""
    if headers.get("warc-type", "").lower() == "revisit" and not response.body:
        return "revisit"
    if response.status not in (200, None):
        return "status"
    if response.content_type is None and not response.body:
        return "empty"
    return None if _media_type(response) in (*_HTML_TYPES, _PLAIN_TYPE) else "content_type"


def _media_type(response: Response) -> str | None:
    """Of the header, or what a body without one looks like."""
    if response.content_type is None and _LOOKS_LIKE_HTML.search(response.body, 0, _SNIFFED_BYTES):
        return _HTML_TYPES[0]
    return response.content_type


def _mended(response: Response) -> Response:
    """Without mojibake, as far as it is certain; in the extracted text it is less often, since spaces are one there."""
    source = decode(response.body, response.charset, is_html=True)
    repaired = repair(source)
    return response if repaired is source else response._replace(body=repaired.encode(), charset="utf-8")


def _page(response: Response, engine: Engine) -> Page:
    if _media_type(response) == _PLAIN_TYPE:
        return Page(plain_text(response.body, response.charset), None)
    return read_page(response.body, response.charset, engine)


def _meta(found: FoundRecord, headers: Mapping[str, str], response: Response | None) -> dict[str, str]:
    damage = ["content_length"] if found.detail else []
    damage += response.damage if response else ()
    damage += ["truncated"] if "warc-truncated" in headers else []
    return {"damage": ",".join(damage)} if damage else {}
