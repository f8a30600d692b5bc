"""What the elements around a block say of it: sums over subtrees, repeated siblings, the page's likely main element."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_elements import CONTROL, HIDDEN, NAV, PARAGRAPH, Elements
from filters.block_text import CHARS, CJK, COMMAS, LINK_WORDS, SENTENCE_ENDS, WORDS, BlockText
from filters.html_tags import TEXT
from filters.html_tree import HtmlTree
from filters.text import hash_end, hash_step

Ints = npt.NDArray[np.int32]
Weights = npt.NDArray[np.int8]

# Rows of the sums over an element's subtree.
BLOCKS, SIZE, TOKENS, LINKED, GOOD = range(5)
NUM_SUMS: Final = 5

MIN_GOOD_SIZE: Final = 8  # words of a block that can count as running text
MIN_GROUP: Final = 3  # siblings of one tag and class that make a group
CANDIDATE_SHARES: Final = (50, 80)  # percent of the page's running text that a main element holds


class Context(NamedTuple):
    """What is known of each node by its place, int32 unless said otherwise.

    Attributes:
        flags: uint32 [num_nodes], bits of the node and of all its ancestors.
        own: [num_nodes], weight of the element's words for the blocks right in it.
        path: [num_nodes], weight of its words for all that is below.
        path_sum, path_low, path_high: [num_nodes], of ``path`` over the node and its ancestors.
        sums: [NUM_SUMS, num_nodes], of the blocks in the node's subtree.
        block_start: [num_nodes], number of blocks before the node's subtree.
        up: [num_nodes], the nearest ancestor that has more blocks; -1 above all.
        group: [num_nodes], siblings of its signature, itself included.
        near_group, far_group: [num_nodes], innermost and outermost of the node and its ancestors that have MIN_GROUP
            such siblings; -1 where none has.
        score: [num_nodes], how much running text stands right below, as Readability counts it.
        best_score: [num_nodes], highest ``score`` of the node and its ancestors.
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
    block_start: Ints
    up: Ints
    group: Ints
    near_group: Ints
    far_group: Ints
    score: Ints
    best_score: Ints
    size: Ints
    good: Ints
    candidates: Ints


