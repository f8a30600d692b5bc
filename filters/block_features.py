"""The features of a page's blocks: one byte each, 0 to 63, one row of the matrix a feature.

Counts are on a logarithmic scale with four steps an octave, ratios are in 63rds, weights are centred at 32. So every
feature is an integer computed with integers, the same on every machine, and a question of the model compares bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import block_text as counted
from filters.block_context import (
    BLOCKS,
    GOOD,
    LINKED,
    SIZE,
    TOKENS,
    Context,
    Ints,
    Weights,
    read_context,
)
from filters.block_elements import (
    CELL,
    CODE,
    CONTROL,
    DEFINITION,
    ITEM,
    PARAGRAPH,
    QUOTE,
    WORD_BITS,
    Elements,
    read_elements,
)
from filters.block_text import TOKEN_BITS, BlockText, measure_text, tokens_of
from filters.html_blocks import HtmlBlocks
from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree
from filters.text import Bytes, hash_end, hash_step
from filters.uncounted import uncounted

Features = npt.NDArray[np.uint8]

_H1, _H6, _TITLE = TAGS.index("h1"), TAGS.index("h6"), TAGS.index("title")
_ARTICLE, _P, _LI, _TR = TAGS.index("article"), TAGS.index("p"), TAGS.index("li"), TAGS.index("tr")

NUM_ANCESTORS: Final = 5
NUM_FLAGS: Final = 21
_OWN_FLAGS: Final = np.array([ITEM, CELL, PARAGRAPH, QUOTE, CODE, DEFINITION, CONTROL], np.uint32)
SHIFTS: Final = (-3, -2, -1, 1, 2, 3)
_SHIFTS: Final = np.array(SHIFTS)
WINDOWS: Final = (2, 5, 12)
_WINDOWS: Final = np.array(WINDOWS)

_TEXT = (
    "size chars link_ratio links ends commas punctuation_ratio digit_ratio capital_ratio word_length cjk_ratio "
    "non_ascii_ratio symbol_ratio inline images breaks controls first last bold_ratio token_sum token_mean token_low "
    "token_first token_last repeats in_title of_title"
)
TEXT_NAMES: Final = tuple(_TEXT.split())
_ELEMENT = (
    "heading_level own_weight path_sum path_low path_high parent_weight depth is_item is_cell is_p is_quote is_code "
    "is_definition is_control"
)
ELEMENT_NAMES: Final = (*_ELEMENT.split(), *(f"in_flag_{i}" for i in range(NUM_FLAGS)))
_ANCESTOR = "blocks size link_ratio good_ratio good_share path place mean_size"
ANCESTOR_NAMES: Final = tuple(f"{name}_up{level}" for level in range(NUM_ANCESTORS) for name in _ANCESTOR.split())
_MAIN = "side distance share levels"
MAIN_NAMES: Final = (
    *(f"{name}_main{i}" for i in range(3) for name in _MAIN.split()),
    "score_ratio",
    "best_score_ratio",
)
_GROUP = "count size parent_size link_ratio"
_KIND = "kind_count kind_size kind_link_ratio kind_good_ratio kind_as_before"
GROUP_NAMES: Final = (
    *(f"{name}_{which}_group" for which in ("near", "far") for name in _GROUP.split()),
    *_KIND.split(),
)
_PLACE = (
    "block_place size_place blocks_before blocks_after h1_side h1_distance heading_distance heading_level_before "
    "heading_mean_before heading_path_before title_distance"
)
PLACE_NAMES: Final = tuple(_PLACE.split())
PAGE_KINDS: Final = ("forum", "listing", "documentation", "service")  # those that articles are told from
_PAGE = (
    "page_size page_blocks page_link_ratio page_good_ratio page_cjk_ratio page_h1 page_articles page_p page_li page_tr "
    "page_main_share page_path page_mean"
)
PAGE_NAMES: Final = (*_PAGE.split(), *(f"page_is_{kind}" for kind in PAGE_KINDS))
_NEIGHBOUR = "size link_ratio punctuation_ratio token_mean heading_level own_weight path_sum"
NEIGHBOUR_NAMES: Final = tuple(f"{name}{shift:+d}" for name in _NEIGHBOUR.split() for shift in SHIFTS)
_WINDOW = "size link_ratio good_ratio"
WINDOW_NAMES: Final = tuple(f"{name}_within{w}" for w in WINDOWS for name in _WINDOW.split())

NAMES: Final = (
    *TEXT_NAMES, *ELEMENT_NAMES, *ANCESTOR_NAMES, *MAIN_NAMES, *GROUP_NAMES, *PLACE_NAMES, *PAGE_NAMES,
    *NEIGHBOUR_NAMES, *WINDOW_NAMES,
)  # fmt: skip
_NEIGHBOUR_ROWS: Final = np.array([NAMES.index(name) for name in _NEIGHBOUR.split()])
_ELEMENT_AT: Final = len(TEXT_NAMES)
_ANCESTOR_AT: Final = _ELEMENT_AT + len(ELEMENT_NAMES)
_MAIN_AT: Final = _ANCESTOR_AT + len(ANCESTOR_NAMES)
_GROUP_AT: Final = _MAIN_AT + len(MAIN_NAMES)
_PLACE_AT: Final = _GROUP_AT + len(GROUP_NAMES)
_PAGE_AT: Final = _PLACE_AT + len(PLACE_NAMES)
_NEIGHBOUR_AT: Final = _PAGE_AT + len(PAGE_NAMES)
_WINDOW_AT: Final = _NEIGHBOUR_AT + len(NEIGHBOUR_NAMES)
NUM_FEATURES: Final = len(NAMES)


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
def log_code(count: int) -> int:
    """Code a count: itself up to 8, then four steps an octave, 63 from 114,688 on."""
    if count < 4:
        return max(0, count)
    octave = 2
    while (count >> (octave + 1)) > 0:
        octave += 1
    return min(63, 4 * (octave - 1) + ((count >> (octave - 2)) & 3))


@njit(cache=True, nogil=True)
def ratio_code(part: int, whole: int) -> int:
    """Code a ratio in 63rds, rounded down; 0 for an empty whole, 63 from 1 on."""
    return min(63, 63 * max(0, part) // whole) if whole > 0 else 0


@njit(cache=True, nogil=True)
def signed_code(value: int, step: int) -> int:
    """Code a signed value around 32, ``step`` a unit."""
    return min(63, max(0, 32 + value // step))


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
    tree, blocks = _uncounted(tree, blocks)
    num_blocks = len(blocks.first_node)
    text = measure_text(tree, blocks.first_node, blocks.stop_node)
    elements = read_elements(tree, blocks.container)
    context = read_context(tree, blocks.first_node, blocks.container, text, elements, weights.own, weights.path)
    rows = np.zeros((NUM_FEATURES, num_blocks), np.uint8)
    kind = _number_kinds(tree, blocks.container, elements.signature)
    if num_blocks:
        _text_rows(rows, tree, text, context, weights.token)
        _element_rows(rows, tree, blocks.container, elements, context)
        _ancestor_rows(rows, blocks.container, context)
        _main_rows(rows, tree, blocks.container, context)
        _group_rows(rows, tree, blocks.container, text, context, kind)
        _place_rows(rows, context.size)
        _page_rows(rows, tree, text, context)
        _page_kind_rows(rows, elements, text, weights.page)
        _neighbour_rows(rows)
        _window_rows(rows, text, context)
    return BlockFeatures(rows, kind, context.size, context)


@njit(cache=True, nogil=True, forceinline=True)
def _uncounted(tree: HtmlTree, blocks: HtmlBlocks) -> tuple[HtmlTree, HtmlBlocks]:
    """The same arrays without reference counts; their owner is a caller outside of compiled code."""
    tree = HtmlTree(
        uncounted(tree.source),
        uncounted(tree.tag),
        uncounted(tree.parent),
        uncounted(tree.last),
        uncounted(tree.start),
        uncounted(tree.stop),
        uncounted(tree.depth),
        uncounted(tree.block),
    )
    return tree, HtmlBlocks(
        uncounted(blocks.first_node), uncounted(blocks.stop_node), uncounted(blocks.container), uncounted(blocks.gap)
    )


@njit(cache=True, nogil=True)
def _text_rows(rows: Features, tree: HtmlTree, text: BlockText, context: Context, weight: Weights) -> None:
    counts = text.counts
    repeats = _count_repeats(text.text_hash)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _count_repeats(text_hash: npt.NDArray[np.uint64]) -> Ints:
    """How often each block's text occurs on the page."""
    order = np.argsort(text_hash)
    repeats = np.empty(len(order), np.int32)
    start = 0
    for i in range(len(order)):
        if text_hash[order[i]] != text_hash[order[start]]:
            start = i
        if i + 1 == len(order) or text_hash[order[i + 1]] != text_hash[order[start]]:
            for k in range(start, i + 1):
                repeats[order[k]] = i + 1 - start
    return repeats


