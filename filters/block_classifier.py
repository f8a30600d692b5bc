"""Decide which blocks of a page are its main content.

A first model gives each block a probability from its own features and its surroundings', a second one sees what the
first said around it; from the mean of both, the blocks kept are those that give the page the best F1 to be expected.
The models are a data file, ``data/block-classifier.npz`` (its card: ``data/block-classifier.md``), and all is done with
integers: the same page gives the same blocks on every machine.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import IO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_features import WordWeights, block_features
from filters.block_second import P_BITS, second_features
from filters.block_trees import LEAF_SCALE, Trees, raw_scores
from filters.html_blocks import HtmlBlocks
from filters.html_tree import HtmlTree, PageError

MAX_BLOCKS: Final = 200_000  # half a kilobyte each; a page of 1 MB has about 2,000
_TABLE_STEP: Final = LEAF_SCALE // 64  # scores of one entry of the table of probabilities
_TABLE_HALF: Final = 1024  # entries on each side of a score of 0; beyond log-odds of 16 nothing changes
_RANKS: Final = 256  # steps of probability that the choice of blocks tells apart


class Model(NamedTuple):
    """All that is learned.

    Attributes:
        words: Weights of hashed words.
        first: Reads the features of ``filters.block_features``.
        second: Reads those of ``filters.block_second``.
        p_table: int64 [2048], probability of each score, 0 to 65,535; stored, since ``exp`` differs between machines.
    """

    words: WordWeights
    first: Trees
    second: Trees
    p_table: npt.NDArray[np.int64]


@cache
def load_model() -> Model:
    """Load the model that ships with the package, once a process."""
    path = files("filters").joinpath("data", "block-classifier.npz")
    with path.open("rb") as stream:
        return read_model(stream)


def read_model(stream: IO[bytes]) -> Model:
    """Read a model file, as ``pipeline.train_block_classifier`` writes it."""
    with np.load(stream, allow_pickle=False) as stored:
        words = WordWeights(*(stored[f"words_{name}"] for name in WordWeights._fields))
        first, second = (Trees(*(stored[f"{look}_{name}"] for name in Trees._fields)) for look in ("first", "second"))
        return Model(words, first, second, stored["p_table"].astype(np.int64))


def make_p_table() -> npt.NDArray[np.int64]:
    """The table of probabilities, for a new model."""
    score = (np.arange(-_TABLE_HALF, _TABLE_HALF) + 0.5) * _TABLE_STEP / LEAF_SCALE
    return np.rint(((1 << P_BITS) - 1) / (1 + np.exp(-score))).astype(np.int64)


def choose_blocks(tree: HtmlTree, blocks: HtmlBlocks) -> npt.NDArray[np.bool_]:
    """Choose the blocks of a page's main content.

    Args:
        tree: The page, ``tree.block`` filled in.
        blocks: Its blocks.

    Returns:
        bool [num_blocks], True for content. A page with text has content.

    Raises:
        PageError: There are more than ``MAX_BLOCKS`` blocks.
    """
    if len(blocks.first_node) > MAX_BLOCKS:
        raise PageError(f"a page must have at most {MAX_BLOCKS} blocks of text; got {len(blocks.first_node)}")
    chosen: npt.NDArray[np.bool_] = choose_by_model(tree, blocks, load_model())
    return chosen


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def choose_by_model(tree: HtmlTree, blocks: HtmlBlocks, model: Model) -> npt.NDArray[np.bool_]:
    """``choose_blocks`` with another model."""
    first = block_features(tree, blocks, model.words)
    scores = raw_scores(model.first, first.matrix)
    p = to_probabilities(scores, model.p_table)
    again = raw_scores(model.second, second_features(first, p))
    # The mean of both looks' log-odds errs less than the second alone: +0.002 word F1 on WCXB, articles the same.
    p = to_probabilities((scores + again) // 2, model.p_table)
    chosen: npt.NDArray[np.bool_] = best_choice(p, np.maximum(first.context.size, 1))
    return chosen


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def to_probabilities(scores: npt.NDArray[np.int32], p_table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Look up the probability, 0 to 65,535, of each score."""
    p = np.empty(len(scores), np.int64)
    for i in range(len(scores)):
        p[i] = p_table[min(max(scores[i] // _TABLE_STEP + _TABLE_HALF, 0), 2 * _TABLE_HALF - 1)]
    return p


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def best_choice(p: npt.NDArray[np.int64], size: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Keep the blocks above the threshold that gives the best expected F1 of words.

    With the words W of all blocks kept, the words H of them that are expected to be content, and the words C that are
    expected on the whole page, F1 is about 2 H / (W + C).

    Args:
        p: int64 [num_blocks], 0 to 65,535.
        size: int32 [num_blocks], words.

    Returns:
        bool [num_blocks]; blocks of one rank of probability go together, of equal thresholds the lowest counts.
    """
    kept, expected = np.zeros(_RANKS, np.int64), np.zeros(_RANKS, np.int64)
    for b in range(len(p)):
        rank = p[b] >> (P_BITS - 8)
        kept[rank] += size[b]
        expected[rank] += size[b] * p[b]
    content = expected.sum() / (1 << P_BITS)
    best, best_rank = -1.0, 0
    num_kept = hits = 0.0
    for rank in range(_RANKS - 1, -1, -1):
        num_kept += kept[rank]
        hits += expected[rank] / (1 << P_BITS)
        f1 = hits / (num_kept + content) if num_kept else 0.0
        if kept[rank] and f1 >= best:
            best, best_rank = f1, rank
    return (p >> (P_BITS - 8)) >= best_rank
