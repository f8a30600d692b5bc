import numpy as np
import pytest
from html_outline import outline
from hypothesis import given
from hypothesis import strategies as st

from filters import html_tree
from filters.html_stack import MAX_DEPTH
from filters.html_tags import FLAGS, TAGS, TEXT, VOID, name_hash, tag_of
from filters.html_tree import PageError, parse


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        # Implied ends.
        ("<p>a<p>b", "p('a') p('b')"),
        ("<p>a<div>b</div>c", "p('a') div('b') 'c'"),
        ("<p>a<h2>b", "p('a') h2('b')"),
        ("<p>a<table><td>b", "p('a') table(tr(td('b')))"),
        ("<p><span>a<p>b", "p(span('a')) p('b')"),  # inline elements are not opened again
        ("<p><button><p>a</button>b", "p(button(p('a')) 'b')"),  # button scope
        ("<p><object><p>a</object>b", "p(object(p('a')) 'b')"),
        ("<ul><li>a<li>b<ul><li>c</ul>d<li>e</ul>f", "ul(li('a') li('b' ul(li('c')) 'd') li('e')) 'f'"),
        ("<li>a<div><li>b", "li('a' div) li('b')"),
        ("<li><section><li>b", "li(section(li('b')))"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "dl(dt('a') dd('b') dt('c') dd('d'))"),
        ("<h1>a<h2>b</h3>c", "h1('a') h2('b') 'c'"),
        ("<select><option>a<option>b<optgroup><option>c<optgroup>d</select>e",
         "select(option('a') option('b') optgroup(option('c')) optgroup('d')) 'e'"),
        ("<select><option>a<input>b", "select(option('a')) input 'b'"),
        ("<ruby>a<rt>b<rp>c<rt>d</ruby>e", "ruby('a' rt('b') rp('c') rt('d')) 'e'"),
        ("<a>x<a>y", "a('x') a('y')"),
        ("<a><div><a>y", "a(div(a('y')))"),
        ("<button>a<button>b", "button('a') button('b')"),
        ("<form>a<form>b</form>c", "form('a' 'b') 'c'"),
        # Tables.
        ("<table><tr><td>a<td>b<tr><th>c</table>d", "table(tr(td('a') td('b')) tr(th('c'))) 'd'"),
        ("<table><td>a</td><tbody><td>b<tfoot><tr><td>c",
         "table(tr(td('a')) tbody(tr(td('b'))) tfoot(tr(td('c'))))"),
        ("<table><caption>a<tr><td>b", "table(caption('a') tr(td('b')))"),
        ("<table><colgroup><col><col><tr><td>a", "table(colgroup(col col) tr(td('a')))"),
        ("<table><tr><td><div>a<td>b</div>c", "table(tr(td(div('a')) td('b' 'c')))"),
        ("<table><tr><td><table><tr><td>a</table>b<td>c",
         "table(tr(td(table(tr(td('a'))) 'b') td('c')))"),
        ("<table><tr><table><tr><td>a", "table(tr) table(tr(td('a')))"),
        ("<table><tr><td>a</table></div>b", "table(tr(td('a'))) 'b'"),
        ("<div><table><tr><td></div>a", "div(table(tr(td('a'))))"),  # a cell is a scope
        ("<table><tr><td><li>a<td><li>b", "table(tr(td(li('a')) td(li('b'))))"),
        ("<div>a<td>b</div>c", "div('a' td 'b') 'c'"),  # no table: an empty element parts the texts
        ("<table>a<tr><td>b", "table('a' tr(td('b')))"),  # stays where it is
        # End tags.
        ("<div><span>a</div>b", "div(span('a')) 'b'"),
        ("a</div></span></li>b", "'a' 'b'"),
        ("a</p>b", "'a' p 'b'"),
        ("a</br>b", "'a' br 'b'"),
        ("<div><p>a</div>b", "div(p('a')) 'b'"),
        ("<p>a</span>b", "p('a' 'b')"),
        ("<span><div></span>a", "span(div('a'))"),  # a block keeps an inline end tag out
        ("<b><p>a</b>b</p>c", "b(p('a' 'b')) 'c'"),  # ... but a formatting element ends with the block
        ("<a><div>a</a>b</div>c", "a(div('a' 'b')) 'c'"),
        ("<ul><li>a<ul></li>b", "ul(li('a' ul('b')))"),  # li ends within its own list
        ("<form><div>a</form>b</div>c", "form(div('a' 'b')) 'c'"),
        ("<template><div>a</template>b", "head(template(div('a'))) body('b')"),
        ("<x-a><x-b>a</x-a>b", "#unknown(#unknown('a')) 'b'"),
        ("<x-a>a</x-b>b", "#unknown('a' 'b')"),
        ("<div>a</body></html>b</div>c", "div('a' 'b') 'c'"),
        # Void elements.
        ("<br>a<img src=x/>b<input>c<hr/>d", "br 'a' img 'b' input 'c' hr 'd'"),
        ("<image>a", "image 'a'"),  # an old name of img
        ("<div/>a", "div('a')"),  # a slash closes nothing in HTML
        # svg and math.
        ("<svg><title>a</title><path/><g><path/></g></svg>b", "svg(title('a') #unknown #unknown(#unknown)) 'b'"),
        ("<svg><style>a<b></style></svg>c", "svg(style('a')) b('c')"),  # no raw text there, and b breaks out
        ("<svg><p>a", "svg p('a')"),
        ("<svg><image href=x /><text>a</text></svg>", "svg(image #unknown('a'))"),
        ("<svg><foreignObject><p>a</p></foreignObject></svg>b", "svg(foreignobject(p('a'))) 'b'"),
        ("<svg><![CDATA[<p>a]]></svg>b", "svg('<p>a') 'b'"),
        ("<math><mi>x</mi><annotation>y</annotation></math>", "math(#unknown('x') annotation('y'))"),
        # The head.
        ("<title>a</title>b", "head(title('a')) body('b')"),
        ("<html><head><meta><link></head> <body>a", "head(meta link) ' ' body('a')"),
        ("<head><script>a</script><p>b", "head(script('a')) body(p('b'))"),
        ("<head><noscript><link></noscript><meta></head>a", "head(noscript(link) meta) body('a')"),
        ("<head><noscript><img></noscript><meta>a", "head(noscript) body(img meta 'a')"),
        (" \n<!-- c --> a", "' \\n' body(' a')"),
        ("<noscript><p>a</noscript>b", "head(noscript) body(p('a' 'b'))"),
        ("<p><noscript><p>a</noscript>b", "p(noscript) p('a' 'b')"),
    ],
)  # fmt: skip
def test_tree_construction(html, expected):
    assert outline(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a<!-- <p>b --><p>c", "'a' p('c')"),
        ("a<!-->b", "'a' 'b'"),
        ("a<!--->b", "'a' 'b'"),
        ("a<!---->b", "'a' 'b'"),
        ("a<!--x--!>b", "'a' 'b'"),
        ("a<!--!>b-->c", "'a' 'c'"),
        ("a<!--x->y>z-->b", "'a' 'b'"),
        ("a<!-- b", "'a'"),
        ("a<!doctype html>b", "'a' 'b'"),
        ("a<?php echo 1 ?>b", "'a' 'b'"),
        ("a</ x>b", "'a' 'b'"),
        ("a</>b", "'a' 'b'"),
        ("a<![CDATA[b<p>c]]>d", "'a' 'c]]>d'"),  # a comment up to the first ">" outside of svg and math
        ("1 < 2 <3 <<p>a", "'1 < 2 <3 <' p('a')"),
        ("a<", "'a<'"),
        ("a</", "'a</'"),
        ("a<p", "'a'"),  # browsers drop an unfinished tag
        ("<P>a</P><dIV>b</Div>", "p('a') div('b')"),
        ('<p title="a>b">c', "p('c')"),
        ("<p title='a>b'>c", "p('c')"),
        ("<p title=a'b>c'd", "p(\"c'd\")"),
        ('<p title="a"b="c>d">e', "p('e')"),
        ('<p ="a>b">c', "p('b\">c')"),  # "=" at a name's place is part of the name
        ('<p / ="a>b">c', "p('b\">c')"),
        ('<p a = "b>c" >d', "p('d')"),
        ('<p a=>b', "p('b')"),
        ('<p a="b>c<p>d', "p('c') p('d')"),  # the quote never closes
        ('<p a="b>c<p e=\'f>g', "p('c') p('g')"),
        ("<script>if (a<b) '<p>'</script>c", "head(script(\"if (a<b) '<p>'\")) body('c')"),
        ("<script><!-- <script>a</script> --></script>b", "head(script('<!-- <script>a</script> -->')) body('b')"),
        ("<script><!-- a</script>b", "head(script('<!-- a')) body('b')"),
        ("<script><!--> <script>a</script>b", "head(script('<!--> <script>a')) body('b')"),
        ("<script>a</scripty></SCRIPT >b", "head(script('a</scripty>')) body('b')"),
        ("<script>a", "head(script('a'))"),
        ("<p><textarea><p>a</textarea>b", "p(textarea('<p>a') 'b')"),
        ("<title>a<b>c</title>d", "head(title('a<b>c')) body('d')"),
        ("<title>a<p>b", "head(title('a')) body(p('b'))"),  # not closed: the page goes on
        ("<p><xmp>a<b></xmp>c", "p xmp('a<b>') 'c'"),
        ("<plaintext>a</plaintext>b", "plaintext('a</plaintext>b')"),
        ("<iframe>a<p></iframe>b", "iframe('a<p>') 'b'"),
    ],
)  # fmt: skip
def test_tokenization(html, expected):
    assert outline(html) == expected


