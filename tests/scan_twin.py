"""The scan's definitions, one by one and slow: what tests compare ``filters.text`` with."""

import numpy as np

from filters.text import TextScan
from filters.unicode_tables import ALPHABETIC, PUNCTUATION, unicode_tables

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

MASK = 2**64 - 1


def twin_hash(data: bytes) -> int:
    """FNV-1a of eight bytes at a step, their number, and the last steps of MurmurHash3."""
    state = 0xCBF29CE484222325
    for i in range(0, len(data), 8):
        state = (state ^ int.from_bytes(data[i : i + 8], "little")) * 0x100000001B3 & MASK
    state ^= len(data)
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return state ^ state >> 33


def twin_decode(data: bytes) -> list[tuple[int, bytes]]:
    """Each character's code point and bytes, by Python's decoder; what is no character counts byte by byte."""
    characters, position = [], 0
    while position < len(data):
        size, code_point = 1, 0xFFFD
        for length in range(1, 5):
            read = data[position : position + length].decode(errors="ignore")
            if len(read.encode()) == length == len(data[position : position + length]) and len(read) == 1:
                size, code_point = length, ord(read)
        characters.append((code_point, data[position : position + size]))
        position += size
    return characters


def twin_words(text: str) -> list[tuple[int, str]]:
    """Each word with the byte it starts at."""
    words, position, start = [], 0, None
    for i, character in enumerate(text + " "):
        if character in WHITE:
            if start is not None:
                words.append((start[1], text[start[0] : i]))
            start = None
        elif start is None:
            start = (i, position)
        position += len(character.encode())
    return words


def twin_shingle_hash(word: str) -> int:
    tables = unicode_tables()
    kept = "".join(chr(tables.lower[ord(c)]) for c in word if not tables.properties[ord(c)] & PUNCTUATION)
    return twin_hash(kept.encode()) if kept else 0


def twin_lines(text: str) -> list[tuple[int, str]]:
    lines, position = [], 0
    for line in text.split("\n"):
        if line.strip(WHITE):
            lines.append((position, line))
        position += len(line.encode()) + 1
    return lines


def twin_paragraphs(text: str) -> list[tuple[int, str]]:
    paragraphs: list[tuple[int, list[str]]] = []
    position, open_one = 0, False
    for line in text.split("\n"):
        if not line.strip(WHITE):
            open_one = False
        elif open_one:
            paragraphs[-1][1].append(line)
        else:
            paragraphs.append((position, [line]))
            open_one = True
        position += len(line.encode()) + 1
    return [(start, "\n".join(lines)) for start, lines in paragraphs]


def assert_scan_is(result: TextScan, texts: list[str | None]) -> None:
    """Compare every array of a scan with the twins'."""
    assert result.valid.tolist() == [text is not None for text in texts]
    assert result.num_chars.tolist() == [len(text or "") for text in texts]
    for doc, text in enumerate(texts):
        base = int(result.doc_offsets[doc])
        if text is not None:
            assert bytes(result.data[base : result.doc_offsets[doc + 1]]) == text.encode()
        part = slice(*result.word_offsets[doc : doc + 2])
        words = twin_words(text or "")
        assert (result.word_starts[part] - base).tolist() == [start for start, _ in words]
        assert (result.word_ends[part] - base).tolist() == [start + len(word.encode()) for start, word in words]
        assert result.word_chars[part].tolist() == [len(word) for _, word in words]
        assert result.word_is_alphabetic[part].tolist() == [
            any(unicode_tables().properties[ord(c)] & ALPHABETIC for c in word) for _, word in words
        ]
        assert result.word_hashes[part].tolist() == [twin_hash(word.encode()) for _, word in words]
        assert result.shingle_hashes[part].tolist() == [twin_shingle_hash(word) for _, word in words]
        for kind, expected in (("line", twin_lines(text or "")), ("paragraph", twin_paragraphs(text or ""))):
            part = slice(*getattr(result, f"{kind}_offsets")[doc : doc + 2])
            starts, ends, chars, hashes = (
                getattr(result, f"{kind}_{column}")[part].tolist() for column in ("starts", "ends", "chars", "hashes")
            )
            assert [start - base for start in starts] == [start for start, _ in expected]
            assert [end - base for end in ends] == [start + len(segment.encode()) for start, segment in expected]
            assert chars == [len(segment) for _, segment in expected]
            assert len(set(zip(hashes, (s for _, s in expected), strict=True))) == len(set(hashes))
            assert len(set(hashes)) == len({segment for _, segment in expected})
    for line, word in enumerate(result.line_words[:-1]):  # the first word at or after the line's start
        assert word == np.searchsorted(result.word_starts, result.line_starts[line])
    assert result.line_words[-1] == len(result.word_starts)
