"""Wiki markup's apostrophes: two are italic, three bold, and some are apostrophes.

They are taken out of the text, and kept from the parser: what it takes for an italic may reach across links, references
and headings, which it then leaves as they are.
"""

from __future__ import annotations

import re

_RUN = re.compile("'{2,}")


def without_quotes(text: str) -> str:
    """Take the marks of bold and italic out of a text, line by line, as MediaWiki reads them.

    Of four apostrophes the first is one, of more than five all but five. Where a line has an odd number of bold and of
    italic marks, one bold mark is an apostrophe and an italic mark: the first behind a word of one letter, as in
    ``l'''Asse``, or else behind a longer word, or else behind a space.

    Source: MediaWiki's ``doQuotes`` (includes/parser), as its documentation describes it.
    """
    return "\n".join(_without(line) if "''" in line else line for line in text.split("\n"))


def _without(line: str) -> str:
    runs = list(_RUN.finditer(line))
    bold = sum(len(run[0]) != 2 for run in runs)
    italic = sum(len(run[0]) == 2 or len(run[0]) >= 5 for run in runs)
    apostrophe = _misread(line, runs) if bold % 2 and italic % 2 else None
    parts, position = [], 0
    for run in runs:
        length = len(run[0])
        extra = 1 if length == 4 or run.start() == apostrophe else max(0, length - 5)
        parts.append(line[position : run.start()] + "'" * extra)
        position = run.end()
    return "".join(parts) + line[position:]


def _misread(line: str, runs: list[re.Match[str]]) -> int | None:
    """Where the bold mark stands that is an apostrophe and an italic mark."""
    by_kind: dict[int, int] = {}
    for run in runs:
        if len(run[0]) == 3:
            before = line[max(0, run.start() - 2) : run.start()].rjust(2)
            kind = 2 if before[1] == " " else 0 if before[0] == " " else 1
            by_kind.setdefault(kind, run.start())
    return by_kind[min(by_kind)] if by_kind else None
