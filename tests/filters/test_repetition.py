import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_texts import real_texts

from filters.bounds import Bound, decide
from filters.repetition import REPETITION_BOUNDS, repetition_signals
from filters.text import scan

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# Few different words, so that n-grams, lines and paragraphs come back.
REPETITIVE = st.lists(
    st.sampled_from(["a ", "a\n", "bb ", "ccc ", "中文 ", "\n", " ", "\n\n", "b", "\r\n"]), max_size=60
)
ANY_TEXT = REPETITIVE.map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

Signals = dict[str, float | None]


def twin(text: str | None) -> Signals:
    """The definitions, one by one."""
    text = text or ""
    words = [word for word in re.split(f"[{WHITE}]", text) if word]
    lines = [line for line in text.split("\n") if line.strip(WHITE)]
    blank_as_empty = "\n".join(line if line.strip(WHITE) else "" for line in text.split("\n"))
    paragraphs = [part.strip("\n") for part in re.split("\n\n+", blank_as_empty) if part.strip("\n")]
    signals: Signals = {}
    for kind, parts in (("line", lines), ("paragraph", paragraphs)):
        extra = [part for i, part in enumerate(parts) if part in parts[:i]]
        signals[f"duplicate_{kind}_fraction"] = ratio(len(extra), len(parts))
        signals[f"duplicate_{kind}_char_fraction"] = ratio(sum(map(len, extra)), sum(map(len, parts)))
    all_chars = sum(map(len, words))
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = Counter(grams)
        if n <= 4:
            most = max(counts.values(), default=0)
            tops = [gram for gram, count in counts.items() if count == most > 1]
            chars = max(
                (covered(words, n, [i for i, gram in enumerate(grams) if gram == top]) for top in tops), default=0
            )
            signals[f"top_{n}gram_char_fraction"] = ratio(chars, all_chars)
        else:
            chars = covered(words, n, [i for i, gram in enumerate(grams) if counts[gram] > 1])
            signals[f"duplicate_{n}gram_char_fraction"] = ratio(chars, all_chars)
    return signals


def covered(words: list[str], n: int, starts: list[int]) -> int:
    return sum(len(words[i]) for i in {i for start in starts for i in range(start, start + n)})


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def signals_of(texts: list[str | None]) -> list[Signals]:
    return repetition_signals(scan(pa.array(texts, pa.string()))).to_pylist()


def test_worked_example_of_the_peers() -> None:
    # The text on which datatrove, DCLM, Dolma and NeMo Curator differ by up to 2.5 times.
    line = "one two three four five six seven eight nine ten"  # 39 letters and 9 spaces
    text = f"{line}\n{line}\nalpha beta gamma delta epsilon zeta eta theta iota kappa"  # 47 letters and 9 spaces
    # Words: 39 + 39 + 47 = 125 characters.  Lines: 48 + 48 + 56 = 152.
    # Lines: 1 extra of 3, 48 of 152 characters.  One paragraph.
    # All n-grams of the first line occur twice; the one that covers most counts:
    #   seven eight 10, seven eight nine 14, seven eight nine ten 17 (as five six seven eight); twice each.
    # For n from 5 to 10, all words of the first two lines are covered: 78 of 125.
    assert signals_of([text]) == [
        {
            "duplicate_line_fraction": 1 / 3,
            "duplicate_paragraph_fraction": 0,
            "duplicate_line_char_fraction": 48 / 152,
            "duplicate_paragraph_char_fraction": 0,
            "top_2gram_char_fraction": 20 / 125,
            "top_3gram_char_fraction": 28 / 125,
            "top_4gram_char_fraction": 34 / 125,
        }
        | {f"duplicate_{n}gram_char_fraction": 78 / 125 for n in range(5, 11)}
    ]


def test_overlapping_occurrences_cover_each_word_once() -> None:
    # "a a" occurs twice and covers all three words; no 3-gram occurs twice.
    row = signals_of(["a a a"])[0]
    assert row["top_2gram_char_fraction"] == 1
    assert row["top_3gram_char_fraction"] == 0


