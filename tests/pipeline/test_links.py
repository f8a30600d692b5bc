import pytest

from pipeline.links import Link, outlinks, says_nofollow

PAGE = "http://h/a/b"


def targets(html: str | bytes, charset: str | None = None) -> list[str]:
    body = html.encode() if isinstance(html, str) else html
    return [link.target for link in outlinks(body, PAGE, {"h", "other"}, charset)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", []),
        ("no markup at all", []),
        ("<a>x</a><a href>y</a><a name=z>", []),  # an empty reference is the page itself
        ("<a href=c>", ["http://h/a/c"]),
        ("<A HREF='/c#x'>1</A><a href='/c#y'>2</a><a href=' /c '>3</a>", ["http://h/c"]),
        ("<a href='#top'>up</a><a href='?'>again</a><a href='http://h:80/a/b'>self</a>", []),
        ("<a href='mailto:x@y'>m</a><a href='javascript:x()'>j</a><a href='ftp://h/x'>f</a>", []),
        ("<a href='http://elsewhere/x'>e</a><a href='//other/x'>o</a>", ["http://other/x"]),
        ("<map><area href='/m'></map>", ["http://h/m"]),
        ("<base href='/base/'><a href=c>", ["http://h/base/c"]),
        ("<base target=x><base href='http://other/o/'><base href='/second/'><a href=c>", ["http://other/o/c"]),
        ("<base href='mailto:x'><a href=c>", ["http://h/a/c"]),
        ("<a href='/b'>b<a href='/a'>a", ["http://h/a", "http://h/b"]),  # in order
        ("<a href='/c?a=1&amp;b=2'>", ["http://h/c?a=1&b=2"]),
        ("<!-- <a href='/hidden'> --><script>'<a href=/s>'</script>", []),
        ("<a href='/x;jsessionid=1'><a href='/x;jsessionid=2'><a href='/x?utm_source=a'>", ["http://h/x"]),
    ],
)
def test_targets(html: str, expected: list[str]) -> None:
    assert targets(html) == expected


def test_nofollow_is_recorded() -> None:
    html = b"<a rel='NOFOLLOW noopener' href='/n'><a href='/f'><a rel=nofollow href='/both'><a href='/both'>"
    assert outlinks(html, PAGE, {"h"}) == [
        Link("http://h/both", False),
        Link("http://h/f", False),
        Link("http://h/n", True),
    ]


@pytest.mark.parametrize("meta", ["<META NAME=Robots CONTENT='noindex, NoFollow'>", "<meta name=robots content=none>"])
def test_nofollow_of_the_page(meta: str) -> None:
    assert outlinks(f"{meta}<a href='/f'>".encode(), PAGE, {"h"}) == [Link("http://h/f", True)]
    assert outlinks(b"<a href='/f'>", PAGE, {"h"}, is_nofollow=True) == [Link("http://h/f", True)]


def test_says_nofollow() -> None:
    assert [
        says_nofollow(text) for text in ("", "index, follow", "nofollow", "NONE", "noindex", "noindex,nofollow")
    ] == [*(False, False, True, True, False, True)]


@pytest.mark.parametrize("charset", [None, "utf-8", "ascii", "no-such-charset", "utf-16"])
def test_wrong_charset_label_loses_no_ascii_link(charset: str | None) -> None:
    html = "<p>fünf Äpfel \u201e</p><a href='/x'>".encode("windows-1252") + b"\n"
    if charset == "utf-16":  # a label that decodes to something else is believed, as browsers do; an odd byte tells
        html += b" " * (1 - len(html) % 2)
    assert targets(html, charset) == ["http://h/x"]
