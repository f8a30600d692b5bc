"""Blocks to plain text, in the form that heads ``filters.extraction``.

Paragraphs and headings are parted by a blank line, other blocks by a line end; list items start with ``•`` or their
number and are indented by two spaces a level; the cells of a table's row are parted by tabs; ``br`` ends a line; in
``pre`` spaces and line ends are the page's own; everywhere else a run of white space is one space. Links, emphasis and
pictures leave nothing but their text.

A row is one line as long as its cells are one block each. Where they hold several paragraphs, the table is a means of
layout, and they come one after the other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.html_blocks import LINE, HtmlBlocks
from filters.html_entities import References, read_reference, references
from filters.html_stack import MAX_DEPTH, Numbers
from filters.html_tags import CELL, FLAGS, LIST, PREFORMATTED, hash_lower, name_hash, tags_of
from filters.html_tokens import next_attribute
from filters.html_tree import HtmlTree
from filters.text import Bytes, Flags, decode
from filters.uncounted import uncounted

MAX_INDENT: Final = 16  # list levels; keeps the text linear in the page

_SPACE, _TAB, _NEWLINE, _AMPERSAND = 0x20, 0x09, 0x0A, 0x26
_BULLET: Final = 0x2022
_START_ATTRIBUTE: Final = np.uint64(name_hash("start"))

_BR, _LI, _OL, _PLAINTEXT, _SVG, _TITLE, _TR, _XMP = tags_of("br li ol plaintext svg title tr xmp")

# Classes of a byte that starts a character.
_PLAIN, _BLANK, _MARKUP, _INVISIBLE, _LOOK = range(5)

# Places of the writer's state. What is wanted comes out before the next visible character, so that nothing is parted
# from nothing.
_LENGTH, _LINES, _TABS, _BLANKS, _INDENT, _PREFIX, _IS_PRE = range(7)
# Of the last block written: one past its last node; its cell, if that has no more; its row; the item that it begins.
_PREVIOUS, _CELL, _ROW, _ITEM = range(7, 11)
_NO_PREFIX, _BULLET_PREFIX = -2, -1  # values of _PREFIX; others are an item's number


def _byte_classes() -> Bytes:
    classes = np.full(256, _PLAIN, np.uint8)
    classes[:0x20] = _INVISIBLE
    classes[0x7F] = _INVISIBLE
    classes[[0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = _BLANK
    classes[_AMPERSAND] = _MARKUP
    classes[[0xC2, 0xE1, 0xE2, 0xE3, 0xEF]] = _LOOK  # first bytes of Unicode's spaces, line ends and byte-order mark
    return classes


_CLASSES: Final = _byte_classes()


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
            out, state = np.empty(2 * (stop - start) + 8, np.uint8), _new_state()
            length = _render_line(tree.source, start, stop, references(), out, state)
            return out[:length].tobytes().decode("utf-8", "replace")
    return ""


def _new_state() -> Numbers:
    state = np.zeros(11, np.int64)
    state[_PREFIX], state[_CELL], state[_ROW], state[_ITEM] = _NO_PREFIX, -1, -1, -1
    return state


@njit(cache=True, nogil=True)
def _room(tree: HtmlTree, blocks: HtmlBlocks, keep: Flags) -> int:
    """Bytes that the text has at most."""
    room = len(tree.tag)  # tabs
    for block in range(len(keep)):
        if keep[block]:
            room += 2 * MAX_INDENT + 32
            for node in range(blocks.first_node[block], blocks.stop_node[block]):
                room += 2 * MAX_INDENT + 2
                if tree.block[node] == block:
                    room += 2 * (tree.stop[node] - tree.start[node])  # "&nGt;" is six bytes of UTF-8
    return room


@njit(cache=True, nogil=True)
def _render_line(source: Bytes, start: int, stop: int, table: References, out: Bytes, state: Numbers) -> int:
    """Write one text without line ends; return its length."""
    table = References(uncounted(table.keys), uncounted(table.code_points))
    _write_text(uncounted(source), start, stop, table, uncounted(out), uncounted(state), True)
    return state[_LENGTH]


@njit(cache=True, nogil=True)
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
    tree, blocks, keep = _uncounted_tree(tree), _uncounted_blocks(blocks), uncounted(keep)
    table = References(uncounted(table.keys), uncounted(table.code_points))
    out, state, memory = uncounted(out), uncounted(state), uncounted(memory)
    gap = 0
    for block in range(len(keep)):
        gap = max(gap, int(blocks.gap[block]))
        if keep[block]:
            in_row = _begin_block(tree, blocks, keep, block, gap, state, memory)
            _write_block(tree, blocks, block, in_row, table, out, state)
            gap = 0
    return _stripped(out, state[_LENGTH])


@njit(cache=True, nogil=True)
def _uncounted_tree(tree: HtmlTree) -> HtmlTree:
    return HtmlTree(
        uncounted(tree.source),
        uncounted(tree.tag),
        uncounted(tree.parent),
        uncounted(tree.last),
        uncounted(tree.start),
        uncounted(tree.stop),
        uncounted(tree.depth),
        uncounted(tree.block),
    )


@njit(cache=True, nogil=True)
def _uncounted_blocks(blocks: HtmlBlocks) -> HtmlBlocks:
    return HtmlBlocks(
        uncounted(blocks.first_node),
        uncounted(blocks.stop_node),
        uncounted(blocks.container),
        uncounted(blocks.gap),
    )


# Where a block stands.


@njit(cache=True, nogil=True)
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
        state[_TABS] = _num_cells(tree, state[_CELL], cell)
    else:
        is_next_row = is_sole and state[_CELL] >= 0 and tree.parent[row] == tree.parent[state[_ROW]]
        is_next_item = _begin_item(tree, item, state, memory)
        state[_LINES] = max(LINE if is_next_row or is_next_item else gap, state[_LINES])
        state[_TABS] = _num_cells(tree, row + 1, cell) if in_row and state[_PREVIOUS] <= row else 0
        state[_INDENT] = 0 if is_pre else 2 * min(MAX_INDENT, max(lists, 1) if item >= 0 else max(lists - 1, 0))
    state[_IS_PRE], state[_BLANKS] = is_pre, 0
    state[_PREVIOUS], state[_CELL], state[_ROW] = blocks.stop_node[block], cell if is_sole else -1, row
    return in_row


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _is_only_block(tree: HtmlTree, blocks: HtmlBlocks, block: int, cell: int) -> bool:
    """Whether a cell has no other block, kept or not."""
    is_first = block == 0 or blocks.stop_node[block - 1] <= cell
    is_last = block + 1 == len(blocks.gap) or blocks.first_node[block + 1] >= tree.last[cell]
    return is_first and is_last


@njit(cache=True, nogil=True)
def _next_kept(blocks: HtmlBlocks, keep: Flags, block: int) -> int:
    """First node of the next block that is kept; beyond every node if there is none."""
    for i in range(block + 1, len(keep)):
        if keep[i]:
            return blocks.first_node[i]
    return 1 << 31


@njit(cache=True, nogil=True)
def _num_cells(tree: HtmlTree, node: int, cell: int) -> int:
    """Number of cells among the siblings from ``node`` up to ``cell``, which does not count."""
    count = 0
    while node < cell:
        count += FLAGS[tree.tag[node]] & CELL > 0
        node = tree.last[node]
    return count


@njit(cache=True, nogil=True)
def _begin_item(tree: HtmlTree, item: int, state: Numbers, memory: Numbers) -> bool:
    """Want a list item's mark before its first block; say whether it follows an item, or the head of one around it."""
    outer = state[_ITEM]
    state[_PREFIX], state[_ITEM] = _NO_PREFIX, -1
    if item < 0 or state[_PREVIOUS] > item:
        return False
    list_node = tree.parent[item]
    while list_node >= 0 and not FLAGS[tree.tag[list_node]] & LIST:
        list_node = tree.parent[list_node]
    is_numbered = list_node >= 0 and tree.tag[list_node] == _OL
    state[_PREFIX] = _number(tree, list_node, item, memory) if is_numbered else _BULLET_PREFIX
    state[_ITEM] = item
    return (list_node >= 0 and state[_PREVIOUS] > list_node) or (outer >= 0 and tree.last[outer] > item)


