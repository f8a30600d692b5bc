import asyncio
import gzip
import socket
import zlib
from typing import Any

import pytest

from pipeline.exchange import Exchange, FetchRefused, get, media_type, open_session

OK = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def fetch(
    site: Any, path: str, host: str = "h.test", timeout_s: float = 5.0, limit: int = 1000, **options: Any
) -> Exchange:
    async def run() -> Exchange:
        async with open_session("FooBot/1.0 (+http://x)", timeout_s, site.served("h.test")) as session:
            return await get(session, f"http://{host}{path}", limit, **options)

    return asyncio.run(run())


def refusal(*args: Any, **options: Any) -> str:
    with pytest.raises(FetchRefused) as caught:
        fetch(*args, **options)
    return caught.value.reason


def test_plain_page(site: Any) -> None:
    site.add_raw("h.test", "/a%20b|c?x", f"{OK}X-Odd: \xe9\r\nContent-Length: 5\r\n\r\nhello".encode("latin-1"))
    exchange = fetch(site, "/a%20b|c?x")
    assert (exchange.status, exchange.body, exchange.is_truncated) == (200, b"hello", False)
    assert exchange.headers == (("Content-Type", "text/html"), ("X-Odd", "%E9"), ("Content-Length", "5"))
    assert exchange.request_target == "/a%20b|c?x" == site.log[0].path
    assert exchange.ip == "127.0.0.1"
    assert dict(exchange.request_headers) == site.log[0].headers  # what we archive is what was sent
    assert site.log[0].headers["Host"] == "h.test"
    assert site.log[0].headers["Accept-Encoding"] == "identity"


def test_chunked_body_is_put_together(site: Any) -> None:
    site.add_raw("h.test", "/", f"{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".encode())
    exchange = fetch(site, "/")
    assert exchange.body == b"abcde"
    assert exchange.headers[1:] == (("X-Crawler-Transfer-Encoding", "chunked"), ("Content-Length", "5"))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate"])
def test_encoded_body_is_decoded(site: Any, coding: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    body = {
        "gzip": gzip.compress(b"x" * 999),
        "deflate": zlib.compress(b"x" * 999),
        "raw deflate": raw.compress(b"x" * 999) + raw.flush(),
    }[coding]
    name = coding.split()[-1]
    site.add("h.test", "/", body, Content_Encoding=name)
    exchange = fetch(site, "/")
    assert exchange.body == b"x" * 999
    assert exchange.header("x-crawler-content-encoding") == name
    assert exchange.header("content-length") == "999" or (
        exchange.header("x-crawler-content-length") == str(len(body)) and exchange.header("content-encoding") is None
    )
    assert not exchange.is_truncated


def test_bomb_is_cut(site: Any) -> None:
    site.add("h.test", "/", gzip.compress(b"0" * 10_000_000)[:900], Content_Encoding="gzip")
    exchange = fetch(site, "/")
    assert (len(exchange.body), exchange.is_truncated) == (1000, True)


def test_body_limit(site: Any) -> None:
    site.add("h.test", "/fits", b"x" * 1000)
    site.add("h.test", "/long", b"x" * 1001)
    assert not fetch(site, "/fits").is_truncated
    long = fetch(site, "/long")
    assert (len(long.body), long.is_truncated) == (1000, True)
    assert long.header("x-crawler-content-length") == "1001"
    assert long.header("content-length") == "1000"


def test_what_the_world_does(site: Any) -> None:
    site.add_raw("h.test", "/cut", f"{OK}Content-Length: 50\r\n\r\nhello".encode())
    site.add_raw("h.test", "/cut-chunk", f"{OK}Transfer-Encoding: chunked\r\n\r\n9\r\nabc".encode())
    site.add_raw("h.test", "/nothing", b"")
    site.add_raw("h.test", "/noise", b"SSH-2.0-OpenSSH_9.6\r\n")
    site.add_raw("h.test", "/huge-header", f"{OK}X: {'x' * 100_000}\r\n\r\n".encode())
    site.add("h.test", "/br", b"\x0b\x02\x80abc\x03", Content_Encoding="br")
    site.add("h.test", "/no-gzip", b"plain", Content_Encoding="gzip")
    site.add_raw("h.test", "/slow", b"", pause_s=3)
    assert refusal(site, "/cut") == "truncated"
    assert refusal(site, "/cut-chunk") == "truncated"
    assert refusal(site, "/nothing") == "connection"
    assert refusal(site, "/noise") == "protocol"
    assert refusal(site, "/huge-header") == "protocol"
    assert refusal(site, "/br") == "content_encoding"
    assert refusal(site, "/no-gzip") == "content_encoding"
    assert refusal(site, "/slow", timeout_s=0.2) == "timeout"
    assert len(site.log) == 8  # and none was asked for twice


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

    async def run() -> None:
        async with open_session("FooBot/1.0", 5, {"h.test": address}) as session:
            await get(session, "http://h.test/", 10)

    with pytest.raises(FetchRefused) as caught:
        asyncio.run(run())
    assert (caught.value.reason, address in caught.value.error) == ("connection", False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"])
def test_private_addresses_are_not_connected_to(site: Any, host: str) -> None:
    port = site.address.split(":")[1]
    assert refusal(site, "/", host=f"{host}:{port}") == "private_address"
    assert site.log == []


def test_refused_before_the_body(site: Any) -> None:
    site.add("h.test", "/", b"x" * 10_000_000, Content_Type="Image/PNG; x=y")
    seen = []

    def refuse(status: int, content_type: str | None) -> str:
        seen.append((status, content_type))
        return "content_type"

    assert refusal(site, "/", refuse=refuse) == "content_type"
    assert seen == [(200, "image/png")]


def test_redirect_target(site: Any) -> None:
    for number, location in enumerate(["../x?y#z", "//other/z", "ftp://h/x", "http://user@h/", "", "/\xfc"]):
        site.add("h.test", f"/{number}", status=301, Location=location)
    site.add("h.test", "/ok", status=200, Location="/x")
    found = [fetch(site, f"/{number}").redirect_target for number in range(6)]
    assert found == ["http://h.test/x?y", "http://other/z", "ftp://h/x", "http://user@h/", None, "http://h.test/%FC"]
    assert fetch(site, "/ok").redirect_target is None


def test_media_type_and_charset(site: Any) -> None:
    assert [media_type(text) for text in (None, "", "Text/HTML ; charset=x", ";")] == [None, None, "text/html", None]
    site.add("h.test", "/", Content_Type='text/html; Charset="ISO-8859-1"')
    assert fetch(site, "/").charset == "ISO-8859-1"
