from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.blocklists import Blocklist, build_blocklist, count_hosts

LIST = b"""# a comment
foo.com
 Spaces.ORG \r
www.bar.net

deep.sub.baz.net/
1.2.3.4
xxx
page.com/a/b
WWW2.page.org/User?Id=7
port.com:8080/x/
page.net/#
page.net/~me
"""


def build(*lists: tuple[str, bytes], block_bytes: int = 10**6) -> Blocklist:
    return build_blocklist(
        (category, [data[i : i + block_bytes] for i in range(0, len(data), block_bytes)]) for category, data in lists
    )


@pytest.mark.parametrize(
    ("host", "path", "is_listed"),
    [
        ("foo.com", "/", True),
        ("a.b.foo.com", "/x?y", True),
        ("barfoo.com", "/", False),
        ("foo.com.evil.net", "/", False),
        ("foo", "/", False),
        ("spaces.org", "/", True),
        ("www.bar.net", "/", True),
        ("bar.net", "/", False),
        ("deep.sub.baz.net", "/any", True),
        ("sub.baz.net", "/", False),
        ("1.2.3.4", "/", True),
        ("9.1.2.3.4", "/", False),
        ("anything.xxx", "/", True),
        ("xxx.com", "/", False),
        ("page.com", "/a/b", True),
        ("www.page.com", "/A/b/c", True),
        ("www12.page.com", "/a/b?c", True),
        ("page.com", "/a/b#c", True),
        ("page.com", "/a/b;jsessionid=1", True),
        ("page.com", "/a/bc", False),
        ("page.com", "/a", False),
        ("page.com", "/", False),
        ("m.page.com", "/a/b", False),
        ("wwwpage.com", "/a/b", False),
        ("page.org", "/user?id=7", True),
        ("page.org", "/user?id=7&x", True),
        ("page.org", "/user?id=77", False),
        ("port.com", "/x", True),
        ("port.com", "/", False),
        ("page.net", "/", True),  # "page.net/#" is all of it
        ("", "", False),
        ("", "/a/b", False),
    ],
)
def test_what_an_entry_covers(host: str, path: str, is_listed: bool) -> None:
    assert build(("adult", LIST)).category_of(host, path) == ("adult" if is_listed else None)


NOTATIONS = {
    "bad.com": [
        *(".bad.com", "*.bad.com", "http://bad.com/", "HTTPS://bad.com:8080", "bad.com."),
        *("0.0.0.0 bad.com", "127.0.0.1\tbad.com  # note", "::1 bad.com", "0.0.0.0  bad.com other.com"),
        *(
            "||bad.com^",
            "||bad.com^$third-party",
            "||bad.com",
            "bad.com # note",
            "bad.com\t#note",
            "\ufeffbad.com",
            "bad.com/*",
        ),
    ],
    "bad.com/x": ["http://bad.com/x", "||bad.com/x^", "bad.com/x # note", "https://www.bad.com/x/"],
    "bad.com/~user": ["bad.com/%7Euser", "bad.com/%7euser/"],
    "xn--bcher-kva.com": ["bücher.com", "*.Bücher.com # note", "||bücher.com^"],
    "bad.com/%C3%A9?%C3%A9": ["bad.com/é?é", "http://bad.com/%c3%a9?%c3%a9"],
    "[2001:db8::1]": ["2001:db8::1", "[2001:0db8:0:0::1]", "http://[2001:db8::1]/", "[2001:db8::1]:80"],
}


@pytest.mark.parametrize(("entry", "line"), [(entry, line) for entry, lines in NOTATIONS.items() for line in lines])
def test_notations_of_one_entry(entry: str, line: str) -> None:
    assert build(("a", line.encode())).hashes.tolist() == build(("a", entry.encode())).hashes.tolist()


def test_addresses_as_browsers_spell_them_are_found() -> None:
    found = build(("a", "\n".join(lines[-1] for lines in NOTATIONS.values()).encode()))
    for host, path in {
        "www.bad.com": "/x/y",
        "bad.com": "/%7Euser/1",
        "a.xn--bcher-kva.com": "/",
        "2001:db8::1": "/any",
    }.items():
        assert found.category_of(host, path) == "a", host
    assert build(("a", b"bad.com/~user")).category_of("bad.com", "/%7euser?x") == "a"
    assert build(("a", b"bad.com/a%2fb")).category_of("bad.com", "/a/b") is None  # an escaped slash is no slash
    assert build(("a", b"[2001:db8::1]")).category_of("2001:db8::12", "/") is None


