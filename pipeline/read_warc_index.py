"""Web archives by their index: the records that its rows name, each read by one range of its file.

A record gives what it gives when its file is read whole, under the same id: ``source`` is the archive's name in the
index, ``offset`` and ``length`` are the record's there. Besides the reasons of ``pipeline.read_warc``:

- dropped: ``status`` and ``content_type`` also for what the index says, without reading; ``repeated_row`` (the row
  before names the same record);
- failed: ``unreadable`` (the range cannot be had, or not whole), ``other_record`` (another URL's stands there),
  ``bad_index`` (the row names no record; place and source are its own, in the index).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from io import BytesIO

import zstandard

from pipeline.blocked_urls import screen_of
from pipeline.config import ExtractConfig
from pipeline.decompressors import Codec, codec_of
from pipeline.index_entries import Entry
from pipeline.read_warc import headers_and_url, to_record
from pipeline.records import Piece, Record
from pipeline.storage import is_local, join, open_read, read_range
from pipeline.urls import canonicalize
from pipeline.warc_files import records_of_range
from pipeline.warc_index import entries

_NUM_AHEAD = 8  # requests under way at a store, where one takes a tenth of a second
_BYTES_AHEAD = 32_000_000
_PAUSES_S = (1.0, 5.0)  # before a request is made again: a store under load refuses some

Fetched = tuple[bytes, Codec | None] | Exception
Job = tuple[Entry, Record | None]  # what needs no reading has its record already


def read_warc_index(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the records that a stretch of an index names, of the hosts that the piece names.

    Args:
        piece: The index; its ``warc_root`` is the folder or URL of the archives.
        config: As for ``pipeline.read_warc.read_warc``.

    Yields:
        One record for each row, in the order of the index.
    """
    fetch = partial(_fetch, piece.warc_root)
    for row, record, data in _fetched(_jobs(piece, config), fetch, is_local(piece.warc_root)):
        yield record if data is None and record is not None else _record_of(row, data, config)


def _jobs(piece: Piece, config: ExtractConfig) -> Iterator[Job]:
    before, blocked = None, screen_of(piece, config)
    for row in entries(piece.path, piece.format, piece.hosts, piece.start, piece.end):
        if row.problem:
            yield row, Record.failed(row.position, row.size, "bad_index", row.problem, row.url)
        elif reason := ("repeated_row" if row.record == before else row.unwanted or blocked(row.url)):
            yield row, Record.dropped(row.offset, row.length, reason, row.url)._replace(source=row.filename)
        elif row.length > config.max_record_bytes:
            yield row, _failed(row, "too_long", f"{row.length} bytes")
        else:
            yield row, None
        before = row.record


def _failed(row: Entry, reason: str, error: object) -> Record:
    return Record.failed(row.offset, row.length, reason, error, row.url)._replace(source=row.filename)


def _fetched(
    jobs: Iterable[Job], fetch: Callable[[Entry], Fetched], is_local: bool
) -> Iterator[tuple[Entry, Record | None, Fetched | None]]:
    """Fetch what is not settled: from a store several ranges at a time, and give all in order."""
    if is_local:
        yield from ((row, record, None if record else fetch(row)) for row, record in jobs)
        return
    waiting: deque[tuple[Entry, Record | None, Future[Fetched] | None]] = deque()
    with ThreadPoolExecutor(_NUM_AHEAD) as pool:
        for row, record in jobs:
            waiting.append((row, record, None if record else pool.submit(fetch, row)))
            while len(waiting) > _NUM_AHEAD or sum(row.length for row, _, _ in waiting) > _BYTES_AHEAD:
                yield _waited(waiting.popleft())
        while waiting:
            yield _waited(waiting.popleft())


def _waited(
    job: tuple[Entry, Record | None, Future[Fetched] | None],
) -> tuple[Entry, Record | None, Fetched | None]:
    row, record, future = job
    return row, record, future.result() if future else None


def _fetch(root: str, row: Entry) -> Fetched:
    """A row's range and the compression of its file, or why they cannot be had."""
    path = join(root, row.filename)
    pauses_s = [] if is_local(path) else list(_PAUSES_S)
    while True:
        try:
            data = read_range(path, row.offset, row.length)
            if len(data) != row.length:
                return OSError(f"{row.length} bytes were asked for, {len(data)} came")
            return data, _codec(data, path)
        except Exception as error:  # each store has exceptions of its own
            if not pauses_s or _is_final(error):
                return error
            time.sleep(pauses_s.pop(0))


def _is_final(error: Exception) -> bool:
    """Whether asking again is of no use: the file isn't there, or the request is refused and not put off."""
    status = getattr(error, "status", 0)  # aiohttp's
    return isinstance(error, FileNotFoundError | PermissionError) or (400 <= status < 500 and status != 429)


def _codec(data: bytes, path: str) -> Codec | None:
    codec = codec_of(BytesIO(data))
    if codec is not None and codec.name == "zstd" and zstandard.get_frame_parameters(data).dict_id:
        return _codec_of_file(path)
    return codec


@lru_cache(maxsize=16)
def _codec_of_file(path: str) -> Codec | None:
    """With the dictionary, which stands at the file's beginning."""
    with open_read(path) as stream:
        return codec_of(stream)


def _record_of(row: Entry, data: Fetched | None, config: ExtractConfig) -> Record:
    if data is None or isinstance(data, Exception):
        return _failed(row, "unreadable", data)
    there = "no record"
    for found, place in records_of_range(data[0], row.offset, data[1], config.max_record_bytes):
        url = headers_and_url(found)[1]
        if found.problem is not None:
            return _failed(row, found.problem, found.detail or "")
        if _is_same(url, row.url):
            return to_record(found, place, config, lambda _: None)._replace(source=row.filename)
        there = f"a record of {url}"
    return _failed(row, "other_record", f"{there} stands there")


def _is_same(url: str | None, named: str | None) -> bool:
    """Whether two spellings are of one URL: not every index keeps the record's."""
    if url == named:
        return True
    canonical = canonicalize(url or "")
    return canonical is not None and canonical == canonicalize(named or "")
