"""Which reader reads which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from filters.extraction import one_line, tidy
from filters.mojibake import repair
from pipeline.blocked_urls import screen_of
from pipeline.config import ExtractConfig
from pipeline.read_books import read_gutenberg, read_text
from pipeline.read_code import read_code
from pipeline.read_epub import read_epub
from pipeline.read_jsonl import read_jsonl
from pipeline.read_parquet import read_parquet
from pipeline.read_warc import read_warc, read_wet
from pipeline.read_warc_index import read_warc_index
from pipeline.read_wikipedia import read_wikipedia
from pipeline.records import Piece, RawDocument, Record
from pipeline.schema import KEPT

Reader = Callable[[Piece, ExtractConfig], Iterator[Record]]

READERS: Final[dict[str, Reader]] = {
    "warc": read_warc,
    "wet": read_wet,
    "cc-index": read_warc_index,
    "cdxj": read_warc_index,
    "wikipedia": read_wikipedia,
    "gutenberg": read_gutenberg,
    "text": read_text,
    "epub": read_epub,
    "jsonl": read_jsonl,
    "c4": read_jsonl,
    "parquet": read_parquet,
    "code": read_code,
}
HTML_FORMATS: Final = ("warc", "cc-index", "cdxj", "epub")


def read_records(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a piece: every raw record that starts in it, once, in order; bad data never raises.

    Whatever the format, a record on a blocklist is dropped, and mojibake is repaired if ``fix_mojibake`` says so: then
    the document's ``meta`` has ``repaired``.
    """
    blocked = screen_of(piece, config)
    for record in READERS[piece.format](piece, config):
        if record.outcome == KEPT and (reason := blocked(record.url)):
            yield record.but_dropped(reason)
        elif config.fix_mojibake and record.document is not None:
            yield record._replace(document=_repaired(record.document))
        else:
            yield record


def _repaired(document: RawDocument) -> RawDocument:
    text, title = repair(document.text), document.title and repair(document.title)
    if (text, title) == (document.text, document.title):
        return document
    meta = {**document.meta, "repaired": "mojibake"}
    return document._replace(text=tidy(text), title=title and one_line(title), meta=meta)
