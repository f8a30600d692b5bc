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

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import html_tags
from filters.html_tags import FLAGS, TEXT, UNKNOWN, tag_of_hash
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
from filters.text import FNV_BASIS, Bytes, hash_step

MAX_BYTES: Final = 1 << 28  # of a page; positions are int32
MAX_NODES: Final = 4_000_000  # about 100 MB of arrays; a page of 50 MB has about a million
MAX_DEPTH: Final = 512  # of open elements; WebKit's and Blink's bound

Indexes = npt.NDArray[np.int32]

_A, _ADDRESS, _BODY, _BR, _BUTTON = (html_tags.tag_of(name) for name in ("a", "address", "body", "br", "button"))
_COL, _COLGROUP, _DD, _DIV, _DT = (html_tags.tag_of(name) for name in ("col", "colgroup", "dd", "div", "dt"))
_FORM, _HEAD, _HTML, _LI, _MATH = (html_tags.tag_of(name) for name in ("form", "head", "html", "li", "math"))
_OPTION, _OPTGROUP, _P, _PLAINTEXT = (html_tags.tag_of(name) for name in ("option", "optgroup", "p", "plaintext"))
_SCRIPT, _SELECT, _SVG, _TABLE = (html_tags.tag_of(name) for name in ("script", "select", "svg", "table"))
_TEMPLATE, _TITLE, _TR = (html_tags.tag_of(name) for name in ("template", "title", "tr"))
_FOREIGN_OBJECT, _DESC = html_tags.tag_of("foreignobject"), html_tags.tag_of("desc")
_ANNOTATION_XML = html_tags.tag_of("annotation-xml")
_RP, _RT, _RB, _RTC = (html_tags.tag_of(name) for name in ("rp", "rt", "rb", "rtc"))
_INPUT, _KEYGEN, _TEXTAREA = (html_tags.tag_of(name) for name in ("input", "keygen", "textarea"))
_CLOSED: Final = 255  # in the stack: an element whose end tag came while blocks inside of it were open

_NUM_NODES, _NUM_OPEN, _MODE = range(3)  # places of _Builder.state
_BEFORE_HEAD, _IN_HEAD, _AFTER_HEAD, _IN_BODY = range(4)


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


class _Builder(NamedTuple):
    """A tree that grows, and its stack of open elements; place 0 of the stack is ``html``."""

    tree: HtmlTree
    open_node: Indexes  # [MAX_DEPTH]
    open_tag: Bytes
    open_name: npt.NDArray[np.uint64]  # hash of the name, to tell unknown elements apart
    count: Indexes  # [256], open elements of each tag
    state: npt.NDArray[np.int64]


def parse(source: bytes) -> HtmlTree:
    """Parse a page.

    Args:
        source: UTF-8; bytes that are not are kept as they are.

    Raises:
        PageError: The page has more than ``MAX_BYTES`` bytes or ``MAX_NODES`` nodes.
    """
    if len(source) > MAX_BYTES:
        raise PageError(f"a page must have at most {MAX_BYTES} bytes; got {len(source)}")
    data = np.frombuffer(source, np.uint8)
    capacity = min(3 * source.count(b"<") + 16, MAX_NODES + 16)  # a "<" gives a text, an element, an implied tr
    columns = [np.empty(capacity, kind) for kind in (np.uint8, *[np.int32] * 6)]
    num_nodes = _parse(data, *columns)
    if num_nodes > MAX_NODES:
        raise PageError(f"a page must have at most {MAX_NODES} elements and texts; got more")
    return HtmlTree(data, *(column[:num_nodes] for column in columns))


@njit(cache=True, nogil=True)
def _parse(
    source: Bytes,
    tag: Bytes,
    parent: Indexes,
    last: Indexes,
    start: Indexes,
    stop: Indexes,
    depth: Indexes,
    block: Indexes,
) -> int:
    """Fill the arrays; return the number of nodes, above MAX_NODES when there are too many."""
    build = _Builder(
        HtmlTree(source, tag, parent, last, start, stop, depth, block),
        np.empty(MAX_DEPTH, np.int32),
        np.empty(MAX_DEPTH, np.uint8),
        np.empty(MAX_DEPTH, np.uint64),
        np.zeros(256, np.int32),
        np.zeros(3, np.int64),
    )
    absent = np.full(256, len(source), np.int64)
    _push(build, _HTML, np.uint64(0), 0, 0)
    position = 3 if len(source) >= 3 and source[0] == 0xEF and source[1] == 0xBB and source[2] == 0xBF else 0
    while position < len(source) and build.state[_NUM_NODES] <= MAX_NODES:
        if source[position] == LESS and _starts_markup(source, position + 1):
            position = _markup(build, position + 1, absent)
        else:
            text_stop = _text_stop(source, position)
            _add_text(build, position, text_stop)
            position = text_stop
    _pop_to(build, 0)
    return build.state[_NUM_NODES]


