import hashlib
import random
import re
from itertools import chain
from math import sqrt
from pathlib import Path
from types import SimpleNamespace

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_texts import real_texts
from scan_twin import twin_shingle_hash, twin_words

from filters import minhash
from filters.text import scan

MASK = 2**64 - 1


def words_of(text: str) -> list[str]:
    """The normalised words of plain ASCII text."""
    return [word for word in (re.sub(r"[^a-z0-9]", "", part) for part in text.lower().split()) if word]


def shingle_set(text: str, ngram: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)}


def slow_jaccard(left: str, right: str, ngram: int) -> float:
    a, b = shingle_set(left, ngram), shingle_set(right, ngram)
    return len(a & b) / len(a | b) if a and b else 0.0


def slow_mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def slow_signature(hashes: list[int], num_perm: int, ngram: int, seed: int) -> list[int]:
    """The docstrings of ``signatures`` and ``_hash_ngrams``, word for word."""
    golden = 0x9E3779B97F4A7C15
    stream = [slow_mix((seed + golden * (i + 1)) & MASK) >> 32 for i in range(2 * num_perm)]
    hashes = [value for value in hashes if value]
    grams = [hashes[i : i + ngram] for i in range(len(hashes) - ngram + 1)]
    keys = [slow_mix(sum(w * golden ** (ngram - 1 - k) for k, w in enumerate(gram)) & MASK) >> 32 for gram in grams]
    return [
        min(((stream[2 * p] | 1) * x + stream[2 * p + 1]) % 2**32 for x in keys) if keys else 2**32 - 1
        for p in range(num_perm)
    ]


def fake_scan(docs: list[list[int]]) -> SimpleNamespace:
    """What MinHash reads of a scan, from the hashes of each document's normalised words."""
    return SimpleNamespace(
        word_offsets=np.cumsum([0, *map(len, docs)]),
        shingle_hashes=np.array(list(chain.from_iterable(docs)), dtype=np.uint64),
    )


def planted_pairs(num_pairs: int, shared: int, own: int, seed: int) -> SimpleNamespace:
    """Documents 2i and 2i + 1 of one-word shingles: ``shared`` in common, ``own`` of each alone."""
    generator = random.Random(seed)
    docs = []
    for _ in range(num_pairs):
        common = [generator.getrandbits(64) for _ in range(shared)]
        docs += [common + [generator.getrandbits(64) for _ in range(own)] for _ in range(2)]
    return fake_scan(docs)


def test_splitmix64_gives_its_published_numbers() -> None:
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert minhash._splitmix64(np.uint64(1234567), 4).tolist() == expected


def test_shingles_by_hand() -> None:
    # "--" is no word once normalised, so "b C" and "b, -- c" are the same 2-gram; the third document has one word.
    grams = minhash.shingles(scan(pa.array(["a b C", "b, -- c", "a", None, ""])), 2)
    assert grams.offsets.tolist() == [0, 2, 3, 3, 3, 3]
    assert grams.hashes[1] == grams.hashes[2] != grams.hashes[0]
    assert grams.words.tolist() == [0, 1, 2, 3, 5, 6]  # word 4 is the "--"
    assert grams.word_offsets.tolist() == [0, 3, 5, 6, 6, 6]


def test_the_order_of_words_counts() -> None:
    grams = minhash.shingles(scan(pa.array(["a b", "b a", "a a", "b b"])), 2)
    assert len(set(grams.hashes.tolist())) == 4


@pytest.mark.parametrize(("num_words", "expected"), [(0, False), (12, False), (13, True), (14, True)])
def test_documents_shorter_than_a_shingle_have_no_signature(num_words: int, expected: bool) -> None:
    text = " -- ".join(f"word{i}" for i in range(num_words))
    signed, has_signature = minhash.signatures(scan(pa.array([text])))
    assert has_signature.tolist() == [expected]
    assert bool((signed == minhash.EMPTY_SLOT).all()) is not expected
    assert signed.shape == (1, 200)
    assert signed.dtype == np.uint32


def test_an_empty_batch_has_no_rows() -> None:
    empty = scan(pa.array([], pa.string()))
    signed, has_signature = minhash.signatures(empty, num_perm=8)
    assert signed.shape == (0, 8)
    assert has_signature.shape == (0,)
    assert minhash.band_hashes(signed, 4).shape == (0, 4)
    assert minhash.exact_hashes(empty).shape == (0, 16)


