"""Bzip2 files of several streams, as Wikipedia's multistream dumps: each stream can be read without those before it.

A stream begins with 10 bytes that compressed data holds by chance once in 2**76 places. So streams are found from any
place of the file, without the index that comes with a dump, and reading goes on behind a damaged one.
"""

from __future__ import annotations

import bz2
import re
from collections import deque
from collections.abc import Iterator
from typing import IO, Final

from pipeline.byte_streams import DamagedStreamError
from pipeline.decompressors import CHUNK

_START = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")  # header and first block, or header and the end of no blocks
_START_BYTES: Final = 10
_HEAD_BYTES: Final = 4 << 20  # the first stream of a dump holds its preamble, that of a parallel packer 0.9 MB of text
_PADDING: Final = b"\0\r\n\t "  # what may follow a stream


def has_streams(file: IO[bytes]) -> bool:
    """Whether a file is bzip2 and a second stream begins in its first 4 MiB; reads no more than that."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    return _START.match(head) is not None and _START.search(head, 1) is not None


def next_stream(file: IO[bytes], position: int, end: int) -> int | None:
    """First byte of the first stream that begins at ``position`` or later and before ``end``; None without one."""
    file.seek(position)
    data = b""
    while position < end:
        more = file.read(CHUNK)
        data += more
        if match := _START.search(data):
            found = position + match.start()
            return found if found < end else None
        if not more:
            return None
        kept = data[-(_START_BYTES - 1) :]
        position, data = position + len(data) - len(kept), kept
    return None


class StreamReader:
    """The content of a file's streams from one of them on, and which of them each byte comes from.

    Attributes:
        current: First byte, in the file, of the stream that was read last.
        damaged: After an error: where what can't be read begins; that stream, or what follows it and is none.
    """

    def __init__(self, file: IO[bytes], start: int) -> None:
        self.current = self.damaged = start
        self._file, self._start = file, start
        self._begun: deque[tuple[int, int]] = deque()  # (first byte of its content, first byte in the file) of streams

    def chunks(self) -> Iterator[bytes]:
        """Yield non-empty pieces of content.

        Raises:
            DamagedStreamError: At damage, or where something else than a stream follows.
        """
        self._file.seek(self._start)
        stored, produced, data = self._start, 0, b""  # ``data`` is what was read and not yet given to a decompressor
        while True:
            data = data.lstrip(_PADDING)
            if not data:
                data = self._file.read(CHUNK)
                stored += len(data)
                if not data:
                    return
                continue
            if len(data) < _START_BYTES:
                more = self._file.read(CHUNK)
                stored, data = stored + len(more), data + more
            self.damaged = stored - len(data)
            if not _START.match(data):
                raise DamagedStreamError(f"no bzip2 stream begins at byte {self.damaged}")
            self.current = self.damaged
            self._begun.append((produced, self.current))
            state = bz2.BZ2Decompressor()
            while not state.eof:
                if state.needs_input and not data:
                    data = self._file.read(CHUNK)
                    stored += len(data)
                    if not data:
                        raise DamagedStreamError(f"the file ends inside the stream at byte {self.current}")
                try:
                    piece = state.decompress(data, CHUNK)
                except (OSError, ValueError) as error:
                    raise DamagedStreamError(f"{error}, in the stream at byte {self.current}") from error
                data = b""
                produced += len(piece)
                if piece:
                    yield piece
            data = state.unused_data

    def place(self, position: int) -> tuple[int, int]:
        """Find the stream that a byte of the content comes from.

        Args:
            position: Of a byte that has been read, counted from the first one; never less than in the call before.

        Returns:
            The stream's first byte in the file, and the byte's place in that stream's own content.
        """
        while len(self._begun) > 1 and self._begun[1][0] <= position:
            self._begun.popleft()
        content, stored = self._begun[0]
        return stored, position - content
