import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.extraction import tidy
from filters.html_blocks import blocks
from filters.html_text import MAX_INDENT, render, title
from filters.html_tree import parse


def text_of(page, keep=None):
    tree = parse(page if isinstance(page, bytes) else page.encode())
    page_blocks = blocks(tree)
    chosen = np.ones(len(page_blocks.gap), bool) if keep is None else np.array(keep, bool)
    assert len(chosen) == len(page_blocks.gap)
    return render(tree, page_blocks, chosen)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", ""),
        ("<p> </p>", ""),
        # Paragraphs and lines.
        ("<h1>a</h1><p>b<p>c<div>d</div><div>e</div>", "a\n\nb\n\nc\n\nd\ne"),
        ("<div>a<br>b<br/> c<br></div>d", "a\nb\nc\nd"),
        ("a<br> <br>b<br><br><br>c", "a\n\nb\n\nc"),
        ("<br><br>a", "a"),
        ("<blockquote><p>a</blockquote>b", "a\n\nb"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>e", "a\nb\nc\nd\n\ne"),
        ("a<hr>b", "a\n\nb"),
        # Spaces.
        (" a \t\r\n <b> b </b> <i>c</i>d ", "a b cd"),
        ("a&nbsp;&nbsp; \u2003b\u00a0", "a b"),
        ("a\u2028b\x0bc&#13;d", "a b c d"),
        ("<p>a</p> \u00a0 <p>b", "a\n\nb"),
        ("a<wbr>b<!-- --><x>c</x>d", "abcd"),
        # Words that only an element parts.
        ("Name<img alt=x>Value <b>c:</b><input>1", "Name Value c: 1"),
        ("a<svg><text>b</text></svg>c<textarea>d</textarea>é<iframe></iframe>f", "a c é f"),
        ("<x-par>a.</x-par><x-par>b</x-par>c<x-d></x-d>d", "a. b c d"),
        ("<x-a><b>a</b></x-a><i>b</i><x-a>!</x-a>", "a b!"),
        ("<x>a</x><y data-a>b</y>", "ab"),  # no custom elements
        ("a<svg></svg>. (<img>b) 漢<img>字&<img>c", "a. (b) 漢字&c"),
        ("a<br><img>b<table><tr><td>c<img>d<td>e</table><pre>f<img>g</pre>", "a\nb\n\nc d\te\n\nfg"),
        ("<button>a</button><select><option>b<option>c</select>", "a\nb\nc"),
        # Characters.
        ("a &lt;b&gt; &amp;amp; &copy &hearts; &#8364; &#x80; &bogus;", "a <b> &amp; © ♥ € € &bogus;"),
        ("a\x00b&#0;c\x07d\ufeffe&#xD800;f\x7fg\u200bh", "ab\ufffdcde\ufffdfg\u200bh"),
        ("\U0001d54f é 漢", "\U0001d54f é 漢"),
        ("<p>&nGt;&nGt;", "≫⃒≫⃒"),  # longer than its source
        # Lists.
        ("<ul><li>a<li>b</ul>c", "• a\n• b\n\nc"),
        ("a<ul><li>b<ul><li>c<ol><li>d</ol></ul>e</ul>", "a\n\n• b\n  • c\n    1. d\n  e"),
        ("<ol><li>a<li>b<li><p>c<p>d<li>e</ol>", "1. a\n2. b\n3. c\n\n   d\n4. e".replace("   d", "  d")),
        ("<ul><li><p>a</p><ul><li><p>b</p><li>c</ul><p>d</p><ul><li>e</ul></ul>", "• a\n  • b\n  • c\n\n  d\n\n  • e"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b"),
        ("<ol start='-3'><li>a</ol><ol start=1e9><li>b</ol><ol start><li>c</ol>", "1. a\n\n1. b\n\n1. c"),
        ("<ol start=0><li>a<li><ol start=5><li>b</ol><li>c</ol>", "0. a\n  5. b\n2. c"),
        ("<ul><li>a<br>b<li>c</ul>", "• a\n  b\n• c"),
        ("<ul><li> <li>&nbsp;<li>a</ul>", "• a"),
        ("<ul><li>\ufeff<li>a</ul>", "• a"),  # nothing to see: no empty item
        ("<li>a<li>b", "• a\n• b"),
        ("<ul><li>a<li><a>b</a> c</ul><ul><li>d</ul>", "• a\n• b c\n\n• d"),
        # Preformatted text.
        ("<pre>\nif a:\n\tb  c\n\n\n\n  d &lt; e\n</pre>f", "if a:\n\tb  c\n\n  d < e\n\nf"),
        ("<pre>  a\r\n  b</pre>", "  a\n  b"),
        ("<pre><code>a\n   \n \n   b   \n</code></pre>", "a\n\n   b"),
        ("<pre>   \n  a</pre>", "  a"),
        ("<pre>a&nbsp;&nbsp;b<br>  c</pre>", "a  b\n  c"),
        ("<pre><div>a</div><div>  b</div></pre>", "a\n  b"),
        ("<pre>&#10;a&#10;b</pre>", "a\nb"),
        ("<xmp>&lt;<b></xmp>", "&lt;<b>"),
        ("<ul><li><pre>a\n  b</pre></ul>", "• a\n  b"),
        # Tables.
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>e", "a\tb\nc\td\n\ne"),
        ("<table><tr><td><th>a<th>b<tr><th>c<td><td>d</table>", "\ta\tb\nc\t\td"),
        ("<table><tr><td>a<br>b<td><p>c</p></table>", "a b\tc"),
        ("<table><tr><td>a<tr><td>b<br>c</table>", "a\nb\nc"),
        ("<table><caption>t</caption><tr><td>a<td>b</table>", "t\na\tb"),
        ("<table><tr><td><p>a<p>b<td>c<td>d</table>", "a\n\nb\n\nc\td"),  # a means of layout
        ("<table><tr><td><ul><li>a</ul><td>b</table>", "• a\n\nb"),
        ("<table><tr><td>a<td><table><tr><td>b<td>c</table><td>d</table>", "a\n\nb\tc\n\nd"),
        ("<table><tr><td><pre>1\n2</pre><td><pre>x\n  y</pre></table>", "1\n2\n\nx\n  y"),
    ],
)  # fmt: skip
def test_by_hand(page, expected):
    assert text_of(page) == expected


