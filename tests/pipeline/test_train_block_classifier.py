import random

import numpy as np
import pytest

from filters.block_classifier import choose_by_model, read_model
from filters.html_blocks import blocks
from filters.html_tree import parse
from pipeline import train_block_classifier
from pipeline.block_labels import block_texts
from pipeline.extraction_gold import GoldPage
from pipeline.symmetric_trees import BoostingConfig
from pipeline.train_block_classifier import LabelledPage, fold_of, label_page, save_model, train_model

WORDS = ("bread", "water", "salt", "flour", "oven", "crust", "dough", "yeast", "warm", "slow", "night", "knife")


def made_up_page(number: int) -> GoldPage:
    """A page whose class names and sentences tell its content from its menus."""
    chance = random.Random(number)
    paragraphs = [f"{' '.join(chance.choices(WORDS, k=chance.randrange(12, 30)))}, so it is." for _ in range(6)]
    menu = "".join(f"<li><a href=x>{chance.choice(WORDS)} {chance.choice(WORDS)}</a>" for _ in range(8))
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    html = f'<ul class="menu">{menu}</ul><div class="story">{text}</div><ul class="menu">{menu}</ul>'
    name = f"https://site{number}.example/"
    return GoldPage("wcxb", name, f"site{number}.example", "article", html.encode(), "\n".join(paragraphs), (), ())


@pytest.fixture(scope="module")
def pages() -> list[LabelledPage]:
    return [label_page(page, page.text) for page in map(made_up_page, range(24))]


def test_labels_and_weights_of_a_page(pages):
    page = pages[0]
    assert page.labels.round().tolist() == [0] * 8 + [1] * 6 + [0] * 8  # a few words of a small vocabulary may stray
    assert page.weights[:8].max() < page.weights[8:14].min()  # a menu's two words cost less than a paragraph
    assert page.fold == fold_of("site0.example")


def test_a_model_learns_is_written_and_read(pages, monkeypatch, tmp_path):
    for look in ("FIRST", "SECOND"):
        monkeypatch.setattr(train_block_classifier, look, BoostingConfig(num_trees=20, learning_rate=0.3))
    model = train_model(pages)
    save_model(model, tmp_path / "model.npz")
    with (tmp_path / "model.npz").open("rb") as stream:
        read = read_model(stream)
    for part in ("words", "first", "second"):
        assert all(np.array_equal(a, b) for a, b in zip(getattr(read, part), getattr(model, part), strict=True))
    unseen = made_up_page(1000)
    tree = parse(unseen.html)
    found = blocks(tree)
    chosen = choose_by_model(tree, found, read)
    kept = [text for text, is_kept in zip(block_texts(tree, found), chosen, strict=True) if is_kept]
    assert kept == unseen.text.split("\n")


def test_the_order_of_pages_does_not_matter(pages, monkeypatch):
    for look in ("FIRST", "SECOND"):
        monkeypatch.setattr(train_block_classifier, look, BoostingConfig(num_trees=2))
    first, second = train_model(pages), train_model(pages[::-1])
    assert all(np.array_equal(a, b) for a, b in zip(first.words, second.words, strict=True))
    assert np.array_equal(first.second.leaf, second.second.leaf)
