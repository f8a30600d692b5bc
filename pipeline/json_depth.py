"""How deep JSON nests: told before it is parsed.

How deep a parser goes depends on Python's version and on who calls it.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 100
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_STEPS))


def is_too_deep(data: bytes) -> bool:
    """Whether the brackets outside strings nest more than ``MAX_DEPTH`` levels; also told of what is no JSON."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    outside = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    brackets = b"".join(outside).translate(None, _NO_BRACKETS)
    return any(depth > MAX_DEPTH for depth in accumulate(_STEPS[bracket] for bracket in brackets))
