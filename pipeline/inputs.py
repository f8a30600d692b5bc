"""Find raw input files, and cut them into shards from their names and sizes alone, before any work."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from typing import Any

from pipeline import storage
from pipeline.config import InputConfig, Recipe, RecipeError
from pipeline.index_plan import IndexPlan
from pipeline.manifest import ShardTask
from pipeline.records import Piece
from pipeline.source_trees import describe_tree
from pipeline.splitting import is_splittable
from pipeline.warc_index import INDEX_FORMATS

InputFile = Mapping[str, Any]  # path (relative), full_path, bytes, fingerprint
_logger = logging.getLogger(__name__)
_LONG_BYTES = 64_000_000  # what one worker reads in seconds is no news, however small the shards
_WILDCARD = re.compile(r"[*?\[]")


def find_files(root: str, patterns: Sequence[str], where: str) -> list[dict[str, Any]]:
    """Files below ``root`` that match any pattern, each once, in order of path; folders for patterns ending in "/".

    Raises:
        RecipeError: A pattern matches nothing, or a file whose name is not UTF-8.
    """
    found = set()
    for pattern in patterns:
        if pattern.startswith("/") or "://" in pattern:
            folder, below = _parted(pattern)
            raise RecipeError(
                f"{where}: {pattern} must be relative: a document's source is its file's path below root, the same on "
                f'every machine; write root = "{folder}" and paths = ["{below}"]'
            )
        try:
            matches = storage.glob_folders(root, pattern) if pattern.endswith("/") else storage.glob(root, pattern)
        except ValueError as error:  # a root that holds a wildcard itself
            raise RecipeError(f"{where}: {error}") from error
        if not matches:
            raise RecipeError(f"{where}: no file matches {storage.join(root, pattern)}; mend paths or --input-root")
        found.update(matches)
    paths = sorted(found)
    for path in paths:
        _refuse_unprintable(path, where)
    return [describe(storage.join(root, path), path) for path in paths]


def _parted(pattern: str) -> tuple[str, str]:
    """The folders before any wildcard, and what is below them."""
    parts = pattern.split("/")
    fixed = list(takewhile(lambda part: not _WILDCARD.search(part), parts[:-1]))
    return "/".join(fixed) or "/", "/".join(parts[len(fixed) :])


def _refuse_unprintable(path: str, where: str) -> None:
    """A document's source is text, and names its file."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecipeError(f"{where}: a file's name must be UTF-8; got {os.fsencode(path)!r}; rename it") from error


def describe(full_path: str, path: str) -> dict[str, Any]:
    """What a digest needs to know of a raw file or source tree, and where it is."""
    if storage.is_folder(full_path):
        return {"path": path, "full_path": full_path, **describe_tree(full_path)}
    return {
        "path": path,
        "full_path": full_path,
        "bytes": storage.size(full_path),
        "fingerprint": storage.fingerprint(full_path),
    }


def extract_inputs(recipe: Recipe) -> list[dict[str, Any]]:
    """The raw files of every input but the crawl's, with the number of the input they belong to.

    Raises:
        RecipeError: A pattern matches nothing, or a subset has two files of one relative path.
    """
    files = []
    for number, part in enumerate(recipe.input):
        if not part.from_crawl:
            where = f"[[input]] {part.subset}"
            files += [{**file, "input": number} for file in find_files(part.root, part.paths, where)]
    _refuse_one_name_for_two(recipe, files)
    return files


def _refuse_one_name_for_two(recipe: Recipe, files: Iterable[InputFile]) -> None:
    """A document's id and source name its file by subset and relative path: two such files could not be told apart."""
    seen: dict[tuple[str, str], InputFile] = {}
    for file in files:
        subset = recipe.input[file["input"]].subset
        first = seen.setdefault((subset, file["path"]), file)
        if first is not file:
            raise RecipeError(
                f"[[input]] {subset}: {first['full_path']} and {file['full_path']} would both be {file['path']}; read "
                "each file once, and give parts of one subset one root above their files"
            )


def evaluation_inputs(recipe: Recipe) -> list[dict[str, Any]]:
    """The evaluation files, each once, named from the deepest folder above them all: two folders may share a name.

    Raises:
        RecipeError: A pattern matches nothing.
    """
    found = {}
    for pattern in recipe.decontaminate.evaluation:
        root, below = _parted(pattern)
        for file in find_files(root, [below], "[decontaminate] evaluation"):
            found[file["full_path"]] = file
    levels = zip(*(path.split("/")[:-1] for path in found), strict=False)
    depth = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, levels))
    return [{**file, "path": path.split("/", depth)[-1]} for path, file in sorted(found.items())]