@given(
    st.lists(st.lists(st.one_of(st.just(0), st.integers(1, 5), st.integers(0, MASK)), max_size=12), max_size=4),
    st.integers(1, 4),
    st.integers(0, MASK),
)
def test_signatures_agree_with_the_slow_twin(docs, ngram, seed) -> None:
    signed, _ = minhash.signatures(fake_scan(docs), num_perm=5, ngram=ngram, seed=seed)
    assert signed.tolist() == [slow_signature(doc, 5, ngram, seed) for doc in docs]


def test_real_text_agrees_with_the_slow_twins(shared: Path) -> None:
    texts = [text[:1_000] for text in real_texts(shared)]
    words = [[word for _, word in twin_words(text)] for text in texts]
    scanned = scan(pa.array(texts))
    signed, _ = minhash.signatures(scanned, num_perm=3)
    assert signed.tolist() == [slow_signature([*map(twin_shingle_hash, of_text)], 3, 13, 0) for of_text in words]
    expected = [hashlib.blake2b(" ".join(of_text).encode(), digest_size=16).digest() for of_text in words]
    assert [bytes(row) for row in minhash.exact_hashes(scanned)] == expected


@pytest.mark.parametrize("num_shingles", [minhash._BLOCK - 1, minhash._BLOCK, 2 * minhash._BLOCK + 1])
def test_long_documents_agree_with_the_slow_twin(num_shingles: int) -> None:
    doc = [slow_mix(i) for i in range(1, num_shingles + 3)]
    signed, _ = minhash.signatures(fake_scan([doc]), num_perm=3, ngram=3)
    assert signed.tolist() == [slow_signature(doc, 3, 3, 0)]


def test_signatures_do_not_depend_on_the_batch() -> None:
    texts = pa.array([" ".join(f"w{i * j % 97}" for i in range(5 * j)) for j in range(12)])
    whole, has_signature = minhash.signatures(scan(texts))
    assert has_signature.tolist() == [5 * j >= 13 for j in range(12)]
    for row in range(12):
        assert np.array_equal(minhash.signatures(scan(texts.slice(row, 1)))[0][0], whole[row])
    reversed_rows, _ = minhash.signatures(scan(texts.take(pa.array(range(11, -1, -1)))))
    assert np.array_equal(reversed_rows[::-1], whole)


def test_seeds_give_other_permutations() -> None:
    documents = fake_scan([list(range(1, 30))])
    first, second = (minhash.signatures(documents, seed=seed)[0] for seed in (0, 1))
    assert np.count_nonzero(first == second) == 0


vocabulary = st.sampled_from(["the", "The", "a", "b,", "--", "c"])


@given(st.lists(vocabulary, max_size=20), st.lists(vocabulary, max_size=20), st.integers(1, 3))
def test_exact_jaccard_agrees_with_python_sets(left, right, ngram) -> None:
    texts = [" ".join(left), "unrelated words between", "\n".join(right)]
    found = minhash.exact_jaccard(scan(pa.array(texts)), 0, 2, ngram)
    assert found == slow_jaccard(texts[0], texts[2], ngram)


@pytest.mark.parametrize(("shared", "own"), [(0, 3), (1, 1), (3, 1), (80, 10), (380, 10)])
def test_the_estimate_is_unbiased_with_the_standard_error_of_theory(shared: int, own: int) -> None:
    jaccard, num_pairs = shared / (shared + 2 * own), 1000
    signed, _ = minhash.signatures(planted_pairs(num_pairs, shared, own, seed=5), num_perm=200, ngram=1)
    estimates = minhash.estimated_jaccard(signed[0::2], signed[1::2])
    standard_error = sqrt(jaccard * (1 - jaccard) / 200)
    assert estimates.dtype == np.float32
    assert abs(estimates.mean() - jaccard) <= 4 * standard_error / sqrt(num_pairs)
    # The deviation of 1000 estimates is itself known to 1 / sqrt(2 * 1000) = 2.2 %; four times that is allowed.
    assert estimates.std() == pytest.approx(standard_error, rel=0.09)