def attributes(html):
    tree = parse(html)
    return [tree.source[tree.start[i] : tree.stop[i]].tobytes() for i in range(len(tree.tag)) if tree.tag[i] != TEXT]


def test_attributes_are_those_of_the_first_html_and_body():
    assert attributes(b"<p>a<html x><body y><body z>") == [b" x", b" y", b""]
    assert attributes(b"<html a><head b><body c><p d='>'>") == [b" a", b" b", b" c", b" d='>'"]


def test_byte_order_mark_is_no_text():
    assert outline(b"\xef\xbb\xbf<p>a") == "p('a')"


def test_nesting_beyond_the_bound_becomes_siblings():
    tree = parse(b"<div>" * 2000 + b"a" + b"</div>" * 2000 + b"b")
    assert len(tree.tag) == 2000 + 4  # html, body, two texts
    assert tree.depth.max() == MAX_DEPTH
    assert tree.depth[-1] == 2  # the first div is closed
    check_invariants(tree)


def test_limits_are_named(monkeypatch):
    monkeypatch.setattr(html_tree, "MAX_BYTES", 10)
    with pytest.raises(PageError, match="at most 10 bytes; got 11"):
        parse(b"<p>" + b"a" * 8)
    parse(b"<p>" + b"a" * 7)


@pytest.mark.slow
def test_number_of_nodes_is_bounded():
    with pytest.raises(PageError, match=str(html_tree.MAX_NODES)):
        parse(b"<p>" * (html_tree.MAX_NODES + 1))


