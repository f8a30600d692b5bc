"""What a MediaWiki dump says of its wiki, before its first page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from pipeline.letter_case import lower

ARTICLE: Final = 0  # number of the articles' namespace
_MEDIA, _FILE, _CATEGORY = -2, 6, 14

_LANGUAGE = re.compile(rb"<mediawiki[^>]*\bxml:lang=[\"']([A-Za-z-]+)")
_SITEINFO = re.compile(rb"<siteinfo>.*?</siteinfo>", re.DOTALL)
_KEY = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class Site:
    """A wiki; everything may be missing."""

    language: str = ""  # as the dump has it: "en", "zh-min-nan"
    url_prefix: str = ""  # of articles; empty when not known
    namespaces: dict[str, int] = field(default_factory=dict)  # lower-case name -> number, articles' excluded

    @property
    def link_prefixes(self) -> frozenset[str]:
        """Lower-case names of the namespaces whose links are no text: files and categories."""
        return frozenset(name for name, key in self.namespaces.items() if key in (_MEDIA, _FILE, _CATEGORY))

    def url(self, title: str) -> str | None:
        """Address of a page; None when the dump doesn't say where its wiki is."""
        return self.url_prefix + quote(title.replace(" ", "_"), safe="/:(),!*'~@;$-._") if self.url_prefix else None

    def namespace_of(self, title: str) -> int:
        """Namespace by a title's prefix, for dumps that do not give it beside the title."""
        prefix, colon, _ = title.partition(":")
        return self.namespaces.get(lower(prefix.strip(" _")), ARTICLE) if colon else ARTICLE


def read_site(head: bytes) -> Site:
    """Read language, base address and namespaces from what stands before the first page."""
    language = _LANGUAGE.search(head)
    info = _SITEINFO.search(head)
    try:
        root = ElementTree.fromstring(info[0]) if info else ElementTree.Element("siteinfo")
    except ElementTree.ParseError:
        root = ElementTree.Element("siteinfo")
    names = {
        lower((entry.text or "").strip(" \n")): int(entry.get("key") or 0)
        for entry in root.iter("namespace")
        if _KEY.fullmatch(entry.get("key") or "0")
    }
    prefix = (root.findtext("base") or "").rpartition("/")[0]
    return Site(
        language[1].decode() if language else "",
        f"{prefix}/" if prefix else "",
        {name: key for name, key in names.items() if name and key != ARTICLE},
    )
