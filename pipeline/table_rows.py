"""Rows of somebody's table (JSON lines, Parquet) to documents: which of their fields are ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from filters.extraction import one_line
from pipeline.dates import parse_date
from pipeline.records import RawDocument

_OURS = ("text", "title", "url", "timestamp")


class Rejection(NamedTuple):
    """Why a row gives no document."""

    outcome: str  # dropped or failed
    reason: str
    error: str


def to_document(row: Mapping[str, Any], fields: Mapping[str, str]) -> RawDocument | Rejection:
    """Make a document of a row.

    The text is taken as it is. ``timestamp`` is their field of that name or, without one, ``date``. What has
    no column of ours goes to ``meta``, if it is a string, number or truth value, and so does a date that can't be read.

    Args:
        row: Their field -> value, as JSON or Arrow gives it.
        fields: Our column -> their field, for those that are called otherwise.

    Returns:
        The document, or why there is none: failed ``no_text`` (field missing), ``text_type``, ``bad_text`` (lone
        surrogates), or dropped ``empty``.
    """
    names = {ours: fields.get(ours, ours) for ours in _OURS}
    if "timestamp" not in fields and "timestamp" not in row:
        names["timestamp"] = "date"
    text = row.get(names["text"])
    if rejection := _reject(text, names["text"], names["text"] in row):
        return rejection
    moment = _moment(row.get(names["timestamp"]))
    taken = {names["text"], names["title"], names["url"]} | ({names["timestamp"]} if moment else set())
    meta = {str(key): simple for key, value in row.items() if key not in taken and (simple := _simple(value))}
    if not moment and (raw := meta.pop(names["timestamp"], None)):
        meta["date"] = raw
    title, url = row.get(names["title"]), row.get(names["url"])
    return RawDocument(
        str(text),
        one_line(title) or None if isinstance(title, str) else None,
        valid_unicode(url).strip() or None if isinstance(url, str) else None,
        moment,
        {valid_unicode(key): meta[key] for key in sorted(meta)},
    )


def valid_unicode(text: str) -> str:
    """Text whose lone surrogates, as JSON escapes can bring, are U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _reject(text: object, name: str, is_there: bool) -> Rejection | None:
    if not is_there:
        return Rejection("failed", "no_text", f"there is no field {name!r}")
    if text is None:
        return Rejection("dropped", "empty", "")
    if not isinstance(text, str):
        return Rejection("failed", "text_type", f"field {name!r} must be a string; got {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return Rejection("failed", "bad_text", str(error).replace("\n", " "))
    return None if text.strip(" \t\r\n") else Rejection("dropped", "empty", "")


def _simple(value: object) -> str:
    """A simple value as text; empty for null, lists and objects."""
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, (bool, int, float)) else ""


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).replace(microsecond=0)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None
