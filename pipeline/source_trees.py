"""Checked-out source trees: folders as inputs, and their files as members.

Links are not followed, and what version control keeps beside the files (``.git`` and its like) is no part of a tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from pipeline import storage
from pipeline.archives import ArchiveMember, DamagedMemberError
from pipeline.code_exclusions import REPOSITORY_FOLDERS


def tree_members(folder: str) -> Iterator[ArchiveMember]:
    """Iterate over the files of a tree in order of path; ``offset`` is 0 for all, the path tells them apart."""
    for path, size, is_file in _entries(folder):
        yield ArchiveMember(0, size, _printable(path), is_file, partial(_read, storage.join(folder, path)))


def _printable(path: str) -> str:
    """A path with bytes that are no UTF-8 escaped, not replaced as in an archive: nothing else tells files apart."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def describe_tree(folder: str) -> dict[str, Any]:
    """What a digest needs to know of a tree: its bytes, and a fingerprint over its files' paths and fingerprints."""
    digest, total = hashlib.sha256(), 0
    for path, size, is_file in _entries(folder):
        content = storage.fingerprint(storage.join(folder, path)) if is_file else ""
        digest.update(f"{path}\0{size}\0{content}\n".encode("utf-8", "surrogateescape"))
        total += size
    return {"bytes": total, "fingerprint": digest.hexdigest()}


def sha256_of(path: str) -> tuple[str, int]:
    """SHA-256 and bytes of a file, or of a tree: over the paths and digests of its files."""
    if not storage.is_folder(path):
        return storage.sha256_file(path), storage.size(path)
    digest, total = hashlib.sha256(), 0
    for name, size, is_file in _entries(path):
        content = storage.sha256_file(storage.join(path, name)) if is_file else ""
        digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
        total += size
    return digest.hexdigest(), total


def _entries(folder: str) -> list[tuple[str, int, bool]]:
    """Path, bytes and kind of everything in a tree that is no folder, sorted."""
    return sorted(
        (path, info["size"] if is_file else 0, is_file)
        for path, info in storage.walk(folder, skip=REPOSITORY_FOLDERS)
        for is_file in [info["type"] == "file" and not info.get("islink")]
    )


def _read(path: str) -> bytes:
    try:
        return storage.read_bytes(path)
    except OSError as error:
        raise DamagedMemberError(f"{type(error).__name__}: {error}") from error
