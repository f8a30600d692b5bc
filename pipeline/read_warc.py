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

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import IO

from filters.extraction import Page, PageError, plain_text, read_page
from pipeline.byte_streams import GZIP_MAGIC, Window, as_stored, decompressed, is_compressed
from pipeline.config import ExtractConfig
from pipeline.dates import parse_date
from pipeline.gzip_members import Member, MemberFile
from pipeline.http_responses import BodyError, Response, parse_headers, parse_response
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read, size
from pipeline.warc_records import MAX_HEADER_BYTES, NEXT, START, FoundRecord, RecordScanner

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(rb"<(?:!doctype html|html|head|body|title)\b", re.IGNORECASE)
_SNIFFED_BYTES = 2048
_ARC_HEADER = re.compile(rb"(?P<url>.+?) [0-9A-Fa-f.:]+ (?P<date>\d{8,18}) (?P<type>[^\n]*?) ?[^ \n]+\r*\n")


def read_warc(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the HTML and plain text responses of a WARC or ARC file; see the module for what becomes of the rest.

    Args:
        piece: A file, or a byte range of one for which ``is_splittable`` holds.
        config: ``max_record_bytes`` bounds a record and what its body may decode to.

    Yields:
        One record for each of the file's that starts in the range, in order.
    """
    for found, place in _found_records(piece, config.max_record_bytes):
        yield _to_record(found, place, config, is_wet=False)


def read_wet(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the text (``conversion``) records of a WET file; otherwise as ``read_warc``."""
    for found, place in _found_records(piece, config.max_record_bytes):
        yield _to_record(found, place, config, is_wet=True)


def is_splittable(path: str, max_record_bytes: int = 50_000_000) -> bool:
    """Whether byte ranges of an archive can be read apart: it is not compressed, or by one gzip member a record."""
    with open_read(path) as stream:
        head = stream.read(4)
        if not is_compressed(head):
            return True
        return head.startswith(GZIP_MAGIC) and _is_member_a_record(_member_file(stream, size(path), max_record_bytes))


class _Place:
    """Where a record stands and how its raw bytes are digested."""

    def __init__(self, found: FoundRecord, member: Member | None = None, index: int = 0) -> None:
        self.offset, self.length = (found.offset, found.length) if member is None else (member.offset, member.length)
        self.member = str(index) if index else ""
        self._found, self._stored = found, member

    def sha256(self) -> bytes:
        if self._stored is not None:
            return self._stored.sha256
        digest = hashlib.sha256(self._found.header)
        digest.update(self._found.block)
        return digest.digest()


def _found_records(piece: Piece, max_record_bytes: int) -> Iterator[tuple[FoundRecord, _Place]]:
    num_bytes = size(piece.path)
    end = num_bytes if piece.end < 0 else piece.end
    with open_read(piece.path) as stream:
        head = stream.read(4)
        if head.startswith(GZIP_MAGIC):
            file = _member_file(stream, num_bytes, max_record_bytes)
            if _is_member_a_record(file):
                yield from _of_members(file, piece.start, end, max_record_bytes)
                return
        if is_compressed(head):
            if piece.start == 0:
                stream.seek(0)
                found_records: Iterable[FoundRecord] = RecordScanner(Window(decompressed(stream)), max_record_bytes)
                yield from ((found, _Place(found)) for found in found_records)
        else:
            found_records = _plain_records(stream, piece.start, end, max_record_bytes)
            yield from ((found, _Place(found)) for found in found_records)


def _member_file(stream: IO[bytes], num_bytes: int, max_record_bytes: int) -> MemberFile:
    return MemberFile(stream, num_bytes, START, max_record_bytes + MAX_HEADER_BYTES)


def _is_member_a_record(file: MemberFile) -> bool:
    """Tell by the first member: it holds one record, to its end, or another record begins with the second member."""
    window = Window(file.content(0))
    first = next(iter(RecordScanner(window, file.max_content_bytes, is_whole=True)), None)
    window.hold(64)
    if window.data.strip(b"\r\n"):
        return False
    if window.error is not None or first is None:
        return True  # damaged or blank: only a file of members can be read on
    if first.problem is None and first.detail is None:
        return True
    following = file.read(0).length
    return following >= file.size or file.is_member(following)


def _of_members(file: MemberFile, start: int, end: int, max_record_bytes: int) -> Iterator[tuple[FoundRecord, _Place]]:
    for member in file.members(start, end):
        if member.problem is not None:
            found = FoundRecord(member.offset, member.length, b"", b"", member.problem, member.detail)
            yield found, _Place(found, member)
            continue
        window = Window(iter([member.content] if member.content else []))
        for index, found in enumerate(RecordScanner(window, max_record_bytes, is_whole=not member.is_cut)):
            if member.is_cut and found.problem is not None:
                found = found._replace(problem="too_long", detail=f"a member of more than {max_record_bytes} bytes")
            yield found, _Place(found, member, index)


def _plain_records(stream: IO[bytes], start: int, end: int, max_record_bytes: int) -> Iterable[FoundRecord]:
    def reopen(position: int) -> Window:
        stream.seek(position)
        return Window(as_stored(stream), position)

    window = reopen(max(0, start - 1))
    if start > 0:
        window.skip_to(NEXT, start=1)
        if window.position >= end:
            return ()
    return RecordScanner(window, max_record_bytes, reopen=reopen, end=end)


def _to_record(found: FoundRecord, place: _Place, config: ExtractConfig, is_wet: bool) -> Record:
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


def _dropped(place: _Place, reason: str, url: str | None) -> Record:
    return Record.dropped(place.offset, place.length, reason, url, place.member)


def _failed(place: _Place, reason: str, error: object, url: str | None) -> Record:
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
