"""Documents of every subset, read from the real corpora by the pipeline's own readers: for comparisons with twins."""

from __future__ import annotations

import gzip
import itertools
from functools import cache
from pathlib import Path

from pipeline.config import ExtractConfig
from pipeline.readers import read_records
from pipeline.records import Piece

# Subset, format, file below ../shared/data, and how many documents from its beginning.
SOURCES = (
    ("massiveweb", "warc", "warc-real/aut-example.warc.gz", 40),
    ("massiveweb", "warc", "warc/trafilatura-eval.warc.gz", 40),
    ("massiveweb", "wet", "wet/whirlwind.warc.wet.gz", 1),
    ("massiveweb", "parquet", "bench/documents.parquet", 300),
    ("c4", "c4", "c4/c4-sample.01.json.gz", 10),
    ("c4", "jsonl", "c4/cc_en_head-0091.jsonl.gz", 10),
    ("news", "jsonl", "news/web-articles-wcxb-dev.jsonl.gz", 40),
    ("news", "jsonl", "news/bbc-news.jsonl.gz", 40),
    ("books", "gutenberg", "books/pg1342.txt.gz", 1),
    ("books", "gutenberg", "books/pg7370.txt.gz", 1),
    ("wikipedia", "wikipedia", "wikipedia/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", 8),
    ("wikipedia", "wikipedia", "wikipedia/itwiki-small-dump-part1.xml.bz2", 20),
    ("wikipedia", "wikipedia", "wikipedia/ltgwiki-smallwiki-part1.xml.bz2", 20),
    ("code", "code", "code/DaveGamble__cJSON.tar.gz", 20),
    ("code", "code", "code/pallets__click.tar.gz", 20),
)
_CHARS = 20_000  # of a document, from its beginning


@cache
def real_texts(shared: Path) -> tuple[str, ...]:
    """Some 570 documents of all subsets, and the beginnings of the Declaration of Human Rights in 370 languages."""
    found: list[str] = []
    for subset, kind, source, count in SOURCES:
        records = read_records(Piece(str(shared / source), source, subset, kind), ExtractConfig())
        texts = (record.document.text[:_CHARS] for record in records if record.document is not None)
        read = list(itertools.islice(texts, count))
        assert len(read) == count, f"{source} gave {len(read)} documents"
        found += read
    return (*found, *_declarations(shared / "langid" / "udhr.tsv.gz"))


def _declarations(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [row.rstrip("\n").split("\t", 1) for row in stream]
    languages = itertools.groupby(rows, key=lambda row: row[0])
    return ["\n".join(text for _, text in itertools.islice(group, 8)) for _, group in languages]
