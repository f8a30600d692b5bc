"""HTML's elements: their numbers in ``HtmlTree.tag``, and what the parser, the blocks and the renderer know of each.

Source: the HTML standard (html.spec.whatwg.org), 13.1.2 (void and raw text elements), 13.2.4.2 (scopes, "special"),
13.2.6.4 (start tags that close a ``p``), 15.3 (which elements are blocks, and which have margins).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from filters.hashing import FNV_BASIS, hash_step
from filters.utf8 import Bytes

TEXT: Final = 0  # a text node, no element
UNKNOWN: Final = 1  # an element of any other name

_NAMES = """
a abbr acronym address annotation annotation-xml applet area article aside audio b base basefont bdi bdo bgsound big
blockquote body br button canvas caption center cite code col colgroup data datalist dd del desc details dfn dialog dir
div dl dt em embed fieldset figcaption figure font footer foreignobject form frame frameset h1 h2 h3 h4 h5 h6 head
header hgroup hr html i iframe img input ins kbd keygen label legend li link listing main map mark marquee math menu
meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q
rb rp rt rtc ruby s samp script search section select slot small source span strike strong style sub summary sup svg
table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xmp image
"""

TAGS: Final = ("#text", "#unknown", *_NAMES.split())

# What a tag is, as bits of FLAGS.
VOID: Final = 1 << 0  # has no content and no end tag
RAW_TEXT: Final = 1 << 1  # its content is text up to its own end tag
SPECIAL: Final = 1 << 2  # the standard's category: inline end tags don't reach across it
CLOSES_P: Final = 1 << 3  # its start tag ends an open p
SCOPE: Final = 1 << 4  # end tags don't reach across it
ENDS_IN_SCOPE: Final = 1 << 5  # its end tag reaches across anything but SCOPE
FORMATTING: Final = 1 << 6  # inline; its end tag reaches across blocks, which stay open
HEADING: Final = 1 << 7
HEAD_CONTENT: Final = 1 << 8  # may stand before the body
BREAKS_OUT: Final = 1 << 9  # ends an open svg or math
TABLE_PART: Final = 1 << 10
IMPLIED_END: Final = 1 << 11  # an end tag further out ends it silently
HAS_START_RULE: Final = 1 << 12  # its start tag may end elements other than p
BLOCK: Final = 1 << 13  # starts and ends a block of text
MARGIN: Final = 1 << 14  # ... with a blank line before and after
LIST: Final = 1 << 15
SKIPPED: Final = 1 << 16  # its content is no text of the page
CELL: Final = 1 << 17
PREFORMATTED: Final = 1 << 18
TABLE_SCOPE: Final = 1 << 19  # end tags of table parts don't reach across it
ROW_GROUP: Final = 1 << 20
REPLACED: Final = 1 << 21  # shown as a box among the words, so that it parts them

_MEMBERS: Final = {
    VOID: "area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr",
    RAW_TEXT: "iframe noembed noframes plaintext script style textarea title xmp",
    SPECIAL: """address applet area article aside base basefont bgsound blockquote body br button caption center col
        colgroup dd details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6
        head header hgroup hr html iframe img input keygen li link listing main marquee menu meta nav noembed noframes
        noscript object ol p param plaintext pre script search section select source style summary table tbody td
        template textarea tfoot th thead title tr track ul wbr xmp""",
    CLOSES_P: """address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure
        footer form h1 h2 h3 h4 h5 h6 header hgroup hr li listing main menu nav ol p plaintext pre search section
        summary table ul xmp""",
    SCOPE: "applet caption html marquee object table td template th",
    ENDS_IN_SCOPE: """address applet article aside blockquote button center dd details dialog dir div dl dt fieldset
        figcaption figure footer header hgroup listing main marquee menu nav object ol pre search section select
        summary template ul""",
    FORMATTING: "a b big code em font i nobr s small strike strong tt u",
    HEADING: "h1 h2 h3 h4 h5 h6",
    HEAD_CONTENT: "base basefont bgsound link meta noframes noscript script style template title",
    BREAKS_OUT: """b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing
        menu meta nobr ol p pre ruby s small span strike strong sub sup table tt u ul var""",
    TABLE_PART: "caption col colgroup tbody td tfoot th thead tr",
    IMPLIED_END: "dd dt li optgroup option p rb rp rt rtc",
    HAS_START_RULE: """a body button caption col colgroup dd dt form frameset h1 h2 h3 h4 h5 h6 head html input keygen
        li optgroup option rb rp rt rtc select table tbody td textarea tfoot th thead tr""",
    BLOCK: """address article aside blockquote body button caption center dd details dialog dir div dl dt fieldset
        figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main marquee
        menu nav ol optgroup option p plaintext pre search section select summary table tbody td tfoot th thead tr ul
        xmp""",
    MARGIN: """address article aside blockquote body dialog dir dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header
        hr listing main menu nav ol p plaintext pre section table ul xmp""",
    LIST: "dir menu ol ul",
    SKIPPED: """annotation annotation-xml audio canvas datalist head iframe noembed noframes rp rt rtc script style svg
        template textarea title video""",
    CELL: "td th",
    PREFORMATTED: "listing plaintext pre xmp",
    TABLE_SCOPE: "html table template",
    ROW_GROUP: "tbody tfoot thead",
    REPLACED: "audio canvas embed iframe image img input keygen svg textarea video",
}  # fmt: skip

_TABLE_SIZE = 1024  # about seven times the names: most are found at the first look


def _flags() -> np.ndarray:
    flags = np.zeros(256, np.uint32)  # a byte's worth, so that no index needs a check
    for bit, names in _MEMBERS.items():
        for name in names.split():
            flags[TAGS.index(name)] |= bit
    return flags


def name_hash(name: str) -> int:
    """The hash of a lower-case ASCII name or word, as the kernels make it."""
    state = int(FNV_BASIS)
    for byte in name.encode("ascii"):
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return state


def _name_table() -> tuple[np.ndarray, np.ndarray]:
    """Open addressing: hashes of names, and their tags; an empty place has tag UNKNOWN."""
    keys, tags = np.zeros(_TABLE_SIZE, np.uint64), np.full(_TABLE_SIZE, UNKNOWN, np.uint8)
    for name in _NAMES.split():
        place = name_hash(name) % _TABLE_SIZE
        while tags[place] != UNKNOWN:
            place = (place + 1) % _TABLE_SIZE
        keys[place], tags[place] = name_hash(name), TAGS.index(name)
    return keys, tags


FLAGS: Final = _flags()  # uint32 [256], bits of each tag
_KEYS, _KEY_TAGS = _name_table()


def tag_of(name: str) -> int:
    """The number of a tag, by its lower-case name."""
    return TAGS.index(name)


def tags_of(names: str) -> tuple[int, ...]:
    """The numbers of several, parted by spaces."""
    return tuple(map(tag_of, names.split()))


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, forceinline=True)
def tag_of_hash(state: np.uint64) -> int:
    """The tag whose lower-case name has this hash, UNKNOWN if none has. Two names of 64 equal bits would be one."""
    place: Any = np.int64(state & np.uint64(_TABLE_SIZE - 1))
    while _KEY_TAGS[place] != UNKNOWN:
        if _KEYS[place] == state:
            return int(_KEY_TAGS[place])
        place = (place + 1) & (_TABLE_SIZE - 1)
    return UNKNOWN


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def hash_lower(source: Bytes, start: int, stop: int) -> np.uint64:
    """Hash of a name in ASCII lower case, to be compared with ``name_hash``."""
    state = FNV_BASIS
    for i in range(start, stop):
        byte = source[i]
        state = hash_step(state, np.uint64(byte | 0x20 if 0x41 <= byte <= 0x5A else byte))
    return state