@njit(cache=True, nogil=True)
def _number(tree: HtmlTree, list_node: int, item: int, memory: Numbers) -> int:
    """An item's number in its ordered list.

    ``memory`` is int64 [3, MAX_DEPTH]: for the last list of each depth its node, the child where counting stands, and
    the number there. So each child is counted once.
    """
    level = tree.depth[list_node]
    if memory[0, level] != list_node:
        first = _first_number(tree.source, tree.start[list_node], tree.stop[list_node])
        memory[0, level], memory[1, level], memory[2, level] = list_node, list_node + 1, first - 1
    while memory[1, level] <= item:
        memory[2, level] += tree.tag[memory[1, level]] == _LI
        memory[1, level] = tree.last[memory[1, level]]
    return max(0, memory[2, level])


@njit(cache=True, nogil=True)
def _first_number(source: Bytes, position: int, stop: int) -> int:
    """The ``start`` attribute of a list, 1 where it has none that is a number of at most nine digits."""
    while True:
        name_start, name_stop, value, value_stop, position = next_attribute(source, position, stop)
        if name_start < 0:
            return 1
        if hash_lower(source, name_start, name_stop) == _START_ATTRIBUTE and 0 < value_stop - value < 10:
            number = 0
            for i in range(value, value_stop):
                if not 0x30 <= source[i] <= 0x39:
                    return 1
                number = 10 * number + source[i] - 0x30
            return number


