"""One file, one document: Project Gutenberg's books and plain texts, compressed or not.

``offset`` is 0, ``length`` the file's stored bytes, and the digest is over those. Dropped: ``empty``. Failed:
``too_long``, ``truncated``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from filters.extraction import one_line, plain_text
from pipeline.byte_streams import Window, decompressed
from pipeline.config import ExtractConfig
from pipeline.gutenberg import unframe
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read, size

_MAX_TITLE_CHARS: Final = 200


def read_gutenberg(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a Gutenberg book without its header, licence and credits; see ``pipeline.gutenberg``.

    What its header says goes to ``title`` and ``meta`` (author, translator, editor, language, release_date). A file
    without the markers is taken whole, and ``meta["gutenberg_markers"]`` says so.
    """
    yield _read_file(piece, config, _gutenberg_document)


def read_text(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a plain text; its title is the first line with a letter or digit, if that is short."""
    yield _read_file(piece, config, _text_document)


def _read_file(piece: Piece, config: ExtractConfig, to_document: Callable[[str], RawDocument]) -> Record:
    with open_read(piece.path) as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()  # type: ignore[arg-type]
    length = size(piece.path)
    with open_read(piece.path) as stream:
        window = Window(decompressed(stream))
        if window.hold(config.max_record_bytes + 1):
            return Record.failed(0, length, "too_long", f"more than {config.max_record_bytes} bytes")
    if window.error is not None:
        return Record.failed(0, length, "truncated", window.error)
    document = to_document(plain_text(bytes(window.data)))
    return Record.kept(0, length, digest, document) if document.text else Record.dropped(0, length, "empty")


def _text_document(text: str) -> RawDocument:
    return RawDocument(text, title=_first_line(text))


def _gutenberg_document(text: str) -> RawDocument:
    book = unframe(text)
    return RawDocument(book.text, title=book.title, meta=book.meta)


def _first_line(text: str) -> str | None:
    for line in text.split("\n"):
        if any(("0" <= char <= "9") or ("A" <= char <= "Z") or ("a" <= char <= "z") or char > "\x7f" for char in line):
            title = one_line(line)
            return title if len(title) <= _MAX_TITLE_CHARS else None
    return None