@njit(cache=True, nogil=True)
def heading_level(tag: int) -> int:
    """1 to 6 for h1 to h6, else 0."""
    return tag - _H1 + 1 if _H1 <= tag <= _H6 else 0


@njit(cache=True, nogil=True)
def _element_rows(rows: Features, tree: HtmlTree, container: Ints, elements: Elements, context: Context) -> None:
    at = _ELEMENT_AT
    for b in range(rows.shape[1]):
        node = container[b]
        parent = tree.parent[node]
        level = heading_level(tree.tag[node])
        if level == 0 and parent >= 0:
            level = heading_level(tree.tag[parent])
        rows[at, b] = level
        rows[at + 1, b] = signed_code(context.own[node], 4)
        rows[at + 2, b] = signed_code(context.path_sum[node], 8)
        rows[at + 3, b] = signed_code(context.path_low[node], 4)
        rows[at + 4, b] = signed_code(context.path_high[node], 4)
        rows[at + 5, b] = signed_code(context.path[parent], 4) if parent >= 0 else 32
        rows[at + 6, b] = min(63, tree.depth[node])
        for i in range(len(_OWN_FLAGS)):
            rows[at + 7 + i, b] = 1 if elements.flags[node] & _OWN_FLAGS[i] else 0
        for i in range(NUM_FLAGS):
            rows[at + 14 + i, b] = (context.flags[node] >> np.uint32(i)) & np.uint32(1)


