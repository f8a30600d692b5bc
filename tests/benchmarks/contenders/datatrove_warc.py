"""datatrove's WARC reader and Trafilatura extractor, as its pipelines run them. Arguments: FOLDER PATTERN."""

from __future__ import annotations

import sys

from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from rounds import answer

folder, pattern = sys.argv[1:]


def one_pass() -> int:
    """Every page to its text; the size is that of the archives."""
    reader = WarcReader(folder, glob_pattern=pattern)
    pages = sum(1 for _ in Trafilatura(timeout=60).run(reader.run()))
    print(f"{pages} documents", file=sys.stderr)
    return pages


answer(one_pass)
