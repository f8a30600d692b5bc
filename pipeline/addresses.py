"""Which addresses a crawler may connect to: public ones. A link or a DNS answer must not reach into our own network.

The check stands where the connection is made: a host's addresses are looked up, checked and connected to in one go, so
that a second, different answer (DNS rebinding) has no effect. Literal addresses never pass a resolver;
``check_literal`` is for them.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that is assigned for the public Internet, IANA
_RELAY_ANYCAST = IPv4Network("192.88.99.0/24")  # 6to4 relays, RFC 7526; global to Python's ipaddress


class PrivateAddressError(Exception):
    """A host that is, or may be, in a private network."""


def is_public(address: str) -> bool:
    """Say whether an address belongs to the public Internet.

    ``ipaddress.is_global`` alone is not enough: it is True for multicast, and for NAT64 and 6to4 addresses that lead to
    127.0.0.1. So an IPv4 address inside an IPv6 one is judged as itself, and other IPv6 must be global unicast.

    Args:
        address: IPv4 or IPv6 in text form, without brackets.

    Raises:
        ValueError: It is no address.
    """
    inner = _unwrap(ip_address(address))
    if isinstance(inner, IPv6Address):
        return inner.is_global and inner in _GLOBAL_UNICAST
    return inner.is_global and not inner.is_multicast and inner not in _RELAY_ANYCAST


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to; Teredo and local NAT64 (64:ff9b:1::/48) are refused as they are."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def check_literal(hostname: str) -> None:
    """Refuse a host that is itself an address and not a public one; names pass.

    Raises:
        PrivateAddressError: It is private.
    """
    try:
        public = is_public(hostname)
    except ValueError:
        return
    if not public:
        raise PrivateAddressError(f"{hostname} is not a public address")


class GuardedResolver(AbstractResolver):
    """Look a host up and refuse it unless every one of its addresses is public.

    Args:
        served: Host -> loopback address and port where it is served, as "127.0.0.1:8000": the virtual hosts of tests
        and
            of the quickstart. These alone pass unchecked.
        lookup: The resolver that asks; the system's by default.

    Raises:
        ValueError: ``served`` names something else than a loopback address and port.
    """

    def __init__(self, served: Mapping[str, str], lookup: AbstractResolver | None = None) -> None:
        self._served = {host: _loopback(host, address) for host, address in served.items()}
        self._lookup = lookup or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of ``host``.

        Raises:
            PrivateAddressError: One of them is private.
            OSError: There are none.
        """
        if host in self._served:
            address, served_port = self._served[host]
            return [_result(host, address, served_port)]
        answers = await self._lookup.resolve(host, port, family)
        private = [answer["host"] for answer in answers if not is_public(answer["host"])]
        if private:
            raise PrivateAddressError(f"{host} resolves to {', '.join(sorted(private))}")
        return answers

    async def close(self) -> None:
        """Let go of the resolver below."""
        await self._lookup.close()


def _loopback(host: str, address: str) -> tuple[str, int]:
    ip, _, port = address.rpartition(":")
    try:
        parsed = ip_address(ip.strip("[]"))
        if not parsed.is_loopback or not 0 < int(port) < 65536:
            raise ValueError
    except ValueError as error:
        rule = '[run] crawl_addresses maps hosts to loopback addresses, as "127.0.0.1:8000"'
        raise ValueError(f"{rule}; got {host} = {address!r}") from error
    return str(parsed), int(port)


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
