"""Which hosts of an index are wanted: named ones and what is below them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.urls import hostname_of

_WWW = re.compile(r"^www\d*\.")


class HostFilter:
    """Hosts and what is below them: ``example.org`` stands for ``news.example.org`` too.

    Args:
        hosts: Host names in any case and script, without port; none at all for every host.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = frozenset(hostname_of(f"http://{host.strip('.')}/") or host for host in hosts)
        # the sort keys of indexes (SURT) begin "org,example,news)": the parts turned round, without a "www."
        self._bare = frozenset(_WWW.sub("", host) for host in self._hosts)
        self._prefixes = sorted(",".join(reversed(host.split("."))) for host in self._bare)
        self._prefixes += sorted(host for host in self._bare if host.replace(".", "").isdigit())  # addresses are not

    def has(self, host: str) -> bool:
        """Whether a host name (lower case, punycode) is wanted."""
        return not self._hosts or any(name in self._hosts for name in _with_parents(host.rstrip(".")))

    def has_host_of(self, url: str) -> bool:
        """Whether a URL's host is wanted."""
        return not self._hosts or self.has(hostname_of(url))

    def may_be_of_key(self, key: bytes) -> bool:
        """False only for sort keys of hosts that are not wanted: a quick test before a line is parsed."""
        name, bracket, _ = key.removeprefix(b"(").partition(b")")  # Heritrix writes "(org,example,)/"
        if not self._hosts or not bracket or b"/" in name:
            return True
        host = name.partition(b":")[0].decode("utf-8", "replace").removesuffix(",")
        turned = ".".join(reversed(host.split(",")))
        return any(one in self._bare for one in _with_parents(turned))

    def may_be_between(self, first: str | None, last: str | None) -> bool:
        """False only when no sort key from ``first`` to ``last`` is of a wanted host; None is for unknown."""
        if not self._hosts or first is None or last is None or first.startswith("("):
            return True
        return any(prefix <= last and first <= f"{prefix}~" for prefix in self._prefixes)


def _with_parents(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]
