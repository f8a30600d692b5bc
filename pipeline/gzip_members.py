"""Files of gzip members, one a record: each one's place, digest and content, and the way back after damage."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from pipeline.byte_streams import CHUNK, GZIP_MAGIC, DamagedStreamError

_PADDING = b"\0\r\n\t "


class Member(NamedTuple):
    """A gzip member, or a stretch that is none."""

    offset: int  # first byte in the stored file
    length: int  # bytes in the stored file; of a broken one up to the next sound member or the end
    sha256: bytes  # of those bytes; empty when it is broken
    content: bytes  # decompressed, at most about as much as was asked for
    is_cut: bool  # the content is longer
    problem: str | None  # gzip (damaged), truncated (the file ends in it), not_gzip; None: sound
    detail: str | None


class MemberFile:
    """Read the members of a file in order.

    Args:
        stream: The stored file, seekable.
        size: Its bytes.
        content_start: What the content of a member begins with (after blanks), to tell members from chance magic
            numbers.
        max_content_bytes: Longer content is cut, not held.
    """

    def __init__(self, stream: IO[bytes], size: int, content_start: re.Pattern[bytes], max_content_bytes: int) -> None:
        self._stream, self.size = stream, size
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

    def is_member(self, position: int) -> bool:
        """Whether a member begins here that decompresses to what is looked for."""
        head = self._peek(position, 8192)
        if not head.startswith(GZIP_MAGIC) or head[3:4] > b"\x1f":
            return False
        try:
            content = zlib.decompressobj(wbits=31).decompress(head, 4096)
        except zlib.error:
            return False
        return self._content_start.match(content.lstrip(_PADDING)) is not None

    def find_member(self, start: int, end: int | None = None) -> int:
        """Where the first member begins at ``start`` or later; the file's size when none does before ``end``."""
        position, end = start, self.size if end is None else min(end, self.size)
        while position < end:
            view = self._at(position)
            index = view.find(GZIP_MAGIC)
            if index < 0:
                position += max(1, len(view) - len(GZIP_MAGIC) + 1)
            elif position + index < end and self.is_member(position + index):
                return position + index
            else:
                position += index + 1
        return self.size

    def read(self, position: int) -> Member:
        """Read the member, or the stretch that is none, at a position."""
        if not self._peek(position, 3).startswith(GZIP_MAGIC[: self.size - position]):
            return self._broken(position, "not_gzip", "no gzip member begins here")
        state, sha256 = zlib.decompressobj(wbits=31), hashlib.sha256()
        parts, size, at = [], 0, position
        while not state.eof:
            view = self._at(at)
            try:
                piece = state.decompress(view, CHUNK)
            except zlib.error as error:
                return self._broken(position, "gzip", str(error))
            if not view and not piece:
                return self._broken(position, "truncated", "the file ends inside a gzip member")
            used = len(view) - _num_left(state)
            sha256.update(memoryview(view)[:used])
            at += used
            size += len(piece)
            if size - len(piece) < self.max_content_bytes:
                parts.append(piece)
        content = b"".join(parts)
        return Member(position, at - position, sha256.digest(), content, len(content) < size, None, None)

    def content(self, position: int) -> Iterator[bytes]:
        """Decompress one member piece by piece.

        Raises:
            DamagedStreamError: After what could be read.
        """
        state, at = zlib.decompressobj(wbits=31), position
        while not state.eof:
            view = self._at(at)
            try:
                piece = state.decompress(view, CHUNK)
            except zlib.error as error:
                raise DamagedStreamError(str(error)) from error
            if not view and not piece:
                raise DamagedStreamError("the file ends inside a gzip member")
            at += len(view) - _num_left(state)
            if piece:
                yield piece

    def _broken(self, position: int, problem: str, detail: str) -> Member:
        following = self.find_member(position + 1)
        if problem != "not_gzip":
            problem = "truncated" if following == self.size else "gzip"
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

    def _at(self, position: int) -> bytes:
        """The bytes from a position to the end of the block that was read; empty only at the end of the file."""
        index = position - self._block_start
        if not 0 <= index < len(self._block):
            self._stream.seek(position)
            self._block, self._block_start, index = self._stream.read(CHUNK), position, 0
        return self._block[index:]

    def _peek(self, position: int, size: int) -> bytes:
        view = self._at(position)
        return view[:size] if len(view) >= size else view + self._at(position + len(view))[: size - len(view)]


def _num_left(state: zlib._Decompress) -> int:
    """Bytes of the last input that were not used; at the end of a stream zlib keeps them in both places."""
    return len(state.unused_data if state.eof else state.unconsumed_tail)
