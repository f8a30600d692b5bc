"""Blocks: the runs of text that a page shows as one paragraph, heading, list item, table cell ...

A block is a maximal run of inline content in one block-level element: it ends where a block-level element starts or
ends, at an ``hr``, and at two ``br`` with nothing but white space between. Text that the page does not show (scripts,
styles, the head, templates, text fields, drawings, what stands in for a video) is in no block; nor are the readings of
ruby, which would be read as part of the word, and the second of a formula's two copies. Whether style sheets show an
element is not asked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import html_tags
from filters.html_stack import MAX_DEPTH, Indexes
from filters.html_tags import FLAGS, TEXT, hash_lower, name_hash, tags_of
from filters.html_tokens import is_space, next_attribute
from filters.html_tree import HtmlTree
from filters.utf8 import Bytes

LINE, PARAGRAPH = 1, 2  # values of HtmlBlocks.gap

_BR, _MATH, _SPAN = tags_of("br math span")
_ARIA_HIDDEN, _TRUE = np.uint64(name_hash("aria-hidden")), np.uint64(name_hash("true"))


class HtmlBlocks(NamedTuple):
    """A page's blocks in document order.

    Attributes:
        first_node: int32 [num_blocks], the first inline element or text after what ends the previous block.
        stop_node: int32 [num_blocks], one past the block's last text node. Every text of the block is in this range;
            so may be white space and elements without text.
        container: int32 [num_blocks], the nearest block-level element around the block.
        gap: uint8 [num_blocks], what parts it from the previous block: ``LINE`` or ``PARAGRAPH``, a blank line.
    """

    first_node: Indexes
    stop_node: Indexes
    container: Indexes
    gap: Bytes


def blocks(tree: HtmlTree) -> HtmlBlocks:
    """Find a page's blocks, and fill ``tree.block``; empty for a page without text."""
    num_texts = int(np.count_nonzero(tree.tag == TEXT))
    first_node, stop_node, container = (np.empty(num_texts, np.int32) for _ in range(3))
    gap = np.empty(num_texts, np.uint8)
    end = _find_blocks(tree, first_node, stop_node, container, gap)
    return HtmlBlocks(first_node[:end], stop_node[:end], container[:end], gap[:end])


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def is_blank(source: Bytes, start: int, stop: int) -> bool:
    """Whether a text is white space only: HTML's, and no-break spaces as character or as their usual references."""
    position = start
    while position < stop:
        size = 1 if is_space(source[position]) else _no_break_size(source, position, stop)
        if size == 0:
            return False
        position += size
    return True


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _no_break_size(source: Bytes, position: int, stop: int) -> int:
    """Bytes of the no-break space, ``&nbsp;`` or ``&#160;`` at this position, 0 if there is none."""
    if source[position] == 0xC2:
        return 2 if position + 1 < stop and source[position + 1] == 0xA0 else 0
    if source[position] != 0x26 or position + 6 > stop or source[position + 5] != 0x3B:
        return 0
    a, b, c, d = source[position + 1], source[position + 2], source[position + 3], source[position + 4]
    is_named = a == 0x6E and b == 0x62 and c == 0x73 and d == 0x70
    is_numbered = a == 0x23 and b == 0x31 and c == 0x36 and d == 0x30
    return 6 if is_named or is_numbered else 0


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _find_blocks(
    tree: HtmlTree,
    first_node: Indexes,
    stop_node: Indexes,
    container: Indexes,
    gap: npt.NDArray[np.uint8],
) -> int:
    """Fill the columns and ``tree.block``; return the number of blocks."""
    open_blocks = np.empty(MAX_DEPTH, np.int32)  # the block-level ancestors of the node
    num_open, num_lists, num_preformatted = 0, 0, 0
    num_blocks, is_open = 0, False  # is_open: the next text belongs to the last block
    run_start, num_br, wanted_gap = -1, 0, PARAGRAPH
    node, formula = 0, -1  # formula: the last one
    while node < len(tree.tag):
        tag = np.int64(tree.tag[node])
        while num_open and node >= tree.last[open_blocks[num_open - 1]]:
            num_open -= 1
            flags = FLAGS[tree.tag[open_blocks[num_open]]]
            num_lists -= flags & html_tags.LIST > 0
            num_preformatted -= flags & html_tags.PREFORMATTED > 0
            wanted_gap = max(wanted_gap, _gap_of(flags, num_lists))
            is_open, run_start = False, -1
        flags = FLAGS[tag]
        if tag == TEXT:
            if is_blank(tree.source, tree.start[node], tree.stop[node]):
                tree.block[node] = num_blocks - 1 if is_open else -1
            else:
                if not is_open:
                    first_node[num_blocks] = run_start if run_start >= 0 else node
                    container[num_blocks], gap[num_blocks] = open_blocks[num_open - 1], wanted_gap
                    num_blocks += 1
                    is_open, wanted_gap = True, LINE
                tree.block[node] = num_blocks - 1
                stop_node[num_blocks - 1] = node + 1
                num_br = 0
        elif flags & html_tags.SKIPPED or (tag == _SPAN and formula >= 0 and _repeats(tree, node, formula)):
            node = tree.last[node]
            continue
        elif flags & html_tags.BLOCK:
            wanted_gap = max(wanted_gap, _gap_of(flags, num_lists))
            is_open, run_start, num_br = False, -1, 0
            open_blocks[num_open] = node
            num_open += 1
            num_lists += flags & html_tags.LIST > 0
            num_preformatted += flags & html_tags.PREFORMATTED > 0
        elif tag == _BR:
            num_br += 1
            if num_br == 2 and num_preformatted == 0:
                wanted_gap, is_open, run_start = PARAGRAPH, False, -1
        elif run_start < 0:
            run_start = node
        formula = node if tag == _MATH else formula
        node += 1
    return num_blocks


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _repeats(tree: HtmlTree, node: int, formula: int) -> bool:
    """Whether an element shows the formula right before it once more: KaTeX writes it as MathML, then for the eye."""
    copy = tree.parent[formula]
    if tree.last[copy] != node or tree.parent[copy] != tree.parent[node]:
        return False
    position = tree.start[node]
    while True:
        name, name_stop, value, value_stop, position = next_attribute(tree.source, position, tree.stop[node])
        if name < 0:
            return False
        if hash_lower(tree.source, name, name_stop) == _ARIA_HIDDEN:
            return bool(hash_lower(tree.source, value, value_stop) == _TRUE)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _gap_of(flags: int, num_lists: int) -> int:
    """The gap that an element's edge makes; that of a list within a list is no paragraph's."""
    return PARAGRAPH if flags & html_tags.MARGIN and not (flags & html_tags.LIST and num_lists) else LINE
