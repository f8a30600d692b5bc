"""Words that only an element parts: a picture, a form's field, the edge of a custom element.

Pages lay such texts out apart, with nothing between them in their bytes: ``Name<input>Address``,
``<x-item>one</x-item><x-item>two</x-item>``. Written one after the other they would be one word. A space goes between
them only where both sides are words: not before a full stop (a sign for a link often stands there), nor within scripts
that put no spaces between words.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from filters.html_tags import FLAGS, REPLACED, UNKNOWN
from filters.html_tokens import LESS, is_letter
from filters.html_tree import HtmlTree
from filters.utf8 import Bytes

_DASH = 0x2D


def _word_ends() -> Bytes:
    """Of each byte, whether it may be a word's last, or its punctuation's."""
    ends = np.zeros(256, np.uint8)
    ends[0x80:] = 1
    ends[list(b"0123456789.,:!?)")] = 1
    ends[[byte for byte in range(0x80) if is_letter.py_func(byte)]] = 1
    return ends


_WORD_ENDS = _word_ends()


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def is_parted(tree: HtmlTree, text: int, following: int) -> bool:
    """Whether two texts of a block, the second following on the first, are words that an element between them parts."""
    last, first = tree.source[tree.stop[text] - 1], tree.source[tree.start[following]]
    return bool(_WORD_ENDS[last] and _starts_word(first) and _has_parting(tree, text, following))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _starts_word(byte: int) -> bool:
    """An ASCII letter or digit, or the first of two bytes: Latin, Greek, Cyrillic, Hebrew, Arabic."""
    return is_letter(byte) or 0x30 <= byte <= 0x39 or 0xC3 <= byte <= 0xDF


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _has_parting(tree: HtmlTree, text: int, following: int) -> bool:
    """Whether an element that parts words is between two texts, or a custom one ends or starts there."""
    for node in range(text + 1, following):
        if FLAGS[tree.tag[node]] & REPLACED or _is_custom(tree, node):
            return True
    node = tree.parent[text]
    while tree.last[node] <= following:
        if _is_custom(tree, node):
            return True
        node = tree.parent[node]
    return False


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _is_custom(tree: HtmlTree, node: int) -> bool:
    """Whether an element is the page's own: its name, which ends where its attributes start, has a dash."""
    if tree.tag[node] != UNKNOWN:
        return False
    position = tree.start[node] - 1
    while position >= 0 and tree.source[position] != LESS:
        if tree.source[position] == _DASH:
            return True
        position -= 1
    return False
