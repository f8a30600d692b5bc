import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.addresses import GuardedResolver, PrivateAddressError, check_literal, is_public


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.255.255.255", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
        *(
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "192.88.99.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
        ),
        *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:a00:1"),  # IPv4-mapped
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),  # NAT64, well-known and local
        *("2002:7f00:1::", "2002:a00:1::1"),  # 6to4
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    ],
)
def test_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_public(address: str) -> None:
    assert is_public(address)


def test_no_address() -> None:
    with pytest.raises(ValueError, match="example"):
        is_public("example.org")


def test_literals() -> None:
    check_literal("example.org")
    check_literal("8.8.8.8")
    with pytest.raises(PrivateAddressError):
        check_literal("10.0.0.1")


class Answers(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self.addresses, self.asked = addresses, 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0) for a in self.addresses
        ]

    async def close(self) -> None:
        pass


def resolve(resolver: GuardedResolver, host: str) -> list[tuple[str, int]]:
    return [(answer["host"], answer["port"]) for answer in asyncio.run(resolver.resolve(host, 80))]


def test_resolver_gives_public_answers() -> None:
    assert resolve(GuardedResolver({}, Answers("8.8.8.8", "2606:4700::1111")), "a.example") == [
        ("8.8.8.8", 80),
        ("2606:4700::1111", 80),
    ]


def test_one_private_answer_refuses_the_host() -> None:
    with pytest.raises(PrivateAddressError, match=r"10\.0\.0\.1"):
        resolve(GuardedResolver({}, Answers("8.8.8.8", "10.0.0.1")), "a.example")


def test_served_hosts_alone_are_on_loopback() -> None:
    lookup = Answers("127.0.0.1")
    resolver = GuardedResolver({"docs.test": "127.0.0.1:8123", "six.test": "[::1]:8124"}, lookup)
    assert resolve(resolver, "docs.test") == [("127.0.0.1", 8123)]
    assert resolve(resolver, "six.test") == [("::1", 8124)]
    assert lookup.asked == 0
    with pytest.raises(PrivateAddressError):
        resolve(resolver, "other.test")


@pytest.mark.parametrize("address", ["10.0.0.1:80", "8.8.8.8:80", "127.0.0.1", "127.0.0.1:0", "localhost:80", ""])
def test_served_hosts_must_be_on_loopback(address: str) -> None:
    with pytest.raises(ValueError, match="crawl_addresses"):
        GuardedResolver({"a.test": address}, Answers())
