# ruff: noqa: RUF001
"""What of a template's arguments is running text.

The paper's parser drops all templates, and sentences lose their quantities, foreign names and quotations with them
("an area of ." for ``an area of {{convert|12|km2}}.``). Those below stand inside sentences in many editions; all others
are dropped as there. Names are the English ones, which other editions keep as redirects, and a few of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

Arguments = Sequence[str]  # the unnamed ones, as text

_RANGE_WORDS: Final = {
    "-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ",
}  # fmt: skip
_UNITS: Final = {
    "sqmi": "sq mi", "sqft": "sq ft", "sqkm": "km²", "km2": "km²", "m2": "m²", "cm2": "cm²", "m3": "m³", "km3": "km³",
    "cm3": "cm³", "cuft": "cu ft", "cumi": "cu mi", "C": "°C", "F": "°F", "K": "K", "ftin": "ft", "km/h": "km/h",
    "kph": "km/h", "kmh": "km/h", "acre": "acres", "mi": "miles", "in": "inches", "long ton": "long tons",
    "short ton": "short tons", "/sqkm": "per km²", "/sqmi": "per sq mi", "PD/sqkm": "per km²", "PD/sqmi": "per sq mi",
}  # fmt: skip
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NUMBER = re.compile(r"[-+\u2212]?[0-9][0-9,.]*(?:/[0-9]+)?")


def _first(arguments: Arguments) -> str:
    return arguments[0] if arguments else ""


def _last(arguments: Arguments) -> str:
    return arguments[-1] if len(arguments) > 1 else ""  # the first names the language


def _quotation(arguments: Arguments) -> str:
    return f"\n{_first(arguments)}\n"


def _quantity(arguments: Arguments) -> str:
    """Number and unit of a conversion, ranges included; without the other unit, which would have to be computed."""
    text = ""
    for argument in arguments:
        if _NUMBER.fullmatch(argument):
            text += argument
        elif argument in _RANGE_WORDS and text:
            text += _RANGE_WORDS[argument]
        else:
            return f"{text} {_UNITS.get(argument, argument)}" if text else ""
    return text


def _as_of(arguments: Arguments) -> str:
    year, month, day = (*arguments[:3], "", "", "")[:3]
    if month.isascii() and month.isdigit() and 1 <= int(month) <= 12:
        month = _MONTHS[int(month) - 1]
    return " ".join(part for part in ("As of", day, month, year) if part) if year else ""


def _nihongo(arguments: Arguments) -> str:
    shown, *rest = (*arguments[:3], "")
    inside = ", ".join(name for part in rest if (name := part.rstrip(" ,")))
    return f"{shown} ({inside})" if shown and inside else shown or inside


def _fraction(arguments: Arguments) -> str:
    if len(arguments) < 3:
        return "/".join(arguments)
    return f"{arguments[0]} {arguments[1]}/{arguments[2]}"


def _constant(text: str) -> Callable[[Arguments], str]:
    return lambda arguments: text


def _around(before: str, after: str = "") -> Callable[[Arguments], str]:
    return lambda arguments: f"{before}{_first(arguments)}{after}" if arguments else before.strip()


_SHOWN_AS: Final = (
    (
        "nowrap|nobr|nobreak|small|smaller|big|larger|abbr|tooltip|vanchor|visible anchor|formatnum|num|numero"
        "|flag|flagcountry|flagu|unicode|sup|sub|not a typo|as written|linktext|strong|em|mono|var|math|mvar",
        _first,
    ),
    ("lang|langue|transl|transliteration", _last),
    ("quote|blockquote|cquote|quotation|citation bloc|zitat", _quotation),
    ("convert|cvt|conv", _quantity),
    ("unité|nombre|date|date-", " ".join),
    ("frac|sfrac|fraction", _fraction),
    ("nihongo|nihongo krt", _nihongo),
    ("as of", _as_of),
    ("circa|c.|ca.", _around("c. ")),
    ("floruit|fl.", _around("fl. ")),
    ("angbr", _around("⟨", "⟩")),
    ("m s.l.m.", _around("", " m s.l.m.")),
    ("chem|chem2|ce", "".join),
    ("spaced ndash|snd|spnd|spaced en dash|–", _constant(" – ")),
    ("ndash|en dash", _constant("–")),
    ("mdash|em dash|—", _constant("—")),
    ("·|dot|middot|•|bullet", _constant(" · ")),
    ("'|`", _constant("'")),
    ("'s", _constant("'s")),
    ("pipe|!", _constant("|")),
)
_SHOWN: Final[dict[str, Callable[[Arguments], str]]] = {
    name: show for names, show in _SHOWN_AS for name in names.split("|")
}
_LANGUAGE_NAMED = re.compile(r"lang-[a-z-]{2,12}")
_CENTURY = re.compile(r"([ivx]+)(er|e) siècle( av\. j\.-c\.)?")  # of French pages, whole in the name
_FORMAT_NUMBER: Final = "formatnum:"  # a function, whose argument stands in its name


def is_shown(name: str) -> bool:
    """Whether a template (its name in lower case) has running text among its arguments."""
    is_pattern = _LANGUAGE_NAMED.fullmatch(name) or _CENTURY.fullmatch(name)
    return name in _SHOWN or name.startswith(_FORMAT_NUMBER) or is_pattern is not None


def shown_text(name: str, arguments: Arguments) -> str:
    """Text that a template stands for.

    Args:
        name: Lower case, blanks for underscores; one for which ``is_shown`` holds.
        arguments: The unnamed ones, in order, as text.

    Returns:
        What is shown, as far as it stands in the arguments.
    """
    if name.startswith(_FORMAT_NUMBER):
        return name.removeprefix(_FORMAT_NUMBER)
    if century := _CENTURY.fullmatch(name):
        return f"{century[1].upper()}{century[2]} siècle{' av. J.-C.' if century[3] else ''}"
    return _SHOWN.get(name, _first)(arguments)
