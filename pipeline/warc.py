"""WARC 1.1 records of what a crawler sent and received.

A response record, then the request record that names it (``WARC-Concurrent-To``); both carry SHA-1 digests of block and
payload. Redirects and error pages are responses as others are. Headers are kept as received, so a crawl is the same
twice only if the server's are: one that serves a reproducible crawl sends no ``Date``, nor a ``Server`` with versions.
"""

from __future__ import annotations

import uuid
from io import BytesIO
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.timeutils import datetime_to_iso_date
from warcio.warcwriter import WARCWriter

from pipeline.exchange import Exchange


class WarcEncoder:
    """Turn exchanges into the bytes of their records.

    Args:
        clock: The date in every record (ISO 8601, UTC): the reproducible mode, in which ids follow from URL and clock,
            addresses are left out and nothing is compressed. "" for the time of each request, random ids and one gzip
            member a record.
    """

    def __init__(self, clock: str) -> None:
        self._clock = clock
        self.extension = "warc" if clock else "warc.gz"

    def warcinfo(self, name: str, fields: dict[str, str]) -> bytes:
        """The first record of the file ``name``.

        Args:
            name: Its path below the crawl's folder.
            fields: What its body says, as ``software``.
        """
        body = "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode()
        headers = {"WARC-Type": "warcinfo", **self._identity("warcinfo", name), "WARC-Filename": name}
        sink, writer = self._writer()
        payload = BytesIO(body)
        writer.write_record(writer.create_warc_record("", "warcinfo", payload, len(body), warc_headers_dict=headers))
        return sink.getvalue()

    def exchange(self, exchange: Exchange) -> tuple[bytes, str]:
        """The response and request records of one exchange, and the payload's digest as ``sha1:BASE32``."""
        sink, writer = self._writer()
        response = self._response(writer, exchange)
        request = self._request(writer, exchange)
        writer.write_request_response_pair(request, response)
        return sink.getvalue(), response.rec_headers.get_header("WARC-Payload-Digest")

    def _response(self, writer: WARCWriter, exchange: Exchange) -> Any:
        headers = self._headers("response", exchange)
        if exchange.ip and not self._clock:
            headers["WARC-IP-Address"] = exchange.ip
        if exchange.is_truncated:
            headers["WARC-Truncated"] = "length"
        line = f"{exchange.status} {exchange.reason_phrase}".rstrip()
        http = StatusAndHeaders(line, list(exchange.headers), protocol="HTTP/1.1")
        body = BytesIO(exchange.body)
        return writer.create_warc_record(
            exchange.url, "response", body, len(exchange.body), warc_headers_dict=headers, http_headers=http
        )

    def _request(self, writer: WARCWriter, exchange: Exchange) -> Any:
        line = f"GET {exchange.request_target} HTTP/1.1"
        http = StatusAndHeaders(line, list(exchange.request_headers), is_http_request=True)
        headers = self._headers("request", exchange)
        return writer.create_warc_record(exchange.url, "request", warc_headers_dict=headers, http_headers=http)

    def _headers(self, record_type: str, exchange: Exchange) -> dict[str, str]:
        identity = self._identity(record_type, exchange.url)
        if not self._clock:
            moment = exchange.started.replace(tzinfo=None)
            identity["WARC-Date"] = datetime_to_iso_date(moment, use_micros=True)
        return {"WARC-Type": record_type, **identity, "WARC-Target-URI": exchange.url}

    def _identity(self, record_type: str, name: str) -> dict[str, str]:
        """Id and date; without a clock warcio's own."""
        if not self._clock:
            return {}
        identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{self._clock} {record_type} {name}")
        return {"WARC-Record-ID": f"<urn:uuid:{identifier}>", "WARC-Date": self._clock}

    def _writer(self) -> tuple[BytesIO, WARCWriter]:
        sink = BytesIO()
        return sink, WARCWriter(sink, gzip=not self._clock, warc_version="1.1")
