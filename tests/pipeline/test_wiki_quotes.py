from __future__ import annotations

import pytest

from pipeline.wiki_markup import wiki_text
from pipeline.wiki_quotes import without_quotes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("''a'' '''b''' '''''c'''''", "a b c"),
        ("it's ''a'' d'un", "it's a d'un"),
        ("l'''Asse'' e '''Nola'''", "l'Asse e Nola"),  # behind a word of one letter
        ("dell'''Asse''", "dell'Asse"),  # behind a longer one
        ("''Iliad'''s text", "Iliad's text"),
        ("'''a''", "'a"),  # nothing before it
        ("''''a''''", "'a'"),  # bold within apostrophes
        ("''''''a''''''", "'a'"),
        ("''a\nb''", "a\nb"),  # a line ends them
        ("a\n'''b\nc", "a\nb\nc"),
        ("", ""),
        ("'", "'"),
    ],
)
def test_apostrophes(text: str, expected: str) -> None:
    assert without_quotes(text) == expected


def test_italics_across_other_markup_harm_nothing() -> None:
    markup = "''A <ref>''B'' [[c</ref> d ''[[e|f'' g]]\n== ''See also ==\nno\n== History ==\n''kept"
    assert wiki_text(markup, "T") == "T\n\nA  d f g\n\nHistory\nkept"
