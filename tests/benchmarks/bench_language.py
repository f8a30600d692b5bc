"""Language identification: accuracy by language, English against all others, and CPU time; prints Markdown.

From the repository's root::

    python tests/benchmarks/bench_language.py ../shared/data/langid --documents ../shared/data/bench/documents.parquet

The folder holds ``sentences.tsv.gz`` (75 languages, ISO 639-1) and ``udhr.tsv.gz`` (ISO 639-3), with the columns lang
and text. Documents are a language's sentences joined to 3 KB. The detectors are lid.176.ftz by our kernel, the same by
fastText's library, which must say the same, and heliport where it is installed. Speed is that of the stage's call,
cleaning included, on one core: the best of interleaved rounds.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from language_metrics import OTHER_CODES, Item, accuracy_by_language, english_at, joined, macro_accuracy

from filters.fasttext_file import read_labels
from filters.language import LanguageDetector, LanguageModel, clean
from pipeline import assets
from pipeline.config import MIN_LANGUAGE_SCORES

MAX_CHARS, DOCUMENT_BYTES, ROUNDS = 3_000, 3_000, 7
Rows = list[tuple[str, str]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", help="Parquet file with a column named text, for the speed on real documents")
    arguments = parser.parse_args()
    path = assets.path("lid.176.ftz")
    sentences, declaration = (_rows(arguments.folder / f"{name}.tsv.gz") for name in ("sentences", "udhr"))
    documents = list(joined(sentences, DOCUMENT_BYTES))
    sets = {"sentences": sentences, "3 KB documents": documents, "UDHR": declaration}
    detectors: dict[str, LanguageDetector] = {"fasttext": LanguageModel(path)}
    if importlib.util.find_spec("heliport"):
        from filters.language_heliport import HeliportDetector

        detectors["heliport"] = HeliportDetector()
    items = {
        (engine, name): _identify(detector, rows)
        for engine, detector in detectors.items()
        for name, rows in sets.items()
    }
    _print_summary(list(detectors), items, set(read_labels(path)))
    _print_languages(list(detectors), items)
    _print_agreement(path, detectors["fasttext"], [text for rows in sets.values() for _, text in rows])
    texts = {"75 languages": [text.encode()[:DOCUMENT_BYTES].decode("utf-8", "ignore") for _, text in documents]}
    if arguments.documents:
        real = pq.read_table(arguments.documents, columns=["text"])["text"].to_pylist()
        _print_loss(detectors["fasttext"], real)
        texts["of the file"] = _cut(real)
    _print_speed(path, detectors, texts)


def _print_loss(detector: LanguageDetector, texts: Sequence[str]) -> None:
    """What reading the beginning of a document only changes."""
    long = pa.array([text for text in texts if len(text) > MAX_CHARS], pa.large_string())
    (labels, scores), (all_labels, all_scores) = (detector.predict(long, n) for n in (MAX_CHARS, 100_000_000))
    bound = MIN_LANGUAGE_SCORES["fasttext"]
    english, all_english = (
        pc.and_(pc.equal(label, "en"), pc.greater_equal(score, bound)).fill_null(False)
        for label, score in ((labels, scores), (all_labels, all_scores))
    )
    others = len(long) - pc.sum(pc.equal(labels, all_labels)).as_py()
    decided = pc.sum(pc.xor(english, all_english)).as_py()
    print(
        f"\n{MAX_CHARS:,} characters against the whole of {len(long):,} longer documents: {others} other labels, "
        f"{decided} decided otherwise (English from {bound})."
    )


def _rows(path: Path) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t", 1) for line in stream][1:]
    return [(OTHER_CODES.get(label, label), text) for label, text in rows]


def _cut(texts: Sequence[str], number: int = 1_500) -> list[str]:
    long = (text.encode()[:DOCUMENT_BYTES] for text in texts if len(text) >= DOCUMENT_BYTES)
    return [data.decode("utf-8", "ignore") for data, _ in zip(long, range(number), strict=False)]


def _identify(detector: LanguageDetector, rows: Rows) -> list[Item]:
    labels, scores = detector.predict(pa.array([text for _, text in rows]), MAX_CHARS)
    found = zip(rows, labels.to_pylist(), scores.fill_null(0).to_pylist(), strict=True)
    return [Item(true, label, score) for (true, _), label, score in found]


def _print_summary(engines: Sequence[str], items: dict[tuple[str, str], list[Item]], known: set[str]) -> None:
    emitted = [{item.found for item in items[engine, "sentences"]} for engine in engines]
    common = sorted({item.true for item in items[engines[0], "sentences"]}.intersection(known, *emitted))
    print(f"Macro accuracy, no bound; common: the {len(common)} languages that every detector names.\n")
    print("| detector | texts | languages | accuracy | of the common | score from | English recall | false English ‰ |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for (engine, name), found in items.items():
        languages = {item.true for item in found}
        shared = [language for language in common if language in languages]
        accuracy = f"{macro_accuracy(found):.3f}" if name != "UDHR" else "-"  # other codes
        of_common = f"{macro_accuracy(found, shared):.3f}" if name != "UDHR" else "-"
        for bound in (0.0, MIN_LANGUAGE_SCORES[engine], 0.8):
            recall, false = english_at(found, bound)
            row = (engine, name, len(languages), accuracy, of_common, f"{bound:g}", f"{recall:.3f}", f"{false:.1f}")
            print("| " + " | ".join(map(str, row)) + " |")


def _print_languages(engines: Sequence[str], items: dict[tuple[str, str], list[Item]]) -> None:
    columns = [(engine, name) for engine in engines for name in ("sentences", "3 KB documents")]
    print("\nAccuracy by language, no bound (heliport takes bs, hr and sr as sh, and id as ms).\n")
    print("| language | " + " | ".join(f"{engine}, {name}" for engine, name in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    tables = [accuracy_by_language(items[column]) for column in columns]
    for language in tables[0]:
        print(f"| {language} | " + " | ".join(f"{table.get(language, float('nan')):.3f}" for table in tables) + " |")


def _print_agreement(path: str, detector: LanguageDetector, texts: Sequence[str]) -> None:
    column = pa.array(texts)
    labels, scores = detector.predict(column, MAX_CHARS)
    names, probabilities = fasttext.load_model(path).predict(clean(column, MAX_CHARS).to_pylist())
    expected = [name[0].removeprefix("__label__") for name in names]
    same = sum(one == other for one, other in zip(labels.to_pylist(), expected, strict=True))
    difference = np.abs(scores.to_numpy() - np.minimum([found[0] for found in probabilities], 1)).max()
    print(f"\nAs fastText's library: {same:,} of {len(texts):,} labels, scores within {difference:.1e}.\n")


def _print_speed(path: str, detectors: dict[str, LanguageDetector], texts: dict[str, list[str]]) -> None:
    library = fasttext.load_model(path)
    calls: dict[str, Callable[[pa.Array], object]] = {
        "fasttext, our kernel": detectors["fasttext"].predict,
        "fasttext, its library": lambda column: library.predict(clean(column, MAX_CHARS).to_pylist()),
        **({"heliport": detectors["heliport"].predict} if "heliport" in detectors else {}),
    }
    print("| MB/s a core, 3 KB documents | " + " | ".join(texts) + " |\n|---|" + "---:|" * len(texts))
    rates: dict[str, list[str]] = {name: [] for name in calls}
    for chosen in texts.values():
        size, column = sum(len(text.encode()) for text in chosen), pa.array(chosen)
        best = dict.fromkeys(calls, float("inf"))
        for _ in range(ROUNDS):
            for name, call in calls.items():
                start = time.process_time()
                call(column)
                best[name] = min(best[name], time.process_time() - start)
        for name, seconds in best.items():
            rates[name].append(f"{size / seconds / 1e6:.1f}")
    for name, found in rates.items():
        print(f"| {name} | " + " | ".join(found) + " |")


if __name__ == "__main__":
    main()
