"""One spelling for one page: URLs as a browser reads them (WHATWG, through ada), and without what names a visit.

Everything that asks "the same page?" or "which host?" asks here, so that the check of an address sees the host that the
request goes to: ``http://0x7f.1/`` is 127.0.0.1 to a browser, and so to us.
"""

from __future__ import annotations

import re

from ada_url import URL

MAX_URL_CHARS = 2048  # BUbiNG's and the sitemap protocol's limit; longer ones are traps far more often than pages

# Parameters that say who sent the visitor or which visit this is, never which page. Only unambiguous names: "sid" is a
# session on one site and a story on the next.
_VISIT_PREFIXES = ("utm_", "aspsessionid")
_TRACKING = frozenset(("gclid", "dclid", "fbclid", "msclkid", "yclid", "mc_cid", "mc_eid", "igshid"))
_SESSION = frozenset(("phpsessid", "jsessionid", "sessionid", "session_id", "cfid", "cftoken"))
_PATH_SESSION = re.compile(r";jsessionid=[^/;]*|/\(S\([0-9a-z]{24}\)\)", re.IGNORECASE)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def canonicalize(url: str, base: str | None = None) -> str | None:
    """Give the one spelling of a page's URL.

    Lower case scheme and host (punycode), no default port, no trailing dot of the host, dot segments resolved, escapes
    in upper case, no fragment, no tracking or session parameters. The order of a query stays: it means something on
    some sites.

    Args:
        url: As found in a page or a header; relative to ``base`` if that is given.
        base: Absolute URL.

    Returns:
        An ASCII URL, a fixed point of this function; None for what is no fetchable page: no http or https, user
        information, no host, not parseable, or longer than ``MAX_URL_CHARS``.
    """
    try:
        parsed = URL(url, base) if base else URL(url)
        if parsed.hostname.endswith("."):
            parsed.hostname = parsed.hostname.rstrip(".")
    except ValueError:  # not a URL (a lone surrogate among them), or a host of dots
        return None
    if parsed.protocol not in ("http:", "https:") or parsed.username or parsed.password:
        return None
    parsed.hash = ""
    while (pathname := _PATH_SESSION.sub("", parsed.pathname)) != parsed.pathname:
        parsed.pathname = pathname
    parsed.search = _without_visit(parsed.search)
    canonical = _ESCAPE.sub(lambda escape: escape[0].upper(), parsed.href)
    return canonical if len(canonical) <= MAX_URL_CHARS else None


def _without_visit(search: str) -> str:
    kept = []
    for parameter in search.removeprefix("?").split("&"):
        name = parameter.partition("=")[0].lower()
        if name not in _TRACKING | _SESSION and not name.startswith(_VISIT_PREFIXES):
            kept.append(parameter)
    rest = "&".join(kept)
    return f"?{rest}" if rest else ""


def host_of(url: str) -> str:
    """The host of a URL, with its port unless that is the scheme's own; "" for what is no http or https URL.

    >>> host_of("http://docs.example:8080/a"), host_of("https://docs.example:443/a"), host_of("mailto:a@b")
    ('docs.example:8080', 'docs.example', '')
    """
    parsed = _parse(url)
    return parsed.host if parsed and parsed.protocol in ("http:", "https:") else ""


def hostname_of(url: str) -> str:
    """The host of a URL without port or the brackets of IPv6."""
    parsed = _parse(url)
    return parsed.hostname.strip("[]") if parsed else ""


def host_and_path(url: str) -> tuple[str, str] | None:
    """The host of a URL, as ``hostname_of`` without a dot at its end, and its path with the query; None for no URL.

    A URL may lack its scheme, as those in tables do.

    >>> host_and_path("https://WWW.docs.example:8080/a?b#c"), host_and_path("docs.example/a")
    (('www.docs.example', '/a?b'), ('docs.example', '/a'))
    """
    parsed = _parse(url) or (None if "://" in url else _parse(f"http://{url}"))
    return (parsed.hostname.strip("[]").rstrip("."), parsed.pathname + parsed.search) if parsed else None


def scheme_of(url: str) -> str:
    """The scheme of a URL, as ``http``; "" for what is no URL."""
    parsed = _parse(url)
    return parsed.protocol.rstrip(":") if parsed else ""


def origin_of(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for.

    >>> origin_of("https://docs.example/a?b")
    'https://docs.example'
    """
    parsed = _parse(url)
    return parsed.origin if parsed else ""


def _parse(url: str) -> URL | None:
    try:
        return URL(url)
    except ValueError:
        return None
