"""Checks of a recipe that need the code of the stages, done before any work."""

from __future__ import annotations

from pipeline.config import Recipe


def check(recipe: Recipe) -> None:
    """Refuse what a stage would refuse later.

    Raises:
        RecipeError: A bound names a signal that no rule has.
    """
    if recipe.filter.bounds:  # the kernels' modules take a second to import
        from beam_jobs.filter_documents import rules_of

        for subset in recipe.subsets():
            rules_of(recipe, subset)
