"""A user's own fastText classifier, of quality or safety, over whole columns: the probability of one label."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from filters.fasttext_model import FastTextModel
from filters.language import clean

_ALL_CHARS: Final = 2**40


class Classifier:
    """The probability of one label. Not picklable: load one in each worker."""

    def __init__(self, path: str, label: str) -> None:
        """Load a model.

        Args:
            path: fastText model on the local disk, by softmax or hierarchical softmax.
            label: Without fastText's prefix ``__label__``.

        Raises:
            ValueError: The file is missing, no such model, or does not have the label.
        """
        self._model, self._label = FastTextModel(path), label
        if label not in self._model.labels:
            raise ValueError(f"{path} has no label {label!r}; it has {', '.join(self._model.labels)}")

    def probabilities(self, texts: pa.Array) -> pa.Array:
        """Judge texts, each as a whole and by itself.

        Args:
            texts: string or large_string [n], nulls allowed; cleaned by ``classifier_lines`` as in training.

        Returns:
            float32 [n] in (0, 1]; null where the text is null, empty, or has no word or n-gram that the model knows.
        """
        found = self._model.probabilities(classifier_lines(texts), self._label)
        return pa.array(found, mask=np.isnan(found))


def classifier_lines(texts: pa.Array) -> pa.Array:
    """Each text on one line, as a classifier is trained on it and reads it: words as they stand, single spaces between.

    Returns:
        large_string [n]; a null gives the empty string.
    """
    return clean(texts, _ALL_CHARS)
