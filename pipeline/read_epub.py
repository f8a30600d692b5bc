"""EPUB books (versions 2 and 3) to documents, one a file.

``offset`` is 0, ``length`` the file's bytes, and the digest is over those. The text is that of the spine's documents in
its order, without the table of contents that EPUB 3 has as a document; a Project Gutenberg frame is cut off. ``meta``
has what the package says: author, translator, editor, language, publisher, date.

Dropped: ``empty``. Failed: ``encrypted`` (a chapter, not only fonts), ``epub`` (no zip, or a part is missing or
broken), ``too_long`` (the chapters together).

Sources: EPUB 3.3 (w3.org/TR/epub-33), 4.2.6 (container), 5 (package); OPF 2.0.1 for the roles of creators.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from filters.charsets import decode
from filters.extraction import PageError, one_line
from filters.html_blocks import blocks
from filters.html_text import render
from filters.html_tree import parse
from pipeline.archives import DAMAGE
from pipeline.config import ExtractConfig
from pipeline.gutenberg import unframe
from pipeline.letter_case import lower
from pipeline.records import Piece, RawDocument, Record
from pipeline.storage import open_read, size

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_MAX_PACKAGE_BYTES: Final = 10_000_000
_CHAPTER_TYPES: Final = frozenset(
    {"application/xhtml+xml", "text/html", "text/xml", "application/x-dtbook+xml", "text/x-oeb1-document"}
)
_ROLES: Final = {"aut": "author", "trl": "translator", "edt": "editor"}
_VOID: Final = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
_EMPTY_ELEMENT = re.compile(rb"<([A-Za-z][A-Za-z0-9:._-]*+)((?:[^<>/]|/(?!>))*+)/>")  # possessive: in linear time
_XML_CHARSET = re.compile(
    rb"""[ \t\r\n]*<\?xml[^<>]{1,200}?encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._-]{1,40})["']"""
)
_CDATA: Final = (b"<![CDATA[", b"]]>")


class EpubError(Exception):
    """A book that cannot be read.

    Attributes:
        reason: For the records table.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Package(NamedTuple):
    title: str | None
    meta: dict[str, str]
    chapters: list[str]  # paths in the archive


def read_epub(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a book; ``max_record_bytes`` bounds its chapters together, after decompression."""
    length = size(piece.path)
    with open_read(piece.path) as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()  # type: ignore[arg-type]
        stream.seek(0)
        try:
            document = _read(stream, config.max_record_bytes)
        except EpubError as error:
            yield Record.failed(0, length, error.reason, str(error))
            return
        except (PageError, ElementTree.ParseError, UnicodeError, *DAMAGE) as error:
            yield Record.failed(0, length, "epub", error)
            return
    yield Record.kept(0, length, digest, document) if document.text else Record.dropped(0, length, "empty")


def _read(stream: IO[bytes], max_bytes: int) -> RawDocument:
    with zipfile.ZipFile(stream) as archive:
        package = _read_package(archive)
        _refuse_encrypted(archive, package.chapters)
        room = max_bytes
        texts = []
        for path in package.chapters:
            data = _member(archive, path, room, "too_long")
            room -= len(data)
            texts.append(page_text(data))
    text = "\n\n".join(part for part in texts if part)
    book = unframe(text)
    is_framed = book.meta.get("gutenberg_markers") != "none"
    return RawDocument(book.text if is_framed else text, title=package.title, meta=package.meta)


def page_text(data: bytes) -> str:
    """The whole text of an XHTML page.

    What only XML has is written as HTML has it: elements that are empty (``<a id="x"/>``) get an end, without which
    they were open, and unparsed text (``<![CDATA[a < b]]>``) is escaped, or it were a comment.
    """
    source = _escape_cdata(_decode(data, is_html=True).encode())
    tree = parse(_EMPTY_ELEMENT.sub(_with_end, source))
    found = blocks(tree)
    return render(tree, found, np.ones(len(found.gap), bool))


def _decode(data: bytes, is_html: bool = False) -> str:
    """Text in the character set that its XML declaration names, if it is known and true."""
    declared = _XML_CHARSET.match(data)
    return decode(data, declared[1].decode("ascii") if declared else None, is_html)


