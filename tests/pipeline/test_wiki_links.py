# ruff: noqa: RUF001
"""Links that show no text, what they and templates leave behind, and variants of a language."""

from __future__ import annotations

import pytest

from pipeline.wiki_markup import wiki_text


def text_of(markup: str, language: str = "") -> str:
    return wiki_text(f"x {markup} y", "T", language=language).removeprefix("T\n\nx ").removesuffix(" y")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("[[de:Anders]][[zh-min-nan:X|x]][[simple:X]]", ""),
        ("[[CSI: Miami]] [[Re:Zero]] [[FBI: Most Wanted]] [[it: x]]", "CSI: Miami Re:Zero FBI: Most Wanted it: x"),
        ("[[De:Anders]] [[xx:Y]] [[ben-hur:Z|Ben-Hur]]", "De:Anders xx:Y Ben-Hur"),
        ("[[Picha:x.jpg|thumb|250px|c]][[Gambar:A b.SVG|kiri]]", ""),  # a dump that does not say what files are called
        ("[[Rang: x.ogv]]", ""),
        ("[[:Picha:x.jpg|shown]] [[x.jpg]] [[Music: jpg]]", "shown x.jpg Music: jpg"),
    ],
)
def test_links(markup: str, expected: str) -> None:
    assert text_of(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a ({{x}}, {{y}}) b", "a b"),
        ("a (<ref>x</ref>) b", "a b"),
        ("a ([http://a.org]) b", "a b"),
        ("a ({{x}}; born {{y}}, 1900) b", "a (born , 1900) b"),
        ("in {{x}}, {{y}}, and", "in, and"),
        ("a （{{x}}，{{y}}） b", "a b"),
        ("<code>main()</code>, <code>f( a,, b)</code>, main()", "main(), f( a,, b), main()"),
        ("<code>f({{x}})</code> <syntaxhighlight>g({{x}})</syntaxhighlight>", "f() g({{x}})"),
        ("<pre>h( )</pre> <source>(1,)</source> <math>\\left( 1,, \\right)</math>", "h( ) (1,) \\left( 1,, \\right)"),
    ],
)
def test_brackets_go_where_markup_went_and_nowhere_else(markup: str, expected: str) -> None:
    assert text_of(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("-{zh-hans:计算机;zh-hant:電腦}-", "计算机"),
        ("-{zh-cn:[[a|计]]; zh-tw:[[b|電]];}-", "计"),
        ("-{A|zh-cn:一;zh-tw:二}-", "一"),
        ("a-{H|zh-cn:一;zh-tw:二}-b-{T|zh-cn:一}-", "ab"),
        ("-{zh-hans;zh-hant|字}-", "字"),
        ("-{Star Trek: Voyager}-", "Star Trek: Voyager"),
        ("-{a|b}- -{never ended", "b -{never ended"),
    ],
)
def test_variants(markup: str, expected: str) -> None:
    assert text_of(markup, "zh") == expected


def test_languages_without_variants_keep_their_braces() -> None:
    assert text_of("<math>e^{-{x}-{y}-z}</math> -{z}-", "en") == "e^{-{x}-{y}-z} -{z}-"
    assert text_of("-{Windows}-", "sr") == "Windows"
    assert wiki_text("== -{zh-cn:一;zh-tw:二}- ==\nx", "T", language="zh") == "T\n\n一\nx"
