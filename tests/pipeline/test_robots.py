import pytest

from pipeline.robots import ALLOW_ALL, MAX_ROBOTS_BYTES, RULES, UNREACHABLE, product_token, robots_of

AGENT = "FooBot/1.2 (+https://example.org/bot)"


def allowed(text: str | bytes, path: str, agent: str = AGENT) -> bool:
    body = text.encode() if isinstance(text, str) else text
    return robots_of(200, body, agent).allows(f"http://h{path}")


# After the cases of RFC 9309 and of google/robotstxt, written anew.
@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "/x", True),
        ("Disallow: /", "/x", True),  # before any group
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow:", "/x", True),
        ("user-agent: foobot\ndisallow: /", "/x", False),
        ("USER-AGENT: FOOBOT\nDISALLOW: /", "/x", False),
        ("User-agent: FooBot/1.2\nDisallow: /", "/x", False),  # a version is no part of the token
        ("User-agent: FooBot # us\nDisallow: /", "/x", False),
        ("User-agent: Foo\nDisallow: /", "/x", True),  # another crawler
        ("User-agent: FooBotNews\nDisallow: /", "/x", True),
        ("User-agent: us\nDisallow: /", "/x", True),  # how the parser names our groups
        ("User-agent: them\nDisallow: /", "/x", True),
        ("User-agent: Bar\nDisallow: /\n\nUser-agent: *\nDisallow: /y", "/x", True),
        ("User-agent: *\nDisallow: /\nUser-agent: FooBot\nAllow: /", "/x", True),  # our group goes before *
        ("User-agent: *\nDisallow: /x\nUser-agent: FooBot\nDisallow: /y", "/x", True),
        ("User-agent: * all\nDisallow: /", "/x", False),  # "*" and more is "*"
        ("User-agent: *bot\nDisallow: /", "/x", True),  # no wildcards in names
        ("User-agent: Bar\nUser-agent: FooBot\nDisallow: /", "/x", False),
        (
            "User-agent: FooBot\nDisallow: /a\nUser-agent: Bar\nDisallow: /b\nUser-agent: FooBot\nDisallow: /c",
            "/c",
            False,
        ),
        (
            "User-agent: FooBot\nDisallow: /a\nUser-agent: Bar\nDisallow: /b\nUser-agent: FooBot\nDisallow: /c",
            "/a",
            False,
        ),
        (
            "User-agent: FooBot\nDisallow: /a\nUser-agent: Bar\nDisallow: /b\nUser-agent: FooBot\nDisallow: /c",
            "/b",
            True,
        ),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),  # longest match
        ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/b/c", True),  # in any order
        ("User-agent: *\nDisallow: /a/b\nAllow: /a", "/a/b/c", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),  # a tie allows
        ("User-agent: *\nDisallow: /A", "/a", True),  # paths know case
        ("User-agent: *\nDisallow: /*.gif$", "/x.gif", False),
        ("User-agent: *\nDisallow: /*.gif$", "/x.gif?y", True),
        ("User-agent: *\nDisallow: /*/c", "/a/b/c", False),
        ("User-agent: *\nDisallow: /x%2fy", "/x%2Fy", False),
        ("User-agent: *\nDisallow: /ü", "/%C3%BC", False),
        ("User-agent: *\nDisallow: /a?b", "/a?b=1", False),
        ("User-agent: *\r\nDisallow: /x\r\n", "/x", False),
        ("User-agent: *\rDisallow: /x\r", "/x", False),
        ("\ufeffUser-agent: *\nDisallow: /x", "/x", False),  # byte order mark
        ("User-agent: *\nSitemap: http://h/s.xml\nDisallow: /x", "/x", False),
        ("<html><body>Not found</body></html>", "/x", True),
    ],
)
def test_rules(text: str, path: str, expected: bool) -> None:
    assert allowed(text, path) is expected


def test_bytes_that_are_no_utf8() -> None:
    assert not allowed(b"# \xff\xfe\x00\nUser-agent: *\nDisallow: /x", "/x")


def test_large_file_is_read_up_to_the_limit() -> None:
    head = "User-agent: *\nDisallow: /a\n"
    filler = "#" * (MAX_ROBOTS_BYTES - len(head) - len("\nDisallow: /b"))
    # "/bcd" is cut behind "b": a rule that forbids more than was meant, so the line goes
    text = f"{head}{filler}\nDisallow: /bcd\nDisallow: /e"
    assert [allowed(text, path) for path in ("/a", "/b", "/bcd", "/e")] == [False, True, True, True]
    fits = f"{head}{filler[2:]}\nDisallow: /b\n"
    assert not allowed(fits, "/bcd")


@pytest.mark.parametrize(
    ("status", "kind", "allows"),
    [
        (200, RULES, False),
        (204, RULES, False),
        *((status, ALLOW_ALL, True) for status in (400, 401, 403, 404, 410)),
        *((status, UNREACHABLE, False) for status in (429, 500, 503, 599, 304, 101)),
    ],
)
def test_status(status: int, kind: str, allows: bool) -> None:
    robots = robots_of(status, b"User-agent: *\nDisallow: /", AGENT)
    assert (robots.kind, robots.allows("http://h/x")) == (kind, allows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-agent: *\nCrawl-delay: 2.5", 2.5),
        ("User-agent: FooBot/2\nCrawl-delay: 3\nUser-agent: *\nCrawl-delay: 9", 3.0),
        ("User-agent: Bar\nCrawl-delay: 3", None),
        *((f"User-agent: *\nCrawl-delay: {bad}", None) for bad in ("nan", "inf", "-1", "soon", "")),
    ],
)
def test_crawl_delay(text: str, expected: float | None) -> None:
    assert robots_of(200, text.encode(), AGENT).crawl_delay_s == expected


def test_product_token() -> None:
    assert product_token("mass_ive-text/0.1 (+x)") == "mass_ive-text"
    with pytest.raises(ValueError, match="product token"):
        product_token("1bot")
