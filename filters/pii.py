"""Personal data in text: where e-mail addresses, public IP addresses and phone numbers stand.

Found by what they look like, in one pass over the bytes of UTF-8, in time linear in their number: no name, no postal
address, and nobody can tell an example from a real one. What is found is measured with the other signals; whether it is
redacted is decided by the filter, and done where the text is read next.

What counts as which stands at ``filters.email_addresses``, ``filters.ip_addresses`` and ``filters.phone_numbers``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from filters.ascii_bytes import DIGIT, is_in
from filters.email_addresses import email_around
from filters.ip_addresses import ip_address_end
from filters.phone_numbers import phone_number_end, scratch
from filters.text import text_buffers
from filters.utf8 import Bytes, Flags, Positions

PII_KINDS: Final = ("email", "ip_address", "phone")

# A document's spans, in order and apart: bytes of its UTF-8 from start up to stop.
PII_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int32(), nullable=False),
            pa.field("stop", pa.int32(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),  # one of PII_KINDS
        ]
    )
)

_EMAIL, _IP_ADDRESS, _PHONE = range(3)
_AT = ord("@")


def _flags(*members: tuple[bytes, int]) -> Bytes:
    """A bit a group for each byte."""
    found = np.zeros(256, np.uint8)
    for group, bit in members:
        found[list(group)] |= bit
    found.flags.writeable = False
    return found


# What begins something, or stands in its middle.
_TRIGGERS: Final = _flags((b"@+(0123456789", 1))

# A number of few digits is part of something only when a byte of the same bit stands behind each of these: a dot or
# slash before a digit, a space before what a group of digits may begin with, and so on. C2 and E2 begin no-break spaces
# and dashes, which are looked at later.
_DIGITS: Final = b"0123456789"
_GOES_ON: Final = _flags((b".:", 1), (b" -/", 2), (b")(", 4), (b":abcdefABCDEF0123456789", 8), (b"\xc2\xe2", 16))
_KINDS: Final = _flags(
    (_DIGITS, 1 | 2 | 4 | 8), (b" -/(\xc2\xe2", 2), (b" -./\xc2\xe2", 4), (b":abcdefABCDEF", 8), (bytes(range(256)), 16)
)


def pii_spans(texts: pa.Array) -> pa.Array:
    """Find personal data in a column of texts.

    Args:
        texts: string or large_string [n], nulls allowed.

    Returns:
        ``PII_TYPE`` [n], null for a null text.
    """
    data, doc_offsets, valid = text_buffers(texts)
    offsets, starts, stops, kinds = _find(data, doc_offsets, valid, scratch())
    names = pa.array(PII_KINDS, pa.string()).take(pa.array(kinds))
    values = pa.StructArray.from_arrays([pa.array(starts), pa.array(stops), names], fields=list(PII_TYPE.value_type))
    mask = None if valid.all() else pa.array(~valid)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=PII_TYPE, mask=mask)


@njit(cache=True, nogil=True)
def _find(
    data: Bytes, doc_offsets: Positions, valid: Flags, groups: Positions
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Where the spans of each document start in the other arrays; their starts, stops and kinds."""
    offsets = np.zeros(len(doc_offsets), np.int32)
    starts, stops, kinds = np.empty(64, np.int32), np.empty(64, np.int32), np.empty(64, np.int8)
    count = 0
    for doc in range(len(valid)):
        start, end = doc_offsets[doc], doc_offsets[doc + 1] if valid[doc] else doc_offsets[doc]
        first, position = count, start
        while True:
            position = _next_trigger(data, position, end)
            if position == end:
                break
            kind, span_start, span_stop = _span_at(data, position, start, end, groups)
            if span_start == span_stop:
                position = span_stop
                continue
            while count > first and start + stops[count - 1] > span_start:  # an address whose name is a number
                count -= 1
            if count == len(starts):
                starts, stops, kinds = _doubled(starts), _doubled(stops), _doubled(kinds)
            starts[count], stops[count], kinds[count] = span_start - start, span_stop - start, kind
            count += 1
            position = span_stop
        offsets[doc + 1] = count
    return offsets, starts[:count], stops[:count], kinds[:count]


@njit(cache=True, nogil=True)
def _next_trigger(data: Bytes, position: int, end: int) -> int:
    """Where to look next. A loop of its own: within that of ``_find`` it took fifteen times as long."""
    while position < end:
        if not _TRIGGERS[data[position]]:
            position += 1
        elif not 0x30 <= data[position] <= 0x39:
            break
        else:  # most numbers stand alone, and begin nothing
            after = position + 1
            while after < end and 0x30 <= data[after] <= 0x39:
                after += 1
            following = data[after + 1] if after + 1 < end else np.uint8(0)
            if after - position >= 7 or (after < end and _GOES_ON[data[after]] & _KINDS[following]):
                break
            position = after
    return position


@njit(cache=True, nogil=True)
def _span_at(data: Bytes, position: int, start: int, end: int, groups: Positions) -> tuple[int, int, int]:
    """Kind, start and end of what begins at ``position``, or is an address around it.

    Where there is nothing, start and end are both where to go on: behind the digits, none of which begins anything.
    """
    if data[position] == _AT:
        first, stop = email_around(data, position, start, end)
        return (_EMAIL, first, stop) if first < stop else (_EMAIL, position + 1, position + 1)
    is_digit = is_in(data, position, start, end, DIGIT)
    if is_digit:
        stop = ip_address_end(data, position, start, end)
        if stop > position:
            return _IP_ADDRESS, position, stop
    stop = phone_number_end(data, position, start, end, groups)
    if stop > position:
        return _PHONE, position, stop
    position += 1
    while is_digit and is_in(data, position, start, end, DIGIT):
        position += 1
    return _PHONE, position, position


@njit(cache=True, nogil=True)
def _doubled(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    larger = np.empty(2 * len(values), values.dtype)
    larger[: len(values)] = values
    return larger
