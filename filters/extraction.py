r"""HTML bytes to the text of a page's main content, and the plain form that every extracted text has.

The form: lines end in ``\n``; Unicode spaces are one space each run; at most one blank line in a row; no trailing
blanks; indentation is kept (nested lists, code); list items start with ``•`` or their number; table cells are parted
by tabs. No Unicode normalisation: it would need tables that differ between Python versions, and pages keep their
bytes' meaning without it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from filters.charsets import decode

MAX_DEPTH: Final = 1_000  # nested div and article elements: the engine's time grows as its square (2.7 s at 10,000)

_NESTING_TAG = re.compile(r"<(/?)(?:div|article|DIV|ARTICLE)(?=[ \t\n\r/>])")
_CONTENT_TAG = re.compile(r"<(?:main|article|MAIN|ARTICLE)(?=[ \t\n\r>])[^>]*>")

_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"  # White_Space beyond ASCII that is no line end
_UNICODE_BLANKS = re.compile(f"[ \t]*[{_SPACES}][ \t{_SPACES}]*")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_TRAILING_BLANKS = re.compile("[ \t]+(?=\n|\\Z)")
_BLANK_LINES = re.compile("\n{3,}")
_INVISIBLE = dict.fromkeys([*range(0x09), *range(0x0E, 0x20), 0x7F, 0xFEFF])  # controls and stray byte-order marks
_HAS_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufeff\ud800-\udfff]")


class Page(NamedTuple):
    """What a page says."""

    text: str  # empty when the page has no main content
    title: str | None  # of its title element


class PageError(ValueError):
    """A page that the engine cannot take; the message says why."""


def main_text(html: bytes, charset: str | None = None) -> str:
    """Extract the text of a page's main content.

    Args:
        html: The page as it came, transfer and content encodings undone.
        charset: Label from the HTTP header; see ``filters.charsets.decode`` for how much it counts.

    Returns:
        Text in the form that heads this module, valid as UTF-8; empty for a page without content.

    Raises:
        PageError: Elements are nested deeper than ``MAX_DEPTH``, or the engine gave up.
    """
    return read_page(html, charset).text


def read_page(html: bytes, charset: str | None = None) -> Page:
    """Extract a page's main text and its title; see ``main_text``."""
    source = decode(html, charset, is_html=True)
    if (depth := _depth(source)) > MAX_DEPTH:
        raise PageError(f"elements must be nested at most {MAX_DEPTH} deep; got {depth}")
    # The engine takes any list within three levels of the body for navigation. Two more levels below main and article
    # save those that are content: +0.001 F1 on WCXB, no loss on articles; around everything it costs articles 0.001.
    source = _CONTENT_TAG.sub(r"\g<0><div><div>", source)
    text, title = _run_engine(source)
    return Page(tidy(text), one_line(title) or None)


def plain_text(data: bytes, charset: str | None = None) -> str:
    """Decode a plain text and bring it into the form that heads this module."""
    return tidy(decode(data, charset))


def tidy(text: str) -> str:
    """Bring text into the form that heads this module; idempotent.

    Control characters, NUL and byte-order marks go, lone surrogates become U+FFFD.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _UNICODE_BLANKS.sub(" ", text)
    if _HAS_INVISIBLE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").translate(_INVISIBLE)
    text = _TRAILING_BLANKS.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def one_line(text: str) -> str:
    """Text of a title: tidied, with every run of blanks and line ends as one space."""
    return re.sub("[ \t\n]+", " ", tidy(text)).strip(" ")


def _run_engine(source: str) -> tuple[str, str]:
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
