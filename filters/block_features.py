"""The features of a page's blocks: one byte each, 0 to 63, one row of the matrix a feature.

The rows have names (``filters.block_names``); what they hold is in ``filters.block_rows`` and
``filters.block_page_rows``, on what ``block_text``, ``block_elements`` and ``block_context`` measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from filters.block_codes import Features
from filters.block_context import Context, Weights, read_context
from filters.block_elements import Elements, read_elements
from filters.block_names import NUM_FEATURES
from filters.block_page_rows import (
    group_rows,
    neighbour_rows,
    number_kinds,
    page_kind_rows,
    page_rows,
    place_rows,
    window_rows,
)
from filters.block_rows import ancestor_rows, element_rows, main_rows, text_rows
from filters.block_surroundings import Ints, Surroundings, around_blocks
from filters.block_text import BlockText, measure_text
from filters.html_blocks import HtmlBlocks
from filters.html_tree import HtmlTree
from filters.uncounted import uncounted


class WordWeights(NamedTuple):
    """Learned weights of hashed words, int8: 16 (elements) or 64 (text) are a log-odds of 1 that a block is content.

    Attributes:
        token: [8192], of the words of a block's text.
        own: [8192], of the words of the element that a block stands in.
        path: [8192], of the words of that element and all around it.
        page: [len(PAGE_KINDS), 16384], of the different words of a page, those of elements and then those of texts,
            16 a log-odds of 1 that the page is of a kind.
    """

    token: Weights
    own: Weights
    path: Weights
    page: Weights


class BlockFeatures(NamedTuple):
    """What the model reads.

    Attributes:
        matrix: uint8 [NUM_FEATURES, num_blocks], rows in the order of ``NAMES``.
        kind: int32 [num_blocks], number of the block's kind: blocks of a kind stand in elements of the same tags and
            classes, three levels up.
        around: The elements around the blocks.
        context: What is known of them and of the blocks, for the model's second look.
    """

    matrix: Features
    kind: Ints
    around: Surroundings
    context: Context


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def block_features(tree: HtmlTree, blocks: HtmlBlocks, weights: WordWeights) -> BlockFeatures:
    """Compute the features of every block of a page.

    Args:
        tree: The page.
        blocks: Its blocks, ``tree.block`` filled in.
        weights: Learned weights of words.

    Returns:
        See ``BlockFeatures``; no columns for a page without blocks.
    """
    tree, blocks, weights = uncounted(tree), uncounted(blocks), uncounted(weights)
    text = measure_text(tree, blocks.first_node, blocks.stop_node)
    around = around_blocks(tree, blocks)
    elements = read_elements(uncounted(around))
    context = read_context(around, text, elements, weights.own, weights.path)
    kind = number_kinds(around, elements.signature)
    matrix = np.zeros((NUM_FEATURES, len(kind)), np.uint8)
    if len(kind):
        _fill(matrix, tree, around, text, elements, context, kind, weights)
    return BlockFeatures(matrix, kind, around, context)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _fill(
    matrix: Features,
    tree: HtmlTree,
    around: Surroundings,
    text: BlockText,
    elements: Elements,
    context: Context,
    kind: Ints,
    weights: WordWeights,
) -> None:
    rows, around, text, elements = uncounted(matrix), uncounted(around), uncounted(text), uncounted(elements)
    context, kind = uncounted(context), uncounted(kind)
    text_rows(rows, tree, text, context, weights.token)
    element_rows(rows, around, elements, context)
    ancestor_rows(rows, around, context)
    main_rows(rows, around, context)
    group_rows(rows, around, text, context, kind)
    place_rows(rows, context.size)
    page_rows(rows, around, text, context)
    page_kind_rows(rows, elements, text, weights.page)
    neighbour_rows(rows)
    window_rows(rows, text, context)
