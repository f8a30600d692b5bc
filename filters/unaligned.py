"""Several bytes of a text at once, for kernels that would else go byte by byte."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES: Final = 32  # bytes that ``between`` looks at


@intrinsic
def load(typing_context: Any, array: Any, position: Any) -> Any:
    """Eight bytes from ``position`` on as a number, the first lowest; all of them must be in the array."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_value_type(signature.return_type)
        return _load_as(number, context, builder, signature.args[0], *arguments)

    return types.uint64(array, types.int64), code


@intrinsic
def between(typing_context: Any, array: Any, position: Any, low: Any, high: Any) -> Any:
    """Which of the ``LANES`` bytes from ``position`` on are in ``low`` to ``high``: bit i is set for the i-th of them.

    All of them must be in the array. A few instructions of the processor: LLVM joins the loads of several calls.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.VectorType(ir.IntType(8), LANES)
        block = _load_as(lanes, context, builder, signature.args[0], *arguments[:2])
        low, high = (_in_each_lane(builder, bound, lanes) for bound in arguments[2:])
        is_inside = builder.icmp_unsigned("<=", builder.sub(block, low), builder.sub(high, low))
        bits = builder.bitcast(is_inside, ir.IntType(LANES))
        return builder.zext(bits, context.get_value_type(signature.return_type))

    return types.uint64(array, types.int64, types.uint8, types.uint8), code


def _load_as(kind: Any, context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    struct = context.make_array(array_type)(context, builder, array)
    return builder.load(cgutils.pointer_add(builder, struct.data, position, kind.as_pointer()), align=1)


def _in_each_lane(builder: Any, value: Any, lanes: Any) -> Any:
    first = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def trailing_zeros(typing_context: Any, number: Any) -> Any:
    """The place of the lowest bit that is set; 64 for 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))  # 0: defined for 0

    return types.int64(types.uint64), code


@njit(cache=True, nogil=True, forceinline=True)
def low_bytes(size: int) -> np.uint64:
    """All bits of the lowest ``size`` bytes, 1 to 8."""
    return ~np.uint64(0) >> np.uint64(8 * (8 - size))


@njit(cache=True, nogil=True, forceinline=True)
def read_bytes(data: NDArray[np.uint8], position: int, size: int) -> np.uint64:
    """Up to eight bytes from ``position`` on as a number, the first lowest.

    Args:
        data: uint8 [n].
        position: Of the first byte.
        size: 1 to 8; ``position + size <= n``.
    """
    if position + 8 <= len(data):
        block: np.uint64 = load(data, np.int64(position)) & low_bytes(size)
        return block
    number = np.uint64(0)
    for i in range(size):
        number |= np.uint64(data[position + i]) << np.uint64(8 * i)
    return number
