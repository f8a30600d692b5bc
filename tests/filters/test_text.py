import bz2
import gzip
import itertools
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scan_twin import WHITE, assert_scan_is, twin_decode

from filters.text import scan

TRICKY = [
    *WHITE, "\n\n", "\r\n", "\x00", "\x1c", "\u200b", "a", "B", "the", "#", "...", "…", "•", "é", "É", "ß", "İ", "Σ",
    "中文", "。", "ไทย", "😀", "\u0301", "\U0010ffff", "¡", "‰", "ま",
]  # fmt: skip
ANY_TEXT = st.lists(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


def words_of(text: str) -> list[str]:
    result = scan(pa.array([text]))
    spans = zip(result.word_starts, result.word_ends, strict=True)
    return [bytes(result.data[start:end]).decode() for start, end in spans]


def test_words_lines_and_paragraphs_by_hand() -> None:
    #        0    5    10        20
    text = "One two\n three\n \t\nfour\n"
    result = scan(pa.array([text]))
    assert words_of(text) == ["One", "two", "three", "four"]
    assert result.word_starts.tolist() == [0, 4, 9, 18]
    assert result.line_starts.tolist() == [0, 8, 18]  # " three" with its indentation; " \t" is blank
    assert result.line_ends.tolist() == [7, 14, 22]
    assert result.line_words.tolist() == [0, 2, 3, 4]
    assert result.paragraph_starts.tolist() == [0, 18]
    assert result.paragraph_ends.tolist() == [14, 22]
    assert result.paragraph_chars.tolist() == [14, 4]  # 7 + the newline + 6
    assert result.num_chars.tolist() == [23]


@pytest.mark.parametrize("space", WHITE)
def test_every_white_space_character_separates_words(space: str) -> None:
    assert words_of(f"{space}a{space}{space}b{space}") == ["a", "b"]


@pytest.mark.parametrize("other", ["\x1c", "\x1f", "\u200b", "\u2060", "\ufeff", "\x00"])
def test_nothing_else_separates_words(other: str) -> None:
    assert words_of(f"a{other}b") == [f"a{other}b"]


def test_only_the_newline_ends_a_line() -> None:
    result = scan(pa.array(["a\u2028b\rc\vd\x85e\r\nf"]))
    assert result.line_starts.tolist() == [0, 14]
    assert result.line_chars.tolist() == [10, 1]  # the "\r" before "\n" is the line's


def test_chinese_and_thai_without_spaces_are_one_word_each() -> None:
    assert words_of("我们走吧。你呢\uff1f ไปกันเถอะ") == ["我们走吧。你呢\uff1f", "ไปกันเถอะ"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=5))
def test_scan_equals_its_twin_on_generated_text(texts: list[str | None]) -> None:
    assert_scan_is(scan(pa.array(texts, pa.string())), texts)


def test_scan_equals_its_twin_on_real_text(shared: Path) -> None:
    with gzip.open(shared / "langid" / "udhr.tsv.gz", "rt", encoding="utf-8") as stream:  # some 370 languages
        rows = [row.rstrip("\n").split("\t", 1) for row in stream]
    texts = [
        "\n\n".join(text for _, text in itertools.islice(group, 8))
        for _, group in itertools.groupby(rows, key=lambda row: row[0])
    ]
    with gzip.open(shared / "c4" / "cc_en_head-0091.jsonl.gz", "rt", encoding="utf-8") as stream:
        texts += [json.loads(row)["text"] for row in stream]
    with gzip.open(shared / "books" / "pg1342.txt.gz", "rt", encoding="utf-8", newline="") as stream:
        texts.append(stream.read(100_000))
    with bz2.open(
        shared / "wikipedia" / "frwiki-20101103-pages-articles-sample.xml.bz2", "rt", encoding="utf-8"
    ) as stream:
        texts.append(stream.read(100_000))
    with tarfile.open(shared / "code" / "DaveGamble__cJSON.tar.gz") as archive:
        sources = [archive.extractfile(member).read() for member in archive if member.name.endswith((".c", ".md"))]
    texts += [source.decode(errors="replace")[:50_000] for source in sources]
    assert_scan_is(scan(pa.array(texts)), texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | ANY_TEXT, max_size=8), st.data())
def test_slices_are_scanned_like_arrays_of_their_own(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    length = data.draw(st.integers(0, len(texts) - start))
    kind = data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    assert_scan_is(scan(pa.array(texts, kind).slice(start, length)), texts[start : start + length])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("texts", [[], [None], [""], [None, "", None], [" \n \n"], ["word"], ["x"] * 3])
def test_arrays_with_little_in_them(texts: list[str | None], kind: pa.DataType) -> None:
    assert_scan_is(scan(pa.array(texts, kind)), texts)


def test_array_of_nulls_only() -> None:
    assert_scan_is(scan(pa.nulls(2, pa.string())), [None, None])


def test_long_documents() -> None:
    texts = ["word " * 50_000, "x" * 1_000_000, "\n" * 100_000, "a\n\n" * 50_000]
    result = scan(pa.array(texts))
    assert result.num_words.tolist() == [50_000, 1, 0, 50_000]
    assert np.diff(result.line_offsets).tolist() == [1, 1, 0, 50_000]
    assert np.diff(result.paragraph_offsets).tolist() == [1, 1, 0, 50_000]
    assert result.num_chars.tolist() == [250_000, 1_000_000, 100_000, 150_000]


def test_bytes_under_a_null_are_not_read() -> None:
    offsets = pa.py_buffer(np.array([0, 3, 7, 10], np.int32))
    validity = pa.py_buffer(bytes([0b101]))
    array = pa.Array.from_buffers(pa.string(), 3, [validity, offsets, pa.py_buffer(b"a b\xe2\n yc d")], null_count=1)
    assert_scan_is(scan(array.slice(0, 1)), ["a b"])
    result = scan(array)
    assert result.num_words.tolist() == [2, 0, 2]
    assert result.num_chars.tolist() == [3, 0, 3]
    assert np.diff(result.line_offsets).tolist() == [1, 0, 1]


NO_UTF_8 = [b"a", b" ", b"\n", b"\xe0\x80\xa0", b"\xf0\x80\x80\xa0", b"\xed\xa0\x80", b"\xc2", b"\xc2\xa0", b"\xe3\x80"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(NO_UTF_8) | st.binary(max_size=4), max_size=60).map(b"".join))
@example(b"a\xe0\x80\xa0" * 10_000)  # a blank in three bytes: more words than there is room for
def test_bytes_that_are_no_utf_8_are_characters_of_their_own(data: bytes) -> None:
    characters = [chr(code_point) for code_point, _ in twin_decode(data)]
    offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
    result = scan(pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)]))
    assert result.num_chars.tolist() == [len(characters)]
    text = "".join(characters)
    assert result.word_chars.tolist() == [len(word) for word in re.split(f"[{WHITE}]+", text) if word]
    assert result.line_chars.tolist() == [len(line) for line in text.split("\n") if line.strip(WHITE)]


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="string or large_string; got binary"):
        scan(pa.array([b"a"]))


def test_arrays_share_memory_with_the_input() -> None:
    texts = pa.array(["some words"])
    assert scan(texts).data.ctypes.data == texts.buffers()[2].address


def test_texts_of_2_gib_together_are_refused() -> None:
    offsets, data = np.array([0, 2**30, 2**31], np.int64), np.empty(2**31, np.uint8)  # memory that nobody touches
    texts = pa.Array.from_buffers(pa.large_string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    with pytest.raises(ValueError, match="smaller than 2 GiB together"):
        scan(texts)