# Writing characters.


@njit(cache=True, nogil=True)
def _write_block(
    tree: HtmlTree, blocks: HtmlBlocks, block: int, in_row: bool, table: References, out: Bytes, state: Numbers
) -> None:
    """Write a block's texts and line ends; in a row, a ``br`` is a space."""
    for node in range(blocks.first_node[block], blocks.stop_node[block]):
        if tree.block[node] == block:
            has_references = tree.tag[tree.parent[node]] not in (_XMP, _PLAINTEXT)
            _write_text(tree.source, tree.start[node], tree.stop[node], table, out, state, has_references)
        elif tree.tag[node] == _BR:
            if in_row:
                state[_BLANKS] = 1
            else:
                state[_LINES] = min(2, state[_LINES] + 1) if state[_IS_PRE] else max(1, state[_LINES])


@njit(cache=True, nogil=True)
def _write_text(
    source: Bytes, position: int, stop: int, table: References, out: Bytes, state: Numbers, has_references: bool
) -> None:
    """Write a text of the page."""
    while position < stop:
        byte_class = _CLASSES[source[position]]
        if byte_class == _PLAIN:
            position = _write_plain(source, position, stop, out, state)
        elif byte_class == _BLANK:
            if source[position] != 0x0D or position + 1 == stop or source[position + 1] != _NEWLINE:
                _write_blank(np.int64(source[position]), out, state)
            position += 1
        elif byte_class == _MARKUP and has_references:
            first, second, size = read_reference(source, position, stop, table)
            _write_character(first if size else _AMPERSAND, out, state)
            if second:
                _write_character(second, out, state)
            position += max(size, 1)
        elif byte_class == _INVISIBLE:
            position += 1
        else:
            code_point, size = decode(source, position, stop)
            _write_character(code_point, out, state)
            position += size


@njit(cache=True, nogil=True)
def _write_plain(source: Bytes, position: int, stop: int, out: Bytes, state: Numbers) -> int:
    """Copy the bytes up to the next one that may need a look; return its position."""
    _write_wanted(out, state)
    length = state[_LENGTH]
    while position < stop and _CLASSES[source[position]] == _PLAIN:
        out[length] = source[position]
        position += 1
        length += 1
    state[_LENGTH] = length
    return position


@njit(cache=True, nogil=True)
def _write_character(code_point: int, out: Bytes, state: Numbers) -> None:
    """Write a character, whatever it is."""
    if _is_blank(code_point):
        _write_blank(code_point, out, state)
    elif code_point >= 0x20 and code_point != 0x7F and code_point != 0xFEFF:
        _write_wanted(out, state)
        state[_LENGTH] = _encode(code_point, out, state[_LENGTH])


