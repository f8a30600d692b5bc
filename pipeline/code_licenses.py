"""Which licence a source file stands under: by its own SPDX header, else by the nearest licence file above it.

Texts are recognised by licenseclassifier, a port of Google's licensecheck: patterns of whole licences, offline. A text
of which it knows less than three quarters stays unknown, so a licence with added terms is not taken for the plain one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final, NamedTuple

from licenseclassifier import identify_license

from pipeline.spdx_expressions import ExpressionError, permits

MAX_LICENSE_BYTES: Final = 200_000
_MIN_WORDS: Final = 100  # a shorter text that isn't known points elsewhere; the shortest licences have about as many

_NAME = re.compile(
    r"(?:[a-z0-9]+[-_.])?(?:un)?(?:licen[cs]e|copying|copyright)(?:[-_.][a-z0-9_.+-]+)?", re.IGNORECASE | re.ASCII
)
_OF_REUSE = re.compile(r"(?:(.*)/)?LICENSES/[A-Za-z0-9.+-]+\.txt", re.ASCII)  # one of a tree's licences, by SPDX's name
_OF_OTHERS = re.compile(r"third|3rd|vendor|depend|bundled|font|template|header", re.IGNORECASE | re.ASCII)
_PROGRAM = re.compile(
    r"\.(?:py|pyi|js|jsx|mjs|cjs|ts|tsx|go|rs|rb|java|kt|scala|c|h|cc|cpp|hpp|cs|php|swift|lua|pl|sh|json|ya?ml|toml"
    r"|xml|css|scss|svg|png|tmpl|erb|ejs|vue|snap)\Z",
    re.IGNORECASE | re.ASCII,
)
_COPYLEFT: Final = (  # beginnings of SPDX names of licences that bind what stands beside them, or forbid uses
    "GPL", "LGPL", "AGPL", "MPL", "EPL", "EUPL", "CDDL", "CPL", "OSL", "SSPL", "CC-BY-SA", "CC-BY-NC", "GFDL", "CECILL",
    "RPL", "BUSL", "Elastic", "CommonsClause", "Commons-Clause", "JSON", "Parity", "PolyForm", "Hippocratic",
)  # fmt: skip

_ADDED_TERMS = re.compile(  # a sentence among the hundreds of words that are known
    r"good,?\s+not\s+evil|commons\s+clause|non-?commercial\s+(?:use|purposes?)\s+only"
    r"|(?:not\s+for|no)\s+commercial\s+use|(?:may|must|shall)\s+not\s+(?:be\s+)?(?:sell|sold|used\s+commercially)",
    re.IGNORECASE | re.ASCII,
)

_HEADER = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]+)")
_HEADER_CHARS: Final = 4_000  # at the head of a file
_AFTER_HEADER = re.compile(r"""[ \t]*(?:\*/|-->|\*\)|#\}|%>|\?>|["']{1,3}|[;,#|*\\])*[ \t\r]*$""")


class License(NamedTuple):
    """The licence of a file."""

    expression: str  # SPDX; empty when none is known
    is_allowed: bool


def is_license_file(path: str) -> bool:
    """Whether a path names a licence's text: LICENSE, COPYING, MIT-LICENSE.txt, LICENSES/MIT.txt and their like."""
    name = path.rpartition("/")[2]
    is_named_so = _NAME.fullmatch(name) is not None and not _OF_OTHERS.search(name) and not _PROGRAM.search(name)
    return is_named_so or _OF_REUSE.fullmatch(path) is not None


@lru_cache(maxsize=1024)
def identify(text: str) -> tuple[str, ...]:
    """SPDX names of the licences whose texts make up a text, sorted.

    None when a quarter or more of it is unknown, or a known sentence restricts the use.
    """
    if _ADDED_TERMS.search(text):
        return ()
    return tuple(sorted({match.id for match in identify_license(text)}))


def header_license(text: str, allowed: Collection[str]) -> License | None:
    """The licence that a source file's own SPDX headers name; None when they name none, or nothing sensible.

    Args:
        text: The file; headers count within its first 4,000 characters. Several must all be kept to.
        allowed: SPDX names.
    """
    found = [_AFTER_HEADER.sub("", match[1]).strip(" \t") for match in _HEADER.finditer(text[:_HEADER_CHARS])]
    try:
        verdicts = [permits(expression, allowed) for expression in found]
    except ExpressionError:
        return None
    names = list(dict.fromkeys(found))
    expression = names[0] if len(names) == 1 else " AND ".join(f"({name})" for name in names)
    return License(expression, all(verdicts)) if found else None


class TreeLicenses:
    """The licence files of a source tree."""

    def __init__(self, allowed: Collection[str]) -> None:
        """Remember which SPDX names are allowed."""
        self._allowed = frozenset(allowed)
        self._texts: dict[str, list[tuple[str, ...]]] = {}  # folder -> names in each of its licence files
        self._in_use: dict[str, set[str]] = {}  # folder -> names in all files of its folder LICENSES

    def add(self, path: str, text: str) -> None:
        """Take in a licence file; one that is short and not known counts for nothing, it points to another."""
        names = identify(text)
        if reuse := _OF_REUSE.fullmatch(path):
            self._in_use.setdefault(reuse[1] or "", set()).update(names or ("LicenseRef-unknown",))
        elif names or len(text.encode().split(None, _MIN_WORDS)) > _MIN_WORDS:  # bytes: words by ASCII's blanks
            self._texts.setdefault(path.rpartition("/")[0], []).append(names)

    def of(self, path: str) -> License:
        """The licence of a file, by the texts in the nearest folder above it that has any.

        Several texts beside each other are a choice, as LICENSE-MIT and LICENSE-APACHE are, unless one is copyleft or
        forbids uses: then parts of the tree may stand under it alone. Several licences in one text all hold, and so do
        those in a folder LICENSES (of REUSE, reuse.software), each for some files; a licence file beside it goes first.
        """
        folder = path.rpartition("/")[0]
        while folder and folder not in self._texts and folder not in self._in_use:
            folder = folder.rpartition("/")[0]
        in_use = tuple(sorted(self._in_use.get(folder, ())))
        texts = sorted({names for names in self._texts.get(folder, (in_use,)) if names})
        known = [names for names in texts if self._allowed.issuperset(names)]
        binds = any(name.startswith(_COPYLEFT) for names in texts if names not in known for name in names)
        chosen = known if known and not binds else texts
        parts = [" AND ".join(names) for names in chosen]
        if len(parts) > 1:
            parts = [f"({part})" if " " in part else part for part in parts]
        return License(" OR ".join(parts), bool(known) and not binds)
