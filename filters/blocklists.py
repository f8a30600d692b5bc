"""Lists of domains and URL prefixes by category, and the category that a page's address falls into.

A list has one entry a line, as the UT1 lists of the University of Toulouse and squidGuard have:

- A line without a path names a domain: its host and everything below it. An IP address names itself alone.
- A line with a path names a page and all below it: the host must be the same but for a leading ``www``, ``www1`` ...,
  and the page's path and query must begin with the entry's and end there or go on with ``/``, ``?``, ``&``, ``#`` or
  ``;``.
- Case, ports, a trailing ``/`` or ``#``, escapes of what needs none (``%7E``) and the marks of other notations around
  an address count for nothing: see ``filters.blocklist_lines``.
- A line that names no host is passed over. A name without a dot is one, a top-level domain.

Entries are kept as 64-bit hashes: nine bytes each, so that lists of millions fit in every worker. With 5e6 entries a
page that is on no list has a chance of about 1e-11 to be taken for one that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.blocklist_lines import address_in, in_ascii
from filters.hashing import FNV_BASIS, hash_end, hash_step
from filters.utf8 import NEWLINE, Bytes, Hashes

MAX_CATEGORIES: Final = 255

_SLASH, _COLON, _DOT, _HASH, _QUESTION, _AMPERSAND, _SEMICOLON = (np.uint8(ord(mark)) for mark in "/:.#?&;")
_PERCENT, _OPEN, _CLOSE = (np.uint8(ord(mark)) for mark in "%[]")
_NONE: Final = 255  # number of no category


@dataclass(frozen=True, eq=False)
class Blocklist:
    """The entries of all categories.

    Attributes:
        categories: Names, sorted; at most 255.
        hashes: uint64 [num_entries], sorted and unique.
        numbers: uint8 [num_entries], index into ``categories``; an entry of several has the smallest.
    """

    categories: tuple[str, ...]
    hashes: Hashes
    numbers: npt.NDArray[np.uint8]

    def category_of(self, host: str, path: str) -> str | None:
        """Name the category of a page's address.

        Args:
            host: Of the URL, in lower case, punycode, and without port.
            path: Path and query, from the first ``/`` on.

        Returns:
            The first in ``categories`` of those that list the page; None when none does.
        """
        address = host.encode("utf-8", "replace")
        data = _unescaped(np.frombuffer(address + path.encode("utf-8", "replace"), np.uint8))
        number = _find(data, len(address), self.hashes, self.numbers)
        return None if number == _NONE else self.categories[number]

    def sizes(self) -> dict[str, int]:
        """The number of entries of each category; one that several have counts for the first."""
        counts = np.bincount(self.numbers, minlength=len(self.categories))
        return dict(zip(self.categories, counts.tolist(), strict=True))


def build_blocklist(lists: Iterable[tuple[str, Iterable[bytes]]]) -> Blocklist:
    """Put lists together; their order and that of their entries count for nothing.

    Args:
        lists: Category and content of each, in blocks that may be cut anywhere. A category may have several lists.

    Raises:
        ValueError: There are more than 255 categories.
    """
    found: dict[str, list[Hashes]] = {}
    for category, blocks in lists:
        hashed = found.setdefault(category, [])
        hashed += [_hash_lines(np.frombuffer(in_ascii(lines), np.uint8))[0] for lines in _whole_lines(blocks)]
    categories = tuple(sorted(found))
    if len(categories) > MAX_CATEGORIES:
        raise ValueError(f"there may be {MAX_CATEGORIES} categories; got {len(categories)}")
    sizes = [sum(len(part) for part in found[category]) for category in categories]
    hashes = np.concatenate([np.empty(0, np.uint64), *(part for category in categories for part in found[category])])
    found.clear()  # a copy of all entries
    numbers = np.repeat(np.arange(len(categories), dtype=np.uint8), sizes)
    order = np.argsort(hashes, kind="stable")  # of equal ones the smallest category comes first
    hashes, numbers = hashes[order], numbers[order]
    is_first = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
    return Blocklist(categories, hashes[is_first], numbers[is_first])


def count_hosts(lines: bytes) -> tuple[int, int]:
    """How many lines of a list say something, and how many of these have a host with a dot, or a dot before it."""
    _, num_lines, num_hosts = _hash_lines(np.frombuffer(in_ascii(lines), np.uint8))
    return num_lines, num_hosts


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []  # pieces of a line, joined once
    for block in blocks:
        whole, newline, piece = block.rpartition(b"\n")
        if newline:
            yield b"".join([*begun, whole, newline])
            begun = []
        begun.append(piece)
    if rest := b"".join(begun):
        yield rest


@njit(cache=True, nogil=True)
def _hash_lines(data: Bytes) -> tuple[Hashes, int, int]:
    """Hash every entry of a text of whole lines; and count lines and hosts, see ``count_hosts``."""
    hashes = np.empty(np.sum(data == NEWLINE) + 1, np.uint64)
    count, num_lines, num_hosts, start = 0, 0, 0, 0
    while start < len(data):
        end = start
        while end < len(data) and data[end] != NEWLINE:
            end += 1
        first, last = address_in(data, start, end)
        if first < last:
            num_lines += 1
            host, host_end = _host(data, first, last)
            if _is_host(data, host, host_end):
                hashes[count] = _hash_entry(data, host, host_end, last)
                count += 1
                is_marked = data[first] == _OPEN or (first > start and data[first - 1] == _DOT)
                num_hosts += int(is_marked or np.any(data[host:host_end] == _DOT))
        start = end + 1
    return hashes[:count], num_lines, num_hosts


@njit(cache=True, nogil=True)
def _host(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Where the host of an entry starts and ends, without the brackets of IPv6 and the dot of the root."""
    if data[start] == _OPEN:
        host_end = start + 1
        while host_end < end and data[host_end] != _CLOSE:
            host_end += 1
        return start + 1, host_end
    host_end = start
    while host_end < end and data[host_end] != _SLASH and data[host_end] != _COLON:
        host_end += 1
    after = host_end
    while after > start and data[after - 1] == _DOT:
        after -= 1
    return start, after


