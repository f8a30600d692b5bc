import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from real_texts import real_texts

from filters.bounds import Bound, decide
from filters.c4 import C4_BOUNDS, C4_EDITS_TYPE, c4_signals
from filters.text import scan

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
MARKER = re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
TRICKY = [
    "\n", " ", " ", "\u3000", "\u00a0", ".", ".", "...", "…", "!", "?", '"', "'", ")", "]", "[", "”", "\u2019", "»",
    "[1]", "[]", "[edit]", "[Edit]", "[citation needed]", "[citation", "{", "}", "a b c d e.", "a b c d e", "a b c d",
    "JavaScript", "javascrip", "Terms of Use", "terms  of use", "uses cookies", "use of\u00a0cookies", "privacy policy",
    "LOREM ipsum", "lorem", " ipsum", "k", "m", "v", "x" * 1000, "É" * 1001, "中", "é", "😀", "\u212a", "\r", "\x1c",
]  # fmt: skip
ANY_TEXT = st.lists(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


def kind_of(line: str, terminal_marks: bool) -> str | None:
    """For what a line goes, straight from the rules; None when it stays."""
    bare = MARKER.sub("", line).strip(WHITE)
    is_terminal = bare.endswith((".", "!", "?", '"', "”")) and not bare.endswith("...")
    lower = line.translate(ASCII_LOWER)
    if not line.strip(WHITE):
        return "c4_blank_line"
    if any(len(word) > 1000 for word in words_of(line)):
        return "c4_long_word"
    if terminal_marks and not is_terminal:
        return "c4_no_terminal_mark"
    if len(words_of(bare)) < 5:
        return "c4_few_words"
    if "javascript" in lower:
        return "c4_javascript"
    return "c4_policy" if any(policy in lower for policy in POLICIES) else None


def words_of(line: str) -> list[str]:
    return [word for word in re.split(f"[{WHITE}]", line) if word]


def num_sentences(line: str) -> int:
    bare = [word.rstrip("\"')]}”\u2019»") for word in words_of(MARKER.sub("", line))]
    return 1 + sum(word.endswith((".", "!", "?")) and not word.endswith("...") for word in bare[:-1])


def twin(text: str | None, terminal_marks: bool = True) -> dict[str, Any]:
    """The definitions, one by one; the edits but for which of two newlines goes."""
    if text is None:
        return dict.fromkeys(["num_retained_sentences", "num_curly_brackets", "num_lorem_ipsum", "kinds", "edited"])
    kinds, kept, sentences = [], [], 0
    lines = text.split("\n")
    for line in lines if lines[-1] else lines[:-1]:
        kind = kind_of(line, terminal_marks)
        if kind is None:
            sentences += num_sentences(line)
            kept.append(MARKER.sub("", line))
            kinds += ["c4_citation"] * len(MARKER.findall(line))
        else:
            kinds.append(kind)
    return {
        "num_retained_sentences": sentences,
        "num_curly_brackets": text.count("{"),
        "num_lorem_ipsum": text.translate(ASCII_LOWER).count("lorem ipsum"),
        "kinds": kinds,
        "edited": "\n".join(kept) + ("\n" if kept and text.endswith("\n") else ""),
    }


def measured(texts: list[str | None], terminal_marks: bool = True) -> list[dict[str, Any]]:
    """The signals, with the edits as their kinds and the text that they leave."""
    rows = c4_signals(scan(pa.array(texts, pa.string())), terminal_marks).to_pylist()
    for row, text in zip(rows, texts, strict=True):
        edits = row.pop("c4_edits")
        row["kinds"] = None if edits is None else [edit["kind"] for edit in edits]
        row["edited"] = None if edits is None else edited((text or "").encode(), edits)
    return rows


def edited(text: bytes, edits: list[dict[str, Any]]) -> str:
    position, kept = 0, b""
    for edit in edits:
        assert position <= edit["start"] < edit["stop"] <= len(text)
        kept += text[position : edit["start"]]
        position = edit["stop"]
    return (kept + text[position:]).decode()


PAGE = """Home | About | Terms of use

The cat [1] sat on Mr. Smith's mat.[2][edit] "Why?" (nobody knew!) Then it ate...
It ran away from the dog.[citation needed]
Please enable JavaScript to see this page.
This site uses cookies, by our PRIVACY POLICY.
He said “let us go home”
 It went on and on ... till { it stopped [3].

end of page"""


def test_worked_example() -> None:
    # Line 1 ends in no mark, 3 neither: "ate..." is an ellipsis. Lines 2 and 9 are blank.
    # Line 4: "It ran away from the dog." without its marker: 1 sentence.
    # Line 5 and 6 hold a phrase, whatever else they are.
    # Line 7 ends in an end quotation mark: 1 sentence.
    # Line 8: the "..." in the middle ends no sentence: 1. Its "{" counts for the page.
    row = c4_signals(scan(pa.array([PAGE]))).to_pylist()[0]
    assert (row["num_retained_sentences"], row["num_curly_brackets"], row["num_lorem_ipsum"]) == (3, 1, 0)
    got = [(edit["kind"], PAGE.encode()[edit["start"] : edit["stop"]].decode()) for edit in row["c4_edits"]]
    lines = PAGE.split("\n")
    assert got == [
        ("c4_no_terminal_mark", lines[0] + "\n"),
        ("c4_blank_line", "\n"),
        ("c4_no_terminal_mark", lines[2] + "\n"),
        ("c4_citation", "[citation needed]"),
        ("c4_javascript", lines[4] + "\n"),
        ("c4_policy", lines[5] + "\n"),
        ("c4_citation", "[3]"),
        ("c4_blank_line", "\n"),  # behind the last line that stays: with the newline before, not its own
        ("c4_no_terminal_mark", "\nend of page"),
    ]
    assert measured([PAGE])[0]["edited"] == (
        "It ran away from the dog.\nHe said “let us go home”\n It went on and on ... till { it stopped ."
    )


def test_columns_and_types() -> None:
    schema = c4_signals(scan(pa.array(["a"]))).schema
    assert schema.names == [*(bound.name for bound in C4_BOUNDS), "c4_edits"]
    assert [field.type for field in schema] == [pa.int64()] * 3 + [C4_EDITS_TYPE]


def test_empty_documents_have_counts_and_no_edits_null_ones_nothing() -> None:
    assert measured(["", None, "\n \n\u3000"]) == [twin(""), twin(None), twin("\n \n\u3000")]
    assert c4_signals(scan(pa.array([], pa.string()))).num_rows == 0


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("one two three four five.", None),
        ("one two three four.", "c4_few_words"),
        ("one two three four [1].", None),  # "." is a word
        ("one two three four[1] five.", None),
        ("one two three four [citation needed].", None),
        ("one two three four[citation needed].", "c4_few_words"),
        ("one two three four five! [12] ", None),  # the code: the line ends in the white space before the marker
        ("one two three four five?", None),
        ('one two three "four five"', None),
        ("one two three “four five”", None),
        ("one two three 'four five'", "c4_no_terminal_mark"),
        ("one two three four five…", "c4_no_terminal_mark"),
        ("one two three four five...", "c4_no_terminal_mark"),
        ("one two three four five..", None),
        ("one two three four .. .", None),  # three dots in two words are no ellipsis
        ("one two three four five..[1].", "c4_no_terminal_mark"),  # without its marker they are
        ("one two three four five,", "c4_no_terminal_mark"),
        ("我们 走 吧 你 呢。", "c4_no_terminal_mark"),
        (f"one two three four {'x' * 1000}.", "c4_long_word"),  # with its period
        (f"one two three four {'x' * 999}.", None),
        (f"one two three four {'é' * 999}.", None),  # characters, not bytes
        (f"one two three four {'x' * 998}[1].", "c4_long_word"),  # as it stands, with the marker
        ("Turn on JAVAscript for this site.", "c4_javascript"),
        ("Turn on nojavascripting for this site.", "c4_javascript"),
        ("Turn on java script for this site.", None),
        ("These are our Terms Of Use.", "c4_policy"),
        ("These are our Terms  of Use.", None),
        ("JavaScript and a cookie policy here.", "c4_javascript"),
    ],
)
def test_why_a_line_goes(line: str, kind: str | None) -> None:
    markers = len(MARKER.findall(line))
    assert measured([line])[0]["kinds"] == (["c4_citation"] * markers if kind is None else [kind])
    assert kind_of(line, terminal_marks=True) == kind


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_phrase_takes_its_line(policy: str) -> None:
    assert measured([f"All of this {policy} is here.\nBut this line is a good one."])[0]["kinds"] == ["c4_policy"]


