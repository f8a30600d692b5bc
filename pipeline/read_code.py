"""Source trees to documents, one a file: archives (tar, .gz, .bz2, .xz, .zst, .lz4, zip) and checked-out folders.

A record is a member: ``member`` its path, ``offset`` its header's (in the decompressed stream of a tar; 0 in a
folder), ``length`` its size, the raw bytes its content. ``meta`` has ``license`` (an SPDX expression), ``language``
(linguist's names) and ``license_source``: ``header`` where the file names its own licence, else ``tree``.

Dropped: ``license`` (one outside the list), ``no_license`` (none found, or not a known one), ``not_a_file`` (folders,
links), ``version_control``, ``extension``, ``too_long``, ``vendored`` (others' code under others' licences),
``binary``, ``encoding`` (not UTF-8), ``generated`` (lock files too), ``minified``, ``empty``. Failed: ``truncated``
(the tail, or the whole of an unreadable archive), ``archive`` (one damaged member of a zip, an unreadable file).

Source of the licence list: Rae et al. 2021 (arXiv:2112.11446), appendix A; the paper filters GitHub by nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress

from filters.charsets import decode
from pipeline import storage
from pipeline.archives import ArchiveMember, DamagedArchiveError, DamagedMemberError, archive_members
from pipeline.code_exclusions import unwanted_content, unwanted_path
from pipeline.code_languages import language_of
from pipeline.code_licenses import MAX_LICENSE_BYTES, License, TreeLicenses, header_license, is_license_file
from pipeline.config import ExtractConfig
from pipeline.records import Piece, RawDocument, Record
from pipeline.source_trees import tree_members


def read_code(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read the text files of one source tree.

    The tree is read twice, since its licences may stand anywhere in it.

    Args:
        piece: One archive or folder.
        config: ``licenses``, ``extensions``, ``max_code_bytes``.
    """
    licenses = _licenses(piece, config)
    try:
        for member in _members(piece):
            yield _to_record(member, licenses, config)
    except DamagedArchiveError as error:
        yield Record.failed(error.offset, error.length, "truncated", error)


def _members(piece: Piece) -> Iterator[ArchiveMember]:
    if storage.is_folder(piece.path):
        yield from tree_members(piece.path)
    else:
        with storage.open_read(piece.path) as stream:
            yield from archive_members(stream)


def _licenses(piece: Piece, config: ExtractConfig) -> TreeLicenses:
    licenses = TreeLicenses(config.licenses)
    with suppress(DamagedArchiveError):  # told when the members are read; what stands before the damage counts
        for member in _members(piece):
            if member.is_file and member.size <= MAX_LICENSE_BYTES and is_license_file(member.path):
                with suppress(DamagedMemberError):
                    licenses.add(member.path, decode(member.read()))
    return licenses


def _to_record(member: ArchiveMember, licenses: TreeLicenses, config: ExtractConfig) -> Record:
    if reason := _unwanted(member, config):
        return Record.dropped(member.offset, member.size, reason, member=member.path)
    try:
        raw = member.read()
    except DamagedMemberError as error:
        return Record.failed(member.offset, member.size, "archive", error, member=member.path)
    text, reason = _text(raw)
    if reason is None:
        own = header_license(text, config.licenses)
        chosen = own or licenses.of(member.path)
        reason = _refused(chosen) or unwanted_content(text)
    if reason is not None:
        return Record.dropped(member.offset, member.size, reason, member=member.path)
    meta = {
        "language": language_of(member.path, text),
        "license": chosen.expression,
        "license_source": "header" if own else "tree",
    }
    document = RawDocument(
        text, title=member.path.rpartition("/")[2], meta={key: value for key, value in meta.items() if value}
    )
    return Record.kept(member.offset, member.size, hashlib.sha256(raw).digest(), document, member.path)


def _unwanted(member: ArchiveMember, config: ExtractConfig) -> str | None:
    """Why a member is dropped without a look at its content."""
    if not member.is_file:
        return "not_a_file"
    if config.extensions and _extension(member.path) not in config.extensions:
        return "extension"
    return unwanted_path(member.path) or ("too_long" if member.size > config.max_code_bytes else None)


def _refused(found: License) -> str | None:
    if found.is_allowed:
        return None
    return "license" if found.expression else "no_license"


def _text(raw: bytes) -> tuple[str, str | None]:
    """The content as text, line ends as they are, and why it is dropped, if it is."""
    if b"\0" in raw:
        return "", "binary"
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "", "encoding"
    return text, None if text.strip(" \t\r\n") else "empty"


def _extension(path: str) -> str:
    """With its dot, ASCII letters in lower case."""
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].encode().lower().decode() if "." in name[1:] else ""
