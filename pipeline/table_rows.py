"""Rows of somebody's table (JSON lines, Parquet) to documents: which of their fields are ours."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from filters.extraction import one_line
from pipeline.dates import parse_date
from pipeline.records import RawDocument

_OURS = ("text", "title", "url", "timestamp")
# What sources call our columns, tried in order when the recipe maps none: of C4, CC-News, RealNews, Dolma, news-please.
_USUAL: Final = {
    "text": ("text", "maintext", "article_text", "raw_content"),  # not body or content: these may be HTML as well
    "title": ("title", "headline"),
    "url": ("url", "link", "source_url"),
    "timestamp": (
        "timestamp", "date", "publish_date", "date_publish", "published", "published_at", "date_published",
        "publication_date", "pub_date", "pubDate", "created",
    ),
}  # fmt: skip


class Rejection(NamedTuple):
    """Why a row gives no document."""

    outcome: str  # dropped or failed
    reason: str
    error: str


def to_document(row: Mapping[str, Any], fields: Mapping[str, str]) -> RawDocument | Rejection:
    """Make a document of a row.

    The text is taken as it is. What has no column of ours goes to ``meta``, if it is a string, number or truth value,
    and so does a date that can't be read.

    Args:
        row: Their field -> value, as JSON or Arrow gives it.
        fields: Our column -> their field; ``meta.url`` is the field ``url`` of the object ``meta``. For a column that
            is not named here, the first of its usual names that the row has.

    Returns:
        The document, or why there is none: failed ``no_text`` (field missing), ``text_type``, ``bad_text`` (lone
        surrogates), or dropped ``empty``.
    """
    names = {ours: fields.get(ours) or usual_name(ours, row) for ours in _OURS}
    is_there, text = field_of(row, names["text"])
    if rejection := _reject(text, names["text"], is_there):
        return rejection
    title, url, date = (field_of(row, names[ours])[1] for ours in ("title", "url", "timestamp"))
    moment = _moment(date)
    taken = {names["text"], names["title"], names["url"]} | ({names["timestamp"]} if moment else set())
    meta = {str(key): simple for key, value in row.items() if key not in taken and (simple := _simple(value))}
    if not moment and (raw := meta.pop(names["timestamp"], None) or _simple(date)):
        meta["date"] = raw
    return RawDocument(
        str(text),
        one_line(title) or None if isinstance(title, str) else None,
        valid_unicode(url).strip() or None if isinstance(url, str) else None,
        moment,
        {valid_unicode(key): meta[key] for key in sorted(meta)},
    )


def usual_name(ours: str, names: Container[str]) -> str:
    """What a column of ours is called among a source's names; our own name when it has none of the usual."""
    return next((name for name in _USUAL[ours] if name in names), ours)


def field_of(row: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether a row has a field, and its value; dots lead into objects unless a field is called so."""
    if name in row:
        return True, row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value


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
    return _since_1970(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _since_1970(value: float) -> datetime | None:
    """Seconds or, from 100,000,000,000 on, milliseconds; earlier than March 1973 it is some other number."""
    seconds = value // 1_000 if value >= 1e11 else value
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds)) if 1e8 <= seconds < 1e11 else None
