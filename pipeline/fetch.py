"""Fetch the pages of a list of hosts, politely: robots.txt first, one request to a host at a time, a delay in between.

Hosts of a list are fetched at the same time, each in the order given. Redirects are not followed here: where they lead
is asked for in a later round, as a link would be, so that no URL is asked for twice, no host is visited by two lists at
once, and robots.txt is obeyed at every hop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import groupby
from typing import NamedTuple

from aiohttp import ClientSession

from pipeline.config import CrawlConfig
from pipeline.exchange import NETWORK_REASONS, Exchange, FetchRefused, get, open_session
from pipeline.links import Link, outlinks, says_nofollow
from pipeline.robots import (
    ALLOW_ALL,
    MAX_ROBOTS_BYTES,
    MAX_ROBOTS_REDIRECTS,
    UNREACHABLE,
    Robots,
    robots_of,
)
from pipeline.schema import DROPPED, FAILED, KEPT
from pipeline.urls import host_of, origin_of, scheme_of

_HTML = frozenset(("text/html", "application/xhtml+xml"))
_WANTED = _HTML | {"text/plain"}
_MAX_ERRORS_IN_A_ROW = 10  # then a host is left alone for the rest of the round
_ASK_LATER = frozenset((429, 503))


class PlannedUrl(NamedTuple):
    """A URL taken from the frontier."""

    url: str
    host: str
    depth: int  # links from a seed
    redirects: int  # hops since the last link
    reason: str | None  # why it is not to be fetched; None = fetch it


class Visit(NamedTuple):
    """What became of a URL taken from the frontier."""

    planned: PlannedUrl
    outcome: str  # kept, dropped or failed
    reason: str | None = None
    error: str | None = None
    is_requested: bool = False  # a request for it was made, whatever came of it
    exchange: Exchange | None = None  # what is to be archived
    links: tuple[Link, ...] = ()


async def fetch_list(
    planned: Iterable[PlannedUrl],
    hosts: frozenset[str],
    config: CrawlConfig,
    served: Mapping[str, str],
    on_visit: Callable[[Visit], None],
    on_robots: Callable[[str, Robots], None],
) -> None:
    """Fetch a host list.

    Args:
        planned: URLs, those of a host together and in the order in which they are asked for.
        hosts: All hosts of the crawl; links to others are not reported.
        config: Limits, delay and user agent.
        served: Host -> loopback address where it is served; tests and the quickstart.
        on_visit: Called once a URL, in no order that can be relied on.
        on_robots: Called once an origin, with its robots.txt.
    """
    async with open_session(config.user_agent, config.timeout_s, served) as session:
        fetcher = _Fetcher(session, hosts, config, on_visit, on_robots)
        async with asyncio.TaskGroup() as group:
            for host, urls in groupby(planned, key=lambda url: url.host):
                group.create_task(fetcher.fetch_host(host, list(urls)))


class _Gate:
    """Lets one request to a host through at a time, a delay after the last one ended.

    The delay also comes before the first: what was asked of the host before this list, by another round or an attempt
    that was killed, is not known here.
    """

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self._last = time.monotonic()
        self._not_before = 0.0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._lock:
            await asyncio.sleep(max(self._last + self.delay_s, self._not_before) - time.monotonic())
            try:
                yield
            finally:
                self._last = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let nothing through for some time."""
        self._not_before = time.monotonic() + seconds


