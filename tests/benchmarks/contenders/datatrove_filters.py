"""datatrove's Gopher filters, repetition then quality, which share a tokenisation. Argument: DOCUMENTS.jsonl."""

from __future__ import annotations

import sys

from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from rounds import answer, size_of, texts_of

texts = texts_of(sys.argv[1])
repetition, quality = GopherRepetitionFilter(), GopherQualityFilter()


def one_pass() -> int:
    """Both filters on every document."""
    for number, text in enumerate(texts):
        document = Document(text=text, id=str(number))
        repetition.filter(document)
        quality.filter(document)
    return size_of(texts)


answer(one_pass)
