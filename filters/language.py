"""Language identification, and the cleaning of text that goes before it.

The default model is fastText's lid.176.ftz (176 languages, 938 kB). Without a threshold it calls many rare languages
English; on texts of document length a score of 0.65 or more hardly ever does. ``filters.language_heliport`` is the
stronger detector. The bounds stand in the recipe, not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from filters.fasttext_file import LABEL_PREFIX, UnsupportedModelError
from filters.fasttext_model import FastTextModel
from filters.text import TextScan
from filters.unicode_tables import WHITE_SPACE, unicode_tables
from filters.utf8 import REPLACEMENT, decode

_SPACE, _LESS = 0x20, 0x3C
_PLAIN_FROM: Final = np.array([0xA0, 0x80, 0x82, 0x81] + [0x80] * 12, np.uint8)  # for first bytes 0xE0 to 0xEF


class LanguageDetector(ABC):
    """Names the language of each text of a column."""

    @abstractmethod
    def identify(self, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Name the language of each cleaned text, as ``predict`` does.

        Args:
            lines: large_string [n] from ``clean``.
        """

    def predict(self, texts: pa.Array, max_chars: int = 3_000) -> tuple[pa.Array, pa.Array]:
        """Name the language of each text.

        White space, control characters and fastText's word for the end of a line, ``</s>``, behind which it would read
        nothing, become single spaces. A text's result depends on this text alone.

        Args:
            texts: string or large_string [n], nulls allowed.
            max_chars: Characters of the cleaned text that are read. Of 7,107 longer documents, most of them technical,
                the whole text gives 9 another label than 3,000 characters do, and puts 209 on the other side of a score
                of 0.65 (``make bench``).

        Returns:
            Labels as string [n], such as ``en`` or ``pt``, and the detector's scores as float32 [n] in (0, 1], null
            both where the text is null, has nothing left after cleaning, or nothing that the detector knows.

        Raises:
            ValueError: ``max_chars`` is below 1.
        """
        return self.identify(clean(texts, max_chars))


