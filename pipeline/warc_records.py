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
_ARC_START = (
    rb"[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\n]{1,8000}? (?:-|[0-9A-Fa-f.:]+) \d{8,18} [^\n]{0,300}? ?-?[0-9A-Za-z]+\r*\n"
)
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
        reopen: Gives a second window, from a position on, or None when it can't be had; used to see what stands where
            an over-long record is said to end.
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
            return self._too_long(header, declared) or self._with_wrong_length(header, declared)
        if declared is not None and _ends_well(self._window, header_size + declared):
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

    def _with_wrong_length(self, header: bytes, declared: int | None) -> FoundRecord:
        window = self._window
        limit = len(header) + self._max_record_bytes + MAX_HEADER_BYTES
        following = window.find(NEXT, len(header), limit)
        if following < 0 and (len(window.data) > limit or window.grow()):
            return self._give_up(header)
        size = len(window.data[: following if following >= 0 else None].rstrip(b"\r\n"))
        size = max(size, len(header))
        if self._is_damage_behind(header, declared, size):
            return self._take(header, len(header) + (declared or 0), None)
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

    def _is_damage_behind(self, header: bytes, declared: int | None, size: int) -> bool:
        """Whether an ARC record may end where it says, so that the damage is that of the next one's header line."""
        if declared is None or header.startswith(b"WARC/") or len(header) + declared >= size:
            return False
        return self._window.data[len(header) + declared : size].startswith((b"\n", b"\r\n"))

    def _take(self, header: bytes, size: int, detail: str | None) -> FoundRecord:
        offset, block = self._window.position, bytes(self._window.data[len(header) : size])
        self._window.drop(size)
        return FoundRecord(offset, size, header, block, None, detail)

    def _give_up(self, header: bytes) -> FoundRecord:
        offset = self._window.position
        length = self._window.skip_to(NEXT, start=len(header))
        return FoundRecord(offset, length, header, b"", "too_long", f"more than {self._max_record_bytes} bytes")

    def _too_long(self, header: bytes, declared: int) -> FoundRecord | None:
        """Pass over a block that is too long; None when it is not, its length being wrong."""
        window, offset, size = self._window, self._window.position, len(header) + declared
        found = FoundRecord(offset, size, header, b"", "too_long", f"{declared} bytes")
        if self._reopen is not None:
            window = self._reopen(offset + size - 1)
            if not _ends_well(window, 1):
                return None
            window.drop(1)
            self._window = window
            return found
        while (rest := offset + size - window.position) > len(window.data):
            window.drop(max(0, len(window.data) - OVERLAP))
            if not window.grow():
                break
        if _ends_well(window, rest):
            window.drop(rest)
            return found
        error = window.error or f"Content-Length is {declared}, and no record follows there"
        length = window.position - offset + window.skip_to(NEXT)
        window.error = None
        return found._replace(length=length, problem="truncated", detail=error)


def _ends_well(window: Window, size: int) -> bool:
    """Whether WARC's two line ends, the end of the stream or another record follow the first ``size`` bytes."""
    if not window.hold(size):
        return False
    window.hold(size + OVERLAP)
    if window.data[size : size + 4] == b"\r\n\r\n":
        return True
    match = _LINE_ENDS.match(window.data, size)
    behind = match.end() if match else size
    if behind >= len(window.data):
        return window.error is None
    # one damaged byte among the line ends, ARC's one or WARC's four, hides no record
    num_damaged = len(window.data[size : size + 4].translate(None, b"\r\n"))
    places = (behind, size + 1, size + 4) if num_damaged == 1 else (behind, size + 1)
    return any(START.match(window.data, at) for at in places)


def _declared_length(header: bytes) -> int | None:
    """The block's size as the header says; None when it is missing or no number."""
    if header.startswith(b"WARC/"):
        match = _CONTENT_LENGTH.search(header)
        text = match[1].strip() if match else b""
    else:
        text = header.split()[-1]
    return int(text) if text.isdigit() and len(text) < 16 else None
