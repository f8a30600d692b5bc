"""Our kernels over an Arrow column. Arguments: DOCUMENTS.jsonl gopher|gopher+minhash|minhash|all|language."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pyarrow as pa
from rounds import answer, size_of, texts_of

from filters.c4 import c4_signals
from filters.language import LanguageModel
from filters.minhash import signatures
from filters.quality import quality_signals
from filters.repetition import repetition_signals
from filters.rule_sets import SIGNALS
from filters.text import scan
from pipeline import assets


def gopher(texts: pa.Array) -> None:
    """All signals of Gopher's tables."""
    scanned = scan(texts)
    quality_signals(scanned)
    repetition_signals(scanned)


def gopher_and_minhash(texts: pa.Array) -> None:
    """One scan for both."""
    scanned = scan(texts)
    quality_signals(scanned)
    repetition_signals(scanned)
    signatures(scanned, num_perm=200, ngram=13)


def minhash(texts: pa.Array) -> None:
    """Signatures from text."""
    signatures(scan(texts), num_perm=200, ngram=13)


def all_rules(texts: pa.Array) -> None:
    """Every signal of the text itself: content, Gopher's, FineWeb's, and what C4 takes."""
    scanned = scan(texts)
    for measure in (*SIGNALS, c4_signals):
        measure(scanned)


def language() -> Callable[[pa.Array], object]:
    """Language id as the signals stage calls it."""
    return LanguageModel(assets.path("lid.176.ftz")).predict


def main() -> None:
    """Serve rounds."""
    texts = texts_of(sys.argv[1])
    if sys.argv[2] == "language":
        texts = [text[:3_000] for text in texts]  # what is behind is not read
    work = {"gopher": gopher, "gopher+minhash": gopher_and_minhash, "minhash": minhash, "all": all_rules}.get(
        sys.argv[2]
    ) or language()
    column, size = pa.array(texts, pa.large_string()), size_of(texts)

    def one_pass() -> int:
        work(column)
        return size

    answer(one_pass)


if __name__ == "__main__":
    main()
