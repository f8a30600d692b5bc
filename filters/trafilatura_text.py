"""The slow engine: trafilatura, some 20 times the time of ours. An extra: ``pip install 'massivetext[trafilatura]'``.

Its list items start with ``-``, the cells of its tables are parted by ``|``, its paragraphs by a line end.
"""

from __future__ import annotations

import logging
from typing import Final

from filters.html_tree import HtmlTree, PageError

MAX_DEPTH: Final = 250  # of elements and texts: libxml2 drops what is below some 254 elements
MAX_NODES: Final = 100_000  # elements and texts, of which the largest of 1,717 real pages has 25,517


def extract(tree: HtmlTree) -> str:
    """Give a page's main text, not yet tidied; empty where trafilatura finds none.

    Args:
        tree: The page as we read it, whose source, UTF-8, trafilatura reads.

    Raises:
        PageError: The page is deeper than ``MAX_DEPTH``, or has more than ``MAX_NODES`` nodes: time and memory grow
            with them, 100,000 take up to 2.6 s and 0.3 GB.
        ModuleNotFoundError: The extra is not installed.
    """
    if (depth := int(tree.depth.max())) > MAX_DEPTH:
        raise PageError(f"elements must be nested at most {MAX_DEPTH} deep; got {depth}")
    if len(tree.tag) > MAX_NODES:
        raise PageError(f"a page must have at most {MAX_NODES} elements and texts; got {len(tree.tag)}")
    try:
        import trafilatura
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the engine needs trafilatura: pip install 'massivetext[trafilatura]'") from error
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # a page without text is no error
    return trafilatura.extract(tree.source.tobytes().decode("utf-8"), output_format="txt") or ""
