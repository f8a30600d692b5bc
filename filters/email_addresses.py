"""E-mail addresses in text: where one stands around an ``@``.

An address is what nearly all real ones are (RFC 5321 allows more): up to 64 letters, digits and ``._%+-`` before the
``@``, then labels of letters, digits and hyphens whose last is a top-level domain. No address is the user of a URL
(``ftp://me@host.org``), nor of a path for ``scp`` and ``git`` (``git@host.org:name/of.git``).
"""

from __future__ import annotations

from typing import Final

from numba import njit

from filters.ascii_bytes import DIGIT, LETTER, LOCAL, WORD, byte_at, hash_word, hash_words, is_in, is_one_of
from filters.utf8 import Bytes

MAX_LOCAL_BYTES: Final = 64
MAX_DOMAIN_BYTES: Final = 253

# Top-level domains: all of two letters, and of the others those that addresses are seen with. The full list of 1,400
# would take names of files and of code (``logo@2x.zip``, ``user@app.name``) for addresses more often than find one.
_COUNTRIES: Final = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd "
    "cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd "
    "ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg "
    "kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv "
    "mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa "
    "sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug "
    "uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_OTHERS: Final = (
    "com org net edu gov mil int arpa info biz name pro aero coop museum jobs mobi travel cat tel asia post xxx "
    "academy agency app art bank band bar berlin best bio blog boston business cafe capital care careers center church "
    "city clinic cloud club codes coffee company community consulting cool design dev digital earth education email "
    "energy engineering estate events example expert farm finance fit foundation fun fund gallery games global gmbh "
    "group guide guru health help host hosting house inc institute international investments kitchen land law legal "
    "life live llc "
    "london ltd management marketing media money network news ngo one online ooo page partners photo photography press "
    "productions rest restaurant run school science services shop site social software solutions space store studio "
    "support systems team tech technology tips today tokyo tools top tours training university vet video vip wien wiki "
    "work works world wtf xyz yoga zone"
)
_DOMAINS: Final = hash_words(f"{_COUNTRIES} {_OTHERS}")

_DOT, _HYPHEN, _COLON, _SLASH, _UNDERSCORE, _AT = (ord(mark) for mark in ".-:/_@")
_MAX_BACK: Final = 128  # bytes that are searched for the beginning of a URL or the end of a path


@njit(cache=True, nogil=True)
def email_around(data: Bytes, at: int, start: int, end: int) -> tuple[int, int]:
    """Where the address around the ``@`` at ``at`` starts and ends; both ``at`` if there is none."""
    first = _local_start(data, at, start, end)
    if first == at or _is_in_url(data, first, start):
        return at, at
    last = _domain_end(data, at + 1, end)
    if last == at + 1 or _is_path(data, last, end):
        return at, at
    return first, last


@njit(cache=True, nogil=True)
def _local_start(data: Bytes, at: int, start: int, end: int) -> int:
    first = at
    while is_in(data, first - 1, start, end, LOCAL) and at - first <= MAX_LOCAL_BYTES:
        first -= 1
    if at - first > MAX_LOCAL_BYTES or byte_at(data, at - 1, start, end) == _DOT:
        return at
    while first < at and not is_in(data, first, start, end, WORD):
        first += 1
    for i in range(first, at - 1):
        if data[i] == _DOT and data[i + 1] == _DOT:
            return at
    return first


@njit(cache=True, nogil=True)
def _is_in_url(data: Bytes, first: int, start: int) -> bool:
    """Whether ``//`` comes before, with at most the name of a user between."""
    position = first
    while first - position < _MAX_BACK and position > start and (
        data[position - 1] == _COLON or is_in(data, position - 1, start, first, LOCAL)
    ):  # fmt: skip
        position -= 1
    return position - 2 >= start and data[position - 1] == _SLASH and data[position - 2] == _SLASH


@njit(cache=True, nogil=True)
def _domain_end(data: Bytes, start: int, end: int) -> int:
    """Where the domain that starts at ``start`` ends; ``start`` if there is none.

    A sentence that begins right behind the address (``me@host.org.The``) is not part of it.
    """
    position, found, num_labels = start, start, 0
    while position - start <= MAX_DOMAIN_BYTES and is_in(data, position, start, end, LETTER | DIGIT):
        stop = _label_end(data, position, end)
        is_top_level = num_labels > 0 and _is_top_level(data, position, stop)
        if found > start and not is_top_level and 0x41 <= byte_at(data, position, start, end) <= 0x5A:
            break
        found = stop if is_top_level else start
        num_labels += 1
        position = stop + 1
        if byte_at(data, stop, start, end) != _DOT:
            break
    following = byte_at(data, found, start, end)
    return start if following in (_UNDERSCORE, _AT) or found - start > MAX_DOMAIN_BYTES else found


@njit(cache=True, nogil=True)
def _label_end(data: Bytes, start: int, end: int) -> int:
    """Where a label ends; hyphens at its end are none of it."""
    stop = start
    while is_in(data, stop, start, end, LETTER | DIGIT) or byte_at(data, stop, start, end) == _HYPHEN:
        stop += 1
    while stop > start and data[stop - 1] == _HYPHEN:
        stop -= 1
    return stop


@njit(cache=True, nogil=True)
def _is_top_level(data: Bytes, start: int, end: int) -> bool:
    if end - start > 4 and data[start] | 0x20 == 0x78 and data[start + 1] | 0x20 == 0x6E and data[start + 2] == _HYPHEN:
        return bool(data[start + 3] == _HYPHEN)  # xn--, a domain beyond ASCII
    for i in range(start, end):
        if not is_in(data, i, start, end, LETTER):
            return False
    return bool(is_one_of(hash_word(data, start, end), _DOMAINS))


@njit(cache=True, nogil=True)
def _is_path(data: Bytes, position: int, end: int) -> bool:
    """Whether ``:`` and something with a ``/`` in it follow."""
    if byte_at(data, position, 0, end) != _COLON:
        return False
    for i in range(position + 1, min(end, position + _MAX_BACK)):
        if data[i] <= 0x20:
            return False
        if data[i] == _SLASH:
            return i + 1 == end or data[i + 1] != _SLASH
    return False
