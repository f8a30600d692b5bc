"""The features against slow and obvious ones, on a page written for it and on pages of any shape."""

import random

import numpy as np
import pytest

from filters.block_codes import log_code, ratio_code, signed_code
from filters.block_elements import FOOTER, HIDDEN, LIST, MAIN, NAV, read_elements
from filters.block_features import WordWeights, block_features
from filters.block_names import NAMES, PAGE_KINDS
from filters.block_second import SECOND_NAMES, second_features
from filters.block_surroundings import around_blocks
from filters.block_text import measure_text
from filters.html_blocks import blocks
from filters.html_tags import TAGS
from filters.html_tree import parse

SHAPES = (8192, 8192, 8192, (len(PAGE_KINDS), 16384))
WEIGHTS = WordWeights(
    *(np.random.default_rng(i).integers(-127, 128, shape).astype(np.int8) for i, shape in enumerate(SHAPES))
)


def features_of(html: str):
    tree = parse(html.encode())
    found = blocks(tree)
    return tree, found, block_features(tree, found, WEIGHTS)


def rows_of(html: str) -> dict[str, list[int]]:
    matrix = features_of(html)[2].matrix
    return dict(zip(NAMES, matrix.tolist(), strict=True))


def test_codes():
    assert [log_code(n) for n in (-1, 0, 1, 7, 8, 9, 10, 16, 20, 114_687, 114_688, 10**9)] == [
        0, 0, 1, 7, 8, 8, 9, 12, 13, 62, 63, 63,
    ]  # fmt: skip
    assert [log_code(n) for n in range(2000)] == sorted(log_code(n) for n in range(2000))
    assert [ratio_code(*pair) for pair in ((0, 0), (0, 5), (1, 2), (5, 5), (9, 5), (-1, 5))] == [0, 0, 31, 63, 63, 0]
    assert [signed_code(value, 4) for value in (-1000, -4, -1, 0, 4, 1000)] == [0, 31, 31, 32, 33, 63]


PAGE = """<html><head><title>Bread at home</title></head><body>
<nav><ul><li><a href=1>Recipes</a><li><a href=2>About</a></ul></nav>
<main><h1>Bread at home</h1><p>Mix flour, water and salt, and wait for a whole day. Then bake it.</p>
<div class="post"><p>First.</p></div><div class="post"><p>Second.</p></div><div class="post"><p>Third.</p></div></main>
<footer style="display: none">About</footer></body></html>"""


def test_features_by_hand():
    rows = rows_of(PAGE)  # blocks: Recipes, About, h1, p, First, Second, Third, About
    assert rows["size"] == [1, 1, 3, log_code(14), 1, 1, 1, 1]
    assert rows["link_ratio"] == [63, 63, 0, 0, 0, 0, 0, 0]
    assert rows["heading_level"] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert rows["in_title"] == [0, 0, 63, 0, 0, 0, 0, 0]
    assert rows["repeats"] == [1, 2, 1, 1, 1, 1, 1, 2]
    assert rows["h1_side"] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert rows["is_p"] == [0, 0, 0, 1, 1, 1, 1, 0]
    assert rows["kind_count"] == [2, 2, 1, 1, 3, 3, 3, 1]
    assert rows["count_near_group"] == [0, 0, 0, 0, 3, 3, 3, 0]
    assert rows["side_main0"] == [0, 0, 0, 1, 2, 2, 2, 2]  # the only paragraph of running text
    assert rows["blocks_up1"] == [2, 2, 5, 5, 5, 5, 5, 8]
    assert rows["size+1"] == [*rows["size"][1:], 0]
    assert rows["size-2"] == [0, 0, *rows["size"][:-2]]
    for flag, blocks_inside in ((NAV, {0, 1}), (LIST, {0, 1}), (MAIN, {2, 3, 4, 5, 6}), (FOOTER, {7}), (HIDDEN, {7})):
        assert {b for b, is_in in enumerate(rows[f"in_flag_{flag.bit_length() - 1}"]) if is_in} == blocks_inside


@pytest.mark.parametrize(
    ("attributes", "is_hidden"),
    [
        ("hidden", True), ('aria-hidden="TRUE"', True), ("aria-hidden=false", False), ('style="DISPLAY : none"', True),
        ("style='color:red;visibility:hidden'", True), ("style=list-style:none", False),
        ("style=display:nonsense", False), ("style=disp", False), ("data-hidden=1", False),
    ],
)  # fmt: skip
def test_what_hides_an_element(attributes, is_hidden):
    tree = parse(f"<div {attributes}>text</div>".encode())
    around = around_blocks(tree, blocks(tree))
    elements = read_elements(around)
    div = around.tag.tolist().index(TAGS.index("div"))
    assert bool(elements.flags[div] & HIDDEN) == is_hidden


