import pytest
from benchmarks.language_metrics import Item, accuracy_by_language, english_at, joined, macro_accuracy

ITEMS = [
    Item("en", "en", 0.9),
    Item("en", "en", 0.4),
    Item("de", "de", 0.9),
    Item("de", "en", 0.6),
    Item("de", None, 0.0),
    Item("de", "de", 0.5),
    Item("fr", "en", 0.3),
]


def test_accuracy_is_by_language_and_every_language_counts_alike():
    assert accuracy_by_language(ITEMS) == {"de": 0.5, "en": 1.0, "fr": 0.0}
    assert macro_accuracy(ITEMS) == 0.5
    assert macro_accuracy(ITEMS, ["de", "en"]) == 0.75


@pytest.mark.parametrize(
    ("bound", "recall", "false"), [(0.0, 1.0, 400), (0.4, 1.0, 200), (0.6, 0.5, 200), (0.7, 0.5, 0)]
)
def test_english_at_a_bound(bound, recall, false):
    assert english_at(ITEMS, bound) == (recall, false)


def test_documents_are_of_one_language_and_long_enough():
    texts = [("b", "xx"), ("a", "é"), ("b", "yyy"), ("a", "z"), ("b", "z")]
    assert list(joined(texts, 4)) == [("a", "é\nz"), ("b", "xx\nyyy")]