class LanguageModel(LanguageDetector):
    """A fastText language classifier; its score is the label's probability. Not picklable: load one in each worker."""

    def __init__(self, path: str) -> None:
        """Load a model.

        Args:
            path: fastText model on the local disk, as ``pipeline.assets`` gives for ``lid.176.ftz``.

        Raises:
            ValueError: The file is missing or no fastText classifier.
        """
        self._model: FastTextModel | _LibraryModel
        try:
            self._model = FastTextModel(path)
        except UnsupportedModelError:
            self._model = _LibraryModel(path)
        self._labels = pa.array(self._model.labels, pa.string())

    def identify(self, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
        """See ``LanguageDetector``; fastText's own figures, which reach 1.0001, are cut at 1."""
        best, scores = self._model.best_labels(lines)
        return self._labels.take(pa.array(best, mask=best < 0)), pa.array(scores, mask=best < 0)


class _LibraryModel:
    """A model of a kind that only fastText's library reads, one text at a time."""

    def __init__(self, path: str) -> None:
        import fasttext  # not needed for the default model

        self._model = fasttext.load_model(path)  # silent in fasttext-community; other builds warn on stderr
        self._names = list(self._model.get_labels())
        self.labels = tuple(name.removeprefix(LABEL_PREFIX) for name in self._names)

    def best_labels(self, lines: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """As ``FastTextModel.best_labels``."""
        best, scores = np.full(len(lines), -1, np.int32), np.full(len(lines), np.nan, np.float32)
        for row, line in enumerate(lines.to_pylist()):
            names, probabilities = self._model.predict(line)
            if line and names:  # none when the model knows no word or character n-gram of the line
                best[row], scores[row] = self._names.index(names[0]), min(float(probabilities[0]), 1.0)
        return best, scores


def paragraph_language_fraction(
    scan: TextScan, languages: pa.Array, detector: LanguageDetector, max_chars: int = 3_000
) -> pa.Array:
    """Measure how much of each document is in the language that the whole of it is in.

    Detectors are often wrong about a few words, so that headings and short list items lower the fraction of documents
    in one language too.

    Args:
        scan: Of n documents.
        languages: string [n], what the detector named each whole document; null where it named none.
        detector: Names the language of each paragraph.
        max_chars: Characters of a paragraph that are read.

    Returns:
        float64 [n], 0 to 1: characters of the paragraphs whose language is the document's, of the characters of all its
        paragraphs; null where the document's language is.
    """
    starts, ends = scan.paragraph_starts.astype(np.int64), scan.paragraph_ends.astype(np.int64)
    lines = clean_spans(scan.data, starts, ends, max_chars)
    found, _ = detector.identify(lines)
    rows = np.repeat(np.arange(scan.num_documents), np.diff(scan.paragraph_offsets))
    codes = pa.chunked_array([languages, found]).dictionary_encode().combine_chunks().indices.fill_null(-1).to_numpy()
    of_document, of_paragraph = codes[: len(languages)], codes[len(languages) :]
    is_same = (of_paragraph == of_document[rows]) & (of_paragraph >= 0)
    chars = np.bincount(rows, scan.paragraph_chars, scan.num_documents)
    same_chars = np.bincount(rows[is_same], scan.paragraph_chars[is_same], scan.num_documents)
    has_none = of_document < 0
    return pa.array(np.divide(same_chars, chars, out=np.zeros(len(chars)), where=~has_none), mask=has_none)


def clean(texts: pa.Array, max_chars: int) -> pa.Array:
    """Put each text on one line of single spaces, cut after ``max_chars`` characters.

    Args:
        texts: string or large_string [n].
        max_chars: Characters that are kept, spaces included.

    Returns:
        large_string [n] without leading or trailing space; a null gives the empty string.

    Raises:
        ValueError: ``max_chars`` is below 1.
    """
    wide = texts.cast(pa.large_string()).fill_null("")
    _, offsets, data = wide.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[wide.offset : wide.offset + len(wide) + 1]
    source = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
    return clean_spans(source, bounds[:-1], bounds[1:], max_chars)


def clean_spans(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], max_chars: int
) -> pa.Array:
    """Clean stretches of one buffer, as ``clean`` does with texts.

    Args:
        data: UTF-8 text.
        starts: int64 [n], where each stretch begins.
        ends: int64 [n], where it ends.
        max_chars: Characters that are kept of each.

    Returns:
        large_string [n].

    Raises:
        ValueError: ``max_chars`` is below 1.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars must be at least 1; got {max_chars}")
    data, starts, ends = data.view(), starts.view(), ends.view()
    for flags in (data.flags, starts.flags, ends.flags):
        flags.writeable = False  # one compiled form of the kernel, whether Arrow's buffers are mutable or not
    cleaned, cleaned_starts = _clean(data, starts, ends, max_chars, unicode_tables().properties)
    buffers = [None, pa.py_buffer(cleaned_starts), pa.py_buffer(cleaned)]
    return pa.Array.from_buffers(pa.large_string(), len(starts), buffers)


@njit(cache=True, nogil=True)
def _clean(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    max_chars: int,
    properties: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    size = 0
    for row in range(len(starts)):
        size += min(ends[row] - starts[row], 4 * max_chars)
    out = np.empty(size, np.uint8)  # cleaning never lengthens
    out_offsets = np.zeros(len(starts) + 1, np.int64)
    write = 0
    for row in range(len(starts)):
        at, end, first = starts[row], ends[row], write
        num_chars, after_blank = 0, True  # no space leads
        while at < end and num_chars < max_chars:
            byte = data[at]
            if _SPACE < byte < 0x7F and byte != _LESS:  # most bytes of most texts: no closer look
                out[write] = byte
                size, is_blank = 1, False
            elif byte == _SPACE:
                size, is_blank = 1, True
            else:
                size, is_blank = _plain_size(data, at, end), False
                if size == 0:
                    size, is_blank = _next_unit(data, at, end, properties)
                for i in range(0 if is_blank else size):
                    out[write + i] = data[at + i]
            if is_blank:
                out[write] = _SPACE
                write += not after_blank
                num_chars += not after_blank
            else:
                write += size
                num_chars += 1
            after_blank = is_blank
            at += size
        if write > first and out[write - 1] == _SPACE:
            write -= 1
        out_offsets[row + 1] = write
    return out[:write], out_offsets


@njit(cache=True, nogil=True, forceinline=True)
def _plain_size(data: NDArray[np.uint8], at: int, end: int) -> int:
    """Bytes of a character of two or three that is neither white space nor a control nor broken; 0 = look closer.

    Such are all of two from U+00C0 on, and of three those whose second byte is beyond ``_PLAIN_FROM``: in U+0800 to
    U+FFFF white space is U+1680 (E1 9A 80), some of U+2000 to U+205F (E2 80, E2 81) and U+3000 (E3 80 80).
    """
    lead = data[at]
    if lead < 0xC3 or lead >= 0xF0 or at + 3 > end:
        return 0
    second = data[at + 1]
    if lead < 0xE0:
        return 2 if second & 0xC0 == 0x80 else 0
    is_plain = _PLAIN_FROM[lead & 0xF] <= second < 0xC0 and data[at + 2] & 0xC0 == 0x80
    is_other = (lead == 0xE1 and second == 0x9A) or (lead == 0xED and second >= 0xA0)  # a surrogate
    return 3 if is_plain and not is_other else 0


@njit(cache=True, nogil=True)
def _next_unit(data: NDArray[np.uint8], at: int, end: int, properties: NDArray[np.uint8]) -> tuple[int, bool]:
    """Bytes of the character or ``</s>`` at ``at``, and whether it counts as white space; broken UTF-8 does."""
    code_point, size = decode(data, at, end)
    if code_point == 0x3C and end - at >= 4 and data[at + 1] == 0x2F and data[at + 2] == 0x73 and data[at + 3] == 0x3E:
        return 4, True
    is_control = code_point < 0x20 or 0x7F <= code_point < 0xA0
    is_broken = code_point == REPLACEMENT and size == 1
    return size, is_control or is_broken or properties[code_point] & WHITE_SPACE != 0
