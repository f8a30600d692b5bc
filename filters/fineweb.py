r"""FineWeb's rules: what they measure, and the published bounds.

Source: Penedo et al. 2024 (arXiv:2406.17557), section 3.6 "Developing additional heuristic filters", and the code that
made FineWeb (datatrove, ``FineWebQualityFilter``). Where they differ the paper's words hold; our readings stand at
``FINEWEB_BOUNDS`` and ``fineweb_signals``. FineWeb's pages have also passed Gopher's rules and those of C4 but for the
terminal marks (``filters.c4``, ``terminal_marks=False``).

All sets decide by the text as extracted, before C4's edits take lines out of it; the code that made FineWeb measures
these signals after them. Of 867 web pages that Gopher's, C4's and these rules keep, 26 fail a bound of Gopher's once
those lines are gone, 19 of them that of 50 words.

Of 1,847 documents (technical prose, literature, news, web pages; ``PEERS.md``) datatrove 0.10.1 decides 134
differently, its bound on duplicate characters set to the paper's 0.1 (with its own 0.01, 389), by what fails there or
here first:

- 82 we keep and it drops by line ends: 57 for white space behind them (all lines of a page that end in ``. ``), the
  others for quotation marks
- 48 it keeps and we drop by newlines a word: 65 newlines and 191 words of a class's documentation, 0.34, are fewer than
  0.3 where ``getOrientation()`` is three words
- 4 we keep and it drops for lines of exactly 30 characters
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.signals import ratio_or_null
from filters.text import TextScan
from filters.utf8 import NEWLINE, Bytes, Flags, Places, Positions, decode

# The paper drops what is on an edge ("<= 0.12", ">= 0.1", ">= 0.67"), the code keeps it; a Bound keeps it.
# duplicate_line_char_fraction is Gopher's signal, with 0.2; datatrove has 0.01, a tenth of the paper's bound.
# newline_to_word_ratio is in the code only ("list_ratio").
FINEWEB_BOUNDS: Final = (
    Bound("terminal_line_fraction", low=0.12),
    Bound("short_line_fraction", high=0.67),
    Bound("duplicate_line_char_fraction", high=0.1),
    Bound("newline_to_word_ratio", high=0.3),
)

SHORT_LINE_CHARS: Final = 30

# The property Sentence_Terminal (PropList.txt) of Unicode 15.0, the version of filters.unicode_tables: first and last
# code point of each run.
SENTENCE_TERMINAL: Final = """
    21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 1803
    1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C
    2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52
    FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143
    111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642
    1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5
    16B37-16B38 16B44 16E98 1BC9F 1DA88
"""
END_QUOTATION_MARKS: Final = "\"'”\u2019"


def fineweb_signals(scan: TextScan) -> pa.RecordBatch:
    r"""Measure what FineWeb's rules look at, but for ``duplicate_line_char_fraction`` (``filters.repetition``).

    Lines, words and characters are those of ``filters.text``: blank lines count for nothing but ``\n``.

    - ``terminal_line_fraction``: lines whose last character, white space aside, is one of ``SENTENCE_TERMINAL`` or
      ``END_QUOTATION_MARKS``, over all lines. "Lines ending with punctuation" is taken as what ends a sentence, since
      the paper names the rule after C4's. The code that made FineWeb had ``. ! ? " '``; today's datatrove has the
      sentence ends of all scripts (five Khmer marks more than Unicode 15.0 has) and no quotation marks. Both want the
      line to end in no white space.
    - ``short_line_fraction``: lines of fewer than ``SHORT_LINE_CHARS`` characters, indentation included, over all
      lines. "Shorter than 30 characters"; the code takes 30 as well.
    - ``newline_to_word_ratio``: the ``\n`` in the text, those of blank lines and at its ends too, a word. The code
      divides by the words of a tokenizer, for which punctuation is words: a third more in those documents.

    Returns:
        One row a document, all columns float64; null for a document without words.
    """
    num_lines, num_words = np.diff(scan.line_offsets), scan.num_words
    terminal, short = _measure_lines(
        scan.data, scan.line_offsets, scan.line_words, scan.line_chars, scan.word_starts, scan.word_ends, _END_MARKS
    )
    newlines = _count_newlines(scan.data, scan.doc_offsets, scan.valid)
    return pa.RecordBatch.from_pydict(
        {
            "terminal_line_fraction": ratio_or_null(terminal, num_lines),
            "short_line_fraction": ratio_or_null(short, num_lines),
            "newline_to_word_ratio": ratio_or_null(newlines, num_words),
        }
    )


def _end_marks() -> npt.NDArray[np.int64]:
    """Code points, sorted."""
    found = {ord(mark) for mark in END_QUOTATION_MARKS}
    for run in SENTENCE_TERMINAL.split():
        first, _, last = run.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return np.array(sorted(found), np.int64)


_END_MARKS: Final = _end_marks()


@njit(cache=True, nogil=True)
def _measure_lines(
    data: Bytes,
    line_offsets: Positions,
    line_words: Places,
    line_chars: Places,
    word_starts: Places,
    word_ends: Places,
    end_marks: npt.NDArray[np.int64],
) -> tuple[Positions, Positions]:
    """Each document's numbers of lines that end in a mark, and of short ones."""
    terminal = np.zeros(len(line_offsets) - 1, np.int64)
    short = np.zeros(len(terminal), np.int64)
    for doc in range(len(terminal)):
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            last = line_words[line + 1] - 1
            code_point = _last_character(data, word_starts[last], word_ends[last])
            found = np.searchsorted(end_marks, code_point)
            terminal[doc] += found < len(end_marks) and end_marks[found] == code_point
            short[doc] += line_chars[line] < SHORT_LINE_CHARS
    return terminal, short


@njit(cache=True, nogil=True)
def _last_character(data: Bytes, start: int, end: int) -> int:
    """The code point that ends a word."""
    position = end - 1
    while position > start and position > end - 4 and data[position] & 0xC0 == 0x80:
        position -= 1
    code_point, size = decode(data, position, end)
    return int(code_point) if position + size == end else 0xFFFD


@njit(cache=True, nogil=True)
def _count_newlines(data: Bytes, doc_offsets: Positions, valid: Flags) -> Positions:
    newlines = np.zeros(len(valid), np.int64)
    for doc in range(len(valid)):
        if valid[doc]:
            for byte in data[doc_offsets[doc] : doc_offsets[doc + 1]]:
                newlines[doc] += byte == NEWLINE
    return newlines
