"""dolma's gopher_v1 tagger, quality and repetition in one. Argument: DOCUMENTS.jsonl."""

from __future__ import annotations

import sys

from dolma.taggers.gopher import get_attributes
from rounds import answer, size_of, texts_of

texts = texts_of(sys.argv[1])


def one_pass() -> int:
    """All attributes of every document."""
    for text in texts:
        get_attributes(text)
    return size_of(texts)


answer(one_pass)
