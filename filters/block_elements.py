"""What a page's elements say of their content: the words of their names and attributes, and what kind they are."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_surroundings import Surroundings
from filters.hashing import FNV_BASIS, FNV_PRIME, hash_end, hash_step
from filters.html_tags import TAGS, hash_lower, name_hash
from filters.html_tokens import next_attribute
from filters.html_words import next_word
from filters.unaligned import read_bytes
from filters.utf8 import Bytes

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

# Attributes that count; the number of the first three is also what parts their words' hashes.
_ID, _ROLE, _ITEM, _CLASS, _STYLE, _HIDDEN, _ARIA_HIDDEN, _OTHER = range(8)
_KINDS_BY_NAME: Final = {
    "class": _CLASS, "id": _ID, "style": _STYLE, "role": _ROLE, "hidden": _HIDDEN, "itemprop": _ITEM,
    "itemtype": _ITEM, "aria-hidden": _ARIA_HIDDEN,
}  # fmt: skip


def _first_eight(name: str) -> np.uint64:
    """A name's first eight letters as a number, the first lowest, with blanks behind a shorter one."""
    return np.uint64(int.from_bytes(name[:8].ljust(8).encode(), "little"))


_BLANKS: Final = _first_eight("")  # also the bits that make capitals small
_DEN: Final = _first_eight("aria-hidden"[8:])
_ATTRIBUTES: Final = np.array([_first_eight(name) for name in _KINDS_BY_NAME], np.uint64)
_ATTRIBUTE_SIZES: Final = np.array([len(name) for name in _KINDS_BY_NAME])
_SIZES: Final = sum({1 << len(name) for name in _KINDS_BY_NAME})
_ATTRIBUTE_KINDS: Final = np.array(list(_KINDS_BY_NAME.values()))
_ARTICLE_BODY, _TRUE = np.uint64(name_hash("articlebody")), np.uint64(name_hash("true"))
_DISPLAY_NONE, _VISIBILITY_HIDDEN = (np.frombuffer(s, np.uint8) for s in (b"display:none", b"visibility:hidden"))


class Elements(NamedTuple):
    """What is known of each element around a block by itself.

    Attributes:
        flags: uint32 [num_elements], bits above.
        signature: uint64 [num_elements], of tag and class: equal for the items of a list of posts.
        word: uint16 [num_words], hashes of tag, class, id, role, itemprop and itemtype words, in order of the elements;
            those of element e from word_start[e] to word_start[e + 1].
        word_start: int32 [num_elements + 1].
    """

    flags: npt.NDArray[np.uint32]
    signature: npt.NDArray[np.uint64]
    word: npt.NDArray[np.uint16]
    word_start: npt.NDArray[np.int32]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def read_elements(around: Surroundings) -> Elements:
    """Read the attributes of the elements around blocks; see ``Elements``."""
    size = len(around.tag)
    flags = np.zeros(size, np.uint32)
    signature = np.zeros(size, np.uint64)
    word_start = np.zeros(size + 1, np.int32)
    word = np.empty(8 * size + MAX_WORDS + 1, np.uint16)
    num_words = 0
    for element in range(size):
        if num_words + MAX_WORDS >= len(word):
            word = np.concatenate((word, np.empty(len(word), np.uint16)))
        tag = np.uint64(around.tag[element])
        word[num_words] = _word_id(tag, FNV_PRIME)
        flags[element] = _TAG_FLAGS[tag]
        signature[element] = hash_step(FNV_BASIS, tag)
        num_words = _read_attributes(around, element, flags, signature, word, num_words + 1)
        signature[element] = hash_end(signature[element])
        word_start[element + 1] = num_words
    return Elements(flags, signature, word[:num_words].copy(), word_start)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _word_id(word: np.uint64, kind: np.uint64) -> np.uint16:
    return np.uint16(hash_end(word ^ kind) >> np.uint64(64 - WORD_BITS))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _read_attributes(
    around: Surroundings,
    element: int,
    flags: npt.NDArray[np.uint32],
    signature: npt.NDArray[np.uint64],
    word: npt.NDArray[np.uint16],
    num_words: int,
) -> int:
    """Read one element's attributes into its flags, its signature and the words; return the number of words."""
    source, position, stop = around.source, around.start[element], around.stop[element]
    limit = num_words + MAX_WORDS - 1
    while position < stop:
        name_start, name_stop, start, end, position = next_attribute(source, position, stop)
        kind = _kind_of_name(source, name_start, name_stop - name_start) if name_start >= 0 else _OTHER
        if kind == _CLASS:
            num_words, signature[element] = _read_class(source, start, end, word, num_words, limit, signature[element])
        elif kind in (_ID, _ROLE, _ITEM):
            num_words = _read_words(source, start, end, word, num_words, limit, np.uint64(kind))
            if kind == _ROLE:
                flags[element] |= _role_flag(hash_lower(source, start, end))
            elif kind == _ITEM and hash_lower(source, start, end) == _ARTICLE_BODY:
                flags[element] |= BODY
        elif kind != _OTHER and _hides(source, kind, start, end):
            flags[element] |= HIDDEN
    return num_words


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _kind_of_name(source: Bytes, start: int, size: int) -> int:
    """Which of the attributes that count this is, by its first eight letters in any case and its size."""
    if not 1 << min(size, 63) & _SIZES:
        return _OTHER
    name = read_bytes(source, start, min(size, 8)) | _BLANKS
    for kind in range(len(_ATTRIBUTES)):
        if name == _ATTRIBUTES[kind] and size == _ATTRIBUTE_SIZES[kind]:
            is_whole = size <= 8 or (read_bytes(source, start + 8, 3) | _BLANKS) == _DEN
            return int(_ATTRIBUTE_KINDS[kind]) if is_whole else _OTHER
    return _OTHER


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
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


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
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


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _is_number(source: Bytes, word_end: int) -> bool:
    """Whether the word that ends here ends in a digit."""
    return bool(0x30 <= source[word_end - 1] <= 0x39)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _role_flag(role: np.uint64) -> np.uint32:
    flag = np.uint32(0)
    for i in range(len(_ROLE_HASHES)):
        if _ROLE_HASHES[i] == role:
            flag = _ROLE_FLAGS[i]
    return flag


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _hides(source: Bytes, kind: int, start: int, stop: int) -> bool:
    """Whether an attribute hides its element: ``hidden``, ``aria-hidden``, or a style that does."""
    if kind == _STYLE:
        return bool(_has_rule(source, start, stop, _DISPLAY_NONE) or _has_rule(source, start, stop, _VISIBILITY_HIDDEN))
    return bool(kind == _HIDDEN or hash_lower(source, start, stop) == _TRUE)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
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
