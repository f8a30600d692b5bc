import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.html_blocks import LINE, PARAGRAPH, blocks, is_blank
from filters.html_tags import BLOCK, FLAGS, SKIPPED, TAGS, TEXT
from filters.html_tree import parse


def found(html):
    """Each block as (name of its container, its text with markup left out)."""
    tree = parse(html.encode())
    page_blocks = blocks(tree)
    texts = ["" for _ in page_blocks.container]
    for node in np.flatnonzero(tree.block >= 0):
        texts[tree.block[node]] += tree.source[tree.start[node] : tree.stop[node]].tobytes().decode()
    return [(TAGS[tree.tag[node]], text) for node, text in zip(page_blocks.container, texts, strict=True)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", []),
        ("a", [("body", "a")]),
        ("<p>a <b>b</b> <a>c</a></p> <p> </p>d", [("p", "a b c"), ("body", "d")]),
        ("<div>a<p>b</p>c</div>", [("div", "a"), ("p", "b"), ("div", "c")]),
        ("<a>a<div>b</div>c</a>", [("body", "a"), ("div", "b"), ("body", "c")]),
        ("a<br>b<br> <br>c<br><br><br>d", [("body", "ab "), ("body", "c"), ("body", "d")]),
        ("<pre>a<br><br>b</pre>", [("pre", "ab")]),
        ("a<hr>b", [("body", "a"), ("body", "b")]),
        ("a<script>b</script>c<!-- d -->e", [("body", "ace")]),
        ("a<svg><text>b</text></svg><video>c</video><noscript>d</noscript>", [("body", "ad")]),
        ("<head><title>a</title></head><textarea>b</textarea>", []),
        ("<ul><li>a<li><b>b</b></ul>", [("li", "a"), ("li", "b")]),
        ("<table><tr><td>a<td>b</table>", [("td", "a"), ("td", "b")]),
        ("<select><option>a<option>b</select>", [("option", "a"), ("option", "b")]),
        ("<button>a</button><button>b</button>", [("button", "a"), ("button", "b")]),
        ("<p>&nbsp;</p>\u00a0<p>&#160; </p>", []),
        ("<p>&nbsp;a</p>", [("p", "&nbsp;a")]),
        ("<template><p>a</template><p>b", [("p", "b")]),
        ("<p><ruby>子<rp>(</rp><rt>こ</rt><rp>)</rp></ruby>ども", [("p", "子ども")]),
        ("<p><ruby>東<rt>とう<rb>京<rt>きょう</ruby>へ<p>行く", [("p", "東京へ"), ("p", "行く")]),  # implied ends
        ("<p><ruby>漢<rtc>a<rt>かん</rtc></ruby>字<p><ruby>字<rt>じ<p>文", [("p", "漢字"), ("p", "字"), ("p", "文")]),
        # KaTeX: the formula as MathML, and once more for the eye; other hidden elements stay.
        (
            "a<span><span><math>x<annotation>y</annotation></math></span><span ARIA-HIDDEN=True>x</span></span>c",
            [("body", "axc")],
        ),
        ("<span><math>x</math></span><span aria-hidden=false>y</span>", [("body", "xy")]),
        ("<span><math>x</math></span> <span aria-hidden=true>y</span>", [("body", "x y")]),
        ("<b><span><math>x</math></span></b><span aria-hidden=true>y</span>", [("body", "xy")]),
        ("<span>x</span><span aria-hidden=true>y</span>", [("body", "xy")]),
        ("<pre>a<p>b</pre><br>c<br><br>d", [("pre", "a"), ("p", "b"), ("body", "c"), ("body", "d")]),
    ],
)
def test_blocks_end_where_block_level_elements_do(html, expected):
    assert found(html) == expected