def test_the_more_frequent_ngram_counts_even_if_it_covers_less() -> None:
    # "x y" three times covers 6 of 34 characters, "longer words" twice would cover 22; 28 + 6 = 34 in all.
    row = signals_of(["x y longer words x y longer words x y sixsix"])[0]
    assert row["top_2gram_char_fraction"] == 6 / 34


def test_an_ngram_that_occurs_once_is_no_repetition() -> None:
    assert set(signals_of(["every word of this differs from all that stand before it"])[0].values()) == {0}


def test_words_are_compared_as_they_stand() -> None:
    assert signals_of(["The cat the cat, The dog"])[0]["top_2gram_char_fraction"] == 0


def test_ngrams_cross_lines_and_not_documents() -> None:
    assert signals_of(["a b\na\nb"])[0]["top_2gram_char_fraction"] == 1
    assert signals_of(["a b", "a b"])[1]["top_2gram_char_fraction"] == 0


def test_lines_and_paragraphs_are_compared_with_their_white_space() -> None:
    # Lines "x y", " x y", "x  y", "x y": one extra; 3 of 3 + 4 + 4 + 3 characters.
    row = signals_of(["x y\n x y\nx  y\nx y"])[0]
    assert row["duplicate_line_fraction"] == 1 / 4
    assert row["duplicate_line_char_fraction"] == 3 / 14


def test_duplicate_paragraphs_by_hand() -> None:
    # Paragraphs "a\nbb" (4 characters), "a" (1), "a\nbb" (4), "a" (1), "a" (1): 3 extra of 5, 6 characters of 11.
    # Lines a bb a a bb a a: 5 extra of 7; a: 4 extra, bb: 1 extra = 6 characters of 9.
    row = signals_of(["a\nbb\n\na\n \t\na\nbb\n\n\na\n\na"])[0]
    assert row["duplicate_paragraph_fraction"] == 3 / 5
    assert row["duplicate_paragraph_char_fraction"] == 6 / 11
    assert row["duplicate_line_fraction"] == 5 / 7
    assert row["duplicate_line_char_fraction"] == 6 / 9


def test_characters_are_code_points() -> None:
    # Words 中文 (2), ab (2), 中文, ab, é (1): 8 of 9 characters.
    assert signals_of(["中文 ab 中文 ab é"])[0]["top_2gram_char_fraction"] == 8 / 9


def test_columns_and_types() -> None:
    schema = repetition_signals(scan(pa.array(["a"]))).schema
    assert schema.names == [bound.name for bound in REPETITION_BOUNDS]
    assert set(schema.types) == {pa.float64()}


def test_empty_and_null_documents_are_null_one_word_is_zero() -> None:
    empty, white, null, word = signals_of(["", "\n \n", None, "word"])
    assert set(empty.values()) == set(white.values()) == set(null.values()) == {None}
    assert set(word.values()) == {0}


def test_no_documents() -> None:
    assert repetition_signals(scan(pa.array([], pa.string()))).num_rows == 0


def test_long_documents() -> None:
    same, different = "word " * 50_000, " ".join(map(str, range(50_000)))
    thai = "ประเทศไทย" * 6_000
    rows = signals_of([same, different, thai, same])
    assert rows[0] == rows[3]
    assert rows[0]["top_2gram_char_fraction"] == rows[0]["duplicate_10gram_char_fraction"] == 1
    assert set(rows[1].values()) == set(rows[2].values()) == {0}


@settings(max_examples=400, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=4))
def test_signals_equal_their_twin_on_generated_text(texts: list[str | None]) -> None:
    assert signals_of(texts) == [twin(text) for text in texts]


def test_signals_equal_their_twin_on_real_text(shared: Path) -> None:
    texts = list(real_texts(shared))
    assert signals_of(texts) == [twin(text) for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=6), st.data())
