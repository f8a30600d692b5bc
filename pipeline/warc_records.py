"""Find WARC and ARC records in a stream of bytes, sound or not.

A reader that trusts each Content-Length loses the rest of a file at the first wrong one (fastwarc and warcio do).
Here a length counts when the next record, or the end, follows it; otherwise the record ends where the next one
begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pipeline.byte_streams import OVERLAP, Window

MAX_HEADER_BYTES: Final = 262_144

_WARC_START = rb"WARC/\d+\.\d+[ \t]*\r*\n[!-9;-~]+[ \t]*:"
_ARC_START = rb"[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\n]{1,8000}? [0-9A-Fa-f.:]+ \d{8,18} [^\n]{0,300}? ?-?[0-9A-Za-z]+\r*\n"
START: Final = re.compile(rb"(?:" + _WARC_START + rb"|" + _ARC_START + rb")")
NEXT: Final = re.compile(rb"(?<=\n)(?:" + _WARC_START + rb"|" + _ARC_START + rb")")
_HEADER_END = re.compile(rb"\r*\n\r*\n")
_CONTENT_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_LINE_ENDS = re.compile(rb"[\r\n]*")
_BLANK = re.compile(rb"[\r\n\0\t ]*")


class FoundRecord(NamedTuple):
    """A record's place in a decompressed stream, and its parts."""

    offset: int  # of the first byte of its header
    length: int  # header and block, without the line ends behind them; bytes up to the next record when it failed
    header: bytes  # empty when there is none
    block: bytes  # empty when it failed
    problem: str | None  # bad_header, truncated, too_long: it failed; None: it can be used
    detail: str | None  # a sentence on what was wrong; also for usable records whose length was

    @property
    def is_arc(self) -> bool:
        """Whether the header is ARC's one line."""
        return not self.header.startswith(b"WARC/")


