"""How much of each block of a page its reference text holds: the labels that the block classifier learns."""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import LCSseq

from filters.html_blocks import HtmlBlocks
from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree

_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+"
)
_BR: Final = TAGS.index("br")
_SHINGLE: Final = 4


def block_texts(tree: HtmlTree, blocks: HtmlBlocks) -> list[str]:
    """The text of each block, character references resolved, elements but ``br`` left out."""
    source = tree.source.tobytes()
    texts = []
    for block, (first, stop) in enumerate(zip(blocks.first_node, blocks.stop_node, strict=True)):
        parts = []
        for node in range(first, stop):
            if tree.tag[node] == TEXT and tree.block[node] == block:
                parts.append(source[tree.start[node] : tree.stop[node]])
            elif tree.tag[node] == _BR:
                parts.append(b"\n")
        texts.append(html.unescape(b"".join(parts).decode("utf-8", "replace")))
    return texts


def block_labels(texts: list[str], reference: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Label blocks by their part in the reference.

    The page's tokens are aligned with the reference's (longest common subsequence), so that a title repeated in a menu
    is not content; a token counts when its neighbour in the page or a block of one token is aligned with it. What the
    reference has in another order is found by shingles that the alignment left over.

    Args:
        texts: Text of each block, in document order.
        reference: The page's main content.

    Returns:
        Share of each block's tokens that the reference holds, float32 [num_blocks], and the numbers of tokens, int32.
    """
    words = [_TOKEN.findall(text.lower()) for text in texts]
    page = [word for block in words for word in block]
    wanted = _TOKEN.findall(reference.lower())
    aligned = _align(page, wanted)
    sizes = np.array([len(block) for block in words], np.int32)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    is_solid = _solid(aligned, starts)
    left = _left_over(wanted, aligned[is_solid])
    labels = np.zeros(len(texts), np.float32)
    for block, tokens in enumerate(words):
        if tokens:
            share = is_solid[starts[block] : starts[block + 1]].mean()
            labels[block] = share if share > 0.5 else max(share, _take(left, tokens))
    return labels, sizes


def _align(page: list[str], wanted: list[str]) -> npt.NDArray[np.int64]:
    """For each token of the page its place in the reference, -1 for none."""
    aligned = np.full(len(page), -1)
    for edit in LCSseq.opcodes(page, wanted):
        if edit.tag == "equal":
            aligned[edit.src_start : edit.src_end] = np.arange(edit.dest_start, edit.dest_end)
    return aligned


def _solid(aligned: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which tokens are aligned together with a neighbour: scattered hits on frequent words are chance."""
    is_solid = np.zeros(len(aligned), bool)
    follows = (np.diff(aligned) == 1) & (aligned[1:] > 0)
    is_solid[1:] |= follows
    is_solid[:-1] |= follows
    used = set(aligned[is_solid].tolist())
    for start in starts[:-1][np.diff(starts) == 1]:  # blocks of one token, as cells of tables are
        place = aligned[start]
        is_solid[start] |= place >= 0 and (place - 1 in used or place + 1 in used)
    return is_solid


def _left_over(wanted: list[str], used: npt.NDArray[np.int64]) -> Counter[tuple[str, ...]]:
    free = np.ones(len(wanted), bool)
    free[used] = False
    places = (i for i in range(len(wanted) - _SHINGLE + 1) if free[i : i + _SHINGLE].all())
    return Counter(tuple(wanted[i : i + _SHINGLE]) for i in places)


def _take(left: Counter[tuple[str, ...]], tokens: list[str]) -> float:
    """Share of a block's shingles that are left; they are taken when most are there."""
    shingles = Counter(zip(*(tokens[i:] for i in range(_SHINGLE)), strict=False))
    if not shingles:
        return 0.0
    hits = shingles & left
    share = hits.total() / shingles.total()
    if share > 0.5:
        left.subtract(hits)
    return share if share > 0.5 else 0.0
