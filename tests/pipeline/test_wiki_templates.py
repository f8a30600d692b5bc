# ruff: noqa: RUF001
"""Sentence templates, sections of all editions, what a dump says of its wiki."""

from __future__ import annotations

import pytest

from pipeline.letter_case import lower
from pipeline.wiki_markup import wiki_text
from pipeline.wiki_sections import dropped_sections
from pipeline.wiki_site import read_site


def text_of(markup: str) -> str:
    return wiki_text(f"x {markup} y", "T").removeprefix("T\n\nx ").removesuffix(" y")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("{{convert|12|km2|sqmi|abbr=on}}", "12 km²"),
        ("{{Convert|1.5|-|2|km|mi}}", "1.5–2 km"),
        ("{{cvt|-40|C}}", "-40 °C"),
        ("{{convert|km}}", ""),
        ("{{lang|fr|''mot''}}", "mot"),
        ("{{lang|fr}}", ""),  # names no text
        ("{{lang-de|Wien}}", "Wien"),
        ("{{transl|ru|ISO|Moskva}}", "Moskva"),
        ("{{nowrap|[[a|b]] {{convert|3|ft}}}}", "b 3 ft"),
        ("{{frac|1|2}} {{frac|3|1|4}}", "1/2 3 1/4"),
        ("{{as of|2010|3|lc=y}}", "As of March 2010"),
        ("{{As_of|2010}}", "As of 2010"),
        ("{{nihongo|Tokyo|東京|Tōkyō}}", "Tokyo (東京, Tōkyō)"),
        ("{{nihongo||東京}}", "東京"),
        ("{{nihongo|Tokyo|東京,||x}}", "Tokyo (東京)"),
        ("{{c.|1500}}", "c. 1500"),
        ("a{{snd}}b{{mdash}}c{{·}}d", "a – b—c · d"),
        ("{{formatnum:1234}}", "1234"),
        ("{{XIXe siècle}} {{IIIe siècle av. J.-C.}}", "XIXe siècle IIIe siècle av. J.-C."),
        ("{{unité|12|km}}", "12 km"),
        ("{{chem|H|2|O}}", "H2O"),
        ("{{Infobox|name=a|b}}{{reflist}}{{notelist-ua}}{{cite web|url=c}}", ""),  # as the paper's parser does
    ],
)
def test_templates(markup: str, expected: str) -> None:
    assert text_of(markup) == expected


def test_quotations_are_lines_of_their_own() -> None:
    assert wiki_text("He said:\n{{quote|text=named}}\n{{Quote|Not so.|author}}", "T") == "T\n\nHe said:\n\nNot so."


@pytest.mark.parametrize(
    "heading",
    ["References", "SEE ALSO", "''Notes''", "Einzelnachweise", "Liens externes", "Véase también", "См. также",
     "参考文献", "脚注", "Lihat pula", "Viungo vya nje", "بیرونی روابط", "External links:"],
)  # fmt: skip
def test_sections_of_all_editions_are_cut(heading: str) -> None:
    assert wiki_text(f"Lead.\n== {heading} ==\n* no\n=== Books ===\n* no\n== Kept ==\nyes", "T") == (
        "T\n\nLead.\n\nKept\nyes"
    )


def test_the_table_is_in_lower_case() -> None:
    assert {name for name in dropped_sections("") if name != lower(name).strip(" :")} == set()
    assert "" not in dropped_sections("")


@pytest.mark.parametrize(
    ("language", "heading", "is_cut"),
    [
        ("cs", "Literatura", True), ("es", "Literatura", False), ("pt", "Literatura", False), ("", "Literatura", True),
        ("hr", "Literatura", True),  # an edition without a row of its own
        ("ca", "Fonts", True), ("en", "Fonts", False), ("fr", "Annexes", True), ("en", "Annexes", False),
        ("en", "Bibliography", False), ("en", "Footnotes", False),  # which the paper does not name
        ("en", "Voir aussi", True),  # in an edition that calls itself English
        ("de", "References", True), ("nb", "Noter", True), ("no", "Noter", True),
        ("fr", "Voir également", True), ("de", "Weblinks und Literatur", True), ("it", "Collegamenti", True),
        ("de", "Weiterführende Literatur", True), ("ru", "Смотрите также", True),
    ],
)  # fmt: skip
def test_an_editions_own_names_and_the_english_ones_are_cut(language: str, heading: str, is_cut: bool) -> None:
    text = wiki_text(f"Lead.\n== {heading} ==\nbody", "T", language=language)
    assert text == ("T\n\nLead." if is_cut else f"T\n\nLead.\n\n{heading}\nbody")


def test_a_heading_stands_over_its_subsections() -> None:
    assert wiki_text("== A ==\n=== B ===\ntext\n== C ==\n=== D ===\n{{x}}", "T") == "T\n\nA\n\nB\ntext"


def test_site() -> None:
    head = """<mediawiki xmlns="x" version="0.11" xml:lang="ru"><siteinfo>
    <base>https://ru.wikipedia.org/wiki/%D0%97</base><namespaces><namespace key="0" case="first-letter" />
    <namespace key="6" case="first-letter">Файл</namespace><namespace key="14">Категория</namespace>
    <namespace key="1">Обсуждение</namespace><namespace key="x">Bad</namespace></namespaces></siteinfo>"""
    site = read_site(head.encode())
    assert site.language == "ru"
    assert site.url("Лев (A/B?)") == "https://ru.wikipedia.org/wiki/%D0%9B%D0%B5%D0%B2_(A/B%3F)"
    assert site.link_prefixes == {"файл", "категория"}
    assert [site.namespace_of(t) for t in ("обсуждение:А", "Файл: А", "А: Б", "А")] == [1, 6, 0, 0]
    for broken in (b"", b"<mediawiki>", b"<siteinfo><base></siteinfo>", b"\xff" * 99):
        assert (read_site(broken).language, read_site(broken).url("A")) == ("", None)


def test_lower_case_by_the_pinned_tables() -> None:
    assert lower("ABC éÉ ЖЯ ΑΣ") == "abc éé жя ασ"
    assert lower("İ") == "i"  # one character to one
