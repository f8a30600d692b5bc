"""A signal's distribution in a finished run, what its bound and others would drop, and documents about the bound.

Reads the signals, and of the documents only those that it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.bounds import Bound
from filters.rule_sets import TABLES
from pipeline import storage
from pipeline.config import Recipe, RecipeError
from pipeline.documents import document_shards, read_side_table
from pipeline.filter_rules import rules_of
from pipeline.find import read_documents_at
from pipeline.finished import FinishedStage, finished_stage, finished_stages, read_run
from pipeline.manifest import ShardTask
from pipeline.parquet_files import read_schema

QUANTILES: Final = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
FACTORS: Final = (0.5, 0.75, 1.25, 1.5, 2.0)  # of an end of the bound, for the alternatives
SHARES: Final = (0.01, 0.05, 0.1, 0.25)  # to drop, for the alternatives where there is no bound to begin from
NUM_BINS: Final = 20
NUM_SHOWN: Final = 5  # documents on each side of an end

Values = npt.NDArray[np.floating[Any]]
_Ends = list[tuple[float | None, float | None]]


@dataclass(frozen=True)
class _Candidate:
    """A document near an end of its subset's bound."""

    end: str  # low or high
    side: str  # kept or dropped
    distance: float
    id: bytes
    value: float
    task: ShardTask
    row: int

    @property
    def nearest_first(self) -> tuple[float, bytes]:
        return self.distance, self.id


def explore_signal(out: str, signal: str, subset: str | None = None) -> dict[str, Any]:
    """Describe how a signal is distributed and what bounds on it do.

    Args:
        out: Output folder of a run whose signals are finished; 8 bytes of memory a document.
        signal: A column of numbers of the signals' table.
        subset: Only this one; None = all, apart.

    Returns:
        Plain data, that JSON can hold:

        - ``signal``
        - ``subsets``: for each the number of ``documents`` and of ``null`` ones; ``quantiles``, by linear
          interpolation, none without values; ``applies``, whether the recipe holds the documents to the present bound;
          ``bounds``: ``low``, ``high``, ``dropped`` (a share, None without documents), ``is_present`` (the recipe's, or
          else the published one; the others are alternatives); ``dropped_alone``, the share that the present bound
          drops and no other rule would, None while nothing is filtered; ``histogram``: ``edges``, one more than
          ``counts``, none without values; the first and last bin hold what is beyond as well.
        - ``documents``: of each subset the nearest on each side of each end of its present bound, by distance and id,
          their text as the filter edited it; ``other_reasons``, for which the filter drops them whatever this bound
          does. Of a subset that the recipe does not hold to the bound there are none, unless it is asked for; ``side``
          is then what the bound would do.

    Raises:
        RecipeError: No signals are finished, the signal is none of theirs or no number, or the subset is none.
    """
    stage = finished_stage(out, "signals")
    shards = document_shards(stage.manifest, "signals")
    subsets = list(dict.fromkeys(task.subset for task in shards))
    if subset is not None and subset not in subsets:
        raise RecipeError(f"no subset is named {subset!r}; there are {', '.join(subsets)}")
    shards = [task for task in shards if subset in (None, task.subset)]
    if not shards:
        raise RecipeError(f"{out} has no document")
    _check_signal(stage, shards, signal)
    recipe = Recipe.model_validate(read_run(out)["recipe"])
    bounds = {name: _present_bound(recipe, name, signal) for name in subsets if subset in (None, name)}
    shown = {name: bound for name, (bound, applies) in bounds.items() if applies or subset}
    values: dict[str, list[Values]] = {name: [] for name in bounds}
    nearest: list[_Candidate] = []
    filtered = finished_stages(out).get("filter")
    alone = dict.fromkeys(bounds, 0)
    for task in shards:
        alone[task.subset] += _num_alone(filtered, task, signal) if filtered else 0
        table = read_side_table(stage.folder, task, "signals", ["id", signal])
        column = _as_floats(table[signal].combine_chunks())
        values[task.subset].append(column)
        bound = shown.get(task.subset)
        nearest = _nearest([*nearest, *_candidates(task, table["id"].combine_chunks(), column, bound)])
    whole = {name: np.concatenate(parts) for name, parts in values.items()}
    described = {
        name: _describe(column, *bounds[name], _is_share(signal), alone[name] if filtered else None)
        for name, column in whole.items()
    }
    return {"signal": signal, "subsets": described, "documents": list(_shown(out, signal, nearest, subsets))}


