"""Wiki markup to text, by the rules of RETRO.

Source: Borgeaud et al. 2022 (arXiv:2112.04426), the Wikipedia of September 2021: parsed with mwparserfromhell; the
sections references, external links, sources, further reading, see also, citations and note dropped, as well as
reflist and notelist templates, ref and table elements; title and sections joined by blank lines. All other templates
go too, as in the parser's ``strip_code``, which cannot expand them.

Beyond the paper: image, category and interlanguage links, galleries and magic words go, since their captions and
names are not text; section names of other languages stand beside the English ones; list items start with a bullet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import mwparserfromhell
from mwparserfromhell.nodes import Argument, ExternalLink, Heading, HTMLEntity, Node, Tag, Text, Wikilink
from mwparserfromhell.parser import ParserError
from mwparserfromhell.wikicode import Wikicode

from filters.extraction import tidy

MAX_MARKUP_CHARS: Final = 2_500_000  # MediaWiki's own limit is 2 MiB a page
# The parser goes back to the start of whatever stays open, in time squared: minutes for 20,000, 0.2 s for 500.
# Real pages have a few: at most 29 elements and 8 brackets in 3,059 pages of six wikis.
MAX_UNCLOSED: Final = 500
_BRACKETS = (("[[", "]]"), ("{{", "}}"), ("[", "]"), ("{|", "|}"))
_OPENING_TAG = re.compile(r"<[A-Za-z]")
_CLOSING_TAG = re.compile(
    r"</[A-Za-z]|/>|<(?:br|hr|li|p|td|tr|th|dd|dt)(?=[ >])", re.IGNORECASE
)  # or one that needs none

_DROPPED_IN: Final = {  # the paper's list, with the plurals and spellings that pages use, and its likes elsewhere
    "en": "references|external links|external link|sources|further reading|see also|citations|note|notes"
    "|notes and references|references and notes|bibliography",
    "de": "einzelnachweise|weblinks|literatur|quellen|siehe auch|anmerkungen",
    "fr": "références|notes et références|liens externes|voir aussi|bibliographie|annexes|articles connexes",
    "es": "referencias|enlaces externos|véase también|bibliografía|notas|fuentes",
    "it": "collegamenti esterni|altri progetti|voci correlate|bibliografia|riferimenti",
    "nl": "referenties|externe links|externe link|zie ook|bronnen|literatuur|noten|voetnoten",
    "pt": "referências|ligações externas|ver também|fontes",
    "ru": "примечания|ссылки|литература|см. также|источники",
}
DROPPED_SECTIONS: Final = frozenset(name for names in _DROPPED_IN.values() for name in names.split("|"))  # lower case
_DROPPED_TAGS = frozenset({"ref", "table", "references", "gallery", "imagemap", "timeline", "score", "templatestyles"})
_MEDIA_NAMESPACES = ("file", "image", "media", "category")
_INTERLANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{1,10})*|simple")
_MAGIC_WORD = re.compile(r"__[A-Z]{3,30}__")
_BULLET_BLANKS = re.compile(r"(?:(?<=\n)|^)( *•) *")
_EMPTY_ITEM = re.compile(r"(?:(?<=\n)|^) *•[ ,;:/()]*(?:\n|$)")  # a template was all it held
_EMPTY_BRACKETS = re.compile(r" ?\((?:[ ,;:]|&nbsp;)*\)")


class MarkupError(ValueError):
    """Markup that is too long or nested too deeply."""


def wiki_text(markup: str, title: str, link_prefixes: Collection[str] = ()) -> str:
    """Turn a page's markup into text.

    Args:
        markup: Wikitext.
        title: Stands first, as in the paper.
        link_prefixes: Lower-case names of the file and category namespaces in the wiki's own language.

    Returns:
        Title and sections (heading, then text) joined by blank lines; empty when nothing but the title is left.

    Raises:
        MarkupError: See there.
    """
    if len(markup) > MAX_MARKUP_CHARS:
        raise MarkupError(f"wikitext must have at most {MAX_MARKUP_CHARS} characters; got {len(markup)}")
    if (unclosed := _num_unclosed(markup)) > MAX_UNCLOSED:
        raise MarkupError(f"wikitext must leave at most {MAX_UNCLOSED} brackets or elements open; got {unclosed}")
    prefixes = frozenset((*_MEDIA_NAMESPACES, *link_prefixes))
    try:
        sections = list(_kept_sections(mwparserfromhell.parse(markup), prefixes))
    except (RecursionError, ParserError) as error:  # the parser itself stops nesting at 40 levels
        raise MarkupError(f"the parser gave up: {error}") from error
    return "\n\n".join([tidy(title), *sections]) if sections else ""


def _num_unclosed(markup: str) -> int:
    brackets = max(markup.count(opening) - markup.count(closing) for opening, closing in _BRACKETS)
    tags = sum(1 for _ in _OPENING_TAG.finditer(markup)) - sum(1 for _ in _CLOSING_TAG.finditer(markup))
    return max(brackets, tags)


def _kept_sections(code: Wikicode, prefixes: Collection[str]) -> Iterator[str]:
    """Texts of the sections that are kept; one that is dropped takes its subsections along."""
    dropped_level = 0  # of the section that is being dropped; 0 for none
    for heading, nodes in _sections(code):
        if heading is not None:
            if dropped_level and heading.level > dropped_level:
                continue
            dropped_level = heading.level if _clean(heading.title, prefixes).lower() in DROPPED_SECTIONS else 0
        body = "" if dropped_level else _finish("".join(_strip(nodes, prefixes)))
        if body:
            yield f"{_clean(heading.title, prefixes)}\n{body}" if heading is not None else body


def _sections(code: Wikicode) -> Iterator[tuple[Heading | None, list[Node]]]:
    heading: Heading | None = None
    nodes: list[Node] = []
    for node in code.nodes:
        if isinstance(node, Heading):
            yield heading, nodes
            heading, nodes = node, []
        else:
            nodes.append(node)
    yield heading, nodes


def _clean(code: Wikicode, prefixes: Collection[str]) -> str:
    return _finish("".join(_strip(code.nodes, prefixes))).strip(" ")


def _finish(text: str) -> str:
    text = tidy(_EMPTY_BRACKETS.sub("", _MAGIC_WORD.sub("", text)))
    return _BULLET_BLANKS.sub(r"\1 ", _EMPTY_ITEM.sub("", text)).strip("\n")


def _strip(nodes: list[Node], prefixes: Collection[str]) -> Iterator[str]:
    """What ``strip_code`` gives, in one pass: removing nodes by the parser's own methods takes time squared."""
    for index, node in enumerate(nodes):
        if isinstance(node, Text):
            yield str(node.value)
        elif isinstance(node, Tag):
            yield from _strip_tag(node, nodes[index + 1] if index + 1 < len(nodes) else None, prefixes)
        elif isinstance(node, Wikilink):
            if not _is_no_text(node, prefixes):
                yield from _strip((node.text if node.text is not None else node.title).nodes, prefixes)
        elif isinstance(node, ExternalLink):
            shown = node.title if node.brackets else node.url
            yield from _strip(shown.nodes, prefixes) if shown is not None else ()
        elif isinstance(node, HTMLEntity):
            yield str(node.normalize())
        elif isinstance(node, Heading):  # inside an element
            yield from _strip(node.title.nodes, prefixes)
        elif isinstance(node, Argument) and node.default is not None:
            yield from _strip(node.default.nodes, prefixes)


def _strip_tag(tag: Tag, following: Node | None, prefixes: Collection[str]) -> Iterator[str]:
    name = str(tag.tag).strip().lower()
    if name == "li" and str(tag.wiki_markup) == "*":
        is_nested = isinstance(following, Tag) and following.wiki_markup is not None and str(following.tag) == "li"
        yield "  " if is_nested else "• "
    elif name == "br":
        yield "\n"
    elif name not in _DROPPED_TAGS and tag.contents is not None:
        yield from _strip(tag.contents.nodes, prefixes)


def _is_no_text(link: Wikilink, prefixes: Collection[str]) -> bool:
    prefix, colon, _ = str(link.title).strip().partition(":")
    prefix = prefix.strip().lower()
    return bool(colon) and (prefix in prefixes or _INTERLANGUAGE.fullmatch(prefix) is not None)
