"""Public IP addresses in text; private, loopback, link-local, documentation and other special ones are none.

An IPv4 address is four decimal numbers with dots between. So are version numbers and the headings of sections: what
stands behind a word such as ``version``, a name that ends so, or ``Name/`` is none, and one whose numbers are all below
32 (one in 4,096 of all addresses) only where a word, a URL or a port says that it is one. An IPv6 address is written
out in full, or shortened with ``::`` to three groups or more.

Source of the special ranges: IANA's registries of special-purpose addresses (RFC 6890 and its updates).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from filters.ascii_bytes import DIGIT, HEX, LETTER, WORD, byte_at, hash_word, hash_words, is_in, is_one_of, word_before
from filters.utf8 import Bytes

_DOT, _SLASH, _HYPHEN, _COLON = (ord(mark) for mark in "./-:")
_SMALL: Final = 32
_MAX_GAP: Final = 5  # bytes between a word and the address that it tells of, as in JSON: "host": "
_VERSION: Final = np.frombuffer(b"version", np.uint8)
_VERSION_WORDS: Final = hash_words(
    "version versions ver v release releases build firmware kernel driver update patch revision rev section sections "
    "sec chapter table figure fig appendix clause article paragraph para rule level item step oid"
)
_ADDRESS_WORDS: Final = hash_words(
    "ip ips ipv address addresses addr host hosts server servers dns ping gateway resolver nameserver nameservers from"
)

# First and last address of the ranges that are not public, in order.
_SPECIAL_IPV4: Final = np.array(
    [
        (0x00000000, 0x00FFFFFF),  # 0.0.0.0/8, this network
        (0x0A000000, 0x0AFFFFFF),  # 10.0.0.0/8, private
        (0x64400000, 0x647FFFFF),  # 100.64.0.0/10, shared by a provider's customers
        (0x7F000000, 0x7FFFFFFF),  # 127.0.0.0/8, loopback
        (0xA9FE0000, 0xA9FEFFFF),  # 169.254.0.0/16, link-local
        (0xAC100000, 0xAC1FFFFF),  # 172.16.0.0/12, private
        (0xC0000000, 0xC00000FF),  # 192.0.0.0/24, protocols
        (0xC0000200, 0xC00002FF),  # 192.0.2.0/24, documentation
        (0xC0586300, 0xC05863FF),  # 192.88.99.0/24, relays
        (0xC0A80000, 0xC0A8FFFF),  # 192.168.0.0/16, private
        (0xC6120000, 0xC613FFFF),  # 198.18.0.0/15, benchmarks
        (0xC6336400, 0xC63364FF),  # 198.51.100.0/24, documentation
        (0xCB007100, 0xCB0071FF),  # 203.0.113.0/24, documentation
        (0xE0000000, 0xFFFFFFFF),  # multicast, reserved, broadcast
    ],
    np.int64,
)
_RESOLVERS: Final = np.array([0x08080404, 0x08080808, 0x09090909], np.int64)  # small, but nobody's version


@njit(cache=True, nogil=True)
def ip_address_end(data: Bytes, position: int, start: int, end: int) -> int:
    """Where the public address ends that begins with the digit at ``position``; ``position`` if none does."""
    before = byte_at(data, position - 1, start, end)
    if is_in(data, position - 1, start, end, WORD) or before == _DOT:
        return position
    stop: int = _ipv6_end(data, position, end)
    if stop > position:
        return position if before == _COLON else stop
    if before == _HYPHEN and not is_in(data, position - 2, start, end, DIGIT):
        return position
    stop = _public_ipv4_end(data, position, start, end)
    return stop


@njit(cache=True, nogil=True)
def _public_ipv4_end(data: Bytes, position: int, start: int, end: int) -> int:
    stop: int
    address, stop = _ipv4(data, position, end)
    if address < 0 or _is_special(address):
        return position
    following = byte_at(data, stop, start, end)
    if following == _HYPHEN and is_in(data, stop + 1, start, end, LETTER):  # 1.2.3.4-beta
        return position
    is_in_url = byte_at(data, position - 1, start, end) == _SLASH
    if is_in_url and byte_at(data, position - 2, start, end) != _SLASH:  # Name/1.2.3.4
        return position
    word, word_end = word_before(data, position, start, _MAX_GAP, 16)
    word_hash = hash_word(data, word, word_end)
    if is_one_of(word_hash, _VERSION_WORDS) or _follows_version(data, position, start):
        return position
    if max(address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255) >= _SMALL:
        return stop
    has_port = following == _COLON and is_in(data, stop + 1, start, end, DIGIT)
    is_told = is_in_url or has_port or is_one_of(word_hash, _ADDRESS_WORDS) or (address == _RESOLVERS).any()
    return stop if is_told else position


@njit(cache=True, nogil=True)
def _follows_version(data: Bytes, position: int, start: int) -> bool:
    """Whether a name that ends in ``version`` stands before, as ``FileVersion`` and ``file_version`` do."""
    end = position
    while end > start and position - end <= _MAX_GAP and not is_in(data, end - 1, start, end, WORD):
        end -= 1
    if position - end > _MAX_GAP or end - start < len(_VERSION):
        return False
    is_equal = True
    for i in range(len(_VERSION)):
        is_equal &= data[end - len(_VERSION) + i] | 0x20 == _VERSION[i]
    return is_equal


@njit(cache=True, nogil=True)
def _ipv4(data: Bytes, position: int, end: int) -> tuple[int, int]:
    """The address at ``position`` as a number, and its end; -1 when there is none."""
    address, at = 0, position
    for octet in range(4):
        first, value = at, 0
        while is_in(data, at, position, end, DIGIT) and at - first < 4:
            value = 10 * value + data[at] - 0x30
            at += 1
        if at == first or value > 255 or (at - first > 1 and data[first] == 0x30):
            return -1, position
        address = address << 8 | value
        if octet < 3:
            if byte_at(data, at, position, end) != _DOT:
                return -1, position
            at += 1
    is_longer = byte_at(data, at, position, end) == _DOT and is_in(data, at + 1, position, end, DIGIT)
    return (-1, position) if is_longer or is_in(data, at, position, end, WORD) else (address, at)


@njit(cache=True, nogil=True)
def _is_special(address: int) -> bool:
    at = np.searchsorted(_SPECIAL_IPV4[:, 0], address, side="right") - 1
    return bool(at >= 0 and address <= _SPECIAL_IPV4[at, 1])


@njit(cache=True, nogil=True)
def _ipv6_end(data: Bytes, position: int, end: int) -> int:
    """Where the public address at ``position`` ends, which begins with a group of four; ``position`` if none does.

    Global unicast is 2000::/3; 2001::/23 (protocols), 2001:db8::/32 and 3fff::/20 (documentation) are special.
    """
    if not 0x32 <= data[position] <= 0x33 or byte_at(data, position + 4, position, end) != _COLON:
        return position
    first, second, num_groups, at = 0, 0, 0, position
    has_gap = False
    while True:
        value, group_end = _hex_group(data, at, end)
        if group_end == at:
            return position
        num_groups += 1
        if num_groups == 1:
            first = value
        elif num_groups == 2 and not has_gap:
            second = value
        at = group_end
        if byte_at(data, at, position, end) != _COLON:
            break
        is_gap = byte_at(data, at + 1, position, end) == _COLON
        if is_gap and has_gap:
            return position
        if is_gap or is_in(data, at + 1, position, end, HEX):
            at += 1 + is_gap
        has_gap |= is_gap
        if not is_in(data, at, position, end, HEX):
            break
    is_whole = 3 <= num_groups <= 7 if has_gap else num_groups == 8
    is_longer = byte_at(data, at, position, end) == _DOT and is_in(data, at + 1, position, end, DIGIT)
    is_special = (first == 0x2001 and (second < 0x200 or second == 0xDB8)) or (first == 0x3FFF and second < 0x1000)
    is_address = is_whole and not is_longer and not is_special and not is_in(data, at, position, end, WORD)
    return at if is_address else position


@njit(cache=True, nogil=True)
def _hex_group(data: Bytes, position: int, end: int) -> tuple[int, int]:
    """The number of one to four hexadecimal digits at ``position``, and its end; ``position`` if there is none."""
    value, at = 0, position
    while is_in(data, at, position, end, HEX):
        byte = int(data[at])
        value = value << 4 | (byte - 0x30 if byte < 0x40 else (byte | 0x20) - 0x57)
        at += 1
        if at - position > 4:
            return 0, position
    return value, at
