"""A fastText classifier over whole columns, in Numba: the same labels and scores as fastText's library, and faster.

All sums are in float32 and in fastText's order, and the exponential is our own, so that a score is the same on every
machine and within 1e-6 of fastText's.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.fasttext_file import read_fasttext
from filters.fasttext_labels import (
    best_of_all,
    best_of_tree,
    label_tree,
    path_to_root,
    probability_in_tree,
    probability_of_all,
)
from filters.fasttext_rows import Hidden, mean_rows, tables_of


class FastTextModel:
    """A classifier by softmax or hierarchical softmax. Read-only: threads may share it."""

    def __init__(self, path: str) -> None:
        """Load a model: for lid.176.ftz about 0.2 s, and 5 MB of memory.

        Raises:
            UnsupportedModelError: Another kind of fastText model, see ``read_fasttext``.
            ValueError: The file is missing, no fastText model, or damaged.
        """
        file = read_fasttext(path)
        self.labels = file.labels
        self._tables = tables_of(file)
        self._input, self._output = file.input, file.output
        kept = file.bucket_rows[file.bucket_rows >= 0]
        if (np.diff(kept, prepend=file.num_words - 1) != 1).any():  # the kernel counts rows in the order of buckets
            self._input = np.concatenate((file.input[: file.num_words], file.input[kept]))
        self._children = label_tree(file.counts) if file.is_hierarchical else np.empty((0, 2), np.int32)

    def best_labels(self, lines: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Name the likeliest label of each line.

        Args:
            lines: large_string [n] without nulls: words with single spaces between, and no ``</s>``.

        Returns:
            Index into ``labels``, -1 where the model knows no word and no n-gram of the line; and the label's
            probability in (0, 1], NaN there. Like fastText's own figure it is up to 1e-5 too high, a level of the tree.
        """
        hidden, known = self._hidden(lines)
        best: tuple[NDArray[np.int32], NDArray[np.float32]] = (
            best_of_tree(hidden, known, self._output, self._children)
            if len(self._children)
            else best_of_all(hidden, known, self._output)
        )
        return best

    def probabilities(self, lines: pa.Array, label: str) -> NDArray[np.float32]:
        """Probability of one label for each line, in (0, 1]; NaN where ``best_labels`` gives -1.

        Raises:
            ValueError: The model has no such label.
        """
        if label not in self.labels:
            raise ValueError(f"the model has no label {label!r}; it has {', '.join(self.labels[:20])}")
        hidden, known = self._hidden(lines)
        index = self.labels.index(label)
        found: NDArray[np.float32] = (
            probability_in_tree(hidden, known, self._output, path_to_root(self._children, index))
            if len(self._children)
            else probability_of_all(hidden, known, self._output, index)
        )
        return found

    def _hidden(self, lines: pa.Array) -> tuple[Hidden, NDArray[np.bool_]]:
        """The hidden layer of each line, float32 [n, dim], and whether anything of it is known."""
        _, offsets, data = lines.buffers()
        starts = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
        source = np.frombuffer(data, np.int8) if data else np.empty(0, np.int8)
        for array in (starts, source):
            array.flags.writeable = False  # one compiled form of the kernel
        hidden = np.zeros((len(lines), self._input.shape[1]), np.float32)
        return hidden, mean_rows(source, starts, self._tables, self._input, hidden)
