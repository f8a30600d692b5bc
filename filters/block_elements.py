"""What a page's elements say of their content: the words of their names and attributes, and what kind they are."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.html_tags import TAGS, hash_lower, name_hash
from filters.html_tokens import next_attribute, next_word
from filters.html_tree import HtmlTree
from filters.text import FNV_BASIS, FNV_PRIME, Bytes, hash_end, hash_step

WORD_BITS: Final = 13  # of a word's hash: 8,192 different weights
MAX_WORDS: Final = 24  # of an element; what follows is not looked at

# Bits of Elements.flags.
NAV, HEADER, FOOTER, ASIDE, MAIN, ARTICLE, FORM, ITEM, LIST, TABLE, CELL, QUOTE, CODE, FIGURE, HIDDEN, BODY = (
    1 << i for i in range(16)
)
PARAGRAPH, HEADING, CONTROL, DEFINITION, DIALOG = (1 << i for i in range(16, 21))

_TAG_FLAGS_BY_NAME: Final = {
    NAV: "nav menu", HEADER: "header", FOOTER: "footer", ASIDE: "aside", MAIN: "main", ARTICLE: "article",
    FORM: "form fieldset", ITEM: "li", LIST: "ul ol", TABLE: "table", CELL: "td th", QUOTE: "blockquote q",
    CODE: "pre code samp", FIGURE: "figure figcaption", PARAGRAPH: "p", HEADING: "h1 h2 h3 h4 h5 h6",
    CONTROL: "button select option label legend", DEFINITION: "dl dt dd", DIALOG: "dialog",
}  # fmt: skip
_ROLE_FLAGS_BY_NAME: Final = {
    "navigation": NAV, "menu": NAV, "menubar": NAV, "banner": HEADER, "contentinfo": FOOTER, "complementary": ASIDE,
    "main": MAIN, "article": ARTICLE, "search": FORM, "button": CONTROL, "dialog": DIALOG, "alertdialog": DIALOG,
}  # fmt: skip


def _tag_flags() -> npt.NDArray[np.uint32]:
    flags = np.zeros(256, np.uint32)
    for flag, names in _TAG_FLAGS_BY_NAME.items():
        for name in names.split():
            flags[TAGS.index(name)] |= flag
    return flags


_TAG_FLAGS: Final = _tag_flags()
_ROLE_HASHES: Final = np.array([name_hash(name) for name in _ROLE_FLAGS_BY_NAME], np.uint64)
_ROLE_FLAGS: Final = np.array(list(_ROLE_FLAGS_BY_NAME.values()), np.uint32)
_NAMES = "class id role itemprop itemtype style hidden aria-hidden"
_CLASS, _ID, _ROLE, _PROP, _TYPE, _STYLE, _HIDDEN, _ARIA_HIDDEN = (np.uint64(name_hash(n)) for n in _NAMES.split())
_ARTICLE_BODY, _TRUE = np.uint64(name_hash("articlebody")), np.uint64(name_hash("true"))
_DISPLAY_NONE, _VISIBILITY_HIDDEN = (np.frombuffer(s, np.uint8) for s in (b"display:none", b"visibility:hidden"))


class Elements(NamedTuple):
    """What is known of each element around a block by itself; other nodes have nothing, and are not read.

    Attributes:
        flags: uint32 [num_nodes], bits above.
        signature: uint64 [num_nodes], of tag and class: equal for the items of a list of posts.
        word: uint16 [num_words], hashes of tag, class, id, role, itemprop and itemtype words, in order of the elements;
            those of node n from word_start[n] to word_start[n + 1].
        word_start: int32 [num_nodes + 1].
    """

    flags: npt.NDArray[np.uint32]
    signature: npt.NDArray[np.uint64]
    word: npt.NDArray[np.uint16]
    word_start: npt.NDArray[np.int32]


@njit(cache=True, nogil=True)
def read_elements(tree: HtmlTree, container: npt.NDArray[np.int32]) -> Elements:
    """Read the attributes of the blocks' elements and of all around them; see ``Elements``."""
    num_nodes = len(tree.tag)
    is_around = _around_blocks(tree, container)
    flags = np.zeros(num_nodes, np.uint32)
    signature = np.zeros(num_nodes, np.uint64)
    word_start = np.zeros(num_nodes + 1, np.int32)
    word = np.empty(8 * num_nodes + MAX_WORDS + 1, np.uint16)
    num_words = 0
    for node in range(num_nodes):
        if is_around[node]:
            if num_words + MAX_WORDS >= len(word):
                word = np.concatenate((word, np.empty(len(word), np.uint16)))
            word[num_words] = _word_id(np.uint64(tree.tag[node]), FNV_PRIME)
            flags[node] = _TAG_FLAGS[tree.tag[node]]
            signature[node] = hash_step(FNV_BASIS, np.uint64(tree.tag[node]))
            num_words = _read_attributes(tree, node, flags, signature, word, num_words + 1)
            signature[node] = hash_end(signature[node])
        word_start[node + 1] = num_words
    return Elements(flags, signature, word[:num_words].copy(), word_start)


