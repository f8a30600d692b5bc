from html import unescape
from html.entities import html5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.html_entities import read_reference, references


def read(text):
    """The characters that the reference at the start of a text stands for, and its size."""
    source = np.frombuffer(text.encode(), np.uint8)
    first, second, size = read_reference(source, 0, len(source), references())
    return "".join(map(chr, (first, second) if second else (first,))) if size else "", size


def test_every_name():
    for name, value in html5.items():
        assert read(f"&{name}") == (value, len(name) + 1)
        if name.endswith(";"):
            assert read(f"&{name}x") == (value, len(name) + 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&", ("", 0)), ("&;", ("", 0)), ("& amp;", ("", 0)), ("&xyzzy;", ("", 0)), ("&AMPx", ("&", 4)),
        ("&notit;", ("¬", 4)), ("&notin;", ("∉", 7)), ("&copy2", ("©", 5)), ("&lang", ("", 0)),
        ("&NotEqualTilde;", ("≂̸", 15)),
        ("&#65;", ("A", 5)), ("&#65x", ("A", 4)), ("&#x41;", ("A", 6)), ("&#X4a", ("J", 5)), ("&#x1F600;", ("😀", 9)),
        ("&#", ("", 0)), ("&#;", ("", 0)), ("&#x;", ("", 0)), ("&#xg", ("", 0)), ("&#a", ("", 0)),
        ("&#0;", ("\ufffd", 4)), ("&#xD800;", ("\ufffd", 8)), ("&#1114112;", ("\ufffd", 10)),
        ("&#x10FFFF;", ("\U0010ffff", 10)), ("&#99999999999999999999999999;", ("\ufffd", 29)),
        ("&#128;", ("€", 6)), ("&#x9F;", ("Ÿ", 6)), ("&#129;", ("\x81", 6)),
    ],
)  # fmt: skip
def test_by_hand(text, expected):
    assert read(text) == expected


@given(st.text(alphabet="&;xXaAbBcCdDlLtTgGnNoOpPsSyY0123456789", max_size=12))
def test_names_are_found_as_the_standard_library_finds_them(text):
    value, size = read("&" + text)
    rest = text[size - 1 :] if size else text
    assert unescape("&" + text) == (value or "&") + unescape(rest)
