"""Reads what a text classifier is trained on: labelled texts of JSON lines, Parquet, or lines of text.

A file is read by its name: ``.jsonl``, ``.ndjson`` and ``.json`` as JSON lines, ``.parquet`` as Parquet, ``.txt`` and
names without an ending as lines; all but Parquet also packed, with ``.gz``, ``.zst``, ``.bz2``, ``.xz`` or ``.lz4``
behind. Others are refused: read as lines, a table's commas would tell its texts apart. Bad input is refused with its
file and place, since a model is no better than what it learns: nothing is skipped but empty texts, which are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from filters.fasttext_file import LABEL_PREFIX
from pipeline.byte_streams import DamagedStreamError, lines_of
from pipeline.config import ExtractConfig, RecipeError
from pipeline.read_jsonl import read_jsonl
from pipeline.read_parquet import read_parquet
from pipeline.records import Piece, Record
from pipeline.schema import FAILED

_COMPRESSED: Final = (".gz", ".zst", ".bz2", ".xz", ".lz4")
_JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
_LINES: Final = (".txt", "")
_BLANK: Final = " \t\r\n\v\f"


class Example(NamedTuple):
    """One labelled text."""

    label: str
    text: str


@dataclass(frozen=True)
class ExampleFile:
    """A file of examples.

    Attributes:
        path: Local, or a URL that fsspec knows.
        label: Of all its texts; None = each has its own, in a field, or before the text as in fastText's format.
    """

    path: str
    label: str | None = None


def read_examples(file: ExampleFile, text_field: str = "text", label_field: str = "label") -> Iterator[Example]:
    """Read a file.

    Args:
        file: What to read.
        text_field: Of JSON lines and Parquet.
        label_field: Of JSON lines and Parquet, where each text has its own label: a string or a number.

    Yields:
        Examples in the order of the file, empty texts included.

    Raises:
        RecipeError: The file is missing or damaged, a row has no text or no label, or a label is not one word; the
            message names file and place.
    """
    try:
        yield from _read(file, text_field, label_field)
    except FileNotFoundError as error:
        raise RecipeError(f"{file.path}: there is no such file") from error
    except (OSError, DamagedStreamError) as error:
        raise RecipeError(f"{file.path}: {error}") from error


def _read(file: ExampleFile, text_field: str, label_field: str) -> Iterator[Example]:
    extension = _extension(file.path)
    if extension in _LINES:
        yield from _from_lines(file)
        return
    read = read_parquet if extension == ".parquet" else read_jsonl
    piece = Piece(file.path, file.path, "", extension, fields={"text": text_field})
    for record in read(piece, ExtractConfig()):
        place = f"{file.path}, {'row' if extension == '.parquet' else 'byte'} {record.offset}"
        yield _of_record(record, place, file.label, label_field)


def _extension(path: str) -> str:
    """What a file is read by; see the module.

    Raises:
        RecipeError: It is none of them.
    """
    stem, extension = os.path.splitext(path)
    if extension in _COMPRESSED:
        extension = os.path.splitext(stem)[1]
    if extension not in (*_JSON_LINES, ".parquet", *_LINES):
        raise RecipeError(
            f"{path}: a file of texts is read by its name: {', '.join(_JSON_LINES)} (JSON lines), .parquet, .txt or no "
            f"ending (a text a line), all but Parquet also with {', '.join(_COMPRESSED)} behind"
        )
    return extension


def _of_record(record: Record, place: str, label: str | None, label_field: str) -> Example:
    if record.outcome == FAILED:
        raise RecipeError(f"{place}: {record.reason}: {record.error}")
    if record.document is None:  # an empty text
        return Example(label or "", "")
    if label is None:
        label = record.document.meta.get(label_field)
        if label is None:
            raise RecipeError(f"{place}: there is no label in field {label_field!r}")
    return Example(_checked(label, place), record.document.text)


def _from_lines(file: ExampleFile) -> Iterator[Example]:
    for number, line in enumerate(lines_of(file.path), 1):
        place = f"{file.path}, line {number}"
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RecipeError(f"{place}: {error}") from error
        yield Example(file.label, text) if file.label is not None else _labelled_line(text, place)


def _labelled_line(line: str, place: str) -> Example:
    """A line of fastText's own format: ``__label__name the text``."""
    if not line.strip(_BLANK):
        return Example("", "")
    label, _, text = line.strip(_BLANK).replace("\t", " ", 1).partition(" ")
    if not label.startswith(LABEL_PREFIX):
        raise RecipeError(f"{place}: a line must begin with {LABEL_PREFIX} and a name; got {label[:40]!r}")
    if text.lstrip(_BLANK).startswith(LABEL_PREFIX):
        raise RecipeError(f"{place}: a text must have one label; this one has more")
    return Example(_checked(label.removeprefix(LABEL_PREFIX), place), text)


def _checked(label: str, place: str) -> str:
    if not label or any(character <= " " for character in label):
        raise RecipeError(f"{place}: a label must be one word; got {label[:40]!r}")
    return label


def example_files(labelled: Sequence[str], positive: Sequence[str], negative: Sequence[str]) -> list[ExampleFile]:
    """The files of a training, in the order of its arguments.

    Raises:
        RecipeError: There is neither a labelled file, nor a positive and a negative one; or there are both kinds; or
            one has a name of no known format.
    """
    if bool(labelled) == bool(positive or negative) or bool(positive) != bool(negative):
        raise RecipeError("give --labelled files, or --positive and --negative ones")
    kinds = ((None, labelled), ("positive", positive), ("negative", negative))
    for path in (*labelled, *positive, *negative):
        _extension(path)
    return [ExampleFile(path, label) for label, paths in kinds for path in paths]
