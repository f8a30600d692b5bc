"""Which documents may be quoted, and which passage of one shows what a signal measures."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from filters.quality import BULLETS, STOP_WORDS

MAX_CHARS: Final = 160

# Column source -> name, where the text is free to use, with its licence; the plainest prose first.
QUOTABLE: Final = {
    "nltk-state_union": "State of the Union address (public domain)",
    "nltk-inaugural": "Inaugural address (public domain)",
    "standardebooks": "Standard Ebooks, Tolstoy or Dickens (public domain)",
    "sqlite3-doc": "SQLite documentation (public domain)",
    "apache2-doc": "Apache HTTP Server documentation (Apache-2.0)",
    "python3.11-doc": "Python documentation (PSF licence)",
    "postgresql-doc-15": "PostgreSQL documentation (PostgreSQL licence)",
    "peps": "Python Enhancement Proposals (public domain)",
    "cpp-docs": "Microsoft C++ documentation (CC BY 4.0)",
}

_START: Final = {
    "bullet_line_fraction": rf"^[ \t]*[{re.escape(BULLETS)}]",
    "ellipsis_line_fraction": r"^.*(?:\.\.\.|…)[ \t]*$",
    "ellipsis_to_word_ratio": r"\.\.\.|…",
    "hash_to_word_ratio": r"\S*#",
    "num_curly_brackets": r"^.*\{",
    "num_stop_words": rf"(?i)(?<!\w)(?:{'|'.join(STOP_WORDS)})(?!\w)",
}


def passage(signal: str, text: str) -> str:
    """At most ``MAX_CHARS`` characters of a document, white space squeezed, ``⏎`` for the end of a line.

    They begin at the first thing that the signal counts, at the most frequent n-gram or equal line; else at the start.
    """
    start = _start_of(signal, text)
    shown = re.sub(r"\s*\n\s*", " ⏎ ", text[start : start + 4 * MAX_CHARS].strip())
    return re.sub(r"[^\S ]+| {2,}", " ", shown)[:MAX_CHARS].strip()


def _start_of(signal: str, text: str) -> int:
    if found := re.search(r"(\d+)gram", signal):
        return _most_frequent(int(found[1]), text, r"\S+")
    if signal.startswith("duplicate_line"):
        return _most_frequent(1, text, r"[^\n]*\S[^\n]*")
    if signal.startswith("duplicate_paragraph"):
        return _most_frequent(1, text, r"(?:[^\n]*\S[^\n]*\n?)+")
    found = re.search(_START.get(signal, ""), text, re.MULTILINE)
    return found.start() if found else 0


def _most_frequent(n: int, text: str, piece: str) -> int:
    """Where the first of the most frequent runs of n pieces begins."""
    pieces = list(re.finditer(piece, text))
    runs = [tuple(found[0] for found in pieces[i : i + n]) for i in range(len(pieces) - n + 1)]
    if not runs:
        return 0
    return pieces[runs.index(Counter(runs).most_common(1)[0][0])].start()


def quoted(text: str) -> str:
    """As code, which Markdown leaves alone."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def source_name(identifier: str) -> str:
    """A document's source and page, of an id such as ``peps/peps/pep-0804.rst#6``."""
    page = identifier.rpartition("/")[2].partition(".")[0]
    return f"{QUOTABLE[identifier.partition('/')[0]]}, {page.partition('#')[0]}"
