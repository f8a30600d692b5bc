"""Gopher's quality rules: what they measure, and the published bounds.

Source: Rae et al. 2021 (arXiv:2112.11446), A.1.1 "Quality Filtering"; applied to MassiveWeb only. The paper names no
tokenizer, bullets, marks of an ellipsis, or case. Our readings, and those of datatrove, DCLM, the Dolma tagger and NeMo
Curator where they differ, stand at ``quality_signals``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from filters.bounds import Bound
from filters.hashing import BLOCK_BYTES
from filters.signals import count_or_null, ratio_or_null
from filters.text import TextScan
from filters.unaligned import LANES, between, low_bytes, read_bytes, trailing_zeros
from filters.uncounted import uncounted
from filters.utf8 import Bytes, Flags, Places, Positions, decode

STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")

# Asterisk, hyphen, and the dots, circles, squares and triangles that lists are set with; no dash, which opens dialogue.
BULLETS: Final = "*-•‣\u2043⁌⁍∙·○●◘◦⦾⦿■□▪▫▶►▸◆◇"

QUALITY_BOUNDS: Final = (
    Bound("num_words", low=50, high=100_000),
    Bound("mean_word_length", low=3, high=10),
    Bound("hash_to_word_ratio", high=0.1),
    Bound("ellipsis_to_word_ratio", high=0.1),
    Bound("bullet_line_fraction", high=0.9),
    Bound("ellipsis_line_fraction", high=0.3),
    Bound("alphabetic_word_fraction", low=0.8),
    Bound("num_stop_words", low=2),
)


def quality_signals(scan: TextScan) -> pa.RecordBatch:
    """Measure what Gopher's quality rules look at.

    Words, lines and characters are those of ``filters.text``. Beside each signal stands what the paper leaves open and
    how other code reads it:

    - ``num_words``: int64. datatrove leaves out words of symbols only.
    - ``mean_word_length``: characters a word, punctuation included, over all words. datatrove: over the words that are
      not symbols; Dolma: the median.
    - ``hash_to_word_ratio``: the ``#`` in the text, wherever they stand, a word. The paper bounds each symbol by
      itself; DCLM and Dolma add ``#`` and ellipses up, NeMo Curator asks for words that are mostly ``#``. datatrove:
      the same marks, over its tokens.
    - ``ellipsis_to_word_ratio``: the ``...`` and ``…`` in the text a word; six dots are two, five are one. datatrove
      the same marks, over its tokens; DCLM counts ``. . .`` too, Dolma words with ``…`` only.
    - ``bullet_line_fraction``: lines whose first character after white space is one of ``BULLETS``. datatrove: ``•``
      and ``-``; DCLM: ``●``, ``•``, ``*``, ``-``; Dolma: ``*``, ``-``, unindented. datatrove and Dolma count blank
      lines as lines.
    - ``ellipsis_line_fraction``: lines that end with ``...`` or ``…``, white space after it aside. datatrove counts
      blank lines; Dolma: ``…`` only, with nothing behind it.
    - ``alphabetic_word_fraction``: words with at least one letter (general category L or Nl). Dolma the same.
      datatrove: tokens, of which punctuation marks are some, so that 875 of 1,847 documents fail there and not here
      (``PEERS.md``).
    - ``num_stop_words``: int64, 0 to 8: how many of ``STOP_WORDS`` occur as a word at least once. "At least two of the
      following English words" is taken as two different ones, as by datatrove; DCLM, Dolma and NeMo Curator count
      occurrences. ASCII case is ignored, as by DCLM: ``The`` is the same English word. Punctuation is not:
      ``that,`` is another word. datatrove and Dolma know lower case only; to datatrove ``that,`` is ``that``.

    Returns:
        One row a document, float64 where no type is named. An empty document has counts of 0 and null ratios, a null
        one has nulls.
    """
    num_words, num_lines = scan.num_words, np.diff(scan.line_offsets)
    word_chars, alphabetic, stop_words = _measure_words(
        scan.data, scan.word_offsets, scan.word_starts, scan.word_ends, scan.word_chars, scan.word_is_alphabetic
    )
    hashes, ellipses = _count_symbols(scan.data, scan.doc_offsets, scan.valid)
    bullet_lines, ellipsis_lines = _measure_lines(
        scan.data, scan.line_offsets, scan.line_words, scan.word_starts, scan.word_ends
    )
    return pa.RecordBatch.from_pydict(
        {
            "num_words": count_or_null(num_words, scan.valid),
            "mean_word_length": ratio_or_null(word_chars, num_words),
            "hash_to_word_ratio": ratio_or_null(hashes, num_words),
            "ellipsis_to_word_ratio": ratio_or_null(ellipses, num_words),
            "bullet_line_fraction": ratio_or_null(bullet_lines, num_lines),
            "ellipsis_line_fraction": ratio_or_null(ellipsis_lines, num_lines),
            "alphabetic_word_fraction": ratio_or_null(alphabetic, num_words),
            "num_stop_words": count_or_null(stop_words, scan.valid),
        }
    )


_SPACES: Final = np.uint64(0x2020202020202020)
_DOT: Final = ord(".")
_HASH: Final = ord("#")
_BULLETS: Final = tuple(ord(bullet) for bullet in BULLETS)
_ASCII_BULLETS: Final = tuple(bullet for bullet in _BULLETS if bullet < 0x80)
# A word of at most four bytes as one number, its first byte lowest.
_STOP_WORDS: Final = tuple(np.uint64(int.from_bytes(word.encode(), "little")) for word in STOP_WORDS)


@njit(cache=True, nogil=True)
def _measure_words(
    data: Bytes,
    word_offsets: Positions,
    word_starts: Places,
    word_ends: Places,
    word_chars: Places,
    word_is_alphabetic: Flags,
) -> tuple[Positions, Positions, Positions]:
    """Each document's sum of word lengths, number of words with a letter, and number of different stop words."""
    data = uncounted(data)
    chars = np.zeros(len(word_offsets) - 1, np.int64)
    alphabetic = np.zeros(len(chars), np.int64)
    stop_words = np.zeros(len(chars), np.int64)
    for doc in range(len(chars)):
        seen, num_chars, num_alphabetic = 0, 0, 0
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            num_chars += word_chars[word]
            num_alphabetic += word_is_alphabetic[word]
            size = word_ends[word] - word_starts[word]
            seen |= _stop_word_bit(data, word_starts[word], min(size, BLOCK_BYTES))
        chars[doc], alphabetic[doc] = num_chars, num_alphabetic
        for i in range(len(_STOP_WORDS)):
            stop_words[doc] += seen >> i & 1
    return chars, alphabetic, stop_words


