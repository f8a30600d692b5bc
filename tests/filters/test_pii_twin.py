"""The matchers of personal data against regular expressions that say the same, on text made of what is tricky.

A regular expression may take long where the kernels must not; here the texts are short.
"""

from __future__ import annotations

import ipaddress
import re
from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import email_addresses, phone_numbers
from filters.pii import pii_spans

Span = tuple[int, int, str]

WORD, LETTERS = "[A-Za-z0-9_]", "[A-Za-z\x80-\xff]"


def twin(text: str) -> list[Span]:
    s = text.encode().decode("latin-1")  # a character a byte
    spans: list[Span] = []
    position = 0
    while position < len(s):
        found, following = None, position + 1
        if s[position] == "@":
            found = email(s, position)
        elif s[position] in "+(0123456789":
            found = ip_address(s, position) or phone(s, position)
            digits = re.compile("[0-9]+").match(s, position)
            following = digits.end() if digits else following
        if found:
            spans = [span for span in spans if span[1] <= found[0]] + [found]
            following = found[1]
        position = following
    return spans


# --- e-mail addresses


def top_level(label: str) -> bool:
    known = f"{email_addresses._COUNTRIES} {email_addresses._OTHERS}".split()
    return bool(re.fullmatch("(?i:xn--.+)", label)) or label.lower() in known


def email(s: str, at: int) -> Span | None:
    local = re.search(r"[A-Za-z0-9._%+-]*\Z", s[:at])[0]
    if len(local) > 64 or local.endswith("."):
        return None
    local = re.sub(r"\A[^A-Za-z0-9_]+", "", local)
    first = at - len(local)
    if not local or ".." in local or re.search(r"//[A-Za-z0-9._%+:-]{0,127}\Z", s[:first]):
        return None
    domain = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9][A-Za-z0-9-]*)*").match(s, at + 1)
    labels = re.sub("-+$", "", domain[0].split("-.")[0]).split(".") if domain else []
    best = 0  # labels up to the domain's end
    for i, label in enumerate(labels):
        if best and not top_level(label) and "A" <= label[0] <= "Z":
            break
        best = i + 1 if i and top_level(label) else 0
    stop = at + 1 + len(".".join(labels[:best]))
    if not best or s[stop : stop + 1] in ("_", "@") or re.compile(r":[^\x00-\x20/]*/(?!/)").match(s, stop):
        return None
    return first, stop, "email"


# --- IP addresses

SPECIAL = [
    ipaddress.ip_network(n)
    for n in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    ]
]


def is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not any(address.version == n.version and address in n for n in SPECIAL)


def last_word(s: str, position: int, max_gap: int, max_length: int) -> tuple[int, str]:
    gap = rf"[^A-Za-z0-9_\x80-\xff]{{0,{max_gap}}}"
    found = re.search(rf"(?<![A-Za-z0-9_\x80-\xff])({LETTERS}{{1,{max_length}}}){gap}\Z", s[:position])
    return (found.start(1), found[1]) if found else (position, "")


def ip_address(s: str, p: int) -> Span | None:
    before = s[p - 1] if p else " "
    if not "0" <= s[p] <= "9" or re.match(r"[A-Za-z0-9_.]", before):
        return None
    not_longer = rf"(?!{WORD})(?!\.[0-9])"
    six = re.compile(rf"(?>[23][0-9A-Fa-f]{{3}}(?=:)(?:::?[0-9A-Fa-f]+)*(?:::)?){not_longer}").match(s, p)
    if six and len(re.findall("[0-9A-Fa-f]+", six[0])) >= 3 and is_public(six[0]):
        return None if before == ":" else (p, six.end(), "ip_address")
    four = re.compile(rf"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){{3}}{not_longer}(?!-[A-Za-z])").match(s, p)
    if not four or not is_public(four[0]) or (before == "-" and not re.search(r"[0-9]-\Z", s[:p])):
        return None
    if before == "/" and not s[:p].endswith("//"):
        return None
    word = last_word(s, p, 5, 16)[1].lower()
    if word in VERSION_WORDS or re.search(r"(?i)version[^A-Za-z0-9_]{0,5}\Z", s[:p]):
        return None
    is_told = word in ADDRESS_WORDS or before == "/" or re.compile(":[0-9]").match(s, four.end())
    is_small = max(map(int, four[0].split("."))) < 32 and four[0] not in ("8.8.8.8", "8.8.4.4", "9.9.9.9")
    return None if is_small and not is_told else (p, four.end(), "ip_address")