def random_page(seed: int) -> str:
    chance = random.Random(seed)
    tags = [
        "div",
        "p",
        "ul",
        "li",
        "section",
        "article",
        "h2",
        "a",
        "b",
        "span",
        "table",
        "tr",
        "td",
        "nav",
        "br",
        "img",
    ]
    words = ["bread", "water,", "the", "wait.", "2019", "用写", "caf\u00e9", "&amp;", "|", "now!"]
    parts = ["<title>bread water</title>"]
    for _ in range(chance.randrange(300)):
        kind = chance.random()
        if kind < 0.3:
            parts.append(f'<{chance.choice(tags)} class="{chance.choice(["post", "menu main", "x9", ""])}">')
        elif kind < 0.55:
            parts.append(f"</{chance.choice(tags)}>")
        else:
            parts.append(" ".join(chance.choices(words, k=chance.randrange(1, 30))))
    return "".join(parts)


def weight_sum(elements, element: int, table: np.ndarray) -> int:
    words = elements.word[elements.word_start[element] : elements.word_start[element + 1]]
    return sum(int(table[word]) for word in words)


def ancestors(tree, node: int) -> list[int]:
    """The node and all around it, innermost first."""
    found = []
    while node >= 0:
        found.append(node)
        node = int(tree.parent[node])
    return found


@pytest.mark.parametrize("seed", range(25))
def test_context_equals_a_slow_twin(seed):
    tree, found, features = features_of(random_page(seed))
    rows = dict(zip(NAMES, features.matrix, strict=True))
    around = features.around
    elements = read_elements(around)
    text = measure_text(tree, found.first_node, found.stop_node)
    num_tokens = np.diff(text.token_start)
    inside = {n: [b for b, c in enumerate(found.container) if n <= c < tree.last[n]] for n in range(len(tree.tag))}
    for b, container in enumerate(found.container):
        chain = ancestors(tree, int(container))
        own_chain = ancestors(around, int(around.container[b]))
        assert around.tag[own_chain].tolist() == tree.tag[chain].tolist()
        path = [weight_sum(elements, element, WEIGHTS.path) for element in own_chain]
        assert rows["path_sum"][b] == signed_code(sum(path), 8)
        assert rows["path_low"][b] == signed_code(min(path), 4)
        assert rows["own_weight"][b] == signed_code(weight_sum(elements, own_chain[0], WEIGHTS.own), 4)
        levels = [n for i, n in enumerate(chain) if i == 0 or len(inside[n]) > len(inside[chain[i - 1]])]
        for level, node in enumerate(levels[:5]):
            assert rows[f"blocks_up{level}"][b] == log_code(len(inside[node]))
            assert rows[f"size_up{level}"][b] == log_code(int(features.context.size[inside[node]].sum()))
        total = sum(int(WEIGHTS.token[t]) for t in text.token[text.token_start[b] : text.token_start[b + 1]])
        assert rows["token_mean"][b] == signed_code(total, 4 * max(1, int(num_tokens[b])))
        near = range(max(0, b - 5), min(len(num_tokens), b + 6))
        assert rows["size_within5"][b] == log_code(int(features.context.size[near].sum()))
    seen = sorted({int(word) for word in elements.word} | {8192 + int(token) for token in text.token})
    for kind, weight in zip(PAGE_KINDS, WEIGHTS.page, strict=True):
        assert set(rows[f"page_is_{kind}"].tolist()) <= {signed_code(int(weight[seen].astype(int).sum()), 32)}
    assert features.matrix.max(initial=0) <= 63


@pytest.mark.parametrize("seed", range(10))
def test_the_elements_around_blocks_are_those_of_the_tree(seed):
    tree, found, features = features_of(random_page(seed))
    around = features.around
    nodes = sorted({node for container in found.container for node in ancestors(tree, int(container))})
    number = {node: element for element, node in enumerate(nodes)}
    assert around.tag.tolist() == tree.tag[nodes].tolist()
    assert around.depth.tolist() == tree.depth[nodes].tolist()
    assert around.parent.tolist() == [number.get(int(tree.parent[node]), -1) for node in nodes]
    assert around.last.tolist() == [sum(n < tree.last[node] for n in nodes) for node in nodes]
    assert around.first_block.tolist() == [int((found.first_node < node).sum()) for node in nodes]
    assert around.container.tolist() == [number[int(container)] for container in found.container]


@pytest.mark.parametrize("seed", range(10))
def test_second_look_equals_a_slow_twin(seed):
    tree, found, features = features_of(random_page(seed))
    num_blocks = len(found.container)
    p = np.random.default_rng(seed).integers(0, 65536, num_blocks)
    rows = dict(zip(SECOND_NAMES, second_features(features, p), strict=False))
    size = np.maximum(features.context.size, 1)

    def mean(members: list[int]) -> int:
        return int((p * size)[members].sum() // size[members].sum()) >> 10

    for b in range(num_blocks):
        assert rows["p"][b] == p[b] >> 10
        assert rows["p+2"][b] == (p[b + 2] >> 10 if b + 2 < num_blocks else 0)
        assert rows["p_within5"][b] == mean(list(range(max(0, b - 5), min(num_blocks, b + 6))))
        assert rows["p_kind"][b] == mean([c for c in range(num_blocks) if features.kind[c] == features.kind[b]])
        assert rows["p_page"][b] == mean(list(range(num_blocks)))
        node = found.container[b]
        assert rows["p_up0"][b] == mean([c for c, n in enumerate(found.container) if node <= n < tree.last[node]])
        likely = [c for c in range(b) if p[c] >= 32768]
        assert rows["distance_before"][b] == (log_code(b - likely[-1]) if likely else 63)
