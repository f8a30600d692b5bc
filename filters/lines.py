"""The kernels that find lines and paragraphs between the words. What these are, ``filters.text`` says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from filters import reused
from filters.hashing import FNV_BASIS, hash_end, hash_step
from filters.utf8 import NEWLINE, Bytes, Flags, Hashes, Places, Positions
from filters.words import Words


class Segments(NamedTuple):
    """Lines or paragraphs."""

    starts: Places
    ends: Places
    chars: Places
    hashes: Hashes

    @classmethod
    def empty(cls, size: int) -> Segments:
        """Memory for ``size`` of them."""
        return cls._make(reused.empty(size, kind) for kind in (np.int32, np.int32, np.int32, np.uint64))

    def first(self, size: int) -> Segments:
        """The first ``size`` of them."""
        return type(self)._make(column[:size] for column in self)


@njit(cache=True, nogil=True)
def find_lines(
    data: Bytes,
    doc_offsets: Positions,
    valid: Flags,
    word_offsets: Positions,
    words: Words,
    lines: Segments,
) -> tuple[Positions, Places]:
    """Fill ``lines``; return the documents' first lines and the lines' first words (one more than lines).

    Goes from word to word and looks only at the white space between. A line's hash takes in its words' hashes and its
    white space byte by byte.
    """
    line_offsets = np.zeros(len(doc_offsets), np.int64)
    line_words = np.empty(len(lines.starts) + 1, np.int32)
    count = 0
    for doc in range(len(valid)):
        first, last = word_offsets[doc], word_offsets[doc + 1]
        position, end = doc_offsets[doc], doc_offsets[doc + 1]
        start, chars, state, is_blank = position, 0, FNV_BASIS, True
        if first == last:
            position = end
        for word in range(first, last + 1):
            gap_end = words.starts[word] if word < last else end
            while position < gap_end:
                byte = data[position]
                if byte != NEWLINE:
                    state = hash_step(state, np.uint64(byte))
                    chars += byte & 0xC0 != 0x80  # white space is UTF-8: not the bytes that continue a character
                else:
                    if not is_blank:
                        lines.ends[count], lines.chars[count], lines.hashes[count] = position, chars, hash_end(state)
                        count += 1
                    start, chars, state, is_blank = position + 1, 0, FNV_BASIS, True
                position += 1
            if word < last:
                if is_blank:
                    lines.starts[count], line_words[count] = start, word
                    is_blank = False
                state = hash_step(state, words.hashes[word])
                chars += words.chars[word]
                position = words.ends[word]
        if not is_blank:
            lines.ends[count], lines.chars[count], lines.hashes[count] = end, chars, hash_end(state)
            count += 1
        line_offsets[doc + 1] = count
    line_words[count] = word_offsets[-1]
    return line_offsets, line_words[: count + 1]


@njit(cache=True, nogil=True)
def join_lines(line_offsets: Positions, lines: Segments, paragraphs: Segments) -> Positions:
    r"""Fill ``paragraphs``; return the documents' first paragraphs.

    Two lines belong together when a single ``\n`` stands between them: any blank line makes the gap longer.
    """
    paragraph_offsets = np.zeros(len(line_offsets), np.int64)
    count = 0
    for doc in range(len(line_offsets) - 1):
        state = FNV_BASIS
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            if line > line_offsets[doc] and lines.starts[line] == lines.ends[line - 1] + 1:
                count -= 1
                paragraphs.chars[count] += lines.chars[line] + 1
            else:
                state = FNV_BASIS
                paragraphs.starts[count] = lines.starts[line]
                paragraphs.chars[count] = lines.chars[line]
            state = hash_step(state, lines.hashes[line])
            paragraphs.ends[count] = lines.ends[line]
            paragraphs.hashes[count] = hash_end(state)
            count += 1
        paragraph_offsets[doc + 1] = count
    return paragraph_offsets
