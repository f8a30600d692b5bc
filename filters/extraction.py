r"""HTML bytes to the text of a page's main content, and the plain form that every extracted text has.

The form: lines end in ``\n``; Unicode spaces are one space each run; at most one blank line in a row; no trailing
blanks; indentation is kept (nested lists, code); list items start with ``•`` or their number; table cells are parted
by tabs. No Unicode normalisation: it would need tables that differ between Python versions, and pages keep their
bytes' meaning without it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Literal, NamedTuple

from filters import html_text, resiliparse_text, trafilatura_text
from filters.block_classifier import choose_blocks
from filters.charsets import decode, may_be_utf8
from filters.html_blocks import blocks
from filters.html_tree import PageError as PageError
from filters.html_tree import parse

Engine = Literal["blocks", "resiliparse", "trafilatura"]

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


def main_text(html: bytes, charset: str | None = None) -> str:
    """Extract the text of a page's main content.

    Args:
        html: The page as it came, transfer and content encodings undone.
        charset: Label from the HTTP header; see ``filters.charsets.decode`` for how much it counts.

    Returns:
        Text in the form that heads this module, valid as UTF-8; empty for a page without content.

    Raises:
        PageError: The page is beyond the limits of ``filters.html_tree``.
    """
    return read_page(html, charset).text


def read_page(html: bytes, charset: str | None = None, engine: Engine = "blocks") -> Page:
    """Extract a page's main text and its title; see ``main_text``.

    Args:
        html: The page.
        charset: Label from the HTTP header.
        engine: ``blocks``, ours: the blocks that ``filters.block_classifier`` chooses; ``resiliparse`` or
            ``trafilatura``, others' rules.

    Raises:
        PageError: The engine cannot take the page.
    """
    if engine == "resiliparse":
        text, title = resiliparse_text.extract(decode(html, charset, is_html=True))
        return Page(tidy(text), one_line(title) or None)
    tree = parse(_to_utf8(html, charset))
    page_title = html_text.title(tree) or None
    if engine == "trafilatura":
        return Page(tidy(trafilatura_text.extract(tree)), page_title)
    found = blocks(tree)
    return Page(html_text.render(tree, found, choose_blocks(tree, found)), page_title)


def _to_utf8(html: bytes, charset: str | None) -> bytes:
    """The page in UTF-8: itself where it is that already, which saves a tenth of the time."""
    if may_be_utf8(html):
        with suppress(UnicodeDecodeError):
            html.decode("utf-8")
            return html
    return decode(html, charset, is_html=True).encode("utf-8")


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