def test_a_slice_has_the_signals_of_its_rows(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    sliced = repetition_signals(scan(pa.array(texts, pa.large_string()).slice(start)))
    assert sliced.to_pylist() == [twin(text) for text in texts[start:]]


def test_equal_hashes_of_different_words_are_told_apart() -> None:
    # words of up to eight bytes share none, so these are longer
    texts = ["abcdefghi bcdefghij cdefghijk abcdefghi\n\ndefghijkl\n\nefghijklm", "xyxyxyxyx yxyxyxyxy xyxyxyxyx"]
    honest = scan(pa.array(texts))
    zeros = {name: np.zeros_like(getattr(honest, name)) for name in ("word_hashes", "line_hashes", "paragraph_hashes")}
    assert repetition_signals(dataclasses.replace(honest, **zeros)).to_pylist() == [twin(text) for text in texts]


def test_the_published_bounds() -> None:
    highs = {
        "duplicate_line": 0.3,
        "duplicate_paragraph": 0.3,
        "duplicate_line_char": 0.2,
        "duplicate_paragraph_char": 0.2,
    }
    highs |= {"top_2gram_char": 0.2, "top_3gram_char": 0.18, "top_4gram_char": 0.16}
    highs |= {"duplicate_5gram_char": 0.15, "duplicate_6gram_char": 0.14, "duplicate_7gram_char": 0.13}
    highs |= {"duplicate_8gram_char": 0.12, "duplicate_9gram_char": 0.11, "duplicate_10gram_char": 0.1}
    assert tuple(Bound(f"{name}_fraction", high=high) for name, high in highs.items()) == REPETITION_BOUNDS


def different_words(chars: int, tail: str) -> list[str]:
    """Words of seven characters, all different, and the rest: ``chars`` in all."""
    words = [f"{i:06d}{tail}" for i in range(chars // 7)]
    return words + (["z" * (chars % 7)] if chars % 7 else [])


def repeated_gram(n: int, percent: int, chars: int) -> str:
    """A text of ``chars`` word characters in which one n-gram occurs twice and covers 10 * percent of them."""
    gram_chars = 5 * percent
    gram = [f"{chr(97 + i)}{'q' * (gram_chars // n - 1)}" for i in range(n)]
    gram[0] += "q" * (gram_chars % n)
    filler = different_words(chars - 2 * gram_chars, "w")
    return " ".join([*gram, *filler[:10], *gram, *filler[10:]])


def equal_parts(separator: str, equal: int) -> str:
    """100 lines or paragraphs, ``equal`` of them the same."""
    return separator.join(["a"] * equal + [str(i) for i in range(100 - equal)])


def repeated_part(separator: str, chars: int) -> str:
    """Lines or paragraphs with ``chars`` characters, one of 20 characters twice."""
    return separator.join(["r" * 20, *different_words(chars - 40, "p"), "r" * 20])


NGRAM_BOUNDS = [("top", 2, 20), ("top", 3, 18), ("top", 4, 16)] + [("duplicate", n, 20 - n) for n in range(5, 11)]


@pytest.mark.parametrize(
    ("name", "on_the_edge", "beyond"),
    [
        ("duplicate_line_fraction", equal_parts("\n", 31), equal_parts("\n", 32)),
        ("duplicate_paragraph_fraction", equal_parts("\n\n", 31), equal_parts("\n\n", 32)),
        ("duplicate_line_char_fraction", repeated_part("\n", 100), repeated_part("\n", 99)),
        ("duplicate_paragraph_char_fraction", repeated_part("\n\n", 100), repeated_part("\n\n", 99)),
        *[
            (f"{kind}_{n}gram_char_fraction", repeated_gram(n, percent, 1000), repeated_gram(n, percent, 999))
            for kind, n, percent in NGRAM_BOUNDS
        ],
    ],
)  # fmt: skip
def test_each_bound_keeps_its_edge_and_drops_the_next_step(name: str, on_the_edge: str, beyond: str) -> None:
    signals = repetition_signals(scan(pa.array([on_the_edge, beyond])))
    bound = next(bound for bound in REPETITION_BOUNDS if bound.name == name)
    assert signals.column(name)[0].as_py() == bound.high
    decided = decide(signals, REPETITION_BOUNDS).to_pylist()
    assert name not in decided[0]
    assert name in decided[1]


def test_an_empty_document_passes_bounds_that_have_no_lower_end() -> None:
    assert decide(repetition_signals(scan(pa.array(["", None]))), REPETITION_BOUNDS).to_pylist() == [[], []]
