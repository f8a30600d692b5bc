"""Indexes of web archives: which records of which files are to be read, without reading the files.

Two formats, told by the recipe:

- ``cc-index``: a Parquet table with the columns of Common Crawl's columnar index. ``url``, ``warc_filename``,
  ``warc_record_offset`` and ``warc_record_length`` are needed; ``url_host_name``, ``url_surtkey`` (whose statistics
  save reading row groups), ``fetch_status``, ``content_mime_type`` and ``content_mime_detected`` are used when there.
- ``cdxj``: lines of key, timestamp and JSON as pywb, cdxj-indexer and Common Crawl write them, or the older CDX, whose
  first line names its fields, as `` CDX N b a m s k r M S V g``. Compressed or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.index_entries import Entry
from pipeline.index_hosts import HostFilter
from pipeline.index_lines import rows_of_lines
from pipeline.index_tables import rows_of_table

INDEX_FORMATS: Final = ("cc-index", "cdxj")


def entries(path: str, format: str, hosts: Sequence[str] = (), start: int = 0, end: int = -1) -> Iterator[Entry]:
    """Read the rows of an index that name records of some hosts; rows that cannot be read come too.

    Args:
        path: The index.
        format: One of ``INDEX_FORMATS``.
        hosts: Host names; what is below a host belongs to it. None means all.
        start: The ``position`` of a row.
        end: Rows from this position on are left out; -1 for none such.
    """
    wanted = HostFilter(hosts)
    rows = rows_of_table(path, wanted, start, end) if format == "cc-index" else rows_of_lines(path, wanted, start)
    for entry in rows:
        if 0 <= end <= entry.position:
            return
        yield entry