def _escape_cdata(source: bytes) -> bytes:
    start, end = _CDATA
    first, *others = source.split(start)
    parts = [part.partition(end) for part in others]
    return first + b"".join(
        inside.replace(b"&", b"&amp;").replace(b"<", b"&lt;") + rest if found else start + inside
        for inside, found, rest in parts
    )


def _with_end(match: re.Match[bytes]) -> bytes:
    name = match[1]
    return match[0] if name.lower() in _VOID else b"<" + name + match[2] + b"></" + name + b">"


def _member(archive: zipfile.ZipFile, path: str, max_bytes: int, too_long: str = "epub") -> bytes:
    try:
        info = archive.getinfo(path)
    except KeyError as error:
        raise EpubError("epub", f"the archive has no {path}") from error
    if info.flag_bits & 1:
        raise EpubError("encrypted", f"{path} is encrypted")
    with archive.open(info) as stream:
        data = stream.read(max_bytes + 1)  # the size that the archive states may be a lie
    if len(data) > max_bytes:
        raise EpubError(too_long, f"{path} takes it beyond {max_bytes} bytes")
    return data


def _xml(archive: zipfile.ZipFile, path: str) -> Element:
    text = _decode(_member(archive, path, _MAX_PACKAGE_BYTES))
    if "<!ENTITY" in text:
        raise EpubError("epub", f"{path} defines entities")
    return ElementTree.fromstring(text)  # of a string, which needs no declaration that the parser knows


def _read_package(archive: zipfile.ZipFile) -> _Package:
    roots = [e for e in _xml(archive, _CONTAINER).iter() if _name(e) == "rootfile" and e.get("full-path")]
    if not roots:
        raise EpubError("epub", f"{_CONTAINER} names no package")
    path = _inside(roots[0].get("full-path") or "")
    package = _xml(archive, path)
    items = {item.get("id"): item for item in package.iter() if _name(item) == "item"}
    chapters = []
    for reference in (e for e in package.iter() if _name(e) == "itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            raise EpubError("epub", f"the spine names {reference.get('idref')!r}, which the manifest has not")
        is_contents = "nav" in (item.get("properties") or "").split(" ")
        if lower((item.get("media-type") or "").partition(";")[0].strip(" ")) in _CHAPTER_TYPES and not is_contents:
            chapters.append(_resolve(path, item.get("href") or ""))
    if not chapters:
        raise EpubError("epub", "the spine has no chapters")
    title, meta = _metadata(package)
    return _Package(title, meta, chapters)


def _resolve(base: str, href: str) -> str:
    """Path in the archive of a reference in one of its files."""
    inner = unquote(href.partition("#")[0])
    return _inside(posixpath.join(posixpath.dirname(base), inner))


def _inside(path: str) -> str:
    """A path as an archive's directory has it: without ``./``, and from the archive's root."""
    return posixpath.normpath(path).lstrip("/")


def _metadata(package: Element) -> tuple[str | None, dict[str, str]]:
    """Title, and the rest; EPUB 3 refines a creator's role in an element of its own."""
    roles = {
        (e.get("refines") or "").removeprefix("#"): (e.text or "").strip(" \t\n")
        for e in package.iter()
        if _name(e) == "meta" and e.get("property") == "role"
    }
    found: dict[str, list[str]] = {}
    for element in package.iter():
        name, value = _name(element), one_line("".join(element.itertext()))
        if name in ("creator", "contributor"):
            role = next((v for k, v in element.items() if k.rpartition("}")[2] == "role"), "")
            role = role or roles.get(element.get("id") or "", "aut" if name == "creator" else "")
            name = _ROLES.get(role, "")
        if value and name in ("title", "language", "publisher", "date", *_ROLES.values()):
            found.setdefault(name, []).append(value)
    title = found.pop("title", [None])[0]
    single = ("language", "publisher", "date")
    meta = {key: values[0] if key in single else "; ".join(dict.fromkeys(values)) for key, values in found.items()}
    return title, {key: meta[key] for key in sorted(meta)}


def _refuse_encrypted(archive: zipfile.ZipFile, chapters: list[str]) -> None:
    """Fonts are often obfuscated by the same means, which harms nothing."""
    if _ENCRYPTION not in archive.namelist():
        return
    for element in _xml(archive, _ENCRYPTION).iter():
        if _name(element) == "CipherReference" and _resolve("", element.get("URI") or "") in chapters:
            raise EpubError("encrypted", f"{element.get('URI')} is encrypted")


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
