"""A line by C4's rules (see ``filters.c4``): its words, sentences and end without citation markers, and its phrases."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.unicode_tables import WHITE_SPACE
from filters.utf8 import Bytes, decode

# What an edit takes away: a line, for the first of these that is so, or a marker in a line that stays.
C4_EDIT_KINDS: Final = (
    "c4_blank_line",
    "c4_long_word",
    "c4_no_terminal_mark",
    "c4_few_words",
    "c4_javascript",
    "c4_policy",
    "c4_citation",
)

BLANK, LONG_WORD, NO_TERMINAL_MARK, FEW_WORDS, JAVASCRIPT, POLICY, CITATION = range(len(C4_EDIT_KINDS))
_LOREM_IPSUM: Final = len(C4_EDIT_KINDS)
_KIND_BYTES: Final = np.array([list(kind.encode().ljust(19)) for kind in C4_EDIT_KINDS], np.uint8)
_KIND_SIZES: Final = np.array([len(kind) for kind in C4_EDIT_KINDS])

# Phrase, where in it stands the rare letter by which it is found, and what it means.
_PHRASES: Final = (
    ("javascript", 2, JAVASCRIPT),
    ("privacy policy", 3, POLICY),
    ("terms of use", 3, POLICY),
    ("cookie policy", 3, POLICY),
    ("uses cookies", 8, POLICY),
    ("use of cookies", 10, POLICY),
    ("use cookies", 7, POLICY),
    ("lorem ipsum", 4, _LOREM_IPSUM),
)
_PHRASE_BYTES: Final = np.array([list(phrase.encode().ljust(14)) for phrase, _, _ in _PHRASES], np.uint8)
_PHRASE_SIZES: Final = np.array([len(phrase) for phrase, _, _ in _PHRASES])
_PHRASE_ANCHORS: Final = np.array([anchor for _, anchor, _ in _PHRASES])
_PHRASE_MEANINGS: Final = np.array([meaning for _, _, meaning in _PHRASES])

_WORD_MARKERS: Final = ("[edit]", "[citation needed]")  # beside numbers in brackets
_MARKERS: Final = np.array([list(marker.encode().ljust(17)) for marker in _WORD_MARKERS], np.uint8)
_MARKER_SIZES: Final = np.array([len(marker) for marker in _WORD_MARKERS])

_PLAIN, _WHITE, _DOT, _MARK, _CLOSER, _SQUARE, _CURLY, _ANCHOR, _BEYOND_ASCII = range(9)
_PERIOD, _SQUARE_END = ord("."), ord("]")
_OTHER_MARKS: Final = tuple(ord(mark) for mark in '!?"”')
_CLOSERS_BEYOND_ASCII: Final = (0x201D, 0x2019, 0xBB)  # ” and the like


def _byte_classes() -> Bytes:
    found = np.full(256, _PLAIN, np.uint8)
    found[0x80:] = _BEYOND_ASCII
    for members, kind in (
        ("\t\v\f\r ", _WHITE),
        (".", _DOT),
        ("!?", _MARK),
        ("\"')]}", _CLOSER),
        ("[", _SQUARE),
        ("{", _CURLY),
        ("vkmVKM", _ANCHOR),
    ):
        found[[ord(member) for member in members]] = kind
    return found


_CLASSES: Final = _byte_classes()


class Edits(NamedTuple):
    """Of all documents, in order; positions from the document's start."""

    starts: npt.NDArray[np.int32]
    stops: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int8]


class Line(NamedTuple):
    """A line without its markers."""

    words: int
    sentences: int
    is_terminal: bool
    has_javascript: bool
    has_policy: bool
    curly_brackets: int
    lorem_ipsum: int
    citations: int


def kind_names(kinds: npt.NDArray[np.int8]) -> pa.Array:
    """Name the kinds of edits in a string array, without the room to spare that Arrow's ``take`` leaves.

    Raises:
        ValueError: The names are 2 GiB or larger, as those of more than 1e8 edits are.
    """
    offsets = np.empty(len(kinds) + 1, np.int32)
    return pa.StringArray.from_buffers(len(kinds), pa.py_buffer(offsets), pa.py_buffer(_write_names(kinds, offsets)))


@njit(cache=True, nogil=True)
def _write_names(kinds: npt.NDArray[np.int8], offsets: npt.NDArray[np.int32]) -> Bytes:
    size = 0
    for kind in kinds:
        size += _KIND_SIZES[kind]
    if size >= 2**31:
        raise ValueError("the names of the edits must be smaller than 2 GiB together; measure fewer documents at once")
    names, size = np.empty(size, np.uint8), 0
    for edit, kind in enumerate(kinds):
        offsets[edit] = size
        for byte in _KIND_BYTES[kind, : _KIND_SIZES[kind]]:
            names[size] = byte
            size += 1
    offsets[len(kinds)] = size
    return names


