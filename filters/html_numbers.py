"""Numbers of the items of ordered lists, as browsers count them: from the list's ``start``, one for each item."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.html_stack import Numbers
from filters.html_tags import hash_lower, name_hash, tag_of
from filters.html_tokens import next_attribute
from filters.html_tree import HtmlTree
from filters.utf8 import Bytes

_START_ATTRIBUTE: Final = np.uint64(name_hash("start"))
_LI: Final = tag_of("li")


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def item_number(tree: HtmlTree, list_node: int, item: int, memory: Numbers) -> int:
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
    return int(max(0, memory[2, level]))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
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
