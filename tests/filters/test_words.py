import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_twin import assert_scan_is, twin_decode, twin_hash

from filters.text import TextScan, scan
from filters.unaligned import LANES
from filters.unicode_tables import ALPHABETIC, PUNCTUATION, WHITE_SPACE, unicode_tables

PADDING = "x" * (LANES + 8)  # behind a word, it is read as a block; at the end of the bytes, character by character

# Of n characters: plain, capitals, and whatever is dropped from a shingle, at the ends and within.
SHAPES = [
    lambda n: "a" * n,
    lambda n: "A" + "b" * (n - 1),
    lambda n: "aZ" * (n // 2) + "0" * (n % 2),
    lambda n: "1" * n,
    lambda n: "-" * n,
    lambda n: "a" * (n - 1) + ",",
    lambda n: "(" + "b" * (n - 1),
    lambda n: '"' + "B" * (n - 3) + '."',
    lambda n: "a" * (n - 2) + "'s",
    lambda n: "a-" * (n // 2) + "b" * (n % 2),
    lambda n: "\x00" * n,
    lambda n: "a" * (n - 1) + "\x00",
    lambda n: "\x7f" + "\x1f" * (n - 1),
    lambda n: "a" * (n - 1) + "é",
    lambda n: "É" + "a" * (n - 1),
    lambda n: "ab" + "Я" * (n - 2),
    lambda n: "a\u2019" * (n // 2) + "s" * (n % 2),
    lambda n: "中" * n,
    lambda n: "😀" + "İ" * (n - 1),
]
SIZES = [3, 7, 8, 9, 15, 16, 17, 24, 25, LANES - 1, LANES, LANES + 1, 2 * LANES]
IN_WORDS = "abzAZ019.,-'#_\x00\x1c\x7fé\u2019ЯяΣİ中😀"
ANY_WORDS = st.text(st.sampled_from(IN_WORDS) | st.sampled_from(" \n\u00a0"), max_size=120)


@pytest.mark.parametrize("size", SIZES)
def test_words_of_every_shape_and_size_wherever_they_stand(size: int) -> None:
    words = [shape(size) for shape in SHAPES]
    assert_scan_is(scan(pa.array([" ".join(words)])), [" ".join(words)])
    for word in words:
        for text in (word, f" {word}", f"{word} {PADDING}", f"{word}\u3000{PADDING}", f"{PADDING} {word}"):
            assert_scan_is(scan(pa.array([text])), [text])


@pytest.mark.parametrize("size", SIZES)
def test_a_word_ends_with_its_document_whatever_bytes_follow(size: int) -> None:
    texts = [shape(size) for shape in SHAPES] + [PADDING, PADDING]
    assert_scan_is(scan(pa.array(texts)), texts)
    for start in range(len(texts)):
        assert_scan_is(scan(pa.array(texts).slice(start, 1)), texts[start : start + 1])


def test_every_ascii_character_has_the_properties_of_the_tables() -> None:
    properties, lower = unicode_tables().properties, unicode_tables().lower
    for character in map(chr, range(128)):
        for text in (f"{character} {PADDING}", f"a{character}a {PADDING}"):
            assert_scan_is(scan(pa.array([text])), [text])
        if not properties[ord(character)] & WHITE_SPACE:
            result = scan(pa.array([f"{character} {PADDING}"]))
            assert result.word_is_alphabetic[0] == bool(properties[ord(character)] & ALPHABETIC)
            is_kept = not properties[ord(character)] & PUNCTUATION
            kept = chr(lower[ord(character)]).encode()
            assert result.shingle_hashes[0] == (twin_hash(kept) if is_kept else 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY_WORDS, max_size=4))
def test_words_equal_their_twin_on_generated_text(texts: list[str]) -> None:
    assert_scan_is(scan(pa.array(texts, pa.string())), texts)


def of_bytes(rows: list[bytes]) -> TextScan:
    """A scan of texts that need not be UTF-8."""
    ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return scan(pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(rows))]))


PIECES = [b" ", b"a", b"B.", "é\u2019中😀".encode(), b"\xe3\x80", b"\xc2\x85"]
ANY_BYTES = st.lists(st.binary(max_size=4) | st.sampled_from(PIECES), max_size=30).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY_BYTES, min_size=1, max_size=3))
def test_words_of_any_bytes_equal_their_twin(rows: list[bytes]) -> None:
    result, tables = of_bytes([*rows, PADDING.encode()]), unicode_tables()
    for doc, row in enumerate(rows):
        characters = twin_decode(row)
        assert result.num_chars[doc] == len(characters)
        words: list[list[tuple[int, bytes]]] = [[]]
        for code_point, raw in characters:
            if tables.properties[code_point] & WHITE_SPACE:
                words.append([])
            else:
                words[-1].append((code_point, raw))
        words = [word for word in words if word]
        part = slice(*result.word_offsets[doc : doc + 2])
        assert result.word_chars[part].tolist() == [len(word) for word in words]
        spans = zip(result.word_starts[part], result.word_ends[part], strict=True)
        assert [bytes(result.data[start:end]) for start, end in spans] == [b"".join(raw for _, raw in w) for w in words]
        assert result.word_hashes[part].tolist() == [twin_hash(b"".join(raw for _, raw in word)) for word in words]
        kept = [[c for c in word if not tables.properties[c[0]] & PUNCTUATION] for word in words]
        assert (result.shingle_hashes[part] != 0).tolist() == [bool(word) for word in kept]


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
    result = of_bytes([raw, b"\x80\xa6"])
    assert result.num_chars.tolist() == [chars, 2]
    assert result.num_words.tolist() == [1, 1]
    assert result.word_ends.tolist() == [len(raw), len(raw) + 2]


def test_shingle_hash_ignores_case_and_punctuation() -> None:
    hashes = scan(pa.array(["don\u2019t DON'T, (Dont) «dont$» dónt"])).shingle_hashes
    assert len(set(hashes[:4].tolist())) == 1
    assert hashes[4] != hashes[0]
    assert scan(pa.array(["-- … 😀 #"])).shingle_hashes.tolist() == [0, 0, 0, 0]


def test_shingle_hash_is_the_word_s_own_where_nothing_changes() -> None:
    result = scan(pa.array([f"plain word9 été Plain word. Été {PADDING}"]))
    assert result.shingle_hashes[:3].tolist() == result.word_hashes[:3].tolist()
    assert result.shingle_hashes[3:6].tolist() == [twin_hash(word.encode()) for word in ("plain", "word", "été")]
    assert not set(result.word_hashes[3:6].tolist()) & set(result.shingle_hashes.tolist())


def test_shingle_hash_lowers_one_to_one() -> None:
    hashes = scan(pa.array(["ΟΔΟΣ οδοσ οδος İ i"])).shingle_hashes  # no final sigma, no dot above
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3] == hashes[4]