@njit(cache=True, nogil=True)
def _starts_markup(source: Bytes, position: int) -> bool:
    """Whether a ``<`` before this position is no text."""
    if position >= len(source):
        return False
    byte = source[position]
    if byte == SLASH:
        return position + 1 < len(source)
    return is_letter(byte) or byte == BANG or byte == 0x3F  # ?


@njit(cache=True, nogil=True)
def _text_stop(source: Bytes, position: int) -> int:
    """Where the text that starts here ends: at the next ``<`` that starts markup."""
    while True:
        position = find(source, LESS, position + 1)
        if position >= len(source) or _starts_markup(source, position + 1):
            return position


@njit(cache=True, nogil=True)
def _markup(build: _Builder, position: int, absent: npt.NDArray[np.int64]) -> int:
    """Take in the tag, comment or declaration whose ``<`` stands before ``position``; return where it ends."""
    source = build.tree.source
    if is_letter(source[position]):
        return _take_start_tag(build, position, absent)
    if source[position] == SLASH and is_letter(source[position + 1]):
        return _take_end_tag(build, position + 1, absent)
    if _is_cdata(source, position) and _in_foreign(build):
        stop = _cdata_stop(source, position + 8)
        _add_text(build, position + 8, stop)
        return min(stop + 3, len(source))
    return markup_stop(source, position)


@njit(cache=True, nogil=True)
def _is_cdata(source: Bytes, position: int) -> bool:
    """Whether ``![CDATA[`` stands here."""
    if position + 8 > len(source):
        return False
    for i, byte in enumerate((0x21, 0x5B, 0x43, 0x44, 0x41, 0x54, 0x41, 0x5B)):
        if source[position + i] != byte:
            return False
    return True


@njit(cache=True, nogil=True)
def _cdata_stop(source: Bytes, position: int) -> int:
    start = position
    while True:
        position = find(source, GREATER, position)
        if position == len(source):
            return position
        if position - start >= 2 and source[position - 1] == 0x5D and source[position - 2] == 0x5D:  # ]]
            return position - 2
        position += 1


@njit(cache=True, nogil=True)
def _read_name(source: Bytes, position: int) -> tuple[np.uint64, int]:
    """Hash of the tag's name in lower case, and where it ends."""
    name = FNV_BASIS
    while position < len(source):
        byte = source[position]
        if is_space(byte) or byte == SLASH or byte == GREATER:
            break
        name = hash_step(name, np.uint64(byte | 0x20 if 0x41 <= byte <= 0x5A else byte))
        position += 1
    return name, position


@njit(cache=True, nogil=True)
def _take_start_tag(build: _Builder, position: int, absent: npt.NDArray[np.int64]) -> int:
    source = build.tree.source
    name, name_stop = _read_name(source, position)
    stop = tag_stop(source, name_stop, absent)
    if stop == len(source):
        return stop  # the page ends within the tag
    tag = tag_of_hash(name)
    is_foreign = build.count[_SVG] + build.count[_MATH] > 0 and _stays_foreign(build, tag)
    if is_foreign:
        _push(build, tag, name, name_stop, stop)
        if source[stop - 1] == SLASH:
            _pop(build)
    elif _start_element(build, tag, name, name_stop, stop) and FLAGS[tag] & html_tags.RAW_TEXT:
        return _take_raw_text(build, tag, position, name_stop, stop + 1)
    return stop + 1


@njit(cache=True, nogil=True)
def _take_raw_text(build: _Builder, tag: int, name_start: int, name_stop: int, position: int) -> int:
    """Add the content of the raw text element just opened; return its end."""
    source = build.tree.source
    size = len(source)
    if tag == _SCRIPT:
        stop = script_stop(source, name_start, name_stop, position)
    elif tag == _PLAINTEXT:
        stop = size
    else:
        stop = raw_text_stop(source, name_start, name_stop, position)
    if stop == size and tag == _TITLE:  # not closed: the page is worth more than its title
        stop = find(source, LESS, position)
    if stop > position:
        node = _add_node(build, TEXT, position, stop)
        build.tree.last[node] = node + 1
    if stop == size or tag == _TITLE:
        _pop(build)
    return stop


