r"""How main-text extraction is scored: tokens, shingle F1, word F1 and their bootstrap intervals.

Tokens are runs of ``\w`` as Python's ``re`` finds them: scoring follows the published benchmarks, and decides nothing
in the product. Where a text is Chinese, Japanese or Korean, each CJK character is a token of its own.

Sources: shingle F1, github.com/scrapinghub/article-extraction-benchmark, ``evaluate.py``; word F1,
github.com/Murrough-Foley/web-content-extraction-benchmark.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np

Page = TypeVar("Page")
SHINGLE_TOKENS: Final = 4

_TOKEN = re.compile(r"\w+")
# Kana, CJK ideographs (extension A and the supplementary planes too), compatibility ideographs, Hangul.
_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN_CJK = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")


class PageScore(NamedTuple):
    """Precision and recall of one page; None where the page does not count for that average."""

    precision: float | None  # None when nothing was predicted
    recall: float | None  # None when the reference is empty


def tokens(text: str) -> list[str]:
    """Split a text into tokens; every CJK character is one of its own."""
    return _TOKEN_CJK.findall(text)


def shingle_score(predicted: str, reference: str) -> PageScore:
    """Compare the multisets of 4-token shingles; a text of one to three tokens is one shingle."""
    got, wanted = _shingles(tokens(predicted)), _shingles(tokens(reference))
    hits = (got & wanted).total()
    missed, wrong = wanted.total() - hits, got.total() - hits
    if not missed and not wrong:
        precision = recall = 1.0
    else:
        precision = hits / (hits + wrong) if hits or wrong else 0.0
        recall = hits / (hits + missed) if hits or missed else 0.0
    return PageScore(precision if got else None, recall if wanted else None)


def shingle_f1(pages: Sequence[PageScore]) -> float:
    """F1 of average precision and average recall; 0 when nothing was predicted at all."""
    precision = _mean([page.precision for page in pages])
    recall = _mean([page.recall for page in pages])
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def word_f1(predicted: str, reference: str) -> float:
    """F1 of the bags of lower-cased tokens of one page; two empty texts agree."""
    got, wanted = Counter(tokens(predicted.lower())), Counter(tokens(reference.lower()))
    if not got and not wanted:
        return 1.0
    return 2 * (got & wanted).total() / (got.total() + wanted.total())


def bootstrap_interval(
    pages: Sequence[Page], statistic: Callable[[Sequence[Page]], float], rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Draw the pages anew, with replacement, and give the 2.5% and 97.5% points of the statistic."""
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(pages), (rounds, len(pages)))
    low, high = np.percentile([statistic([pages[i] for i in draw]) for draw in draws], (2.5, 97.5))
    return float(low), float(high)


def snippet_shares(text: str, wanted: Sequence[str], unwanted: Sequence[str]) -> tuple[float | None, float | None]:
    """Shares of wanted and of unwanted snippets found in a text, white space aside; None without snippets."""
    flat = "".join(text.split())

    def share(snippets: Sequence[str]) -> float | None:
        return sum("".join(s.split()) in flat for s in snippets) / len(snippets) if snippets else None

    return share(wanted), share(unwanted)


def _shingles(words: list[str]) -> Counter[tuple[str, ...]]:
    if not words:
        return Counter()
    size = min(SHINGLE_TOKENS, len(words))
    return Counter(zip(*(words[i:] for i in range(size)), strict=False))


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