@pytest.mark.parametrize(
    ("page", "keep", "expected"),
    [
        ("<p>a<div>b</div><div>c</div>", [1, 0, 1], "a\n\nc"),
        ("<div>a</div><p>b<div>c</div>", [1, 0, 1], "a\n\nc"),  # the gap that was between them
        ("<div>a</div><div>b</div><div>c</div>", [1, 0, 1], "a\nc"),
        ("<ol><li>a<li>b<li>c</ol>", [0, 1, 1], "2. b\n3. c"),
        ("<ul><li><p>a<p>b<li>c</ul>", [0, 1, 1], "• b\n• c"),
        ("<table><tr><td>a<td>b<td>c<tr><td>d</table>", [1, 0, 1, 1], "a\t\tc\nd"),
        ("<table><tr><td>a<td>b</table>", [0, 1], "b"),
        ("<p>a<p>b", [0, 0], ""),
    ],
)
def test_blocks_left_out(page, keep, expected):
    assert text_of(page, keep) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<title> a\n b &amp; c</title>", "a b & c"),
        ("<title></title>d", ""),
        ("<title> </title>", ""),
        ("<svg><title>a</title></svg><p>b", ""),
        ("<svg><title>a</title></svg><title>b</title>", "b"),
        ("<p>no title", ""),
    ],
)
def test_title(page, expected):
    assert title(parse(page.encode())) == expected


def test_indentation_is_bounded():
    text = text_of("<ul><li>a" * 100)
    assert max(len(line) - len(line.lstrip(" ")) for line in text.split("\n")) == 2 * MAX_INDENT - 2
    assert text.count("• a") == 100


def test_bytes_that_are_not_utf8():
    assert text_of(b"<p>a\xff\xe2\x82b\xed\xa0\x80") == "a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("byte", [b"\xc2", b"\xef", b"\xe1\x80"])
def test_each_byte_that_is_not_utf8_has_room_for_its_three(byte):
    spoilt = byte * (1_000_000 // len(byte))
    assert text_of(b"<p>" + spoilt) == "\ufffd" * 1_000_000
    assert title(parse(b"<title>" + spoilt + b"</title>")) == "\ufffd" * 1_000_000


@pytest.mark.parametrize(
    "unit",
    ["<tr><td>a<td>b", "<td>a", "<ol><li>a", "<ol><li>a</ol>", "<li>a", "<br>a", "&amp;", "<p>a", "<img>a", "<x-a>b"],
)
def test_a_megabyte_of_anything_takes_linear_time(unit):
    page = "<ol><table>" + unit * (1_000_000 // len(unit))
    assert len(text_of(page)) < 20_000_000


NAMES = [
    "p",
    "div",
    "b",
    "br",
    "ul",
    "ol",
    "li",
    "table",
    "td",
    "tr",
    "pre",
    "script",
    "a",
    "hr",
    "dl",
    "dd",
    "h1",
    "xmp",
    "img",
    "x-a",
]
PIECES = st.sampled_from(
    [f"<{name}>" for name in NAMES]
    + [f"</{name}>" for name in NAMES]
    + ["a", "b c", " ", "\n", "\t", "\u00a0", "&nbsp;", "&lt;", "&#10;", "\u2028", "\ufeff", "é", "&nGt;"]
)


@given(st.lists(PIECES, max_size=60), st.randoms())
def test_the_text_is_tidy_and_holds_all_that_is_kept(pieces, random):
    tree = parse("".join(pieces).encode())
    page_blocks = blocks(tree)
    keep = np.array([random.random() < 0.7 for _ in page_blocks.gap], bool)
    text = render(tree, page_blocks, keep)
    assert tidy(text) == text
    visible = re.sub(r"\d+\. |[•\s]", "", text)
    assert visible == "".join(re.sub(r"[\s\ufeff]", "", source) for source in kept_texts(tree, keep))


def kept_texts(tree, keep):
    from filters.html_tags import TAGS

    for node in np.flatnonzero(tree.block >= 0):
        if keep[tree.block[node]]:
            text = tree.source[tree.start[node] : tree.stop[node]].tobytes().decode()
            yield text if TAGS[tree.tag[tree.parent[node]]] == "xmp" else html.unescape(text)
