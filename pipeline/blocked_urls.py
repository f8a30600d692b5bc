"""Which raw records are dropped for their address, by the blocklists of ``[extract] blocklists``.

A listed record is dropped as ``blocklist_<category>``: one of a web archive before its page is read, any other format's
once its URL is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from filters.blocklists import Blocklist, build_blocklist
from pipeline.blocklist_files import blocklist_files
from pipeline.byte_streams import DamagedStreamError, content_of
from pipeline.config import ExtractConfig, RecipeError
from pipeline.records import Piece
from pipeline.urls import host_and_path

Screen = Callable[[str | None], str | None]


def screen_of(piece: Piece, config: ExtractConfig) -> Screen:
    """Give what tells the reason for dropping a record of a URL, or None, for the records of a piece.

    The lists are read once a process.
    """
    if not (piece.is_screened and config.blocklists):
        return lambda url: None
    blocklist = _load(tuple(sorted(config.blocklists.items())))
    return lambda url: _reason(blocklist, url)


def listed(config: ExtractConfig) -> str:
    """Say how many entries each category has."""
    sizes = _load(tuple(sorted(config.blocklists.items()))).sizes()
    return "blocklists: " + ", ".join(f"{size:,} of {category}" for category, size in sizes.items())


def _reason(blocklist: Blocklist, url: str | None) -> str | None:
    address = host_and_path(url) if url else None
    category = blocklist.category_of(*address) if address else None
    return f"blocklist_{category}" if category else None


@cache
def _load(blocklists: tuple[tuple[str, tuple[str, ...]], ...]) -> Blocklist:
    return build_blocklist((category, _blocks(path)) for category, path in blocklist_files(dict(blocklists)))


def _blocks(path: str) -> Iterator[bytes]:
    try:
        yield from content_of(path)
    except DamagedStreamError as error:
        raise RecipeError(f"[extract] blocklists: {path}: {error}") from error