class _Fetcher:
    def __init__(
        self,
        session: ClientSession,
        hosts: frozenset[str],
        config: CrawlConfig,
        on_visit: Callable[[Visit], None],
        on_robots: Callable[[str, Robots], None],
    ) -> None:
        self._session, self._hosts, self._config = session, hosts, config
        self._on_visit, self._on_robots = on_visit, on_robots
        self._gates: dict[str, _Gate] = {}
        self._robots: dict[str, Robots] = {}

    async def fetch_host(self, host: str, urls: list[PlannedUrl]) -> None:
        """Visit a host's URLs one after the other; a host that fails too often in a row is left alone."""
        errors, closed = 0, None
        for planned in urls:
            visit = _dropped(planned, closed) if closed else await self._visit(planned)
            self._on_visit(visit)
            if visit.is_requested:
                errors = errors + 1 if visit.reason in NETWORK_REASONS else 0
                closed = "host_unreachable" if errors == _MAX_ERRORS_IN_A_ROW else self._asked_to_stop(host, visit)

    async def _visit(self, planned: PlannedUrl) -> Visit:
        if planned.reason:
            return _dropped(planned, planned.reason)
        robots = await self._robots_of(origin_of(planned.url))
        gate = self._gate(planned.host)
        gate.delay_s = max(gate.delay_s, robots.crawl_delay_s or 0.0)
        if reason := self._forbidden(robots, planned.url):
            return _dropped(planned, reason, robots.error)
        try:
            async with gate.turn():
                exchange = await get(self._session, planned.url, self._config.max_body_bytes, _unwanted)
        except FetchRefused as refused:
            is_requested = refused.reason != "private_address"
            return Visit(planned, DROPPED, refused.reason, refused.error, is_requested)
        return self._read(planned, exchange)

    def _forbidden(self, robots: Robots, url: str) -> str | None:
        if robots.kind == UNREACHABLE:
            return robots.error if robots.error == "private_address" else "robots_unreachable"
        if (robots.crawl_delay_s or 0.0) > self._config.max_crawl_delay_s:
            return "crawl_delay"
        return None if robots.allows(url) else "robots"

    def _read(self, planned: PlannedUrl, exchange: Exchange) -> Visit:
        if (
            exchange.status // 100 == 2
            and exchange.content_type is None
            and not exchange.body.lstrip().startswith(b"<")
        ):
            return Visit(planned, DROPPED, "content_type", "none", is_requested=True)
        visit = Visit(planned, KEPT, is_requested=True, exchange=exchange)
        if exchange.status != 200 or exchange.content_type not in _HTML | {None}:
            return visit
        nofollow = says_nofollow(exchange.header("x-robots-tag") or "")
        try:
            links = outlinks(exchange.body, planned.url, self._hosts, exchange.charset, nofollow)
        except (ValueError, LookupError) as error:  # the parser's own among them
            return visit._replace(outcome=FAILED, reason="links", error=f"{type(error).__name__}: {error}")
        return visit._replace(links=tuple(links))

    def _gate(self, host: str) -> _Gate:
        return self._gates.setdefault(host, _Gate(self._config.delay_s))

    def _asked_to_stop(self, host: str, visit: Visit) -> str | None:
        """Wait as a 429 or 503 asks; a host that asks for longer than we wait is left alone."""
        if visit.exchange is None or visit.exchange.status not in _ASK_LATER:
            return None
        asked = visit.exchange.header("retry-after") or ""
        seconds = float(asked) if asked.isdecimal() else 0.0  # dates are rare, and clocks differ
        if seconds > self._config.max_crawl_delay_s:
            return "retry_after"
        self._gate(host).wait(seconds)
        return None

    async def _robots_of(self, origin: str) -> Robots:
        if origin not in self._robots:
            self._robots[origin] = await self._ask_robots(f"{origin}/robots.txt")
            self._on_robots(origin, self._robots[origin])
        return self._robots[origin]

    async def _ask_robots(self, url: str) -> Robots:
        """Follow redirects, to other hosts too; more than five are as good as no file (RFC 9309 2.3.1.2)."""
        for _ in range(MAX_ROBOTS_REDIRECTS + 1):
            try:
                async with self._gate(host_of(url)).turn():
                    exchange = await get(self._session, url, MAX_ROBOTS_BYTES + 1)
            except FetchRefused as refused:
                return Robots(UNREACHABLE, error=refused.reason)
            target = exchange.redirect_target
            if target is None:
                return robots_of(exchange.status, exchange.body, self._config.user_agent)
            if not self._may_ask(target):
                return Robots(UNREACHABLE, status=exchange.status, error="redirect")
            url = target
        return Robots(ALLOW_ALL, error="redirect_limit")

    def _may_ask(self, url: str) -> bool:
        """Other hosts may be asked for their robots.txt, but only web servers on their own port."""
        return scheme_of(url) in ("http", "https") and (":" not in host_of(url) or host_of(url) in self._hosts)


def _unwanted(status: int, content_type: str | None) -> str | None:
    """Refuse good answers that are no pages; a page without a type is looked at."""
    is_page = status // 100 != 2 or content_type is None or content_type in _WANTED
    return None if is_page else "content_type"


def _dropped(planned: PlannedUrl, reason: str, error: str | None = None) -> Visit:
    return Visit(planned, DROPPED, reason, error)
