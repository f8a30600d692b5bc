"""Character properties of one pinned Unicode version, as arrays indexed by code point.

Python 3.11 and 3.12 carry different versions, so no decision asks the interpreter. ``data/unicode-15.0.npz`` is
written by ``data/generate_unicode_table.py`` and committed.

- White space is the property White_Space: 25 code points.
- Alphabetic is general category L* (letters) or Nl (letter numbers, such as Roman numerals). The property Alphabetic
  adds vowel signs and circled letters (Other_Alphabetic), which hardly ever stand in a word without a letter.
- Punctuation is general category P* or S* (symbols): ``+``, ``$``, ``<`` and ``…`` alike are dropped from the words
  that shingles are made of.
- Lower case is the simple mapping: one code point to one, whatever stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

UNICODE_VERSION: Final = "15.0.0"
NUM_CODE_POINTS: Final = 0x110000

# Bits of UnicodeTables.properties; no code point has two of them.
WHITE_SPACE: Final = 1
ALPHABETIC: Final = 2
PUNCTUATION: Final = 4


@dataclass(frozen=True)
class UnicodeTables:
    """Properties of every code point.

    Attributes:
        properties: uint8 [0x110000], bits ``WHITE_SPACE``, ``ALPHABETIC``, ``PUNCTUATION``.
        lower: int32 [0x110000], the simple lower-case mapping; a code point without one maps to itself.
    """

    properties: npt.NDArray[np.uint8]
    lower: npt.NDArray[np.int32]


@cache
def unicode_tables() -> UnicodeTables:
    """Load the committed tables, once a process; the arrays are read-only."""
    path = files("filters").joinpath("data", "unicode-15.0.npz")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        lengths = np.diff(stored["run_starts"], append=NUM_CODE_POINTS)
        properties = np.repeat(stored["run_properties"], lengths)
        lower = np.arange(NUM_CODE_POINTS, dtype=np.int32)
        lower[stored["upper"]] = stored["lower"]
    properties.flags.writeable = False
    lower.flags.writeable = False
    return UnicodeTables(properties, lower)
