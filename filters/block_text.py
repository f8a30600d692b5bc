"""What the text of each block of a page looks like: counts of words, links and punctuation, and hashed words.

Text is read as it stands in the page, UTF-8 with character references in place; what matters is that the same bytes
give the same numbers, not that every script is understood. A word is a run of letters and digits; a Chinese or
Japanese character or a Korean syllable is one token, and two of them count as a word.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.hashing import FNV_BASIS, hash_end, hash_step
from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree
from filters.html_words import ZEROS, digit_flags, hash_block, letter_flags, lower_case, num_first, num_flags
from filters.unaligned import read_bytes
from filters.uncounted import uncounted
from filters.utf8 import Bytes

Counts = npt.NDArray[np.int32]

# Rows of the counts: what is counted in each block.
WORDS, LINK_WORDS, CHARS, SENTENCE_ENDS, COMMAS, COLONS, DIGITS, CAPITALS, CJK, NON_ASCII, SYMBOLS = range(11)
LINKS, INLINE, IMAGES, BREAKS, CONTROLS, FIRST, LAST, BOLD_WORDS = range(11, 19)
NUM_COUNTS: Final = 19

TOKEN_BITS: Final = 13  # of a token's hash: 8,192 different weights
_TOKEN_SHIFT: Final = np.uint64(64 - TOKEN_BITS)
_TAG_A, _TAG_BR, _TAG_IMG = TAGS.index("a"), TAGS.index("br"), TAGS.index("img")
_IS_CONTROL = np.array([name in {"input", "select", "textarea", "button", "label"} for name in TAGS])
_IS_BOLD = np.array([name in {"b", "strong"} for name in TAGS])

# Kinds of bytes and, from NON_LATIN on, of characters beyond ASCII.
_SPACE, _LOWER, _UPPER, _DIGIT, _COMMA, _END, _COLON, _SYMBOL, _OTHER, _REFERENCE, _LETTER, _IDEOGRAPH = range(12)


def _kinds() -> Bytes:
    kinds = np.full(256, _OTHER, np.uint8)
    kinds[:33] = _SPACE
    for kind, characters in (
        (_COMMA, ","),
        (_END, ".!?"),
        (_COLON, ":;"),
        (_SYMBOL, "|<>/\\*+=~^_@#$"),
        (_REFERENCE, "&"),
    ):
        kinds[list(characters.encode())] = kind
    for kind, first, last in ((_LOWER, "a", "z"), (_UPPER, "A", "Z"), (_DIGIT, "0", "9")):
        kinds[ord(first) : ord(last) + 1] = kind
    kinds[0x80:] = _LETTER
    return kinds


_KINDS: Final = _kinds()
_COUNTED_AS: Final = np.full(12, NUM_COUNTS)  # the row that counts a kind of character; those of no row in one behind
_COUNTED_AS[[_COMMA, _END, _COLON, _SYMBOL, _IDEOGRAPH]] = COMMAS, SENTENCE_ENDS, COLONS, SYMBOLS, CJK


class BlockText(NamedTuple):
    """Measures of each block's text.

    Attributes:
        counts: int32 [NUM_COUNTS, num_blocks], stored by block; FIRST and LAST are kinds of characters.
        text_hash: uint64 [num_blocks], of the block's tokens: equal for equal words.
        token: uint16 [num_tokens], hashes of all tokens, those of block b from token_start[b] to token_start[b + 1].
        token_start: int32 [num_blocks + 1].
    """

    counts: Counts
    text_hash: npt.NDArray[np.uint64]
    token: npt.NDArray[np.uint16]
    token_start: npt.NDArray[np.int32]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def measure_text(tree: HtmlTree, first_node: npt.NDArray[np.int32], stop_node: npt.NDArray[np.int32]) -> BlockText:
    """Measure the text of every block; see ``BlockText``."""
    num_blocks = len(first_node)
    columns = np.zeros((num_blocks, NUM_COUNTS + 1), np.int32)
    text_hash = np.empty(num_blocks, np.uint64)
    token_start = np.zeros(num_blocks + 1, np.int32)
    token = np.empty(_num_text_bytes(tree) + 1, np.uint16)
    num_tokens = 0
    for block in range(num_blocks):
        num_tokens, text_hash[block] = _measure_block(
            tree, block, first_node[block], stop_node[block], columns, token, num_tokens
        )
        token_start[block + 1] = num_tokens
    return BlockText(columns.T[:NUM_COUNTS], text_hash, token[:num_tokens].copy(), token_start)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _measure_block(
    tree: HtmlTree, block: int, first: int, stop: int, columns: Counts, token: npt.NDArray[np.uint16], num_tokens: int
) -> tuple[int, np.uint64]:
    """Fill in a block's counts and write its tokens; return the number of tokens and the text's hash."""
    tree, token = uncounted(tree), uncounted(token)
    counts = uncounted(columns)[block]
    state = FNV_BASIS
    link_end, bold_end = _open_inline(tree, first)
    for node in range(first, stop):
        tag = tree.tag[node]
        if tag == TEXT:
            if tree.block[node] == block:
                before = num_tokens
                num_tokens, state = _scan_text(
                    tree.source, tree.start[node], tree.stop[node], counts, token, num_tokens, state
                )
                counts[LINK_WORDS] += (num_tokens - before) if node < link_end else 0
                counts[BOLD_WORDS] += (num_tokens - before) if node < bold_end else 0
            continue
        counts[INLINE] += 1
        counts[BREAKS] += tag == _TAG_BR
        counts[IMAGES] += tag == _TAG_IMG
        counts[CONTROLS] += _IS_CONTROL[tag]
        if tag == _TAG_A:
            counts[LINKS] += 1
            link_end = max(link_end, tree.last[node])
        if _IS_BOLD[tag]:
            bold_end = max(bold_end, tree.last[node])
    return num_tokens, hash_end(state)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def tokens_of(tree: HtmlTree, node: int) -> npt.NDArray[np.uint16]:
    """Hashes of the tokens of one text node."""
    start, stop = tree.start[node], tree.stop[node]
    token = np.empty(stop - start + 1, np.uint16)
    num_tokens, _ = _scan_text(tree.source, start, stop, np.zeros(NUM_COUNTS + 1, np.int32), token, 0, FNV_BASIS)
    return token[:num_tokens]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _num_text_bytes(tree: HtmlTree) -> int:
    """Bytes of all text nodes that are in a block: no block has more tokens."""
    total = 0
    for node in range(len(tree.tag)):
        if tree.tag[node] == TEXT and tree.block[node] >= 0:
            total += tree.stop[node] - tree.start[node]
    return total


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _open_inline(tree: HtmlTree, node: int) -> tuple[int, int]:
    """Where the links and the bold elements end that hold a node; 0 where none does."""
    link_end = bold_end = 0
    node = tree.parent[node]
    while node >= 0:
        if tree.tag[node] == _TAG_A:
            link_end = tree.last[node]
        if _IS_BOLD[tree.tag[node]]:
            bold_end = tree.last[node]
        node = tree.parent[node]
    return link_end, bold_end


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _scan_text(
    source: Bytes, i: int, stop: int, counts: Counts, token: npt.NDArray[np.uint16], num_tokens: int, state: np.uint64
) -> tuple[int, np.uint64]:
    """Count a text's characters and write its tokens; return the number of tokens and the hash so far."""
    word, in_word = FNV_BASIS, False
    num_chars, num_digits, first, last = 0, 0, counts[FIRST], counts[LAST]
    while i < stop:
        block = read_bytes(source, i, min(8, stop - i))
        letters, digits = letter_flags(block), digit_flags(block)
        size = num_first(letters | digits)
        if size:  # of a word, or all of it
            counts[WORDS] += not in_word
            counts[CAPITALS] += (not in_word) & (_KINDS[source[i]] == _UPPER)
            word, in_word = hash_block(word, _folded(block, letters, digits), size), True
            num_chars += size
            num_digits += num_flags(digits, size)
            first, last = first if first else _KINDS[source[i]], _KINDS[source[i + size - 1]]
            i += size
            if size == 8 or i == stop:
                continue
        byte = source[i]
        kind, size = _KINDS[byte], 1
        if kind >= _REFERENCE:
            kind, size = _character(source, i, stop) if byte >= 0x80 else _reference(source, i, stop)
            counts[NON_ASCII] += byte >= 0x80
        if kind == _LETTER:
            counts[WORDS] += not in_word
            word, in_word = _hash_bytes(source, i, i + size, word), True
        elif in_word:
            token[num_tokens] = hash_end(word) >> _TOKEN_SHIFT
            state = hash_step(state, word)
            num_tokens += 1
            word, in_word = FNV_BASIS, False
        if kind == _IDEOGRAPH:
            ideograph = _hash_bytes(source, i, i + size, FNV_BASIS)
            token[num_tokens] = hash_end(ideograph) >> _TOKEN_SHIFT
            state = hash_step(state, ideograph)
            num_tokens += 1
        counts[_COUNTED_AS[kind]] += 1
        if kind != _SPACE:
            num_chars += 1
            first, last = first if first else kind, kind
        i += size
    if in_word:
        token[num_tokens] = hash_end(word) >> _TOKEN_SHIFT
        state = hash_step(state, word)
        num_tokens += 1
    counts[CHARS] += num_chars
    counts[DIGITS] += num_digits
    counts[FIRST], counts[LAST] = first, last
    return num_tokens, state


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _folded(block: np.uint64, letters: np.uint64, digits: np.uint64) -> np.uint64:
    """Letters in lower case, and every digit the same."""
    is_digit = (digits >> np.uint64(7)) * np.uint64(0xFF)
    folded: np.uint64 = (lower_case(block, letters) & ~is_digit) | (ZEROS & is_digit)
    return folded


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _hash_bytes(source: Bytes, start: int, stop: int, state: np.uint64) -> np.uint64:
    for i in range(start, stop):
        state = hash_step(state, np.uint64(source[i]))
    return state


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _character(source: Bytes, i: int, stop: int) -> tuple[int, int]:
    """Kind and size of the character beyond ASCII at ``i``; a stray byte is a letter of one byte."""
    lead = source[i]
    if lead < 0xE0 or i + 3 > stop:
        if lead == 0xC2 and i + 2 <= stop:  # U+0080 to U+00BF: no-break space, signs
            return (_SPACE if source[i + 1] == 0xA0 else _SYMBOL), 2
        return _LETTER, min(2, stop - i) if lead >= 0xC0 else 1
    if lead >= 0xF0:
        return _SYMBOL, min(4, stop - i)  # emoji mostly
    second, third = source[i + 1], source[i + 2]
    if lead == 0xE2:  # general punctuation, arrows, signs
        return (_OTHER if second == 0x80 and third >= 0x98 and third <= 0x9D else _SYMBOL), 3  # quotes
    if lead == 0xE3 and second == 0x80:
        return (_END if third == 0x82 else _COMMA if third == 0x81 else _SPACE if third == 0x80 else _OTHER), 3
    if lead == 0xEF:  # full-width forms
        if second == 0xBC and third == 0x8C:
            return _COMMA, 3
        return (
            _END if second == 0xBC and (third == 0x81 or third == 0x9F) else _COLON if second == 0xBC else _OTHER
        ), 3
    return (_IDEOGRAPH if lead >= 0xE3 and lead <= 0xED else _LETTER), 3


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def _reference(source: Bytes, i: int, stop: int) -> tuple[int, int]:
    """Kind and size of the ``&`` at ``i``: a whole character reference counts as one character."""
    for k in range(i + 1, min(i + 10, stop)):
        kind = _KINDS[source[k]]
        if source[k] == 0x3B:
            is_nbsp = k == i + 5 and source[i + 1] == 0x6E and source[i + 2] == 0x62  # &nbsp;
            return (_SPACE if is_nbsp else _OTHER), k + 1 - i
        if kind != _LOWER and kind != _UPPER and kind != _DIGIT and source[k] != 0x23:
            break
    return _OTHER, 1
