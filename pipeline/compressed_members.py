"""Files of gzip members or Zstandard or LZ4 frames, one a record: place, digest and content, and the way past damage.

All three are called members here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from pipeline.byte_streams import DamagedStreamError
from pipeline.decompressors import CHUNK, DECODING_ERRORS, SKIPPABLE, Codec

_PADDING = b"\0\r\n\t "
_FEED = 65_536  # stored bytes given at once: most members have fewer, and what is beyond is copied
_PROBE = 8192  # bytes read at once to see what a member begins with
_MAX_PROBE = 5 << 20  # LZ4 gives nothing before the end of a block, which has 4 MiB at most


class Member(NamedTuple):
    """A member, or a stretch that is none."""

    offset: int  # first byte in the stored file
    length: int  # bytes in the stored file; of a broken one up to the next sound member or the end
    sha256: bytes  # of those bytes; empty when it is broken
    content: bytes  # decompressed, at most about as much as was asked for
    is_cut: bool  # the content is longer
    problem: str | None  # gzip, zstd, lz4 (damaged), truncated (the file ends in it), not_gzip ...; None: sound
    detail: str | None


class MemberFile:
    """Read the members of a file in order.

    Args:
        stream: The stored file, seekable.
        size: Its bytes.
        codec: How it is compressed.
        content_start: What the content of a member begins with (after blanks), to tell members from chance magic
            numbers.
        max_content_bytes: Longer content is cut, not held.
    """

    def __init__(
        self, stream: IO[bytes], size: int, codec: Codec, content_start: re.Pattern[bytes], max_content_bytes: int
    ) -> None:
        self._stream, self.size, self._codec = stream, size, codec
        self._content_start = content_start
        self.max_content_bytes = max_content_bytes
        self._block, self._block_start = b"", 0

    def members(self, start: int, end: int) -> Iterator[Member]:
        """Members that start in [start, end), and the broken stretches that follow them."""
        position = 0 if start == 0 else self.find_member(start, end)
        while position < self.size:
            if position >= end and self.is_member(position):
                return  # the next reader begins at the first sound member of its range; what isn't one is ours
            member = self.read(position)
            position += member.length
            if member.problem != "padding":
                yield member

    def first(self) -> int:
        """Where the first member begins: behind frames without content, as one that holds a dictionary."""
        position = 0
        while length := self._skippable(position):
            position += length
        return position

    def is_member(self, position: int) -> bool:
        """Whether a member begins here that decompresses to what is looked for."""
        head = self._peek(position, 8)
        if not head.startswith(self._codec.magic) or (self._codec.name == "gzip" and head[3:4] > b"\x1f"):
            return False
        state, content, at = self._codec.start(), b"", position
        try:
            while len(content) < 4096 and not state.eof and at < position + _MAX_PROBE:
                data = self._at(at, _PROBE) if state.needs_input else b""
                if state.needs_input and not data:
                    break
                content += state.decompress(data, 4096)
                at += len(data)
        except DECODING_ERRORS:
            return False
        return self._content_start.match(content.lstrip(_PADDING)) is not None

    def find_member(self, start: int, end: int | None = None) -> int:
        """Where the first member begins at ``start`` or later; the file's size when none does before ``end``."""
        position, end = start, self.size if end is None else min(end, self.size)
        magic = self._codec.magic
        while position < end:
            view = self._at(position)
            index = view.find(magic)
            if index < 0:
                position += max(1, len(view) - len(magic) + 1)
            elif position + index < end and self.is_member(position + index):
                return position + index
            else:
                position += index + 1
        return self.size

    def read(self, position: int) -> Member:
        """Read the member, or the stretch that is none, at a position."""
        if length := self._skippable(position):
            return Member(position, length, b"", b"", False, "padding", None)
        if self._declared(position):
            return self._broken(position, self._codec.name, "a frame without content ends where nothing begins")
        magic = self._codec.magic
        if not self._peek(position, len(magic)).startswith(magic[: self.size - position]):
            return self._broken(position, f"not_{self._codec.name}", f"no {self._codec.name} data begins here")
        content = _Content(self, position)
        parts, size = [], 0
        try:
            for piece in content:
                if size < self.max_content_bytes:
                    parts.append(piece)
                size += len(piece)
        except DamagedStreamError as error:
            return self._broken(position, self._codec.name, str(error))
        data = b"".join(parts)
        return Member(position, content.end - position, content.sha256, data, len(data) < size, None, None)

    def content(self, position: int) -> Iterator[bytes]:
        """Decompress one member piece by piece.

        Raises:
            DamagedStreamError: After what could be read.
        """
        yield from _Content(self, position)

    def _skippable(self, position: int) -> int:
        """Bytes of the frame without content that begins here; 0 for anything else, and where its length is wrong."""
        length = self._declared(position)
        end = position + length
        is_followed = length and (self._peek(end, 4).startswith(self._codec.magic) or self._declared(end))
        return length if is_followed or end == self.size else 0

    def _declared(self, position: int) -> int:
        """Bytes of the frame without content that begins here, by its own word."""
        match = SKIPPABLE.match(self._peek(position, 8)) if self._codec.name != "gzip" else None
        return 8 + int.from_bytes(match[1], "little") if match else 0

    def _broken(self, position: int, problem: str, detail: str) -> Member:
        following = self.find_member(position + 1)
        if problem == self._codec.name:
            problem = "truncated" if following == self.size else problem
        elif self._is_padding(position, following):
            problem = "padding"
        return Member(position, following - position, b"", b"", False, problem, detail)

    def _is_padding(self, start: int, end: int) -> bool:
        while start < end:
            view = self._at(start)[: end - start]
            if view.strip(_PADDING):
                return False
            start += len(view)
        return True

    def _at(self, position: int, size: int = CHUNK) -> bytes:
        """At most ``size`` bytes from a position on, of the block that was read; empty only at the end of the file."""
        index = position - self._block_start
        if not 0 <= index < len(self._block):
            self._stream.seek(position)
            self._block, self._block_start, index = self._stream.read(CHUNK), position, 0
        return self._block[index : index + size]

    def _peek(self, position: int, size: int) -> bytes:
        view = self._at(position, size)
        return view if len(view) == size else view + self._at(position + len(view), size - len(view))


class _Content:
    """The pieces of one member's content; afterwards its end and the digest of its stored bytes."""

    def __init__(self, file: MemberFile, position: int) -> None:
        self._file, self.end = file, position
        self._sha256 = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        state, view = self._file._codec.start(), b""
        while not state.eof:
            fresh = b""
            if state.needs_input:
                self._used(view, len(view))
                view = fresh = self._file._at(self.end, _FEED)
                if not view:
                    raise DamagedStreamError(f"the file ends inside {self._file._codec.name} data")
            try:
                piece = state.decompress(fresh, CHUNK)
            except DECODING_ERRORS as error:
                raise DamagedStreamError(str(error)) from error
            if piece:
                yield piece
        self._used(view, len(view) - len(state.unused_data))

    def _used(self, view: bytes, size: int) -> None:
        self._sha256.update(memoryview(view)[:size])
        self.end += size

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()
