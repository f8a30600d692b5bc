"""SPDX licence expressions, as ``MIT OR (Apache-2.0 AND BSD-3-Clause)``.

Source: SPDX Specification 2.3, annex D (grammar; operators in capitals, names in any case).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

_TOKEN = re.compile(r"[ \t]*(?:([()])|([A-Za-z0-9.+:-]+))")

_MAX_BRACKETS: Final = 50  # they are read by recursion


class ExpressionError(ValueError):
    """No expression of the grammar."""


def permits(expression: str, allowed: Collection[str]) -> bool:
    """Say whether an expression lets one take a work under the licences of a list.

    ``OR`` is a choice, one side of which must be in the list; ``AND`` asks for both; an exception (``WITH``) only
    widens its licence; a ``+`` behind a name (or any later version) leaves that version among the choices.

    Args:
        expression: An SPDX expression.
        allowed: SPDX names, in any case.

    Raises:
        ExpressionError: It is none.
    """
    tokens = list(_tokens(expression))
    if tokens.count("(") > _MAX_BRACKETS:
        raise ExpressionError(f"an expression may have at most {_MAX_BRACKETS} brackets; got {tokens.count('(')}")
    names = {name.lower() for name in allowed}
    if not tokens:
        raise ExpressionError("the expression is empty")
    value = _either(tokens, names)
    if tokens:
        raise ExpressionError(f"nothing may follow a whole expression; got {' '.join(tokens)!r}")
    return value


def _tokens(expression: str) -> Iterator[str]:
    position, text = 0, expression.rstrip(" \t")
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"no licence name or bracket at character {position} of {expression!r}")
        position = match.end()
        yield match[1] or match[2]


def _either(tokens: list[str], allowed: Collection[str]) -> bool:
    value = _both(tokens, allowed)
    while tokens and tokens[0].upper() == "OR":
        del tokens[0]
        other = _both(tokens, allowed)
        value = value or other
    return value


def _both(tokens: list[str], allowed: Collection[str]) -> bool:
    value = _one(tokens, allowed)
    while tokens and tokens[0].upper() == "AND":
        del tokens[0]
        other = _one(tokens, allowed)
        value = value and other
    return value


def _one(tokens: list[str], allowed: Collection[str]) -> bool:
    if not tokens:
        raise ExpressionError("the expression ends where a licence is asked for")
    token = tokens.pop(0)
    if token == "(":
        value = _either(tokens, allowed)
        if not tokens or tokens.pop(0) != ")":
            raise ExpressionError("a bracket is not closed")
        return value
    if token == ")" or token.upper() in ("OR", "AND", "WITH"):
        raise ExpressionError(f"a licence must stand where {token!r} does")
    if tokens and tokens[0].upper() == "WITH":
        if len(tokens) < 2:
            raise ExpressionError("an exception must follow WITH")
        del tokens[:2]
    return token.removesuffix("+").lower() in allowed
