"""What end tags do to the open elements: the HTML standard's tree construction, as ``html_tree`` says.

Source: the HTML standard, 13.2.6.4 (tree construction, by insertion mode), "an end tag whose tag name is ...".
"""

from __future__ import annotations

import numpy as np
from numba import njit

from filters.html_rules import start_element
from filters.html_stack import (
    AFTER_HEAD,
    IN_BODY,
    MODE,
    NAME,
    NUM_OPEN,
    OPEN_TAG,
    Indexes,
    Numbers,
    close,
    find_open,
    innermost,
    mark_closed,
    pop,
    pop_to,
    push,
)
from filters.html_tags import (
    ENDS_IN_SCOPE,
    FLAGS,
    FORMATTING,
    HEADING,
    IMPLIED_END,
    LIST,
    SCOPE,
    SPECIAL,
    TABLE_PART,
    TABLE_SCOPE,
    UNKNOWN,
    tags_of,
)

_BODY, _BR, _BUTTON, _FORM, _HEAD, _HTML, _LI, _P, _TEMPLATE = tags_of("body br button form head html li p template")


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def end_element(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, name: np.uint64) -> None:
    """Apply the rules of an end tag; one that ends nothing is ignored."""
    flags = FLAGS[tag]
    if tag == _P:
        _end_paragraph(nodes, stack, state)
    elif flags & HEADING:
        _end_heading(nodes, stack, state)
    elif tag == _BR:
        start_element(nodes, stack, state, _BR, name, 0, 0)
    elif state[tag] == 0 or tag in (_HTML, _BODY):
        return
    elif flags & ENDS_IN_SCOPE:
        close(nodes, stack, state, tag, 0 if tag == _TEMPLATE else SCOPE, tag)
    elif tag == _LI:
        close(nodes, stack, state, tag, SCOPE | LIST, tag)
    elif flags & (TABLE_PART | TABLE_SCOPE):
        close(nodes, stack, state, tag, TABLE_SCOPE, tag)
    elif tag == _FORM:
        _end_form(nodes, stack, state)
    elif tag == _HEAD:
        pop_to(nodes, stack, state, 1)
        state[MODE] = AFTER_HEAD
    else:
        _end_inline(nodes, stack, state, tag, name)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _end_paragraph(nodes: Indexes, stack: Numbers, state: Numbers) -> None:
    """A ``</p>`` without a ``p`` makes an empty one."""
    place = find_open(nodes, stack, state, _P, _P, SCOPE, _BUTTON)
    if place == 0 and state[MODE] == IN_BODY:
        push(nodes, stack, state, _P, np.uint64(0), 0, 0)
        pop(nodes, stack, state)
    elif place:
        pop_to(nodes, stack, state, place)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _end_heading(nodes: Indexes, stack: Numbers, state: Numbers) -> None:
    """A heading's end tag ends one of any level."""
    place = state[NUM_OPEN] - 1
    while place > 0:
        flags = FLAGS[stack[OPEN_TAG, place]]
        if flags & HEADING:
            pop_to(nodes, stack, state, place)
            return
        if flags & SCOPE:
            return
        place -= 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _end_form(nodes: Indexes, stack: Numbers, state: Numbers) -> None:
    """A form ends; blocks that are open in it stay open."""
    place = find_open(nodes, stack, state, _FORM, _FORM, SCOPE, _FORM)
    if place:
        while FLAGS[innermost(nodes, stack, state)] & IMPLIED_END:
            pop(nodes, stack, state)
        mark_closed(nodes, stack, state, place)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _end_inline(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, name: np.uint64) -> None:
    """End an inline element; across an open block only a formatting element ends, and not before the block does."""
    across = SCOPE if FLAGS[tag] & FORMATTING else SPECIAL
    is_crossed = False
    place = state[NUM_OPEN] - 1
    while place > 0:
        at = stack[OPEN_TAG, place]
        if at == tag and (tag != UNKNOWN or stack[NAME, place] == np.int64(name)):
            if is_crossed:
                mark_closed(nodes, stack, state, place)
            else:
                pop_to(nodes, stack, state, place)
            return
        if FLAGS[at] & across:
            return
        is_crossed |= FLAGS[at] & SPECIAL > 0
        place -= 1
