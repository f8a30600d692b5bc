"""Compressed files as streams of bytes, and a window over a stream that knows where it stands.

Compression is told by the first bytes, never by the name. A stream that is cut or damaged gives what can be had and
then raises ``DamagedStreamError``.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, Final, NamedTuple, Protocol

from isal import isal_zlib

CHUNK = 256 * 1024  # bytes read, and at most given, at once
OVERLAP = 16_384  # bytes that a pattern may span; searched again after more came
_PADDING = b"\0\r\n\t "  # what may follow the last compressed stream of a file
SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18(....)", re.DOTALL)  # a zstd or lz4 frame without content
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
_MAX_DICTIONARY_BYTES = 1 << 26


class DamagedStreamError(Exception):
    """A stream ends too early or does not decode; the message says where in the stored file."""


class Decompressor(Protocol):
    """One compressed stream; the interface of ``bz2.BZ2Decompressor``."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take more of the stored bytes, give about ``max_length`` bytes of content at most."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether there is no more content without more stored bytes."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end of the stream."""


class Codec(NamedTuple):
    """A compression: how its streams begin, and how one is undone."""

    name: str  # gzip, bzip2, zstd or lz4
    magic: bytes
    start: Callable[[], Decompressor]


DECODING_ERRORS: Final[tuple[type[Exception], ...]] = (  # what the decompressors raise for damaged data
    isal_zlib.error,  # type: ignore[assignment]
    OSError,
    ValueError,
)


def codec_of(stream: IO[bytes]) -> Codec | None:
    """How a file is compressed, None when it is not; with the dictionary that a Zstandard file may begin with.

    Args:
        stream: A seekable binary file; it stands at its beginning afterwards.
    """
    stream.seek(0)
    head = stream.read(8)
    codec = _codec(head)
    if codec is not None and head.startswith(_DICTIONARY_MAGIC):
        dictionary = stream.read(min(int.from_bytes(head[4:8], "little"), _MAX_DICTIONARY_BYTES))
        codec = codec._replace(start=partial(_Unzstd, _dictionary(dictionary)))
    stream.seek(0)
    return codec


def decompressed(stream: IO[bytes]) -> Iterator[bytes]:
    """Read a file decompressed if it is gzip, bzip2, Zstandard or LZ4 (one or several streams each).

    Args:
        stream: A seekable binary file; it is read from its beginning.

    Yields:
        Non-empty pieces of about ``CHUNK`` bytes, so that a compression bomb costs time and no memory.

    Raises:
        DamagedStreamError: After all that could be read.
    """
    codec = codec_of(stream)
    yield from as_stored(stream) if codec is None else _inflate(stream, codec.start)


def as_stored(stream: IO[bytes]) -> Iterator[bytes]:
    """Read a file from where it stands; the middle of a plain file may look like the head of a compressed one."""
    while data := stream.read(CHUNK):
        yield data


def is_compressed(head: bytes) -> bool:
    """Say whether a file that begins so, with four bytes or more, is decompressed by ``decompressed``."""
    return _codec(head) is not None


def _inflate(stream: IO[bytes], start: Callable[[], Decompressor]) -> Iterator[bytes]:
    data = stream.read(CHUNK)
    consumed, state = 0, start()
    while True:
        try:
            piece = state.decompress(data, CHUNK)
        except DECODING_ERRORS as error:
            raise DamagedStreamError(f"{error}, about byte {consumed} of the stored file") from error
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
            consumed, state = consumed - len(data), start()
        elif state.needs_input:
            data = stream.read(CHUNK)
            if not data:
                raise DamagedStreamError(f"the stored file ends inside a compressed stream, at byte {consumed}")


class _Gunzip:
    """One gzip member, decoded at twice zlib's speed: 1.05 GB/s of a crawl's pages, where zlib gives 0.5."""

    def __init__(self) -> None:
        self._state = isal_zlib.decompressobj(wbits=31)
        self._is_pending = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._state.unconsumed_tail
        piece = self._state.decompress(tail + data if tail else data, max_length)
        self._is_pending = len(piece) == max_length
        return piece

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def needs_input(self) -> bool:
        return not self._is_pending

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data


class _Unzstd:
    """One Zstandard frame.

    It is fed little at a time, as it has no limit on its output: 1 KB of the most compact blocks is 32 MB.

    Args:
        dictionary: ``zstandard.ZstdCompressionDict`` that the frame was compressed with; None for none.
    """

    _FEED = 1024

    def __init__(self, dictionary: Any = None) -> None:
        import zstandard

        self._state = zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj()
        self._error, self._waiting = zstandard.ZstdError, memoryview(b"")

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._waiting = memoryview(bytes(self._waiting) + data)
        parts: list[bytes] = []
        size = 0
        while self._waiting and size < max_length and not self._state.eof:
            feed, self._waiting = self._waiting[: self._FEED], self._waiting[self._FEED :]
            try:
                parts.append(self._state.decompress(feed))
            except self._error as error:
                raise ValueError(str(error)) from error
            size += len(parts[-1])
        return b"".join(parts)

    @property
    def eof(self) -> bool:
        return bool(self._state.eof)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return bytes(self._state.unused_data) + bytes(self._waiting)


class _Unlz4:
    """One LZ4 frame."""

    def __init__(self) -> None:
        import lz4.frame

        self._state = lz4.frame.LZ4FrameDecompressor()

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return bytes(self._state.decompress(data, max_length))
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    @property
    def eof(self) -> bool:
        return bool(self._state.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._state.needs_input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._state.unused_data or b"")


_CODECS: Final = (
    Codec("gzip", b"\x1f\x8b\x08", _Gunzip),
    Codec("bzip2", b"BZh", bz2.BZ2Decompressor),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _Unzstd),
    Codec("lz4", b"\x04\x22\x4d\x18", _Unlz4),
)


def _codec(head: bytes) -> Codec | None:
    for codec in _CODECS:
        if head.startswith(codec.magic):
            return codec
    # LZ4 files may begin with such a frame too, but nobody writes archives so
    return _CODECS[2] if SKIPPABLE.match(head.ljust(8, b"\0")) else None


def _dictionary(stored: bytes) -> Any:
    """A dictionary as ``.warc.zst`` files hold it: as it is, or compressed itself; None for one that is damaged.

    Without it no frame of the file can be read, and each says so.
    """
    import zstandard

    if stored.startswith(_CODECS[2].magic):
        state, parts = _Unzstd(), [b""]
        try:
            while stored or not (state.needs_input or state.eof or sum(map(len, parts)) > _MAX_DICTIONARY_BYTES):
                parts.append(state.decompress(stored, CHUNK))
                stored = b""
        except ValueError:
            return None
        stored = b"".join(parts)
    return zstandard.ZstdCompressionDict(stored) if stored else None


class Window:
    """The bytes of a stream from ``position`` on, as many as were asked for.

    Attributes:
        data: What has been read and not dropped.
        position: Offset of ``data[0]`` in the stream.
        error: Why the stream ended too early; None when it did not, or has not ended.
    """

    def __init__(self, chunks: Iterator[bytes], position: int = 0) -> None:
        self._chunks = chunks
        self._is_at_end = False
        self.data = bytearray()
        self.position = position
        self.error: str | None = None

    def grow(self) -> bool:
        """Read one more chunk; False at the end of the stream."""
        if self._is_at_end:
            return False
        try:
            self.data += next(self._chunks)
        except StopIteration:
            self._is_at_end = True
        except DamagedStreamError as error:
            self._is_at_end, self.error = True, str(error)
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
