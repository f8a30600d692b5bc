"""Wiki markup to text, by the rules of RETRO.

Source: Borgeaud et al. 2022 (arXiv:2112.04426), the Wikipedia of September 2021: parsed with mwparserfromhell; the
sections references, external links, sources, further reading, see also, citations and note dropped, as well as
reflist and notelist templates, ref and table elements; title and sections joined by blank lines. All other templates
go too, as in the parser's ``strip_code``, which cannot expand them, but for those of ``pipeline.wiki_templates``.

Beyond the paper: image, category and interlanguage links, galleries and magic words go, since their captions and
names are not text; sections are also known by their names in other languages; list items start with a bullet.
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
from pipeline.wiki_quotes import without_quotes
from pipeline.wiki_sections import DROPPED_SECTIONS
from pipeline.wiki_templates import is_shown, shown_text

_DROPPED_TAGS = frozenset({"ref", "table", "references", "gallery", "imagemap", "timeline", "score", "templatestyles"})
# Names of files' and categories' namespaces in large editions, for dumps that do not name their own.
_NO_TEXT_PREFIXES = frozenset(
    name
    for names in (
        "file|image|media|category|datei|bild|kategorie|fichier|catégorie|archivo|imagen|categoría|immagine|categoria",
        "bestand|afbeelding|categorie|ficheiro|imagem|plik|grafika|kategoria|fil|kategori|файл|изображение|категория",
        "зображення|категорія|ファイル|画像|カテゴリ|文件|檔案|图像|圖像|分类|分類|파일|그림|분류|ملف|صورة|تصنيف|پرونده|رده",
        "קובץ|תמונה|קטגוריה|tập tin|hình|thể loại|berkas|dosya|resim|tiedosto|kuva|luokka|soubor|fájl|kép|kategória",
        "αρχείο|εικόνα|κατηγορία|fișier|slika|kategorija|चित्र|श्रेणी|زمرہ",
    )
    for name in names.split("|")
)
_INTERLANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{1,10})*|simple")
_MAGIC_WORD = re.compile(r"__[A-Z]{3,30}__")
_BULLET_BLANKS = re.compile(r"(?:(?<=\n)|^)( *•) *")
_EMPTY_ITEM = re.compile(r"(?:(?<=\n)|^) *•[ ,;:/()]*(?:\n|$)")  # a template was all it held
_EMPTY_BRACKETS = re.compile(
    r" ?(?:\((?:[ ,;:\u00a0]|&nbsp;)*\)|\uff08[ \uff0c\uff1b\uff1a\u3001]*\uff09)"
)  # as templates leave them ...
_BRACKET_START = re.compile(r"(?<=[(\uff08])(?:[ ,;:\uff0c\uff1b\uff1a\u3001\u00a0]|&nbsp;)+(?=[^ ,;:)])")
_EMPTY_PLACES = re.compile(r"(?: ?,)+(?= ?[,)])")
_TABLE_LINE = re.compile(r"(?:(?<=\n)|^)[ :]*(?:\{\||\|[-}+])[^\n]*(?:\n|$)")  # of a table that was never closed
_SAYS_SOMETHING = re.compile("[0-9A-Za-z\x80-\U0010ffff]")


def wiki_text(markup: str, title: str, link_prefixes: Collection[str] = ()) -> str:
    """Turn a page's markup into text.

    Args:
        markup: Wikitext.
        title: Stands first, as in the paper.
        link_prefixes: Lower-case names of the file and category namespaces in the wiki's own language.

    Returns:
        Title and sections (heading, then text) joined by blank lines; empty when nothing but the title is left.

    Raises:
        MarkupError: The parser could not take it, or not in reasonable time.
    """
    check_markup(markup)
    stripper = _Stripper(_NO_TEXT_PREFIXES.union(link_prefixes))
    try:
        sections = list(_kept_sections(mwparserfromhell.parse(markup, skip_style_tags=True), stripper))
    except (RecursionError, ParserError) as error:  # the parser itself stops nesting at 40 levels
        raise MarkupError(f"the parser gave up: {error}") from error
    return "\n\n".join([tidy(title), *sections]) if sections else ""


def _kept_sections(code: Wikicode, stripper: _Stripper) -> Iterator[str]:
    """Texts of the sections that are kept; one that is dropped takes its subsections along.

    A section without text of its own gives its heading when one below it has text.
    """
    dropped_level = 0  # of the section that is being dropped; 0 for none
    waiting: list[tuple[int, str]] = []  # headings above, of sections without text so far
    for heading, nodes in _sections(code):
        level, name = (heading.level, stripper.line(heading.title)) if heading is not None else (0, "")
        if dropped_level and level > dropped_level:
            continue
        dropped_level = level if lower(name).rstrip(" :") in DROPPED_SECTIONS else 0
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

    def __init__(self, prefixes: Collection[str]) -> None:
        self._prefixes = prefixes

    def text(self, nodes: list[Node]) -> str:
        """Text of a section."""
        text = without_quotes(_MAGIC_WORD.sub("", "".join(self._nodes(nodes))))
        text = _EMPTY_PLACES.sub("", text)
        text = _BRACKET_START.sub("", _EMPTY_BRACKETS.sub("", _TABLE_LINE.sub("", text)))
        text = _BULLET_BLANKS.sub(r"\1 ", _EMPTY_ITEM.sub("", tidy(text)))
        return text.strip("\n") if _SAYS_SOMETHING.search(text) else ""

    def line(self, code: Wikicode) -> str:
        """Text of a heading or an argument."""
        return one_line(without_quotes(_MAGIC_WORD.sub("", "".join(self._nodes(code.nodes)))))

    def _nodes(self, nodes: list[Node]) -> Iterator[str]:
        for index, node in enumerate(nodes):
            if isinstance(node, Text):
                yield str(node.value)
            elif isinstance(node, Tag):
                yield from self._tag(node, nodes[index + 1] if index + 1 < len(nodes) else None)
            elif isinstance(node, Wikilink):
                if not self._is_no_text(node):
                    yield from self._nodes((node.text if node.text is not None else node.title).nodes)
            elif isinstance(node, ExternalLink):
                shown = node.title if node.brackets else node.url
                yield from self._nodes(shown.nodes) if shown is not None else ()
            elif isinstance(node, HTMLEntity):
                yield str(node.normalize())
            elif isinstance(node, Heading):  # inside an element
                yield from self._nodes(node.title.nodes)
            elif isinstance(node, Argument) and node.default is not None:
                yield from self._nodes(node.default.nodes)
            elif isinstance(node, Template):
                yield self._template(node)

    def _tag(self, tag: Tag, following: Node | None) -> Iterator[str]:
        name = str(tag.tag).strip().lower()
        if name == "li" and str(tag.wiki_markup) == "*":
            is_nested = isinstance(following, Tag) and following.wiki_markup is not None and str(following.tag) == "li"
            yield "  " if is_nested else "• "
        elif name == "br":
            yield "\n"
        elif name not in _DROPPED_TAGS and tag.contents is not None:
            yield from self._nodes(tag.contents.nodes)

    def _template(self, template: Template) -> str:
        name = lower(str(template.name).replace("_", " ").strip(" \n"))
        if not is_shown(name):
            return ""
        return shown_text(name, [self.line(argument.value) for argument in template.params if not argument.showkey])

    def _is_no_text(self, link: Wikilink) -> bool:
        prefix, colon, _ = str(link.title).strip(" \n").partition(":")
        prefix = lower(prefix.strip(" _"))
        return bool(colon) and (prefix in self._prefixes or _INTERLANGUAGE.fullmatch(prefix) is not None)
