"""Two models that only count: what a trained one must beat.

Both are fitted on the targets of the trainer's own sequences, each predicted from the token before it, and evaluated on
the same held-out targets. NumPy alone; pairs are counted sparsely, so memory follows the distinct pairs and not
``vocab_size ** 2``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainer.evaluate import PADDING
from trainer.loss import bits_per_byte

PAIRS_AT_ONCE = 1 << 22  # 32 MB of codes are sorted at once


@dataclass(frozen=True)
class PairCounts:
    """How often each token followed each other token.

    Attributes:
        vocab_size: Number of ids.
        codes: int64 [num_pairs], ``previous * vocab_size + next``, ascending, each once.
        counts: int64 [num_pairs], at least 1.
    """

    vocab_size: int
    codes: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, sequences: Iterable[np.ndarray], vocab_size: int) -> PairCounts:
        """Count in batches of sequences.

        Args:
            sequences: Integer arrays [B, L + 1]; the pairs are those of input and target, ``PADDING`` left out.
            vocab_size: Above every id.
        """
        total = cls(vocab_size, np.empty(0, np.int64), np.empty(0, np.int64))
        pending: list[np.ndarray] = []
        for batch in sequences:
            pending.append(_pair_codes(batch, vocab_size))
            if sum(map(len, pending)) >= PAIRS_AT_ONCE:
                total, pending = total._plus(np.concatenate(pending)), []
        return total._plus(np.concatenate([*pending, total.codes[:0]]))

    def _plus(self, more: np.ndarray) -> PairCounts:
        new_codes, new_counts = np.unique(more, return_counts=True)
        codes, place = np.unique(np.concatenate([self.codes, new_codes]), return_inverse=True)
        counts = np.zeros(len(codes), np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, new_counts]))
        return PairCounts(self.vocab_size, codes, counts)

    def count(self, codes: np.ndarray) -> np.ndarray:
        """How often each of these pairs was seen; 0 for new ones."""
        if len(self.codes) == 0:
            return np.zeros(len(codes), np.int64)
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[place] == codes, self.counts[place], 0)


def _pair_codes(sequences: np.ndarray, vocab_size: int) -> np.ndarray:
    previous, following = sequences[:, :-1].astype(np.int64), sequences[:, 1:].astype(np.int64)
    return (previous * vocab_size + following)[following != PADDING]


def unigram_probabilities(pairs: PairCounts) -> np.ndarray:
    """Probability of each token by its share of the targets, add-one smoothed: (c + 1) / (N + V).

    Returns:
        float64 [vocab_size], all above 0, adding up to 1.
    """
    counts = np.bincount(pairs.codes % pairs.vocab_size, weights=pairs.counts, minlength=pairs.vocab_size)
    return (counts + 1) / (counts.sum() + pairs.vocab_size)


def unigram_bits_per_byte(pairs: PairCounts, sequences: np.ndarray, num_bytes: int) -> float:
    """Held-out bits per byte of the unigram; arguments as in ``evaluate.held_out_bits_per_byte``."""
    following = _pair_codes(sequences, pairs.vocab_size) % pairs.vocab_size
    return bits_per_byte(-np.log(unigram_probabilities(pairs)[following]).sum(), 1, num_bytes)


def bigram_bits_per_byte(pairs: PairCounts, sequences: np.ndarray, num_bytes: int) -> float:
    """Held-out bits per byte of a bigram that is interpolated with the unigram; arguments as above."""
    codes = _pair_codes(sequences, pairs.vocab_size)
    return bits_per_byte(-np.log(bigram_probabilities(pairs, codes)).sum(), 1, num_bytes)


def bigram_probabilities(pairs: PairCounts, codes: np.ndarray) -> np.ndarray:
    """Probability of the second token of each pair, given the first, by Witten and Bell (1991), method C.

    p(w | v) = (c(v, w) + T(v) p(w)) / (c(v) + T(v)), with T(v) the number of different tokens seen after v and p the
    unigram; after a token that was never seen, p(w).

    Args:
        pairs: Counted in training.
        codes: int64 [n], ``previous * vocab_size + next``.

    Returns:
        float64 [n], all above 0; over all next tokens they add up to 1.
    """
    vocab_size, (previous, following) = pairs.vocab_size, np.divmod(codes, pairs.vocab_size)
    first = pairs.codes // vocab_size
    seen = np.bincount(first, weights=pairs.counts, minlength=vocab_size)[previous]
    kinds = np.bincount(first, minlength=vocab_size)[previous]
    unigram = unigram_probabilities(pairs)[following]
    mixed = (pairs.count(codes) + kinds * unigram) / np.maximum(seen + kinds, 1)
    return np.where(seen > 0, mixed, unigram)
