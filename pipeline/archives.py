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

from pipeline.byte_streams import DamagedStreamError, Window, as_stored, decompressed
from pipeline.decompressors import codec_of

_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_ZEROS = bytes(tarfile.BLOCKSIZE)  # a block of which ends a tar; two or more as a rule
_EXTENSIONS = (  # headers whose content is held: long names, and what else belongs to the header behind them
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_MAX_EXTENSION_BYTES = 1 << 20
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

    Tar: plain, gzip, bzip2, xz, Zstandard, LZ4, in one compressed stream or several. Archives that were joined are read
    one after the other.

    Raises:
        DamagedArchiveError: After the last member that could be read; also when the mark of the archive's end is
            missing, as where a file was cut between two members.
    """
    stream.seek(0)
    head = stream.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    codec = None if head.endswith(_TAR_MAGIC) else codec_of(stream)
    num_bytes = stream.seek(0, 2) if codec is None else 0
    stream.seek(0)
    if not head.endswith(_TAR_MAGIC) and head.startswith(_ZIP_MAGICS):
        yield from _zip_members(stream, num_bytes)
    else:
        yield from _tar_members(as_stored(stream) if codec is None else decompressed(stream), num_bytes)


class _Header(tarfile.TarInfo):
    """A header of a tar, by which damage is told from the end: ``tarfile`` ends in silence at either."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == _ZEROS:
                raise  # the end
            raise tarfile.ReadError(str(error)) from error
        if header.type in _EXTENSIONS and header.size > _MAX_EXTENSION_BYTES:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


class _Forward:
    """What ``tarfile`` asks of a file, of a stream that is read once and not held."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._window = Window(chunks)

    def tell(self) -> int:
        return self._window.position

    def seek(self, position: int) -> None:
        window = self._window
        while window.position < position and window.hold(1):
            window.drop(min(len(window.data), position - window.position))

    def read(self, size: int) -> bytes:
        window = self._window
        if not window.hold(size) and window.error:
            raise DamagedStreamError(window.error)
        data = bytes(window.data[:size])
        window.drop(len(data))
        return data

    def has_more(self) -> bool:
        """Whether anything else than blocks of zeros comes, which are passed over."""
        window = self._window
        while window.hold(tarfile.BLOCKSIZE) and window.data.startswith(_ZEROS):
            window.drop(tarfile.BLOCKSIZE)
        if window.error:
            raise DamagedStreamError(window.error)
        return any(window.data)


def _tar_members(chunks: Iterator[bytes], num_bytes: int) -> Iterator[ArchiveMember]:
    file, offset, is_first = _Forward(chunks), 0, True
    try:
        while is_first or file.has_more():
            is_first, offset = False, file.tell()
            archive = tarfile.TarFile(fileobj=cast("IO[bytes]", file), tarinfo=_Header, encoding="utf-8")
            while info := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # else it keeps all headers
                read = partial(_read_from_tar, archive, info, num_bytes)
                yield ArchiveMember(info.offset, info.size, _valid(info.name), info.isreg(), read)
                offset = archive.offset
    except DAMAGE as error:
        offset = min(offset, file.tell())  # the last member's padding may be cut off
        raise DamagedArchiveError(_say(error), offset, max(0, num_bytes - offset)) from error


def _read_from_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, num_bytes: int) -> bytes:
    try:
        file = archive.extractfile(info)
        return file.read() if file else b""
    except DAMAGE as error:
        raise DamagedArchiveError(_say(error), info.offset, max(0, num_bytes - info.offset)) from error


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
