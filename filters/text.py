r"""One scan of a column of text: the only definition of word, line, paragraph and n-gram.

All rules and MinHash read the arrays of a ``TextScan``; none of them splits text again.

- A **word** is a maximal run of characters without Unicode White_Space, as it stands. Scripts without spaces between
  words (Chinese, Japanese, Thai) have long words: a sentence or a phrase each. The published bounds are meant for
  English, and language identification drops such text before they count.
- A **line** ends at ``\n`` or at the document's end. A line of white space only is blank and counts for nothing.
  A line's characters are all between the two ``\n``, indentation and a trailing ``\r`` included.
- A **paragraph** is a maximal run of lines with no blank line between; the ``\n`` between its lines belong to it.
- An **n-gram** is n neighbouring words of a document; it crosses lines and paragraphs, never documents.
- A **character** is a code point.

The paper does not say what a word is. datatrove takes words from a language's tokenizer, DCLM from uniseg without
punctuation; Dolma and NeMo Curator split at white space as we do.

Hashes are those of ``filters.hashing``. The repetition rules confirm equal hashes by comparing bytes; MinHash and
contamination rest on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from filters.lines import Segments, find_lines, join_lines
from filters.unicode_tables import unicode_tables
from filters.utf8 import NEWLINE, Bytes, Flags, Hashes, Places, Positions
from filters.words import Words, find_words


@dataclass(frozen=True)
class TextScan:
    r"""Where the words, lines and paragraphs of n documents are, and their hashes.

    Positions are byte positions in ``data``, ends are exclusive. The words of document ``d`` have the indexes
    ``word_offsets[d]`` up to ``word_offsets[d + 1]``; lines and paragraphs likewise. A null document has none of them.

    Attributes:
        data: uint8 [num_bytes], the documents' part of the Arrow array's buffer.
        doc_offsets: int64 [n + 1], where each document starts in ``data``. A null's bytes may be anything.
        valid: bool [n], False for a null document.
        num_chars: int64 [n], code points, white space included.
        word_offsets: int64 [n + 1], index of each document's first word.
        word_starts: int32 [num_words].
        word_ends: int32 [num_words].
        word_chars: int32 [num_words], code points.
        word_is_alphabetic: bool [num_words], True with at least one alphabetic character.
        word_hashes: uint64 [num_words], hash of the word's bytes.
        shingle_hashes: uint64 [num_words], hash of the word's UTF-8 in simple lower case without punctuation and
            symbols, the word's own where that is the same; 0 when nothing is left.
        line_offsets: int64 [n + 1], index of each document's first line; blank lines are left out.
        line_starts: int32 [num_lines].
        line_ends: int32 [num_lines], the position of the ``\n``, or the document's end.
        line_words: int32 [num_lines + 1], index of each line's first word; lines have one word at least.
        line_chars: int32 [num_lines], code points, white space included.
        line_hashes: uint64 [num_lines].
        paragraph_offsets: int64 [n + 1], index of each document's first paragraph.
        paragraph_starts: int32 [num_paragraphs].
        paragraph_ends: int32 [num_paragraphs].
        paragraph_chars: int32 [num_paragraphs], code points, the ``\n`` between its lines included.
        paragraph_hashes: uint64 [num_paragraphs].
    """

    data: Bytes
    doc_offsets: Positions
    valid: Flags
    num_chars: Positions
    word_offsets: Positions
    word_starts: Places
    word_ends: Places
    word_chars: Places
    word_is_alphabetic: Flags
    word_hashes: Hashes
    shingle_hashes: Hashes
    line_offsets: Positions
    line_starts: Places
    line_ends: Places
    line_words: Places
    line_chars: Places
    line_hashes: Hashes
    paragraph_offsets: Positions
    paragraph_starts: Places
    paragraph_ends: Places
    paragraph_chars: Places
    paragraph_hashes: Hashes

    @property
    def num_documents(self) -> int:
        """Number of documents, nulls included."""
        return len(self.valid)

    @property
    def num_words(self) -> Positions:
        """Words of each document, int64 [n]; 0 for a null."""
        return np.diff(self.word_offsets)


def scan(texts: pa.Array) -> TextScan:
    r"""Find the words, lines and paragraphs of a column of documents.

    Args:
        texts: Array of ``string`` or ``large_string``; nulls, empty texts and slices are fine. Bytes that are not UTF-8
            count as one U+FFFD each.

    Returns:
        The scan. It keeps the array's buffer alive and does not copy it; beside it, prose takes about 30 bytes a word.
        No text takes more than 27 bytes a byte (``a\n`` again and again does), and no long one more than 45 at any
        time until all signals of ``filters.rule_sets`` and C4's edits are there. A text of less than 2 MB may take 53.

    Raises:
        TypeError: ``texts`` has another type.
        ValueError: The texts are 2 GiB or larger together.
    """
    data, doc_offsets, valid = text_buffers(texts)
    data, doc_offsets = data[doc_offsets[0] : doc_offsets[-1]], doc_offsets - doc_offsets[0]
    if len(data) >= 2**31:
        raise ValueError("the texts of a scan must be smaller than 2 GiB together; scan fewer at once")
    tables = unicode_tables()
    max_words, max_lines = _count_breaks(data)
    words = Words.empty(max_words + len(valid))
    word_offsets, num_chars = find_words(data, doc_offsets, valid, tables.properties, tables.lower, words)
    words = words.first(word_offsets[-1])
    lines = Segments.empty(max_lines + len(valid))
    line_offsets, line_words = find_lines(data, doc_offsets, valid, word_offsets, words, lines)
    lines = lines.first(line_offsets[-1])
    paragraphs = Segments.empty(len(lines.starts))
    paragraph_offsets = join_lines(line_offsets, lines, paragraphs)
    return TextScan(
        data, doc_offsets, valid, num_chars,
        word_offsets, *words,
        line_offsets, lines.starts, lines.ends, line_words, lines.chars, lines.hashes,
        paragraph_offsets, *paragraphs.first(paragraph_offsets[-1]),
    )  # fmt: skip


def text_buffers(texts: pa.Array) -> tuple[Bytes, Positions, Flags]:
    """The array's bytes, int64 offsets into them, and which rows are not null."""
    if pa.types.is_string(texts.type):
        offset_type: type[np.signedinteger[Any]] = np.int32
    elif pa.types.is_large_string(texts.type):
        offset_type = np.int64
    else:
        raise TypeError(f"texts must be an array of string or large_string; got {texts.type}")
    _, offsets, values = texts.buffers()
    if offsets is None or not len(texts):
        doc_offsets = np.zeros(len(texts) + 1, np.int64)
    else:
        window = np.frombuffer(offsets, offset_type)[texts.offset : texts.offset + len(texts) + 1]
        doc_offsets = window.astype(np.int64)
    if len(texts) and np.diff(doc_offsets).max() >= 2**31:
        raise ValueError("a document must be smaller than 2 GiB; cut it before the scan")
    data = np.frombuffer(values, np.uint8) if values is not None else np.empty(0, np.uint8)
    data.flags.writeable = False  # one compiled form of each kernel, whether Arrow's buffer is mutable or not
    return data, doc_offsets, texts.is_valid().to_numpy(zero_copy_only=False)


@njit(cache=True, nogil=True)
def _count_breaks(data: Bytes) -> tuple[int, int]:
    """Bounds for the number of words and lines: bytes that may begin white space, and newlines.

    Unicode's white space begins with a byte up to 0x20, C2 85, C2 A0, E1 9A, E2 80, E2 81 or E3 80.
    """
    white, newlines = 0, 0
    lead = np.uint8(0)
    for byte in data:
        white += byte <= 0x20
        newlines += byte == NEWLINE
        if byte >= 0x80 and lead >= 0xC2:
            white += (lead == 0xC2) & ((byte == 0x85) | (byte == 0xA0))
            white += ((lead == 0xE1) & (byte == 0x9A)) | ((lead == 0xE3) & (byte == 0x80))
            white += (lead == 0xE2) & ((byte == 0x80) | (byte == 0x81))
        lead = byte
    return white, newlines
