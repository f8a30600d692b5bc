"""The elements around a page's blocks, as a tree of their own: a fifth of a page's nodes, and all that features ask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.html_blocks import HtmlBlocks
from filters.html_tree import HtmlTree
from filters.utf8 import Bytes

Ints = npt.NDArray[np.int32]


class Surroundings(NamedTuple):
    """The elements that hold a block, right in them or further down, in document order; element 0 is ``html``.

    Attributes:
        source: uint8 [n], the page's UTF-8 bytes.
        tag, parent, last, start, stop, depth: [num_elements], as in ``html_tree.HtmlTree``; but ``parent`` and ``last``
            count these elements only.
        first_block: int32 [num_elements], number of blocks before the element.
        container: int32 [num_blocks], the nearest block-level element around the block.
    """

    source: Bytes
    tag: Bytes
    parent: Ints
    last: Ints
    start: Ints
    stop: Ints
    depth: Ints
    first_block: Ints
    container: Ints


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def around_blocks(tree: HtmlTree, blocks: HtmlBlocks) -> Surroundings:
    """Take the elements around the blocks out of the tree."""
    number = _number_elements(tree, blocks.container)
    num_elements = number[-1]
    tag = np.empty(num_elements, np.uint8)
    parent, last = np.empty(num_elements, np.int32), np.empty(num_elements, np.int32)
    start, stop = np.empty(num_elements, np.int32), np.empty(num_elements, np.int32)
    depth, first_block = np.empty(num_elements, np.int32), np.empty(num_elements, np.int32)
    block = 0
    for node in range(len(tree.tag)):
        element = number[node]
        if number[node + 1] == element:
            continue
        while block < len(blocks.first_node) and blocks.first_node[block] < node:
            block += 1
        first_block[element] = block
        tag[element], depth[element] = tree.tag[node], tree.depth[node]
        parent[element] = number[tree.parent[node]] if tree.parent[node] >= 0 else -1
        last[element] = number[tree.last[node]]
        start[element], stop[element] = tree.start[node], tree.stop[node]
    container = number[blocks.container]
    return Surroundings(tree.source, tag, parent, last, start, stop, depth, first_block, container)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _number_elements(tree: HtmlTree, container: Ints) -> Ints:
    """For each node, and one past the last, the number of elements around blocks that come before it."""
    is_around = np.zeros(len(tree.tag), np.bool_)
    for node in container:
        while node >= 0 and not is_around[node]:
            is_around[node] = True
            node = tree.parent[node]
    number = np.empty(len(tree.tag) + 1, np.int32)
    count = 0
    for node in range(len(tree.tag)):
        number[node] = count
        count += is_around[node]
    number[len(tree.tag)] = count
    return number
