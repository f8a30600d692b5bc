import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest


class Request(NamedTuple):
    at: float  # time.monotonic() when it was read
    host: str
    path: str
    headers: dict[str, str]


class Answer(NamedTuple):
    data: bytes  # the whole response, as it goes over the wire
    pause_s: float = 0.0  # before it


class Site:
    """Virtual hosts on one loopback port. Its access log is the oracle of the crawler's tests."""

    def __init__(self) -> None:
        self.log: list[Request] = []
        self.dynamic: dict[str, Callable[[str], Answer]] = {}  # host -> answer to any other path
        self._answers: dict[tuple[str, str], Answer] = {}
        self._ended = threading.Event()
        site = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                lines = iter(self.rfile.readline, b"\r\n")
                first = next(lines, b"")
                if not first:
                    return
                headers = dict(line.decode().rstrip().split(": ", 1) for line in lines)
                request = Request(time.monotonic(), headers["Host"], first.decode().split(" ")[1], headers)
                site.log.append(request)
                answer = site._answer(request)
                site._ended.wait(answer.pause_s)
                self.wfile.write(answer.data)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that goes away in the middle is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _answer(self, request: Request) -> Answer:
        known = self._answers.get((request.host, request.path))
        if known is None and request.host in self.dynamic:
            return self.dynamic[request.host](request.path)
        return known or self.response(b"nothing here", 404, {"Content-Type": "text/plain"})

    @staticmethod
    def response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        headers = {"Content-Type": "text/html", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        return Answer(f"HTTP/1.1 {status} Whatever\r\n{head}Connection: close\r\n\r\n".encode("latin-1") + body)

    def add(self, host: str, path: str, body: str | bytes = b"", status: int = 200, **headers: str) -> None:
        """Serve a page; header names with ``_`` for ``-``, and none where the value is empty."""
        body = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers[host, path] = self.response(body, status, named)

    def add_raw(self, host: str, path: str, data: bytes, pause_s: float = 0.0) -> None:
        """Serve bytes that need not be HTTP."""
        self._answers[host, path] = Answer(data, pause_s)

    def links(self, host: str, path: str, *targets: str, text: str = "") -> None:
        """Serve a page of links."""
        anchors = "".join(f'<a href="{target}">{target}</a>' for target in targets)
        self.add(host, path, f"<html><body><p>Page {path} of {host}. {text}</p>{anchors}</body></html>")

    def served(self, *hosts: str) -> dict[str, str]:
        """What ``[run] crawl_addresses`` says for these hosts."""
        return dict.fromkeys(hosts, self.address)

    def paths(self, host: str, robots: bool = False) -> list[str]:
        """Paths asked of a host, in order."""
        return [r.path for r in self.log if r.host == host and (robots or r.path != "/robots.txt")]

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def module_site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()
