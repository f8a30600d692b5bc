"""Wiki markup's conversion between a language's scripts and spellings: one of the variants is taken.

Source: MediaWiki, "Writing systems/Syntax": ``-{text}-`` is not converted, ``-{zh-hans:one;zh-hant:other}-`` names
what stands in each variant, and letters before a ``|`` (``-{H|zh-cn:one;zh-tw:other}-``) say what the rule is for.
"""

from __future__ import annotations

import re
from typing import Final

_CONVERTED: Final = frozenset(
    {"ban", "crh", "gan", "iu", "kk", "ku", "shi", "sh", "sr", "tg", "uz", "wuu", "zgh", "zh"}
)
_RULE = re.compile(r"-\{(?:([A-Za-z;\- ]{0,80})\|)?([^{}]*)\}-", re.ASCII)
_VARIANT = re.compile(r"[ \t\n]*[a-z]{2,3}(?:-[a-z]{1,10})*[ \t]*:(.*)", re.DOTALL)
_HIDDEN: Final = frozenset("HTD")  # a rule for the rest of the page, for its title, a description of the rule


def with_one_variant(text: str, language: str) -> str:
    """Take of each rule the variant that it names first; text of languages that are not converted stays as it is.

    Args:
        text: Of a page, links and templates resolved.
        language: Of the wiki, as its dump has it.
    """
    if language.partition("-")[0] not in _CONVERTED or "-{" not in text:
        return text
    return _RULE.sub(_shown, text)


def _shown(rule: re.Match[str]) -> str:
    flags, body = rule[1] or "", rule[2]
    if flags.isupper() and not _HIDDEN.isdisjoint(flags):
        return ""
    first = _VARIANT.fullmatch(body.partition(";")[0])
    return first[1] if first else body