@njit(cache=True, nogil=True)
def _ancestor_rows(rows: Features, container: Ints, context: Context) -> None:
    """The element a block stands in, and those around it that hold more."""
    sums = context.sums
    for b in range(rows.shape[1]):
        node = container[b]
        for level in range(NUM_ANCESTORS):
            if node < 0:
                break
            at = _ANCESTOR_AT + 8 * level
            num_blocks, size = sums[BLOCKS, node], sums[SIZE, node]
            rows[at, b] = log_code(num_blocks)
            rows[at + 1, b] = log_code(size)
            rows[at + 2, b] = ratio_code(sums[LINKED, node], sums[TOKENS, node])
            rows[at + 3, b] = ratio_code(sums[GOOD, node], size)
            rows[at + 4, b] = ratio_code(sums[GOOD, node], sums[GOOD, 0])
            rows[at + 5, b] = signed_code(context.path[node], 4)
            rows[at + 6, b] = ratio_code(b - context.block_start[node], num_blocks)
            rows[at + 7, b] = log_code(size // max(1, num_blocks))
            node = context.up[node]


@njit(cache=True, nogil=True)
def _main_rows(rows: Features, tree: HtmlTree, container: Ints, context: Context) -> None:
    """Where a block is relative to the page's likely main elements."""
    top_score = context.score.max()
    for i in range(3):
        main, at = context.candidates[i], _MAIN_AT + 4 * i
        if main < 0:
            continue
        start = context.block_start[main]
        stop = start + context.sums[BLOCKS, main]
        for b in range(rows.shape[1]):
            node = container[b]
            is_inside = main <= node < tree.last[main]
            rows[at, b] = 1 if is_inside else 0 if node < main else 2
            rows[at + 1, b] = 0 if is_inside else log_code(start - b if b < start else b - stop + 1)
            rows[at + 2, b] = ratio_code(context.sums[SIZE, main], context.sums[SIZE, 0])
            rows[at + 3, b] = min(63, tree.depth[node] - tree.depth[main]) if is_inside else 63
    for b in range(rows.shape[1]):
        parent = max(0, tree.parent[container[b]])
        rows[_MAIN_AT + 12, b] = ratio_code(max(context.score[container[b]], context.score[parent]), top_score)
        rows[_MAIN_AT + 13, b] = ratio_code(context.best_score[container[b]], top_score)


@njit(cache=True, nogil=True)
def _number_kinds(tree: HtmlTree, container: Ints, signature: npt.NDArray[np.uint64]) -> Ints:
    keys = np.empty(len(container), np.uint64)
    for b in range(len(container)):
        node, state = container[b], np.uint64(0)
        for _ in range(3):
            if node >= 0:
                state = hash_step(state, signature[node])
                node = tree.parent[node]
        keys[b] = hash_end(state)
    order = np.argsort(keys)
    kind = np.zeros(len(container), np.int32)
    number = -1
    for i in range(len(order)):
        if i == 0 or keys[order[i]] != keys[order[i - 1]]:
            number += 1
        kind[order[i]] = number
    return kind


@njit(cache=True, nogil=True)
def _group_rows(rows: Features, tree: HtmlTree, container: Ints, text: BlockText, context: Context, kind: Ints) -> None:
    """Repeated siblings around a block, and the blocks of its kind anywhere on the page."""
    num_blocks = rows.shape[1]
    sums = np.zeros((5, num_blocks), np.int64)
    for b in range(num_blocks):
        sums[0, kind[b]] += 1
        sums[1, kind[b]] += context.size[b]
        sums[2, kind[b]] += text.token_start[b + 1] - text.token_start[b]
        sums[3, kind[b]] += text.counts[counted.LINK_WORDS, b]
        sums[4, kind[b]] += context.good[b]
    for b in range(num_blocks):
        for which in range(2):
            node = (context.near_group if which == 0 else context.far_group)[container[b]]
            if node >= 0:
                at, parent = _GROUP_AT + 4 * which, max(0, tree.parent[node])
                rows[at, b] = log_code(context.group[node])
                rows[at + 1, b] = log_code(context.sums[SIZE, node])
                rows[at + 2, b] = log_code(context.sums[SIZE, parent])
                rows[at + 3, b] = ratio_code(context.sums[LINKED, parent], context.sums[TOKENS, parent])
        at, k = _GROUP_AT + 8, kind[b]
        rows[at, b] = log_code(sums[0, k])
        rows[at + 1, b] = log_code(sums[1, k] // sums[0, k])
        rows[at + 2, b] = ratio_code(sums[3, k], sums[2, k])
        rows[at + 3, b] = ratio_code(sums[4, k], sums[1, k])
        rows[at + 4, b] = 1 if b and kind[b - 1] == k else 0


@njit(cache=True, nogil=True)
def _place_rows(rows: Features, size: Ints) -> None:
    """Where a block is on the page, and which headings are before it. Reads rows written before."""
    num_blocks, at = rows.shape[1], _PLACE_AT
    level_row, path_row = _ELEMENT_AT, _ELEMENT_AT + 2
    h1 = title = heading = -1
    best_title = 20  # a third of the title's words at least
    for b in range(num_blocks):
        if h1 < 0 and rows[level_row, b] == 1:
            h1 = b
        if rows[27, b] + rows[26, b] // 2 > best_title + 4 * (title >= 0):
            best_title, title = rows[27, b] + rows[26, b] // 2, b
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
        rows[at + 8, b] = rows[21, heading] if heading >= 0 else 32
        rows[at + 9, b] = rows[path_row, heading] if heading >= 0 else 32
        rows[at + 10, b] = 0 if title < 0 else signed_code(log_code(abs(b - title)) * (1 if b > title else -1), 1)
        before += size[b]
        if rows[level_row, b]:
            heading = b


@njit(cache=True, nogil=True)
def _page_rows(rows: Features, tree: HtmlTree, text: BlockText, context: Context) -> None:
    """Numbers of the whole page, the same for all its blocks."""
    num_blocks, at = rows.shape[1], _PAGE_AT
    tags = np.zeros(256, np.int32)
    for node in range(len(tree.tag)):
        tags[tree.tag[node]] += context.sums[BLOCKS, node] > 0
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
    rows[at + 11] = rows[_ELEMENT_AT + 2].sum() // num_blocks
    rows[at + 12] = rows[21].sum() // num_blocks


@njit(cache=True, nogil=True)
def _page_kind_rows(rows: Features, elements: Elements, text: BlockText, weight: Weights) -> None:
    at = _PAGE_AT + len(PAGE_NAMES) - len(PAGE_KINDS)
    for kind, total in enumerate(_page_scores(elements, text, weight)):
        rows[at + kind] = signed_code(total, 32)


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _neighbour_rows(rows: Features) -> None:
    """Rows of the blocks before and after; 0 beyond the page's ends."""
    num_blocks, at = rows.shape[1], _NEIGHBOUR_AT
    for row in _NEIGHBOUR_ROWS:
        for shift in _SHIFTS:
            if abs(shift) < num_blocks:
                if shift > 0:
                    rows[at, : num_blocks - shift] = rows[row, shift:]
                else:
                    rows[at, -shift:] = rows[row, : num_blocks + shift]
            at += 1


@njit(cache=True, nogil=True)
def _window_rows(rows: Features, text: BlockText, context: Context) -> None:
    """Sums over the blocks up to each distance on both sides."""
    num_blocks, at = rows.shape[1], _WINDOW_AT
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
