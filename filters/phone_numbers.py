"""Phone numbers in text: cautious, since most groups of digits are something else.

A number is groups of digits, the first two perhaps in parentheses, with a space, hyphen, dot or slash between (of
Unicode's the no-break space and the dashes). It is a phone number when it has one of these forms:

- international, ``+`` and an assigned country code (``+44 20 7946 0958``), or ``00`` and three groups or more;
- North American, area code and exchange from 200 on (``(212) 555-0123``, ``1-212-555-0123``, ``212.555.0123``);
- national with a leading zero in one of the usual groupings (``020 7946 0958``, ``01 23 45 67 89``, ``090-1234-5678``);
- any other of 7 to 15 digits that is no date, behind a word that says so: ``Tel.: 555 0123``, ``call us at 555-0123``.

Numbers in longer rows of digits, with letters or signs of currency, arithmetic or identity around them, and dates,
ranges of years, decimals and thousands are none.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.ascii_bytes import DIGIT, WORD, byte_at, hash_word, hash_words, is_in, is_one_of, word_before
from filters.utf8 import Bytes

MAX_GROUPS: Final = 8

Groups = npt.NDArray[np.int64]  # [MAX_GROUPS, 4]: start and end of the digits, end with parenthesis, separator behind
_START, _DIGITS_END, _END, _SEPARATOR = range(4)
# Separators: the last two are a hyphen or slash with a space beside it, and a parenthesis alone.
_SPACE, _DASH, _DOTTED, _SLASHED, _APART, _JOINED = range(1, 7)

_PLUS, _OPEN, _CLOSE, _BLANK, _HYPHEN, _DOT, _SLASH, _COLON, _EQUALS, _AT, _PERCENT = (
    ord(mark) for mark in "+() -./:=@%"
)

# Signs that tie a number to what stands on their other side: then it is part of something longer.
_TYING: Final = np.zeros(256, np.bool_)
_TYING[[ord(mark) for mark in "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,-/+$#@%&*^~\\"]] = True
_TYING.flags.writeable = False
_PHONE_WORDS: Final = hash_words(
    "tel telephone telefon telefono teléfono telefone téléphone tél tlf tfno fon phone phones ph fax mobile mob handy "
    "whatsapp hotline helpline sms landline телефон Телефон тел Тел факс Факс"
)
_PHONE_ENDINGS: Final = hash_words("telefon hotline")  # of longer words, as German builds them
_ENDING_BYTES: Final = 7
_CALL_WORDS: Final = hash_words("call calls calling dial dialing ring text contact reach")
_GLUE_WORDS: Final = hash_words(
    "number numbers no nr num nos at on us me is our my the office toll free or and by work home main direct line "
    "today now please"
)
_MAX_GLUE: Final = 4  # such words between the one that says so and the number

# Country codes in use: digits, then how many digits a national number has at least and at most.
_CODES: Final = np.zeros((1000, 3), np.int64)
for _codes, _low, _high in (
    ("1", 10, 10),
    ("7", 10, 10),
    ("20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49", 7, 12),
    ("51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98", 7, 11),
    ("211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239", 7, 10),
    ("240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265", 7, 10),
    ("266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375", 6, 12),
    ("376 377 378 379 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509", 6, 10),
    ("590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686", 6, 10),
    ("687 688 689 690 691 692 800 808 850 852 853 855 856 870 880 881 882 883 886 888 960 961 962 963 964", 7, 11),
    ("965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998", 7, 10),
):
    for _code in _codes.split(" "):
        _CODES[int(_code)] = len(_code), _low, _high
_CODES.flags.writeable = False

# Groupings of national numbers with a leading zero: how many digits each group has.
_ZERO_FORMS: Final = np.array(
    [
        (3, 4, 4, 0, 0), (4, 3, 4, 0, 0), (5, 6, 0, 0, 0), (5, 3, 3, 0, 0), (4, 3, 3, 0, 0), (2, 4, 4, 0, 0),
        (3, 3, 4, 0, 0), (2, 2, 2, 2, 2), (4, 4, 3, 0, 0), (3, 8, 0, 0, 0), (4, 8, 0, 0, 0),
    ],
    np.int64,
)  # fmt: skip


def scratch() -> Groups:
    """Room for the groups of one number, for ``phone_number_end`` to use."""
    return np.zeros((MAX_GROUPS, 4), np.int64)


@njit(cache=True, nogil=True)
def phone_number_end(data: Bytes, position: int, start: int, end: int, groups: Groups) -> int:
    """Where the phone number ends that begins with the ``+``, ``(`` or digit at ``position``; that, if none does.

    Of the groups of digits from there on the longest row that makes a number is taken.
    """
    count, has_plus = _read_groups(data, position, end, groups)
    if count == 0 or not _may_begin(data, position, start, has_plus):
        return position
    is_after_number = byte_at(data, position - 1, start, end) == _BLANK and is_in(data, position - 2, start, end, DIGIT)
    is_told = -1
    for num in range(count, 0, -1):
        if not _may_end(data, end, groups, num, has_plus):
            continue
        if has_plus:
            is_number = _is_international(data, groups, num, 0)
        elif is_after_number and data[position] != _OPEN and groups[0, _SEPARATOR] == _SPACE:
            is_number = False  # in the middle of a row of numbers
        else:
            is_number = _is_north_american(data, groups, num) or _is_national(data, groups, num)
            if not is_number and _is_plausible(data, groups, num):
                is_told = _told(data, position, start) if is_told < 0 else is_told
                is_number = is_told == 2 or (is_told == 1 and num > 1)
        if is_number:
            return int(groups[num - 1, _END])
    return position


@njit(cache=True, nogil=True)
def _read_groups(data: Bytes, position: int, end: int, groups: Groups) -> tuple[int, bool]:
    """Fill ``groups``; give how many there are, and whether a ``+`` comes first.

    The separator of a group is 0 when no digit follows.
    """
    at, count = position, 0
    is_open = data[at] == _OPEN
    at += is_open
    has_plus = byte_at(data, at, position, end) == _PLUS
    at += has_plus
    if has_plus and not is_open and byte_at(data, at, position, end) == _OPEN:
        is_open = True
        at += 1
    while count < MAX_GROUPS:
        digits_end = at
        while is_in(data, digits_end, position, end, DIGIT) and digits_end - at < 16:
            digits_end += 1
        is_closed = is_open and byte_at(data, digits_end, position, end) == _CLOSE
        if digits_end == at or digits_end - at > 15 or (is_open and not is_closed):
            break
        group_end = digits_end + is_closed
        separator, following = _separator(data, group_end, end, is_closed, count == 0)
        groups[count, _START], groups[count, _DIGITS_END] = at, digits_end
        groups[count, _END], groups[count, _SEPARATOR] = group_end, separator
        count += 1
        if separator == 0:
            break
        is_open = data[following] == _OPEN
        at = following + is_open
    return count, has_plus


@njit(cache=True, nogil=True)
def _separator(data: Bytes, position: int, end: int, is_closed: bool, may_open: bool) -> tuple[int, int]:
    """What stands between the group that ends at ``position`` and the next one, and where that starts; 0 for none.

    Later groups than the second stand in no parentheses: pages and a year do (``284-285 (1935)``).
    """
    at, found = _skip_blank(data, position, end), _SPACE
    mark = byte_at(data, at, position, end)
    if mark in (_HYPHEN, _SLASH) or (mark == _DOT and at == position):
        found = _DASH if mark == _HYPHEN else (_DOTTED if mark == _DOT else _SLASHED)
        at += 1
        if mark != _DOT and (at > position + 1 or _skip_blank(data, at, end) > at):
            found = _APART
            at = _skip_blank(data, at, end)
    elif mark == 0xE2 and byte_at(data, at + 1, at, end) == 0x80 and 0x90 <= byte_at(data, at + 2, at, end) <= 0x95:
        at += 3  # U+2010 to U+2015
        found = _APART if at > position + 3 or _skip_blank(data, at, end) > at else _DASH
        at = _skip_blank(data, at, end)
    elif at == position:
        found = _JOINED
        if not is_closed and mark != _OPEN:
            return 0, position
    digit = at + 1 if byte_at(data, at, position, end) == _OPEN and may_open and found != _DOTTED else at
    return (found, at) if is_in(data, digit, position, end, DIGIT) else (0, position)


@njit(cache=True, nogil=True)
def _skip_blank(data: Bytes, position: int, end: int) -> int:
    """Behind one space or no-break space."""
    if byte_at(data, position, 0, end) == _BLANK:
        return position + 1
    return (
        position + 2
        if byte_at(data, position, 0, end) == 0xC2 and byte_at(data, position + 1, 0, end) == 0xA0
        else position
    )


@njit(cache=True, nogil=True)
def _may_begin(data: Bytes, position: int, start: int, has_plus: bool) -> bool:
    """Whether what stands before leaves a number alone."""
    before, further = byte_at(data, position - 1, start, position), byte_at(data, position - 2, start, position)
    if before == 0:
        return True
    is_currency = (further == 0xC2 and 0xA2 <= before <= 0xA5) or (further == 0x82 and before == 0xAC)
    is_clock = before == _COLON and 0x30 <= further <= 0x39
    return not (is_currency or is_clock or _TYING[before] or (before == _EQUALS and not has_plus))


@njit(cache=True, nogil=True)
def _may_end(data: Bytes, end: int, groups: Groups, num: int, has_plus: bool) -> bool:
    """Whether what stands behind the first ``num`` groups leaves them alone."""
    stop, separator = groups[num - 1, _END], groups[num - 1, _SEPARATOR]
    if separator:  # another group: only a space ends a number, and not one that is written with such spaces
        is_other = num > 1 and (has_plus or groups[num - 2, _SEPARATOR] != separator)
        return is_other and separator in (_SPACE, _APART)
    following = byte_at(data, stop, 0, end)
    if is_in(data, stop + 1, 0, end, DIGIT):
        return following | 0x20 == 0x78 or not (_TYING[following] or following == _COLON)  # x12 is an extension
    return not (is_in(data, stop, 0, end, WORD) or following in (_AT, _PERCENT))


@njit(cache=True, nogil=True)
def _digit(data: Bytes, groups: Groups, group: int, index: int) -> int:
    return int(data[groups[group, _START] + index]) - 0x30


@njit(cache=True, nogil=True)
def _length(groups: Groups, group: int) -> int:
    return int(groups[group, _DIGITS_END] - groups[group, _START])


@njit(cache=True, nogil=True)
def _is_international(data: Bytes, groups: Groups, num: int, skipped: int) -> bool:
    """Whether an assigned country code and a national number follow ``skipped`` digits; ``(0)`` counts for nothing."""
    if num == 2 and groups[0, _SEPARATOR] == _DOTTED:
        return False  # a decimal
    code, code_length, num_national, first, fourth = 0, 0, -skipped, 0, 0
    for group in range(num):
        is_enclosed = groups[group, _END] > groups[group, _DIGITS_END]
        if group > 0 and is_enclosed and _length(groups, group) == 1 and _digit(data, groups, group, 0) == 0:
            continue
        for i in range(_length(groups, group)):
            digit = _digit(data, groups, group, i)
            if num_national < 0:
                num_national += 1
            elif code_length == 0 or _CODES[code, 0] != code_length:
                code, code_length = 10 * code + digit, code_length + 1
                if code_length > 3 or code == 0:
                    return False
            else:
                num_national += 1
                first = digit if num_national == 1 else first
                fourth = digit if num_national == 4 else fourth
    if code_length == 0 or _CODES[code, 0] != code_length or not _CODES[code, 1] <= num_national <= _CODES[code, 2]:
        return False
    if num == 1 and num_national + code_length < 10:
        return False
    return (first >= 2 and fourth >= 2) if code == 1 else (first > 0 or code == 39)


@njit(cache=True, nogil=True)
def _is_north_american(data: Bytes, groups: Groups, num: int) -> bool:
    """Area code, exchange and line, with a 1 before them or not."""
    area = num - 3
    if area < 0 or area > 1 or (area == 1 and (_length(groups, 0) != 1 or _digit(data, groups, 0, 0) != 1)):
        return False
    if _length(groups, area) != 3 or _length(groups, area + 1) != 3 or _length(groups, area + 2) != 4:
        return False
    left, right = groups[area, _SEPARATOR], groups[area + 1, _SEPARATOR]
    is_enclosed = groups[area, _END] > groups[area, _DIGITS_END]
    is_set_apart = right in (_DASH, _DOTTED, _SPACE, _APART) and (is_enclosed or left != _SPACE or right != _SPACE)
    return is_set_apart and _digit(data, groups, area, 0) >= 2 and _digit(data, groups, area + 1, 0) >= 2


@njit(cache=True, nogil=True)
def _is_national(data: Bytes, groups: Groups, num: int) -> bool:
    """A leading zero and a usual grouping, or 00 and a country code."""
    if _digit(data, groups, 0, 0) != 0 or _length(groups, 0) < 2:
        return False
    if _digit(data, groups, 0, 1) == 0:
        return num >= 3 and _is_international(data, groups, num, 2)
    is_enclosed = groups[0, _END] > groups[0, _DIGITS_END]
    for i in range(num - 1):
        separator = groups[i, _SEPARATOR]
        if separator == _SLASHED or (separator != groups[num - 2, _SEPARATOR] and not (i == 0 and is_enclosed)):
            return False
    for form in range(len(_ZERO_FORMS)):
        fits = num == 5 or (num < 5 and _ZERO_FORMS[form, num] == 0)
        for i in range(min(num, 5)):
            fits &= _ZERO_FORMS[form, i] == _length(groups, i)
        if fits:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_plausible(data: Bytes, groups: Groups, num: int) -> bool:
    """Whether it may be a phone number where a word says that one comes: 7 to 15 digits, no date, years or decimal."""
    total = 0
    for i in range(num):
        total += _length(groups, i)
        if i > 0 and (_length(groups, i) < 2 or (groups[i - 1, _SEPARATOR] == _SLASHED and _digit(data, groups, 0, 0))):
            return False
    if not 7 <= total <= 15 or (num == 2 and groups[0, _SEPARATOR] == _DOTTED):
        return False
    if num == 3:
        first, second, third = _length(groups, 0), _length(groups, 1), _length(groups, 2)
        return not (second <= 2 and ((first == 4 and third <= 2) or (first <= 2 and third == 4)))
    return not (num == 2 and _is_year(data, groups, 0) and _is_year(data, groups, 1))


@njit(cache=True, nogil=True)
def _is_year(data: Bytes, groups: Groups, group: int) -> bool:
    century: int = 10 * _digit(data, groups, group, 0) + _digit(data, groups, group, min(1, _length(groups, group) - 1))
    return _length(groups, group) == 4 and 18 <= century <= 20


@njit(cache=True, nogil=True)
def _told(data: Bytes, position: int, start: int) -> int:
    """2 when a word before says that a phone number comes, 1 when it only says to call, 0 when nothing does."""
    at = position
    for _ in range(_MAX_GLUE + 1):
        word, word_end = word_before(data, at, start, 5, 24)
        if word == word_end:
            return 0
        word_hash = hash_word(data, word, word_end)
        ending = hash_word(data, max(word, word_end - _ENDING_BYTES), word_end)
        if is_one_of(word_hash, _PHONE_WORDS) or is_one_of(ending, _PHONE_ENDINGS):
            return 2
        if is_one_of(word_hash, _CALL_WORDS):
            return 1
        if not is_one_of(word_hash, _GLUE_WORDS):
            return 0
        at = word
    return 0
