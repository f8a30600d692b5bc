"""Write ``unicode-15.0.npz``, the one Unicode version that every decision of ``filters`` rests on.

Run it with an interpreter whose ``unicodedata`` is of that version (CPython 3.12), from the repository's root::

    python3.12 filters/data/generate_unicode_table.py

A newer version is a new file and a change of output: raise the ``format_version`` of the stages that read text.

Arrays in the file (all little endian):
    version: the Unicode version, as text.
    run_starts, run_properties: int32, uint8; run i covers code points run_starts[i] up to run_starts[i + 1] (or
        0x110000) and has these property bits (see ``filters.unicode_tables``).
    upper, lower: int32; the code points with a simple lower-case mapping, and that mapping.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np

VERSION = "15.0.0"
NUM_CODE_POINTS = 0x110000
WHITE_SPACE, ALPHABETIC, PUNCTUATION = 1, 2, 4

# The property White_Space of PropList.txt; unicodedata does not have it, and str.isspace adds U+001C to U+001F.
WHITE_SPACE_CODE_POINTS = frozenset(
    [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
)


def properties(code_point: int) -> int:
    """Return the property bits of a code point."""
    if code_point in WHITE_SPACE_CODE_POINTS:
        return WHITE_SPACE
    category = unicodedata.category(chr(code_point))
    if category[0] == "L" or category == "Nl":
        return ALPHABETIC
    return PUNCTUATION if category[0] in "PS" else 0


def simple_lower(code_point: int) -> int:
    """Return the simple lower-case mapping (UnicodeData.txt, field 13) of a code point.

    ``str.lower`` gives the full mapping, which has more than one code point for U+0130 alone.
    """
    if code_point == 0x130:
        return ord("i")
    return ord(chr(code_point).lower())


def main() -> None:
    """Write the table beside this script."""
    if unicodedata.unidata_version != VERSION:
        sys.exit(f"this interpreter has Unicode {unicodedata.unidata_version}; the table is of {VERSION}")
    table = np.array([properties(code_point) for code_point in range(NUM_CODE_POINTS)], np.uint8)
    starts = np.flatnonzero(np.diff(table, prepend=table[0] ^ 0xFF)).astype(np.int32)
    lower = np.array([simple_lower(code_point) for code_point in range(NUM_CODE_POINTS)], np.int32)
    upper = np.flatnonzero(lower != np.arange(NUM_CODE_POINTS)).astype(np.int32)
    np.savez_compressed(
        Path(__file__).with_name("unicode-15.0.npz"),
        version=np.array(VERSION),
        run_starts=starts,
        run_properties=table[starts],
        upper=upper,
        lower=lower[upper],
    )


if __name__ == "__main__":
    main()
