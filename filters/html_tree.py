"""HTML to a tree in flat arrays: a tokenizer and a stack of open elements, in one pass over the page's bytes.

It follows the HTML standard's tree construction (13.2.6) as far as that decides which block a text stands in: implied
end tags, scopes, raw text, svg and math, the head. It differs, on purpose, where the standard repairs a page in ways
that text does not show or that would need a tree which can be changed afterwards:

- No adoption agency: ``</b>`` over a block that is still open closes the ``b`` as soon as that block ends, and the
  inline elements that a block's end closed are not opened again in the next block.
- Nothing is moved out of a table that does not belong there ("foster parenting"): it stays where the page has it.
- ``tbody`` and ``colgroup`` are not implied (``html``, ``body`` and ``tr`` are; ``head`` only where its content is).
- Scripting is off: the content of ``noscript`` is parsed. Frames, quirks mode and the old rules for what a ``select``
  may hold are left out.
- An unclosed quote or ``title`` does not hide the page behind it.
- Elements nested deeper than ``MAX_DEPTH`` become siblings at that depth, as in browsers' engines.

No page makes it fail but by size, and time is linear in bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from filters.hashing import FNV_BASIS, hash_step
from filters.html_end_rules import end_element
from filters.html_rules import in_foreign, open_body, start_element, stays_foreign
from filters.html_source import page_bytes
from filters.html_stack import (
    BLOCK,
    DEPTH,
    IN_BODY,
    LAST,
    MAX_DEPTH,
    MODE,
    NUM_NODES,
    PARENT,
    START,
    STOP,
    TAG,
    Indexes,
    Numbers,
    add_node,
    pop,
    pop_to,
    push,
)
from filters.html_tags import FLAGS, RAW_TEXT, TEXT, tag_of_hash, tags_of
from filters.html_tokens import (
    BANG,
    GREATER,
    LESS,
    SLASH,
    find,
    is_letter,
    is_space,
    markup_stop,
    raw_text_stop,
    script_stop,
    tag_stop,
)
from filters.uncounted import uncounted
from filters.utf8 import Bytes

MAX_BYTES: Final = 1 << 28  # of a page; positions are int32
MAX_NODES: Final = 4_000_000  # about 100 MB of arrays; a page of 50 MB has about a million

_HTML, _MATH, _PLAINTEXT, _SCRIPT, _SVG = tags_of("html math plaintext script svg")
_TITLE_END: Final = 0  # place of a title's end tag in "absent", whose other places are quotes
_CDATA: Final = np.frombuffer(b"![CDATA[", np.uint8)
_TEMPLATE, _TITLE = tags_of("template title")


class HtmlTree(NamedTuple):
    """A page's elements and texts ("nodes") in document order; the subtree of node ``i`` is ``i`` to ``last[i] - 1``.

    Attributes:
        source: uint8 [n], the page's UTF-8 bytes.
        tag: uint8 [num_nodes], index into ``html_tags.TAGS``.
        parent: int32 [num_nodes], below the node's own index; -1 for node 0, the ``html`` element.
        last: int32 [num_nodes], one past the last node of the subtree.
        start: int32 [num_nodes], where a text's bytes start, or an element's attributes; see
            ``html_tokens.next_attribute``. An implied element has none: 0 and 0.
        stop: int32 [num_nodes], their end.
        depth: int32 [num_nodes], number of ancestors.
        block: int32 [num_nodes], the text's block, -1 for elements and for text in none; ``html_blocks.blocks`` fills
            it, before that it is -1 throughout.
    """

    source: Bytes
    tag: Bytes
    parent: Indexes
    last: Indexes
    start: Indexes
    stop: Indexes
    depth: Indexes
    block: Indexes


class PageError(ValueError):
    """A page that the engine cannot take; the message says why."""


def parse(page: bytes | str) -> HtmlTree:
    """Parse a page.

    Args:
        page: A string, or its UTF-8; bytes that are not are kept as they are.

    Raises:
        PageError: The page has more than ``MAX_BYTES`` bytes or ``MAX_NODES`` nodes.
    """
    source = page_bytes(page)
    if len(source) > MAX_BYTES:
        raise PageError(f"a page must have at most {MAX_BYTES} bytes; got {len(source)}")
    tree: HtmlTree = _parse(source)
    if len(tree.tag) > MAX_NODES:
        raise PageError(f"a page must have at most {MAX_NODES} elements and texts; got more")
    return tree


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _parse(source: Bytes) -> HtmlTree:
    """Build the tree; one of more than MAX_NODES nodes is not complete."""
    num_tags: Any = np.uint32(0)  # at most; in 32 bits twice as fast as in 64
    for byte in source:
        num_tags = np.uint32(num_tags + (byte == LESS))
    nodes = np.empty((7, min(3 * num_tags, MAX_NODES) + 16), np.int32)  # a tag gives a text, an element, an implied tr
    absent = np.full(256, len(source), np.int64)  # by byte: from where on it is known not to occur
    size = _add_nodes(source, nodes, np.empty((3, MAX_DEPTH), np.int64), np.zeros(259, np.int64), absent)
    return HtmlTree(
        source,
        nodes[TAG, :size].astype(np.uint8),
        nodes[PARENT, :size],
        nodes[LAST, :size],
        nodes[START, :size],
        nodes[STOP, :size],
        nodes[DEPTH, :size],
        nodes[BLOCK, :size],
    )


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _add_nodes(source: Bytes, nodes: Indexes, stack: Numbers, state: Numbers, absent: Numbers) -> int:
    """Fill the columns of the tree; return the number of nodes, above MAX_NODES when there are too many."""
    source, nodes, absent = uncounted(source), uncounted(nodes), uncounted(absent)
    stack, state = uncounted(stack), uncounted(state)
    push(nodes, stack, state, _HTML, np.uint64(0), 0, 0)
    position = 3 if len(source) >= 3 and source[0] == 0xEF and source[1] == 0xBB and source[2] == 0xBF else 0
    while position < len(source) and state[NUM_NODES] <= MAX_NODES:
        if source[position] == LESS and _starts_markup(source, position + 1):
            position = _take_markup(source, nodes, stack, state, position + 1, absent)
        else:
            text_stop = _text_stop(source, position)
            _add_text(source, nodes, stack, state, position, text_stop)
            position = text_stop
    pop_to(nodes, stack, state, 0)
    return state[NUM_NODES]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _starts_markup(source: Bytes, position: int) -> bool:
    """Whether a ``<`` before this position is no text."""
    if position >= len(source):
        return False
    byte = source[position]
    if byte == SLASH:
        return position + 1 < len(source)
    return is_letter(byte) or byte == BANG or byte == 0x3F  # ?


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _text_stop(source: Bytes, position: int) -> int:
    """Where the text that starts here ends: at the next ``<`` that starts markup."""
    while True:
        position = find(source, LESS, position + 1)
        if position >= len(source) or _starts_markup(source, position + 1):
            return position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _take_markup(source: Bytes, nodes: Indexes, stack: Numbers, state: Numbers, position: int, absent: Numbers) -> int:
    """Take in the tag, comment or declaration whose ``<`` stands before ``position``; return where it ends."""
    if is_letter(source[position]):
        return _take_start_tag(source, nodes, stack, state, position, absent)
    if source[position] == SLASH and is_letter(source[position + 1]):
        return _take_end_tag(source, nodes, stack, state, position + 1, absent)
    if _is_cdata(source, position) and in_foreign(nodes, stack, state):
        stop = _cdata_stop(source, position + 8)
        _add_text(source, nodes, stack, state, position + 8, stop)
        return min(stop + 3, len(source))
    return markup_stop(source, position)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_cdata(source: Bytes, position: int) -> bool:
    """Whether ``![CDATA[`` stands here."""
    if position + 8 > len(source):
        return False
    is_equal = True
    for i in range(8):
        is_equal &= source[position + i] == _CDATA[i]
    return is_equal


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _cdata_stop(source: Bytes, position: int) -> int:
    start = position
    while True:
        position = find(source, GREATER, position)
        if position == len(source):
            return position
        if position - start >= 2 and source[position - 1] == 0x5D and source[position - 2] == 0x5D:  # ]]
            return position - 2
        position += 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _read_name(source: Bytes, position: int) -> tuple[np.uint64, int]:
    """Hash of the tag's name in lower case, and where it ends."""
    name = FNV_BASIS
    while position < len(source):
        byte = source[position]
        if is_space(byte) or byte in (SLASH, GREATER):
            break
        name = hash_step(name, np.uint64(byte | 0x20 if 0x41 <= byte <= 0x5A else byte))
        position += 1
    return name, position


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _take_start_tag(
    source: Bytes, nodes: Indexes, stack: Numbers, state: Numbers, position: int, absent: Numbers
) -> int:
    name, name_stop = _read_name(source, position)
    stop = tag_stop(source, name_stop, absent)
    if stop == len(source):
        return stop  # the page ends within the tag
    tag = tag_of_hash(name)
    is_foreign = state[_SVG] + state[_MATH] > 0 and stays_foreign(nodes, stack, state, tag)
    if is_foreign:
        push(nodes, stack, state, tag, name, name_stop, stop)
        if source[stop - 1] == SLASH:
            pop(nodes, stack, state)
    elif start_element(nodes, stack, state, tag, name, name_stop, stop) and FLAGS[tag] & RAW_TEXT:
        content_stop = _content_stop(source, tag, position, name_stop, stop + 1, absent)
        _take_raw_text(nodes, stack, state, stop + 1, content_stop)
        return content_stop
    return stop + 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _take_raw_text(nodes: Indexes, stack: Numbers, state: Numbers, position: int, stop: int) -> None:
    """Add the content of the raw text element just opened, and close it; its end tag, if any, will end nothing."""
    if stop > position:
        node = add_node(nodes, stack, state, TEXT, position, stop)
        nodes[LAST, node] = node + 1
    pop(nodes, stack, state)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _content_stop(source: Bytes, tag: int, name_start: int, name_stop: int, position: int, absent: Numbers) -> int:
    """Where the content of a raw text element ends; a title that is not closed ends at the next tag."""
    if tag == _SCRIPT:
        return script_stop(source, name_start, name_stop, position)
    if tag == _PLAINTEXT:
        return len(source)
    if tag != _TITLE:
        return raw_text_stop(source, name_start, name_stop, position)
    if position < absent[_TITLE_END]:
        stop = raw_text_stop(source, name_start, name_stop, position)
        if stop < len(source):
            return stop
        absent[_TITLE_END] = position
    return find(source, LESS, position)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _take_end_tag(source: Bytes, nodes: Indexes, stack: Numbers, state: Numbers, position: int, absent: Numbers) -> int:
    name, name_stop = _read_name(source, position)
    stop = tag_stop(source, name_stop, absent)
    if stop == len(source):
        return stop
    end_element(nodes, stack, state, tag_of_hash(name), name)
    return stop + 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _add_text(source: Bytes, nodes: Indexes, stack: Numbers, state: Numbers, start: int, stop: int) -> None:
    """Add a text; before the body, one that is more than white space opens it."""
    if start == stop:
        return
    if state[MODE] != IN_BODY and state[_TEMPLATE] == 0:
        position = start
        while position < stop and is_space(source[position]):
            position += 1
        if position < stop:
            open_body(nodes, stack, state, 0, 0)
    node = add_node(nodes, stack, state, TEXT, start, stop)
    nodes[LAST, node] = node + 1