@njit(cache=True, nogil=True)
def _take_end_tag(build: _Builder, position: int, absent: npt.NDArray[np.int64]) -> int:
    source = build.tree.source
    name, name_stop = _read_name(source, position)
    stop = tag_stop(source, name_stop, absent)
    if stop == len(source):
        return stop
    _end_element(build, tag_of_hash(name), name)
    return stop + 1


# The stack.


@njit(cache=True, nogil=True)
def _add_node(build: _Builder, tag: int, start: int, stop: int) -> int:
    """Add a node to the innermost open element."""
    node, size = build.state[_NUM_NODES], build.state[_NUM_OPEN]
    tree = build.tree
    tree.tag[node], tree.start[node], tree.stop[node] = tag, start, stop
    tree.parent[node] = build.open_node[size - 1] if size else -1
    tree.depth[node], tree.block[node] = size, -1
    build.state[_NUM_NODES] = node + 1
    return node


@njit(cache=True, nogil=True)
def _push(build: _Builder, tag: int, name: np.uint64, start: int, stop: int) -> None:
    """Add an element and open it; at the greatest depth it takes the place of the innermost one."""
    if build.state[_NUM_OPEN] == MAX_DEPTH:
        _pop(build)
    node, size = _add_node(build, tag, start, stop), build.state[_NUM_OPEN]
    build.open_node[size], build.open_tag[size], build.open_name[size] = node, tag, name
    build.count[tag] += 1
    build.state[_NUM_OPEN] = size + 1


@njit(cache=True, nogil=True)
def _pop(build: _Builder) -> None:
    """Close the innermost element, and those further out that wait for it."""
    size = build.state[_NUM_OPEN] - 1
    tag = np.int64(build.open_tag[size])
    build.tree.last[build.open_node[size]] = build.state[_NUM_NODES]
    if tag != _CLOSED:
        build.count[tag] -= 1
    build.state[_NUM_OPEN] = size


@njit(cache=True, nogil=True)
def _pop_to(build: _Builder, place: int) -> None:
    """Close the elements from this place of the stack on."""
    while build.state[_NUM_OPEN] > place or (place > 0 and build.open_tag[build.state[_NUM_OPEN] - 1] == _CLOSED):
        _pop(build)


@njit(cache=True, nogil=True)
def _innermost(build: _Builder) -> int:
    """The tag of the innermost open element."""
    return np.int64(build.open_tag[build.state[_NUM_OPEN] - 1])


@njit(cache=True, nogil=True)
def _find_open(build: _Builder, tag: int, other: int, limits: int, limit: int) -> int:
    """The place in the stack of the innermost open ``tag`` or ``other``, 0 where an element of the limits is nearer.

    Args:
        build: The builder.
        tag: A tag.
        other: A second one, or the same.
        limits: Bits of FLAGS.
        limit: One more tag that is a limit.
    """
    if build.count[tag] + build.count[other] == 0:
        return 0
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        at = np.int64(build.open_tag[place])
        if at in (tag, other):
            return place
        if FLAGS[at] & limits or at == limit:
            return 0
        place -= 1
    return 0


@njit(cache=True, nogil=True)
def _close(build: _Builder, tag: int, limits: int, limit: int) -> None:
    """Close the innermost open ``tag`` and all within, if there is one."""
    place = _find_open(build, tag, tag, limits, limit)
    if place:
        _pop_to(build, place)


# Start tags.


@njit(cache=True, nogil=True)
def _start_element(build: _Builder, tag: int, name: np.uint64, start: int, stop: int) -> bool:
    """Apply the rules of a start tag and open its element; False when it opens none."""
    flags = FLAGS[tag]
    if build.state[_MODE] != _IN_BODY and build.count[_TEMPLATE] == 0:
        _leave_head(build, tag)
    if flags & html_tags.CLOSES_P and build.count[_P]:
        _close(build, _P, html_tags.SCOPE, _BUTTON)
    if flags & html_tags.HAS_START_RULE and not _apply_start_rule(build, tag, start, stop):
        return False
    _push(build, tag, name, start, stop)
    if flags & html_tags.VOID:
        _pop(build)
    return True


@njit(cache=True, nogil=True)
def _leave_head(build: _Builder, tag: int) -> None:
    """Before the body: imply the head or the body, as the start tag wants."""
    if tag in (_HTML, _HEAD, _BODY):
        return
    if not FLAGS[tag] & html_tags.HEAD_CONTENT:
        _open_body(build, 0, 0)
    elif build.state[_MODE] == _BEFORE_HEAD:
        _push(build, _HEAD, np.uint64(0), 0, 0)
        build.state[_MODE] = _IN_HEAD


