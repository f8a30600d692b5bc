"""Reads a recipe: TOML and overrides to a `Recipe`, validated whole before any work, with paths made absolute.

Unknown keys are refused with the known ones listed.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config import SHIPPED, Recipe, RecipeError, SignalsConfig, StageConfig


def load_recipe(path: str, overrides: Sequence[str] = (), input_root: str | None = None, limit: int = 0) -> Recipe:
    """Read a recipe, apply overrides, and validate it whole.

    Args:
        path: TOML file.
        overrides: ``section.key=value`` strings; the value is TOML, or taken as text when it is not.
        input_root: What relative input paths start from; None = the recipe's folder.
        limit: Documents an input may give; 0 = what the recipe says.

    Raises:
        RecipeError: The file is missing or not TOML, a key is unknown, or a value is out of range.
    """
    try:
        with open(path, "rb") as stream:
            raw = tomllib.load(stream)
    except FileNotFoundError as error:
        raise RecipeError(f"no recipe at {path}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _apply_override(raw, override)
    return _resolve(raw, path, input_root or str(Path(path).resolve().parent), limit)


def _resolve(raw: dict[str, Any], path: str, base: str, limit: int) -> Recipe:
    base = base if "://" in base else os.path.abspath(base)  # workers may stand in another folder
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(_explain(path, raw, error)) from error
    parts = tuple(
        part.model_copy(
            update={
                "root": _absolute(base, part.root),
                "warc_root": _absolute(base, part.warc_root) if part.warc_root else "",
                "limit": limit or part.limit,
            }
        )
        for part in recipe.input
    )
    evaluation = tuple(_absolute(base, pattern) for pattern in recipe.decontaminate.evaluation)
    blocklists = {
        category: tuple(name if name == SHIPPED else _absolute(base, name) for name in names)
        for category, names in recipe.extract.blocklists.items()
    }
    sections = {
        "extract": recipe.extract.model_copy(update={"blocklists": blocklists}),
        "decontaminate": recipe.decontaminate.model_copy(update={"evaluation": evaluation}),
        "signals": _signals_with_paths(recipe.signals, base),
        "retro": _with_absolute(recipe.retro, "encoder", base),
    }
    return recipe.model_copy(update={"input": parts, **sections})


def _signals_with_paths(section: SignalsConfig, base: str) -> StageConfig:
    classifiers = {
        name: classifier.model_copy(update={"model": _absolute(base, classifier.model)})
        for name, classifier in section.classifiers.items()
    }
    return _with_absolute(section.model_copy(update={"classifiers": classifiers}), "language_model", base)


def _with_absolute(section: StageConfig, key: str, base: str) -> StageConfig:
    """A section whose model is a path from ``base`` on; an asset's name has no slash and stays."""
    name = getattr(section, key)
    return section.model_copy(update={key: _absolute(base, name)}) if "/" in name else section


def _absolute(base: str, path: str) -> str:
    if "://" in path or os.path.isabs(path):
        return path
    if "://" in base:
        return base.rstrip("/") if path == "." else f"{base.rstrip('/')}/{path}"
    return os.path.normpath(os.path.join(base, path))


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    names = key.strip().split(".")
    if not separator or len(names) < 2:
        raise RecipeError(f"--set wants section.key=value, as dedup.bands=25; got {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = raw
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {override}: {name} is not a table of its own")
    table[names[-1]] = value


def _explain(path: str, raw: dict[str, Any], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(_known_keys(problem["loc"])))
            lines.append(f"{path}: unknown key {place}; known here: {known}")
        else:
            lines.append(f"{path}: {place + ': ' if place else ''}{_wanted(problem['type'], problem)}")
    return "\n".join(lines)


def _wanted(kind: str, problem: Any) -> str:
    """What is wrong with a value, in the words of TOML where pydantic has Python's."""
    given = json.dumps(problem["input"], ensure_ascii=False, default=str)
    if kind == "tuple_type":
        items = problem["input"].split(",") if isinstance(problem["input"], str) else [problem["input"]]
        return f"a list is wanted, as {json.dumps(items, ensure_ascii=False, default=str)}; got {given}"
    if kind in ("dict_type", "model_type"):
        known = _known_keys((*problem["loc"], "")) if kind == "model_type" else []
        keys = f", keys {', '.join(known)}" if known else ""
        return f"a table is wanted, as {{ {(known or ['name'])[0]} = ... }}{keys}; got {given}"
    return str(problem["msg"])


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Recipe
    for name in location[:-1]:
        if name not in model.model_fields:  # a number in a list, a name in a table of the user's
            continue
        annotation = model.model_fields[name].annotation
        arguments = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)]
        model = next((a for a in [annotation, *arguments] if hasattr(a, "model_fields")), model)
    return list(model.model_fields)