def test_range_and_gap():
    tree = parse(b"<div><img>a<b>b</b> <i></i></div><div>c</div><p>d</p>e")
    page_blocks = blocks(tree)
    names = [TAGS[tag] for tag in tree.tag]
    first = page_blocks.first_node[0]
    assert names[first : page_blocks.stop_node[0]] == ["img", "#text", "b", "#text"]  # the blank comes after its text
    assert page_blocks.gap.tolist() == [PARAGRAPH, LINE, PARAGRAPH, PARAGRAPH]
    lists = blocks(parse(b"<p>a</p><ul><li>b<ul><li>c</ul><li>d</ul>e"))
    assert lists.gap.tolist() == [PARAGRAPH, PARAGRAPH, LINE, LINE, PARAGRAPH]  # a list in a list makes no paragraph


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), (" \t\r\n\f", True), ("\u00a0 &nbsp;&#160;", True), ("&nbsp", False), ("&nbsp;x", False), ("Â", False),
     ("&amp;", False), ("\v", False), ("&", False)],
)  # fmt: skip
def test_blank_texts(text, expected):
    source = np.frombuffer(text.encode() or b"", np.uint8)
    assert is_blank(source, 0, len(source)) == expected


NAMES = ("p", "div", "b", "br", "ul", "li", "table", "td", "tr", "pre", "script", "a", "svg", "hr", "head", "select")
PIECES = st.sampled_from([*(f"<{n}>" for n in NAMES), *(f"</{n}>" for n in NAMES), "a", " ", "&nbsp;"])


@given(st.lists(PIECES, max_size=50))
def test_agrees_with_a_walk_over_the_tree(pieces):
    """The slow twin cuts the nodes' order at the edges of block-level elements, then drops runs without text."""
    tree = parse("".join(pieces).encode())
    page_blocks = blocks(tree)
    runs = [[]]
    walk(tree, 0, runs)
    runs = [run for run in runs if any(not blank(tree, node) for node in run)]
    assert len(page_blocks.container) == len(runs)
    for block, run in enumerate(runs):
        visible = [node for node in run if not blank(tree, node)]
        assert page_blocks.stop_node[block] == visible[-1] + 1
        assert set(visible) <= set(np.flatnonzero(tree.block == block)) <= set(run)
        assert page_blocks.first_node[block] <= visible[0]
        assert page_blocks.container[block] == container(tree, visible[0])
    assert (tree.block < len(runs)).all()
    assert (np.diff(tree.block[tree.block >= 0]) >= 0).all()


def walk(tree, node, runs):
    flags = FLAGS[tree.tag[node]]
    if flags & SKIPPED:
        return
    if flags & BLOCK:
        runs.append([])
    if tree.tag[node] == TEXT:
        runs[-1].append(node)
    if TAGS[tree.tag[node]] == "br" and second_break(tree, node) and not in_pre(tree, node):
        runs.append([])
    child = node + 1
    while child < tree.last[node]:
        walk(tree, child, runs)
        child = tree.last[child]
    if flags & BLOCK:
        runs.append([])


def second_break(tree, node):
    """Whether a br comes before, with no visible text and no start of a block between."""
    for before in range(node - 1, 0, -1):
        flags = FLAGS[tree.tag[before]]
        if in_skipped(tree, before):
            continue
        if TAGS[tree.tag[before]] == "br":
            return True
        if flags & BLOCK or (tree.tag[before] == TEXT and not blank(tree, before)):
            return False
    return False


def ancestors(tree, node):
    while node >= 0:
        yield node
        node = tree.parent[node]


def in_skipped(tree, node):
    return any(FLAGS[tree.tag[i]] & SKIPPED for i in ancestors(tree, node))


def in_pre(tree, node):
    return any(TAGS[tree.tag[i]] == "pre" for i in ancestors(tree, node))


def container(tree, node):
    return next(i for i in ancestors(tree, node) if FLAGS[tree.tag[i]] & BLOCK)


def blank(tree, node):
    return not tree.source[tree.start[node] : tree.stop[node]].tobytes().replace(b"&nbsp;", b"").strip()