@njit(cache=True, nogil=True)
def _open_body(build: _Builder, start: int, stop: int) -> None:
    _pop_to(build, 1)
    _push(build, _BODY, np.uint64(0), start, stop)
    build.state[_MODE] = _IN_BODY


@njit(cache=True, nogil=True)
def _apply_start_rule(build: _Builder, tag: int, start: int, stop: int) -> bool:
    """Close what the start tag ends; False when the tag is to be ignored or is dealt with."""
    flags = FLAGS[tag]
    if flags & html_tags.TABLE_PART:
        _enter_table_part(build, tag)
    elif flags & html_tags.HEADING:
        if FLAGS[_innermost(build)] & html_tags.HEADING:
            _pop(build)
    elif tag == _LI:
        _close_item(build, _LI, _LI)
    elif tag == _DD or tag == _DT:
        _close_item(build, _DD, _DT)
    elif tag == _A:
        _close(build, _A, html_tags.SPECIAL, _A)
    elif tag == _FORM:
        return build.count[_FORM] == 0 or build.count[_TEMPLATE] > 0
    elif tag == _HTML or tag == _HEAD or tag == _BODY:
        _take_document_tag(build, tag, start, stop)
        return False
    else:
        return _apply_control_rule(build, tag)
    return True


@njit(cache=True, nogil=True)
def _apply_control_rule(build: _Builder, tag: int) -> bool:
    """The rules of form controls and ruby."""
    innermost = _innermost(build)
    if tag == _BUTTON:
        _close(build, _BUTTON, html_tags.SCOPE, _BUTTON)
    elif tag == _OPTION or tag == _OPTGROUP:
        if innermost == _OPTION:
            _pop(build)
        if tag == _OPTGROUP and _innermost(build) == _OPTGROUP:
            _pop(build)
    elif tag in (_RB, _RP, _RT, _RTC):
        if innermost in (_RB, _RP, _RT, _RTC):
            _pop(build)
    elif tag in (_SELECT, _INPUT, _KEYGEN, _TEXTAREA):
        _close(build, _SELECT, html_tags.SCOPE, _SELECT)
    else:
        return False  # frameset
    return True


@njit(cache=True, nogil=True)
def _take_document_tag(build: _Builder, tag: int, start: int, stop: int) -> None:
    """The start tags of html, head and body: the first of each counts, even after it was implied."""
    tree = build.tree
    if tag == _HTML:
        if tree.stop[0] == 0:
            tree.start[0], tree.stop[0] = start, stop
    elif tag == _HEAD:
        if build.state[_MODE] == _BEFORE_HEAD:
            _push(build, _HEAD, np.uint64(0), start, stop)
            build.state[_MODE] = _IN_HEAD
    elif build.state[_MODE] != _IN_BODY:
        _open_body(build, start, stop)
    elif tree.stop[build.open_node[1]] == 0:
        tree.start[build.open_node[1]], tree.stop[build.open_node[1]] = start, stop


@njit(cache=True, nogil=True)
def _close_item(build: _Builder, tag: int, other: int) -> None:
    """Close the list item that a new one follows; one outside of a list or other block is none of it."""
    if build.count[tag] + build.count[other] == 0:
        return
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        at = np.int64(build.open_tag[place])
        if at in (tag, other):
            _pop_to(build, place)
            return
        if FLAGS[at] & html_tags.SPECIAL and at not in (_ADDRESS, _DIV, _P):
            return
        place -= 1


@njit(cache=True, nogil=True)
def _enter_table_part(build: _Builder, tag: int) -> None:
    """Close all that a part of a table cannot stand in, up to the nearest table; imply a row for a cell."""
    flags = FLAGS[tag]
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        at = np.int64(build.open_tag[place])
        if FLAGS[at] & html_tags.TABLE_SCOPE or (tag == _COL and at == _COLGROUP):
            break
        if (tag == _TR or flags & html_tags.CELL) and FLAGS[at] & html_tags.ROW_GROUP:
            break
        if at == _TR and flags & html_tags.CELL:
            break
        place -= 1
    at = np.int64(build.open_tag[place])
    if place == 0 or at == _TEMPLATE:  # no table: browsers ignore the tag, here it parts the texts
        if FLAGS[_innermost(build)] & html_tags.CELL:
            _pop(build)
        return
    _pop_to(build, place + 1)
    if flags & html_tags.CELL and at != _TR:
        _push(build, _TR, np.uint64(0), 0, 0)


