import random

import numpy as np
import pytest

from filters.html_tags import name_hash
from filters.html_words import digit_flags, hash_block, letter_flags, next_word, num_first, num_flags


def slow_words(text: bytes) -> list[str]:
    """Runs of letters and digits, cut before a capital behind a small letter."""
    words, before = [], ""
    for character in text.decode("latin-1"):
        is_word = character.isascii() and character.isalnum()
        if is_word and before and not ("A" <= character <= "Z" and "a" <= before <= "z"):
            words[-1] += character.lower()
        elif is_word:
            words.append(character.lower())
        before = character if is_word else ""
    return words


def words_of(text: bytes) -> list[int]:
    data = np.frombuffer(b"xx" + text + b"xX9", np.uint8)  # neighbours that do not belong to it
    position, stop, found = 2, 2 + len(text), []
    while True:
        word, position = next_word(data, position, stop)
        if not word:
            return found
        found.append(int(word))


@pytest.mark.parametrize("text", [b"", b"-", b"articleBody-main", b"eightbitEightbit", b"aB", b"AB", b"a1B", b"x" * 20])
def test_words_by_hand(text):
    assert words_of(text) == [name_hash(word) for word in slow_words(text)]


@pytest.mark.parametrize("seed", range(50))
def test_words_equal_a_slow_twin(seed):
    text = bytes(random.Random(seed).choices(b"abcdefgzAZ09@[`{/: -_\x00\xc1\xe1\xff", k=200))
    assert words_of(text) == [name_hash(word) for word in slow_words(text)]


def test_flags_of_every_byte():
    for byte in range(256):
        block = np.uint64(int.from_bytes(bytes([byte, 0xFF, 0, 0x41, byte, 0x39, 0x7A, byte]), "little"))
        letters, digits = (int(f(block)).to_bytes(8, "little") for f in (letter_flags, digit_flags))
        is_letter, is_digit = bytes([byte]).isalpha(), bytes([byte]).isdigit()
        assert [flag == 0x80 for flag in letters] == [is_letter, False, False, True, is_letter, False, True, is_letter]
        assert [flag == 0x80 for flag in digits] == [is_digit, False, False, False, is_digit, True, False, is_digit]


@pytest.mark.parametrize("size", range(1, 9))
def test_a_part_of_a_block(size):
    block = np.uint64(int.from_bytes(b"a7b77cde", "little"))
    assert hash_block(np.uint64(name_hash("")), block, size) == name_hash("a7b77cde"[:size])
    assert num_flags(np.uint64(digit_flags(block)), size) == sum(c.isdigit() for c in "a7b77cde"[:size])
    flags = np.uint64((1 << 8 * size) - 1 & 0x8080808080808080)
    assert num_first(flags) == size
    assert num_first(np.uint64(0)) == 0