def test_lines_without_terminal_marks_stay_when_asked_to() -> None:
    text = "one two three four five\none two three\n\none two three four five..."
    assert measured([text], terminal_marks=False)[0] == twin(text, terminal_marks=False)
    assert measured([text], terminal_marks=False)[0]["kinds"] == ["c4_few_words", "c4_blank_line"]
    assert measured([text], terminal_marks=False)[0]["num_retained_sentences"] == 2


def test_brackets_and_lorem_ipsum_count_in_lines_that_go_too() -> None:
    row = measured(["{ a {\n}Lorem Ipsum lorem\nipsum loremipsum LOREM IPSUM\n"])[0]
    assert (row["num_curly_brackets"], row["num_lorem_ipsum"]) == (2, 2)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=4), st.booleans())
@example(["one two three four five.\n\n"], True)
@example(["\n\none two three four five.\n "], True)
@example(["one two three four [[1]]five[1.\n"], True)
def test_signals_equal_their_twin_on_generated_text(texts: list[str | None], terminal_marks: bool) -> None:
    assert measured(texts, terminal_marks) == [twin(text, terminal_marks) for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=6), st.data())
def test_a_slice_has_the_signals_of_its_rows(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    whole = c4_signals(scan(pa.array(texts, pa.string())))
    assert c4_signals(scan(pa.array(texts, pa.string()).slice(start))).to_pylist() == whole.to_pylist()[start:]


def test_bytes_that_are_not_utf_8_do_no_harm() -> None:
    broken = b"one two three four \xe2\x80\none two three four five.\xf0\x9f\n\xff"
    texts = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0" + bytes([len(broken), 0, 0, 0])), pa.py_buffer(broken)]
    )
    kinds = [edit["kind"] for edit in c4_signals(scan(texts)).to_pylist()[0]["c4_edits"]]
    assert kinds == ["c4_no_terminal_mark"] * 3


