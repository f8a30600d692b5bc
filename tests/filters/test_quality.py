import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_texts import real_texts

from filters.bounds import Bound, decide
from filters.quality import BULLETS, QUALITY_BOUNDS, STOP_WORDS, quality_signals
from filters.text import scan
from filters.unicode_tables import ALPHABETIC, unicode_tables

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
TRICKY = [
    "\n", " ", " ", "\u00a0", "\u3000", "#", ".", "..", "...", "…", *"*-•‣●▪\u2013", "the", "The", "tHaT", "to", "be",
    "toy", "ẃith", "x", "É", "中", "ก", "1", "😀", "Ⅷ", "\u0301", "\u2027",
]  # fmt: skip
ANY_TEXT = st.lists(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=60).map("".join)


def twin(text: str | None) -> dict[str, float | None]:
    """The definitions, one by one."""
    words = [word for word in re.split(f"[{WHITE}]", text or "") if word]
    lines = [line.strip(WHITE) for line in (text or "").split("\n") if line.strip(WHITE)]
    alphabetic = [w for w in words if any(unicode_tables().properties[ord(c)] & ALPHABETIC for c in w)]
    ascii_lower = {"".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in word) for word in words}

    def ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return {
        "num_words": None if text is None else len(words),
        "mean_word_length": ratio(sum(map(len, words)), len(words)),
        "hash_to_word_ratio": ratio((text or "").count("#"), len(words)),
        "ellipsis_to_word_ratio": ratio((text or "").count("...") + (text or "").count("…"), len(words)),
        "bullet_line_fraction": ratio(sum(line[0] in BULLETS for line in lines), len(lines)),
        "ellipsis_line_fraction": ratio(sum(line.endswith(("...", "…")) for line in lines), len(lines)),
        "alphabetic_word_fraction": ratio(len(alphabetic), len(words)),
        "num_stop_words": None if text is None else sum(word in ascii_lower for word in STOP_WORDS),
    }


def signals_of(texts: list[str | None]) -> list[dict[str, float | None]]:
    return quality_signals(scan(pa.array(texts, pa.string()))).to_pylist()


def test_worked_example() -> None:
    # words: - The #1 cat... sat… | • to be, ......x | 12 % end...   5 + 4 + 3 = 12
    # lengths: 1 3 2 6 4 | 1 2 3 7 | 2 1 6 = 38 characters
    # "#": 1.  Ellipses: cat... sat… ......x (two) end... = 5
    # Lines: 3, two start with a bullet, two end with an ellipsis (white space after it aside).
    # With a letter: The cat... sat… to be, ......x end... = 7.  Stop words: the (as The), to; "be," is another word.
    text = "  - The #1 cat... sat… \n\n• to be, ......x\n12 % end..."
    assert signals_of([text]) == [
        {
            "num_words": 12,
            "mean_word_length": 38 / 12,
            "hash_to_word_ratio": 1 / 12,
            "ellipsis_to_word_ratio": 5 / 12,
            "bullet_line_fraction": 2 / 3,
            "ellipsis_line_fraction": 2 / 3,
            "alphabetic_word_fraction": 7 / 12,
            "num_stop_words": 2,
        }
    ]


def test_columns_and_types() -> None:
    schema = quality_signals(scan(pa.array(["a"]))).schema
    assert schema.names == [bound.name for bound in QUALITY_BOUNDS]
    counts = {"num_words", "num_stop_words"}
    assert all(field.type == (pa.int64() if field.name in counts else pa.float64()) for field in schema)


def test_empty_documents_have_counts_and_no_ratios_null_ones_nothing() -> None:
    empty, white, null = signals_of(["", " \n\u3000", None])
    assert empty == white == dict.fromkeys(empty, None) | {"num_words": 0, "num_stop_words": 0}
    assert null == dict.fromkeys(empty, None)


def test_no_documents() -> None:
    assert quality_signals(scan(pa.array([], pa.string()))).num_rows == 0


@pytest.mark.parametrize("dots", range(10))
def test_ellipses_do_not_overlap(dots: int) -> None:
    assert signals_of(["." * dots + "x"])[0]["ellipsis_to_word_ratio"] == dots // 3


@pytest.mark.parametrize("symbol", ["#", "...", "…", "......"])
def test_symbols_are_found_wherever_they_stand(symbol: str) -> None:
    texts = ["a" * before + symbol + "b" * after for before in range(70) for after in (0, 1, 2, 40)]
    assert signals_of(texts) == [twin(text) for text in texts]


