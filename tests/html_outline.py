"""An HTML tree as a short text, for tests to compare."""

from __future__ import annotations

from filters.html_tags import TAGS, TEXT
from filters.html_tree import HtmlTree, parse


def outline(html: str | bytes) -> str:
    """The page as ``html(body(p('text') br))``; without ``html`` and ``body`` where the body is all it has."""
    tree = parse(html.encode() if isinstance(html, str) else html)
    text = _children(tree, 0)
    prefix = "body("
    return text[len(prefix) : -1] if text.startswith(prefix) and tree.last[1] == len(tree.tag) else text


def _children(tree: HtmlTree, node: int) -> str:
    parts = []
    child = node + 1
    while child < tree.last[node]:
        parts.append(_node(tree, child))
        child = tree.last[child]
    return " ".join(parts)


def _node(tree: HtmlTree, node: int) -> str:
    if tree.tag[node] == TEXT:
        return repr(tree.source[tree.start[node] : tree.stop[node]].tobytes().decode())
    name, content = TAGS[tree.tag[node]], _children(tree, node)
    return f"{name}({content})" if content else name
