import random
from math import ceil

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.contamination import EvaluationIndex, Overlaps, build_index, overlaps
from filters.text import scan

PASSAGE = (
    "The lighthouse keeper wound the clockwork each evening, counted forty turns of the brass handle, and wrote the "
    "hour, the wind and the number of passing ships into a ledger that nobody on the mainland had ever asked to see."
)
REWRAPPED = (
    "the LIGHTHOUSE keeper wound\nthe clockwork   each evening -- counted forty turns of the\tbrass handle -- and "
    "wrote the hour;\n\n the wind and the number of 'passing' ships\nInto a ledger that nobody on the mainland had "
    "ever asked to see!"
)
SAME_TOPIC = (
    "A lighthouse needs a keeper. Every evening he winds the clockwork by turning a brass handle some forty times, "
    "and he keeps a ledger of the wind, the hour and the ships, which hardly anybody on the mainland reads."
)
IDIOM = "when all is said and done it is never too late to mend"  # 13 words
FILLER = " ".join(f"filler{i}" for i in range(40))


def find(documents, evaluation, ngram: int = 13, **bounds) -> Overlaps:
    index = build_index(pa.array(evaluation, pa.string()), ngram)
    return overlaps(scan(pa.array(documents, pa.string())), index, **bounds)


def numbered(first: int, count: int, stem: str = "w") -> str:
    return " ".join(f"{stem}{i}" for i in range(first, first + count))


@pytest.mark.parametrize("planted", [PASSAGE, REWRAPPED])
def test_a_planted_passage_is_found_however_it_is_wrapped(planted: str) -> None:
    document = f"Vorwort: Grüße.\n{FILLER}\n{planted}\n{FILLER}"
    found = find([FILLER, document], [numbered(0, 50), PASSAGE])
    assert found.is_contaminated.tolist() == [False, True]
    assert found.text_number.tolist() == [-1, 1]
    assert found.num_shared.tolist() == [0, 40 - 12]  # the passage has 40 words
    evidence = document.encode()[found.first_start[1] : found.first_end[1]].decode()
    assert evidence == planted


def test_the_same_topic_is_kept() -> None:
    found = find([SAME_TOPIC], [PASSAGE])
    assert not found.is_contaminated[0]
    assert found.num_shared[0] == 0


def test_a_shared_idiom_of_thirteen_words_is_kept() -> None:
    evaluation = f"{numbered(0, 30)} {IDIOM} {numbered(30, 30)}"
    found = find([f"{FILLER} {IDIOM.capitalize()}. {FILLER}"], [evaluation])
    assert found.num_shared.tolist() == [1]
    assert found.text_number.tolist() == [0]  # seen and named, but not enough
    assert found.is_contaminated.tolist() == [False]


@pytest.mark.parametrize(("num_words", "expected"), [(21, False), (22, True)])
def test_ten_shared_ngrams_are_22_words_in_a_row(num_words: int, expected: bool) -> None:
    found = find([f"{FILLER} {numbered(5, num_words)} {FILLER}"], [numbered(0, 100)])
    assert found.num_shared.tolist() == [num_words - 12]
    assert found.is_contaminated.tolist() == [expected]


@pytest.mark.parametrize(("num_words", "expected"), [(15, False), (16, True)])
def test_half_of_a_short_text_is_enough(num_words: int, expected: bool) -> None:
    # 19 words hold 7 13-grams, half of which is 3.5, so 4: the first 16 words.
    found = find([f"{numbered(0, num_words)} {FILLER}"], [numbered(0, 19)])
    assert found.num_shared.tolist() == [num_words - 12]
    assert found.is_contaminated.tolist() == [expected]


def test_a_share_that_binary_fractions_miss_is_not_rounded_up() -> None:
    # 0.07 * 100 is 7.000000000000001 in binary; 7 of 100 1-grams are enough.
    found = find([numbered(0, 7)], [numbered(0, 100)], ngram=1, min_shared_ngrams=50, min_coverage=0.07)
    assert found.is_contaminated.tolist() == [True]


def test_repeats_in_the_document_count_once() -> None:
    found = find([" ".join([IDIOM] * 30)], [f"{IDIOM} {numbered(0, 40)}"])
    assert found.num_shared.tolist() == [1]
    assert found.is_contaminated.tolist() == [False]


def test_ngrams_of_several_texts_are_not_added_up() -> None:
    texts = [numbered(100 * i, 60) for i in range(12)]
    document = f" {FILLER} ".join(numbered(100 * i, 13) for i in range(12))
    found = find([document], texts)
    assert found.num_shared.tolist() == [1]
    assert found.text_number.tolist() == [0]  # the first of equals
    assert found.is_contaminated.tolist() == [False]


