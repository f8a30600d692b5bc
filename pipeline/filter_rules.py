"""Which bounds decide about a subset's documents, by a recipe."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from filters.bounds import Bound, OneOf
from filters.rule_sets import RULE_SETS, TABLES
from pipeline.config import LANGUAGE_PARAGRAPHS, Recipe, RecipeError

Rule = Bound | OneOf

_log = logging.getLogger(__name__)


def rules_of(recipe: Recipe, subset: str) -> tuple[Rule, ...]:
    """The rules that apply to a subset, in the paper's order, with the recipe's bounds in place of the published ones.

    A bound of the recipe's holds in every subset that its table applies to, whether or not ``[filter] rules`` has a set
    with that table.

    Raises:
        RecipeError: ``[filter] bounds`` names a signal that has no bound or is not measured, or a range that no value
            can be in.
    """
    measured = [table for table in TABLES if table != "c4" or recipe.signals.c4]
    published = dict.fromkeys(bound.name for table in measured for bound in TABLES[table])
    known = (*published, *recipe.signals.optional_signals())
    if unmeasured := sorted({bound.name for bound in TABLES["c4"]} & set(recipe.filter.bounds) - set(known)):
        raise RecipeError(f"[filter.bounds] has {unmeasured}, which [signals] c4 = true measures; it is false")
    if unknown := sorted(set(recipe.filter.bounds) - set(known)):
        raise RecipeError(f"[filter.bounds] has unknown signals {unknown}; known: {', '.join(known)}")
    try:
        changed = {name: Bound(name, low=bound.low, high=bound.high) for name, bound in recipe.filter.bounds.items()}
    except ValueError as error:
        raise RecipeError(f"[filter.bounds] {error}") from error
    _refuse_impossible(changed.values())
    rules: list[Rule] = []
    if recipe.apply.applies("language", subset):
        rules.append(OneOf("language", recipe.languages(subset)))
        rules.append(Bound("language_score", low=recipe.min_language_score(subset)))
        rules += [changed[LANGUAGE_PARAGRAPHS]] if LANGUAGE_PARAGRAPHS in changed else []
    if recipe.apply.applies("classifiers", subset):
        rules += [changed[name] for name in known if name in changed and name.startswith("classifier_")]
    chosen = {"content", *(table for name in recipe.filter.rules for table in RULE_SETS[name])}
    bounds: dict[str, Bound] = {}
    for table in (table for table in TABLES if recipe.apply.applies(table, subset)):
        for bound in TABLES[table]:
            if bound.name in changed:
                bounds[bound.name] = changed[bound.name]
            elif table in chosen:
                bounds[bound.name] = _both(bound, bounds.get(bound.name))
    return (*rules, *bounds.values())


def _refuse_impossible(bounds: Iterable[Bound]) -> None:
    for bound in bounds:
        ends = [end for end in (bound.low, bound.high) if end is not None]
        if bound.name.endswith("_fraction") and not all(0 <= end <= 1 for end in ends):
            raise RecipeError(f"[filter.bounds] {bound.name}: a fraction is from 0 to 1; got {bound.low}, {bound.high}")


def check_reach(recipe: Recipe) -> None:
    """Refuse what is named and decides about nothing: the default of ``[apply]`` names the paper's subsets.

    Raises:
        RecipeError: A bound of the recipe's, or a set of rules that it names, applies to none of its subsets; or as
            ``rules_of``.
    """
    deciding = {rule.name for subset in recipe.subsets() for rule in rules_of(recipe, subset)}
    for name in recipe.filter.bounds:
        if name not in deciding:
            tables = [table for table, bounds in TABLES.items() if name in {bound.name for bound in bounds}]
            optional = "language" if name == LANGUAGE_PARAGRAPHS else "classifiers"
            raise _unapplied(recipe, f"[filter.bounds] {name}", tables or [optional])
    for name in recipe.filter.rules if "rules" in recipe.filter.model_fields_set else ():
        if not any(recipe.apply.applies(table, subset) for table in RULE_SETS[name] for subset in recipe.subsets()):
            raise _unapplied(recipe, f"[filter] rules: {name}", RULE_SETS[name])


def _unapplied(recipe: Recipe, what: str, tables: Iterable[str]) -> RecipeError:
    wanted = " and ".join(f"{table} = {json.dumps(recipe.subsets())}" for table in tables)
    return RecipeError(f"{what} decides about no document: no subset has its rules; set [apply] {wanted}")


def check_replaced(recipe: Recipe) -> None:
    """Warn of a published end that the recipe's range leaves out: it may have meant to change the other one alone."""
    published = {bound.name: bound for bounds in TABLES.values() for bound in bounds}
    for name, given in recipe.filter.bounds.items():
        bound = published.get(name)
        lost = [end for end in ("low", "high") if getattr(given, end) is None and getattr(bound, end, None) is not None]
        if lost and (given.low, given.high) != (None, None):
            ends = " and ".join(f"{end} = {getattr(bound, end):g}" for end in lost)
            _log.warning(
                "[filter.bounds] %s takes the place of the published range: give %s too to keep it", name, ends
            )


def _both(bound: Bound, other: Bound | None) -> Bound:
    """The range that two sets of rules keep, where both bound a signal."""
    if other is None:
        return bound
    lows = [low for low in (bound.low, other.low) if low is not None]
    highs = [high for high in (bound.high, other.high) if high is not None]
    return Bound(bound.name, low=max(lows, default=None), high=min(highs, default=None))
