"""Blocks to plain text, in the form that heads ``filters.extraction``.

Paragraphs and headings are parted by a blank line, other blocks by a line end; list items start with ``•`` or their
number and are indented by two spaces a level; the cells of a table's row are parted by tabs; ``br`` ends a line; in
``pre`` spaces and line ends are the page's own; everywhere else a run of white space is one space. Links, emphasis and
pictures leave nothing but their text, and a space where a picture alone parts two words (``html_parting``).

A row is one line as long as its cells are one block each. Where they hold several paragraphs, the table is a means of
layout, and they come one after the other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.html_blocks import LINE, HtmlBlocks
from filters.html_entities import References, references
from filters.html_numbers import item_number
from filters.html_parting import is_parted
from filters.html_stack import MAX_DEPTH, Numbers
from filters.html_tags import CELL, FLAGS, LIST, PREFORMATTED, tags_of
from filters.html_tree import HtmlTree
from filters.html_writer import (
    BLANKS,
    BULLET_PREFIX,
    INDENT,
    IS_PRE,
    LENGTH,
    LINES,
    NO_PREFIX,
    PREFIX,
    TABS,
    WRITER_STATE,
    stripped,
    write_text,
)
from filters.uncounted import uncounted
from filters.utf8 import Bytes, Flags

MAX_INDENT: Final = 16  # list levels; keeps the text linear in the page
_MAX_GROWTH: Final = 3  # bytes of text for one of the page: U+FFFD for one that is not UTF-8; "&nGt;" becomes six

_BR, _LI, _OL, _PLAINTEXT, _SVG, _TITLE, _TR, _XMP = tags_of("br li ol plaintext svg title tr xmp")

# Places of the state behind the writer's. Of the last block written: one past its last node; its cell, if that has no
# more blocks; its row; the item that it begins.
_PREVIOUS, _CELL, _ROW, _ITEM = range(WRITER_STATE, WRITER_STATE + 4)


def render(tree: HtmlTree, blocks: HtmlBlocks, keep: Flags) -> str:
    """Write some blocks of a page as text.

    Args:
        tree: The page, whose ``block`` is filled.
        blocks: Its blocks.
        keep: bool [num_blocks], which of them.

    Returns:
        The text, valid as UTF-8; character references are decoded, what is not UTF-8 is U+FFFD. It is as
        ``extraction.tidy`` would leave it.
    """
    size = _room(tree, blocks, keep)
    out, state, memory = np.empty(size, np.uint8), _new_state(), np.full((3, MAX_DEPTH), -1, np.int64)
    length = _render(tree, blocks, keep, references(), out, state, memory)
    return out[:length].tobytes().decode("utf-8", "replace")


def title(tree: HtmlTree) -> str:
    """The text of the page's first ``title`` element outside of svg, on one line; empty if there is none."""
    for node in np.flatnonzero(tree.tag == _TITLE):
        if tree.tag[tree.parent[node]] != _SVG and tree.last[node] == node + 2:
            start, stop = int(tree.start[node + 1]), int(tree.stop[node + 1])
            out, state = np.empty(_MAX_GROWTH * (stop - start) + 8, np.uint8), _new_state()
            length = _render_line(tree.source, start, stop, references(), out, state)
            return out[:length].tobytes().decode("utf-8", "replace")
    return ""


def _new_state() -> Numbers:
    state = np.zeros(WRITER_STATE + 4, np.int64)
    state[PREFIX], state[_CELL], state[_ROW], state[_ITEM] = NO_PREFIX, -1, -1, -1
    return state


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _room(tree: HtmlTree, blocks: HtmlBlocks, keep: Flags) -> int:
    """Bytes that the text has at most."""
    room = len(tree.tag)  # tabs
    for block in range(len(keep)):
        if keep[block]:
            room += 2 * MAX_INDENT + 32
            for node in range(blocks.first_node[block], blocks.stop_node[block]):
                room += 2 * MAX_INDENT + 2
                if tree.block[node] == block:
                    room += _MAX_GROWTH * (tree.stop[node] - tree.start[node])
    return room


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _render_line(source: Bytes, start: int, stop: int, table: References, out: Bytes, state: Numbers) -> int:
    """Write one text without line ends; return its length."""
    write_text(uncounted(source), start, stop, uncounted(table), uncounted(out), uncounted(state), True)
    return state[LENGTH]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _render(
    tree: HtmlTree,
    blocks: HtmlBlocks,
    keep: Flags,
    table: References,
    out: Bytes,
    state: Numbers,
    memory: Numbers,
) -> int:
    """Write the kept blocks to ``out``; return the text's length."""
    tree, blocks, keep, table = uncounted(tree), uncounted(blocks), uncounted(keep), uncounted(table)
    out, state, memory = uncounted(out), uncounted(state), uncounted(memory)
    gap = 0
    for block in range(len(keep)):
        gap = max(gap, int(blocks.gap[block]))
        if keep[block]:
            in_row = _begin_block(tree, blocks, keep, block, gap, state, memory)
            _write_block(tree, blocks, block, in_row, table, out, state)
            gap = 0
    return stripped(out, state[LENGTH])


