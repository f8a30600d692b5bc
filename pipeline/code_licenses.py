"""Name the licence of a source tree by the text of its licence files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

MAX_LICENSE_BYTES: Final = 200_000

_NAME = re.compile(r"(?:[a-z0-9]+[-_.])?(?:un)?(?:licen[cs]e|copying)(?:[-_.][a-z0-9_.+-]+)?", re.IGNORECASE)
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")

# SPDX name -> phrases that must all stand in the text, and phrases that must not. Letters and digits only, single
# spaces.
_FINGERPRINTS: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("GPL", ("gnu general public license", "terms and conditions"), ()),
    ("LGPL", ("gnu lesser general public license",), ()),
    ("AGPL", ("gnu affero general public license",), ()),
    ("MPL", ("mozilla public license",), ()),
    ("Apache-2.0", ("apache license", "version 2 0"), ()),
    (
        "MIT",
        (
            "permission is hereby granted free of charge to any person obtaining a copy",
            "the software is provided as is",
        ),
        ("shall be used for good not evil", "commons clause"),
    ),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials mentioning"), ()),
    (
        "BSD-3-Clause",
        ("redistribution and use in source and binary forms", "endorse or promote products derived from"),
        ("all advertising materials mentioning",),
    ),
    (
        "BSD-2-Clause",
        ("redistribution and use in source and binary forms", "redistributions in binary form must reproduce"),
        ("endorse or promote products derived from", "all advertising materials mentioning"),
    ),
    (
        "ISC",
        (
            "permission to use copy modify",
            "for any purpose with or without fee is hereby granted",
            "provided that the above copyright notice",
        ),
        (),
    ),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("CC0-1.0", ("cc0 1 0 universal",), ()),
    ("Artistic-2.0", ("the artistic license 2 0",), ()),
)
_COPYLEFT: Final = frozenset({"GPL", "LGPL", "AGPL", "MPL"})


def is_license_file(path: str) -> bool:
    """Whether a path names a licence file at a tree's top: in the root, or in the one folder archives wrap it in."""
    folder, _, name = path.strip("/").rpartition("/")
    return "/" not in folder and _NAME.fullmatch(name) is not None


def identify(text: str) -> str | None:
    """SPDX name of a licence text (or GPL, LGPL, AGPL, MPL of any version); None when it is none of those known here.

    A text that holds several is named by the first in the table, copyleft before permissive.
    """
    letters = " ".join(_NOT_LETTERS.sub(" ", text.lower()).split())
    for name, present, absent in _FINGERPRINTS:
        if all(phrase in letters for phrase in present) and not any(phrase in letters for phrase in absent):
            return name
    return None


def license_of_tree(texts: Iterable[str], allowed: Collection[str]) -> str | None:
    """The licence under which a tree may be kept.

    Args:
        texts: Its licence files.
        allowed: SPDX names.

    Returns:
        The allowed licences found, sorted and joined by `` OR `` (a choice, as Rust crates offer); None when there is
        none, or when one of the texts is copyleft: a tree with both may hold parts under either.
    """
    found = {name for text in texts if (name := identify(text)) is not None}
    kept = sorted(found & set(allowed))
    return None if found & _COPYLEFT or not kept else " OR ".join(kept)