@njit(cache=True, nogil=True, forceinline=True)
def _stop_word_bit(data: Bytes, start: int, size: int) -> int:
    """Bit i for the i-th stop word, 0 for another word; of its first 1 to 8 bytes, without branches."""
    # Setting bit 5 makes A to Z lower case, no other byte a letter, and none 0, as those behind a stop word are.
    packed = read_bytes(data, start, size) | _SPACES & low_bytes(size)
    bit = 0
    for i, stop_word in enumerate(_STOP_WORDS):
        bit |= (packed == stop_word) << i
    return bit


@njit(cache=True, nogil=True)
def _is_ellipsis(data: Bytes, position: int) -> bool:
    """Whether ``...`` or ``…`` (three bytes as well) is at ``position``, three bytes before the end at least."""
    first, second, third = data[position], data[position + 1], data[position + 2]
    is_dots = first == _DOT and second == _DOT and third == _DOT
    return is_dots or bool(first == 0xE2 and second == 0x80 and third == 0xA6)


@njit(cache=True, nogil=True)
def _count_symbols(data: Bytes, doc_offsets: Positions, valid: Flags) -> tuple[Positions, Positions]:
    """Each document's number of ``#``, and of ellipses that do not overlap, from the left."""
    data = uncounted(data)
    hashes = np.zeros(len(valid), np.int64)
    ellipses = np.zeros(len(valid), np.int64)
    for doc in range(len(valid)):
        position, end = doc_offsets[doc], doc_offsets[doc + 1] if valid[doc] else doc_offsets[doc]
        while position < end:
            position = _skip_to_symbol(data, position, end)
            if data[position] == _HASH:
                hashes[doc] += 1
            elif position + 3 <= end and _is_ellipsis(data, position):
                ellipses[doc] += 1
                position += 2
            position += 1
    return hashes, ellipses


@njit(cache=True, nogil=True, forceinline=True)
def _skip_to_symbol(data: Bytes, position: int, end: int) -> int:
    """Pass blocks of bytes without a symbol; there may be none at the place returned, which is before ``end``."""
    while position + LANES <= end:
        dots = between(data, position, _DOT, _DOT)
        found = dots & (dots >> np.uint64(1)) & (dots >> np.uint64(2))
        second, third = between(data, position, 0x80, 0x80), between(data, position, 0xA6, 0xA6)
        found |= between(data, position, 0xE2, 0xE2) & (second >> np.uint64(1)) & (third >> np.uint64(2))
        found |= between(data, position, _HASH, _HASH)
        if found:
            return int(position + trailing_zeros(found))
        position += LANES - 2  # an ellipsis may begin in the last two bytes
    return position


@njit(cache=True, nogil=True)
def _measure_lines(
    data: Bytes, line_offsets: Positions, line_words: Places, word_starts: Places, word_ends: Places
) -> tuple[Positions, Positions]:
    """Each document's numbers of lines whose first word starts with a bullet, and whose last ends with an ellipsis."""
    data = uncounted(data)
    bullets = np.zeros(len(line_offsets) - 1, np.int64)
    ellipses = np.zeros(len(bullets), np.int64)
    for doc in range(len(bullets)):
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            first, last = line_words[line], line_words[line + 1] - 1
            start = word_starts[first]
            if data[start] >= 0x80:
                bullets[doc] += decode(data, start, word_ends[first])[0] in _BULLETS
            else:
                bullets[doc] += data[start] in _ASCII_BULLETS
            if word_ends[last] - word_starts[last] >= 3:
                ellipses[doc] += _is_ellipsis(data, word_ends[last] - 3)
    return bullets, ellipses
