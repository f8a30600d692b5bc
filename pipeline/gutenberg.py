"""The frame around Project Gutenberg's books: header, licence and credits, in the spellings of fifty years.

Until 1990 there was none. From 1991 to about 2001 the licence stood before the book ("the small print") and a line
behind it; since then a header and a starred line stand before it, and a starred line and the licence behind.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from filters.extraction import one_line

_START = re.compile(
    r"^[ ]*\*{2,3} ?START(?: OF|:) (?:TH(?:E|IS) |THE COPYRIGHTED )?PROJECT GUTENBERG"
    r"[^\n]*(?:\n[^\n]+)*?\*\*\*[^\n]*(?:\n|\Z)"
    r"|^[ ]*\**\*END[* ]+THE SMALL PRINT![^\n]*(?:\n[^\n]*\*END\*[^\n]*|\*END\*[^\n]*)?(?:\n|\Z)",
    re.MULTILINE,
)
_STARRED_END = re.compile(
    r"^[ ]*\*{2,3} ?END(?: OF|:) (?:TH(?:E|IS) |THE COPYRIGHTED )?PROJECT GUTENBERG"
    r"|^[ ]*\*\*\* ?START: FULL LICENSE"
    r"|^[ ]*START: FULL LICENSE",
    re.MULTILINE,
)
_PLAIN_END = re.compile(
    r"^[ ]*\**[ ]*(?:"
    r"(?:END|End|Here ends) (?:OF|of) (?:THE |The |the |THIS |This |this )?(?:is )?(?:COPYRIGHTED )?"
    r"(?:PROJECT GUTENBERG|Project Gutenberg)(?!(?:'s|\u2019s)? (?:Literary|Archive))"
    r"|Ende? (?:dieses |de |du |des )(?:Projekt|Project|Projet) Gutenberg"
    r"|Fin (?:de |du |de la )(?:ce )?(?:Project|Projet|Projekt) Gutenberg"
    r"|Einde van (?:dit |het )?Project Gutenberg"
    r"|Fine (?:di |del )(?:questo )?(?:Project|Progetto) Gutenberg"
    r")[^\n]*$",
    re.MULTILINE,
)
_CREDITS = re.compile(
    r"(?:Produced by|E-?text prepared by|Etext (?:produced|prepared|scanned) by|Transcribed (?:from|by)|HTML version by"
    r"|Scanned (?:and proofed )?by|Prepared by|\[?This (?:e-?text|ebook|eBook|e-book|file) was (?:first )?"
    r"(?:produced|prepared|transcribed|scanned|converted|created))[ \n]",
    re.IGNORECASE | re.ASCII,
)
_CREDIT_WORDS = re.compile(
    r"gutenberg|pgdp|proofread|etext|e-text|volunteer|internet archive|scann|@", re.IGNORECASE | re.ASCII
)
_FIELD = re.compile(
    r"^(Title|Author|Authors|Translator|Editor|Illustrator|Contributor|Language|Release date|Posting date): *"
    r"([^\n]*(?:\n[ ]{4,}[^\n]+)*)",
    re.MULTILINE | re.IGNORECASE | re.ASCII,
)
_FIRST_LINE = re.compile(
    r"^\**(?:The |This is the )?Project Gutenberg(?:'s|\u2019s)?(?: (?:E-?text|EBook|eBook|E-Book))?(?: of|,)?"
    r" +([^\n]+?)\**$",
    re.MULTILINE,
)
_BY = re.compile(r",? by (?=[^ ])")


class Book(NamedTuple):
    """A book without its frame."""

    text: str
    title: str | None
    meta: dict[str, str]


def unframe(text: str) -> Book:
    r"""Cut Project Gutenberg's frame off a book.

    Args:
        text: The file, with line ends as ``\n``.

    Returns:
        The book; what its header says; and in ``meta["gutenberg_markers"]`` which of the two lines that mark it were
        not there ("no start", "no end", "none"): then nothing was cut on that side.
    """
    start = _START.search(text)
    begin = start.end() if start else 0
    end = _find_end(text, begin)
    header = text[: start.start()] if start else ""
    title, meta = _fields(header)
    if start is None or end is None:
        meta["gutenberg_markers"] = "none" if start is None and end is None else "no start" if end else "no end"
    body = text[begin : len(text) if end is None else end].strip("\n")
    return Book(_without_credits(body) if start else body, title, meta)


def _find_end(text: str, begin: int) -> int | None:
    """Where the book ends: at a starred line, and before it at a plain one with nothing but blank lines between.

    Without a starred line it is the last plain one: collections have one behind each of their parts.
    """
    starred = _STARRED_END.search(text, begin)
    plain = [match for match in _PLAIN_END.finditer(text, begin, starred.start() if starred else len(text))]
    if starred is None:
        return plain[-1].start() if plain else None
    last = plain[-1] if plain else None
    if last is not None and not text[last.end() : starred.start()].strip(" \n*"):
        return last.start()
    return starred.start()


def _fields(header: str) -> tuple[str | None, dict[str, str]]:
    """Title and the rest of what the header says; in the oldest ones the first line is all there is."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(header):
        if one_line(value):
            found.setdefault(name.lower().replace(" ", "_").replace("authors", "author"), one_line(value))
    title = found.pop("title", None)
    if title is None and (match := _FIRST_LINE.search(header)):
        title, *author = _BY.split(one_line(match[1].strip("* ")), maxsplit=1)
        if author and "author" not in found:
            found["author"] = author[0].strip("* ")
    return title, {key: found[key] for key in sorted(found)}


def _without_credits(body: str) -> str:
    """Cut transcribers' credits off the first paragraphs."""
    while _CREDITS.match(body):
        paragraph, _, rest = body.partition("\n\n")
        if len(paragraph) > 1_000 or not (rest and (_CREDIT_WORDS.search(paragraph) or len(paragraph) < 300)):
            break
        body = rest.lstrip("\n")
    return body