def test_datasketch_estimates_the_same_similarity() -> None:
    base = [f"word{i}" for i in range(300)]
    for changed in (0, 10, 40, 80, 300):
        texts = [" ".join(base), " ".join([*base[: 300 - changed], *(f"other{i}" for i in range(changed))])]
        true = slow_jaccard(*texts, 13)
        signed, _ = minhash.signatures(scan(pa.array(texts)))
        ours = float(minhash.estimated_jaccard(signed[:1], signed[1:])[0])
        oracles = [datasketch.MinHash(num_perm=200, seed=1) for _ in texts]
        for oracle, text in zip(oracles, texts, strict=True):
            oracle.update_batch([" ".join(gram).encode() for gram in shingle_set(text, 13)])
        tolerance = 4 * sqrt(true * (1 - true) / 200)
        assert abs(ours - true) <= tolerance
        assert abs(ours - oracles[0].jaccard(oracles[1])) <= sqrt(2) * tolerance


def test_estimates_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same shape; got \(1, 200\) and \(2, 200\)"):
        minhash.estimated_jaccard(np.zeros((1, 200), np.uint32), np.zeros((2, 200), np.uint32))


def test_band_hashes_by_hand() -> None:
    signed = np.array([[1, 2, 3, 4], [1, 2, 4, 3], [3, 4, 3, 4]], dtype=np.uint32)
    hashed = minhash.band_hashes(signed, 2)
    assert hashed[0, 0] == hashed[1, 0]  # both (1, 2)
    assert hashed[0, 1] == hashed[2, 1]  # both (3, 4)
    # (4, 3) is not (3, 4), and (3, 4) in the first band is not (3, 4) in the second: four values remain.
    assert len(set(hashed.ravel().tolist())) == 4


@pytest.mark.parametrize("bands", [0, 3, 400])
def test_bands_that_do_not_divide_num_perm_are_refused(bands: int) -> None:
    with pytest.raises(ValueError, match=f"bands must divide num_perm; got bands={bands}, num_perm=200"):
        minhash.band_hashes(np.zeros((1, 200), np.uint32), bands)


def test_ngram_and_num_perm_below_one_are_refused() -> None:
    documents = fake_scan([[1, 2, 3]])
    with pytest.raises(ValueError, match="ngram must be at least 1; got 0"):
        minhash.signatures(documents, ngram=0)
    with pytest.raises(ValueError, match="ngram must be at least 1; got 0"):
        minhash.exact_jaccard(documents, 0, 0, 0)
    with pytest.raises(ValueError, match="num_perm must be at least 1; got 0"):
        minhash.signatures(documents, num_perm=0)


@pytest.mark.parametrize(("jaccard", "expected"), [(0.0, 0.0), (0.6, 0.114), (0.7, 0.436), (0.8, 0.897), (1.0, 1.0)])
def test_catch_probability_by_hand(jaccard: float, expected: float) -> None:
    # 0.8: 0.8**10 = 0.10737; 0.89263**20 = 0.1032; the other two likewise.
    assert minhash.catch_probability(jaccard, bands=20, rows=10) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("shared", "own"), [(50, 25), (60, 20), (70, 15), (80, 10), (90, 5)])  # J = 0.5 to 0.9
def test_planted_pairs_are_caught_as_often_as_the_formula_says(shared: int, own: int) -> None:
    num_pairs = 1500
    signed, _ = minhash.signatures(planted_pairs(num_pairs, shared, own, seed=own), ngram=1)
    hashed = minhash.band_hashes(signed, 20)
    caught = (hashed[0::2] == hashed[1::2]).any(axis=1).mean()
    expected = minhash.catch_probability(shared / (shared + 2 * own), bands=20, rows=10)
    assert abs(caught - expected) <= 3 * sqrt(expected * (1 - expected) / num_pairs)


def test_exact_hashes_ignore_white_space_only() -> None:
    texts = [
        "One  two\n\u2003three",
        " One two three ",
        "one two three",
        "One two three.",
        "Onetwo three",
        "",
        " \n",
        None,
    ]
    hashed = [bytes(row) for row in minhash.exact_hashes(scan(pa.array(texts)))]
    assert hashed[0] == hashed[1] == hashlib.blake2b(b"One two three", digest_size=16).digest()
    assert len({*hashed[1:5]}) == 4
    assert hashed[5] == hashed[6] == hashed[7] == hashlib.blake2b(b"", digest_size=16).digest()


@given(st.lists(st.text("ab é\n\u3000", max_size=12), max_size=5), st.integers(0, 3))
def test_exact_hashes_agree_with_split_and_join(texts, start) -> None:
    rows = minhash.exact_hashes(scan(pa.array(texts, pa.string()).slice(start)))
    expected = [hashlib.blake2b(" ".join(t.split()).encode(), digest_size=16).digest() for t in texts[start:]]
    assert [bytes(row) for row in rows] == expected
