"""Reads the texts of ``[decontaminate] evaluation``, which the corpus must not hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.byte_streams import DamagedStreamError, content_of, lines_of
from pipeline.config import RecipeError


def check_evaluation(files: Iterable[Mapping[str, Any]]) -> None:
    """Read every file once, before any work: the stage that needs them comes late.

    Args:
        files: With ``path`` and ``full_path``.

    Raises:
        RecipeError: As ``evaluation_texts``.
    """
    for file in files:
        for _ in evaluation_texts(file["full_path"], file["path"]):
            pass


def evaluation_texts(full_path: str, name: str) -> Iterator[tuple[str, str]]:
    """The texts of an evaluation file, named ``file`` or ``file:row``.

    A ``.jsonl`` file has one text a line: all strings of the row, so that a question stands with its answers. Any other
    file is one text. Both may be compressed (gzip, Zstandard, LZ4, xz, bzip2).

    Raises:
        RecipeError: A line is not JSON, the file is cut or damaged, or it is no text.
    """
    try:
        if ".jsonl" in name:
            yield from _rows(full_path, name)
        else:
            yield name, _text(full_path)
    except (DamagedStreamError, ValueError) as error:
        raise RecipeError(f"[decontaminate] evaluation: {name}: {error}") from error


def _rows(full_path: str, name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines_of(full_path), 1):
        if line.strip():
            yield f"{name}:{number}", "\n".join(_strings(_parse(line, number)))


def _parse(line: bytes, number: int) -> Any:
    try:
        return json.loads(line.decode(errors="replace"))
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _text(full_path: str) -> str:
    data = b"".join(content_of(full_path))
    if b"\0" in data:  # of an archive, which would be looked for byte by byte and never found
        raise ValueError("it is no text, nor text compressed by gzip, Zstandard, LZ4, xz or bzip2: it has bytes of 0")
    return data.decode(errors="replace")
