"""The compressions of raw files: told by the first bytes, and undone piece by piece under one interface."""

from __future__ import annotations

import bz2
import lzma
import re
from collections.abc import Callable
from functools import partial
from typing import IO, Any, Final, NamedTuple, Protocol

from isal import isal_zlib

CHUNK = 256 * 1024  # bytes read, and at most given, at once
SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18(....)", re.DOTALL)  # a zstd or lz4 frame without content
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
_MAX_DICTIONARY_BYTES = 1 << 26
_MAX_WINDOW_BYTES = 1 << 31  # of "zstd --long=31", the most there is; it is held, for as long as a file is read


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

    name: str  # gzip, bzip2, xz, zstd or lz4
    magic: bytes
    start: Callable[[], Decompressor]


DECODING_ERRORS: Final[tuple[type[Exception], ...]] = (  # what the decompressors raise for damaged data
    isal_zlib.error,  # type: ignore[assignment]
    lzma.LZMAError,
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
    codec = codec_of_head(head)
    if codec is not None and head.startswith(_DICTIONARY_MAGIC):
        dictionary = stream.read(min(int.from_bytes(head[4:8], "little"), _MAX_DICTIONARY_BYTES))
        codec = codec._replace(start=partial(_Unzstd, _dictionary(dictionary)))
    stream.seek(0)
    return codec


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

        self._state = zstandard.ZstdDecompressor(dictionary, _MAX_WINDOW_BYTES).decompressobj()
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
    Codec("xz", b"\xfd7zX", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ)),
)


def codec_of_head(head: bytes) -> Codec | None:
    """How a file that begins so, with four bytes or more, is compressed; without the dictionary it may need."""
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
    dictionary = zstandard.ZstdCompressionDict(stored) if stored else None
    try:
        _Unzstd(dictionary)
    except zstandard.ZstdError:
        return None
    return dictionary
