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

from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree
from filters.text import FNV_BASIS, Bytes, hash_end, hash_step

Counts = npt.NDArray[np.int32]

# Rows of the counts: what is counted in each block.
WORDS, LINK_WORDS, CHARS, SENTENCE_ENDS, COMMAS, COLONS, DIGITS, CAPITALS, CJK, NON_ASCII, SYMBOLS = range(11)
LINKS, INLINE, IMAGES, BREAKS, CONTROLS, FIRST, LAST, BOLD_WORDS = range(11, 19)
NUM_COUNTS: Final = 19

TOKEN_BITS: Final = 13  # of a token's hash: 8,192 different weights
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


class BlockText(NamedTuple):
    """Measures of each block's text.

    Attributes:
        counts: int32 [NUM_COUNTS, num_blocks]; FIRST and LAST are the kinds of the first and last character.
        text_hash: uint64 [num_blocks], of the block's tokens: equal for equal words.
        token: uint16 [num_tokens], hashes of all tokens, those of block b from token_start[b] to token_start[b + 1].
        token_start: int32 [num_blocks + 1].
    """

    counts: Counts
    text_hash: npt.NDArray[np.uint64]
    token: npt.NDArray[np.uint16]
    token_start: npt.NDArray[np.int32]


@njit(cache=True, nogil=True)
def measure_text(tree: HtmlTree, first_node: npt.NDArray[np.int32], stop_node: npt.NDArray[np.int32]) -> BlockText:
    """Measure the text of every block; see ``BlockText``."""
    num_blocks = len(first_node)
    counts = np.zeros((NUM_COUNTS, num_blocks), np.int32)
    text_hash = np.empty(num_blocks, np.uint64)
    token_start = np.zeros(num_blocks + 1, np.int32)
    token = np.empty(_num_text_bytes(tree) + 1, np.uint16)
    num_tokens = 0
    for block in range(num_blocks):
        state = FNV_BASIS
        link_end, bold_end = _open_inline(tree, first_node[block])
        for node in range(first_node[block], stop_node[block]):
            tag = tree.tag[node]
            if tag == TEXT:
                if tree.block[node] == block:
                    before = num_tokens
                    num_tokens, state = _scan_text(tree, node, counts[:, block], token, num_tokens, state)
                    counts[LINK_WORDS, block] += (num_tokens - before) if node < link_end else 0
                    counts[BOLD_WORDS, block] += (num_tokens - before) if node < bold_end else 0
                continue
            counts[INLINE, block] += 1
            counts[BREAKS, block] += tag == _TAG_BR
            counts[IMAGES, block] += tag == _TAG_IMG
            counts[CONTROLS, block] += _IS_CONTROL[tag]
            if tag == _TAG_A:
                counts[LINKS, block] += 1
                link_end = max(link_end, tree.last[node])
            if _IS_BOLD[tag]:
                bold_end = max(bold_end, tree.last[node])
        text_hash[block] = hash_end(state)
        token_start[block + 1] = num_tokens
    return BlockText(counts, text_hash, token[:num_tokens].copy(), token_start)


@njit(cache=True, nogil=True)
def tokens_of(tree: HtmlTree, node: int) -> npt.NDArray[np.uint16]:
    """Hashes of the tokens of one text node."""
    token = np.empty(tree.stop[node] - tree.start[node] + 1, np.uint16)
    num_tokens, _ = _scan_text(tree, node, np.zeros(NUM_COUNTS, np.int32), token, 0, FNV_BASIS)
    return token[:num_tokens]


@njit(cache=True, nogil=True)
def _num_text_bytes(tree: HtmlTree) -> int:
    """Bytes of all text nodes that are in a block: no block has more tokens."""
    total = 0
    for node in range(len(tree.tag)):
        if tree.tag[node] == TEXT and tree.block[node] >= 0:
            total += tree.stop[node] - tree.start[node]
    return total


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True, forceinline=True)
def _scan_text(
    tree: HtmlTree, node: int, counts: Counts, token: npt.NDArray[np.uint16], num_tokens: int, state: np.uint64
) -> tuple[int, np.uint64]:
    """Count one text node's characters and write its tokens; return the number of tokens and the text's hash."""
    source, i, stop = tree.source, tree.start[node], tree.stop[node]
    shift = np.uint64(64 - TOKEN_BITS)
    word = FNV_BASIS
    in_word = False
    while i < stop:
        byte = source[i]
        kind = _KINDS[byte]
        size = 1
        if byte >= 0x80:
            kind, size = _character(source, i, stop)
        elif kind == _REFERENCE:
            kind, size = _reference(source, i, stop)
        if kind in (_LOWER, _UPPER, _DIGIT, _LETTER):
            if not in_word:
                in_word = True
                word = FNV_BASIS
                counts[WORDS] += 1
                counts[CAPITALS] += kind == _UPPER
            if kind == _LETTER:
                for k in range(i, i + size):
                    word = hash_step(word, np.uint64(source[k]))
            else:  # lower case; every digit is the same
                word = hash_step(word, np.uint64(0x30 if kind == _DIGIT else byte | 0x20))
        else:
            if in_word:
                token[num_tokens] = hash_end(word) >> shift
                state = hash_step(state, word)
                num_tokens += 1
                in_word = False
            if kind == _IDEOGRAPH:
                word = FNV_BASIS
                for k in range(i, i + size):
                    word = hash_step(word, np.uint64(source[k]))
                token[num_tokens] = hash_end(word) >> shift
                state = hash_step(state, word)
                num_tokens += 1
                counts[CJK] += 1
        if kind != _SPACE:
            counts[CHARS] += 1
            counts[LAST] = kind
            if counts[FIRST] == 0:
                counts[FIRST] = kind
        counts[SENTENCE_ENDS] += kind == _END
        counts[COMMAS] += kind == _COMMA
        counts[COLONS] += kind == _COLON
        counts[DIGITS] += kind == _DIGIT
        counts[SYMBOLS] += kind == _SYMBOL
        counts[NON_ASCII] += byte >= 0x80
        i += size
    if in_word:
        token[num_tokens] = hash_end(word) >> shift
        state = hash_step(state, word)
        num_tokens += 1
    return num_tokens, state


@njit(cache=True, nogil=True, forceinline=True)
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


@njit(cache=True, nogil=True, forceinline=True)
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
