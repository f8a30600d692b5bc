import pytest

from filters.html_blocks import blocks
from filters.html_tree import parse
from pipeline.block_labels import block_labels, block_texts


def label(texts: list[str], reference: str) -> list[float]:
    return [float(x) for x in block_labels(texts, reference)[0]]


def test_a_title_repeated_in_a_menu_is_not_content():
    title = "How to bake good bread"
    texts = ["Home", title, "Imprint", title, "Mix flour and water with some salt.", "Then wait for a day.", title]
    reference = f"{title}\nMix flour and water with some salt.\nThen wait for a day."
    assert label(texts, reference) in ([0, 0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 1, 1, 0])  # once, and before the text


def test_scattered_hits_on_frequent_words_are_chance():
    texts = ["The shop of the year", "A cat sat on the mat and the dog of the house slept."]
    assert label(texts, texts[1])[0] == 0


def test_a_block_of_one_token_counts_between_its_neighbours():
    texts = ["Year", "Rain in mm", "1999", "812", "Share"]
    assert label(texts, "Year\nRain in mm\n1999\n812") == [1, 1, 1, 1, 0]


def test_another_order_is_found():
    first, second = "alpha beta gamma delta epsilon zeta eta theta", "one two three four five six seven eight nine"
    assert label([second, first], f"{first} {second}") == [1, 1]


def test_part_of_a_block():
    assert label(["one two three four five six seven eight"], "one two three four five six") == [0.75]


@pytest.mark.parametrize(("texts", "reference"), [([], "text"), (["text"], ""), (["", "—"], "text"), ([], "")])
def test_nothing_to_align(texts, reference):
    labels, sizes = block_labels(texts, reference)
    assert labels.tolist() == [0.0] * len(texts)
    assert len(sizes) == len(texts)


def test_texts_of_blocks():
    tree = parse(b"<p>one<br>two &amp; <b>three</b></p><script>no</script><div>four</div>")
    assert [text.split() for text in block_texts(tree, blocks(tree))] == [["one", "two", "&", "three"], ["four"]]
