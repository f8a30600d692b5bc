"""Rows of the feature matrix that tell of a block itself, of its element, and of the elements around it.

Each function writes its group of rows (``filters.block_names``) of uint8 [num_features, num_blocks], num_blocks >= 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters import block_text as counted
from filters.block_codes import Features, log_code, ratio_code, signed_code
from filters.block_context import BLOCKS, GOOD, LINKED, SIZE, TOKENS, Context, Weights
from filters.block_elements import CELL, CODE, CONTROL, DEFINITION, ITEM, PARAGRAPH, QUOTE, Elements
from filters.block_groups import count_equals, first_of_equals
from filters.block_names import ANCESTOR_AT, ELEMENT_AT, MAIN_AT, NUM_ANCESTORS, NUM_FLAGS
from filters.block_surroundings import Surroundings
from filters.block_text import TOKEN_BITS, BlockText, tokens_of
from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree
from filters.utf8 import Bytes

_H1, _H6, _TITLE = TAGS.index("h1"), TAGS.index("h6"), TAGS.index("title")
_PLACE: Final = 6  # of a block in its ancestor, among the eight rows of a level
_OWN_FLAGS: Final = np.array([ITEM, CELL, PARAGRAPH, QUOTE, CODE, DEFINITION, CONTROL], np.uint32)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def text_rows(rows: Features, tree: HtmlTree, text: BlockText, context: Context, weight: Weights) -> None:
    """A block's own text: how much, what characters, its words' weights, and whether the title has it too."""
    counts = text.counts
    repeats = count_equals(first_of_equals(text.text_hash))
    title = _title_tokens(tree)
    title_size = title.sum()
    for b in range(rows.shape[1]):
        c = counts[:, b]
        size, chars = context.size[b], c[counted.CHARS]
        first, last = text.token_start[b], text.token_start[b + 1]
        num_tokens = last - first
        total, low, shared = 0, 0, 0
        for i in range(first, last):
            total += weight[text.token[i]]
            low = min(low, weight[text.token[i]])
            shared += title[text.token[i]]
        marks = c[counted.SENTENCE_ENDS] + c[counted.COMMAS] + c[counted.COLONS]
        rows[0, b] = log_code(size)
        rows[1, b] = log_code(chars)
        rows[2, b] = ratio_code(c[counted.LINK_WORDS], num_tokens)
        rows[3, b] = log_code(c[counted.LINKS])
        rows[4, b] = log_code(c[counted.SENTENCE_ENDS])
        rows[5, b] = log_code(c[counted.COMMAS])
        rows[6, b] = ratio_code(2 * marks, size)
        rows[7, b] = ratio_code(c[counted.DIGITS], chars)
        rows[8, b] = ratio_code(c[counted.CAPITALS], c[counted.WORDS])
        rows[9, b] = min(63, 4 * chars // max(1, size))
        rows[10, b] = ratio_code(c[counted.CJK], num_tokens)
        rows[11, b] = ratio_code(c[counted.NON_ASCII], chars)
        rows[12, b] = ratio_code(4 * c[counted.SYMBOLS], chars)
        rows[13, b] = log_code(c[counted.INLINE])
        rows[14, b] = log_code(c[counted.IMAGES])
        rows[15, b] = log_code(c[counted.BREAKS])
        rows[16, b] = log_code(c[counted.CONTROLS])
        rows[17, b] = c[counted.FIRST]
        rows[18, b] = c[counted.LAST]
        rows[19, b] = ratio_code(c[counted.BOLD_WORDS], num_tokens)
        rows[20, b] = signed_code(total, 32)
        rows[21, b] = signed_code(total, 4 * max(1, num_tokens))
        rows[22, b] = signed_code(low, 4)
        rows[23, b] = signed_code(weight[text.token[first]], 4) if num_tokens else 32
        rows[24, b] = signed_code(weight[text.token[last - 1]], 4) if num_tokens else 32
        rows[25, b] = log_code(repeats[b])
        rows[26, b] = ratio_code(shared, num_tokens)
        rows[27, b] = ratio_code(shared, title_size)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _title_tokens(tree: HtmlTree) -> Bytes:
    """uint8 [2 ** TOKEN_BITS], 1 for the tokens of the page's title element."""
    is_in_title = np.zeros(1 << TOKEN_BITS, np.uint8)
    for node in range(len(tree.tag)):
        if tree.tag[node] == _TITLE:
            for child in range(node + 1, tree.last[node]):
                if tree.tag[child] == TEXT:
                    for token in tokens_of(tree, child):
                        is_in_title[token] = 1
            break
    return is_in_title


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def heading_level(tag: int) -> int:
    """1 to 6 for h1 to h6, else 0."""
    return tag - _H1 + 1 if _H1 <= tag <= _H6 else 0


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def element_rows(rows: Features, around: Surroundings, elements: Elements, context: Context) -> None:
    """The element a block stands in, and what it inherits: kinds and weights of names."""
    at = ELEMENT_AT
    for b in range(rows.shape[1]):
        element = around.container[b]
        parent = around.parent[element]
        level = heading_level(around.tag[element])
        if level == 0 and parent >= 0:
            level = heading_level(around.tag[parent])
        rows[at, b] = level
        rows[at + 1, b] = signed_code(context.own[element], 4)
        rows[at + 2, b] = signed_code(context.path_sum[element], 8)
        rows[at + 3, b] = signed_code(context.path_low[element], 4)
        rows[at + 4, b] = signed_code(context.path_high[element], 4)
        rows[at + 5, b] = signed_code(context.path[parent], 4) if parent >= 0 else 32
        rows[at + 6, b] = min(63, around.depth[element])
        for i in range(len(_OWN_FLAGS)):
            rows[at + 7 + i, b] = 1 if elements.flags[element] & _OWN_FLAGS[i] else 0
        for i in range(NUM_FLAGS):
            rows[at + 14 + i, b] = (context.flags[element] >> np.uint32(i)) & np.uint32(1)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def ancestor_rows(rows: Features, around: Surroundings, context: Context) -> None:
    """Sums over the element a block stands in, and over those around it that hold more."""
    codes = _element_codes(context)
    for b in range(rows.shape[1]):
        element = around.container[b]
        for level in range(NUM_ANCESTORS):
            if element < 0:
                break
            at = ANCESTOR_AT + 8 * level
            for i in range(8):
                rows[at + i, b] = codes[element, i]
            rows[at + _PLACE, b] = ratio_code(b - around.first_block[element], context.sums[BLOCKS, element])
            element = context.up[element]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _element_codes(context: Context) -> Features:
    """What ``ancestor_rows`` says of each element, uint8 [num_elements, 8]; all but the block's place in it."""
    sums = context.sums
    codes = np.zeros((len(context.up), 8), np.uint8)
    for element in range(len(codes)):
        num_blocks, size = sums[BLOCKS, element], sums[SIZE, element]
        codes[element, 0] = log_code(num_blocks)
        codes[element, 1] = log_code(size)
        codes[element, 2] = ratio_code(sums[LINKED, element], sums[TOKENS, element])
        codes[element, 3] = ratio_code(sums[GOOD, element], size)
        codes[element, 4] = ratio_code(sums[GOOD, element], sums[GOOD, 0])
        codes[element, 5] = signed_code(context.path[element], 4)
        codes[element, 7] = log_code(size // max(1, num_blocks))
    return codes


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def main_rows(rows: Features, around: Surroundings, context: Context) -> None:
    """Where a block is relative to the page's likely main elements."""
    top_score = context.score.max()
    for i in range(3):
        main, at = context.candidates[i], MAIN_AT + 4 * i
        if main < 0:
            continue
        start = around.first_block[main]
        stop = start + context.sums[BLOCKS, main]
        share = ratio_code(context.sums[SIZE, main], context.sums[SIZE, 0])
        for b in range(rows.shape[1]):
            element = around.container[b]
            is_inside = main <= element < around.last[main]
            rows[at, b] = 1 if is_inside else 0 if element < main else 2
            rows[at + 1, b] = 0 if is_inside else log_code(start - b if b < start else b - stop + 1)
            rows[at + 2, b] = share
            rows[at + 3, b] = min(63, around.depth[element] - around.depth[main]) if is_inside else 63
    for b in range(rows.shape[1]):
        element = around.container[b]
        parent = max(0, around.parent[element])
        rows[MAIN_AT + 12, b] = ratio_code(max(context.score[element], context.score[parent]), top_score)
        rows[MAIN_AT + 13, b] = ratio_code(context.best_score[element], top_score)