@njit(cache=True, nogil=True)
def _around_blocks(tree: HtmlTree, container: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which nodes have a block right in them or further down."""
    is_around = np.zeros(len(tree.tag), np.bool_)
    for node in container:
        while node >= 0 and not is_around[node]:
            is_around[node] = True
            node = tree.parent[node]
    return is_around


@njit(cache=True, nogil=True, forceinline=True)
def _word_id(word: np.uint64, kind: np.uint64) -> np.uint16:
    return np.uint16(hash_end(word ^ kind) >> np.uint64(64 - WORD_BITS))


@njit(cache=True, nogil=True)
def _read_attributes(
    tree: HtmlTree,
    node: int,
    flags: npt.NDArray[np.uint32],
    signature: npt.NDArray[np.uint64],
    word: npt.NDArray[np.uint16],
    num_words: int,
) -> int:
    """Read one element's attributes into its flags, its signature and the words; return the number of words."""
    source, position, stop = tree.source, tree.start[node], tree.stop[node]
    limit = num_words + MAX_WORDS - 1
    while position < stop:
        name_start, name_stop, start, end, position = next_attribute(source, position, stop)
        size = name_stop - name_start
        if name_start < 0 or size > 11 or (size > 6 and size != 8 and size != 11):
            continue
        name = hash_lower(source, name_start, name_stop)
        if name == _CLASS:
            num_words, signature[node] = _read_class(source, start, end, word, num_words, limit, signature[node])
        elif name == _ID:
            num_words = _read_words(source, start, end, word, num_words, limit, np.uint64(0))
        elif name == _ROLE:
            num_words = _read_words(source, start, end, word, num_words, limit, np.uint64(1))
            flags[node] |= _role_flag(hash_lower(source, start, end))
        elif name in (_PROP, _TYPE):
            num_words = _read_words(source, start, end, word, num_words, limit, np.uint64(2))
            flags[node] |= BODY if hash_lower(source, start, end) == _ARTICLE_BODY else 0
        elif _hides(source, name, start, end):
            flags[node] |= HIDDEN
    return num_words


@njit(cache=True, nogil=True, forceinline=True)
def _read_words(
    source: Bytes, position: int, stop: int, word: npt.NDArray[np.uint16], count: int, limit: int, kind: np.uint64
) -> int:
    """Write the hashes of a value's words; numbers differ from page to page and are left out."""
    while count < limit:
        value, end = next_word(source, position, stop)
        if value == 0:
            break
        if not _is_number(source, end):
            word[count] = _word_id(value, kind)
            count += 1
        position = end
    return count


@njit(cache=True, nogil=True, forceinline=True)
def _read_class(
    source: Bytes,
    position: int,
    stop: int,
    word: npt.NDArray[np.uint16],
    count: int,
    limit: int,
    signature: np.uint64,
) -> tuple[int, np.uint64]:
    """Write the hashes of a class's words as ``_read_words`` does, and take all of them into the signature."""
    while True:
        value, position = next_word(source, position, stop)
        if value == 0:
            return count, signature
        if not _is_number(source, position):
            signature = hash_step(signature, value)
            if count < limit:
                word[count] = _word_id(value, np.uint64(0))
                count += 1


@njit(cache=True, nogil=True, forceinline=True)
def _is_number(source: Bytes, word_end: int) -> bool:
    """Whether the word that ends here ends in a digit."""
    return bool(0x30 <= source[word_end - 1] <= 0x39)


@njit(cache=True, nogil=True, forceinline=True)
def _role_flag(role: np.uint64) -> np.uint32:
    flag = np.uint32(0)
    for i in range(len(_ROLE_HASHES)):
        if _ROLE_HASHES[i] == role:
            flag = _ROLE_FLAGS[i]
    return flag


@njit(cache=True, nogil=True)
def _hides(source: Bytes, name: np.uint64, start: int, stop: int) -> bool:
    """Whether an attribute hides its element: ``hidden``, ``aria-hidden``, or a style that does."""
    if name == _STYLE:
        return bool(_has_rule(source, start, stop, _DISPLAY_NONE) or _has_rule(source, start, stop, _VISIBILITY_HIDDEN))
    return bool(name == _HIDDEN or (name == _ARIA_HIDDEN and hash_lower(source, start, stop) == _TRUE))


@njit(cache=True, nogil=True)
def _has_rule(source: Bytes, start: int, stop: int, rule: Bytes) -> bool:
    """Whether a style has this rule; blanks after its first letter don't count."""
    for first in range(start, stop):
        i, matched = first, 0
        while i < stop and matched < len(rule):
            if (source[i] | 0x20) == rule[matched]:
                matched += 1
            elif source[i] != 0x20 or matched == 0:
                break
            i += 1
        if matched == len(rule):
            return True
    return False
