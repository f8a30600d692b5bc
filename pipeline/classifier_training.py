"""Trains a fastText text classifier, of quality or safety, and says how good it is on texts that it has not seen.

A text is held out by the hash of its cleaned form, so that copies never stand on both sides, and all go to fastText in
the order of that hash: the same texts give the same model, in whatever files and order they come. fastText runs on one
thread: one release of it gives the same bytes each time. All texts are held in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from itertools import islice
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from filters.classifier import classifier_lines
from filters.fasttext_file import LABEL_PREFIX
from filters.fasttext_model import FastTextModel
from pipeline import storage
from pipeline.classifier_examples import Example, ExampleFile, read_examples
from pipeline.config import Natural, Positive, RecipeError, StageConfig

BOUNDS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)  # of a label's probability, at which precision and recall are told
_BATCH: Final = 1_024  # texts that are cleaned at once
_Flags = NDArray[np.bool_]


class TrainingConfig(StageConfig):
    """How a classifier is trained: softmax over words and word n-grams, without character n-grams."""

    dim: Positive = 32  # numbers a word or n-gram
    epochs: Positive = 5
    learning_rate: Annotated[float, Field(gt=0)] = 0.5
    word_ngrams: Positive = 2  # words; up to
    min_count: Positive = 2  # a word that occurs less often is known by its n-grams alone
    buckets: Positive = 500_000  # that hashed n-grams share; the model takes 4 * dim bytes for each, and for each word
    held_out_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Natural = 0


class _Line(NamedTuple):
    """A cleaned text."""

    hash: bytes
    label: str
    text: str


def train_classifier(
    files: Sequence[ExampleFile],
    out: str,
    config: TrainingConfig,
    text_field: str = "text",
    label_field: str = "label",
) -> dict[str, Any]:
    """Train a classifier, test it, and write the model and its card (``out`` and ``out.json``).

    Args:
        files: Examples of two labels at least.
        out: The model's local path; an older one is replaced.
        config: How to train.
        text_field: Of JSON lines and Parquet.
        label_field: Of JSON lines and Parquet with labels.

    Returns:
        The card, JSON data: ``model`` (path, sha256, bytes), ``labels``, ``inputs`` (each with path, sha256, label,
        texts and empty ones), ``settings``, ``texts`` (label -> trained on, held out), ``held_out`` (see ``evaluate``)
        and ``fasttext``, its release.

    Raises:
        RecipeError: Bad input, fewer than two labels, a label without texts on either side of the split, or settings
            with which fastText cannot train.
    """
    folder = os.path.dirname(os.path.abspath(out))
    if "://" in out or not os.path.isdir(folder) or os.path.isdir(out) or os.path.isdir(f"{out}.json"):
        raise RecipeError(f"--out {out}: fastText writes to a local file, in a folder that exists")
    lines, inputs = _collect(files, config.seed, text_field, label_field)
    trained_on, held_out = _split(lines, config.held_out_fraction)
    labels = sorted({line.label for line in lines})
    texts = {label: (_count(trained_on, label), _count(held_out, label)) for label in labels}
    _check_split(texts)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".classifier-") as scratch:
        path = os.path.join(scratch, "model.bin")
        _train(trained_on, path, config, scratch)
        card = {
            "model": {"path": out, "sha256": storage.sha256_file(path), "bytes": os.path.getsize(path)},
            "labels": labels,
            "inputs": inputs,
            "settings": config.model_dump(mode="json"),
            "texts": {label: {"trained_on": counts[0], "held_out": counts[1]} for label, counts in texts.items()},
            "held_out": evaluate(FastTextModel(path), [line.label for line in held_out], _texts_of(held_out)),
            "fasttext": metadata.version("fasttext-community"),
        }
        card_path = os.path.join(scratch, "card.json")
        with open(card_path, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        os.replace(path, out)
        os.replace(card_path, f"{out}.json")
    return card


def evaluate(model: FastTextModel, labels: Sequence[str], lines: pa.Array) -> dict[str, Any]:
    """Measure a model on labelled texts.

    Args:
        model: What is measured.
        labels: The true label of each text.
        lines: large_string [n], the cleaned texts.

    Returns:
        ``accuracy`` of the likeliest label; ``labels``: for each its ``precision``, ``recall`` and ``f1`` as the
        likeliest, and under ``bounds`` its ``precision``, ``recall`` and ``kept`` (the share of all texts) where its
        probability is at least ``bound``. None where nothing is divided by.
    """
    best, _ = model.best_labels(lines)
    truth = np.array(labels, dtype=object)
    named = np.array([*model.labels, ""], dtype=object)[best]  # -1, nothing known, takes the last
    figures: dict[str, dict[str, Any]] = {}
    for label in sorted(set(labels)):
        probabilities = model.probabilities(lines, label)
        is_true, bounds = truth == label, []
        for bound in BOUNDS:
            chosen = probabilities >= bound
            bounds.append({"bound": bound, "kept": _share(chosen, len(labels)), **_precision_recall(chosen, is_true)})
        figures[label] = {**_precision_recall(named == label, is_true), "f1": _f1(named == label, is_true)}
        figures[label]["bounds"] = bounds
    return {"accuracy": _share(named == truth, len(labels)), "labels": figures}


def _precision_recall(chosen: _Flags, is_true: _Flags) -> dict[str, float | None]:
    both = chosen & is_true
    return {"precision": _share(both, int(chosen.sum())), "recall": _share(both, int(is_true.sum()))}


def _f1(chosen: _Flags, is_true: _Flags) -> float | None:
    """Harmonic mean of precision and recall."""
    total = int(chosen.sum()) + int(is_true.sum())
    return round(2 * int((chosen & is_true).sum()) / total, 4) if total else None


def _share(flags: _Flags, total: int) -> float | None:
    return round(int(flags.sum()) / total, 4) if total else None


def _collect(
    files: Sequence[ExampleFile], seed: int, text_field: str, label_field: str
) -> tuple[list[_Line], list[dict[str, Any]]]:
    """All texts in the order of their hashes, and what each file held."""
    lines: list[_Line] = []
    inputs = []
    for file in files:
        before, num_empty = len(lines), 0
        examples = read_examples(file, text_field, label_field)
        for batch in _batches(examples):
            for example, text in zip(batch, _clean([one.text for one in batch]), strict=True):
                if text:
                    lines.append(_Line(_hash(seed, text), example.label, text))
                else:
                    num_empty += 1
        held = {"texts": len(lines) - before, "empty": num_empty}
        inputs.append({"path": file.path, "sha256": storage.sha256_file(file.path), "label": file.label, **held})
    return sorted(lines), inputs


def _batches(examples: Iterator[Example]) -> Iterator[list[Example]]:
    while batch := list(islice(examples, _BATCH)):
        yield batch


def _clean(texts: Sequence[str]) -> list[str]:
    """Cleaned texts without words that fastText would take for labels; a model passes over those later too."""
    found = classifier_lines(pa.array(texts, pa.large_string())).to_pylist()
    return [
        " ".join(word for word in text.split(" ") if not word.startswith(LABEL_PREFIX))
        if LABEL_PREFIX in text
        else text
        for text in found
    ]


def _hash(seed: int, text: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{text}".encode(), digest_size=16).digest()


def _split(lines: Sequence[_Line], held_out_fraction: float) -> tuple[list[_Line], list[_Line]]:
    limit = int(held_out_fraction * 2**64).to_bytes(8, "big")
    return [line for line in lines if line.hash[:8] >= limit], [line for line in lines if line.hash[:8] < limit]


def _count(lines: Sequence[_Line], label: str) -> int:
    return sum(line.label == label for line in lines)


def _check_split(texts: Mapping[str, tuple[int, int]]) -> None:
    if len(texts) < 2:
        raise RecipeError(f"a classifier needs texts of two labels at least; got {list(texts)}")
    for label, (trained_on, held_out) in texts.items():
        if not trained_on or not held_out:
            raise RecipeError(
                f"label {label!r} has {trained_on} texts to train on and {held_out} held out; "
                "each must be one at least: give more texts, or another --held-out"
            )


def _train(lines: Sequence[_Line], path: str, config: TrainingConfig, scratch: str) -> None:
    import fasttext  # the library, which only training needs

    examples = os.path.join(scratch, "examples.txt")
    with open(examples, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{LABEL_PREFIX}{line.label} {line.text}\n" for line in lines)
    try:
        model = fasttext.train_supervised(
            examples,
            dim=config.dim,
            epoch=config.epochs,
            lr=config.learning_rate,
            wordNgrams=config.word_ngrams,
            minCount=config.min_count,
            bucket=config.buckets if config.word_ngrams > 1 else 0,
            minn=0,
            maxn=0,
            loss="softmax",
            thread=1,
            seed=config.seed,
            verbose=0,
        )
    except (ValueError, RuntimeError) as error:  # no word often enough; numbers that run away
        raise RecipeError(f"fastText cannot train on these texts with {config}: {error}") from error
    model.save_model(path)


def _texts_of(lines: Sequence[_Line]) -> pa.Array:
    return pa.array([line.text for line in lines], pa.large_string())