def test_the_named_text_is_one_that_has_enough() -> None:
    # 8 shared n-grams of a long text are too few, both of a short one are enough: the short one is named.
    document = f"{numbered(0, 20)} {FILLER} {numbered(0, 14, 'short')}"
    found = find([document], [numbered(0, 100), numbered(0, 14, "short")])
    assert (found.is_contaminated[0], found.text_number[0], found.num_shared[0]) == (True, 1, 2)
    assert document[found.first_start[0] : found.first_end[0]] == numbered(0, 14, "short")


def test_the_evidence_is_the_first_run_only() -> None:
    document = f"{numbered(0, 15)} {FILLER} {numbered(30, 30)}"
    found = find([document], [numbered(0, 100)])
    assert found.num_shared.tolist() == [3 + 18]
    assert document[found.first_start[0] : found.first_end[0]] == numbered(0, 15)


def test_short_texts_are_counted_and_never_match() -> None:
    index = build_index(pa.array([numbered(0, 12), None, "", "-- " * 20, numbered(0, 13)]))
    assert index.num_too_short == 4
    assert index.ngrams_per_text.tolist() == [0, 0, 0, 0, 1]
    found = overlaps(scan(pa.array([numbered(0, 12), numbered(0, 13)])), index)
    assert found.is_contaminated.tolist() == [False, True]
    assert found.text_number.tolist() == [-1, 4]


@pytest.mark.parametrize("evaluation", [[], ["too short"], [None]])
def test_nothing_to_look_for_finds_nothing(evaluation) -> None:
    found = find([PASSAGE, "", None], evaluation)
    assert found.is_contaminated.tolist() == [False] * 3
    assert found.first_start.tolist() == [-1] * 3


def test_no_documents_give_no_rows() -> None:
    assert find([], [PASSAGE]).is_contaminated.shape == (0,)


def test_bounds_outside_their_range_are_refused() -> None:
    for bounds in ({"min_shared_ngrams": 0}, {"min_coverage": 1.5}, {"min_coverage": float("nan")}):
        with pytest.raises(ValueError, match=r"at least 1 and min_coverage in \[0, 1\]; got"):
            find([PASSAGE], [PASSAGE], **bounds)


def test_an_index_survives_storage_with_equal_bytes() -> None:
    texts = pa.array([PASSAGE, IDIOM, f"{IDIOM} again", "short"])
    index = build_index(texts)
    stored = index.to_bytes()
    assert stored == build_index(texts).to_bytes()
    again = EvaluationIndex.from_bytes(stored)
    assert again.to_bytes() == stored
    assert again.ngram == 13
    assert again.num_too_short == 1
    found = overlaps(scan(pa.array([IDIOM, REWRAPPED])), again)
    assert found.text_number.tolist() == [1, 0]


def slow_overlap(document: list[str], texts: list[list[str]], ngram: int) -> tuple[bool, int, int]:
    """The rule of ``overlaps`` with Python sets and its default bounds."""

    def grams(words):
        return {tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)}

    best = (False, 0, 1)  # contaminated, shared, minus the text's number
    for number, words in enumerate(texts):
        shared = len(grams(words) & grams(document))
        if shared:
            enough = shared >= min(10, max(1, ceil(len(grams(words)) / 2)))
            best = max(best, (enough, shared, -number))
    return best[0], -best[2], best[1]


words = st.lists(st.sampled_from("abc"), max_size=25)


@given(st.lists(words, max_size=4), st.lists(words, max_size=4), st.integers(1, 4))
def test_overlaps_agree_with_python_sets(documents, texts, ngram) -> None:
    found = find([" ".join(d) for d in documents], [" ".join(t) for t in texts], ngram=ngram)
    expected = [slow_overlap(document, texts, ngram) for document in documents]
    assert list(zip(found.is_contaminated, found.text_number, found.num_shared, strict=True)) == expected


def test_many_ngrams_are_looked_up_as_a_set_would() -> None:
    generator = random.Random(3)
    texts = [" ".join(str(generator.randrange(3000)) for _ in range(400)) for _ in range(20)]
    documents = [" ".join(str(generator.randrange(3000)) for _ in range(300)) for _ in range(30)]
    found = find(documents, texts, ngram=1)
    expected = [slow_overlap(document.split(), [text.split() for text in texts], 1) for document in documents]
    assert list(zip(found.is_contaminated, found.text_number, found.num_shared, strict=True)) == expected


def test_a_document_alone_gives_what_it_gives_in_a_batch() -> None:
    documents = pa.array([FILLER, REWRAPPED, None, f"{FILLER} {PASSAGE}", IDIOM])
    index = build_index(pa.array([IDIOM, PASSAGE]))
    batch = overlaps(scan(documents), index)
    for row in range(len(documents)):
        alone = overlaps(scan(documents.slice(row, 1)), index)
        for column in vars(batch):
            assert np.array_equal(getattr(alone, column), getattr(batch, column)[row : row + 1])
