"""One file, one document: Project Gutenberg's books and plain texts, compressed or not.

``offset`` is 0, ``length`` the file's stored bytes, and the digest is over those. Dropped: ``empty``, ``binary`` (an
image, a program, a PDF and their like). Failed: ``too_long``, ``truncated``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final

from filters.charsets import decode
from filters.extraction import one_line, tidy
from pipeline.byte_streams import Window, decompressed
from pipeline.config import ExtractConfig
from pipeline.gutenberg import unframe
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read, size

_MAX_TITLE_CHARS: Final = 200
_MAGIC: Final = (  # first bytes of files that are no text, though some hold much of it
    b"%PDF-", b"\x7fELF", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1",
)  # fmt: skip
_NO_TEXT_CHARS: Final = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f]+")  # all controls but blanks, line ends and escape
_MAX_NO_TEXT_SHARE: Final = 0.01  # of the characters; of noise it is a tenth


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
    text = decode(bytes(window.data))
    if _is_binary(window.data, text):
        return Record.dropped(0, length, "binary")
    document = to_document(tidy(text))
    return Record.kept(0, length, digest, document) if document.text else Record.dropped(0, length, "empty")


def _is_binary(data: bytearray, text: str) -> bool:
    """By first bytes, or by the characters of which text has none: decoded, since UTF-16 is full of NUL bytes."""
    num_odd = sum(len(run[0]) for run in _NO_TEXT_CHARS.finditer(text))
    return data.startswith(_MAGIC) or num_odd > max(1, _MAX_NO_TEXT_SHARE * len(text))


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
