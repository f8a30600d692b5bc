"""The files of one host list of one round; ``NNNNN`` is the list's number.

- ``pages-NNNNN.warc.gz`` (``.warc`` in the reproducible mode): a response and a request record for every URL that was
  answered, in order of URL.
- ``urls-NNNNN.parquet``: a row for every URL taken from the frontier, in order of URL (``URL_SCHEMA``).
- ``links-NNNNN.parquet``: links to hosts of the crawl, in order of URL and target (``LINK_SCHEMA``).
- ``robots-NNNNN.parquet``: what each origin's robots.txt said, in order of origin (``ROBOTS_SCHEMA``). These answers
are
  no pages, so the WARC has none of them.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
from fastwarc.warc import ArchiveIterator

from pipeline import storage
from pipeline.crawl import as_text
from pipeline.fetch import Visit
from pipeline.manifest import Counts
from pipeline.parquet_files import read_table
from pipeline.robots import Robots
from pipeline.schema import DROPPED, FAILED, KEPT
from pipeline.storage import OutputFile, ParquetShardWriter
from pipeline.warc import WarcEncoder

URL_SCHEMA: Final = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),  # links from a seed
        pa.field("redirects", pa.int32(), nullable=False),  # hops since the last link
        pa.field("outcome", pa.string(), nullable=False),  # kept, dropped or failed
        pa.field("reason", pa.string()),  # null when kept
        pa.field("error", pa.string()),  # what happened, the same on every machine
        pa.field("is_requested", pa.bool_(), nullable=False),  # a request for it was made: counts towards max_pages
        pa.field("status", pa.int32()),  # HTTP; null when nothing was archived
        pa.field("redirect_target", pa.string()),
        pa.field("num_bytes", pa.int64()),  # of the body as archived
        pa.field("is_truncated", pa.bool_()),  # the body was cut at max_body_bytes
        pa.field("digest", pa.string()),  # of the body, "sha1:" and base 32
        pa.field("num_outlinks", pa.int32()),  # rows in links-*
    ]
)

LINK_SCHEMA: Final = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),  # the page
        pa.field("depth", pa.int32(), nullable=False),  # of the page
        pa.field("target", pa.string(), nullable=False),  # canonical
        pa.field("is_nofollow", pa.bool_(), nullable=False),  # such links are not followed
    ]
)

ROBOTS_SCHEMA: Final = pa.schema(
    [
        pa.field("origin", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # rules, allow_all or unreachable
        pa.field("status", pa.int32()),
        pa.field("error", pa.string()),
        pa.field("crawl_delay_s", pa.float64()),
        pa.field("body", pa.binary(), nullable=False),  # empty unless there are rules
    ]
)

WARCINFO: Final = {
    "software": "massivetext",
    "format": "WARC File Format 1.1",
    "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
    "robots": "RFC 9309",
}


class HostListFiles:
    """Gather what the fetch of one host list gives, and write its files at the end, all in order.

    Records wait in a file without a name, which a killed process leaves nothing of; rows wait in memory.

    Args:
        folder: The crawl's folder.
        step: Names the round, as ``round-00001``.
        index: Of the list.
        scratch: As in ``storage.atomic_writer``.
        clock: As in ``WarcEncoder``.
        user_agent: For the warcinfo record.
    """

    def __init__(self, folder: str, step: str, index: int, scratch: str, clock: str, user_agent: str) -> None:
        self._folder, self._scratch = folder, scratch
        self._path: Callable[[str, str], str] = lambda kind, extension: f"{step}/{kind}-{index:05d}.{extension}"
        self._encoder, self._user_agent = WarcEncoder(clock), user_agent
        self._spool = tempfile.TemporaryFile(dir=_local_folder(scratch))  # noqa: SIM115 - closed in write
        self._records: list[tuple[str, int, int]] = []  # url, start and length in the spool
        self._urls: list[dict[str, Any]] = []
        self._links: list[tuple[str, pa.RecordBatch]] = []
        self._robots: list[dict[str, Any]] = []

    @property
    def warc_path(self) -> str:
        """Of the WARC, below the crawl's folder."""
        return self._path("pages", self._encoder.extension)

    @property
    def urls_path(self) -> str:
        """Of the table of URLs, below the crawl's folder."""
        return self._path("urls", "parquet")

    def add_visit(self, visit: Visit) -> None:
        """Take what became of a URL."""
        planned = visit.planned
        row = {**planned._asdict(), "reason": visit.reason, "outcome": visit.outcome, "error": visit.error}
        row["is_requested"] = visit.is_requested
        if visit.exchange:
            row.update(self._archive(visit), num_outlinks=len(visit.links))
        self._urls.append(row)
        if visit.links:
            links = [{"url": planned.url, "depth": planned.depth, **link._asdict()} for link in visit.links]
            self._links.append((planned.url, pa.RecordBatch.from_pylist(links, LINK_SCHEMA)))

    def _archive(self, visit: Visit) -> dict[str, Any]:
        exchange = visit.exchange
        if exchange is None:
            raise TypeError(f"no exchange to archive: {visit.planned.url}")
        data, digest = self._encoder.exchange(exchange)
        self._records.append((exchange.url, self._spool.tell(), len(data)))
        self._spool.write(data)
        target = exchange.redirect_target
        return {
            "status": exchange.status,
            "redirect_target": target and as_text(target),
            "num_bytes": len(exchange.body),
            "is_truncated": exchange.is_truncated,
            "digest": digest,
        }

    def add_robots(self, origin: str, robots: Robots) -> None:
        """Take an origin's robots.txt."""
        names = [name for name in ROBOTS_SCHEMA.names if name != "origin"]
        self._robots.append({"origin": origin, **{name: getattr(robots, name) for name in names}})

    def write(self) -> tuple[OutputFile, ...]:
        """Write the files; nothing can be added any more."""
        self._urls.sort(key=lambda row: row["url"])
        self._links.sort(key=lambda page: page[0])
        self._robots.sort(key=lambda row: row["origin"])
        with self._spool:
            warc = self._write_warc()
        return (
            warc,
            self._write_table(self.urls_path, URL_SCHEMA, iter([pa.RecordBatch.from_pylist(self._urls, URL_SCHEMA)])),
            self._write_table(self._path("links", "parquet"), LINK_SCHEMA, (batch for _, batch in self._links)),
            self._write_table(
                self._path("robots", "parquet"),
                ROBOTS_SCHEMA,
                iter([pa.RecordBatch.from_pylist(self._robots, ROBOTS_SCHEMA)]),
            ),
        )

    def _write_warc(self) -> OutputFile:
        info = {**WARCINFO, "http-header-user-agent": self._user_agent}
        with storage.atomic_writer(storage.join(self._folder, self.warc_path), self._scratch) as out:
            out.write(self._encoder.warcinfo(self.warc_path, info))
            for _, start, length in sorted(self._records):
                self._spool.seek(start)
                out.write(self._spool.read(length))
        return OutputFile(self.warc_path, out.sha256, 1 + 2 * len(self._records), out.bytes)

    def _write_table(self, path: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> OutputFile:
        with ParquetShardWriter(self._folder, path, schema, self._scratch) as writer:
            for batch in batches:
                writer.write(batch)
        return writer.finished()


def count_list(folder: str, warc_path: str, urls_path: str, entered: int) -> Counts:
    """Balance a host list against what was taken from the frontier, from the files as they stand.

    Args:
        folder: The crawl's folder.
        warc_path: Its records, warcinfo among them, are what is produced.
        urls_path: The table of URLs.
        entered: URLs taken from the frontier.
    """
    rows = read_table(storage.join(folder, urls_path), ["outcome", "reason"]).to_pylist()
    outcomes = Counter(row["outcome"] for row in rows)
    dropped = Counter(row["reason"] for row in rows if row["outcome"] == DROPPED)
    with storage.open_read(storage.join(folder, warc_path)) as stream:
        records = sum(1 for _ in ArchiveIterator(stream, parse_http=False))
    return Counts("urls", entered, outcomes[KEPT], dict(sorted(dropped.items())), outcomes[FAILED], records)


def _local_folder(scratch: str) -> str | None:
    """Where a file without a name can be; None = the system's own place."""
    if not storage.is_local(scratch):
        return None
    path = scratch.removeprefix("file://")
    os.makedirs(path, exist_ok=True)
    return path
