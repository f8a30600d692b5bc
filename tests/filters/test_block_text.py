import random
import re
from string import ascii_letters, digits

import pytest

from filters import block_text
from filters.block_text import measure_text, tokens_of
from filters.html_blocks import blocks
from filters.html_tags import TEXT, name_hash
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


def slow_tokens(text: str) -> list[int]:
    """Tokens of ASCII text, a byte at a time."""
    tokens = []
    for word in re.findall("[0-9A-Za-z]+", text):
        state = name_hash(re.sub("[0-9]", "0", word.lower()))
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):  # filters.text.hash_end
            state = (state ^ state >> 33) * factor % 2**64
        tokens.append((state ^ state >> 33) >> 64 - block_text.TOKEN_BITS)
    return tokens


@pytest.mark.parametrize("seed", range(20))
def test_words_of_any_length_equal_a_slow_twin(seed):
    chance = random.Random(seed)
    words = ["".join(chance.choices(ascii_letters + digits, k=chance.randrange(1, 30))) for _ in range(200)]
    text = "".join(word + chance.choice([" ", ", ", ".", "\n  ", "'", "@[`{/:"]) for word in words)
    tree = parse(b"<p>" + text.encode())
    found = blocks(tree)
    measures = measure_text(tree, found.first_node, found.stop_node)
    assert measures.token.tolist() == slow_tokens(text)
    assert measures.counts[block_text.WORDS].tolist() == [len(words)]
    assert measures.counts[block_text.DIGITS].tolist() == [len(re.findall("[0-9]", text))]
    assert measures.counts[block_text.CHARS].tolist() == [len(re.findall(r"\S", text))]
    assert measures.counts[block_text.CAPITALS].tolist() == [len(re.findall("(?<![0-9A-Za-z])[A-Z]", text))]


@pytest.mark.parametrize("tail", [b"\xe4", b"\xe4\xb8", b"\xf0\x9f", b"\xc3", b"\x80", b"&", b"&am", b"\xef\xbc"])
def test_text_cut_within_a_character(tail):
    tree = parse(b"<p>word " + tail)
    found = blocks(tree)
    assert measure_text(tree, found.first_node, found.stop_node).counts[block_text.WORDS, 0] in (1, 2)
