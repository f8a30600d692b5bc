"""The features of a page's blocks: one byte each, 0 to 63, one row of the matrix a feature.

The rows have names (``filters.block_names``); what they hold is in ``filters.block_rows`` and
``filters.block_page_rows``, on what ``block_text``, ``block_elements`` and ``block_context`` measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from filters.block_codes import Features
from filters.block_context import Context, Ints, Weights, read_context
from filters.block_elements import read_elements
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
from filters.block_text import measure_text
from filters.html_blocks import HtmlBlocks, uncounted_page
from filters.html_tree import HtmlTree


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
        size: int32 [num_blocks], words.
        context: The elements' sums, for the model's second look.
    """

    matrix: Features
    kind: Ints
    size: Ints
    context: Context


@njit(cache=True, nogil=True)
def block_features(tree: HtmlTree, blocks: HtmlBlocks, weights: WordWeights) -> BlockFeatures:
    """Compute the features of every block of a page.

    Args:
        tree: The page.
        blocks: Its blocks, ``tree.block`` filled in.
        weights: Learned weights of words.

    Returns:
        See ``BlockFeatures``; no columns for a page without blocks.
    """
    tree, blocks = uncounted_page(tree, blocks)
    num_blocks = len(blocks.first_node)
    text = measure_text(tree, blocks.first_node, blocks.stop_node)
    elements = read_elements(tree, blocks.container)
    context = read_context(tree, blocks.first_node, blocks.container, text, elements, weights.own, weights.path)
    rows = np.zeros((NUM_FEATURES, num_blocks), np.uint8)
    kind = number_kinds(tree, blocks.container, elements.signature)
    if num_blocks:
        text_rows(rows, tree, text, context, weights.token)
        element_rows(rows, tree, blocks.container, elements, context)
        ancestor_rows(rows, blocks.container, context)
        main_rows(rows, tree, blocks.container, context)
        group_rows(rows, tree, blocks.container, text, context, kind)
        place_rows(rows, context.size)
        page_rows(rows, tree, text, context)
        page_kind_rows(rows, elements, text, weights.page)
        neighbour_rows(rows)
        window_rows(rows, text, context)
    return BlockFeatures(rows, kind, context.size, context)
