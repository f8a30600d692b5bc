"""WARC, ARC and WET files of any compression as records with their places: whole, by byte ranges, or one alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import IO

from pipeline.byte_streams import Window, decompressed
from pipeline.compressed_members import Member, MemberFile
from pipeline.decompressors import CHUNK, Codec, codec_of
from pipeline.records import Piece
from pipeline.storage import open_read, size
from pipeline.warc_records import MAX_HEADER_BYTES, NEXT, START, FoundRecord, RecordScanner

_MEMBER_KINDS = {"gzip": "gzip member", "zstd": "zstd frame", "lz4": "lz4 frame"}


def archive_offsets(path: str, max_record_bytes: int = 50_000_000) -> str:
    """What offsets into an archive count.

    Returns:
        ``gzip member``, ``zstd frame`` or ``lz4 frame`` (of which each holds a record), ``byte`` (of an uncompressed
        file) or ``decompressed byte``: the last is the one kind whose byte ranges cannot be read apart.
    """
    with open_read(path) as stream:
        codec = codec_of(stream)
        if codec is None:
            return "byte"
        kind = _MEMBER_KINDS.get(codec.name)
        if kind and _is_member_a_record(_member_file(stream, size(path), codec, max_record_bytes)):
            return kind
        return "decompressed byte"


class Place:
    """Where a record stands and how its raw bytes are digested.

    Attributes:
        offset: Of the stored member, or of the header after decompression.
        length: In the same unit.
        member: Number of a further record of one gzip member, as "1"; else "".
    """

    def __init__(self, found: FoundRecord, member: Member | None = None, index: int = 0) -> None:
        self.offset, self.length = (found.offset, found.length) if member is None else (member.offset, member.length)
        self.member = str(index) if index else ""
        self._found, self._stored = found, member

    def sha256(self) -> bytes:
        """SHA-256 of the raw bytes; not for failed records."""
        if self._stored is not None:
            return self._stored.sha256
        digest = hashlib.sha256(self._found.header)
        digest.update(self._found.block)
        return digest.digest()


def found_records(piece: Piece, max_record_bytes: int) -> Iterator[tuple[FoundRecord, Place]]:
    """Iterate over the records that start in a piece, in order, sound or failed.

    Args:
        piece: A file, or a byte range of one; a range of one whose ``archive_offsets`` are decompressed bytes gives
            nothing unless it starts at 0.
        max_record_bytes: Longer records are failed, not held.
    """
    num_bytes = size(piece.path)
    end = num_bytes if piece.end < 0 else piece.end
    with open_read(piece.path) as stream:
        codec, file = codec_of(stream), None
        if codec is not None and codec.name in _MEMBER_KINDS:
            file = _member_file(stream, num_bytes, codec, max_record_bytes)
            if _is_member_a_record(file):
                for member in file.members(piece.start, end):
                    yield from _of_member(member, max_record_bytes)
                return
        found_records: Iterable[FoundRecord] = ()
        if codec is None:
            found_records = _plain_records(stream, piece.start, end, max_record_bytes)
        elif piece.start == 0:
            found_records = _streamed_records(stream, file, max_record_bytes)
        yield from ((found, Place(found)) for found in found_records)


def records_of_range(
    data: bytes, offset: int, codec: Codec | None, max_record_bytes: int
) -> Iterator[tuple[FoundRecord, Place]]:
    """The records that a stretch of a file holds, as an index names it: with their places in the whole file.

    Args:
        data: The stored bytes of one member, or of one record of an uncompressed file.
        offset: Where they stand in the file.
        codec: Of the file.
        max_record_bytes: Longer records are failed.
    """
    if codec is None:
        scanner = RecordScanner(Window(iter([data]), offset), max_record_bytes)
        yield from ((found, Place(found)) for found in scanner)
    elif data:
        member = _member_file(BytesIO(data), len(data), codec, max_record_bytes).read(0)
        yield from _of_member(member._replace(offset=offset), max_record_bytes)


def _member_file(stream: IO[bytes], num_bytes: int, codec: Codec, max_record_bytes: int) -> MemberFile:
    return MemberFile(stream, num_bytes, codec, START, max_record_bytes + MAX_HEADER_BYTES)


def _is_member_a_record(file: MemberFile) -> bool:
    """Tell by the first member: it holds one record, to its end, or another record begins with the second member."""
    position = file.first()
    window = Window(file.content(position))
    first = next(iter(RecordScanner(window, file.max_content_bytes, is_whole=True)), None)
    window.hold(64)
    if window.data.strip(b"\r\n"):
        return False
    if window.error is not None or first is None:
        return True  # damaged or blank: only a file of members can be read on
    if first.problem is None and first.detail is None:
        return True
    following = position + file.read(position).length
    return following >= file.size or file.is_member(following)


def _of_member(member: Member, max_record_bytes: int) -> Iterator[tuple[FoundRecord, Place]]:
    if member.problem is not None:
        found = FoundRecord(member.offset, member.length, b"", b"", member.problem, member.detail)
        yield found, Place(found, member)
        return
    window = Window(iter([member.content] if member.content else []))
    for index, found in enumerate(RecordScanner(window, max_record_bytes, is_whole=not member.is_cut)):
        if member.is_cut and found.problem is not None:
            found = found._replace(problem="too_long", detail=f"a member of more than {max_record_bytes} bytes")
        yield found, Place(found, member, index)


def _streamed_records(stream: IO[bytes], file: MemberFile | None, max_record_bytes: int) -> Iterator[FoundRecord]:
    """Records of a file read from its beginning; behind damage, those from the next member on that begins with one.

    What could not be decompressed has no place: offsets count on from what could.
    """
    start, position, is_more = 0, 0, True
    while is_more:
        window, is_more = Window(decompressed(stream, start), position), False
        for found in RecordScanner(window, max_record_bytes):
            if file is not None and window.damaged is not None and found.problem == "truncated":
                start = file.find_member(window.damaged + 1)
                is_more = start < file.size
                lost = f"{start - window.damaged} stored bytes from byte {window.damaged} on are lost"
                found = found._replace(detail=f"{found.detail}; {lost}")
            yield found
        position = window.position


def _plain_records(stream: IO[bytes], start: int, end: int, max_record_bytes: int) -> Iterable[FoundRecord]:
    def reopen(position: int) -> Window:
        return Window(_stored_from(stream, position), position)

    window = reopen(max(0, start - 1))
    if start > 0:
        window.skip_to(NEXT, start=1)
        if window.position >= end:
            return ()
    return RecordScanner(window, max_record_bytes, reopen=reopen, end=end)


def _stored_from(stream: IO[bytes], position: int) -> Iterator[bytes]:
    """Read from a position on, wherever others that read the same file leave it."""
    while True:
        stream.seek(position)
        data = stream.read(CHUNK)
        if not data:
            return
        position += len(data)
        yield data
