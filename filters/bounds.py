"""Decide: signals and bounds in, the names of the failing bounds out.

A bound's name is the signal's, and the reason for which a document is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Bound:
    """The range of a numeric signal that is kept, both ends included.

    An end is rounded to the column's type where that is a float: of a float32 signal, the float32 nearest to 0.65 is at
    the end 0.65, though it is below the double.

    Attributes:
        name: The signal's column.
        low: Smallest value kept; None = no lower end. A null signal fails a bound that has one.
        high: Largest value kept; None = no upper end. A null signal passes a bound that has only this.

    Raises:
        ValueError: An end is NaN, or ``low`` is above ``high``.
    """

    name: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse a range that no value can be in."""
        ends = [end for end in (self.low, self.high) if end is not None]
        if any(math.isnan(end) for end in ends) or ends != sorted(ends):
            raise ValueError(f"bound {self.name}: low must not be above high; got low={self.low}, high={self.high}")


@dataclass(frozen=True)
class OneOf:
    """The values of a signal that are kept, such as the languages of a corpus; a null signal fails.

    Attributes:
        name: The signal's column.
        values: Values kept.
    """

    name: str
    values: tuple[str, ...]


def decide(signals: pa.RecordBatch, bounds: Sequence[Bound | OneOf]) -> pa.Array:
    """Name the bounds that each document fails.

    Args:
        signals: One row a document. Columns without a bound are not looked at.
        bounds: What to hold them against.

    Returns:
        ``list<string>`` array, one row a document: the names of all failing bounds in the order of ``bounds``. An empty
        list keeps the document; no row is null.

    Raises:
        ValueError: A bound names no column, or a signal is NaN, which no kernel of ours yields.
    """
    failed = np.zeros((signals.num_rows, len(bounds)), np.bool_)
    for i, bound in enumerate(bounds):
        failed[:, i] = _fails(_column(signals, bound.name), bound)
    names = pa.array([bound.name for bound in bounds], pa.string())
    offsets = np.zeros(signals.num_rows + 1, np.int32)
    np.cumsum(failed.sum(axis=1), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(np.nonzero(failed)[1])))


def _column(signals: pa.RecordBatch, name: str) -> pa.Array:
    if name not in signals.schema.names:
        raise ValueError(f"no signal is named {name!r}; there are {', '.join(signals.schema.names)}")
    return signals.column(name)


def _fails(column: pa.Array, bound: Bound | OneOf) -> npt.NDArray[np.bool_]:
    if isinstance(bound, OneOf):
        return ~_as_numpy(pc.is_in(column, pa.array(bound.values, column.type)))
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        raise ValueError(f"signal {bound.name} is NaN in a row; a signal that cannot be measured is null")
    fails = np.zeros(len(column), np.bool_)
    if bound.low is not None:
        fails |= _as_numpy(pc.fill_null(pc.less(column, _end(bound.low, column.type)), True))
    if bound.high is not None:
        fails |= _as_numpy(pc.fill_null(pc.greater(column, _end(bound.high, column.type)), False))
    return fails


def _end(value: float, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(value, kind if pa.types.is_floating(kind) else pa.float64())  # counts may be held to 37.5


def _as_numpy(column: pa.Array) -> npt.NDArray[np.bool_]:
    values: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return values
