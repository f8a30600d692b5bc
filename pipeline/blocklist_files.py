"""Find the files of ``[extract] blocklists``: what the recipe names, and the short lists that ship."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import takewhile
from typing import Any, Final

from pipeline import storage
from pipeline.config import SHIPPED, Recipe, RecipeError
from pipeline.inputs import describe

_OF_A_FOLDER: Final = re.compile(r"(domains|urls)(\.txt)?(\.gz)?")  # UT1 has other files beside these
_WILDCARD: Final = re.compile(r"[*?\[]")


def blocklist_files(blocklists: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Category and full path of every list, in order.

    Args:
        blocklists: Category -> files, globs, folders with ``domains`` and ``urls`` files, or ``shipped``.

    Raises:
        RecipeError: One of them is not there.
    """
    named = [(category, name) for category, names in blocklists.items() for name in names]
    return sorted({(category, path) for category, name in named for path in _find(category, name)})


def blocklist_inputs(recipe: Recipe) -> list[dict[str, Any]]:
    """The lists as inputs of the stage; none where no subset of the recipe has the content filter.

    Raises:
        RecipeError: A list is not there.
    """
    if not any(recipe.apply.applies("content", subset) for subset in recipe.subsets()):
        return []
    described = [
        describe(path, f"blocklists/{category}/{path.rpartition('/')[2]}")
        for category, path in blocklist_files(recipe.extract.blocklists)
    ]
    return sorted(described, key=lambda file: (file["path"], file["fingerprint"]))  # no matter where they lie


def _find(category: str, name: str) -> list[str]:
    if name == SHIPPED:
        return [_shipped(category)]
    inside = [storage.join(name, file) for file in storage.list_files(name) if _OF_A_FOLDER.fullmatch(file)]
    if inside or not _WILDCARD.search(name):
        found = inside or [name]
    else:
        parts = name.split("/")
        root = "/".join(takewhile(lambda part: not _WILDCARD.search(part), parts[:-1])) or "/"
        found = [storage.join(root, file) for file in storage.glob(root, name.removeprefix(root).lstrip("/"))]
    if not found or not storage.exists(found[0]):
        raise RecipeError(f"[extract] blocklists, {category}: there is no list at {name}")
    return found


def _shipped(category: str) -> str:
    folder = files("filters").joinpath("data", "blocklists")
    names = sorted(entry.name for entry in folder.iterdir())
    if category not in names:
        raise RecipeError(f"[extract] blocklists: no list of {category} ships; those that do: {', '.join(names)}")
    return str(folder.joinpath(category))
