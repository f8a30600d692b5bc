import pytest
from benchmarks.extraction_metrics import (
    PageScore,
    bootstrap_interval,
    shingle_f1,
    shingle_score,
    snippet_shares,
    tokens,
    word_f1,
)


def test_tokens_are_runs_of_word_characters_and_single_cjk_characters():
    assert tokens("Don't stop_me, café 42!") == ["Don", "t", "stop_me", "café", "42"]
    assert tokens("用Python写程序。") == ["用", "Python", "写", "程", "序"]
    assert tokens("カナ 한글") == ["カ", "ナ", "한", "글"]


def test_shingles_by_hand():
    # reference: abcd bcde cdef; predicted: abcd bcde -> 2 hits, none wrong, 1 missed
    assert shingle_score("a b c d e", "a b c d e f") == PageScore(1.0, 2 / 3)
    # a repeated shingle counts as often as the reference has it: a a a a a -> aaaa twice, predicted three times
    assert shingle_score("a a a a a a", "a a a a a") == PageScore(2 / 3, 1.0)


@pytest.mark.parametrize(
    ("predicted", "reference", "expected"),
    [
        ("", "", PageScore(None, None)),
        ("", "some words", PageScore(None, 0.0)),
        ("some words", "", PageScore(0.0, None)),
        ("one two", "one two", PageScore(1.0, 1.0)),  # up to three tokens are one shingle
        ("one two", "one two three", PageScore(0.0, 0.0)),
        ("One two three four", "one two three four", PageScore(0.0, 0.0)),  # case counts
    ],
)
def test_shingles_at_the_edges(predicted, reference, expected):
    assert shingle_score(predicted, reference) == expected


def test_precision_leaves_out_empty_predictions_and_recall_does_not():
    pages = [PageScore(1.0, 0.5), PageScore(None, 0.0), PageScore(0.5, None)]
    precision, recall = (1 + 0.5) / 2, (0.5 + 0) / 2
    assert shingle_f1(pages) == pytest.approx(2 * precision * recall / (precision + recall))
    assert shingle_f1([PageScore(None, 0.0)]) == 0.0


def test_word_f1_is_of_bags_in_lower_case():
    assert word_f1("The cat the", "the cat sat") == pytest.approx(2 * 2 / 6)
    assert word_f1("", "") == 1.0
    assert word_f1("", "word") == 0.0


def test_the_interval_holds_the_mean_and_narrows_with_pages():
    def mean(values):
        return sum(values) / len(values)

    low, high = bootstrap_interval([0.0, 1.0] * 50, mean)
    assert low < 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 10, rel=0.15)  # standard error of 100 tosses
    assert bootstrap_interval([0.7] * 5, mean) == (pytest.approx(0.7), pytest.approx(0.7))


def test_snippets_are_found_across_line_ends():
    assert snippet_shares("first\nline here", ["first line", "absent"], ["here"]) == (0.5, 1.0)
    assert snippet_shares("text", [], []) == (None, None)
