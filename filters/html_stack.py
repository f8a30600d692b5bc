"""The stack of open elements, and the nodes that it hangs into the tree.

Three arrays hold it, and are what all of these kernels take (a tuple of them would cost reference counting at each
call, four times the work proper):

- ``nodes``: int32 [7, capacity], the columns of ``html_tree.HtmlTree`` as rows ``TAG`` ... ``BLOCK``.
- ``stack``: int64 [3, MAX_DEPTH], of the open elements, ``html`` first: ``NODE``, ``OPEN_TAG``, and ``NAME``, the
  hash of the name, which tells unknown elements apart.
- ``state``: int64 [259], how many elements of each tag are open; ``NUM_NODES``; ``NUM_OPEN``; ``MODE``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.html_tags import FLAGS

MAX_DEPTH: Final = 512  # of open elements; WebKit's and Blink's bound
CLOSED: Final = 255  # in OPEN_TAG: an element whose end tag came while blocks within it were open

TAG, PARENT, LAST, START, STOP, DEPTH, BLOCK = range(7)  # rows of nodes
NODE, OPEN_TAG, NAME = range(3)  # rows of stack
NUM_NODES, NUM_OPEN, MODE = range(256, 259)  # places of state
BEFORE_HEAD, IN_HEAD, AFTER_HEAD, IN_BODY = range(4)  # values of state[MODE]

Indexes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def add_node(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, start: int, stop: int) -> int:
    """Add a node to the innermost open element."""
    node, size = state[NUM_NODES], state[NUM_OPEN]
    nodes[TAG, node], nodes[START, node], nodes[STOP, node] = tag, start, stop
    nodes[PARENT, node] = stack[NODE, size - 1] if size else -1
    nodes[DEPTH, node], nodes[BLOCK, node] = size, -1
    state[NUM_NODES] = node + 1
    return node


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def push(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, name: np.uint64, start: int, stop: int) -> None:
    """Add an element and open it; at the greatest depth it takes the place of the innermost one."""
    if state[NUM_OPEN] == MAX_DEPTH:
        pop(nodes, stack, state)
    node, size = add_node(nodes, stack, state, tag, start, stop), state[NUM_OPEN]
    stack[NODE, size], stack[OPEN_TAG, size], stack[NAME, size] = node, tag, np.int64(name)
    state[tag] += 1
    state[NUM_OPEN] = size + 1


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def pop(nodes: Indexes, stack: Numbers, state: Numbers) -> None:
    """Close the innermost element."""
    size = state[NUM_OPEN] - 1
    tag = stack[OPEN_TAG, size]
    nodes[LAST, stack[NODE, size]] = state[NUM_NODES]
    if tag != CLOSED:
        state[tag] -= 1
    state[NUM_OPEN] = size


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def pop_to(nodes: Indexes, stack: Numbers, state: Numbers, place: int) -> None:
    """Close the elements from this place of the stack on."""
    while state[NUM_OPEN] > place or (place > 0 and stack[OPEN_TAG, state[NUM_OPEN] - 1] == CLOSED):
        pop(nodes, stack, state)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def innermost(nodes: Indexes, stack: Numbers, state: Numbers) -> int:
    """The tag of the innermost open element."""
    return stack[OPEN_TAG, state[NUM_OPEN] - 1]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def find_open(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, other: int, limits: int, limit: int) -> int:
    """The place in the stack of the innermost open ``tag`` or ``other``, 0 where an element of the limits is nearer.

    The limits are bits of FLAGS and one more tag.
    """
    if state[tag] + state[other] == 0:
        return 0
    place = state[NUM_OPEN] - 1
    while place > 0:
        at = stack[OPEN_TAG, place]
        if at in (tag, other):
            return place
        if FLAGS[at] & limits or at == limit:
            return 0
        place -= 1
    return 0


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def close(nodes: Indexes, stack: Numbers, state: Numbers, tag: int, limits: int, limit: int) -> None:
    """Close the innermost open ``tag`` and all within, if there is one."""
    place = find_open(nodes, stack, state, tag, tag, limits, limit)
    if place:
        pop_to(nodes, stack, state, place)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def mark_closed(nodes: Indexes, stack: Numbers, state: Numbers, place: int) -> None:
    """Have an element close as soon as the innermost one within it does."""
    state[stack[OPEN_TAG, place]] -= 1
    stack[OPEN_TAG, place] = CLOSED
    pop_to(nodes, stack, state, state[NUM_OPEN])
