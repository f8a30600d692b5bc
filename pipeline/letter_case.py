"""Lower case by the pinned Unicode tables: ``str.lower`` differs between Python versions."""

from __future__ import annotations

from filters.unicode_tables import unicode_tables


def lower(text: str) -> str:
    """Text in lower case, character by character."""
    if text.isascii():
        return text.lower()
    table = unicode_tables().lower
    return "".join(chr(table[ord(char)]) for char in text)