@njit(cache=True, nogil=True)
def _is_blank(code_point: int) -> bool:
    """Unicode's White_Space."""
    if code_point <= 0x20:
        return code_point == 0x20 or 0x09 <= code_point <= 0x0D
    if code_point < 0x1680:
        return code_point == 0xA0 or code_point == 0x85
    return 0x2000 <= code_point <= 0x200A or code_point in (0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)


@njit(cache=True, nogil=True)
def _write_blank(code_point: int, out: Bytes, state: Numbers) -> None:
    """White space: one space for a run of it, or, in ``pre``, a space, tab or line end for each."""
    if not state[_IS_PRE]:
        state[_BLANKS] = 1
    elif 0x0A <= code_point <= 0x0D or code_point in (0x85, 0x2028, 0x2029):
        state[_LINES] = min(2, state[_LINES] + 1)
    else:
        _write_wanted(out, state)
        out[state[_LENGTH]] = _TAB if code_point == _TAB else _SPACE
        state[_LENGTH] += 1


@njit(cache=True, nogil=True)
def _write_wanted(out: Bytes, state: Numbers) -> None:
    """Write what has to stand before the next character."""
    if state[_LENGTH] == 0 or state[_LINES]:
        length = _end_lines(out, state[_LENGTH], state[_LINES])
        length = _start_line(out, length, state[_INDENT], state[_PREFIX])
    elif state[_TABS] + state[_BLANKS] == 0:
        return
    else:
        length = state[_LENGTH]
        if not state[_TABS]:
            out[length] = _SPACE
            length += 1
    for _ in range(state[_TABS]):
        out[length] = _TAB
        length += 1
    state[_LENGTH], state[_LINES], state[_TABS], state[_BLANKS], state[_PREFIX] = length, 0, 0, 0, _NO_PREFIX


@njit(cache=True, nogil=True)
def _end_lines(out: Bytes, length: int, lines: int) -> int:
    """End the line, and leave a blank one if two ends are wanted; never two blank lines, and none at the beginning."""
    while length and out[length - 1] in (_SPACE, _TAB):
        length -= 1
    if length == 0:
        return 0
    if out[length - 1] == _NEWLINE:  # a line of blanks in ``pre``
        lines = 0 if length > 1 and out[length - 2] == _NEWLINE else 1
    for _ in range(lines):
        out[length] = _NEWLINE
        length += 1
    return length


@njit(cache=True, nogil=True)
def _start_line(out: Bytes, length: int, indent: int, prefix: int) -> int:
    if prefix != _NO_PREFIX:
        indent -= 2
    for _ in range(indent):
        out[length] = _SPACE
        length += 1
    if prefix == _BULLET_PREFIX:
        length = _encode(_BULLET, out, length)
    elif prefix >= 0:
        length = _write_number(prefix, out, length)
    if prefix != _NO_PREFIX:
        out[length] = _SPACE
        length += 1
    return length


@njit(cache=True, nogil=True)
def _write_number(number: int, out: Bytes, length: int) -> int:
    """Decimal digits and a full stop."""
    unit = 1
    while unit * 10 <= number:
        unit *= 10
    while unit:
        out[length] = 0x30 + number // unit % 10
        length += 1
        unit //= 10
    out[length] = 0x2E
    return length + 1


@njit(cache=True, nogil=True)
def _encode(code_point: int, out: Bytes, length: int) -> int:
    """Write a code point as UTF-8; return the new length."""
    if code_point < 0x80:
        out[length] = code_point
        return length + 1
    size = 2 + (code_point >= 0x800) + (code_point >= 0x10000)
    for i in range(size - 1, 0, -1):
        out[length + i] = 0x80 | (code_point & 0x3F)
        code_point >>= 6
    out[length] = (0xF00 >> size & 0xFF) | code_point
    return length + size


@njit(cache=True, nogil=True)
def _stripped(out: Bytes, length: int) -> int:
    """The length without blanks and line ends at the end."""
    while length and out[length - 1] in (_SPACE, _TAB, _NEWLINE):
        length -= 1
    return length
