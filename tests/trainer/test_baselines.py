import math
from itertools import pairwise

import numpy as np
import pytest

import trainer.baselines
from trainer.baselines import (
    PairCounts,
    bigram_bits_per_byte,
    bigram_probabilities,
    unigram_bits_per_byte,
    unigram_probabilities,
)
from trainer.evaluate import PADDING

SEQUENCE = np.array([[0, 1, 0, 1, 0, 2]])  # pairs 01 10 01 10 02, of 4 ids


def test_unigram_by_hand():
    # targets 1, 0, 1, 0, 2 of 4 ids: (2+1)/9, (2+1)/9, (1+1)/9, (0+1)/9
    np.testing.assert_allclose(unigram_probabilities(PairCounts.of([SEQUENCE], 4)), np.array([3, 3, 2, 1]) / 9)


def test_bigram_by_hand():
    pairs = PairCounts.of([SEQUENCE], 4)
    # after 0: 1 twice, 2 once; T(0) = 2. p(1|0) = (2 + 2 * 3/9) / (3 + 2); p(3|0) = (0 + 2 * 1/9) / 5
    # after 1: 0 twice; T(1) = 1. p(0|1) = (2 + 3/9) / 3. After 3: never seen, p(2) = 2/9
    codes = np.array([0 * 4 + 1, 0 * 4 + 3, 1 * 4 + 0, 3 * 4 + 2])
    expected = [(2 + 2 * 3 / 9) / 5, 2 / 9 / 5, (2 + 3 / 9) / 3, 2 / 9]
    np.testing.assert_allclose(bigram_probabilities(pairs, codes), expected)


def test_probabilities_add_up_to_one():
    pairs = PairCounts.of([np.random.default_rng(0).integers(0, 30, (5, 20))], 40)
    assert unigram_probabilities(pairs).sum() == pytest.approx(1)
    table = bigram_probabilities(pairs, np.arange(40 * 40)).reshape(40, 40)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert (table > 0).all()


def test_counts_are_those_of_a_slow_count_however_they_are_batched(monkeypatch):
    monkeypatch.setattr(trainer.baselines, "PAIRS_AT_ONCE", 50)  # several merges
    sequences = np.random.default_rng(1).integers(0, 9, (31, 8))
    slow = {}
    for row in sequences.tolist():
        for pair in pairwise(row):
            slow[pair] = slow.get(pair, 0) + 1
    for size in (1, 4, 31):
        pairs = PairCounts.of((sequences[i : i + size] for i in range(0, 31, size)), 9)
        found = zip(*np.divmod(pairs.codes, 9), pairs.counts, strict=True)
        assert {(int(first), int(second)): int(count) for first, second, count in found} == slow


def test_bits_per_byte_by_hand_and_padding_costs_nothing():
    pairs = PairCounts.of([SEQUENCE], 4)
    held_out = np.array([[0, 1, PADDING, PADDING]])
    # one target with p = 3/9 (unigram) or (2 + 6/9) / 5 (bigram), over 2 bytes
    assert unigram_bits_per_byte(pairs, held_out, 2) == pytest.approx(-math.log2(3 / 9) / 2)
    assert bigram_bits_per_byte(pairs, held_out, 2) == pytest.approx(-math.log2((2 + 6 / 9) / 5) / 2)


def test_nothing_counted_means_every_token_is_as_likely():
    pairs = PairCounts.of([], 8)
    assert bigram_bits_per_byte(pairs, np.array([[1, 2]]), 1) == pytest.approx(3)


def test_codes_of_a_large_vocabulary_do_not_overflow():
    last = 99_999  # its pair with itself is code 1e10 - 1, beyond 32 bits
    pairs = PairCounts.of([np.array([[last, last]], np.uint32)], 100_000)
    assert pairs.codes.tolist() == [9_999_999_999]
