"""Find the files of ``[extract] blocklists``: what the recipe names, and the short lists that ship."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import takewhile
from typing import Any, Final

from pipeline import storage
from pipeline.byte_streams import Window, content_of
from pipeline.config import SHIPPED, Recipe, RecipeError
from pipeline.inputs import describe

_OF_A_FOLDER: Final = re.compile(r"(domains|urls)(\.txt)?(\.gz)?")  # UT1 has other files beside these
_OF_A_MIRROR: Final = re.compile(r".+[-_.](domains|urls)(\.txt)?(\.gz)?")
_WILDCARD: Final = re.compile(r"[*?\[]")
_HEAD_BYTES: Final = 1 << 16  # of a list, by which it is known for one
_MAX_NAMED: Final = 20


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
        RecipeError: A list is not there, or is none: most of the lines at its beginning have no host.
    """
    if not any(recipe.apply.applies("content", subset) for subset in recipe.subsets()):
        return []
    found = blocklist_files(recipe.extract.blocklists)
    shipped = {_shipped(category) for category, names in recipe.extract.blocklists.items() if SHIPPED in names}
    for category, path in found:
        if path not in shipped:
            _refuse_other_lists(category, path)
    described = [describe(path, f"blocklists/{category}/{path.rpartition('/')[2]}") for category, path in found]
    return sorted(described, key=lambda file: (file["path"], file["fingerprint"]))  # no matter where they lie


def _refuse_other_lists(category: str, path: str) -> None:
    from filters.blocklists import count_hosts  # with its kernels: not for who only imports this module

    window = Window(content_of(path))
    is_cut = window.hold(_HEAD_BYTES)
    if window.error:
        raise RecipeError(f"[extract] blocklists, {category}: {path}: {window.error}")
    head = bytes(window.data[:_HEAD_BYTES])
    num_lines, num_hosts = count_hosts(head[: head.rfind(b"\n") + 1] if is_cut else head)
    if 2 * num_hosts < num_lines:
        raise RecipeError(
            f"[extract] blocklists, {category}: {path} is no list of domains and URLs: of its first {num_lines} lines "
            f"{num_hosts} have a host; a top-level domain is written with a dot before it"
        )


def _find(category: str, name: str) -> list[str]:
    if name == SHIPPED:
        return [_shipped(category)]
    inside = [storage.join(name, file) for file in storage.list_files(name) if _OF_A_FOLDER.fullmatch(file)]
    if not inside and storage.is_folder(name):
        raise RecipeError(f"[extract] blocklists, {category}: {name} is a folder without a list; {_what_is_in(name)}")
    if inside or not _WILDCARD.search(name):
        found = inside or [name]
    else:
        parts = name.split("/")
        root = "/".join(takewhile(lambda part: not _WILDCARD.search(part), parts[:-1])) or "/"
        found = [storage.join(root, file) for file in storage.glob(root, name.removeprefix(root).lstrip("/"))]
    if not found or not storage.exists(found[0]):
        raise RecipeError(f"[extract] blocklists, {category}: there is no list at {name}")
    return found


def _what_is_in(folder: str) -> str:
    """What may have been meant by a folder that has neither ``domains`` nor ``urls``."""
    files = storage.list_files(folder)
    lists = [file for file in files if _OF_A_MIRROR.fullmatch(file)]
    if lists:
        return f"name a category's files in it, as {storage.join(folder, lists[0])}"
    folders = sorted(storage.glob_folders(folder, "*"))
    if folders:
        return f"name a category's folder in it: {', '.join(folders[:_MAX_NAMED])}"
    return "a category's folder has files domains and urls"


def _shipped(category: str) -> str:
    folder = files("filters").joinpath("data", "blocklists")
    names = sorted(entry.name for entry in folder.iterdir())
    if category not in names:
        raise RecipeError(f"[extract] blocklists: no list of {category} ships; those that do: {', '.join(names)}")
    return str(folder.joinpath(category))