VERSION_WORDS = ("version", "v", "section")
ADDRESS_WORDS = ("ip", "host", "from")


# --- phone numbers

BLANK, DASH = "(?: |\xc2\xa0)", "(?:-|/|\xe2\x80[\x90-\x95])"
SEPARATOR = re.compile(rf"(?:{BLANK}?{DASH}{BLANK}?|\.(?!\()|{BLANK}|)(?=\(?[0-9])")
FORMS = {
    (3, 4, 4), (4, 3, 4), (5, 6), (5, 3, 3), (4, 3, 3), (2, 4, 4), (3, 3, 4), (2, 2, 2, 2, 2), (4, 4, 3), (3, 8),
    (4, 8),
}  # fmt: skip


def kind_of(separator: str) -> str:
    """s space, d dash, o dot, l slash, a apart, j joined."""
    if re.fullmatch(BLANK, separator):
        return "s"
    return {"": "j", ".": "o", "/": "l"}.get(separator, "a" if re.search(BLANK, separator) else "d")


def phone(s: str, p: int) -> Span | None:
    opening = re.compile(r"\(\+?|\+\(?|").match(s, p)[0]
    has_plus, at, is_open = "+" in opening, p + len(opening), "(" in opening
    groups: list[tuple[str, bool, int]] = []  # digits, whether in parentheses, where it ends
    separators: list[str] = []  # behind each group, "" when no digit follows
    while len(groups) < 8:
        digits = re.compile("[0-9]{1,15}(?![0-9])").match(s, at)
        if not digits or (is_open and s[digits.end() : digits.end() + 1] != ")"):
            break
        end = digits.end() + is_open
        following = SEPARATOR.match(s, end)
        if following and groups and s[following.end()] == "(":
            following = None
        if following and not following[0] and not is_open and s[end] != "(":
            following = None
        groups.append((digits[0], is_open, end))
        separators.append(kind_of(following[0]) if following else "")
        if not following:
            break
        is_open = s[following.end()] == "("
        at = following.end() + is_open
    before = s[max(0, p - 2) : p]
    if re.search(
        r"[A-Za-z0-9_.,\-/+$#@%&*^~\\]\Z|[0-9]:\Z|\xc2[\xa2-\xa5]\Z|\x82\xac\Z" + ("" if has_plus else r"|=\Z"), before
    ):
        return None
    for num in range(len(groups), 0, -1):
        stop = groups[num - 1][2]
        if may_end(s, stop, separators[:num], has_plus) and is_phone(s, p, groups[:num], separators[:num], has_plus):
            return p, stop, "phone"
    return None


def may_end(s: str, stop: int, separators: list[str], has_plus: bool) -> bool:
    if separators[-1]:
        inner = separators[-2] if len(separators) > 1 else separators[-1]
        return separators[-1] in "sa" and len(separators) > 1 and (has_plus or inner != separators[-1])
    bad = rf"(?![xX][0-9]){WORD}|[@%]|[-.,/+$#&*^~\\:][0-9]"
    return not re.compile(bad).match(s, stop)


def is_phone(s: str, p: int, groups: list[tuple[str, bool, int]], separators: list[str], has_plus: bool) -> bool:
    digits, lengths = [g[0] for g in groups], tuple(len(g[0]) for g in groups)
    inner = "".join(separators[:-1])
    if has_plus:
        return is_international(groups, inner, 0)
    if re.search(r"[0-9] \Z", s[:p]) and s[p] != "(" and separators[0] == "s":
        return False
    shape = "".join(
        f"({n}){sep}" if g[1] else f"{n}{sep}" for n, g, sep in zip(lengths, groups, [*inner, ""], strict=True)
    )
    american = re.fullmatch(r"(\(?1\)?.)?(\(3\).|3[dolaj]|3s(?=\(?3\)?[doa]))\(?3\)?[dosa]\(?4\)?", shape)
    if american and re.fullmatch("1?[2-9]..[2-9]......", "".join(digits)):
        return True
    same = "l" not in inner and len(set(inner[1:] if groups[0][1] and len(inner) > 1 else inner)) <= 1
    if re.match("0[1-9]", digits[0]) and lengths in FORMS and same:
        return True
    if digits[0].startswith("00") and len(groups) >= 3 and is_international(groups, inner, 2):
        return True
    if not 7 <= sum(lengths) <= 15 or inner == "o" or min(lengths[1:], default=2) < 2:
        return False
    if ("l" in inner and digits[0][0] != "0") or re.fullmatch("(1[89]|20)..-(1[89]|20)..", "-".join(digits)):
        return False
    if len(lengths) == 3 and re.fullmatch("4,[12],[12]|[12],[12],4", ",".join(map(str, lengths))):
        return False
    told = is_told(s, p)
    return told == 2 or (told == 1 and len(groups) > 1)