@pytest.mark.parametrize(
    "unit",
    ["<p>", "<b>", "<a>", "</x>", "<x><y></x>", '<a b="', "<a b='", "<!--", "<title>", "<script><!--<script>", "<svg>",
     "<svg><p>", "<td>", "<table>", "<table><td>", "<li><ul>", "<form>", "</form>", "<![CDATA[", "<select>", "&amp",
     "<", "</", "<textarea>", "<plaintext>", "=\"", "<b><p></b>", "<ol><li>a"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_linear_time(unit):
    """Work that grew with the square of the page would take hours here."""
    check_invariants(parse((unit * (1_000_000 // len(unit))).encode()))


def check_invariants(tree):
    n = len(tree.tag)
    nodes = np.arange(n)
    assert n
    assert tree.parent[0] == -1
    assert (tree.parent[1:] < nodes[1:]).all()
    assert (tree.parent[1:] >= 0).all()
    assert (tree.last > nodes).all()
    assert (tree.last[1:] <= tree.last[tree.parent[1:]]).all()
    assert (tree.depth[1:] == tree.depth[tree.parent[1:]] + 1).all()
    # Subtrees are contiguous: a node's parent is its predecessor or an ancestor of it that is still open.
    assert (tree.last[tree.parent[1:]] > nodes[1:]).all()
    assert ((tree.tag != TEXT) | (tree.last == nodes + 1)).all()
    assert (tree.tag[tree.parent[1:]] != TEXT).all()
    if not {tag_of("svg"), tag_of("math")} & set(tree.tag):  # where HTML's void elements are none
        assert not (FLAGS[tree.tag[tree.parent[1:]]] & VOID).any()
    assert (tree.start >= 0).all()
    assert (tree.start <= tree.stop).all()
    assert (tree.stop <= len(tree.source)).all()
    texts = nodes[tree.tag == TEXT]
    assert (tree.start[texts] < tree.stop[texts]).all()
    assert (tree.start[texts][1:] >= tree.stop[texts][:-1]).all()  # in order, none twice
    assert (tree.block == -1).all()


PIECES = st.sampled_from(
    [f"<{name}>" for name in TAGS[2:]]
    + [f"</{name}>" for name in TAGS[2:]]
    + ["a", " ", "<x-y>", "</x-y>", "<!--", "-->", "<p class='", '<a b="', '"', "'", "=", ">", "<", "/", "<!", "<?"]
    + ["&", "<![CDATA[", "]]>", "é"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60))
def test_any_order_of_tags_gives_a_tree(pieces):
    check_invariants(parse("".join(pieces).encode()))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_tree(data):
    check_invariants(parse(data))


@given(st.text(alphabet=st.characters(exclude_characters="<", exclude_categories=["Cs"]), min_size=1))
def test_text_without_markup_is_one_node(text):
    tree = parse(("<p>" + text).encode())
    assert [tree.source[tree.start[i] : tree.stop[i]].tobytes().decode() for i in np.flatnonzero(tree.tag == TEXT)] == [
        text
    ]


def test_every_byte_that_is_no_markup_is_in_one_text():
    """Of a page whose markup is tags alone, texts and tags put together are the page."""
    html = "<p>a<b>b</b> c<ul><li>d<li>e &amp; f</ul><script>x < y</script>g"
    tree = parse(html.encode())
    covered = np.zeros(len(html), int)
    for node in np.flatnonzero(tree.tag == TEXT):
        covered[tree.start[node] : tree.stop[node]] += 1
    assert "".join(c for c, k in zip(html, covered, strict=True) if k) == "ab cde &amp; fx < yg"
    assert covered.max() == 1


def test_hashes_of_names_differ():
    assert len({name_hash(name) for name in TAGS}) == len(TAGS)
    assert TAGS[tag_of("blockquote")] == "blockquote"
