import math

import numpy as np
import pyarrow as pa
import pytest

from filters.bounds import Bound, OneOf, decide


def reasons(values: list[float | None], *bounds: Bound) -> list[list[str]]:
    return decide(pa.RecordBatch.from_pydict({"signal": pa.array(values)}), bounds).to_pylist()


def test_both_ends_are_kept() -> None:
    bound = Bound("signal", low=0.1, high=0.3)
    values = [np.nextafter(0.1, 0), 0.1, 0.2, 0.3, np.nextafter(0.3, 1)]
    assert reasons(values, bound) == [["signal"], [], [], [], ["signal"]]


@pytest.mark.parametrize("edge", [0.65, 0.4, 0.8, 0.1])  # as a float32, 0.65 and 0.8 are below and above their doubles
def test_an_end_is_of_the_signals_type(edge: float) -> None:
    near = np.float32(edge)
    values = pa.array([np.nextafter(near, np.float32(0)), near, np.nextafter(near, np.float32(1))], pa.float32())
    signals = pa.RecordBatch.from_pydict({"language_score": values})
    assert decide(signals, [Bound("language_score", low=edge)]).to_pylist() == [["language_score"], [], []]
    assert decide(signals, [Bound("language_score", high=edge)]).to_pylist() == [[], [], ["language_score"]]


def test_counts_are_held_to_broken_ends() -> None:
    assert reasons([37, 38, 39], Bound("signal", low=37.5, high=38.5)) == [["signal"], [], ["signal"]]


def test_integers_are_compared_exactly() -> None:
    assert reasons([49, 50, 100_000, 100_001], Bound("signal", 50, 100_000)) == [["signal"], [], [], ["signal"]]


def test_null_fails_a_lower_end_only() -> None:
    assert reasons([None, 1.0], Bound("signal", low=0)) == [["signal"], []]
    assert reasons([None, 1.0], Bound("signal", high=2)) == [[], []]
    assert reasons([None, 1.0], Bound("signal", low=0, high=2)) == [["signal"], []]


def test_a_bound_without_ends_keeps_all() -> None:
    assert reasons([None, math.inf, -math.inf], Bound("signal")) == [[], [], []]


def test_nan_raises_whatever_the_bound() -> None:
    for bound in (Bound("signal", low=0), Bound("signal", high=0), Bound("signal")):
        with pytest.raises(ValueError, match="signal signal is NaN"):
            reasons([0.0, math.nan], bound)


def test_all_failing_bounds_are_named_in_the_order_of_the_bounds() -> None:
    signals = pa.RecordBatch.from_pydict(
        {"a": pa.array([0, 5, 0]), "b": pa.array([9.0, 1.0, 0.0]), "language": pa.array(["en", "de", None])}
    )
    bounds = [OneOf("language", ("en", "fr")), Bound("b", high=1), Bound("a", low=1)]
    decided = decide(signals, bounds)
    assert decided.type == pa.list_(pa.string())
    assert decided.to_pylist() == [["b", "a"], ["language"], ["language", "a"]]
    assert decide(signals, bounds[::-1]).to_pylist() == [["a", "b"], ["language"], ["a", "language"]]


def test_one_of_nothing_keeps_nothing() -> None:
    assert decide(pa.RecordBatch.from_pydict({"x": ["a", None]}), [OneOf("x", ())]).to_pylist() == [["x"], ["x"]]


def test_a_slice_is_decided_like_its_rows() -> None:
    signals = pa.RecordBatch.from_pydict({"x": pa.array([None, 1.0, 3.0, None, 1.0])})
    decided = decide(signals.slice(1, 3), [Bound("x", low=2)])
    assert decided.to_pylist() == [["x"], [], ["x"]]


def test_no_rows_and_no_bounds() -> None:
    signals = pa.RecordBatch.from_pydict({"x": pa.array([1.0, 2.0])})
    assert decide(signals, []).to_pylist() == [[], []]
    assert decide(signals.slice(0, 0), [Bound("x", low=2)]).to_pylist() == []
    assert decide(signals, []).type == pa.list_(pa.string())


def test_a_bound_without_its_signal_raises() -> None:
    with pytest.raises(ValueError, match="no signal is named 'num_word'; there are num_words"):
        decide(pa.RecordBatch.from_pydict({"num_words": [1]}), [Bound("num_word", low=2)])


@pytest.mark.parametrize(("low", "high"), [(2, 1), (math.nan, None), (None, math.nan), (0, math.nan)])
def test_a_range_that_holds_nothing_is_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(ValueError, match="low must not be above high"):
        Bound("x", low, high)


def test_an_end_may_equal_the_other() -> None:
    assert reasons([1, 2, 3], Bound("signal", 2, 2)) == [["signal"], [], ["signal"]]
