import re
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_texts import real_texts

from filters.bounds import Bound, decide
from filters.fineweb import END_QUOTATION_MARKS, FINEWEB_BOUNDS, SENTENCE_TERMINAL, fineweb_signals
from filters.repetition import repetition_signals
from filters.text import scan
from filters.unicode_tables import PUNCTUATION, UNICODE_VERSION, unicode_tables

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
TRICKY = [
    "\n", " ", "\u3000", "a", "word", ".", "!", "?", ",", '"', "'", "”", "\u2019", "»", "…", "。", "\uff01", "।", "؟",
    "\U0001bc9f", "é", "\U0001f600", "x" * 28, "x" * 29, "é" * 30,
]  # fmt: skip
ANY_TEXT = st.lists(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


@cache
def marks() -> str:
    runs = (run.split("-") for run in SENTENCE_TERMINAL.split())
    return END_QUOTATION_MARKS + "".join(chr(c) for run in runs for c in range(int(run[0], 16), int(run[-1], 16) + 1))


def twin(text: str | None) -> dict[str, float | None]:
    """The definitions, one by one."""
    lines = [line for line in (text or "").split("\n") if line.strip(WHITE)]
    words = [word for word in re.split(f"[{WHITE}]", text or "") if word]

    def ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return {
        "terminal_line_fraction": ratio(sum(line.rstrip(WHITE)[-1] in marks() for line in lines), len(lines)),
        "short_line_fraction": ratio(sum(len(line) < 30 for line in lines), len(lines)),
        "newline_to_word_ratio": ratio((text or "").count("\n"), len(words)),
    }


def signals_of(texts: list[str | None]) -> list[dict[str, float | None]]:
    return fineweb_signals(scan(pa.array(texts, pa.string()))).to_pylist()


def test_worked_example() -> None:
    # Lines: 4. "Home" (4 characters) and "  He said 'so be it'" (20) are short, the others have 31 and 33.
    # In a mark end the second, white space after it aside, the third, for its dots, and the last: 3 of 4.
    # Newlines: 6, of which two end blank lines.  Words: 1 + 7 + 8 + 5 = 21.
    text = "Home\n\nThe quick fox ran over the do. \nIt went on and on, and so on.....\n \n  He said 'so be it'\n"
    assert signals_of([text]) == [
        {"terminal_line_fraction": 3 / 4, "short_line_fraction": 2 / 4, "newline_to_word_ratio": 6 / 21}
    ]


def test_columns_and_types() -> None:
    schema = fineweb_signals(scan(pa.array(["a"]))).schema
    names = [bound.name for bound in FINEWEB_BOUNDS]
    names.remove("duplicate_line_char_fraction")  # of filters.repetition
    assert schema.names == names
    assert all(field.type == pa.float64() for field in schema)


def test_documents_without_words_have_no_ratios() -> None:
    nothing = twin(None)
    assert signals_of(["", " \n\u3000", None]) == [nothing] * 3
    assert set(nothing.values()) == {None}
    assert fineweb_signals(scan(pa.array([], pa.string()))).num_rows == 0


def test_the_marks_are_those_of_sentences_and_end_quotations() -> None:
    assert len(marks()) == len(set(marks())) == 154 + 4
    assert all(mark in marks() for mark in ".!?\"'”。।؟\uff01")
    assert not any(mark in marks() for mark in ",;:…-)»«“")
    later = "\u17d4\u17d5\u2024\u2cf9\u2cfa\u2cfb\ufe12\ufe15\ufe16"  # properties of Unicode 15.1 to 17
    assert not set(later) & set(marks())
    assert UNICODE_VERSION == "15.0.0"  # another version has other marks
    properties = unicode_tables().properties
    assert all(properties[ord(mark)] == PUNCTUATION for mark in marks())


@pytest.mark.parametrize(("last", "is_mark"), [(".", 1), ("...", 1), ("।", 1), ("𛲟", 1), ("…", 0), (",", 0), ("😀", 0)])
def test_a_line_ends_in_its_last_character_white_space_aside(last: str, is_mark: int) -> None:
    for line in (f"word{last}", last, f"one. two{last}\u3000\t"):
        assert signals_of([line])[0]["terminal_line_fraction"] == is_mark


def test_bytes_that_are_not_utf_8_are_no_mark() -> None:
    broken = b"one\xe3\x80\ntwo\xb2.\nthree\x80\x82"
    offsets = pa.py_buffer(bytes([0, 0, 0, 0, len(broken), 0, 0, 0]))
    texts = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(broken)])
    assert fineweb_signals(scan(texts)).to_pylist()[0]["terminal_line_fraction"] == 1 / 3


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=4))
def test_signals_equal_their_twin_on_generated_text(texts: list[str | None]) -> None:
    assert signals_of(texts) == [twin(text) for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=6), st.data())
def test_a_slice_has_the_signals_of_its_rows(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    sliced = fineweb_signals(scan(pa.array(texts, pa.string()).slice(start)))
    assert sliced.to_pylist() == [twin(text) for text in texts[start:]]


def test_signals_equal_their_twin_on_real_text(shared: Path) -> None:
    texts = list(real_texts(shared))
    assert signals_of(texts) == [twin(text) for text in texts]


def test_the_published_bounds() -> None:
    published = (
        Bound("terminal_line_fraction", 0.12, None),
        Bound("short_line_fraction", None, 0.67),
        Bound("duplicate_line_char_fraction", None, 0.1),
        Bound("newline_to_word_ratio", None, 0.3),
    )
    assert published == FINEWEB_BOUNDS


def lines_of(special: int, total: int, line: str, other: str) -> str:
    return "\n".join([line] * special + [other] * (total - special))


@pytest.mark.parametrize(
    ("name", "on_the_edge", "beyond"),
    [
        ("terminal_line_fraction", lines_of(12, 100, "Yes.", "No"), lines_of(11, 100, "Yes.", "No")),
        ("short_line_fraction", lines_of(67, 100, "x" * 29, "y" * 30), lines_of(68, 100, "x" * 29, "y" * 30)),
        ("duplicate_line_char_fraction", f"{'x' * 10}\n" * 2 + "y" * 80, f"{'x' * 10}\n" * 2 + "y" * 79),
        ("newline_to_word_ratio", "a b c d e f g\n\n\nh i j", "a b c d e f g\n\n\n\nh i j"),
    ],
)
def test_each_bound_keeps_its_edge_and_drops_the_next_step(name: str, on_the_edge: str, beyond: str) -> None:
    scanned = scan(pa.array([on_the_edge, beyond]))
    fineweb, repetition = fineweb_signals(scanned), repetition_signals(scanned)
    columns = [*fineweb.columns, *repetition.columns]
    signals = pa.RecordBatch.from_arrays(columns, [*fineweb.schema.names, *repetition.schema.names])
    decided = decide(signals, FINEWEB_BOUNDS).to_pylist()
    assert name not in decided[0]
    assert name in decided[1]