@njit(cache=True, nogil=True)
def read_context(
    tree: HtmlTree,
    first_node: Ints,
    container: Ints,
    text: BlockText,
    elements: Elements,
    own_weight: Weights,
    path_weight: Weights,
) -> Context:
    """Look at every block's surroundings; see ``Context``."""
    own, path = _sum_weights(elements, own_weight), _sum_weights(elements, path_weight)
    flags, path_sum, path_low, path_high = _inherit(tree, elements.flags, path)
    size, good = _sizes(text, flags, container)
    sums = _sum_subtrees(tree, container, text, size, good)
    group = _count_groups(tree, elements.signature, sums)
    up, near_group, far_group = _look_up(tree, sums, group)
    score = _score_elements(tree, container, text, elements.flags, size, good, sums)
    best_score = score.copy()
    for node in range(1, len(score)):
        best_score[node] = max(best_score[node], best_score[tree.parent[node]])
    candidates = np.empty(3, np.int32)
    for i in range(2):
        candidates[i] = _deepest_holding(tree, sums, CANDIDATE_SHARES[i])
    candidates[2] = score.argmax() if len(score) else -1
    return Context(
        flags, own, path, path_sum, path_low, path_high, sums, _blocks_before(tree, first_node), up, group, near_group,
        far_group, score, best_score, size, good, candidates,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _sum_weights(elements: Elements, weight: Weights) -> Ints:
    sums = np.zeros(len(elements.flags), np.int32)
    for node in range(len(sums)):
        for i in range(elements.word_start[node], elements.word_start[node + 1]):
            sums[node] += weight[elements.word[i]]
    return sums


@njit(cache=True, nogil=True)
def _inherit(
    tree: HtmlTree, own_flags: npt.NDArray[np.uint32], path: Ints
) -> tuple[npt.NDArray[np.uint32], Ints, Ints, Ints]:
    """Flags, and the sum, lowest and highest of ``path``, of each node and its ancestors."""
    flags, path_sum, path_low, path_high = own_flags.copy(), path.copy(), path.copy(), path.copy()
    for node in range(1, len(path)):
        parent = tree.parent[node]
        if parent >= 0:
            flags[node] |= flags[parent]
            path_sum[node] += path_sum[parent]
            path_low[node] = min(path_low[node], path_low[parent])
            path_high[node] = max(path_high[node], path_high[parent])
    return flags, path_sum, path_low, path_high


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _sum_subtrees(tree: HtmlTree, container: Ints, text: BlockText, size: Ints, good: Ints) -> Ints:
    """Sums over every node's subtree."""
    num_nodes, num_blocks = len(tree.tag), len(container)
    sums = np.zeros((NUM_SUMS, num_nodes), np.int32)
    for block in range(num_blocks):
        node = container[block]
        sums[BLOCKS, node] += 1
        sums[SIZE, node] += size[block]
        sums[TOKENS, node] += text.token_start[block + 1] - text.token_start[block]
        sums[LINKED, node] += text.counts[LINK_WORDS, block]
        sums[GOOD, node] += good[block]
    for node in range(num_nodes - 1, 0, -1):
        if sums[BLOCKS, node] and tree.parent[node] >= 0:
            for row in range(NUM_SUMS):
                sums[row, tree.parent[node]] += sums[row, node]
    return sums


@njit(cache=True, nogil=True)
def _blocks_before(tree: HtmlTree, first_node: Ints) -> Ints:
    """Number of blocks that begin before each node."""
    before = np.empty(len(tree.tag), np.int32)
    block = 0
    for node in range(len(before)):
        before[node] = block
        while block < len(first_node) and first_node[block] == node:
            block += 1
    return before


@njit(cache=True, nogil=True)
def _count_groups(tree: HtmlTree, signature: npt.NDArray[np.uint64], sums: Ints) -> Ints:
    """For each element with text, the number of siblings with text of its signature, itself included."""
    num_nodes = len(signature)
    bits = 4
    while (1 << bits) < 2 * num_nodes:
        bits += 1
    keys, first = np.zeros(1 << bits, np.uint64), np.full(1 << bits, -1, np.int32)
    group, leader = np.zeros(num_nodes, np.int32), np.full(num_nodes, -1, np.int32)
    for node in range(num_nodes):
        if tree.tag[node] == TEXT or not sums[BLOCKS, node]:
            continue
        key = hash_end(hash_step(signature[node], np.uint64(tree.parent[node] + 1)))
        place = np.int64(key >> np.uint64(64 - bits))
        while first[place] >= 0 and keys[place] != key:
            place = (place + 1) & ((1 << bits) - 1)
        if first[place] < 0:
            keys[place], first[place] = key, node
        leader[node] = first[place]
        group[first[place]] += 1
    for node in range(num_nodes):
        if leader[node] >= 0:
            group[node] = group[leader[node]]
    return group


@njit(cache=True, nogil=True)
def _look_up(tree: HtmlTree, sums: Ints, group: Ints) -> tuple[Ints, Ints, Ints]:
    num_nodes = len(group)
    up = np.full(num_nodes, -1, np.int32)
    near, far = up.copy(), up.copy()
    for node in range(num_nodes):
        parent = tree.parent[node]
        if parent >= 0:
            up[node] = parent if sums[BLOCKS, parent] > sums[BLOCKS, node] else up[parent]
            near[node], far[node] = near[parent], far[parent]
        if group[node] >= MIN_GROUP:
            near[node] = node
            if far[node] < 0:
                far[node] = node
    return up, near, far


@njit(cache=True, nogil=True)
def _score_elements(
    tree: HtmlTree, container: Ints, text: BlockText, flags: npt.NDArray[np.uint32], size: Ints, good: Ints, sums: Ints
) -> Ints:
    """Readability's candidates: a paragraph counts for its parent, and half for the parent's parent.

    Source: github.com/mozilla/readability, ``Readability.js``, ``_grabArticle``: 1, a point a comma, a point a hundred
    characters up to three; times the share of text that is not in links. Names of classes have weights of their own.
    """
    score = np.zeros(len(tree.tag), np.int32)
    for block in range(len(container)):
        if good[block] == 0:
            continue
        commas = text.counts[COMMAS, block] + text.counts[SENTENCE_ENDS, block]
        points = 100 + 100 * commas + min(text.counts[CHARS, block], 300)
        node = container[block]
        if flags[node] & PARAGRAPH and tree.parent[node] >= 0:
            node = tree.parent[node]
        score[node] += 2 * points
        if tree.parent[node] >= 0:
            score[tree.parent[node]] += points
    for node in range(len(score)):
        tokens = sums[TOKENS, node]
        if score[node] and tokens:
            score[node] = np.int64(score[node]) * (tokens - min(tokens, sums[LINKED, node])) // tokens
    return score


@njit(cache=True, nogil=True)
def _deepest_holding(tree: HtmlTree, sums: Ints, percent: int) -> int:
    """The deepest element with this share of the page's running text; the first of equals, -1 without running text."""
    best, best_depth = -1, -1
    if len(tree.tag) == 0 or sums[GOOD, 0] == 0:
        return best
    for node in range(len(tree.tag)):
        if sums[GOOD, node] * 100 >= percent * sums[GOOD, 0] and tree.depth[node] > best_depth:
            best, best_depth = node, tree.depth[node]
    return best
