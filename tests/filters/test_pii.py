from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from filters.ascii_bytes import hash_word, hash_words
from filters.pii import pii_spans

EXAMPLES = Path(__file__).parents[1] / "data" / "pii-examples.txt"
_MARK = re.compile(r"\[\[(email|ip_address|phone)\|(.*?)\]\]")

Span = tuple[str, str]  # kind, text


class Example(NamedTuple):
    note: str  # "MISS", "WRONG" or nothing
    text: str
    spans: list[Span]


def examples() -> Iterator[Example]:
    for line in EXAMPLES.read_text("utf-8").split("\n"):
        if line and not line.startswith("#"):
            note = next((word for word in ("MISS", "WRONG") if line.startswith(word + " ")), "")
            marked = line[len(note) :].lstrip(" ")
            yield Example(note, _MARK.sub(r"\2", marked), _MARK.findall(marked))


def found(texts: list[str]) -> list[list[Span]]:
    rows = pii_spans(pa.array(texts, pa.string())).to_pylist()
    data = [text.encode() for text in texts]
    return [[(s["kind"], d[s["start"] : s["stop"]].decode()) for s in row] for d, row in zip(data, rows, strict=True)]


@pytest.mark.parametrize("example", [e for e in examples() if not e.note], ids=lambda e: e.text[:40])
def test_hand_labelled_lines(example: Example) -> None:
    assert found([example.text]) == [example.spans]


def test_what_the_rules_are_known_to_get_wrong() -> None:
    """Here so that whoever mends a rule learns of it, and so that the figures below are honest."""
    missed = [e for e in examples() if e.note == "MISS"]
    wrong = [e for e in examples() if e.note == "WRONG"]
    assert all(set(e.spans) - set(f) for e, f in zip(missed, found([e.text for e in missed]), strict=True))
    assert all(set(f) - set(e.spans) for e, f in zip(wrong, found([e.text for e in wrong]), strict=True))


@pytest.mark.parametrize(("kind", "least"), [("email", 20), ("ip_address", 15), ("phone", 45)])
def test_precision_and_recall_on_all_of_them(kind: str, least: int) -> None:
    labelled = list(examples())
    pairs = zip(labelled, found([e.text for e in labelled]), strict=True)
    true = right = given = 0
    for example, spans in pairs:
        expected = [s for s in example.spans if s[0] == kind]
        answered = [s for s in spans if s[0] == kind]
        true, given = true + len(expected), given + len(answered)
        right += sum(span in answered for span in expected)
    assert true >= least
    assert right / given >= 0.94
    assert right / true >= 0.85


def test_there_are_enough_examples() -> None:
    labelled = list(examples())
    assert sum(len(e.spans) for e in labelled) >= 100
    assert sum(not e.spans for e in labelled) >= 80


def test_words_of_a_list_have_the_hashes_that_the_kernel_gives_them_in_text() -> None:
    words = ["a", "tel", "museum", "productions", "internationalisation"]
    found = [hash_word(np.frombuffer(text.encode(), np.uint8), 0, len(text)) for text in map(str.upper, words)]
    assert hash_words(" ".join(words)).tolist() == sorted(found)
