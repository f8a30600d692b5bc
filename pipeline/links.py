"""The links of an HTML page: what a crawler may go on to."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import DocumentNode, HTMLTree

from pipeline.urls import canonicalize, host_of


class Link(NamedTuple):
    """A link of a page."""

    target: str  # canonical URL
    is_nofollow: bool  # by rel, by the page's meta element or by its header


def outlinks(
    html: bytes, url: str, hosts: Collection[str], charset: str | None = None, is_nofollow: bool = False
) -> list[Link]:
    """Find the pages that a page links to.

    Args:
        html: Body of the page.
        url: Where it was found; ``<base href>`` goes before.
        hosts: Links to others are left out.
        charset: As the HTTP header says; a wrong or missing one is made up for.
        is_nofollow: The header says so (``X-Robots-Tag``).

    Returns:
        One link a target, in order of target; links to the page itself are left out. A target linked with and without
        nofollow is to be followed.
    """
    document = HTMLTree.parse(_decode(html, charset)).document
    if document is None:
        return []
    is_nofollow = is_nofollow or _meta_nofollow(document)
    base = _base(document, url)
    found: dict[str, bool] = {}
    # sliced, since iterating a DOMCollection costs the square of its length
    for element in document.query_selector_all("a[href], area[href]")[:]:
        target = canonicalize(element.getattr("href") or "", base)
        if target and target != url and host_of(target) in hosts:
            is_marked = is_nofollow or "nofollow" in (element.getattr("rel") or "").lower().split()
            found[target] = found.get(target, True) and is_marked
    return [Link(target, found[target]) for target in sorted(found)]


def says_nofollow(directives: str) -> bool:
    """Read the value of a robots meta element or of an ``X-Robots-Tag`` header."""
    return not {"nofollow", "none"}.isdisjoint(word.strip() for word in directives.lower().split(","))


def _meta_nofollow(document: DocumentNode) -> bool:
    return any(
        says_nofollow(meta.getattr("content") or "")
        for meta in document.query_selector_all("meta[name]")[:]
        if (meta.getattr("name") or "").strip().lower() == "robots"
    )


def _base(document: DocumentNode, url: str) -> str:
    """The URL that relative links start from: that of the first base element, if it is one."""
    element = document.query_selector("base[href]")
    return (element and canonicalize(element.getattr("href") or "", url)) or url


def _decode(html: bytes, charset: str | None) -> str:
    named = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    encoding = named or detect_encoding(html, from_html_meta=True) or "utf-8"
    return str(bytes_to_str(html, encoding, errors="replace"))
