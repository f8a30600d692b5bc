"""Columns of signals: how counts become Arrow arrays, and what is null."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.signedinteger[Any]]


def count_or_null(counts: Integers, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Make an int64 column of counts, null where the document is null (``valid`` is False)."""
    return pa.array(counts.astype(np.int64), mask=~valid)


def ratio_or_null(numerators: Integers, denominators: Integers) -> pa.Array:
    """Divide two columns of counts, of at most 2**53.

    Returns:
        float64 array, null where the denominator is 0: in an empty document, which has nothing to measure. Each value
        is the double nearest to the ratio, so that 3 of 10 is the double that ``0.3`` is, and not above it.
    """
    is_empty = denominators == 0
    return pa.array(numerators / np.where(is_empty, 1, denominators), mask=is_empty)