@njit(cache=True, nogil=True)
def _is_host(data: Bytes, start: int, end: int) -> bool:
    """Whether bytes are letters, digits, and what else names and numbers of hosts have."""
    is_name = start < end
    is_ipv6 = start > 0 and data[start - 1] == _OPEN
    for byte in data[start:end]:
        is_letter = 0x61 <= byte | 0x20 <= 0x7A or 0x30 <= byte <= 0x39
        is_name &= is_letter or byte in (0x2D, 0x2E, 0x5F) or (is_ipv6 and byte == _COLON)  # - . _
    return is_name


@njit(cache=True, nogil=True)
def _hash_entry(data: Bytes, start: int, host_end: int, end: int) -> np.uint64:
    path_start = host_end
    while path_start < end and data[path_start] != _SLASH:  # a port
        path_start += 1
    if path_start == end:
        domain: np.uint64 = hash_end(_hash_on(FNV_BASIS, data, start, host_end))
        return domain
    state = _hash_on(FNV_BASIS, data, _without_www(data, start, host_end), host_end)
    path = _unescaped(data[path_start:end])
    hashed: np.uint64 = hash_end(_hash_on(state, path, 0, len(path)))
    return hashed


@njit(cache=True, nogil=True)
def _unescaped(data: Bytes) -> Bytes:
    """Bytes with the escapes undone of what needs none: letters, digits, and ``-._~``."""
    plain = np.empty(len(data), np.uint8)
    size, at = 0, 0
    while at < len(data):
        byte = data[at]
        if byte == _PERCENT and at + 2 < len(data):
            value = 16 * _hex_digit(data[at + 1]) + _hex_digit(data[at + 2])
            is_letter = 0x61 <= value | 0x20 <= 0x7A or 0x30 <= value <= 0x39
            if is_letter or value in (0x2D, 0x2E, 0x5F, 0x7E):
                byte = np.uint8(value)
                at += 2
        plain[size] = byte
        size += 1
        at += 1
    return plain[:size]


@njit(cache=True, nogil=True)
def _hex_digit(byte: np.uint8) -> int:
    """The value of a hexadecimal digit; of any other byte one that makes no ASCII of two."""
    if 0x30 <= byte <= 0x39:
        return int(byte) - 0x30
    return (int(byte) | 0x20) - 0x57 if 0x61 <= byte | 0x20 <= 0x66 else 256


@njit(cache=True, nogil=True)
def _hash_on(state: np.uint64, data: Bytes, start: int, end: int) -> np.uint64:
    """Take bytes into a hash, ASCII letters in lower case."""
    for byte in data[start:end]:
        state = hash_step(state, np.uint64(byte + 32 if 65 <= byte <= 90 else byte))
    return state


@njit(cache=True, nogil=True)
def _without_www(data: Bytes, start: int, end: int) -> int:
    """Where a host starts behind ``www.``, ``www2.`` and the like."""
    if end - start < 5:
        return start
    for i in range(start, start + 3):
        if data[i] | 0x20 != 0x77:
            return start
    at = start + 3
    while at < end and 0x30 <= data[at] <= 0x39:
        at += 1
    return at + 1 if at < end and data[at] == _DOT else start


@njit(cache=True, nogil=True)
def _find(data: Bytes, host_end: int, hashes: Hashes, numbers: npt.NDArray[np.uint8]) -> int:
    """The smallest category of any entry that a page's host and path, ``data``, fall under; 255 for none."""
    found: int = _look_up(hash_end(_hash_on(FNV_BASIS, data, 0, host_end)), hashes, numbers)
    if not _is_ip_address(data, host_end):
        for at in range(host_end - 1):
            if data[at] == _DOT:
                parent = hash_end(_hash_on(FNV_BASIS, data, at + 1, host_end))
                found = min(found, _look_up(parent, hashes, numbers))
    start = _without_www(data, 0, host_end)
    state = _hash_on(FNV_BASIS, data, start, host_end)
    for at in range(host_end, len(data)):
        state = _hash_on(state, data, at, at + 1)
        if at + 1 == len(data) or _is_break(data[at + 1]):
            found = min(found, _look_up(hash_end(state), hashes, numbers))
    return found


@njit(cache=True, nogil=True)
def _is_break(byte: np.uint8) -> bool:
    return byte in (_SLASH, _QUESTION, _AMPERSAND, _HASH, _SEMICOLON)


@njit(cache=True, nogil=True)
def _is_ip_address(data: Bytes, host_end: int) -> bool:
    """Whether the last label is a number, which no domain's is."""
    at = host_end
    while at > 0 and 0x30 <= data[at - 1] <= 0x39:
        at -= 1
    return at < host_end and (at == 0 or data[at - 1] == _DOT)


@njit(cache=True, nogil=True)
def _look_up(value: np.uint64, hashes: Hashes, numbers: npt.NDArray[np.uint8]) -> int:
    at = np.searchsorted(hashes, value)
    return numbers[at] if at < len(hashes) and hashes[at] == value else _NONE
