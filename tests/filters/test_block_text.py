import pytest

from filters import block_text
from filters.block_text import measure_text, tokens_of
from filters.html_blocks import blocks
from filters.html_tags import TEXT
from filters.html_tree import parse

NAMES = (
    "WORDS LINK_WORDS CHARS SENTENCE_ENDS COMMAS COLONS DIGITS CAPITALS CJK NON_ASCII SYMBOLS LINKS INLINE IMAGES "
    "BREAKS CONTROLS FIRST LAST BOLD_WORDS"
)


def measured(html: str) -> list[dict[str, int]]:
    tree = parse(html.encode())
    found = blocks(tree)
    counts = measure_text(tree, found.first_node, found.stop_node).counts
    names = NAMES.split()
    return [{name: int(counts[getattr(block_text, name), b]) for name in names} for b in range(counts.shape[1])]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<p>One, two: Three 45!",
            {"WORDS": 4, "CHARS": 16, "COMMAS": 1, "COLONS": 1, "SENTENCE_ENDS": 1, "DIGITS": 2},
        ),
        ("<p>One two Three", {"CAPITALS": 2, "LINK_WORDS": 0, "LINKS": 0}),
        ("<p>a <a href=x>b c</a> d <a href=y><b>e</b></a>", {"WORDS": 5, "LINK_WORDS": 3, "LINKS": 2, "BOLD_WORDS": 1}),
        ("<p><img src=x>a<br>b<br><br>", {"IMAGES": 1, "BREAKS": 1, "INLINE": 2}),
        ("<p>caf\u00e9 cr\u00e8me", {"WORDS": 2, "NON_ASCII": 2, "CHARS": 9}),
        ("<p>\u7528Python\u5199\u3002\uff0c", {"WORDS": 1, "CJK": 2, "SENTENCE_ENDS": 1, "COMMAS": 1}),
        ("<p>a&nbsp;b &amp; c &copy;", {"WORDS": 3, "CHARS": 5}),  # a reference is one character, &nbsp; is none
        ("<p>A&B a&b;", {"WORDS": 3}),  # "&b;" reads as a reference
        ("<p>home | news \u00bb \u00a9", {"SYMBOLS": 3, "WORDS": 2}),
    ],
)
def test_counts_by_hand(html, expected):
    (counts,) = measured(html)
    assert {name: counts[name] for name in expected} == expected


def test_a_link_around_blocks_counts_in_each():
    first, second = measured("<a href=x><div>one two</div><div>three</div></a>")
    assert (first["LINK_WORDS"], second["LINK_WORDS"]) == (2, 1)


def test_first_and_last_kind_of_character():
    (counts,) = measured("<p> (word.")
    assert (counts["FIRST"], counts["LAST"]) == (block_text._OTHER, block_text._END)


def test_tokens_ignore_case_and_which_digits():
    def tokens(html: str) -> list[list[int]]:
        tree = parse(html.encode())
        return [tokens_of(tree, n).tolist() for n in range(len(tree.tag)) if tree.tag[n] == TEXT]

    assert tokens("<p>News 2019") == tokens("<p>news 2024")
    assert tokens("<p>News 2019") != tokens("<p>news 24")
    first, second = tokens("<p>\u5199\u7528</p><p>\u7528</p>")
    assert (len(first), first[1]) == (2, second[0])


@pytest.mark.parametrize("tail", [b"\xe4", b"\xe4\xb8", b"\xf0\x9f", b"\xc3", b"\x80", b"&", b"&am", b"\xef\xbc"])
def test_text_cut_within_a_character(tail):
    tree = parse(b"<p>word " + tail)
    found = blocks(tree)
    assert measure_text(tree, found.first_node, found.stop_node).counts[block_text.WORDS, 0] in (1, 2)
