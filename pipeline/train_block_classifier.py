"""Train the block classifier on labelled pages and write the model file of ``filters.block_classifier``.

Run it from the repository's root; it needs the extra ``extraction-training`` and about ten minutes of one core::

    python -m pipeline.train_block_classifier ../shared/data filters/data/block-classifier.npz

Every set that a model learns from was predicted by models that had not seen its site: the first look's probabilities
that the second one reads, and the words' weights that both read, are fitted on the other folds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.block_classifier import Model, make_p_table, to_probabilities
from filters.block_elements import WORD_BITS, Elements, read_elements
from filters.block_features import BlockFeatures, WordWeights, block_features
from filters.block_names import PAGE_KINDS
from filters.block_second import second_features
from filters.block_surroundings import Surroundings, around_blocks
from filters.block_text import TOKEN_BITS, measure_text
from filters.block_trees import Trees, raw_scores
from filters.html_blocks import HtmlBlocks, blocks
from filters.html_tree import HtmlTree, parse
from pipeline.block_labels import block_labels, block_texts
from pipeline.extraction_gold import GoldPage, read_gold
from pipeline.symmetric_trees import BoostingConfig, train_trees
from pipeline.word_weights import WordLists, fit_word_weights

NUM_FOLDS: Final = 4
MAX_TOKENS: Final = 64  # of a block that its weights are fitted on
FIRST: Final = BoostingConfig(num_trees=160, learning_rate=0.12, seed=1)
SECOND: Final = BoostingConfig(num_trees=120, learning_rate=0.12, seed=2)
# How much a page of a source counts: more in small sets, less where a program made the reference.
SOURCE_WEIGHTS: Final = {"aeb": 2.0, "wcxb": 1.0, "mh_forum": 1.5, "mh_article": 1.0, "readability": 0.5}

Floats = npt.NDArray[np.float64]


class LabelledPage(NamedTuple):
    """A page ready for training."""

    page: GoldPage
    tree: HtmlTree
    blocks: HtmlBlocks
    labels: Floats  # [num_blocks], share of the block that is content
    weights: Floats  # [num_blocks]
    fold: int


class _Lists(NamedTuple):
    """Hashed words of a page: of each block's text and elements, and of the page as one row."""

    tokens: WordLists
    paths: WordLists
    page: WordLists


def label_page(page: GoldPage, reference: str) -> LabelledPage:
    """Parse a page and label its blocks by a reference text."""
    tree = parse(page.html)
    found = blocks(tree)
    labels, sizes = block_labels(block_texts(tree, found), reference)
    return LabelledPage(page, tree, found, *_weigh(page, labels, sizes), fold_of(page.site))


def fold_of(site: str) -> int:
    """Fold of a site, by hash: no site is in two."""
    return blake2b(site.encode(), digest_size=8).digest()[0] % NUM_FOLDS


