"""One GET: request out, response in, within limits, to an address that we may connect to.

Bodies are kept as a reader of the archive wants them: without transfer and content encoding. A header that is no longer
true of the body is kept under ``X-Crawler-``, as Common Crawl does.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, ClientTimeout, TCPConnector
from aiohttp.connector import Connection
from yarl import URL

from pipeline.addresses import GuardedResolver, PrivateAddressError, check_literal
from pipeline.urls import canonicalize, hostname_of

_CONNECT_S = 10.0
_DNS_CACHE_S = 300
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)

# What the world can do to a request, and the reason it is counted under; the first match counts.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (PrivateAddressError, "private_address"),
    (asyncio.TimeoutError, "timeout"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientConnectionError, "connection"),
    (aiohttp.ClientError, "protocol"),
    (OSError, "connection"),
)
NETWORK_REASONS: Final = frozenset(("timeout", "tls", "dns", "truncated", "connection", "protocol"))


class FetchRefused(Exception):
    """A request that gave nothing to keep.

    Attributes:
        reason: What it is counted under.
        error: What happened, in words that are the same on every machine.
    """

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(f"{reason}: {error}")
        self.reason, self.error = reason, error


class Exchange(NamedTuple):
    """A request and its response. Headers are ASCII; other bytes stand as ``%XX``."""

    url: str
    started: datetime
    request_target: str  # path and query, as sent
    request_headers: tuple[tuple[str, str], ...]
    status: int
    reason_phrase: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_truncated: bool  # the body is longer than the limit
    ip: str | None

    def header(self, name: str) -> str | None:
        """The first header of this name (lower case)."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def content_type(self) -> str | None:
        """The media type that the header names, in lower case."""
        return media_type(self.header("content-type"))

    @property
    def charset(self) -> str | None:
        """The charset that the header names."""
        match = _CHARSET.search(self.header("content-type") or "")
        return match[1] if match else None

    @property
    def redirect_target(self) -> str | None:
        """Where a redirect leads: a canonical URL, or the header's text if it is no fetchable URL."""
        location = self.header("location")
        if self.status not in _REDIRECTS or not location:
            return None
        return canonicalize(location, self.url) or location


def media_type(content_type: str | None) -> str | None:
    """``text/html`` of ``Text/HTML; charset=utf-8``; None for a missing or empty header."""
    return (content_type or "").partition(";")[0].strip().lower() or None


class _Response(ClientResponse):
    """A response that remembers whom it came from; aiohttp lets go of the connection when the body is short."""

    peer: str | None = None

    async def start(self, connection: Connection) -> ClientResponse:
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = name[0] if name else None
        return await super().start(connection)


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating a GET whose connection broke: at once, and without asking our delay."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("the connection broke") from error


def open_session(user_agent: str, timeout_s: float, served: Mapping[str, str]) -> ClientSession:
    """A client that keeps no cookies and no proxy, asks once, and reaches public addresses only.

    Connections end with their request: at a crawler's delays servers have closed them anyway.

    Args:
        user_agent: Sent with every request.
        timeout_s: For one request, from the first lookup to the last byte.
        served: As in ``GuardedResolver``.
    """
    return ClientSession(
        connector=TCPConnector(resolver=GuardedResolver(served), force_close=True, limit=0, ttl_dns_cache=_DNS_CACHE_S),
        timeout=ClientTimeout(total=timeout_s, sock_connect=min(_CONNECT_S, timeout_s)),
        headers={
            "User-Agent": user_agent,
            "Accept": "text/html,application/xhtml+xml,text/plain;q=0.8",
            "Accept-Encoding": "identity",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        response_class=_Response,
        middlewares=(_once,),
        trust_env=False,
    )


async def get(
    session: ClientSession,
    url: str,
    max_body_bytes: int,
    refuse: Callable[[int, str | None], str | None] = lambda status, content_type: None,
) -> Exchange:
    """Fetch one URL; redirects are not followed.

    Args:
        session: From ``open_session``.
        url: Canonical.
        max_body_bytes: Longer bodies are cut here, before and after decoding.
        refuse: Asked with status and media type before the body is read; a reason ends the request.

    Raises:
        FetchRefused: Nothing to keep came of it.
    """
    started = datetime.now(UTC)
    try:
        check_literal(hostname_of(url))
        async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
            type_header = response.headers.get("Content-Type")
            if reason := refuse(response.status, media_type(type_header)):
                raise FetchRefused(
                    reason, f"{response.status} {_ascii((type_header or '').encode('utf-8', 'replace'))}"
                )
            body, is_truncated = await _read_body(response, max_body_bytes)
            return _exchange(url, started, response, body, is_truncated, max_body_bytes)
    except tuple(kind for kind, _ in _REASONS) as error:
        reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
        raise FetchRefused(reason, type(error).__name__) from error  # its text names ports


async def _read_body(response: ClientResponse, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


def _exchange(
    url: str, started: datetime, response: ClientResponse, body: bytes, is_truncated: bool, limit: int
) -> Exchange:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        body, is_cut = _decoded(body, encoding, limit)
        is_truncated = is_truncated or is_cut
    return Exchange(
        url=url,
        started=started,
        request_target=URL(url, encoded=True).raw_path_qs,
        request_headers=tuple(response.request_info.headers.items()),
        status=response.status,
        reason_phrase=_ascii((response.reason or "").encode("utf-8", "surrogateescape")),
        headers=_stored_headers(response.raw_headers, len(body)),
        body=body,
        is_truncated=is_truncated,
        ip=getattr(response, "peer", None),
    )


def _decoded(body: bytes, encoding: str, limit: int) -> tuple[bytes, bool]:
    """Undo gzip or deflate, which some servers send unasked, up to ``limit`` bytes: it may be a bomb."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchRefused("content_encoding", _ascii(encoding.encode("utf-8", "replace")))
    window = zlib.MAX_WBITS | 32  # gzip or zlib by its header
    if encoding == "deflate" and body[:1] and body[0] & 0x0F != 8:
        window = -zlib.MAX_WBITS  # deflate without zlib's header, against RFC 9110 and common
    try:
        decoded = zlib.decompressobj(window).decompress(body, limit + 1)
    except zlib.error as error:
        raise FetchRefused("content_encoding", encoding) from error
    return decoded[:limit], len(decoded) > limit


def _stored_headers(raw: tuple[tuple[bytes, bytes], ...], body_length: int) -> tuple[tuple[str, str], ...]:
    """Headers as received, in their order; those no longer true of the body get a prefix, and its length is added."""
    headers = []
    for name_bytes, value_bytes in raw:
        name, value = _ascii(name_bytes), _ascii(value_bytes)
        is_stale = name.lower() in ("transfer-encoding", "content-encoding")
        is_stale = is_stale or (name.lower() == "content-length" and value != str(body_length))
        headers.append((f"X-Crawler-{name}" if is_stale else name, value))
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(body_length)))
    return tuple(headers)


def _ascii(text: bytes) -> str:
    """Text that any WARC reader takes: warcio's own escaping raises for some headers that are not ASCII."""
    return re.sub(rb"[^\x20-\x7e\t]", lambda byte: b"%%%02X" % byte[0][0], text).decode("ascii")
