import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.text import TextScan, scan
from filters.unicode_tables import ALPHABETIC, PUNCTUATION, unicode_tables

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
TRICKY = [
    *WHITE, "\n\n", "\r\n", "\x00", "\x1c", "\u200b", "a", "B", "the", "#", "...", "…", "•", "é", "É", "ß", "İ", "Σ",
    "中文", "。", "ไทย", "😀", "\u0301", "\U0010ffff", "¡", "‰", "ま",
]  # fmt: skip
ANY_TEXT = st.lists(st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)

MASK = 2**64 - 1


def twin_hash(values: list[int]) -> int:
    state = 0xCBF29CE484222325
    for value in values:
        state = (state ^ value) * 0x100000001B3 & MASK
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return state ^ state >> 33


def twin_words(text: str) -> list[tuple[int, str]]:
    """Each word with the byte it starts at."""
    words, position, start = [], 0, None
    for i, character in enumerate(text + " "):
        if character in WHITE:
            if start is not None:
                words.append((start[1], text[start[0] : i]))
            start = None
        elif start is None:
            start = (i, position)
        position += len(character.encode())
    return words


def twin_shingle_hash(word: str) -> int:
    tables = unicode_tables()
    kept = [ord(c) for c in word if not tables.properties[ord(c)] & PUNCTUATION]
    return twin_hash([int(tables.lower[c]) for c in kept]) if kept else 0


def twin_word_hash(word: str) -> int:
    """Eight bytes at a step."""
    data = word.encode()
    return twin_hash([int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)])


def twin_lines(text: str) -> list[tuple[int, str]]:
    lines, position = [], 0
    for line in text.split("\n"):
        if line.strip(WHITE):
            lines.append((position, line))
        position += len(line.encode()) + 1
    return lines


def twin_paragraphs(text: str) -> list[tuple[int, str]]:
    paragraphs: list[tuple[int, list[str]]] = []
    position, open_one = 0, False
    for line in text.split("\n"):
        if not line.strip(WHITE):
            open_one = False
        elif open_one:
            paragraphs[-1][1].append(line)
        else:
            paragraphs.append((position, [line]))
            open_one = True
        position += len(line.encode()) + 1
    return [(start, "\n".join(lines)) for start, lines in paragraphs]


def assert_scan_is(result: TextScan, texts: list[str | None]) -> None:
    """Compare every array of a scan with the twins'."""
    assert result.valid.tolist() == [text is not None for text in texts]
    assert result.num_chars.tolist() == [len(text or "") for text in texts]
    for doc, text in enumerate(texts):
        base = int(result.doc_offsets[doc])
        if text is not None:
            assert bytes(result.data[base : result.doc_offsets[doc + 1]]) == text.encode()
        part = slice(*result.word_offsets[doc : doc + 2])
        words = twin_words(text or "")
        assert (result.word_starts[part] - base).tolist() == [start for start, _ in words]
        assert (result.word_ends[part] - base).tolist() == [start + len(word.encode()) for start, word in words]
        assert result.word_chars[part].tolist() == [len(word) for _, word in words]
        assert result.word_is_alphabetic[part].tolist() == [
            any(unicode_tables().properties[ord(c)] & ALPHABETIC for c in word) for _, word in words
        ]
        assert result.word_hashes[part].tolist() == [twin_word_hash(word) for _, word in words]
        assert result.shingle_hashes[part].tolist() == [twin_shingle_hash(word) for _, word in words]
        for kind, expected in (("line", twin_lines(text or "")), ("paragraph", twin_paragraphs(text or ""))):
            part = slice(*getattr(result, f"{kind}_offsets")[doc : doc + 2])
            starts, ends, chars, hashes = (
                getattr(result, f"{kind}_{column}")[part].tolist() for column in ("starts", "ends", "chars", "hashes")
            )
            assert [start - base for start in starts] == [start for start, _ in expected]
            assert [end - base for end in ends] == [start + len(segment.encode()) for start, segment in expected]
            assert chars == [len(segment) for _, segment in expected]
            assert len(set(zip(hashes, (s for _, s in expected), strict=True))) == len(set(hashes))
            assert len(set(hashes)) == len({segment for _, segment in expected})
    for line, word in enumerate(result.line_words[:-1]):  # the first word at or after the line's start
        assert word == np.searchsorted(result.word_starts, result.line_starts[line])
    assert result.line_words[-1] == len(result.word_starts)


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


def test_words_of_a_block_and_one_length_share_no_hash() -> None:
    block = st.lists(st.integers(0x21, 0x7E), min_size=8, max_size=8).map(lambda codes: "".join(map(chr, codes)))

    @given(st.lists(block, min_size=2, max_size=50, unique=True))
    def check(words: list[str]) -> None:
        assert len(set(scan(pa.array([" ".join(words)])).word_hashes.tolist())) == len(words)

    check()


def test_word_hash_is_fnv_1a_with_the_final_mix() -> None:
    # FNV-1a of "a" is af63dc4c8601ec8c in its authors' test vectors; only the final mix is ours.
    state = 0xAF63DC4C8601EC8C
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    assert scan(pa.array(["a"])).word_hashes.tolist() == [state ^ state >> 33]


def test_shingle_hash_ignores_case_and_punctuation() -> None:
    hashes = scan(pa.array(["don\u2019t DON'T, (Dont) «dont$» dónt"])).shingle_hashes
    assert len(set(hashes[:4].tolist())) == 1
    assert hashes[4] != hashes[0]
    assert scan(pa.array(["-- … 😀 #"])).shingle_hashes.tolist() == [0, 0, 0, 0]


def test_shingle_hash_lowers_one_to_one() -> None:
    hashes = scan(pa.array(["ΟΔΟΣ οδοσ οδος İ i"])).shingle_hashes  # no final sigma, no dot above
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3] == hashes[4]


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


@pytest.mark.parametrize(
    ("raw", "chars"),
    [
        (b"\xe2", 1),  # starts a character that the next document's bytes would complete
        (b"\xe2\x80", 2),
        (b"\xf0\x9f\x98", 3),
        (b"\x80\x80", 2),  # continues nothing
        (b"\xc0\xaf", 2),  # too long for what it says
        (b"\xf5\x80\x80\x80", 4),  # beyond U+10FFFF
        (b"\xf4\xbf\xbf\xbf", 4),
        (b"\xff", 1),
    ],
)
def test_bytes_that_are_not_utf_8_count_one_by_one_and_stay_in_their_document(raw: bytes, chars: int) -> None:
    ends = np.cumsum([0, len(raw), 2]).astype(np.int32)
    array = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(ends), pa.py_buffer(raw + b"\x80\xa6")])
    result = scan(array)
    assert result.num_chars.tolist() == [chars, 2]
    assert result.num_words.tolist() == [1, 1]
    assert result.word_ends.tolist() == [len(raw), len(raw) + 2]


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="string or large_string; got binary"):
        scan(pa.array([b"a"]))


def test_arrays_share_memory_with_the_input() -> None:
    texts = pa.array(["some words"])
    assert scan(texts).data.ctypes.data == texts.buffers()[2].address