def _weigh(page: GoldPage, labels: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Labels, and weights: a block costs about its share of the content's words, be it missed or wrongly kept.

    Shares are raised to 0.75, so that one long block does not outweigh all headings and captions; a page's weight grows
    with the root of the sum, so that one with much around its content counts more, but not in proportion.
    """
    content = max(30.0, float((labels * sizes).sum()))
    shares = np.minimum((sizes + 1.0) / content, 0.5) ** 0.75
    scale = 20 / max(1.0, shares.sum() / 3) ** 0.5
    return labels.astype(np.float64), shares * SOURCE_WEIGHTS[page.source] * scale


def train_model(pages: Sequence[LabelledPage]) -> Model:
    """Train on all pages given."""
    pages = sorted(pages, key=lambda p: p.page.site)  # a word's sites are counted as they change
    lists = {id(p): _word_lists(p) for p in pages}
    held_out = {fold: [p for p in pages if p.fold != fold] for fold in sorted({p.fold for p in pages})}
    words = {fold: _fit_words(others, lists) for fold, others in held_out.items()}
    features = {id(p): block_features(p.tree, p.blocks, words[p.fold]) for p in pages}
    first = {fold: _train_first(others, features) for fold, others in held_out.items()}
    table = make_p_table()
    second_rows = np.concatenate([_second(features[id(p)], first[p.fold], table) for p in pages], axis=1)
    second = train_trees(second_rows, *_targets(pages), SECOND)
    return Model(_fit_words(pages, lists), _train_first(pages, features), second, table)


def _fit_words(pages: Sequence[LabelledPage], lists: dict[int, _Lists]) -> WordWeights:
    labels, weights = _targets(pages)
    numbers = np.unique([p.page.site for p in pages], return_inverse=True)[1]
    sites = np.repeat(numbers, [len(p.labels) for p in pages])
    tokens, paths = _join([lists[id(p)].tokens for p in pages]), _join([lists[id(p)].paths for p in pages])
    token = fit_word_weights(tokens, labels, weights, sites, 1 << TOKEN_BITS, is_mean=True)
    both = fit_word_weights(paths, labels, weights, sites, 2 << WORD_BITS, is_mean=False)
    words, ones = _join([lists[id(p)].page for p in pages]), np.ones(len(pages))
    page = [
        fit_word_weights(words, _is_of(pages, kind), ones, numbers, (1 << WORD_BITS) + (1 << TOKEN_BITS), is_mean=False)
        for kind in PAGE_KINDS
    ]
    return WordWeights(token, both[: 1 << WORD_BITS].copy(), both[1 << WORD_BITS :].copy(), np.array(page))


def _is_of(pages: Sequence[LabelledPage], kind: str) -> Floats:
    types = {kind, "collection", "product"} if kind == "listing" else {kind}
    return np.array([p.page.page_type in types for p in pages], np.float64)


def _train_first(pages: Sequence[LabelledPage], features: dict[int, BlockFeatures]) -> Trees:
    return train_trees(np.concatenate([features[id(p)].matrix for p in pages], axis=1), *_targets(pages), FIRST)


def _second(features: BlockFeatures, first: Trees, table: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    p = to_probabilities(raw_scores(first, features.matrix), table)
    rows: npt.NDArray[Any] = second_features(features, p)
    return rows


def _targets(pages: Sequence[LabelledPage]) -> tuple[Floats, Floats]:
    return np.concatenate([p.labels for p in pages]), np.concatenate([p.weights for p in pages])


def _word_lists(page: LabelledPage) -> _Lists:
    text = measure_text(page.tree, page.blocks.first_node, page.blocks.stop_node)
    around = around_blocks(page.tree, page.blocks)
    elements = read_elements(around)
    starts, stops = text.token_start[:-1], text.token_start[1:]
    tokens = [text.token[a : min(b, a + MAX_TOKENS)] for a, b in zip(starts, stops, strict=True)]
    words = np.unique(np.concatenate((elements.word, text.token + np.uint16(1 << WORD_BITS))))
    return _Lists(_flatten(tokens), _flatten(_path_words(around, elements)), _flatten([words]))


def _path_words(around: Surroundings, elements: Elements) -> list[npt.NDArray[np.uint16]]:
    """Words of a block's element, and, moved up by the size of the table, of that element and all around it."""
    words = [elements.word[a:b] for a, b in zip(elements.word_start[:-1], elements.word_start[1:], strict=True)]
    lists = []
    for container in around.container:
        parts, element = [words[container]], container
        while element >= 0:
            parts.append(words[element] + np.uint16(1 << WORD_BITS))
            element = around.parent[element]
        lists.append(np.concatenate(parts))
    return lists


def _flatten(lists: Sequence[npt.NDArray[np.uint16]]) -> WordLists:
    return WordLists(np.concatenate(lists), np.concatenate(([0], np.cumsum([len(words) for words in lists]))))


def _join(pages: Sequence[WordLists]) -> WordLists:
    lengths = np.concatenate([np.diff(lists.start) for lists in pages])
    return WordLists(np.concatenate([lists.word for lists in pages]), np.concatenate(([0], np.cumsum(lengths))))


def save_model(model: Model, path: Path) -> None:
    """Write the model file."""
    arrays = {f"words_{name}": array for name, array in model.words._asdict().items()}
    for look, trees in (("first", model.first), ("second", model.second)):
        arrays |= {f"{look}_{name}": array for name, array in trees._asdict().items()}
    np.savez_compressed(path, p_table=model.p_table.astype(np.uint16), **arrays)


def main(arguments: Sequence[str]) -> None:
    """Train on every page of a data folder that has a reference."""
    data, path = arguments
    pages = [label_page(page, page.text) for page in read_gold(Path(data)) if page.text]
    save_model(train_model([page for page in pages if len(page.labels)]), Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])
