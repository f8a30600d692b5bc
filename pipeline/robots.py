"""robots.txt as RFC 9309 reads it: Protego's rules behind the parts in which Protego differs.

Protego 0.7 overlooks a group behind a byte order mark, takes a group for ``Foo`` as meant for ``FooBot`` too, and
ignores one named ``FooBot/1.2``. So the groups that are ours are marked before it parses: lines that name our product
token become ``User-agent: us``, ``*`` stays, all others become ``User-agent: them``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protego import Protego

MAX_ROBOTS_BYTES: Final = 500 * 1024  # RFC 9309 2.5: parse at least this much
MAX_ROBOTS_REDIRECTS: Final = 5  # RFC 9309 2.3.1.2

RULES: Final = "rules"
ALLOW_ALL: Final = "allow_all"
UNREACHABLE: Final = "unreachable"

_AGENT_LINE = re.compile(r"^[ \t]*user[- ]?agent[ \t]*[: \t][ \t]*([^#]*)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z_-]+")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Robots:
    """What one origin's robots.txt says to us.

    Attributes:
        kind: ``rules``; ``allow_all`` when there is no file; ``unreachable`` when nobody can say, which forbids all.
        crawl_delay_s: What our group asks for between two requests; None when it does not.
    """

    kind: str
    rules: Protego | None = None
    status: int | None = None  # of the last answer
    error: str | None = None
    body: bytes = b""
    crawl_delay_s: float | None = None

    def allows(self, url: str) -> bool:
        """Say whether the URL may be fetched: longest match wins, a tie allows."""
        return self.rules.can_fetch(url, "us") if self.rules else self.kind == ALLOW_ALL


def product_token(user_agent: str) -> str:
    """The name that robots.txt knows a crawler by (RFC 9309 2.2.1: letters, ``_`` and ``-``).

    >>> product_token("massivetext/0.1 (+https://example.org/bot)")
    'massivetext'

    Raises:
        ValueError: The user agent does not begin with one.
    """
    token = _TOKEN.match(user_agent)
    if not token:
        raise ValueError(f"[crawl] user_agent must begin with a product token of letters, _ and -; got {user_agent!r}")
    return token[0]


def robots_of(status: int, body: bytes, user_agent: str) -> Robots:
    """Read the answer to a request for robots.txt, redirects followed.

    Args:
        status: HTTP status. 2xx gives rules; 4xx means that there is no file, and all is allowed; anything else that
            nobody can say, and nothing is. 429 counts among the latter, as Google reads it and the RFC does not: a host
            that asks us to slow down has not said yes.
        body: Its first ``MAX_ROBOTS_BYTES`` or more bytes; the rest is not read.
        user_agent: Our whole user agent.
    """
    if 200 <= status < 300:
        rules = Protego.parse(_marked(_text(body), product_token(user_agent).lower()))
        delay = rules.crawl_delay("us")
        return Robots(RULES, rules, status, body=body, crawl_delay_s=None if delay is None else float(delay))
    if 400 <= status < 500 and status != 429:
        return Robots(ALLOW_ALL, status=status)
    return Robots(UNREACHABLE, status=status)


def _text(body: bytes) -> str:
    """UTF-8 without its byte order mark. A line that the limit cuts is left out: half a path forbids or allows more."""
    if len(body) > MAX_ROBOTS_BYTES:
        body = body[:MAX_ROBOTS_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    return body.decode("utf-8-sig", errors="replace")


def _marked(text: str, token: str) -> str:
    return "\n".join(_mark_line(line, token) for line in _LINE_END.split(text))


def _mark_line(line: str, token: str) -> str:
    agent = _AGENT_LINE.match(line)
    if not agent or not (name := agent[1].strip()):
        return line
    if re.match(r"\*(\s|$)", name):
        return "User-agent: *"
    named = _TOKEN.match(name)
    return f"User-agent: {'us' if named and named[0].lower() == token else 'them'}"