@pytest.mark.parametrize(
    "line",
    ["", "# a", "! a", "[Adblock Plus 2.0]", "@@||good.com^", "two words", "good.com##.ad", "naïve word", "/x", "*"],
)
def test_lines_that_name_no_host_are_passed_over(line: str) -> None:
    assert build(("a", f"{line}\none.com".encode())).sizes() == {"a": 1}


def test_hosts_are_told_from_words() -> None:
    data = "# comment\none.com\n\nword\nan other word\n色情\n.xxx\n[::1]\n1.2.3.4\nbücher.com/x\n".encode()
    assert count_hosts(data) == (8, 5)
    assert count_hosts(b"") == (0, 0)


def test_sizes() -> None:
    assert build(("b", b"1.com\n2.com\n2.com"), ("a", b"2.com"), ("c", b"")).sizes() == {"a": 1, "b": 1, "c": 0}


def test_an_ip_address_has_no_parents() -> None:
    found = build(("a", b"3.4\n2.3.4\n4\n"))
    assert found.category_of("1.2.3.4", "/") is None
    assert found.category_of("2.3.4", "/") == "a"


def test_the_first_category_by_name_whatever_their_order() -> None:
    lists = [("b", b"one.com\ntwo.com/x\n"), ("a", b"two.com"), ("c", b"one.com\nsub.one.com"), ("a", b"three.com")]
    for order in (lists, lists[::-1]):
        found = build(*order)
        assert found.categories == ("a", "b", "c")
        assert [found.category_of(host, "/x") for host in ("sub.one.com", "two.com", "three.com")] == ["b", "a", "a"]
    assert len(found.hashes) == 5


@pytest.mark.parametrize("block_bytes", [1, 7, 64])
def test_blocks_may_be_cut_anywhere(block_bytes: int) -> None:
    whole, cut = build(("a", LIST)), build(("a", LIST), block_bytes=block_bytes)
    assert np.array_equal(whole.hashes, cut.hashes)
    assert len(whole.hashes) == 11


def test_no_lists_and_empty_lists() -> None:
    assert build().category_of("foo.com", "/") is None
    assert build(("a", b""), ("b", b"\n# only\n\n")).category_of("foo.com", "/") is None


def test_more_categories_than_a_byte_can_tell_are_refused() -> None:
    assert build(*[(f"c{i:03}", b"%d.com" % i) for i in range(255)]).category_of("254.com", "/") == "c254"
    with pytest.raises(ValueError, match="there may be 255 categories; got 256"):
        build(*[(str(i), b"") for i in range(256)])


def twin(entries: list[str], host: str, path: str) -> bool:
    """The rules of the module, word by word."""
    for entry in entries:
        entry_host, slash, entry_path = entry.lower().rstrip("/").partition("/")
        if not slash:
            is_number = host.rpartition(".")[2].isdigit()
            if host == entry_host or (host.endswith("." + entry_host) and not is_number):
                return True
            continue
        bare = [re.sub(r"^www[0-9]*\.", "", name) for name in (host, entry_host)]
        rest = path.lower()[1 + len(entry_path) :]
        if bare[0] == bare[1] and path.lower()[1:].startswith(entry_path) and (not rest or rest[0] in "/?&#;"):
            return True
    return False


LABEL = st.sampled_from(["a", "b", "www", "www1", "com", "7"])
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
PATH = st.lists(st.sampled_from(["a", "B", "/", "?", "&", "x"]), max_size=6).map("".join)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_list(data: bytes) -> None:
    num_lines, num_hosts = count_hosts(data)
    assert len(build(("a", data), block_bytes=7).hashes) <= num_lines
    assert num_hosts <= num_lines <= data.count(b"\n") + 1


@given(st.lists(st.tuples(HOST, PATH), max_size=5), HOST, PATH)
@settings(max_examples=400, deadline=None)
def test_agrees_with_its_twin(listed: list[tuple[str, str]], host: str, path: str) -> None:
    entries = [f"{h}/{p}" if p else h for h, p in listed]
    found = build(("a", "\n".join(entries).encode())).category_of(host, "/" + path)
    assert (found == "a") == twin(entries, host, "/" + path)


def test_real_lists_find_their_own_entries_and_no_press(shared: Path) -> None:
    def entries(name: str) -> list[str]:
        return gzip.decompress((shared / "blocklists" / "ut1" / f"{name}.txt.gz").read_bytes()).decode().split()

    names = ("adult-urls", "agressif-domains", "dating-domains", "publicite-urls")
    found = build(*((name, "\n".join(entries(name)).encode()) for name in names))
    for name in names:
        for entry in random.Random(0).sample(entries(name), 200):
            host, slash, path = entry.partition("/")
            assert found.category_of(host.lower(), slash + path) is not None
    listed = [domain for domain in entries("press-domains") if found.category_of(domain, "/")]
    assert len(listed) < 5
