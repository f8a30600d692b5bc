"""Members of tar and zip archives, in order, with the place of each."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, NamedTuple, cast

from pipeline.byte_streams import DamagedStreamError, decompressed
from pipeline.decompressors import codec_of

_ZIP_MAGIC = b"PK"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
DAMAGE = (  # what the readers of tar and zip raise for bad bytes
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, TypeError, IndexError, OverflowError, struct.error, DamagedStreamError,
)  # fmt: skip


class ArchiveMember(NamedTuple):
    """A member, readable until the next one is asked for."""

    offset: int  # of its header: in the decompressed stream of a tar, in the file of a zip
    size: int  # bytes of its content
    path: str
    is_file: bool  # neither folder nor link nor device
    read: Callable[[], bytes]  # its content; raises DamagedMemberError or DamagedArchiveError


class DamagedMemberError(Exception):
    """A member that cannot be read; those after it can."""


class DamagedArchiveError(Exception):
    """An archive that cannot be read on.

    Attributes:
        offset: Where: the end of the last sound member.
        length: Bytes lost from there on; 0 when that can't be known, in a compressed tar.
    """

    def __init__(self, message: str, offset: int, length: int = 0) -> None:
        super().__init__(message)
        self.offset = offset
        self.length = length


def archive_members(stream: IO[bytes]) -> Iterator[ArchiveMember]:
    """Iterate over an archive's members in stored order; format and compression are told by the first bytes.

    Tar: plain, gzip, bzip2, xz, Zstandard, LZ4.

    Raises:
        DamagedArchiveError: After the last member that could be read.
    """
    codec = codec_of(stream)
    stream.seek(0)
    if codec is not None and codec.name in ("zstd", "lz4"):  # which tarfile can't undo
        yield from _tar_members(cast("IO[bytes]", _Unpacked(decompressed(stream))), 0)
        return
    head = stream.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    num_bytes = stream.seek(0, 2) if head.endswith(_TAR_MAGIC) or head.startswith(_ZIP_MAGIC) else 0
    stream.seek(0)
    yield from (_zip_members if head.startswith(_ZIP_MAGIC) else _tar_members)(stream, num_bytes)


class _Unpacked:
    """The little of a file that tarfile reads a stream by."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._data = chunks, bytearray()

    def read(self, size: int) -> bytes:
        while len(self._data) < size and (more := next(self._chunks, b"")):
            self._data += more
        data = bytes(self._data[:size])
        del self._data[:size]
        return data


def _tar_members(stream: IO[bytes], num_bytes: int) -> Iterator[ArchiveMember]:
    offset = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|*", errorlevel=2, bufsize=256 * 1024) as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps all headers
                read = partial(_read_from_tar, archive, info, num_bytes)
                yield ArchiveMember(info.offset, info.size, _valid(info.name), info.isreg(), read)
                offset = info.offset_data + -(-info.size // 512) * 512
    except DAMAGE as error:
        raise DamagedArchiveError(_say(error), offset, max(0, num_bytes - offset)) from error


def _read_from_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, num_bytes: int) -> bytes:
    length = max(0, num_bytes - info.offset)
    try:
        file = archive.extractfile(info)
        data = file.read() if file else b""
    except DAMAGE as error:
        raise DamagedArchiveError(_say(error), info.offset, length) from error
    if len(data) < info.size:
        raise DamagedArchiveError("the archive ends inside a member", info.offset, length)
    return data


def _zip_members(stream: IO[bytes], num_bytes: int) -> Iterator[ArchiveMember]:
    try:
        archive = zipfile.ZipFile(stream)
    except DAMAGE as error:
        raise DamagedArchiveError(_say(error), 0, num_bytes) from error
    for info in archive.infolist():
        is_link = (info.external_attr >> 28) == 0o12
        read = partial(_read_from_zip, archive, info)
        yield ArchiveMember(
            info.header_offset, info.file_size, _valid(info.filename), not (info.is_dir() or is_link), read
        )


def _read_from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except DAMAGE as error:
        raise DamagedMemberError(_say(error)) from error


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _valid(path: str) -> str:
    """A path whose undecodable bytes are U+FFFD, without the ``./`` that some archives begin paths with."""
    return path.encode("utf-8", "replace").decode("utf-8").removeprefix("./")
