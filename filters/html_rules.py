"""What start tags do to the open elements: the HTML standard's tree construction, as ``html_tree`` says.

Source: the HTML standard, 13.2.6.4 (tree construction, by insertion mode) and 13.2.6.5 (foreign content).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from filters.html_stack import (
    BEFORE_HEAD,
    IN_BODY,
    IN_HEAD,
    MODE,
    NODE,
    NUM_OPEN,
    OPEN_TAG,
    START,
    STOP,
    Indexes,
    Numbers,
    close,
    innermost,
    pop,
    pop_to,
    push,
)
from filters.html_tags import (
    BREAKS_OUT,
    CELL,
    CLOSES_P,
    FLAGS,
    HAS_START_RULE,
    HEAD_CONTENT,
    HEADING,
    ROW_GROUP,
    SCOPE,
    SPECIAL,
    TABLE_PART,
    TABLE_SCOPE,
    VOID,
    tags_of,
)

_A, _ADDRESS, _BODY, _BR, _BUTTON, _CAPTION = tags_of("a address body br button caption")
_COL, _COLGROUP, _DD, _DIV, _DT, _FORM = tags_of("col colgroup dd div dt form")
_HEAD, _HTML, _INPUT, _KEYGEN, _LI, _OPTGROUP = tags_of("head html input keygen li optgroup")
_OPTION, _P, _RB, _RP, _RT, _RTC, _SELECT = tags_of("option p rb rp rt rtc select")
_TABLE, _TEMPLATE, _TEXTAREA, _TR = tags_of("table template textarea tr")
_ANNOTATION_XML, _DESC, _FOREIGN_OBJECT, _MATH, _SVG = tags_of("annotation-xml desc foreignobject math svg")


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def start_element(
    nodes: Indexes, stack: Numbers, state: Numbers, tag: int, name: np.uint64, start: int, stop: int
) -> bool:
    """Apply the rules of a start tag and open its element; False when it opens none."""
    flags = FLAGS[tag]
    if state[MODE] != IN_BODY and state[_TEMPLATE] == 0:
        _leave_head(nodes, stack, state, tag)
    if flags & CLOSES_P and state[_P]:
        close(nodes, stack, state, _P, SCOPE, _BUTTON)
    if flags & HAS_START_RULE and not _apply_start_rule(nodes, stack, state, tag, start, stop):
        return False
    push(nodes, stack, state, tag, name, start, stop)
    if flags & VOID:
        pop(nodes, stack, state)
    return True


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _leave_head(nodes: Indexes, stack: Numbers, state: Numbers, tag: int) -> None:
    """Before the body: imply the head or the body, as the start tag wants."""
    if tag in (_HTML, _HEAD, _BODY):
        return
    if not FLAGS[tag] & HEAD_CONTENT:
        open_body(nodes, stack, state, 0, 0)
    elif state[MODE] == BEFORE_HEAD:
        push(nodes, stack, state, _HEAD, np.uint64(0), 0, 0)
        state[MODE] = IN_HEAD


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def open_body(nodes: Indexes, stack: Numbers, state: Numbers, start: int, stop: int) -> None:
    """Close the head and open the body, whose attributes are in the span."""
    pop_to(nodes, stack, state, 1)
    push(nodes, stack, state, _BODY, np.uint64(0), start, stop)
    state[MODE] = IN_BODY


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _apply_start_rule(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, start: int, stop: int) -> bool:
    """Close what the start tag ends; False when the tag is to be ignored or is dealt with."""
    flags = FLAGS[tag]
    if flags & TABLE_PART:
        return _enter_table_part(nodes, stack, state, tag)
    if flags & HEADING:
        if FLAGS[innermost(nodes, stack, state)] & HEADING:
            pop(nodes, stack, state)
    elif tag == _LI:
        _close_item(nodes, stack, state, _LI, _LI)
    elif tag in (_DD, _DT):
        _close_item(nodes, stack, state, _DD, _DT)
    elif tag == _A:
        close(nodes, stack, state, _A, SPECIAL, _A)
    elif tag == _TABLE:
        close(nodes, stack, state, _TABLE, CELL | TABLE_SCOPE, _CAPTION)  # one that is open outside of cells
    elif tag == _FORM:
        return state[_FORM] == 0 or state[_TEMPLATE] > 0
    elif tag in (_HTML, _HEAD, _BODY):
        _take_document_tag(nodes, stack, state, tag, start, stop)
        return False
    else:
        return _apply_control_rule(nodes, stack, state, tag)
    return True


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _apply_control_rule(nodes: Indexes, stack: Numbers, state: Numbers, tag: int) -> bool:
    """The rules of form controls and ruby."""
    at = innermost(nodes, stack, state)
    if tag == _BUTTON:
        close(nodes, stack, state, _BUTTON, SCOPE, _BUTTON)
    elif tag in (_OPTION, _OPTGROUP):
        if at == _OPTION:
            pop(nodes, stack, state)
        if tag == _OPTGROUP and innermost(nodes, stack, state) == _OPTGROUP:
            pop(nodes, stack, state)
    elif tag in (_RB, _RP, _RT, _RTC):
        if at in (_RB, _RP, _RT, _RTC):
            pop(nodes, stack, state)
    elif tag in (_SELECT, _INPUT, _KEYGEN, _TEXTAREA):
        close(nodes, stack, state, _SELECT, SCOPE, _SELECT)
    else:
        return False  # frameset
    return True


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _take_document_tag(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, start: int, stop: int) -> None:
    """The start tags of html, head and body: the first of each counts, even after it was implied."""
    if tag == _HTML:
        if nodes[STOP, 0] == 0:
            nodes[START, 0], nodes[STOP, 0] = start, stop
    elif tag == _HEAD:
        if state[MODE] == BEFORE_HEAD:
            push(nodes, stack, state, _HEAD, np.uint64(0), start, stop)
            state[MODE] = IN_HEAD
    elif state[MODE] != IN_BODY:
        open_body(nodes, stack, state, start, stop)
    elif nodes[STOP, stack[NODE, 1]] == 0:
        nodes[START, stack[NODE, 1]], nodes[STOP, stack[NODE, 1]] = start, stop


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _close_item(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, other: int) -> None:
    """Close the list item that a new one follows; one outside of a list or other block is none of it."""
    if state[tag] + state[other] == 0:
        return
    place = state[NUM_OPEN] - 1
    while place > 0:
        at = stack[OPEN_TAG, place]
        if at in (tag, other):
            pop_to(nodes, stack, state, place)
            return
        if FLAGS[at] & SPECIAL and at not in (_ADDRESS, _DIV, _P):
            return
        place -= 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _enter_table_part(nodes: Indexes, stack: Numbers, state: Numbers, tag: int) -> bool:
    """Close all that a part of a table cannot stand in, up to the nearest table; imply a row for a cell.

    Without a table, browsers ignore the tag. Here it leaves an empty element, so that it parts the texts beside it.
    """
    place = state[NUM_OPEN] - 1
    while place > 0 and not _holds_part(stack[OPEN_TAG, place], tag):
        place -= 1
    if place == 0:
        push(nodes, stack, state, tag, np.uint64(0), 0, 0)
        pop(nodes, stack, state)
        return False
    holder = stack[OPEN_TAG, place]
    if holder != _TEMPLATE:
        pop_to(nodes, stack, state, place + 1)
        if FLAGS[tag] & CELL and holder != _TR:
            push(nodes, stack, state, _TR, np.uint64(0), 0, 0)
    return True


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _holds_part(holder: int, tag: int) -> bool:
    """Whether the part of a table can stand in an open element, which need not be the right one."""
    flags, is_cell = FLAGS[holder], FLAGS[tag] & CELL > 0
    return bool(
        flags & TABLE_SCOPE
        or (tag == _COL and holder == _COLGROUP)
        or ((is_cell or tag == _TR) and flags & ROW_GROUP)
        or (is_cell and holder == _TR)
    )


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def in_foreign(nodes: Indexes, stack: Numbers, state: Numbers) -> bool:
    """Whether the innermost element is of svg or math, where HTML's rules don't hold."""
    if state[_SVG] + state[_MATH] == 0:
        return False
    place = state[NUM_OPEN] - 1
    while place > 0:
        at = stack[OPEN_TAG, place]
        if at in (_SVG, _MATH):
            return True
        if at in (_FOREIGN_OBJECT, _DESC, _ANNOTATION_XML):
            return False
        place -= 1
    return False


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def stays_foreign(nodes: Indexes, stack: Numbers, state: Numbers, tag: int) -> bool:
    """Whether a start tag is one of svg or math; those of HTML close the svg or math that is open."""
    if not in_foreign(nodes, stack, state):
        return False
    if not FLAGS[tag] & BREAKS_OUT:
        return True
    while in_foreign(nodes, stack, state):
        pop(nodes, stack, state)
    return False
