"""WARC, ARC and WET files of any compression as records with their places, whole or by byte ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO

from pipeline.byte_streams import GZIP_MAGIC, Window, as_stored, decompressed, is_compressed
from pipeline.gzip_members import Member, MemberFile
from pipeline.records import Piece
from pipeline.storage import open_read, size
from pipeline.warc_records import MAX_HEADER_BYTES, NEXT, START, FoundRecord, RecordScanner


def is_splittable_archive(path: str, max_record_bytes: int = 50_000_000) -> bool:
    """Whether byte ranges of an archive can be read apart: it is not compressed, or by one gzip member a record."""
    with open_read(path) as stream:
        head = stream.read(4)
        if not is_compressed(head):
            return True
        return head.startswith(GZIP_MAGIC) and _is_member_a_record(_member_file(stream, size(path), max_record_bytes))


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
        piece: A file, or a byte range of one for which ``is_splittable_archive`` holds; a range of any other gives
            nothing unless it starts at 0.
        max_record_bytes: Longer records are failed, not held.
    """
    num_bytes = size(piece.path)
    end = num_bytes if piece.end < 0 else piece.end
    with open_read(piece.path) as stream:
        head = stream.read(4)
        if head.startswith(GZIP_MAGIC):
            file = _member_file(stream, num_bytes, max_record_bytes)
            if _is_member_a_record(file):
                yield from _of_members(file, piece.start, end, max_record_bytes)
                return
        if is_compressed(head):
            if piece.start == 0:
                stream.seek(0)
                found_records: Iterable[FoundRecord] = RecordScanner(Window(decompressed(stream)), max_record_bytes)
                yield from ((found, Place(found)) for found in found_records)
        else:
            found_records = _plain_records(stream, piece.start, end, max_record_bytes)
            yield from ((found, Place(found)) for found in found_records)


def _member_file(stream: IO[bytes], num_bytes: int, max_record_bytes: int) -> MemberFile:
    return MemberFile(stream, num_bytes, START, max_record_bytes + MAX_HEADER_BYTES)


def _is_member_a_record(file: MemberFile) -> bool:
    """Tell by the first member: it holds one record, to its end, or another record begins with the second member."""
    window = Window(file.content(0))
    first = next(iter(RecordScanner(window, file.max_content_bytes, is_whole=True)), None)
    window.hold(64)
    if window.data.strip(b"\r\n"):
        return False
    if window.error is not None or first is None:
        return True  # damaged or blank: only a file of members can be read on
    if first.problem is None and first.detail is None:
        return True
    following = file.read(0).length
    return following >= file.size or file.is_member(following)


def _of_members(file: MemberFile, start: int, end: int, max_record_bytes: int) -> Iterator[tuple[FoundRecord, Place]]:
    for member in file.members(start, end):
        if member.problem is not None:
            found = FoundRecord(member.offset, member.length, b"", b"", member.problem, member.detail)
            yield found, Place(found, member)
            continue
        window = Window(iter([member.content] if member.content else []))
        for index, found in enumerate(RecordScanner(window, max_record_bytes, is_whole=not member.is_cut)):
            if member.is_cut and found.problem is not None:
                found = found._replace(problem="too_long", detail=f"a member of more than {max_record_bytes} bytes")
            yield found, Place(found, member, index)


def _plain_records(stream: IO[bytes], start: int, end: int, max_record_bytes: int) -> Iterable[FoundRecord]:
    def reopen(position: int) -> Window:
        stream.seek(position)
        return Window(as_stored(stream), position)

    window = reopen(max(0, start - 1))
    if start > 0:
        window.skip_to(NEXT, start=1)
        if window.position >= end:
            return ()
    return RecordScanner(window, max_record_bytes, reopen=reopen, end=end)
