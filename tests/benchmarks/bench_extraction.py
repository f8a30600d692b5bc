"""Main-text extraction, ours beside its peers: F1 with 95% intervals by source and page type, and CPU time a page.

From the repository's root, with the extra ``extraction-training``; prints Markdown::

    python tests/benchmarks/bench_extraction.py

Ours is cross-validated: each page is read by a model trained without the pages of its site's fold (a quarter of an hour
of one core). With ``--shipped`` the shipped model reads the pages, which is fair only for pages it was not trained on.
CPU time is the shipped model's, string to text, on the pages of article-extraction-benchmark.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[2])]

from extraction_metrics import bootstrap_interval, shingle_f1, shingle_score, snippet_shares, word_f1  # noqa: E402
from side_by_side import HERE, Contender, markdown, time_contenders  # noqa: E402

from filters.block_classifier import Model, choose_by_model, load_model  # noqa: E402
from filters.html_blocks import blocks  # noqa: E402
from filters.html_text import render  # noqa: E402
from filters.html_tree import parse  # noqa: E402
from pipeline.extraction_gold import GoldPage, read_gold  # noqa: E402
from pipeline.train_block_classifier import NUM_FOLDS, fold_of, label_page, train_model  # noqa: E402

DEFAULT: Final = Path(__file__).parents[3] / "shared" / "data"
OURS: Final = "massivetext, blocks"
PEERS: Final = {  # name -> argument of contenders/main_text.py, environment
    "resiliparse": ("resiliparse", ""),
    "trafilatura": ("trafilatura", "trafilatura"),
    "trafilatura, no comments": ("trafilatura-no-comments", "trafilatura"),
}
SHINGLES: Final = {
    "aeb": "article-extraction-benchmark",
    "mh_forum": "magic-html forum",
    "mh_article": "magic-html article",
}
# Pages of each type in WCXB's test set that are not also in its dev set: the mean is over types as frequent as there.
WCXB_MIX: Final = {
    "article": 178, "service": 56, "forum": 50, "documentation": 40, "listing": 37, "collection": 9, "product": 2,
}  # fmt: skip


class Row(NamedTuple):
    """One line of the table: some pages, what is measured of each, and what becomes of the measures."""

    name: str
    pages: list[GoldPage]
    measure: Callable[[str, GoldPage], Any]
    statistic: Callable[[Sequence[Any]], float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT, help="folder with extraction/, web-gold/, warc/")
    parser.add_argument("--shipped", action="store_true", help="read with the shipped model; do not train")
    parser.add_argument("--rounds", type=int, default=3, help="passes that the CPU time is the median of")
    arguments = parser.parse_args()
    pages = read_gold(arguments.data)
    texts = {OURS: [_read(page, load_model()) for page in pages] if arguments.shipped else cross_validate(pages)}
    with tempfile.TemporaryDirectory() as folder:
        for name, (extractor, environment) in PEERS.items():
            contender = Contender(name, "main_text.py", (), environment)
            if contender.python().exists():
                texts[name] = _texts_of_peer(contender, extractor, pages, Path(folder))
        times = _times([page for page in pages if page.source == "aeb"], Path(folder), arguments.rounds)
    print(_table(pages, texts, times))


def cross_validate(pages: Sequence[GoldPage]) -> list[str]:
    """Text of each page by a model that was trained on the other folds of sites."""
    labelled = [label_page(page, page.text) for page in pages if page.text]
    models = {}
    for fold in range(NUM_FOLDS):
        models[fold] = train_model([page for page in labelled if page.fold != fold and len(page.labels)])
        print(f"trained without fold {fold}", file=sys.stderr)
    return [_read(page, models[fold_of(page.site)]) for page in pages]


def _read(page: GoldPage, model: Model) -> str:
    tree = parse(page.html)
    found = blocks(tree)
    return render(tree, found, choose_by_model(tree, found, model))


def _texts_of_peer(contender: Contender, extractor: str, pages: Sequence[GoldPage], folder: Path) -> list[str]:
    source, target = _write(pages, folder / "all.jsonl"), folder / "texts.jsonl"
    script = HERE / "contenders" / contender.script
    subprocess.run([contender.python(), script, source, extractor, target], check=True)
    with target.open(encoding="utf-8") as stream:
        return [json.loads(line)["text"] for line in stream]


def _times(pages: Sequence[GoldPage], folder: Path, rounds: int) -> dict[str, float]:
    """CPU milliseconds a page of each extractor whose environment is there."""
    source = str(_write(pages, folder / "timed.jsonl"))
    contenders = [Contender(OURS, "main_text.py", (source, "blocks"))]
    contenders += [Contender(name, "main_text.py", (source, e), place) for name, (e, place) in PEERS.items()]
    return {name: 1000 * t.cpu_s / t.size for name, t in time_contenders(contenders, rounds).items()}


def _write(pages: Sequence[GoldPage], path: Path) -> Path:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"text": page.html.decode("utf-8", "replace")}) + "\n" for page in pages)
    return path


def _rows(pages: Sequence[GoldPage]) -> list[Row]:
    rows = []
    for source, name in SHINGLES.items():
        part = [page for page in pages if page.source == source]
        rows.append(Row(f"{name}, shingle F1", part, lambda text, page: shingle_score(text, page.text), shingle_f1))
    wcxb = [page for page in pages if page.source == "wcxb" and page.text]
    rows.append(Row("WCXB, word F1, types as in its test set", wcxb, _kind_and_word_f1, _mixed_mean))
    for kind in WCXB_MIX:
        part = [page for page in wcxb if page.page_type == kind]
        rows.append(Row(f"WCXB {kind}, word F1", part, _kind_and_word_f1, _mixed_mean))
    snippets = [page for page in pages if page.source == "traf"]
    for i, name in enumerate(("wanted", "unwanted")):
        rows.append(Row(f"trafilatura-eval, {name} snippets found", snippets, partial(_snippet_share, which=i), _mean))
    return [row for row in rows if row.pages]


def _snippet_share(text: str, page: GoldPage, which: int) -> float | None:
    return snippet_shares(text, page.wanted, page.unwanted)[which]


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


def _kind_and_word_f1(text: str, page: GoldPage) -> tuple[str, float]:
    return page.page_type, word_f1(text, page.text)


def _mixed_mean(scores: Sequence[tuple[str, float]]) -> float:
    """Mean over the types of the types' means, each as heavy as it is frequent in WCXB's test set."""
    values: dict[str, list[float]] = {}
    for kind, value in scores:
        values.setdefault(kind, []).append(value)
    return sum(WCXB_MIX[k] * sum(v) / len(v) for k, v in values.items()) / sum(WCXB_MIX[k] for k in values)


def _table(pages: Sequence[GoldPage], texts: dict[str, list[str]], times: dict[str, float]) -> str:
    place = {page.name: i for i, page in enumerate(pages)}
    lines = []
    for row in _rows(pages):
        cells = []
        for output in texts.values():
            measures = [row.measure(output[place[page.name]], page) for page in row.pages]
            low, high = bootstrap_interval(measures, row.statistic)
            cells.append(f"{row.statistic(measures):.3f} [{low:.3f}, {high:.3f}]")
        lines.append([row.name, str(len(row.pages)), *cells])
    lines.append(["CPU ms a page", "", *(f"{times[name]:.2f}" for name in texts)])
    return markdown(["pages", "number", *texts], lines)


if __name__ == "__main__":
    main()
