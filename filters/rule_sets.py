"""The published sets of rules, by name: which tables of bounds each consists of, and what measures their signals.

``refinedweb`` is what RefinedWeb (Penedo et al. 2023, arXiv:2306.01116) and DCLM-Baseline (Li et al. 2024,
arXiv:2406.11794; ``dclm_baseline_refinedweb.yaml``) take over from Gopher: the same signals and the same bounds, on our
readings of them. DCLM's differ: it leaves punctuation out of the words, counts a stop word each time it occurs, adds
``#`` and ellipses up, and counts first occurrences of lines and paragraphs as duplicates. Their language score of 0.65
is our default. Their lists of addresses and their corrections line by line are not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa

from filters.bounds import Bound
from filters.c4 import C4_BOUNDS
from filters.content import CONTENT_BOUNDS, content_signals
from filters.fineweb import FINEWEB_BOUNDS, fineweb_signals
from filters.quality import QUALITY_BOUNDS, quality_signals
from filters.repetition import REPETITION_BOUNDS, repetition_signals
from filters.text import TextScan

# Measured of every document, as one number a document and signal costs little; c4_signals on demand.
SIGNALS: Final[tuple[Callable[[TextScan], pa.RecordBatch], ...]] = (
    content_signals,
    quality_signals,
    repetition_signals,
    fineweb_signals,
)

# In the order in which they are held against a document.
TABLES: Final[dict[str, tuple[Bound, ...]]] = {
    "content": CONTENT_BOUNDS,
    "quality": QUALITY_BOUNDS,
    "repetition": REPETITION_BOUNDS,
    "c4": C4_BOUNDS,
    "fineweb": FINEWEB_BOUNDS,
}

RULE_SETS: Final[dict[str, tuple[str, ...]]] = {
    "gopher": ("quality", "repetition"),
    "refinedweb": ("quality", "repetition"),
    "c4": ("c4",),
    "fineweb": ("fineweb",),
}
