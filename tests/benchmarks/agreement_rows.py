"""What ``agreement.py`` compares: our signals beside the peers', as read in datatrove 0.10.1 and dolma 1.2.1."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from filters.quality import BULLETS, STOP_WORDS
from filters.repetition import DUPLICATE_NGRAMS, TOP_NGRAMS

DATATROVE: Final = "datatrove"
DOLMA: Final = "dolma"
ALL: Final = "all"  # the decision of a table's rules
LINES: Final = "lines that stay"
UNMARKED_LINES: Final = "lines without a terminal mark"


class Where(NamedTuple):
    """The documents on which two definitions must agree: those in which ``without`` is not found."""

    words: str
    without: re.Pattern[str]


class Row(NamedTuple):
    """One signal beside one peer's.

    Attributes:
        table: Key of ``filters.rule_sets.TABLES``.
        signal: Our name of it.
        peer: ``DATATROVE`` or ``DOLMA``.
        difference: What the peer measures otherwise as it comes; empty = nothing.
        same: With which settings of the peer the definitions are the same, "published" or "set"; empty = with none.
        where: ... and on which documents; None = on all.
        decided: The settings whose decisions are held against ours.
    """

    table: str
    signal: str
    peer: str
    difference: str
    same: str = ""
    where: Where | None = None
    decided: str = "published"


def _where(words: str, without: str) -> Where:
    return Where(words, re.compile(without, re.MULTILINE))


def _rows(table: str, *rows: tuple[Any, ...]) -> tuple[Row, ...]:
    """Each: signal, peer, difference, and what more a Row has."""
    return tuple(Row(table, *row) for row in rows)


def _bullets_but(*known: str) -> str:
    return f"[{re.escape(''.join(bullet for bullet in BULLETS if bullet not in known))}]"


_ANY_STOP_WORD: Final = "|".join(STOP_WORDS)
_MORE_LINE_ENDS: Final = r"[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]"  # Python's splitlines cuts at them too
_BLANK_LINE: Final = rf"^\s*$|{_MORE_LINE_ENDS}"
_WHITE_LINE: Final = r"^[^\S\n]+$"  # of white space, and some
_OUTER_LINE: Final = rf"{_WHITE_LINE}|\A\n|\n\Z"
_MARKER: Final = r"\[\d*\]|\[edit\]|\[citation needed\]"

_NO_SYMBOL_WORD = _where("every word has a letter or digit", r"(?<!\S)[^\sa-zA-Z0-9]+(?!\S)")
_LOWER_STOP_WORDS = _where(
    "no stop word with a capital", rf"(?<!\S)(?!(?:{_ANY_STOP_WORD})(?!\S))(?i:{_ANY_STOP_WORD})(?!\S)"
)
_NO_BLANK_LINE = _where("no blank line", _BLANK_LINE)
_NO_WHITE_LINE = _where("no line of white space", _WHITE_LINE)
_NO_OUTER_LINE = _where(r"no line of white space, no `\n` at either end", _OUTER_LINE)
_NO_OUTER_SPACE = _where("no line of white space, none at either end", rf"{_WHITE_LINE}|\A\s|\s\Z")
_NO_SPACE_BEHIND = _where("no white space behind a line", r"\S[^\S\n]+$")
_DATATROVE_BULLETS = _where("no blank line, no other bullet", rf"{_BLANK_LINE}|^\s*{_bullets_but('•', '-')}")
_DOLMA_BULLETS = _where(
    "no line of white space, no indented or other bullet",
    rf"{_OUTER_LINE}|^[^\S\n]+[{re.escape(BULLETS)}]|^{_bullets_but('*', '-')}",
)
_DOLMA_ELLIPSES = _where(
    "no line of white space, none behind an ellipsis, no `...`", rf"{_OUTER_LINE}|(?:…)\s+$|\.\.\."
)
_ONE_HASH = _where("no `…`, no word of several `#`", r"…|#\S*#")
_SAME_ENDS = _where("no line ends in `”` or `'`, no citation marker", rf"[”']\s*$|{_MARKER}|{_MORE_LINE_ENDS}")
_DOLMA_ENDS = _where("no line ends in `”` or `...`, no citation marker", rf"(?:”|\.\.\.)\s*$|{_MARKER}")

_TOKENS: Final = "words are spaCy's tokens"
_NO_SYMBOLS: Final = f"{_TOKENS}, those of symbols left out"
_WHITE_LINES: Final = "a line of white space is a line"
_FIRST_TOO: Final = "the first of equal lines counts too"
_TOP: Final = f"{_TOKENS}; length, spaces included, times count, once is enough; over the whole text"
_LATER: Final = f"{_TOKENS}; later occurrences only; over the whole text"
_ALL_COVERS: Final = "a character counts in each n-gram that covers it"

ROWS: Final = (
    *_rows(
        "quality",
        ("num_words", DATATROVE, _NO_SYMBOLS, "set", _NO_SYMBOL_WORD),
        ("num_words", DOLMA, "", "published"),
        ("mean_word_length", DATATROVE, _NO_SYMBOLS, "set", _NO_SYMBOL_WORD),
        ("mean_word_length", DOLMA, "the median"),
        ("hash_to_word_ratio", DATATROVE, _TOKENS, "set"),
        ("hash_to_word_ratio", DOLMA, "words with `#` or `…`, one bound for both", "published", _ONE_HASH),
        ("ellipsis_to_word_ratio", DATATROVE, _TOKENS, "set"),
        ("bullet_line_fraction", DATATROVE, "`•` and `-`; blank lines are lines", "published", _DATATROVE_BULLETS),
        ("bullet_line_fraction", DOLMA, "`*` and `-`, not indented", "published", _DOLMA_BULLETS),
        ("ellipsis_line_fraction", DATATROVE, "blank lines are lines", "published", _NO_BLANK_LINE),
        ("ellipsis_line_fraction", DOLMA, "`…` only, with nothing behind", "published", _DOLMA_ELLIPSES),
        ("alphabetic_word_fraction", DATATROVE, _TOKENS, "set"),
        ("alphabetic_word_fraction", DOLMA, "", "published"),
        ("num_stop_words", DATATROVE, f"{_TOKENS}; lower case only", "set", _LOWER_STOP_WORDS),
        ("num_stop_words", DOLMA, "each occurrence; lower case only"),
        (ALL, DATATROVE, "all of the above"),
        (ALL, DATATROVE, "set to words split at white space", "", None, "set"),
        (ALL, DOLMA, "all of the above"),
    ),
    *_rows(
        "repetition",
        ("duplicate_line_fraction", DATATROVE, _WHITE_LINES, "published", _NO_OUTER_LINE),
        ("duplicate_line_fraction", DOLMA, f"{_FIRST_TOO}; {_WHITE_LINES}"),
        ("duplicate_line_fraction", DOLMA, f"`gopher_v1`: {_FIRST_TOO}; blank lines are lines", "", None, "gopher_v1"),
        ("duplicate_paragraph_fraction", DATATROVE, _WHITE_LINES, "published", _NO_OUTER_SPACE),
        ("duplicate_line_char_fraction", DATATROVE, "over the whole text"),
        ("duplicate_line_char_fraction", DOLMA, f"{_FIRST_TOO}; over what is not white space"),
        ("duplicate_paragraph_char_fraction", DATATROVE, "over the whole text"),
        *(
            row
            for n in TOP_NGRAMS
            for row in (
                (f"top_{n}gram_char_fraction", DATATROVE, _TOP),
                (f"top_{n}gram_char_fraction", DOLMA, "length times count, once is enough"),
            )
        ),
        *(
            row
            for n in DUPLICATE_NGRAMS
            for row in (
                (f"duplicate_{n}gram_char_fraction", DATATROVE, _LATER),
                (f"duplicate_{n}gram_char_fraction", DOLMA, _ALL_COVERS),
            )
        ),
        (ALL, DATATROVE, "all of the above"),
        (ALL, DATATROVE, "set to words split at white space", "", None, "set"),
        (ALL, DOLMA, "all of the above; no paragraphs"),
    ),
    *_rows(
        "c4",
        (LINES, DATATROVE, "3 words; `'` ends a line, `”` does not; a marker is a word", "set", _SAME_ENDS),
        (UNMARKED_LINES, DOLMA, "`”` is no mark, `...` is; markers stay", "published", _DOLMA_ENDS),
        ("num_retained_sentences", DATATROVE, "5 of spaCy's, of its lines"),
        ("num_curly_brackets", DATATROVE, "in lines that the rules before leave"),
        ("num_curly_brackets", DOLMA, "", "published"),
        ("num_lorem_ipsum", DATATROVE, "in lines that the rules before leave"),
        ("num_lorem_ipsum", DOLMA, "", "published"),
        (ALL, DATATROVE, "all of the above"),
        (ALL, DATATROVE, "set to 5 words a line and 3 sentences", "", None, "set"),
    ),
    *_rows(
        "fineweb",
        ("terminal_line_fraction", DATATROVE, "no quotation marks, no white space behind", "set", _NO_SPACE_BEHIND),
        ("short_line_fraction", DATATROVE, "30 characters are short", "set"),
        ("duplicate_line_char_fraction", DATATROVE, "a bound of 0.01, not 0.1", "set", _NO_WHITE_LINE),
        ("newline_to_word_ratio", DATATROVE, _TOKENS, "set"),
        (ALL, DATATROVE, "all of the above"),
        (ALL, DATATROVE, "set as near to ours as it can be", "", None, "set"),
    ),
)
