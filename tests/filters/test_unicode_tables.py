import unicodedata

import numpy as np
import pytest

from filters.unicode_tables import (
    ALPHABETIC,
    NUM_CODE_POINTS,
    PUNCTUATION,
    UNICODE_VERSION,
    WHITE_SPACE,
    unicode_tables,
)

# PropList.txt of Unicode 15.0, property White_Space, as it lists them.
WHITE_SPACE_RANGES = [
    (0x0009, 0x000D),
    (0x0020, 0x0020),
    (0x0085, 0x0085),
    (0x00A0, 0x00A0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2028),
    (0x2029, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
]


def has(bit: int, character: str) -> bool:
    return bool(unicode_tables().properties[ord(character)] & bit)


def test_white_space_is_the_property_with_its_25_code_points() -> None:
    expected = [code_point for low, high in WHITE_SPACE_RANGES for code_point in range(low, high + 1)]
    assert len(expected) == 25
    assert np.flatnonzero(unicode_tables().properties & WHITE_SPACE).tolist() == expected


def test_separators_that_python_splits_at_are_no_white_space() -> None:
    assert not any(has(WHITE_SPACE, character) for character in "\x1c\x1d\x1e\x1f\u200b\u180e\ufeff")


@pytest.mark.parametrize("character", ["a", "Z", "é", "ß", "中", "ก", "あ", "ⅷ", "ª", "ʰ", "𐐀", "𞤢"])
def test_letters_and_letter_numbers_are_alphabetic(character: str) -> None:
    assert has(ALPHABETIC, character)
    assert not has(PUNCTUATION, character)


@pytest.mark.parametrize("character", ["!", "#", "…", "•", "\u2019", "$", "+", "<", "^", "€", "©", "😀", "。", "「"])
def test_punctuation_and_symbols_are_punctuation(character: str) -> None:
    assert has(PUNCTUATION, character)
    assert not has(ALPHABETIC, character)


@pytest.mark.parametrize("character", ["0", "٣", "½", "\u0301", "\u200d", "\u0378", "\ue000", "\x00"])
def test_digits_marks_controls_and_unassigned_are_neither(character: str) -> None:
    assert unicode_tables().properties[ord(character)] == 0


@pytest.mark.parametrize(
    ("character", "lower"),
    [
        ("A", "a"),
        ("a", "a"),
        ("É", "é"),
        ("Σ", "\u03c3"),
        ("ẞ", "ß"),
        ("İ", "i"),
        ("K", "k"),
        ("Ⅷ", "ⅷ"),
        ("𐐀", "𐐨"),
        ("中", "中"),
    ],
)
def test_lower_is_the_simple_mapping(character: str, lower: str) -> None:
    assert unicode_tables().lower[ord(character)] == ord(lower)


def test_lower_is_done_after_once() -> None:
    lower = unicode_tables().lower
    assert np.array_equal(lower[lower], lower)


def test_tables_cover_every_code_point_and_are_read_only() -> None:
    tables = unicode_tables()
    assert len(tables.properties) == len(tables.lower) == NUM_CODE_POINTS
    with pytest.raises(ValueError, match="read-only"):
        tables.lower[0] = 1


@pytest.mark.skipif(
    tuple(map(int, unicodedata.unidata_version.split("."))) > tuple(map(int, UNICODE_VERSION.split("."))),
    reason="this interpreter's Unicode is newer than the committed table's",
)
def test_tables_agree_with_the_interpreter_on_all_that_it_knows() -> None:
    tables = unicode_tables()
    for code_point in range(NUM_CODE_POINTS):
        character = chr(code_point)
        category = unicodedata.category(character)
        if category == "Cn":  # 3.11 has an older Unicode, in which this one may be unassigned yet
            continue
        bits = int(tables.properties[code_point]) & ~WHITE_SPACE
        expected = ALPHABETIC if category[0] == "L" or category == "Nl" else PUNCTUATION if category[0] in "PS" else 0
        assert bits == expected, hex(code_point)
        if code_point != 0x130:  # its full mapping has two code points
            assert tables.lower[code_point] == ord(character.lower()), hex(code_point)
