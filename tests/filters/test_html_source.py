import random

import numpy as np
import pytest

from filters.html_source import page_bytes

POINTS = [0, 0x41, 0x7F, 0x80, 0xE9, 0x7FF, 0x800, 0x2019, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF]


@pytest.mark.parametrize("highest", [0x7F, 0xFF, 0xFFFF, 0x10FFFF])  # Python stores 1, 1, 2 and 4 bytes a character
@pytest.mark.parametrize("seed", range(10))
def test_bytes_equal_those_of_python(highest, seed):
    chance = random.Random(seed)
    points = [point for point in POINTS if point <= highest]
    ascii_runs = ["a" * chance.randrange(5000) for _ in range(4)]
    page = "".join(run + "".join(map(chr, chance.choices(points, k=chance.randrange(100)))) for run in ascii_runs)
    assert page_bytes(page).tobytes() == page.encode()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("before", [0, 1, 31, 32, 33])  # around what is looked at together
def test_each_place_of_a_character(point, before):
    page = "x" * before + chr(point) + "y" * 40
    assert page_bytes(page).tobytes() == page.encode()


@pytest.mark.parametrize("page", ["", b""])
def test_an_empty_page(page):
    assert page_bytes(page).tolist() == []


@pytest.mark.parametrize("page", ["a\ud800b", "\udfff", "\U0001f600\udc00", "\ud83d\ude00"])
def test_lone_surrogates_are_replaced(page):
    assert page_bytes(page).tobytes().decode() == "".join("\ufffd" if "\ud800" <= c < "\ue000" else c for c in page)


def test_bytes_stay_as_they_are():
    assert page_bytes(b"a\xff\x00").tolist() == [0x61, 0xFF, 0]


@pytest.mark.parametrize("page", ["word", "w\u00f6rd", b"word"])
def test_an_array_that_kernels_share(page):
    data = page_bytes(page)
    assert data.dtype == np.uint8
    assert not data.flags.writeable