def is_international(groups: list[tuple[str, bool, int]], inner: str, skipped: int) -> bool:
    if inner == "o":
        return False
    number = groups[0][0] + "".join(g[0] for g in groups[1:] if (g[0], g[1]) != ("0", True))
    number = number[skipped:]
    for length in (1, 2, 3):
        code, national = number[:length], number[length:]
        if code and code[0] != "0" and phone_numbers._CODES[int(code), 0] == len(code) == length:
            low, high = phone_numbers._CODES[int(code), 1:]
            if not low <= len(national) <= high or (len(groups) == 1 and len(number) < 10):
                return False
            return bool(re.match("[2-9]..[2-9]", national)) if code == "1" else national[0] != "0" or code == "39"
    return False


def is_told(s: str, p: int) -> int:
    at = p
    for _ in range(5):
        at, word = last_word(s, at, 5, 24)
        if word.lower() in ("tel", "phone") or word.lower().endswith(("telefon", "hotline")):
            return 2
        if word.lower() in ("call", "dial"):
            return 1
        if word.lower() not in ("us", "at", "number", "or", "the"):
            return 0
    return 0


# --- both, on tricky text

TOKENS = [
    *"0123456789", "00", "000", "1", "20", "44", "49", "030", "212", "555", "0123", "7946", "1999", "2010", "10", "255",
    "800", "12345", "93", "184", "216", *" -./:()+,@_x%=\n", " ", ".", "-", ") ", " (", " - ", "//", "::", ":", "\xa0",
    "\u2013", "€", "£", "é", "a", "b", "B", "com", "org", ".co.uk", "The", "2001", "2a00", "2606", "db8", "ffff", "Tel",
    "tel: ",
    "call us at ", "phone ", "number ", "dial", "Buchungshotline", "version ", '_Version": "', "aversion", "v", "ip ",
    "host", "section", "from ",
    "me@post.org", "8.8.8.8", "93.184.216.34", "10.0.0.1", "5.6.7.8", "2606:4700:4700::1111", "+44 20 7946 0958",
    "(212) 555-0123", "212-555-0123", "01 23 45 67 89", "xn--p1ai", "http://", "mailto:",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(TOKENS), max_size=14).map("".join)


def found(texts: list[str]) -> list[list[Span]]:
    rows = pii_spans(pa.array(texts, pa.string())).to_pylist()
    return [[(span["start"], span["stop"], span["kind"]) for span in row] for row in rows]


@given(st.lists(TEXT, max_size=6))
@settings(max_examples=500, deadline=None)
def test_agrees_with_its_twin(texts: list[str]) -> None:
    assert found(texts) == [twin(text) for text in texts]


@given(TEXT)
@settings(max_examples=300, deadline=None)
def test_spans_are_in_order_and_apart(text: str) -> None:
    (spans,) = found([text])
    size = len(text.encode())
    assert all(0 <= start < stop <= size for start, stop, _ in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_special_ranges_end_where_they_end() -> None:
    """Both ends of each range, and its neighbours on either side where these are public."""
    for network in SPECIAL:
        last = 2**network.max_prefixlen - 1
        edges = {int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1}
        for number in sorted(edge for edge in edges if 0 <= edge <= last):
            address = type(network[0])(number)
            if address.version == 6 and not 0x2000 <= number >> 112 < 0x4000:
                continue  # outside of global unicast
            text = f"host {address.exploded}"
            assert found([text]) == [[(5, len(text), "ip_address")] if is_public(str(address)) else []], text