@pytest.mark.parametrize("bullet", BULLETS)
def test_every_bullet_counts_at_a_line_s_start_only(bullet: str) -> None:
    assert signals_of([f"\t{bullet}one\ntwo {bullet}"])[0]["bullet_line_fraction"] == 0.5


def test_an_ellipsis_as_the_text_s_only_bytes() -> None:
    assert signals_of(["…", "...", "..", "\n…\n"]) == [twin(text) for text in ["…", "...", "..", "\n…\n"]]


def test_stop_words_are_distinct_whole_words_in_any_case() -> None:
    texts = ["the the The THE", "that, (with) have. other", "THAT With haVe", "Ŧhe t@e b\x05", "İ to_be"]
    assert [row["num_stop_words"] for row in signals_of(texts)] == [1, 0, 3, 0, 0]
    assert signals_of([" ".join(STOP_WORDS)])[0]["num_stop_words"] == 8


def test_chinese_text_has_letters_and_long_words() -> None:
    row = signals_of(["我们走吧。你呢\uff1f 好"])[0]
    assert row["num_words"] == 2
    assert row["mean_word_length"] == 4.5
    assert row["alphabetic_word_fraction"] == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=4))
def test_signals_equal_their_twin_on_generated_text(texts: list[str | None]) -> None:
    assert signals_of(texts) == [twin(text) for text in texts]


def test_signals_equal_their_twin_on_real_text(shared: Path) -> None:
    texts = list(real_texts(shared))
    assert signals_of(texts) == [twin(text) for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=6), st.data())
def test_a_slice_has_the_signals_of_its_rows(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    sliced = quality_signals(scan(pa.array(texts, pa.string()).slice(start)))
    assert sliced.to_pylist() == [twin(text) for text in texts[start:]]


def test_the_published_bounds() -> None:
    published = (
        Bound("num_words", 50, 100_000),
        Bound("mean_word_length", 3, 10),
        Bound("hash_to_word_ratio", None, 0.1),
        Bound("ellipsis_to_word_ratio", None, 0.1),
        Bound("bullet_line_fraction", None, 0.9),
        Bound("ellipsis_line_fraction", None, 0.3),
        Bound("alphabetic_word_fraction", 0.8, None),
        Bound("num_stop_words", 2, None),
    )
    assert published == QUALITY_BOUNDS


def lines_of(special: int, total: int, line: str) -> str:
    return "\n".join([line] * special + ["word"] * (total - special))


@pytest.mark.parametrize(
    ("name", "on_the_edge", "beyond"),
    [
        ("num_words", "word " * 50, "word " * 49),
        ("num_words", "word " * 100_000, "word " * 100_001),
        ("mean_word_length", "cat " * 100, "cat " * 99 + "ox"),  # 3; 299 / 100
        ("mean_word_length", "elephantes " * 100, "elephantes " * 99 + "hippopotami"),  # 10; 1001 / 100
        ("hash_to_word_ratio", "word " * 95 + "##a " * 5, "word " * 95 + "##a " * 4 + "###"),  # 10 / 100; 11 / 100
        ("ellipsis_to_word_ratio", "word " * 90 + "... " * 10, "word " * 89 + "… " * 11),
        ("bullet_line_fraction", lines_of(90, 100, "• x"), lines_of(91, 100, "• x")),
        ("ellipsis_line_fraction", lines_of(30, 100, "and..."), lines_of(31, 100, "and...")),
        ("alphabetic_word_fraction", "word " * 80 + "12 " * 20, "word " * 79 + "12 " * 21),
        ("num_stop_words", "word " * 98 + "of and", "word " * 98 + "of of"),
    ],
)
def test_each_bound_keeps_its_edge_and_drops_the_next_step(name: str, on_the_edge: str, beyond: str) -> None:
    decided = decide(quality_signals(scan(pa.array([on_the_edge, beyond]))), QUALITY_BOUNDS).to_pylist()
    assert name not in decided[0]
    assert name in decided[1]


def test_ordinary_prose_is_kept_and_an_empty_document_is_not() -> None:
    prose = "The quick fox wanted to have that bone, and so it ran with all of its might. " * 4
    decided = decide(quality_signals(scan(pa.array([prose, "", None]))), QUALITY_BOUNDS).to_pylist()
    lower_ends = [bound.name for bound in QUALITY_BOUNDS if bound.low is not None]
    assert decided == [[], lower_ends, lower_ends]
