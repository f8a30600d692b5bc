"""Checks of a recipe that need the code of the stages, done before any work."""

from __future__ import annotations

from importlib.util import find_spec

from fsspec import get_filesystem_class

from pipeline import assets
from pipeline.config import Recipe, RecipeError


def check(recipe: Recipe) -> None:
    """Refuse what a stage would refuse later.

    Raises:
        RecipeError: A bound names a signal that no rule has, or decides about no subset, a language is none of the
            detector's, a classifier does not have its label, or a package is missing.
        assets.AssetError: The language model is missing.
    """
    if recipe.filter.bounds or "rules" in recipe.filter.model_fields_set:  # the kernels' modules take time to import
        from pipeline.filter_rules import check_reach, check_replaced

        check_reach(recipe)
        check_replaced(recipe)
    if any(recipe.apply.applies("language", subset) for subset in recipe.subsets()):
        _check_languages(recipe)
    _check_classifiers(recipe)
    _check_stores(recipe)
    if recipe.extract.fix_mojibake and find_spec("ftfy") is None:
        raise RecipeError("[extract] fix_mojibake needs ftfy: pip install 'massivetext[ftfy]'")


def _check_stores(recipe: Recipe) -> None:
    for part in recipe.input:
        if "://" in part.warc_root:
            try:
                get_filesystem_class(part.warc_root.partition("://")[0])
            except (ImportError, ValueError) as error:
                raise RecipeError(f"[[input]] {part.subset}: warc_root {part.warc_root}: {error}") from error


def _check_languages(recipe: Recipe) -> None:
    known = _known_languages(recipe)
    named = {"languages": recipe.filter.languages}
    named |= {f"subset_languages, {subset}:": own for subset, own in recipe.filter.subset_languages.items()}
    for where, languages in named.items():
        if unknown := sorted(set(languages) - set(known)):
            raise RecipeError(f"[filter] {where} has unknown ones {unknown}; known: {', '.join(sorted(known))}")


def _known_languages(recipe: Recipe) -> tuple[str, ...]:
    if recipe.signals.language_engine == "heliport":
        from filters.language_heliport import LANGUAGES

        return LANGUAGES
    from filters.fasttext_file import read_labels

    path = assets.resolve(recipe.signals.language_model)
    try:
        return read_labels(path, any_loss=True)
    except ValueError as error:
        raise RecipeError(f"[signals] language_model: {error}") from error


def _check_classifiers(recipe: Recipe) -> None:
    from filters.fasttext_file import read_labels

    for name, classifier in sorted(recipe.signals.classifiers.items()):
        try:
            labels = read_labels(classifier.model)
        except ValueError as error:
            raise RecipeError(f"[signals.classifiers] {name}: {error}") from error
        if classifier.label not in labels:
            raise RecipeError(
                f"[signals.classifiers] {name}: {classifier.model} has no label {classifier.label!r}; it has "
                f'{", ".join(labels)}: name one, as {name} = {{ model = "...", label = "..." }}'
            )
