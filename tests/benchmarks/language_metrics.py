"""Figures of language identification: by language, and of English against all others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# What the test sets call otherwise than lid.176 does.
OTHER_CODES = {"nb": "no", "eng": "en"}


class Item(NamedTuple):
    """A text of a known language, and what a detector said; ``found`` is None where it named none."""

    true: str
    found: str | None
    score: float


def accuracy_by_language(items: Iterable[Item]) -> dict[str, float]:
    """Share of each language's texts that are named right, in order of language."""
    by_language: dict[str, list[bool]] = {}
    for item in items:
        by_language.setdefault(item.true, []).append(item.found == item.true)
    return {language: sum(right) / len(right) for language, right in sorted(by_language.items())}


def macro_accuracy(items: Iterable[Item], languages: Iterable[str] | None = None) -> float:
    """Mean of the languages' accuracies; of those named, or of all."""
    found = accuracy_by_language(items)
    chosen = list(found if languages is None else languages)
    return sum(found[language] for language in chosen) / len(chosen)


def english_at(items: Sequence[Item], bound: float) -> tuple[float, float]:
    """Recall of English, and other texts taken for English a thousand, where a score of ``bound`` is asked for."""
    taken = [item.found == "en" and item.score >= bound for item in items]
    english = [is_taken for is_taken, item in zip(taken, items, strict=True) if item.true == "en"]
    others = len(items) - len(english)
    return sum(english) / len(english), 1_000 * (sum(taken) - sum(english)) / others


def joined(texts: Sequence[tuple[str, str]], num_bytes: int) -> Iterator[tuple[str, str]]:
    """Documents of ``num_bytes`` at least, made of one language's neighbouring texts; a shorter rest is left out."""
    for language, group in itertools.groupby(sorted(texts, key=lambda row: row[0]), key=lambda row: row[0]):
        parts: list[str] = []
        size = 0
        for _, text in group:
            parts.append(text)
            size += len(text.encode()) + 1
            if size > num_bytes:
                yield language, "\n".join(parts)
                parts, size = [], 0
