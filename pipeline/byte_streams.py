"""Compressed files as streams of bytes, and a window over a stream that knows where it stands.

Compression is told by the first bytes, never by the name. A stream that is cut or damaged gives what can be had and
then raises ``DamagedStreamError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO

from pipeline.decompressors import CHUNK, DECODING_ERRORS, Decompressor, codec_of, codec_of_head
from pipeline.storage import open_read

OVERLAP = 16_384  # bytes that a pattern may span; searched again after more came
_PADDING = b"\0\r\n\t "  # what may follow the last compressed stream of a file


class DamagedStreamError(Exception):
    """A stream ends too early or does not decode; the message says where in the stored file.

    Attributes:
        start: First byte, in the stored file, of the compressed stream that is damaged; None when it isn't told.
    """

    def __init__(self, message: str, start: int | None = None) -> None:
        super().__init__(message)
        self.start = start


def decompressed(stream: IO[bytes], start: int = 0) -> Iterator[bytes]:
    """Read a file decompressed if it is gzip, bzip2, xz, Zstandard or LZ4 (one or several streams each).

    Args:
        stream: A seekable binary file.
        start: The first byte to read, of a compressed stream unless it is 0.

    Yields:
        Non-empty pieces of about ``CHUNK`` bytes, so that a compression bomb costs time and no memory.

    Raises:
        DamagedStreamError: After all that could be read.
    """
    codec = codec_of(stream)
    stream.seek(start)
    yield from as_stored(stream) if codec is None else _inflate(stream, codec.start)


def content_of(path: str) -> Iterator[bytes]:
    """Read a file as ``decompressed`` does, pieces of it."""
    with open_read(path) as stream:
        yield from decompressed(stream)


def lines_of(path: str) -> Iterator[bytes]:
    """The lines of a file, plain or compressed, without their ends."""
    begun: list[bytes] = []  # pieces of a line, joined once: it may be as long as the file
    for data in content_of(path):
        piece, *others = data.split(b"\n")
        begun.append(piece)
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun = others[-1:]
    if rest := b"".join(begun):
        yield rest


def as_stored(stream: IO[bytes]) -> Iterator[bytes]:
    """Read a file from where it stands; the middle of a plain file may look like the head of a compressed one."""
    while data := stream.read(CHUNK):
        yield data


def is_compressed(head: bytes) -> bool:
    """Say whether a file that begins so, with four bytes or more, is decompressed by ``decompressed``."""
    return codec_of_head(head) is not None


def _inflate(stream: IO[bytes], start: Callable[[], Decompressor]) -> Iterator[bytes]:
    begun = consumed = stream.tell()
    data, state = stream.read(CHUNK), start()
    while True:
        try:
            piece = state.decompress(data, CHUNK)
        except DECODING_ERRORS as error:
            raise DamagedStreamError(f"{error}, about byte {consumed} of the stored file", begun) from error
        consumed += len(data)
        if piece:
            yield piece
        data = b""
        if state.eof:
            data = state.unused_data.lstrip(_PADDING)
            while not data and (more := stream.read(CHUNK)):
                data = more.lstrip(_PADDING)
            if not data:
                return
            begun = consumed = stream.tell() - len(data)
            state = start()
        elif state.needs_input:
            data = stream.read(CHUNK)
            if not data:
                message = f"the stored file ends inside a compressed stream, at byte {consumed}"
                raise DamagedStreamError(message, begun)


class Window:
    """The bytes of a stream from ``position`` on, as many as were asked for.

    Attributes:
        data: What has been read and not dropped.
        position: Offset of ``data[0]`` in the stream.
        error: Why the stream ended too early; None when it did not, or has not ended.
        damaged: The compressed stream in which it ended too early: its first byte in the stored file, if that is known.
    """

    def __init__(self, chunks: Iterator[bytes], position: int = 0) -> None:
        self._chunks = chunks
        self._is_at_end = False
        self.data = bytearray()
        self.position = position
        self.error: str | None = None
        self.damaged: int | None = None

    def grow(self) -> bool:
        """Read one more chunk; False at the end of the stream."""
        if self._is_at_end:
            return False
        try:
            self.data += next(self._chunks)
        except StopIteration:
            self._is_at_end = True
        except DamagedStreamError as error:
            self._is_at_end, self.error, self.damaged = True, str(error), error.start
        return not self._is_at_end

    def hold(self, size: int) -> bool:
        """Read until ``data`` has ``size`` bytes; False when the stream ends before."""
        while len(self.data) < size:
            if not self.grow():
                return False
        return True

    def drop(self, size: int) -> None:
        """Forget the first ``size`` bytes of ``data``."""
        del self.data[:size]
        self.position += size

    def find(self, pattern: re.Pattern[bytes], start: int = 0, limit: int | None = None) -> int:
        """Index in ``data`` at which a match starts, reading on as needed; -1 without one.

        Args:
            pattern: What to look for; a match with what it looks ahead to is shorter than ``OVERLAP``.
            start: Index to begin at.
            limit: A match must start below it; None for the whole stream.
        """
        while True:
            match = pattern.search(self.data, start)
            if match and limit is not None and match.start() >= limit:
                return -1
            # close to the end it may look ahead to bytes that have not come
            if match and (match.start() + OVERLAP <= len(self.data) or not self.grow()):
                return match.start()
            if not match:
                start = max(start, len(self.data) - OVERLAP)
                if (limit is not None and start >= limit) or not self.grow():
                    return -1

    def skip_to(self, pattern: re.Pattern[bytes], start: int = 0) -> int:
        """Drop bytes up to the next match that starts at index ``start`` or later, or all; gives how many were dropped.

        Holds no more than a few chunks, however far away the match is.
        """
        before = self.position
        while True:
            size = len(self.data)
            match = pattern.search(self.data, start)
            if (match and match.start() + OVERLAP <= size) or not self.grow():
                self.drop(match.start() if match else size)
                return self.position - before
            if match is None:
                searched = max(0, size - OVERLAP)
                self.drop(searched)
                start = max(0, start - searched)
