"""Gopher's repetition rules: what they measure, and the published bounds.

Source: Rae et al. 2021 (arXiv:2112.11446), A.1.1 "Repetition Removal" and Table A1; applied to MassiveWeb only. The
paper leaves open which occurrences count and over what. Our readings, and those of datatrove, DCLM, the Dolma tagger,
NeMo Curator and RedPajama-V2 where they differ, stand at ``repetition_signals``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.hash_tables import most_entries, same_bytes, table_size
from filters.ngrams import DUPLICATE_NGRAMS, TOP_NGRAMS, repeated_ngrams
from filters.signals import ratio_or_null
from filters.text import TextScan
from filters.utf8 import Bytes, Hashes, Places, Positions

REPETITION_BOUNDS: Final = (
    Bound("duplicate_line_fraction", high=0.30),
    Bound("duplicate_paragraph_fraction", high=0.30),
    Bound("duplicate_line_char_fraction", high=0.20),
    Bound("duplicate_paragraph_char_fraction", high=0.20),
    Bound("top_2gram_char_fraction", high=0.20),
    Bound("top_3gram_char_fraction", high=0.18),
    Bound("top_4gram_char_fraction", high=0.16),
    Bound("duplicate_5gram_char_fraction", high=0.15),
    Bound("duplicate_6gram_char_fraction", high=0.14),
    Bound("duplicate_7gram_char_fraction", high=0.13),
    Bound("duplicate_8gram_char_fraction", high=0.12),
    Bound("duplicate_9gram_char_fraction", high=0.11),
    Bound("duplicate_10gram_char_fraction", high=0.10),
)


def repetition_signals(scan: TextScan) -> pa.RecordBatch:
    """Measure how much a document repeats itself.

    Words, lines, paragraphs and characters are those of ``filters.text``. Two of them are equal when their bytes are:
    equal hashes are confirmed, so no collision enters a measurement.

    - ``duplicate_line_fraction``, ``duplicate_paragraph_fraction``: extra occurrences (all but the first of equal
      ones) over all. NeMo Curator the same; datatrove too, but for lines of white space, which count there, and an
      empty line at either end of the text. DCLM and Dolma count the first one as well, Dolma also blank lines.
    - ``duplicate_line_char_fraction``, ``duplicate_paragraph_char_fraction``: characters of the extra occurrences over
      those of all lines (paragraphs). datatrove divides by the whole text, Dolma by what is not white space.
    - ``top_2gram_char_fraction`` to ``4``: characters of the words that the most frequent n-gram covers, each word
      once, over the characters of all words. An n-gram that occurs once is no repetition: 0. Of equally frequent ones
      the one that covers most counts. DCLM, Dolma and RedPajama-V2: length times count over the characters of all
      words; datatrove: the same with spaces between words, over the whole text; NeMo Curator: what deleting the
      n-gram takes from the whole text. datatrove, DCLM and Dolma take an n-gram that occurs once.
    - ``duplicate_5gram_char_fraction`` to ``10``: characters of the words covered by all n-grams that occur twice or
      more, first occurrences included, each word once, over the characters of all words: "overlapping characters
      counted once". DCLM and RedPajama-V2 the same; datatrove and NeMo Curator leave first occurrences out and
      divide by the whole text; Dolma counts a character as often as an n-gram covers it, over the same sum of all
      n-grams.

    Returns:
        One row a document, all columns float64 in 0 to 1; null for a document that is empty or null.
    """
    lines = _duplicate_segments(
        scan.data, scan.line_offsets, scan.line_starts, scan.line_ends, scan.line_chars, scan.line_hashes
    )
    paragraphs = _duplicate_segments(
        scan.data,
        scan.paragraph_offsets,
        scan.paragraph_starts,
        scan.paragraph_ends,
        scan.paragraph_chars,
        scan.paragraph_hashes,
    )
    word_chars, ngram_chars = repeated_ngrams(
        scan.data, scan.word_offsets, scan.word_starts, scan.word_ends, scan.word_chars, scan.word_hashes
    )
    columns = {
        "duplicate_line_fraction": ratio_or_null(lines.extra, np.diff(scan.line_offsets)),
        "duplicate_paragraph_fraction": ratio_or_null(paragraphs.extra, np.diff(scan.paragraph_offsets)),
        "duplicate_line_char_fraction": ratio_or_null(lines.extra_chars, lines.chars),
        "duplicate_paragraph_char_fraction": ratio_or_null(paragraphs.extra_chars, paragraphs.chars),
    }
    for n in TOP_NGRAMS:
        columns[f"top_{n}gram_char_fraction"] = ratio_or_null(ngram_chars[:, n], word_chars)
    for n in DUPLICATE_NGRAMS:
        columns[f"duplicate_{n}gram_char_fraction"] = ratio_or_null(ngram_chars[:, n], word_chars)
    return pa.RecordBatch.from_pydict(columns)


class _Duplicates(NamedTuple):
    """Of each document: extra occurrences, their characters, and the characters of all segments."""

    extra: Positions
    extra_chars: Positions
    chars: Positions


_NONE: Final = -1


@njit(cache=True, nogil=True)
def _duplicate_segments(
    data: Bytes, offsets: Positions, starts: Places, ends: Places, chars: Places, hashes: Hashes
) -> _Duplicates:
    """Count the lines or paragraphs that have occurred before in their document."""
    extra = np.zeros(len(offsets) - 1, np.int64)
    extra_chars = np.zeros(len(extra), np.int64)
    all_chars = np.zeros(len(extra), np.int64)
    slots = np.empty(table_size(most_entries(offsets)), np.int32)  # hash -> the segment that had it first
    for doc in range(len(extra)):
        size = table_size(offsets[doc + 1] - offsets[doc])
        slots[:size] = _NONE
        for segment in range(offsets[doc], offsets[doc + 1]):
            all_chars[doc] += chars[segment]
            slot = hashes[segment] & np.uint64(size - 1)
            first = slots[slot]
            while first != _NONE and not (
                hashes[first] == hashes[segment]
                and same_bytes(data, starts[first], ends[first], starts[segment], ends[segment])
            ):
                slot = (slot + np.uint64(1)) & np.uint64(size - 1)
                first = slots[slot]
            if first == _NONE:
                slots[slot] = segment
            else:
                extra[doc] += 1
                extra_chars[doc] += chars[segment]
    return _Duplicates(extra, extra_chars, all_chars)
