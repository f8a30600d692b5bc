"""Text of others on a terminal: shown, never obeyed."""

from __future__ import annotations

from typing import Final

from rich.text import Text

# an escape sequence in a page or an address could move the cursor, set the title, or write to the clipboard
_SHOWN_AS: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},  # control pictures
    **dict.fromkeys(range(0x7F, 0xA0), 0xFFFD),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),  # they turn the order of what follows
}


def inert(text: str, style: str = "") -> Text:
    """What can be printed: control characters but tab and line feed give way to signs."""
    return Text(text.translate(_SHOWN_AS), style=style)