# Where a block stands.


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _begin_block(
    tree: HtmlTree,
    blocks: HtmlBlocks,
    keep: Flags,
    block: int,
    gap: int,
    state: Numbers,
    memory: Numbers,
) -> bool:
    """Want what parts a block from the one before; say whether it is a cell of a row on one line."""
    item, lists, cell, row, is_pre = _context(tree, blocks.container[block])
    is_sole = cell > item and row >= 0 and not is_pre and _is_only_block(tree, blocks, block, cell)
    is_beside = is_sole and state[_CELL] >= 0 and state[_ROW] == row
    in_row = is_beside or (is_sole and _next_kept(blocks, keep, block) < tree.last[row])
    if is_beside:
        state[TABS] = _num_cells(tree, state[_CELL], cell)
    else:
        is_next_row = is_sole and state[_CELL] >= 0 and tree.parent[row] == tree.parent[state[_ROW]]
        is_next_item = _begin_item(tree, item, state, memory)
        state[LINES] = max(LINE if is_next_row or is_next_item else gap, state[LINES])
        state[TABS] = _num_cells(tree, row + 1, cell) if in_row and state[_PREVIOUS] <= row else 0
        state[INDENT] = 0 if is_pre else 2 * min(MAX_INDENT, max(lists, 1) if item >= 0 else max(lists - 1, 0))
    state[IS_PRE], state[BLANKS] = is_pre, 0
    state[_PREVIOUS], state[_CELL], state[_ROW] = blocks.stop_node[block], cell if is_sole else -1, row
    return in_row


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _context(tree: HtmlTree, node: int) -> tuple[int, int, int, int, bool]:
    """What is around a block: its list item, the number of lists, its table cell and row (-1: none), ``pre``."""
    item, lists, cell, row, is_pre = -1, 0, -1, -1, False
    while node >= 0:
        flags = FLAGS[tree.tag[node]]
        if tree.tag[node] == _LI:
            item = max(item, node)
        elif flags & LIST:
            lists += 1
        elif flags & CELL:
            cell = max(cell, node)
        elif tree.tag[node] == _TR and cell >= 0 and row < 0:
            row = node
        elif flags & PREFORMATTED:
            is_pre = True
        node = tree.parent[node]
    return item, lists, cell, row, is_pre


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_only_block(tree: HtmlTree, blocks: HtmlBlocks, block: int, cell: int) -> bool:
    """Whether a cell has no other block, kept or not."""
    is_first = block == 0 or blocks.stop_node[block - 1] <= cell
    is_last = block + 1 == len(blocks.gap) or blocks.first_node[block + 1] >= tree.last[cell]
    return is_first and is_last


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _next_kept(blocks: HtmlBlocks, keep: Flags, block: int) -> int:
    """First node of the next block that is kept; beyond every node if there is none."""
    for i in range(block + 1, len(keep)):
        if keep[i]:
            return blocks.first_node[i]
    return 1 << 31


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _num_cells(tree: HtmlTree, node: int, cell: int) -> int:
    """Number of cells among the siblings from ``node`` up to ``cell``, which does not count."""
    count = 0
    while node < cell:
        count += FLAGS[tree.tag[node]] & CELL > 0
        node = tree.last[node]
    return count


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _begin_item(tree: HtmlTree, item: int, state: Numbers, memory: Numbers) -> bool:
    """Want a list item's mark before its first block; say whether it follows an item, or the head of one around it."""
    outer = state[_ITEM]
    state[PREFIX], state[_ITEM] = NO_PREFIX, -1
    if item < 0 or state[_PREVIOUS] > item:
        return False
    list_node = tree.parent[item]
    while list_node >= 0 and not FLAGS[tree.tag[list_node]] & LIST:
        list_node = tree.parent[list_node]
    is_numbered = list_node >= 0 and tree.tag[list_node] == _OL
    state[PREFIX] = item_number(tree, list_node, item, memory) if is_numbered else BULLET_PREFIX
    state[_ITEM] = item
    return (list_node >= 0 and state[_PREVIOUS] > list_node) or (outer >= 0 and tree.last[outer] > item)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _write_block(
    tree: HtmlTree, blocks: HtmlBlocks, block: int, in_row: bool, table: References, out: Bytes, state: Numbers
) -> None:
    """Write a block's texts and line ends; in a row, a ``br`` is a space."""
    before = -1
    for node in range(blocks.first_node[block], blocks.stop_node[block]):
        if tree.block[node] == block:
            if before >= 0 and not state[IS_PRE] and is_parted(tree, before, node):
                state[BLANKS] = 1
            before = node
            has_references = tree.tag[tree.parent[node]] not in (_XMP, _PLAINTEXT)
            write_text(tree.source, tree.start[node], tree.stop[node], table, out, state, has_references)
        elif tree.tag[node] == _BR:
            if in_row:
                state[BLANKS] = 1
            else:
                state[LINES] = min(2, state[LINES] + 1) if state[IS_PRE] else max(1, state[LINES])
