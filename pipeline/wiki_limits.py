"""Which wiki markup the parser can take: a bound by size and by what stays open, not by the clock.

The parser goes back to the start of whatever is never closed, so its time grows with what stays open times the text
behind it, and worse where such things nest: minutes for 20,000 open brackets, in a page of 40 kB. Well-closed markup is
no trouble: it gives up nesting at 40 levels by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_MARKUP_CHARS: Final = 2_500_000  # MediaWiki's own limit is 2 MiB a page
# Bounds of the worst that was found, 10 s; in brackets the most in 3,059 real pages of six wikis.
MAX_UNCLOSED: Final = 1_000  # (477)
MAX_UNCLOSED_CHARS: Final = 50_000_000  # what stays open, times characters of the page (6 million)
MAX_COSTLY_CHARS: Final = 5_000_000_000  # the costly of it, squared, times characters (67 million)

_TOKEN = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|(?<![^\n])[ :]*\{\||(?<![^\n])[ :]*\|\}|\[(?=https?:|//|ftp:|mailto:)|\]|<!--"
    r"|(?<![^\n])=|\n"
    r"|</?[A-Za-z][A-Za-z0-9]*|/?>",
    re.ASCII,
)
_CLOSES: Final = {"}}": "{{", "]]": "[[", "|}": "{|", "]": "["}
_VOID: Final = frozenset({"br", "hr", "wbr", "img", "meta", "link"})  # have no end
_CHEAP: Final = frozenset({"=", "<dd", "<dt", "<li", "<p", "<td", "<th", "<tr"})


class MarkupError(ValueError):
    """Markup that is too long, or that the parser would take too long for."""


def check_markup(markup: str) -> None:
    """Refuse markup that the parser cannot take; the time is linear.

    Raises:
        MarkupError: See there.
    """
    if len(markup) > MAX_MARKUP_CHARS:
        raise MarkupError(f"wikitext must have at most {MAX_MARKUP_CHARS} characters; got {len(markup)}")
    unclosed = count_unclosed(markup)
    if (
        unclosed.num_marks > MAX_UNCLOSED
        or unclosed.num_marks * len(markup) > MAX_UNCLOSED_CHARS
        or unclosed.num_costly**2 * len(markup) > MAX_COSTLY_CHARS
    ):
        raise MarkupError(f"too many brackets or elements are left open: {unclosed}, in {len(markup)} characters")


class Unclosed(NamedTuple):
    """What is not closed, or not in the order of its nesting."""

    num_marks: int
    num_costly: int  # those of them that the parser reads to the end of the page for: not cells, list items, headings


def count_unclosed(markup: str) -> Unclosed:
    """Count brackets, elements and comments that stay open."""
    open_marks: list[str] = []
    counts: Counter[str] = Counter()  # of the open ones
    unclosed: Counter[str] = Counter()
    for mark, closes in _marks(markup):
        if not closes:
            open_marks.append(mark)
            counts[mark] += 1
        elif counts[mark]:
            while (last := open_marks.pop()) != mark:
                counts[last] -= 1
                unclosed[last] += 1
            counts[mark] -= 1
    unclosed.update(open_marks)
    return Unclosed(unclosed.total(), sum(number for mark, number in unclosed.items() if mark not in _CHEAP))


def _marks(markup: str) -> Iterator[tuple[str, bool]]:
    """What opens (a bracket, "<" and the element's name, or "<!--"), and what closes, in order."""
    position, has_comment_ends = 0, True
    head = ""  # the element whose start tag we are in
    while token := _TOKEN.search(markup, position):
        mark, position = token[0].strip(" :").lower(), token.end()
        if mark in ("=", "\n"):  # a heading ends with its line, and what it opened can't go on behind it
            yield "=", mark == "\n"
        elif mark == "<!--":
            end = markup.find("-->", position) if has_comment_ends else -1
            has_comment_ends = end >= 0
            position = end + 3 if end >= 0 else position
            if end < 0:
                yield mark, False
        elif mark in (">", "/>"):
            if head and (mark == "/>" or head in _VOID):
                yield f"<{head}", True
            head = ""
        elif mark.startswith("</"):
            if not head:  # else that start tag has no end, and its element none either
                yield f"<{mark[2:]}", True
        elif mark.startswith("<"):
            if head:  # of the element before, which never ends
                yield "<", False
            head = mark[1:]
            yield mark, False
        else:
            yield _CLOSES.get(mark, mark), mark in _CLOSES
    if head:
        yield "<", False
