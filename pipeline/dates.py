"""Dates as sources write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = (
    r"(?:[ ,T]+(?:at )?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?P<zone> ?(?:[+-]\d{2}(?::?\d{2})?|Z|GMT|UTC|[ECMP][SD]T))?)?"
)
_AMERICAN_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}  # RFC 2822
_WEEKDAY = r"(?:[A-Za-z]{3,9},? )?"
_FORMS = tuple(  # all of the text must match
    re.compile(form, re.ASCII)
    for form in (
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _CLOCK,
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:T?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})Z?)?",
        _WEEKDAY + r"(?P<day>\d{1,2})[- ](?P<month>[A-Za-z]{3,9})[- ,]+(?P<year>\d{4})" + _CLOCK,
        _WEEKDAY + r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})" + _CLOCK,
        r"(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<year>\d{4})" + _CLOCK,
    )
)


def parse_date(text: str) -> datetime | None:
    """Read a date, with or without a time of day.

    ISO 8601, RFC 2822 (with the zones of North America by name), ARC's 14 digits, ``26-FEB-1987 15:01:01.79``,
    ``June 4, 2025 at 3:05 PM``, and ``06-13-2014``, whose day and month are told apart by the one that is above 12.

    Args:
        text: A date, month names in English; blanks around it are ignored.

    Returns:
        Aware, in UTC, whole seconds; a time without zone is taken as UTC, a date as its midnight. None for anything
        else, ambiguous dates such as ``06-05-2014`` included.
    """
    for form in _FORMS:
        if match := form.fullmatch(text.strip()):
            try:
                return _build(match.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _build(parts: dict[str, str | None]) -> datetime:
    month, day = _month_and_day(parts)
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError("hours of half a day go from 1 to 12")
        hour = hour % 12 + (12 if half in "pP" else 0)
    zone = _zone(parts.get("zone") or "")
    return datetime(int(parts["year"] or 0), month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)


def _month_and_day(parts: dict[str, str | None]) -> tuple[int, int]:
    if "first" in parts:
        low, high = sorted((int(parts["first"] or 0), int(parts["second_part"] or 0)))
        if high <= 12 and low != high:
            raise ValueError("day and month can't be told apart")
        return low, high
    month = parts["month"] or ""
    return int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1, int(parts["day"] or 0)


def _zone(text: str) -> timezone:
    digits = text.strip(" ").replace(":", "")
    if digits in _AMERICAN_ZONES:
        return timezone(timedelta(hours=_AMERICAN_ZONES[digits]))
    if digits[:1] not in ("+", "-"):
        return UTC
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5] or 0))
    return timezone(-offset if digits[0] == "-" else offset)