def test_signals_equal_their_twin_on_real_text(shared: Path) -> None:
    texts = list(real_texts(shared))
    assert measured(texts) == [twin(text) for text in texts]
    assert measured(texts, terminal_marks=False) == [twin(text, terminal_marks=False) for text in texts]


def test_c4_s_own_documents_lose_nothing(shared: Path) -> None:
    for name in ("c4-sample.01.json.gz", "c4-sample.02.json.gz"):
        with gzip.open(shared / "c4" / name, "rt", encoding="utf-8") as stream:
            signals = c4_signals(scan(pa.array([json.loads(row)["text"] for row in stream])))
        assert signals.num_rows == 10
        assert signals["c4_edits"].to_pylist() == decide(signals, C4_BOUNDS).to_pylist() == [[]] * 10


def test_the_published_bounds() -> None:
    assert (
        Bound("num_retained_sentences", 3, None),
        Bound("num_curly_brackets", None, 0),
        Bound("num_lorem_ipsum", None, 0),
    ) == C4_BOUNDS


@pytest.mark.parametrize(
    ("name", "on_the_edge", "beyond"),
    [
        ("num_retained_sentences", "Yes, it is. It is here! Is it not?", "Yes, it is. It is here, is it not?"),
        ("num_curly_brackets", "a } b", "a { b"),
        ("num_lorem_ipsum", "lorem and ipsum", "a lorem ipsum b"),
    ],
)
def test_each_bound_keeps_its_edge_and_drops_the_next_step(name: str, on_the_edge: str, beyond: str) -> None:
    decided = decide(c4_signals(scan(pa.array([on_the_edge, beyond]))), C4_BOUNDS).to_pylist()
    assert name not in decided[0]
    assert name in decided[1]


def test_ordinary_prose_is_kept_and_an_empty_document_is_not() -> None:
    prose = "The quick fox wanted to have that bone. It ran with all of its might! " * 2
    decided = decide(c4_signals(scan(pa.array([prose, "", None]))), C4_BOUNDS).to_pylist()
    assert decided == [[], ["num_retained_sentences"], ["num_retained_sentences"]]