@njit(cache=True, nogil=True)
def _in_foreign(build: _Builder) -> bool:
    """Whether the innermost element is of svg or math, where HTML's rules don't hold."""
    if build.count[_SVG] + build.count[_MATH] == 0:
        return False
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        at = build.open_tag[place]
        if at in (_SVG, _MATH):
            return True
        if at in (_FOREIGN_OBJECT, _DESC, _ANNOTATION_XML):
            return False
        place -= 1
    return False


@njit(cache=True, nogil=True)
def _stays_foreign(build: _Builder, tag: int) -> bool:
    """Whether a start tag is one of svg or math; those of HTML close the svg or math that is open."""
    if not _in_foreign(build):
        return False
    if not FLAGS[tag] & html_tags.BREAKS_OUT:
        return True
    while _in_foreign(build):
        _pop(build)
    return False


# End tags and text.


@njit(cache=True, nogil=True)
def _end_element(build: _Builder, tag: int, name: np.uint64) -> None:
    """Apply the rules of an end tag; one that ends nothing is ignored."""
    flags = FLAGS[tag]
    if tag == _P:
        _end_paragraph(build)
    elif flags & html_tags.HEADING:
        _end_heading(build)
    elif tag == _BR:
        _start_element(build, _BR, name, 0, 0)
    elif build.count[tag] == 0 or tag in (_HTML, _BODY):
        return
    elif flags & html_tags.ENDS_IN_SCOPE:
        _close(build, tag, 0 if tag == _TEMPLATE else html_tags.SCOPE, tag)
    elif tag == _LI:
        _close(build, tag, html_tags.SCOPE | html_tags.LIST, tag)
    elif flags & (html_tags.TABLE_PART | html_tags.TABLE_SCOPE):
        _close(build, tag, html_tags.TABLE_SCOPE, tag)
    elif tag == _FORM:
        _end_form(build)
    elif tag == _HEAD:
        _pop_to(build, 1)
        build.state[_MODE] = _AFTER_HEAD
    else:
        _end_inline(build, tag, name)


@njit(cache=True, nogil=True)
def _end_paragraph(build: _Builder) -> None:
    """A ``</p>`` without a ``p`` makes an empty one."""
    place = _find_open(build, _P, _P, html_tags.SCOPE, _BUTTON)
    if place == 0 and build.state[_MODE] == _IN_BODY:
        _push(build, _P, np.uint64(0), 0, 0)
        _pop(build)
    elif place:
        _pop_to(build, place)


@njit(cache=True, nogil=True)
def _end_heading(build: _Builder) -> None:
    """A heading's end tag ends one of any level."""
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        flags = FLAGS[build.open_tag[place]]
        if flags & html_tags.HEADING:
            _pop_to(build, place)
            return
        if flags & html_tags.SCOPE:
            return
        place -= 1


@njit(cache=True, nogil=True)
def _end_form(build: _Builder) -> None:
    """A form ends; blocks that are open in it stay open."""
    place = _find_open(build, _FORM, _FORM, html_tags.SCOPE, _FORM)
    if place:
        while FLAGS[_innermost(build)] & html_tags.IMPLIED_END:
            _pop(build)
        _mark_closed(build, place)


@njit(cache=True, nogil=True)
def _end_inline(build: _Builder, tag: int, name: np.uint64) -> None:
    """End an inline element; across an open block only a formatting element ends, and not before the block does."""
    across = html_tags.SCOPE if FLAGS[tag] & html_tags.FORMATTING else html_tags.SPECIAL
    is_crossed = False
    place = build.state[_NUM_OPEN] - 1
    while place > 0:
        at = np.int64(build.open_tag[place])
        if at == tag and (tag != UNKNOWN or build.open_name[place] == name):
            if is_crossed:
                _mark_closed(build, place)
            else:
                _pop_to(build, place)
            return
        if FLAGS[at] & across:
            return
        is_crossed |= FLAGS[at] & html_tags.SPECIAL > 0
        place -= 1


@njit(cache=True, nogil=True)
def _mark_closed(build: _Builder, place: int) -> None:
    """Have an element close as soon as the innermost one within it does."""
    build.count[build.open_tag[place]] -= 1
    build.open_tag[place] = _CLOSED
    _pop_to(build, build.state[_NUM_OPEN])


@njit(cache=True, nogil=True)
def _add_text(build: _Builder, start: int, stop: int) -> None:
    """Add a text; before the body, one that is more than white space opens it."""
    if start == stop:
        return
    if build.state[_MODE] != _IN_BODY and build.count[_TEMPLATE] == 0:
        position = start
        while position < stop and is_space(build.tree.source[position]):
            position += 1
        if position < stop:
            _open_body(build, 0, 0)
    node = _add_node(build, TEXT, start, stop)
    build.tree.last[node] = node + 1