@njit(cache=True, nogil=True)
def take(edits: Edits, at: int, start: int, stop: int, kind: int) -> None:
    """Write one edit."""
    edits.starts[at], edits.stops[at], edits.kinds[at] = start, stop, kind


@njit(cache=True, nogil=True)
def read_line(
    data: Bytes,
    start: int,
    end: int,
    origin: int,
    properties: npt.NDArray[np.uint8],
    edits: Edits,
    count: int,
) -> Line:
    """Read a line once; leave its markers in ``edits`` from ``count`` on."""
    position, words, sentences, citations = start, 0, 0, 0
    curly_brackets, lorem_ipsum, has_javascript, has_policy = 0, 0, False, False
    in_word, ends_sentence, dots, last = False, False, 0, -1  # of the word that position is in, or behind
    while position < end:
        last_start = position
        kind = _CLASSES[data[position]]
        position += 1
        if kind == _BEYOND_ASCII:
            code_point, size = decode(data, last_start, end)
            position = last_start + size
            kind = _class_beyond_ascii(code_point, properties)
        if kind == _WHITE:
            words += in_word
            sentences += in_word and ends_sentence
            in_word = False
            continue
        if kind == _SQUARE:
            size = _citation_size(data, last_start, end)
            if size:
                position = last_start + size
                take(edits, count + citations, last_start - origin, position - origin, CITATION)
                citations += 1
                continue
        dots = 0 if kind != _DOT else dots + 1 if in_word else 1
        if kind != _CLOSER or not in_word:
            ends_sentence = kind == _MARK or (kind == _DOT and dots < 3)
        in_word, last = True, last_start
        curly_brackets += kind == _CURLY
        if kind == _ANCHOR:
            found = _phrase_around(data, last_start, start, end)
            has_javascript |= found == JAVASCRIPT
            has_policy |= found == POLICY
            lorem_ipsum += found == _LOREM_IPSUM
    is_terminal = last >= 0 and _is_terminal(data, last, end, dots)
    sentences += 1 - (ends_sentence and not in_word)  # the last word's, where white space behind it has counted it
    return Line(
        words + in_word,
        sentences,
        is_terminal,
        has_javascript,
        has_policy,
        curly_brackets,
        lorem_ipsum,
        citations,
    )


@njit(cache=True, nogil=True)
def _class_beyond_ascii(code_point: int, properties: npt.NDArray[np.uint8]) -> int:
    if properties[code_point] & WHITE_SPACE:
        return _WHITE
    return _CLOSER if code_point in _CLOSERS_BEYOND_ASCII else _PLAIN


@njit(cache=True, nogil=True)
def _is_terminal(data: Bytes, last: int, end: int, dots: int) -> bool:
    """Whether a line whose last character is at ``last``, after ``dots`` - 1 others, ends in a terminal mark."""
    code_point, _ = decode(data, last, end)
    if code_point == _PERIOD:
        return dots < 3
    return bool(code_point in _OTHER_MARKS)


@njit(cache=True, nogil=True)
def _citation_size(data: Bytes, position: int, end: int) -> int:
    """Bytes of the marker that begins with the bracket at ``position``; 0 when none does."""
    after = position + 1
    while after < end and 0x30 <= data[after] <= 0x39:
        after += 1
    if after < end and data[after] == _SQUARE_END:
        return after + 1 - position
    for marker in range(len(_MARKERS)):
        size = _MARKER_SIZES[marker]
        if position + size <= end and (data[position : position + size] == _MARKERS[marker, :size]).all():
            return int(size)
    return 0


@njit(cache=True, nogil=True)
def _phrase_around(data: Bytes, position: int, start: int, end: int) -> int:
    """What the phrase means whose anchor is at ``position``; -1 when there is none."""
    for phrase in range(len(_PHRASE_SIZES)):
        first, size = position - _PHRASE_ANCHORS[phrase], _PHRASE_SIZES[phrase]
        if first < start or first + size > end:
            continue
        same = 0
        while same < size and _ascii_lower(data[first + same]) == _PHRASE_BYTES[phrase, same]:
            same += 1
        if same == size:
            return int(_PHRASE_MEANINGS[phrase])
    return -1


@njit(cache=True, nogil=True)
def _ascii_lower(byte: int) -> int:
    return byte + 0x20 if 0x41 <= byte <= 0x5A else byte
