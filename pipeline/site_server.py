"""Serve folders as hosts on loopback: what a crawl meets that must not depend on the network.

``<folder>/<host>/<path>`` is what ``http://<host>/<path>`` gives. One server answers for all hosts, by the ``Host``
header. An answer depends on the request alone: no ``Date``, no ``Server``, nothing that changes from run to run.
"""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8"}
INDEX = "index.html"


class Answer(NamedTuple):
    """What is sent for a request."""

    status: HTTPStatus
    content_type: str
    body: bytes
    location: str | None = None


@contextmanager
def serve(folder: str) -> Iterator[dict[str, str]]:
    """Serve every folder in ``folder`` as a host, on a free port of 127.0.0.1, until the context ends.

    Files are looked up once, at the start: only these are ever read.

    Yields:
        Host -> ``127.0.0.1:port``, as ``[run] crawl_addresses`` wants it.
    """
    with _SiteServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="site-server", daemon=True)
        thread.start()
        try:
            yield {host: f"127.0.0.1:{server.server_address[1]}" for host in server.sites}
        finally:
            server.shutdown()
            thread.join()


class _SiteServer(socketserver.ThreadingTCPServer):
    """Not ``http.server``'s: that one asks the name server for its own name."""

    daemon_threads = True
    block_on_close = False  # a client may keep its connection open
    request_queue_size = 128

    def __init__(self, folder: str) -> None:
        self.sites = {host: _files(os.path.join(folder, host)) for host in sorted(os.listdir(folder))}
        super().__init__(("127.0.0.1", 0), _Handler)

    def answer(self, host: str, target: str) -> Answer:
        """What a GET of ``target`` gives; a query is ignored."""
        files, path = self.sites.get(host, {}), unquote(urlsplit(target).path)
        file = files.get(path + INDEX if path.endswith("/") else path)
        if file:
            kind = CONTENT_TYPES.get(os.path.splitext(file)[1], "application/octet-stream")
            return Answer(HTTPStatus.OK, kind, Path(file).read_bytes())
        if f"{path}/{INDEX}" in files:
            return _notice(HTTPStatus.MOVED_PERMANENTLY, quote(path + "/"))
        return _notice(HTTPStatus.NOT_FOUND)


def _files(site: str) -> dict[str, str]:
    """URL path -> file, of all files of a host."""
    names = [os.path.join(folder, name) for folder, _, names in os.walk(site) for name in names]
    return {"/" + os.path.relpath(name, site).replace(os.sep, "/"): name for name in names}


def _notice(status: HTTPStatus, location: str | None = None) -> Answer:
    body = f"<!DOCTYPE html>\n<title>{status.phrase}</title>\n<p>{status.phrase}\n"
    return Answer(status, CONTENT_TYPES[".html"], body.encode(), location)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # s; ends a connection that says nothing
    wbufsize = 1 << 16  # head and body leave together: apart, each answer waits 40 ms for the client's delayed ACK
    disable_nagle_algorithm = True
    server: _SiteServer

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").partition(":")[0].lower()
        self._send(self.server.answer(host, self.path))

    do_HEAD = do_GET

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)  # send_response would add Server and Date
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.location:
            self.send_header("Location", answer.location)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that could not be read, or another method: without Server and Date either."""
        self.close_connection = True
        self._send(_notice(HTTPStatus(code)))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
