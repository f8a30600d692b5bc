import numpy as np
import pytest

from pipeline.word_weights import MIN_SITES, SCALE, WordLists, _count_sites, fit_word_weights

GOOD, BAD, RARE, COMMON = range(4)


def lists_of(rows: list[list[int]]) -> WordLists:
    start = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
    return WordLists(np.array([word for row in rows for word in row], np.uint16), start)


def fit(rows: list[list[int]], labels: list[float], sites: list[int], is_mean: bool = False) -> np.ndarray:
    weights = np.ones(len(rows))
    return fit_word_weights(lists_of(rows), np.array(labels), weights, np.array(sites), 4, is_mean)


@pytest.mark.parametrize("is_mean", [False, True])
def test_words_get_the_sign_of_their_rows(is_mean):
    rows = [[GOOD, COMMON], [BAD, COMMON], [COMMON]] * 40
    weights = fit(rows, [1, 0, 0.5] * 40, list(np.arange(120) // 3), is_mean)
    assert weights[GOOD] > SCALE
    assert weights[BAD] < -SCALE
    assert abs(int(weights[COMMON])) < SCALE
    assert weights.dtype == np.int8


def test_a_word_of_few_sites_has_no_weight():
    rows = [[RARE, GOOD]] * 50 + [[BAD]] * 50
    sites = [i % (MIN_SITES - 1) for i in range(50)]
    weights = fit(rows, [1] * 50 + [0] * 50, sorted(sites) + list(range(10, 60)))
    assert weights[RARE] == weights[GOOD] == 0
    assert weights[BAD] < 0


def test_sites_are_counted_once_a_word():
    lists = lists_of([[0, 0], [0, 1], [0], [1]])
    assert _count_sites(lists, np.array([5, 5, 6, 7]), 4).tolist() == [2, 2, 0, 0]


def test_the_same_rows_give_the_same_weights():
    rows, labels, sites = [[GOOD], [BAD], []] * 20, [1, 0, 0] * 20, list(range(60))
    assert (fit(rows, labels, sites) == fit(rows, labels, sites)).all()
