"""What is refused before the parser sees it. Times were measured once, by fuzzing; here only what is counted."""

from __future__ import annotations

import pytest

from pipeline.wiki_limits import MAX_MARKUP_CHARS, MAX_UNCLOSED, MarkupError, Unclosed, check_markup, count_unclosed
from pipeline.wiki_markup import wiki_text


@pytest.mark.parametrize(
    ("markup", "num_marks", "num_costly"),
    [
        ("", 0, 0),
        ("{{a|[[b]]}} [http://a b] [not a link] <b>c</b> <br> <ref name=x /> ''d'' '''e''' <!-- [[ -->", 0, 0),
        ("{|\n|-\n| a\n|}", 0, 0),
        ("{{a|}} {{{a|}}}", 0, 0),  # |} ends a table only where a line begins
        ("[[a", 1, 1),
        ("a]] }} </b>", 0, 0),  # an end of nothing costs nothing
        ("[[a {{b ]] }}", 1, 1),  # not in order: the template was left open
        ("<b><b></b>", 1, 1),
        ("== a [[b]] ==\n= c", 1, 0),
        ("== <b> ==\n</b>", 1, 1),
        ("<li>a<li>b", 2, 0),
        ("''a <ref>''b</ref>", 0, 0),  # italics are not for the parser
        ('<span style="a', 2, 2),  # element and start tag
        ('<span style="a </span>', 1, 1),
        ("<br <br <br>", 4, 4),
        ("<td <td>", 3, 1),
        ("<!-- a", 1, 1),
        ("<!-- <!-- --> <b>", 1, 1),
    ],
)
def test_counting_by_hand(markup: str, num_marks: int, num_costly: int) -> None:
    assert count_unclosed(markup) == Unclosed(num_marks, num_costly)


@pytest.mark.parametrize(
    "unit",
    [
        "[[", "{{a|b=", "<ref>", "[http://a ", "\n{|\n", "<!--", "[[File:a|b [[c]] ", '<a b="', "<nowiki>",
        '<ref name="a">', "<td>;''\n!", "<tr ",
        "\n==</table><table>",
    ],
)  # fmt: skip
def test_units_that_take_the_parser_minutes_are_refused(unit: str) -> None:
    with pytest.raises(MarkupError, match="left open"):
        wiki_text(unit * 20_001, "T")


def test_well_closed_markup_is_taken_however_much_there_is() -> None:
    deep = "{{a|" * 3000 + "}}" * 3000 + "<div>" * 3000 + "</div>" * 3000
    assert "word" in wiki_text("<br>word" * 2000 + "[[a]]" * 2000 + deep, "T")


def test_bounds_on_their_edge() -> None:
    check_markup("x" * MAX_MARKUP_CHARS)
    with pytest.raises(MarkupError, match="at most"):
        check_markup("x" * (MAX_MARKUP_CHARS + 1))
    check_markup("<td>" * MAX_UNCLOSED)
    with pytest.raises(MarkupError, match="left open"):
        check_markup("<td>" * (MAX_UNCLOSED + 1))
    check_markup("<td>" * 20 + "x" * 2_499_920)  # 20 times 2,500,000 characters
    with pytest.raises(MarkupError, match="left open"):
        check_markup("<td>" * 21 + "x" * 2_499_916)
    check_markup("[[" * 200 + "x" * 124_600)  # 200 squared times 125,000 characters
    with pytest.raises(MarkupError, match="left open"):
        check_markup("[[" * 200 + "x" * 124_601)
