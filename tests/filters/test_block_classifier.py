import hashlib
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from filters.block_classifier import MAX_BLOCKS, best_choice, choose_blocks, load_model, make_p_table, to_probabilities
from filters.block_names import PAGE_KINDS
from filters.html_blocks import blocks
from filters.html_text import render
from filters.html_tree import PageError, parse

PARAGRAPHS = [
    "The river rose over night, and by the morning, when the first people came out, the lower streets were flooded.",
    "Nobody was hurt, the mayor said on Tuesday, but the old bridge will stay closed until engineers have seen it.",
    "It is the third time in ten years that water reached the market place; a wall was planned, but never built.",
    "Volunteers carried sand, furniture and, in one case, a piano up the hill, where the school had opened its doors.",
]
PAGE = f"""<html><head><title>Flood closes old bridge - The Daily Example</title></head><body>
<header><nav class="menu"><ul><li><a href=/>Home</a><li><a href=/sport>Sport</a><li><a href=/more>More topics</a></ul>
</nav></header><div class="cookie-banner">We use cookies. <button>Accept all</button></div>
<article class="post"><h1>Flood closes old bridge</h1><div class="entry-content">
{"".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)}</div>
<div class="share"><a href=a>Share on Facebook</a> <a href=b>Tweet</a></div></article>
<aside class="related"><h3>Related articles</h3><ul><li><a href=1>Ten years after the storm</a>
<li><a href=2>Why walls fail</a></ul></aside>
<footer><p>Copyright 2020 The Daily Example.
<a href=/imprint>Imprint</a> <a href=/privacy>Privacy policy</a></p></footer>
</body></html>"""


def main_text(html: str) -> str:
    tree = parse(html.encode())
    found = blocks(tree)
    return render(tree, found, choose_blocks(tree, found))


def test_an_article_is_kept_and_what_is_around_it_is_not():
    text = main_text(PAGE)
    for paragraph in PARAGRAPHS:
        assert paragraph in text
    for stranger in ("Sport", "cookies", "Facebook", "Why walls fail", "Imprint"):
        assert stranger not in text


@pytest.mark.parametrize("html", ["", "<html></html>", "<script>text</script>", "<p></p>"])
def test_a_page_without_text_has_no_blocks(html):
    tree = parse(html.encode())
    assert choose_blocks(tree, blocks(tree)).tolist() == []


def test_a_page_with_text_has_content():
    assert main_text("<a href=x>word</a>") == "word"


def test_the_number_of_blocks_is_bounded():
    tree = parse(b"<p>word" * (MAX_BLOCKS + 1))
    with pytest.raises(PageError, match=str(MAX_BLOCKS + 1)):
        choose_blocks(tree, blocks(tree))


@pytest.mark.parametrize("seed", range(20))
def test_bytes_of_any_kind(seed):
    random = np.random.default_rng(seed)
    alphabet = np.frombuffer(b'<>/="& pdivaliul;#!-\xe4\xb8\x80\xf0\x00', np.uint8)
    tree = parse(random.choice(alphabet, 3000).tobytes())
    found = blocks(tree)
    assert choose_blocks(tree, found).shape == found.first_node.shape


def expected_f1(p: np.ndarray, size: np.ndarray, chosen: np.ndarray) -> float:
    hits = (p * size)[chosen].sum() / 65536
    return 2 * hits / (size[chosen].sum() + (p * size).sum() / 65536)


def test_the_choice_is_the_best_of_all_sets():
    random = np.random.default_rng(4)
    for _ in range(30):
        p = random.integers(0, 256, 7) * 256  # each a rank of its own, so that no two are tied together
        size = random.integers(1, 90, 7).astype(np.int32)
        sets = [list(s) for count in range(1, 8) for s in combinations(range(7), count)]
        best = max(expected_f1(p, size, np.isin(np.arange(7), s)) for s in sets)
        assert expected_f1(p, size, best_choice(p.astype(np.int64), size)) == pytest.approx(best)


def test_the_table_of_probabilities():
    scores = np.array([-(2**31), -40_000, -4096, 0, 4096, 40_000, 2**31 - 1], np.int64).astype(np.int32)
    p = to_probabilities(scores, make_p_table()) / 65535
    assert p[[0, -1]].tolist() == [pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-4)]
    assert p[1:-1] == pytest.approx(1 / (1 + np.exp(-scores[1:-1] / 4096)), abs=2e-3)


def test_the_model_is_what_the_code_expects():
    model = load_model()
    assert [table.shape for table in model.words] == [(8192,), (8192,), (8192,), (len(PAGE_KINDS), 16384)]
    assert (model.p_table == make_p_table()).all()
    assert model.first.leaf.dtype == model.second.leaf.dtype == np.int16


def test_the_same_text_in_any_order_and_process():
    digest = hashlib.sha256(main_text(PAGE).encode()).hexdigest()
    main_text("<p>another page in between, with words and commas</p>")
    assert hashlib.sha256(main_text(PAGE).encode()).hexdigest() == digest
    code = (
        "import sys, hashlib; from filters.html_blocks import blocks; from filters.html_text import render;"
        "from filters.html_tree import parse; from filters.block_classifier import choose_blocks;"
        "tree = parse(sys.stdin.buffer.read()); found = blocks(tree);"
        "print(hashlib.sha256(render(tree, found, choose_blocks(tree, found)).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], input=PAGE.encode(), capture_output=True, check=True)
    assert run.stdout.decode().strip() == digest
