r"""C4's rules: what they take from a page, what they measure, and the published bounds.

Source: Raffel et al. 2020 (arXiv:1910.10683, JMLR 21:140), section 2.2, and the code that made C4 (TensorFlow Datasets,
``text/c4_utils.py``). Where they differ the paper's words hold, where the paper is silent the code does. Our readings,
and those of datatrove's ``C4QualityFilter`` and Dolma's ``c4_v1`` and ``c4_v2``, stand at ``c4_signals``.

Not here: the list of bad words, one of which drops a page (``filters.content`` has our answer); duplicate spans of
three sentences and langdetect, which other stages stand for. The rules are for English and its marks are ASCII's: text
whose sentences end with ``。`` loses every line.

Of 1,847 documents (technical prose, literature, news, web pages; ``PEERS.md``) datatrove 0.10.1 decides 236 differently
when set to the same 5 words and 3 sentences (with its own 3 and 5, 286):

- 234 it keeps and we drop for a ``{`` in a line that an earlier rule has taken, such as ``stts | {"1 => 5": 1.0}`` of
  a manual's table; two of these have too few sentences as well, since we keep no line that ends in ``'``
- 1 more it keeps and we drop for too few sentences
- 1 we keep and it drops: each dot of ``. . .`` ends a sentence for us

Of the 1,414 that both keep, 1,299 have the same text afterwards; nearly all others differ only in lines that end in
``”`` or ``'``. C4's own documents lose nothing here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.c4_lines import (
    BLANK,
    CITATION,
    FEW_WORDS,
    JAVASCRIPT,
    LONG_WORD,
    NO_TERMINAL_MARK,
    POLICY,
    Edits,
    Line,
    kind_names,
    read_line,
    take,
)
from filters.signals import count_or_null
from filters.text import TextScan
from filters.unicode_tables import unicode_tables
from filters.utf8 import NEWLINE, Bytes, Flags, Places, Positions

C4_BOUNDS: Final = (
    Bound("num_retained_sentences", low=3),
    Bound("num_curly_brackets", high=0),
    Bound("num_lorem_ipsum", high=0),
)

MIN_LINE_WORDS: Final = 5
MAX_WORD_CHARS: Final = 1_000

# A document's edits, in order and apart: bytes of its UTF-8 from start up to stop go.
C4_EDITS_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int32(), nullable=False),
            pa.field("stop", pa.int32(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),  # one of C4_EDIT_KINDS
        ]
    )
)


def c4_signals(scan: TextScan, terminal_marks: bool = True) -> pa.RecordBatch:
    r"""Find what C4's rules take from each document, and measure what decides about the whole of it.

    A line is looked at without its citation markers: ``[1]``, ``[]``, ``[edit]``, ``[citation needed]``. It goes, and
    is counted under the first kind that holds (the code's order), when it

    - ``c4_blank_line``: is of white space only, which ends in no mark. datatrove counts these with the next but one.
    - ``c4_long_word``: has a word of more than ``MAX_WORD_CHARS`` characters, markers included. In the code only.
    - ``c4_no_terminal_mark``: does not end in ``.``, ``!``, ``?`` or an end quotation mark, white space aside. That
      is ``"``, or ``”``, which the paper's words name and extractors keep; the code and Dolma know ``"`` only,
      datatrove has ``'`` too. ``...`` is no period (the code and datatrove; not Dolma), ``…`` is none anywhere. White
      space that a marker leaves behind is no end either: ``so. [2]`` ends in a period, but not by the code.
    - ``c4_few_words``: has fewer than ``MIN_LINE_WORDS`` words of ``filters.text``. Five by the paper's last version
      and the code; three by its first, datatrove and Dolma. To datatrove a marker is a word.
    - ``c4_javascript``, ``c4_policy``: holds ``javascript``, or one of ``terms of use``, ``privacy policy``, ``cookie
      policy``, ``uses cookies``, ``use of cookies``, ``use cookies``, in any ASCII case, also within words and before
      markers are taken out. Dolma marks the page, not the line, ``c4_v1`` for ``javascript`` as a whole word.

    Markers go from the lines that stay, as ``c4_citation``. What stays of a line is as it was, indentation included;
    the code strips it. Lines end at ``\n`` alone; the code and datatrove also cut at ``\r``, form feeds and the like.
    The edited text is the lines that stay, joined by ``\n``; none is blank.

    - ``c4_edits``: ``C4_EDITS_TYPE``.
    - ``num_retained_sentences``: int64, in the lines that stay. A sentence ends at a word that ends, closing quotation
      marks and brackets aside, in ``.``, ``!``, ``?`` but not ``...``; and at the end of each line. The paper does not
      say what a sentence is; the code has NLTK's Punkt, datatrove spaCy's sentencizer, which know abbreviations: ``Mr.
      Smith left.`` is two for us. Three by the paper's last version and the code, five by its first and datatrove.
    - ``num_curly_brackets``: int64, ``{`` in the whole text: "any pages that contained a curly bracket". The code and
      datatrove look at the lines only that have passed the rules before.
    - ``num_lorem_ipsum``: int64, ``lorem ipsum`` in any ASCII case in the whole text; the code and datatrove as above.

    Args:
        scan: n documents.
        terminal_marks: False keeps lines without a terminal mark, as FineWeb does: the rule alone takes 30% of the
            tokens (Penedo et al. 2024, arXiv:2406.17557, section 3.5).

    Returns:
        One row a document; an empty one has counts of 0 and no edits, a null one has nulls.
    """
    edits, pages = _read_documents(
        scan.data,
        scan.doc_offsets,
        scan.valid,
        scan.line_offsets,
        scan.line_starts,
        scan.line_ends,
        scan.line_words,
        scan.word_chars,
        unicode_tables().properties,
        terminal_marks,
    )
    return pa.RecordBatch.from_pydict(
        {
            "num_retained_sentences": count_or_null(pages.sentences, scan.valid),
            "num_curly_brackets": count_or_null(pages.curly_brackets, scan.valid),
            "num_lorem_ipsum": count_or_null(pages.lorem_ipsum, scan.valid),
            "c4_edits": _as_lists(edits, pages.edit_offsets, scan.valid),
        }
    )


class _Pages(NamedTuple):
    """By document: its first edit (one more than documents), and what is measured."""

    edit_offsets: npt.NDArray[np.int32]
    sentences: Positions
    curly_brackets: Positions
    lorem_ipsum: Positions


def _as_lists(edits: Edits, offsets: npt.NDArray[np.int32], valid: Flags) -> pa.Array:
    columns = [pa.array(edits.starts), pa.array(edits.stops), kind_names(edits.kinds)]
    values = pa.StructArray.from_arrays(columns, fields=list(C4_EDITS_TYPE.value_type))
    mask = None if valid.all() else pa.array(~valid)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=C4_EDITS_TYPE, mask=mask)


@njit(cache=True, nogil=True)
def _read_documents(
    data: Bytes,
    doc_offsets: Positions,
    valid: Flags,
    line_offsets: Positions,
    line_starts: Places,
    line_ends: Places,
    line_words: Places,
    word_chars: Places,
    properties: npt.NDArray[np.uint8],
    terminal_marks: bool,
) -> tuple[Edits, _Pages]:
    most = _most_edits(data, doc_offsets)
    edits = Edits(np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int8))
    num_docs, count = len(valid), 0
    pages = _Pages(
        np.zeros(num_docs + 1, np.int32),
        np.zeros(num_docs, np.int64),
        np.zeros(num_docs, np.int64),
        np.zeros(num_docs, np.int64),
    )
    for doc in range(num_docs):
        origin, end = doc_offsets[doc], doc_offsets[doc + 1] if valid[doc] else doc_offsets[doc]
        position, kept_to = origin, -1  # kept_to: the first edit behind the last line that stays
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            count = _take_blank_lines(data, position, line_starts[line], origin, edits, count)
            start, stop = line_starts[line], line_ends[line]
            read = read_line(data, start, stop, origin, properties, edits, count)
            pages.curly_brackets[doc] += read.curly_brackets
            pages.lorem_ipsum[doc] += read.lorem_ipsum
            has_long_word = _has_long_word(word_chars, line_words[line], line_words[line + 1])
            kind = _kind_of(read, has_long_word, terminal_marks)
            if kind == CITATION:
                count += read.citations
                kept_to = count
                pages.sentences[doc] += read.sentences
            else:
                take(edits, count, start - origin, min(stop + 1, end) - origin, kind)
                count += 1
            position = stop + 1
        count = _take_blank_lines(data, position, end, origin, edits, count)
        if kept_to >= 0:
            _take_line_end_before(data, origin, edits, kept_to, count)
        pages.edit_offsets[doc + 1] = count
    return Edits(edits.starts[:count], edits.stops[:count], edits.kinds[:count]), pages


@njit(cache=True, nogil=True)
def _most_edits(data: Bytes, doc_offsets: Positions) -> int:
    """No fewer than there are: a line ends in a newline or with its document, a marker begins with a bracket."""
    most = len(doc_offsets)
    for byte in data[doc_offsets[0] : doc_offsets[-1]]:
        most += (byte == NEWLINE) | (byte == 0x5B)
    return most


@njit(cache=True, nogil=True)
def _take_blank_lines(data: Bytes, position: int, end: int, origin: int, edits: Edits, count: int) -> int:
    """Take the lines, all blank, from ``position`` up to ``end``; return the number of edits."""
    start = position
    while position < end:
        position += 1
        if data[position - 1] == NEWLINE or position == end:
            take(edits, count, start - origin, position - origin, BLANK)
            start = position
            count += 1
    return count


@njit(cache=True, nogil=True)
def _take_line_end_before(data: Bytes, origin: int, edits: Edits, first: int, last: int) -> None:
    r"""Behind the last line that stays, take each line with the ``\n`` before it in place of its own."""
    for edit in range(first, last):
        edits.starts[edit] -= 1
        edits.stops[edit] -= data[origin + edits.stops[edit] - 1] == NEWLINE


@njit(cache=True, nogil=True)
def _has_long_word(word_chars: npt.NDArray[np.int32], first: int, last: int) -> bool:
    for chars in word_chars[first:last]:  # noqa: SIM110 (Numba has no any() of a generator)
        if chars > MAX_WORD_CHARS:
            return True
    return False


@njit(cache=True, nogil=True)
def _kind_of(line: Line, has_long_word: bool, terminal_marks: bool) -> int:
    """For what a line goes; ``CITATION`` when it stays."""
    if has_long_word:
        return LONG_WORD
    if terminal_marks and not line.is_terminal:
        return NO_TERMINAL_MARK
    if line.words < MIN_LINE_WORDS:
        return FEW_WORDS
    if line.has_javascript:
        return JAVASCRIPT
    return POLICY if line.has_policy else CITATION