def crawl_inputs(recipe: Recipe, folder: str, outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The WARC files that the crawl wrote, as input of every part that reads the crawl."""
    warcs = [output for output in outputs if ".warc" in output["path"]]
    return [
        {"path": o["path"], "full_path": storage.join(folder, o["path"]), "bytes": o["bytes"], "input": number}
        for number, part in enumerate(recipe.input)
        if part.from_crawl
        for o in sorted(warcs, key=lambda o: str(o["path"]))
    ]


def plan_shards(recipe: Recipe, files: Sequence[InputFile]) -> list[ShardTask]:
    """Give every input byte to one shard, near equal in size.

    Small files are packed in order of path, large splittable ones are cut at ``shard_input_bytes``. The plan depends on
    names, sizes, indexes and configuration alone. A shard reads one input; its number and limits go along.

    Raises:
        RecipeError: A subset has two files of one relative path (those of a crawl are known only now), or reads a
            record twice through its indexes.
    """
    _refuse_one_name_for_two(recipe, files)
    indexes = {subset: IndexPlan(f"[[input]] {subset}") for subset in recipe.subsets()}
    by_subset: dict[str, list[tuple[int, dict[str, Any]]]] = {subset: [] for subset in recipe.subsets()}
    for number, part in enumerate(recipe.input):
        own = sorted((file for file in files if file["input"] == number), key=lambda file: str(file["path"]))
        pieces = [piece for file in own for piece in _cut(part, file, recipe, indexes[part.subset])]
        _warn_of_uncut(part, pieces, recipe.extract.shard_input_bytes)
        limits = {"input": number, "limit": part.limit, "max_bytes": part.max_bytes}
        for size, group in _pack(pieces, recipe.extract.shard_input_bytes):
            by_subset[part.subset].append((size, {**limits, "pieces": group}))
    for subset, index in indexes.items():
        whole = [file for file in files if recipe.input[file["input"]].format not in INDEX_FORMATS]
        index.refuse_repeated({str(file["path"]) for file in whole if recipe.input[file["input"]].subset == subset})
    return [
        ShardTask(subset, index, len(groups), (group,), bytes=size)
        for subset, groups in by_subset.items()
        for index, (size, group) in enumerate(groups)
    ]


def _cut(part: InputConfig, file: InputFile, recipe: Recipe, index: IndexPlan) -> list[tuple[int, Piece]]:
    """One file as pieces with their sizes."""
    step, length = recipe.extract.shard_input_bytes, int(file["bytes"])
    is_screened = recipe.apply.applies("content", part.subset)
    base = Piece(file["full_path"], file["path"], part.subset, part.format, fields=part.fields, is_screened=is_screened)
    if part.format in INDEX_FORMATS:
        return index.cut(replace(base, hosts=list(part.hosts), warc_root=part.warc_root), step)
    if length <= step or not is_splittable(base.path, part.format):
        return [(length, base)]
    starts = range(0, length, -(-length // -(-length // step)))
    ends = [*starts[1:], -1]
    return [
        ((length if end < 0 else end) - start, replace(base, start=start, end=end))
        for start, end in zip(starts, ends, strict=True)
    ]


def _warn_of_uncut(part: InputConfig, pieces: Iterable[tuple[int, Piece]], step: int) -> None:
    """Say which files keep one worker busy for long: those of a format that cannot be cut."""
    long = max(step, _LONG_BYTES)
    uncut = [(length, piece.source) for length, piece in pieces if piece.end < 0 and piece.start == 0 and length > long]
    if uncut and part.format not in INDEX_FORMATS:
        _logger.warning(
            "[[input]] %s: %d files cannot be cut and are read by one worker each, the longest is %s with %d bytes; "
            "archives can be cut when they are compressed record by record, JSON lines when they are not compressed, "
            "Wikipedia's dumps when they are not compressed or are bzip2 of several streams (multistream)",
            part.subset,
            len(uncut),
            *reversed(max(uncut)),
        )


def _pack(pieces: Sequence[tuple[int, Piece]], target: int) -> list[tuple[int, list[dict[str, Any]]]]:
    """Neighbouring pieces together while they stay below the target, with their size; at least one shard."""
    groups: list[tuple[int, list[dict[str, Any]]]] = [(0, [])]
    for length, piece in pieces:
        size, group = groups[-1]
        if group and size + length > target:
            groups.append((length, [asdict(piece)]))
        else:
            group.append(asdict(piece))
            groups[-1] = (size + length, group)
    return groups
