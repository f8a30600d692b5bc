"""Language identification with a fastText model.

The default model is lid.176.ftz (176 languages, 938 kB). Without a threshold it calls many rare languages English; on
texts of document length a score of 0.65 or more hardly ever does. The bound stands in the recipe, not here.
"""

from __future__ import annotations

from typing import Final

import fasttext
import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from filters.text import REPLACEMENT, decode
from filters.unicode_tables import WHITE_SPACE, unicode_tables

_LABEL_PREFIX: Final = "__label__"
_SPACE: Final = 0x20


class LanguageModel:
    """A fastText language classifier over whole columns. Not picklable: load one in each worker."""

    def __init__(self, path: str) -> None:
        """Load a model.

        Args:
            path: fastText model on the local disk, as ``pipeline.assets`` gives for ``lid.176.ftz``.

        Raises:
            ValueError: The file is missing or not a fastText model.
        """
        self._model = fasttext.load_model(path)  # silent in fasttext-community; other builds warn on stderr

    def predict(self, texts: pa.Array, max_chars: int = 3_000) -> tuple[pa.Array, pa.Array]:
        """Name the language of each text.

        White space, control characters and fastText's word for the end of a line, ``</s>``, behind which it would read
        nothing, become single spaces. A text's result depends on this text alone.

        Args:
            texts: string or large_string [n], nulls allowed.
            max_chars: Characters of the cleaned text that are read.

        Returns:
            Labels as string [n], such as ``en`` or ``pt``, and their probabilities as float32 [n] in (0, 1], both null
            where the text is null or has nothing left after cleaning.

        Raises:
            ValueError: ``max_chars`` is below 1.
        """
        if max_chars < 1:
            raise ValueError(f"max_chars must be at least 1; got {max_chars}")
        lines = clean(texts, max_chars).to_pylist()
        found = self._model.predict([line for line in lines if line])
        labels: list[str | None] = [None] * len(lines)
        scores: list[float | None] = [None] * len(lines)
        filled = (row for row, line in enumerate(lines) if line)
        for row, line_labels, line_scores in zip(filled, *found, strict=True):
            if line_labels:  # none when the model knows no word or character n-gram of the line
                labels[row] = line_labels[0].removeprefix(_LABEL_PREFIX)
                scores[row] = min(float(line_scores[0]), 1.0)  # fastText itself gives up to 1.0001
        return pa.array(labels, pa.string()), pa.array(scores, pa.float32())


def clean(texts: pa.Array, max_chars: int) -> pa.Array:
    """Put each text on one line of single spaces, cut after ``max_chars`` characters.

    Args:
        texts: string or large_string [n].
        max_chars: Characters that are kept, spaces included.

    Returns:
        large_string [n] without leading or trailing space; a null gives the empty string.
    """
    wide = texts.cast(pa.large_string()).fill_null("")
    _, offsets, data = wide.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[wide.offset : wide.offset + len(wide) + 1]
    source = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
    for array in (starts, source):
        array.flags.writeable = False  # one compiled form of the kernel, whether Arrow's buffers are mutable or not
    cleaned, cleaned_starts = _clean(source, starts, max_chars, unicode_tables().properties)
    buffers = [None, pa.py_buffer(cleaned_starts), pa.py_buffer(cleaned)]
    return pa.Array.from_buffers(pa.large_string(), len(wide), buffers)


@njit(cache=True, nogil=True)
def _clean(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], max_chars: int, properties: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    out = np.empty(offsets[-1] - offsets[0], np.uint8)  # cleaning never lengthens
    out_offsets = np.zeros(len(offsets), np.int64)
    write = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        num_chars, after_blank = 0, False
        while at < end and num_chars + after_blank < max_chars:
            size, is_blank = _next_unit(data, at, end, properties)
            if is_blank:
                after_blank = num_chars > 0
            else:
                if after_blank:
                    out[write] = _SPACE
                    write += 1
                for i in range(at, at + size):
                    out[write] = data[i]
                    write += 1
                num_chars += 1 + after_blank
                after_blank = False
            at += size
        out_offsets[row + 1] = write
    return out[:write], out_offsets


@njit(cache=True, nogil=True)
def _next_unit(data: NDArray[np.uint8], at: int, end: int, properties: NDArray[np.uint8]) -> tuple[int, bool]:
    """Bytes of the character or ``</s>`` at ``at``, and whether it counts as white space; broken UTF-8 does."""
    code_point, size = decode(data, at, end)
    if code_point == 0x3C and end - at >= 4 and data[at + 1] == 0x2F and data[at + 2] == 0x73 and data[at + 3] == 0x3E:
        return 4, True
    is_control = code_point < 0x20 or 0x7F <= code_point < 0xA0
    is_broken = code_point == REPLACEMENT and size == 1
    return size, is_control or is_broken or properties[code_point] & WHITE_SPACE != 0
