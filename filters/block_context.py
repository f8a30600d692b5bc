"""What the elements around a block say of it: sums over subtrees, repeated siblings, the page's likely main element."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_elements import CONTROL, HIDDEN, NAV, PARAGRAPH, Elements
from filters.block_groups import count_equals, first_of_equals
from filters.block_surroundings import Ints, Surroundings
from filters.block_text import CHARS, CJK, COMMAS, LINK_WORDS, SENTENCE_ENDS, WORDS, BlockText
from filters.hashing import hash_end, hash_step

Weights = npt.NDArray[np.int8]

# Rows of the sums over an element's subtree.
BLOCKS, SIZE, TOKENS, LINKED, GOOD = range(5)
NUM_SUMS: Final = 5

MIN_GOOD_SIZE: Final = 8  # words of a block that can count as running text
MIN_GROUP: Final = 3  # siblings of one tag and class that make a group
CANDIDATE_SHARES: Final = (50, 80)  # percent of the page's running text that a main element holds


class Context(NamedTuple):
    """What is known of each element around blocks by its place, int32 unless said otherwise.

    Attributes:
        flags: uint32 [num_elements], bits of the element and of all its ancestors.
        own: [num_elements], weight of the element's words for the blocks right in it.
        path: [num_elements], weight of its words for all that is below.
        path_sum, path_low, path_high: [num_elements], of ``path`` over the element and its ancestors.
        sums: [NUM_SUMS, num_elements], of the blocks in the element's subtree.
        up: [num_elements], the nearest ancestor that has more blocks; -1 above all.
        group: [num_elements], siblings of its signature, itself included.
        near_group, far_group: [num_elements], innermost and outermost of the element and its ancestors that have
            MIN_GROUP such siblings; -1 where none has.
        score: [num_elements], how much running text stands right below, as Readability counts it.
        best_score: [num_elements], highest ``score`` of the element and its ancestors.
        size: [num_blocks], words; two ideographs are one.
        good: [num_blocks], words outside of links if the block looks like running text, else 0.
        candidates: [3], deepest element with each share of the page's running text, and that of the best score.
    """

    flags: npt.NDArray[np.uint32]
    own: Ints
    path: Ints
    path_sum: Ints
    path_low: Ints
    path_high: Ints
    sums: Ints
    up: Ints
    group: Ints
    near_group: Ints
    far_group: Ints
    score: Ints
    best_score: Ints
    size: Ints
    good: Ints
    candidates: Ints


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def read_context(
    around: Surroundings,
    text: BlockText,
    elements: Elements,
    own_weight: Weights,
    path_weight: Weights,
) -> Context:
    """Look at every block's surroundings; see ``Context``."""
    own, path = _sum_weights(elements, own_weight), _sum_weights(elements, path_weight)
    flags, path_sum, path_low, path_high = _inherit(around, elements.flags, path)
    size, good = _sizes(text, flags, around.container)
    sums = _sum_subtrees(around, text, size, good)
    group = _count_groups(around, elements.signature)
    up, near_group, far_group = _look_up(around, sums, group)
    score = _score_elements(around, text, elements.flags, size, good, sums)
    best_score = score.copy()
    for element in range(1, len(score)):
        best_score[element] = max(best_score[element], best_score[around.parent[element]])
    candidates = np.empty(3, np.int32)
    for i in range(2):
        candidates[i] = _deepest_holding(around, sums, CANDIDATE_SHARES[i])
    candidates[2] = score.argmax() if len(score) else -1
    return Context(
        flags, own, path, path_sum, path_low, path_high, sums, up, group, near_group, far_group, score, best_score,
        size, good, candidates,
    )  # fmt: skip


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _sum_weights(elements: Elements, weight: Weights) -> Ints:
    sums = np.zeros(len(elements.flags), np.int32)
    for element in range(len(sums)):
        for i in range(elements.word_start[element], elements.word_start[element + 1]):
            sums[element] += weight[elements.word[i]]
    return sums


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _inherit(
    around: Surroundings, own_flags: npt.NDArray[np.uint32], path: Ints
) -> tuple[npt.NDArray[np.uint32], Ints, Ints, Ints]:
    """Flags, and the sum, lowest and highest of ``path``, of each element and its ancestors."""
    flags, path_sum, path_low, path_high = own_flags.copy(), path.copy(), path.copy(), path.copy()
    for element in range(1, len(path)):
        parent = around.parent[element]
        flags[element] |= flags[parent]
        path_sum[element] += path_sum[parent]
        path_low[element] = min(path_low[element], path_low[parent])
        path_high[element] = max(path_high[element], path_high[parent])
    return flags, path_sum, path_low, path_high


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _sizes(text: BlockText, flags: npt.NDArray[np.uint32], container: Ints) -> tuple[Ints, Ints]:
    counts = text.counts
    size = counts[WORDS] + (counts[CJK] + 1) // 2
    good = np.zeros(len(size), np.int32)
    for block in range(len(size)):
        is_text = size[block] >= MIN_GOOD_SIZE and counts[SENTENCE_ENDS, block] + counts[COMMAS, block] > 0
        if is_text and not flags[container[block]] & (NAV | CONTROL | HIDDEN):
            tokens = max(1, counts[WORDS, block] + counts[CJK, block])
            good[block] = size[block] * (tokens - min(tokens, counts[LINK_WORDS, block])) // tokens
    return size, good


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _sum_subtrees(around: Surroundings, text: BlockText, size: Ints, good: Ints) -> Ints:
    """Sums over every element's subtree."""
    sums = np.zeros((NUM_SUMS, len(around.tag)), np.int32)
    for block in range(len(size)):
        element = around.container[block]
        sums[BLOCKS, element] += 1
        sums[SIZE, element] += size[block]
        sums[TOKENS, element] += text.token_start[block + 1] - text.token_start[block]
        sums[LINKED, element] += text.counts[LINK_WORDS, block]
        sums[GOOD, element] += good[block]
    for row in range(NUM_SUMS):
        for element in range(len(around.tag) - 1, 0, -1):
            sums[row, around.parent[element]] += sums[row, element]
    return sums


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _count_groups(around: Surroundings, signature: npt.NDArray[np.uint64]) -> Ints:
    """For each element, the number of siblings with text of its signature, itself included."""
    keys = np.empty(len(signature), np.uint64)
    for element in range(len(keys)):
        keys[element] = hash_end(hash_step(signature[element], np.uint64(around.parent[element] + 1)))
    group: Ints = count_equals(first_of_equals(keys))
    return group


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _look_up(around: Surroundings, sums: Ints, group: Ints) -> tuple[Ints, Ints, Ints]:
    up = np.full(len(group), -1, np.int32)
    near, far = up.copy(), up.copy()
    for element in range(len(group)):
        parent = around.parent[element]
        if parent >= 0:
            up[element] = parent if sums[BLOCKS, parent] > sums[BLOCKS, element] else up[parent]
            near[element], far[element] = near[parent], far[parent]
        if group[element] >= MIN_GROUP:
            near[element] = element
            if far[element] < 0:
                far[element] = element
    return up, near, far


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _score_elements(
    around: Surroundings, text: BlockText, flags: npt.NDArray[np.uint32], size: Ints, good: Ints, sums: Ints
) -> Ints:
    """Readability's candidates: a paragraph counts for its parent, and half for the parent's parent.

    Source: github.com/mozilla/readability, ``Readability.js``, ``_grabArticle``: 1, a point a comma, a point a hundred
    characters up to three; times the share of text that is not in links. Names of classes have weights of their own.
    """
    score = np.zeros(len(around.tag), np.int32)
    for block in range(len(size)):
        if good[block] == 0:
            continue
        commas = text.counts[COMMAS, block] + text.counts[SENTENCE_ENDS, block]
        points = 100 + 100 * commas + min(text.counts[CHARS, block], 300)
        element = around.container[block]
        if flags[element] & PARAGRAPH and around.parent[element] >= 0:
            element = around.parent[element]
        score[element] += 2 * points
        if around.parent[element] >= 0:
            score[around.parent[element]] += points
    for element in range(len(score)):
        tokens = sums[TOKENS, element]
        if score[element] and tokens:
            score[element] = np.int64(score[element]) * (tokens - min(tokens, sums[LINKED, element])) // tokens
    return score


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _deepest_holding(around: Surroundings, sums: Ints, percent: int) -> int:
    """The deepest element with this share of the page's running text; the first of equals, -1 without running text."""
    best, best_depth = -1, -1
    if len(around.tag) == 0 or sums[GOOD, 0] == 0:
        return best
    for element in range(len(around.tag)):
        if sums[GOOD, element] * 100 >= percent * sums[GOOD, 0] and around.depth[element] > best_depth:
            best, best_depth = element, around.depth[element]
    return best