class RecordScanner:
    """Iterate over the records of a stream.

    Args:
        window: The stream, at the start of a record.
        max_record_bytes: Longer blocks are skipped and give a ``too_long`` record.
        is_whole: The stream's end is certain (a checked gzip member), so that a record that is shorter than it says is
            not cut off, but has a wrong length.
        reopen: Gives the stream from a position on, or None when it can't be had; used when an over-long length has
            swallowed records.
        end: Records that start here or later belong to another reader; None for no such end.
    """

    def __init__(
        self,
        window: Window,
        max_record_bytes: int,
        is_whole: bool = False,
        reopen: Callable[[int], Window] | None = None,
        end: int | None = None,
    ) -> None:
        self._window = window
        self._max_record_bytes = max_record_bytes
        self._is_whole = is_whole
        self._reopen = reopen
        self._end = end

    def __iter__(self) -> Iterator[FoundRecord]:
        while self._skip_blank():
            self._window.hold(MAX_HEADER_BYTES)
            is_start = START.match(self._window.data) is not None
            # Another reader begins at the first start of a record in its range: what isn't one is ours.
            if self._end is not None and self._window.position >= self._end and is_start:
                return
            yield self._record() if is_start else self._junk("no record begins here")
        if self._window.error is not None:
            yield FoundRecord(self._window.position, 0, b"", b"", "truncated", self._window.error)

    def _skip_blank(self) -> bool:
        window = self._window
        while window.hold(1):
            match = _BLANK.match(window.data)
            window.drop(match.end() if match else 0)
            if window.data:
                return True
        return False

    def _junk(self, why: str) -> FoundRecord:
        window, offset = self._window, self._window.position
        is_header = window.data.startswith(b"WARC/")
        length = window.skip_to(NEXT, start=1)
        if window.data or not (is_header or window.error):
            return FoundRecord(offset, length, b"", b"", "bad_header", why)
        error, window.error = window.error or "the file ends inside a header", None
        return FoundRecord(offset, length, b"", b"", "truncated", error)

    def _record(self) -> FoundRecord:
        header_size = self._header_size()
        if header_size is None:
            return self._junk(f"no end of the header within {MAX_HEADER_BYTES} bytes")
        header = bytes(self._window.data[:header_size])
        declared = _declared_length(header)
        if declared is not None and declared > self._max_record_bytes and not self._is_short(header_size):
            return self._too_long(header, declared)
        if declared is not None and self._ends_well(header_size + declared):
            return self._take(header, header_size + declared, None)
        return self._with_wrong_length(header, declared)

    def _is_short(self, header_size: int) -> bool:
        """Whether the stream is sure to end here, and early enough, so that an over-long length is plainly wrong."""
        return self._is_whole and not self._window.hold(header_size + self._max_record_bytes + 1)

    def _header_size(self) -> int | None:
        data = self._window.data
        if not data.startswith(b"WARC/"):
            return data.index(b"\n") + 1
        match = _HEADER_END.search(data, 0, MAX_HEADER_BYTES)
        return match.end() if match else None

    def _ends_well(self, size: int) -> bool:
        """Whether WARC's two line ends, the end of the stream or another record follow the first ``size`` bytes."""
        window = self._window
        if not window.hold(size):
            return False
        window.hold(size + OVERLAP)
        if window.data[size : size + 4] == b"\r\n\r\n":
            return True
        match = _LINE_ENDS.match(window.data, size)
        behind = match.end() if match else size
        return (behind >= len(window.data) and window.error is None) or START.match(window.data, behind) is not None

    def _with_wrong_length(self, header: bytes, declared: int | None) -> FoundRecord:
        window = self._window
        limit = len(header) + self._max_record_bytes + MAX_HEADER_BYTES
        following = window.find(NEXT, len(header), limit)
        if following < 0 and (len(window.data) > limit or window.grow()):
            return self._give_up(header)
        size = len(window.data[: following if following >= 0 else None].rstrip(b"\r\n"))
        size = max(size, len(header))
        found = size - len(header)
        detail = f"Content-Length is {'missing' if declared is None else declared}, the block has {found} bytes"
        is_cut = following < 0 and not self._is_whole and declared is not None and declared > found
        if is_cut and b"\r\n" not in header and declared is not None:
            # Saved with LF in place of CRLF, as an editor does: complete if the lost CRs make up for the difference.
            is_cut = found + window.data[len(header) :].count(b"\n") < declared
        if following < 0 and window.error is not None:
            is_cut, detail = True, window.error
        if is_cut:
            offset, length = window.position, len(window.data)
            window.drop(length)
            window.error = None  # told here
            return FoundRecord(offset, length, header, b"", "truncated", detail)
        return self._take(header, size, detail)

    def _take(self, header: bytes, size: int, detail: str | None) -> FoundRecord:
        offset, block = self._window.position, bytes(self._window.data[len(header) : size])
        self._window.drop(size)
        return FoundRecord(offset, size, header, block, None, detail)

    def _give_up(self, header: bytes) -> FoundRecord:
        offset = self._window.position
        length = self._window.skip_to(NEXT, start=len(header))
        return FoundRecord(offset, length, header, b"", "too_long", f"more than {self._max_record_bytes} bytes")

    def _too_long(self, header: bytes, declared: int) -> FoundRecord:
        """Skip a block that is too long, or was said to be: then go back to the first record that it swallowed."""
        window, offset = self._window, self._window.position
        size, swallowed = len(header) + declared, None
        start = len(header)
        while size - (window.position - offset) > len(window.data):
            if swallowed is None and (match := NEXT.search(window.data, start)):
                swallowed = window.position + match.start()
            window.drop(max(0, len(window.data) - OVERLAP))
            start = 0
            if not window.grow():
                break
        rest = size - (window.position - offset)
        if rest <= len(window.data) and self._ends_well(rest):
            window.drop(rest)
            return FoundRecord(offset, size, header, b"", "too_long", f"{declared} bytes")
        if swallowed is not None and self._reopen is not None:
            self._window = self._reopen(swallowed)
            return FoundRecord(
                offset, swallowed - offset, header, b"", "bad_header", f"Content-Length {declared} is wrong"
            )
        error = window.error or f"Content-Length is {declared}, and no record follows there"
        length = window.position - offset + window.skip_to(NEXT)
        window.error = None
        return FoundRecord(offset, length, header, b"", "truncated", error)


def _declared_length(header: bytes) -> int | None:
    """The block's size as the header says; None when it is missing or no number."""
    if header.startswith(b"WARC/"):
        match = _CONTENT_LENGTH.search(header)
        text = match[1].strip() if match else b""
    else:
        text = header.split()[-1]
    return int(text) if text.isdigit() and len(text) < 16 else None