def _num_alone(filtered: FinishedStage, task: ShardTask, signal: str) -> int:
    """Documents of a shard that fail the bound on a signal and nothing else."""
    reasons = read_side_table(filtered.folder, task, "verdicts", ["reasons"])["reasons"].combine_chunks()
    single = reasons.filter(pc.equal(pc.list_value_length(reasons), 1)).flatten()
    return pc.sum(pc.equal(single, signal)).as_py() or 0


def _check_signal(stage: FinishedStage, shards: list[ShardTask], signal: str) -> None:
    schema = read_schema(storage.join(stage.folder, shards[0].file("signals")))
    numbers = [f.name for f in schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]
    if signal not in numbers:
        raise RecipeError(f"no signal of numbers is named {signal!r}; there are {', '.join(numbers)}")


def _present_bound(recipe: Recipe, subset: str, signal: str) -> tuple[Bound | None, bool]:
    """The bound that decides about the subset, else the published one; and which of both it is."""
    for rule in rules_of(recipe, subset):
        if rule.name == signal and isinstance(rule, Bound):
            return rule, True
    published = (bound for bounds in TABLES.values() for bound in bounds if bound.name == signal)
    return next(published, None), False


def _as_floats(column: pa.Array) -> Values:
    """NaN for null, which no signal is; float32 stays, which NumPy compares with an end as ``filters.bounds`` does."""
    kind = column.type if pa.types.is_floating(column.type) else pa.float64()
    floats: Values = column.cast(kind).to_numpy(zero_copy_only=False)
    return floats


def _is_share(signal: str) -> bool:
    """Whether no value is above 1."""
    return signal.endswith(("_fraction", "_score")) or signal.startswith("classifier_")


def _describe(
    values: Values, bound: Bound | None, applies: bool, is_share: bool, num_alone: int | None = None
) -> dict[str, Any]:
    measured = values[~np.isnan(values)].astype(np.float64)
    found = np.quantile(measured, QUANTILES).tolist() if len(measured) else []
    present: _Ends = [] if bound is None else [(bound.low, bound.high)]
    others = _alternatives(bound, measured)
    rows = [*present, *(ends for ends in others if not is_share or max(end for end in ends if end is not None) <= 1)]
    return {
        "documents": len(values),
        "null": len(values) - len(measured),
        "quantiles": {f"{share:g}": value for share, value in zip(QUANTILES, found, strict=False)},
        "applies": applies,
        "dropped_alone": num_alone / len(values) if applies and num_alone is not None and len(values) else None,
        "bounds": [
            {"low": low, "high": high, "dropped": _dropped(values, low, high), "is_present": number < len(present)}
            for number, (low, high) in enumerate(rows)
        ],
        "histogram": _histogram(measured, present),
    }


def _histogram(measured: Values, present: _Ends) -> dict[str, list[Any]]:
    if not len(measured):
        return {"edges": [], "counts": []}
    edges = _parted(_bin_edges(measured), measured, present)
    return {"edges": edges, "counts": np.histogram(np.clip(measured, edges[0], edges[-1]), edges)[0].tolist()}


def _parted(edges: list[float], measured: Values, present: _Ends) -> list[float]:
    """Bins parted where the present bound has an end: what is kept and what is dropped have bars of their own.

    Values right at a high end, which are kept, stand in the bar that begins there.
    """
    first, last = float(measured.min()), float(measured.max())
    for end in (float(end) for ends in present for end in ends if end is not None):
        if first < end <= last:
            outermost = {first} if end <= edges[0] else {last} if end >= edges[-1] else set()
            edges = sorted({*edges, end, *outermost})
    return edges


