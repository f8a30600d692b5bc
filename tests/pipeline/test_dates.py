from datetime import UTC, datetime

import pytest

from pipeline.dates import parse_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-06-04", (2025, 6, 4)),
        (" 2014-10-26T04:50:23Z ", (2014, 10, 26, 4, 50, 23)),
        ("2019-04-22T22:21:10.123456+02:00", (2019, 4, 22, 20, 21, 10)),
        ("2019-04-22 22:21:10 -0130", (2019, 4, 22, 23, 51, 10)),
        ("20080619093439", (2008, 6, 19, 9, 34, 39)),
        ("20080619", (2008, 6, 19)),
        ("26-FEB-1987 15:01:01.79", (1987, 2, 26, 15, 1, 1)),
        ("Tue, 11 Jan 2011 14:58:35 GMT", (2011, 1, 11, 14, 58, 35)),
        ("June 4, 2025", (2025, 6, 4)),
        ("Sept. 3rd 2001, 7:05", (2001, 9, 3, 7, 5)),
        ("06-13-2014", (2014, 6, 13)),
        ("13/06/2014", (2014, 6, 13)),
        ("05.05.2011", (2011, 5, 5)),
    ],
)
def test_dates_as_sources_write_them(text, expected):
    assert parse_date(text) == datetime(*expected, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "null", "yesterday", "2020-13-01", "2020-02-30", "06-05-2014", "13-13-2014", "20140401000000000000", "10:30",
     "2014", "2015-11", "9999-12-31T23:59:59-01:00", "0000-01-01", "\u0662\u0660\u0662\u0660-01-01", "11 Foo 2011"],
)  # fmt: skip
def test_anything_else_is_none(text):
    assert parse_date(text) is None
