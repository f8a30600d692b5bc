"""Rows of the feature matrix that tell of a block's place among the page's others: groups, headings, neighbours.

Each function writes its group of rows (``filters.block_names``) of uint8 [num_features, num_blocks], num_blocks >= 1;
some read rows that ``filters.block_rows`` wrote before.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import block_text as counted
from filters.block_codes import Features, log_code, ratio_code, signed_code
from filters.block_context import GOOD, LINKED, SIZE, TOKENS, Context, Weights
from filters.block_elements import WORD_BITS, Elements
from filters.block_groups import first_of_equals
from filters.block_names import (
    ELEMENT_AT,
    GROUP_AT,
    NAMES,
    NEIGHBOUR_AT,
    NEIGHBOUR_OF,
    PAGE_AT,
    PAGE_KINDS,
    PAGE_NAMES,
    PLACE_AT,
    SHIFTS,
    WINDOW_AT,
    WINDOWS,
)
from filters.block_surroundings import Ints, Surroundings
from filters.block_text import BlockText
from filters.hashing import hash_end, hash_step
from filters.html_tags import TAGS

_H1, _ARTICLE, _P, _LI, _TR = (TAGS.index(name) for name in ("h1", "article", "p", "li", "tr"))
_TOKEN_MEAN, _IN_TITLE, _OF_TITLE = (NAMES.index(name) for name in ("token_mean", "in_title", "of_title"))
_SHIFTS: Final = np.array(SHIFTS)
_WINDOWS: Final = np.array(WINDOWS)
_NEIGHBOUR_ROWS: Final = np.array([NAMES.index(name) for name in NEIGHBOUR_OF.split()])


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def number_kinds(around: Surroundings, signature: npt.NDArray[np.uint64]) -> Ints:
    """Number of each block's kind, int32 [num_blocks]: equal for the same signatures three levels up."""
    keys = np.empty(len(around.container), np.uint64)
    for b in range(len(keys)):
        element, state = around.container[b], np.uint64(0)
        for _ in range(3):
            if element >= 0:
                state = hash_step(state, signature[element])
                element = around.parent[element]
        keys[b] = hash_end(state)
    kind: Ints = first_of_equals(keys)
    return kind


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def group_rows(rows: Features, around: Surroundings, text: BlockText, context: Context, kind: Ints) -> None:
    """Repeated siblings around a block, and the blocks of its kind anywhere on the page."""
    num_blocks = rows.shape[1]
    sums = np.zeros((num_blocks, 5), np.int64)
    for b in range(num_blocks):
        k = kind[b]
        sums[k, 0] += 1
        sums[k, 1] += context.size[b]
        sums[k, 2] += text.token_start[b + 1] - text.token_start[b]
        sums[k, 3] += text.counts[counted.LINK_WORDS, b]
        sums[k, 4] += context.good[b]
    for b in range(num_blocks):
        for which in range(2):
            element = (context.near_group if which == 0 else context.far_group)[around.container[b]]
            if element >= 0:
                at, parent = GROUP_AT + 4 * which, max(0, around.parent[element])
                rows[at, b] = log_code(context.group[element])
                rows[at + 1, b] = log_code(context.sums[SIZE, element])
                rows[at + 2, b] = log_code(context.sums[SIZE, parent])
                rows[at + 3, b] = ratio_code(context.sums[LINKED, parent], context.sums[TOKENS, parent])
        at, k = GROUP_AT + 8, kind[b]
        rows[at, b] = log_code(sums[k, 0])
        rows[at + 1, b] = log_code(sums[k, 1] // sums[k, 0])
        rows[at + 2, b] = ratio_code(sums[k, 3], sums[k, 2])
        rows[at + 3, b] = ratio_code(sums[k, 4], sums[k, 1])
        rows[at + 4, b] = 1 if b and kind[b - 1] == k else 0


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def place_rows(rows: Features, size: Ints) -> None:
    """Where a block is on the page, and which headings are before it. Reads rows written before."""
    num_blocks, at = rows.shape[1], PLACE_AT
    level_row, path_row = ELEMENT_AT, ELEMENT_AT + 2
    h1 = title = heading = -1
    best_title = 20  # a third of the title's words at least
    for b in range(num_blocks):
        if h1 < 0 and rows[level_row, b] == 1:
            h1 = b
        if rows[_OF_TITLE, b] + rows[_IN_TITLE, b] // 2 > best_title + 4 * (title >= 0):
            best_title, title = rows[_OF_TITLE, b] + rows[_IN_TITLE, b] // 2, b
    total, before = size.sum(), 0
    for b in range(num_blocks):
        rows[at, b] = ratio_code(b, num_blocks)
        rows[at + 1, b] = ratio_code(before, total)
        rows[at + 2, b] = log_code(b)
        rows[at + 3, b] = log_code(num_blocks - b)
        rows[at + 4, b] = 3 if h1 < 0 else 0 if b < h1 else 1 if b == h1 else 2
        rows[at + 5, b] = 0 if h1 < 0 else signed_code(log_code(abs(b - h1)) * (1 if b > h1 else -1), 1)
        rows[at + 6, b] = log_code(b - heading) if heading >= 0 else 63
        rows[at + 7, b] = rows[level_row, heading] if heading >= 0 else 0
        rows[at + 8, b] = rows[_TOKEN_MEAN, heading] if heading >= 0 else 32
        rows[at + 9, b] = rows[path_row, heading] if heading >= 0 else 32
        rows[at + 10, b] = 0 if title < 0 else signed_code(log_code(abs(b - title)) * (1 if b > title else -1), 1)
        before += size[b]
        if rows[level_row, b]:
            heading = b


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def page_rows(rows: Features, around: Surroundings, text: BlockText, context: Context) -> None:
    """Numbers of the whole page, the same for all its blocks."""
    num_blocks, at = rows.shape[1], PAGE_AT
    tags = np.zeros(256, np.int32)
    for tag in around.tag:
        tags[tag] += 1
    size, main = context.sums[SIZE, 0], context.candidates[0]
    rows[at] = log_code(size)
    rows[at + 1] = log_code(num_blocks)
    rows[at + 2] = ratio_code(context.sums[LINKED, 0], context.sums[TOKENS, 0])
    rows[at + 3] = ratio_code(context.sums[GOOD, 0], size)
    rows[at + 4] = ratio_code(text.counts[counted.CJK].sum(), context.sums[TOKENS, 0])
    rows[at + 5] = log_code(tags[_H1])
    rows[at + 6] = log_code(tags[_ARTICLE])
    rows[at + 7] = log_code(tags[_P])
    rows[at + 8] = log_code(tags[_LI])
    rows[at + 9] = log_code(tags[_TR])
    rows[at + 10] = ratio_code(context.sums[GOOD, main], context.sums[SIZE, main]) if main >= 0 else 0
    rows[at + 11] = rows[ELEMENT_AT + 2].sum() // num_blocks
    rows[at + 12] = rows[_TOKEN_MEAN].sum() // num_blocks


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def page_kind_rows(rows: Features, elements: Elements, text: BlockText, weight: Weights) -> None:
    """What kind of page its words make likely, the same for all its blocks."""
    at = PAGE_AT + len(PAGE_NAMES) - len(PAGE_KINDS)
    for kind, total in enumerate(_page_scores(elements, text, weight)):
        rows[at + kind] = signed_code(total, 32)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _page_scores(elements: Elements, text: BlockText, weight: Weights) -> npt.NDArray[np.int64]:
    """Sum of the weights of a page's different words for each kind of page."""
    scores = np.zeros(len(weight), np.int64)
    is_seen = np.zeros(weight.shape[1], np.bool_)
    for hashes, start in ((elements.word, 0), (text.token, 1 << WORD_BITS)):
        for hashed in hashes:
            word = start + np.int64(hashed)
            if not is_seen[word]:
                is_seen[word] = True
                for kind in range(len(weight)):
                    scores[kind] += weight[kind, word]
    return scores


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def neighbour_rows(rows: Features) -> None:
    """Rows of the blocks before and after; 0 beyond the page's ends."""
    num_blocks, at = rows.shape[1], NEIGHBOUR_AT
    for row in _NEIGHBOUR_ROWS:
        for shift in _SHIFTS:
            if abs(shift) < num_blocks:
                if shift > 0:
                    rows[at, : num_blocks - shift] = rows[row, shift:]
                else:
                    rows[at, -shift:] = rows[row, : num_blocks + shift]
            at += 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def window_rows(rows: Features, text: BlockText, context: Context) -> None:
    """Sums over the blocks up to each distance on both sides."""
    num_blocks, at = rows.shape[1], WINDOW_AT
    before = np.zeros((4, num_blocks + 1), np.int32)
    for b in range(num_blocks):
        before[0, b + 1] = before[0, b] + context.size[b]
        before[1, b + 1] = before[1, b] + text.token_start[b + 1] - text.token_start[b]
        before[2, b + 1] = before[2, b] + text.counts[counted.LINK_WORDS, b]
        before[3, b + 1] = before[3, b] + context.good[b]
    for window in _WINDOWS:
        for b in range(num_blocks):
            low, high = max(0, b - window), min(num_blocks, b + window + 1)
            size = before[0, high] - before[0, low]
            rows[at, b] = log_code(size)
            rows[at + 1, b] = ratio_code(before[2, high] - before[2, low], before[1, high] - before[1, low])
            rows[at + 2, b] = ratio_code(before[3, high] - before[3, low], size)
        at += 3