def _alternatives(bound: Bound | None, measured: Values) -> Iterator[tuple[float | None, float | None]]:
    """One end changed at a time: by a factor, or so that it alone drops a share."""
    ends = ("low", "high") if bound is None else [end for end in ("low", "high") if getattr(bound, end) is not None]
    low, high = (None, None) if bound is None else (bound.low, bound.high)
    for end in ends:
        start = None if bound is None else getattr(bound, end)
        if start:
            changed = [float(f"{start * factor:.6g}") for factor in FACTORS]
        elif len(measured):
            shares = SHARES if end == "low" else [1 - share for share in SHARES]
            changed = sorted({float(f"{value:.6g}") for value in np.quantile(measured, shares)} - {start})
        else:
            changed = []
        for value in changed:
            pair = (value, high) if end == "low" else (low, value)
            if pair[0] is None or pair[1] is None or pair[0] <= pair[1]:
                yield pair


def _dropped(values: Values, low: float | None, high: float | None) -> float | None:
    """The share outside, as ``filters.bounds.decide`` has it: a null is below a low end."""
    fails = np.zeros(len(values), bool)
    if low is not None:
        fails |= ~(values >= low)
    if high is not None:
        fails |= values > high
    return float(fails.mean()) if len(values) else None


def _bin_edges(measured: Values) -> list[float]:
    """Of bins of one width; an outlier in two hundred does not stretch them. Few different integers get one each."""
    first, last = (float(end) for end in np.quantile(measured, (0.005, 0.995), method="inverted_cdf"))
    if (measured == np.floor(measured)).all() and last - first < NUM_BINS and measured.max() - last < NUM_BINS:
        return [float(edge) for edge in np.arange(first, measured.max() + 2)]
    return [float(edge) for edge in np.linspace(first, last if last > first else first + 1, NUM_BINS + 1)]


def _candidates(task: ShardTask, ids: pa.Array, values: Values, bound: Bound | None) -> Iterator[_Candidate]:
    """The shard's nearest documents on each side of each end."""
    id_words = np.frombuffer(ids.buffers()[1], ">u8").reshape(-1, 2)[ids.offset :]
    for end in ("low", "high"):
        edge = None if bound is None else getattr(bound, end)
        if edge is None:
            continue
        inwards = values - edge if end == "low" else edge - values
        for side, rows in (("kept", np.flatnonzero(inwards >= 0)), ("dropped", np.flatnonzero(inwards < 0))):
            nearest = np.lexsort((id_words[rows, 1], id_words[rows, 0], np.abs(inwards[rows])))[:NUM_SHOWN]
            for row in rows[nearest].tolist():
                distance, value = abs(float(inwards[row])), float(values[row])
                yield _Candidate(end, side, distance, ids[row].as_py(), value, task, row)


def _nearest(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """The nearest of each side of each end in each subset."""
    groups: dict[tuple[str, str, str], list[_Candidate]] = {}
    for candidate in candidates:
        groups.setdefault((candidate.task.subset, candidate.end, candidate.side), []).append(candidate)
    found = (sorted(group, key=lambda one: one.nearest_first)[:NUM_SHOWN] for group in groups.values())
    return [candidate for group in found for candidate in group]


def _shown(out: str, signal: str, candidates: list[_Candidate], subsets: list[str]) -> Iterator[dict[str, Any]]:
    """The documents by subset, low end first, those kept first, nearest to the end first."""
    stages = finished_stages(out)
    order = [(name, end, side) for name in subsets for end in ("low", "high") for side in ("kept", "dropped")]
    by_task: dict[str, tuple[ShardTask, dict[int, dict[str, Any]]]] = {}
    for candidate in candidates:
        by_task.setdefault(candidate.task.name, (candidate.task, {}))[1][candidate.row] = {"other_reasons": []}
    for task, rows in by_task.values() if "filter" in stages else ():
        reasons = read_side_table(stages["filter"].folder, task, "verdicts", ["reasons"])["reasons"].take(list(rows))
        for found, failed in zip(rows.values(), reasons.to_pylist(), strict=True):
            found["other_reasons"] = [reason for reason in failed if reason != signal]
    documents = {
        document["id"]: document
        for task, rows in by_task.values()
        for document in read_documents_at(stages, task, rows)
    }
    for one in sorted(
        candidates, key=lambda one: (order.index((one.task.subset, one.end, one.side)), one.nearest_first)
    ):
        document = documents[one.id.hex()]
        kept = ("id", "subset", "source", "offset", "url", "other_reasons", "text")
        yield {"end": one.end, "side": one.side, "value": one.value, **{key: document[key] for key in kept}}
