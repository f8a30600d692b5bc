import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.urls import MAX_URL_CHARS, canonicalize, host_of, hostname_of, origin_of, scheme_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.COM:80/a/./b/../c?b=2&a=1#f", "http://example.com/a/c?b=2&a=1"),
        ("http://EXAMPLE.com", "http://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://bücher.example/ü?q=ü", "http://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
        ("http://h/%7euser/%c3%a9?a=%2f", "http://h/%7Euser/%C3%A9?a=%2F"),
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/a?", "http://h/a"),
        ("http://h/a?#x", "http://h/a"),
        ("http://0x7f.1/", "http://127.0.0.1/"),  # what a browser would ask
        ("http://2130706433/", "http://127.0.0.1/"),
        ("\thttp://h/\n", "http://h/"),
        ("http://h/a;jsessionid=0A1B?x=1", "http://h/a?x=1"),
        ("http://h/a/(S(abcdefghij0123456789wxyz))/b", "http://h/a/b"),
        ("http://h/a?utm_source=x&id=1&PHPSESSID=3&fbclid=4", "http://h/a?id=1"),
        ("http://h/a?utm_source=x", "http://h/a"),
        ("http://h/a?sid=5", "http://h/a?sid=5"),  # a session here, a story there
        ("http://h/a?b&b=&=c", "http://h/a?b&b=&=c"),
    ],
)
def test_canonicalize(url: str, expected: str) -> None:
    assert canonicalize(url) == expected
    assert canonicalize(expected) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "a/b", "mailto:a@b", "javascript:alert(1)", "ftp://h/x", "file:///etc/passwd", "data:text/html,x"),
        *(
            "http://user@h/",
            "http://user:pw@h/",
            "http://",
            "http://./",
            "http://a b/",
            "http://[::1/",
            "http://h:99999/",
        ),
        *("http://h/\ud800", "http://h/" + "a" * MAX_URL_CHARS),
    ],
)
def test_what_is_no_page(url: str) -> None:
    assert canonicalize(url) is None


def test_longest_url() -> None:
    longest = "http://h/" + "a" * (MAX_URL_CHARS - len("http://h/"))
    assert canonicalize(longest) == longest


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("d", "http://h/a/d"),
        ("/d", "http://h/d"),
        ("../../d", "http://h/d"),
        ("?x=1", "http://h/a/b?x=1"),
        ("#part", "http://h/a/b"),
        ("//other/d", "http://other/d"),
        ("https:d", "https://d/"),
        ("mailto:x@y", None),
    ],
)
def test_relative_to_a_page(reference: str, expected: str | None) -> None:
    assert canonicalize(reference, "http://h/a/b") == expected


def test_parts() -> None:
    assert host_of("http://docs.example/a") == "docs.example"
    assert host_of("http://docs.example:8080/a") == "docs.example:8080"
    assert host_of("https://docs.example:443/a") == "docs.example"
    assert [host_of(url) for url in ("mailto:a@b", "nonsense", "")] == ["", "", ""]
    assert hostname_of("http://[::1]:8080/a") == "::1"
    assert origin_of("https://docs.example/a?b") == "https://docs.example"
    assert (scheme_of("HTTPS://h/"), scheme_of("ftp://h"), scheme_of("nonsense")) == ("https", "ftp", "")


PATHS = (";jsessionid=", ";jses", "sionid=1", "/", "(S(abcdefghijklmnopqrstuvwx))", "/(S(", "a", "ü", "..", ".", "\\")
ESCAPES = ("%2e", "%3f", "%", "%7e", "\u3002", "\n", " ")
QUERIES = ("?", "??", "#", "utm_x", "=", "&", "PHPSESSID=1", "@", ":")
PIECES = st.sampled_from(PATHS + ESCAPES + QUERIES)


@given(host=st.text("aB0x7f.:%é ", max_size=12), rest=st.lists(PIECES, max_size=12))
def test_canonical_is_a_fixed_point_of_one_page(host: str, rest: list[str]) -> None:
    canonical = canonicalize(f"http://{host}/{''.join(rest)}")
    if canonical is not None:
        assert canonicalize(canonical) == canonical
        assert canonical.isascii()
        assert "#" not in canonical
        assert origin_of(canonical) == f"http://{host_of(canonical)}"
