"""The plain engine: resiliparse's own rules for main content, which need no model."""

from __future__ import annotations

import re
from typing import Final

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from filters.html_tree import PageError

MAX_DEPTH: Final = 1_000  # nested div and article elements: the engine's time grows as its square (2.7 s at 10,000)

_NESTING_TAG = re.compile(r"<(/?)(?:div|article|DIV|ARTICLE)(?=[ \t\n\r/>])")
_CONTENT_TAG = re.compile(r"<(?:main|article|MAIN|ARTICLE)(?=[ \t\n\r>])[^>]*>")


def extract(source: str) -> tuple[str, str]:
    """Give a page's main text, not yet tidied, and its title.

    Raises:
        PageError: Elements are nested deeper than ``MAX_DEPTH``, or the engine gave up.
    """
    if (depth := _depth(source)) > MAX_DEPTH:
        raise PageError(f"elements must be nested at most {MAX_DEPTH} deep; got {depth}")
    # The engine takes any list within three levels of the body for navigation. Two more levels below main and article
    # save those that are content: +0.001 F1 on WCXB, no loss on articles; around everything it costs articles 0.001.
    source = _CONTENT_TAG.sub(r"\g<0><div><div>", source)
    try:
        tree = HTMLTree.parse(source)
        text = extract_plain_text(
            tree,
            preserve_formatting=True,
            main_content=True,
            list_bullets=True,
            alt_texts=False,
            links=False,
            post_meta=False,  # bylines and dates: +0.005 F1 on articles without, no loss elsewhere
        )
        return text, tree.title or ""
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a Rust panic: no Exception, and nothing exports its class
            raise
        raise PageError(f"the engine gave up: {error}") from error


def _depth(source: str) -> int:
    """Deepest nesting of the elements whose depth costs the engine time squared, 0 when there are few of them."""
    if sum(source.count(tag) for tag in ("<div", "<DIV", "<article", "<ARTICLE")) <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(source):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest
