import re

import pytest
from benchmarks.agreement import agrees, decisions, shown_documents, table_line
from benchmarks.agreement_passages import MAX_CHARS, passage, quoted, source_name
from benchmarks.agreement_rows import ALL, ROWS, Row, Where
from benchmarks.agreement_values import COMPARED, Document, Value, judged, our_values, read_dolma, without

# Two mixed documents and a web page; the bound is 50 words.
SAMPLE = [
    Document("peps/pep-0001.rst#0", "peps", "short"),
    Document("peps/pep-0002.rst#0", "peps", "# long"),
    Document("web-pages/a", "web-pages", "page"),
]
OURS = judged({"num_words": [49, 60, 50]}, ["quality"])
THEIRS = judged({"num_words": [50, 60, 10]}, ["quality"])
WORDS = Row("quality", "num_words", "datatrove", "tokens")


def test_bounds_judge_columns_and_the_table_goes_without_the_missing_ones():
    assert [document["quality"]["num_words"] for document in OURS] == [(49, True), (60, False), (50, False)]
    assert [document["quality"][ALL] for document in OURS] == [(None, True), (None, False), (None, False)]


def test_decisions_are_counted_by_direction_and_kind_of_document():
    assert decisions(WORDS, SAMPLE, OURS, THEIRS) == ["0 + 1", "1 + 0"]  # only it drops the page, only we the first
    assert decisions(WORDS._replace(signal=ALL), SAMPLE, OURS, THEIRS) == ["0 + 1", "1 + 0"]
    assert decisions(WORDS._replace(signal="of no table"), SAMPLE, OURS, THEIRS) == ["", ""]


def test_a_line_of_the_table_counts_equal_values_where_definitions_meet():
    only_long = Where("has a hash", re.compile("short|page"))
    peer = {"published": THEIRS, "set": OURS}
    assert table_line(WORDS, SAMPLE, OURS, peer)[3:7] == ["33.3%", "no", "", ""]
    line = table_line(WORDS._replace(same="published", where=only_long), SAMPLE, OURS, peer)
    assert line[3:7] == ["33.3%", "as it comes; has a hash", "1", "100.0%"]
    assert table_line(WORDS._replace(same="set"), SAMPLE, OURS, peer)[4:7] == ["when set so", "3", "100.0%"]
    nowhere = WORDS._replace(same="set", where=Where("none", re.compile("")))
    assert table_line(nowhere, SAMPLE, OURS, peer)[5:7] == ["0", "none"]


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        (Value(0.1), Value(0.1 + 1e-12), True),
        (Value(0.1), Value(0.1 + 1e-8), False),
        (Value("  a.\nb."), Value("a.\nb."), True),  # datatrove strips each line
        (Value("a.\nb."), Value("a."), False),
        (Value(3, True), Value(None, True), True),
        (Value(3, False), Value(None, True), False),
    ],
)
def test_values_are_equal_within_the_tolerance(ours, theirs, equal):
    assert agrees(ours, theirs) == equal


def test_only_documents_that_may_be_quoted_are_shown():
    shown = "\n".join(shown_documents([WORDS], SAMPLE, OURS, {"published": THEIRS}))
    assert "ours 49 (dropped), datatrove 50 (kept): tokens." in shown
    assert "pep-0001" in shown
    assert "page" not in shown


@pytest.mark.parametrize(
    ("signal", "start"),
    [
        ("num_words", "One two"),
        ("bullet_line_fraction", "- item"),
        ("top_2gram_char_fraction", "two three"),
        ("duplicate_line_fraction", "the same"),
        ("num_curly_brackets", "f() {"),
    ],
)
def test_a_passage_begins_where_the_signal_counts(signal, start):
    text = "One two three\n\nthe same\n  - item\ntwo three\nthe same\nf() { }\ntwo three " + " ".join(
        map(str, range(99))
    )
    found = passage(signal, text)
    assert found.startswith(start)
    assert "\n" not in found
    assert len(found) <= MAX_CHARS


def test_a_passage_is_code_whatever_it_holds():
    assert quoted("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert source_name("peps/peps/pep-0804.rst#6") == "Python Enhancement Proposals (public domain), pep-0804"


def test_spans_go_by_bytes():
    assert without("é a. b", [{"start": 0, "stop": 3}, {"start": 5, "stop": 7}]) == "a."


def test_each_row_names_a_signal_of_ours():
    ours = our_values(["A line of five words. [1]\nno mark"])[0]
    assert {row.table for row in ROWS} == set(COMPARED)
    assert all(row.signal in ours[row.table] for row in ROWS)
    assert ours["c4"]["lines that stay"].value == "A line of five words. "
    assert ours["c4"]["lines without a terminal mark"].value == 1


def test_dolma_is_held_against_our_bounds():
    tagged = {"quality": {"num_words": 49}, "c4": {"num_curly_brackets": 1, "num_lorem_ipsum": 0}}
    found = read_dolma([{"published": tagged}])["published"][0]
    assert found["quality"]["num_words"] == (49, True)
    assert found["c4"]["num_curly_brackets"] == (None, True)
    assert found["c4"]["num_lorem_ipsum"] == (None, False)
