"""Wiki markup to text, by the rules of RETRO.

Source: Borgeaud et al. 2022 (arXiv:2112.04426), the Wikipedia of September 2021: parsed with mwparserfromhell; the
sections references, external links, sources, further reading, see also, citations and note dropped, as well as
reflist and notelist templates, ref and table elements; title and sections joined by blank lines. All other templates
go too, as in the parser's ``strip_code``, which cannot expand them, but for those of ``pipeline.wiki_templates``.

Beyond the paper: image, category and interlanguage links, galleries and magic words go, since their captions and
names are not text; sections are also known by their names in other languages; list items start with a bullet; of
languages with several scripts one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import mwparserfromhell
from mwparserfromhell.nodes import Argument, ExternalLink, Heading, HTMLEntity, Node, Tag, Template, Text, Wikilink
from mwparserfromhell.parser import ParserError
from mwparserfromhell.wikicode import Wikicode

from filters.extraction import one_line, tidy
from pipeline.letter_case import lower
from pipeline.wiki_limits import MarkupError, check_markup
from pipeline.wiki_links import NO_TEXT_PREFIXES, shows_no_text
from pipeline.wiki_quotes import without_quotes
from pipeline.wiki_sections import dropped_sections
from pipeline.wiki_templates import is_shown, shown_text
from pipeline.wiki_variants import with_one_variant

_GONE = "\0"  # stands where markup was that shows no text; no page can hold it
_DROPPED_TAGS = frozenset({"ref", "table", "references", "gallery", "imagemap", "timeline", "score", "templatestyles"})
_MAGIC_WORD = re.compile(r"__[A-Z]{3,30}__")
_BULLET_BLANKS = re.compile(r"(?:(?<=\n)|^)( *•) *")
_EMPTY_ITEM = re.compile(r"(?:(?<=\n)|^) *•[ ,;:/()]*\.?(?:\n|$)")  # a template was all it held
_CODE_TAGS = frozenset({"code", "pre", "source", "syntaxhighlight", "tt", "kbd", "samp", "nowiki"})
# As markup that is gone leaves brackets and commas: "(, )", "(, born", "in , and". Others are the page's own.
_EMPTY_BRACKETS = re.compile(r" ?(?:\((?:[ ,;:\u00a0\0]|&nbsp;)*\)|\uff08[ \uff0c\uff1b\uff1a\u3001\0]*\uff09)")
_BRACKET_START = re.compile(r"(?<=[(\uff08])(?:[ ,;:\uff0c\uff1b\uff1a\u3001\u00a0\0]|&nbsp;)+(?=[^ ,;:)])")
_EMPTY_PLACES = re.compile(r"(?:[ \0]{0,3},)+(?: ?\0)?(?= ?[,)])")
_TABLE_LINE = re.compile(r"(?:(?<=\n)|^)[ :]*(?:\{\||\|[-}+])[^\n]*(?:\n|$)")  # of a table that was never closed
_SAYS_SOMETHING = re.compile("[0-9A-Za-z\x80-\U0010ffff]")


def wiki_text(markup: str, title: str, link_prefixes: Collection[str] = (), language: str = "") -> str:
    """Turn a page's markup into text.

    Args:
        markup: Wikitext.
        title: Stands first, as in the paper.
        link_prefixes: Lower-case names of the file and category namespaces in the wiki's own language.
        language: Of the wiki, as its dump has it; empty when not known.

    Returns:
        Title and sections (heading, then text) joined by blank lines; empty when nothing but the title is left.

    Raises:
        MarkupError: The parser could not take it, or not in reasonable time.
    """
    check_markup(markup)
    stripper = _Stripper(NO_TEXT_PREFIXES.union(link_prefixes), language)
    try:
        code = mwparserfromhell.parse(markup, skip_style_tags=True)
        sections = list(_kept_sections(code, stripper, dropped_sections(language)))
    except (RecursionError, ParserError) as error:  # the parser itself stops nesting at 40 levels
        raise MarkupError(f"the parser gave up: {error}") from error
    return "\n\n".join([tidy(title), *sections]) if sections else ""


def _kept_sections(code: Wikicode, stripper: _Stripper, unwanted: Collection[str]) -> Iterator[str]:
    """Texts of the sections that are kept; one that is dropped takes its subsections along.

    A section without text of its own gives its heading when one below it has text.
    """
    dropped_level = 0  # of the section that is being dropped; 0 for none
    waiting: list[tuple[int, str]] = []  # headings above, of sections without text so far
    for heading, nodes in _sections(code):
        level, name = (heading.level, stripper.line(heading.title)) if heading is not None else (0, "")
        if dropped_level and level > dropped_level:
            continue
        dropped_level = level if lower(name).rstrip(" :") in unwanted else 0
        if dropped_level:
            continue
        waiting = [(above, text) for above, text in waiting if above < level]
        body = stripper.text(nodes)
        if not body:
            waiting += [(level, name)] if name else []
            continue
        yield from (text for _, text in waiting)
        waiting = []
        yield f"{name}\n{body}" if name else body


def _sections(code: Wikicode) -> Iterator[tuple[Heading | None, list[Node]]]:
    heading: Heading | None = None
    nodes: list[Node] = []
    for node in _flat(code.nodes):
        if isinstance(node, Heading):
            yield heading, nodes
            heading, nodes = node, []
        else:
            nodes.append(node)
    yield heading, nodes


def _flat(nodes: list[Node]) -> Iterator[Node]:
    """Nodes; an element that holds headings (an italic that was never ended, a column) gives its content."""
    for node in nodes:
        is_open = isinstance(node, Tag) and node.contents is not None and str(node.tag) not in _DROPPED_TAGS
        if is_open and any(isinstance(inner, Heading) for inner in node.contents.nodes):
            yield from _flat(node.contents.nodes)
        else:
            yield node


class _Stripper:
    """What the parser's ``strip_code`` does, in one pass: removing nodes by its own methods takes time squared."""

    def __init__(self, prefixes: Collection[str], language: str) -> None:
        self._prefixes, self._language = prefixes, language

    def text(self, nodes: list[Node]) -> str:
        """Text of a section."""
        text = self._inline(nodes)
        for pattern in (_EMPTY_PLACES, _EMPTY_BRACKETS, _BRACKET_START):
            text = pattern.sub(lambda match: _GONE if _GONE in match[0] else match[0], text)
        text = tidy(_TABLE_LINE.sub("", text.replace(_GONE, "")))
        text = _BULLET_BLANKS.sub(r"\1 ", _EMPTY_ITEM.sub("", text))
        return text.strip("\n") if _SAYS_SOMETHING.search(text) else ""

    def line(self, code: Wikicode) -> str:
        """Text of a heading or an argument."""
        return one_line(self._inline(code.nodes))

    def _inline(self, nodes: list[Node]) -> str:
        text = with_one_variant("".join(self._nodes(nodes)), self._language)
        return without_quotes(_MAGIC_WORD.sub("", text))

    def _nodes(self, nodes: list[Node]) -> Iterator[str]:
        for index, node in enumerate(nodes):
            if isinstance(node, Text):
                yield str(node.value)
            elif isinstance(node, Tag):
                yield from self._tag(node, nodes[index + 1] if index + 1 < len(nodes) else None)
            elif isinstance(node, Wikilink):
                shown = node.text if node.text is not None else node.title
                yield from (_GONE,) if shows_no_text(str(node.title), self._prefixes) else self._nodes(shown.nodes)
            elif isinstance(node, ExternalLink):
                label = node.title if node.brackets else node.url
                yield from self._nodes(label.nodes) if label is not None else (_GONE,)
            elif isinstance(node, HTMLEntity):
                yield str(node.normalize())
            elif isinstance(node, Heading):  # inside an element
                yield from self._nodes(node.title.nodes)
            elif isinstance(node, Argument) and node.default is not None:
                yield from self._nodes(node.default.nodes)
            elif isinstance(node, Template):
                yield self._template(node) or _GONE

    def _tag(self, tag: Tag, following: Node | None) -> Iterator[str]:
        name = lower(str(tag.tag).strip(" \n\t"))
        if name == "li" and str(tag.wiki_markup) == "*":
            is_nested = isinstance(following, Tag) and following.wiki_markup is not None and str(following.tag) == "li"
            yield "  " if is_nested else "• "
        elif name == "br":
            yield "\n"
        elif name in _DROPPED_TAGS:
            yield _GONE
        elif tag.contents is not None:
            inside = self._nodes(tag.contents.nodes)
            yield from (part for part in inside if part != _GONE) if name in _CODE_TAGS else inside

    def _template(self, template: Template) -> str:
        name = lower(str(template.name).replace("_", " ").strip(" \n"))
        if not is_shown(name):
            return ""
        return shown_text(name, [self.line(argument.value) for argument in template.params if not argument.showkey])
