"""Eight bytes of a text at once, for kernels that would else go byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray


@intrinsic
def _load(typing_context: Any, array: Any, position: Any) -> Any:
    """Eight bytes from ``position`` on as a number, the first lowest; all of them must be in the array."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        number = context.get_value_type(signature.return_type)
        pointer = cgutils.pointer_add(builder, struct.data, arguments[1], number.as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, types.int64), code


@njit(cache=True, nogil=True, forceinline=True)
def read_bytes(data: NDArray[np.uint8], position: int, size: int) -> np.uint64:
    """Up to eight bytes from ``position`` on as a number, the first lowest.

    Args:
        data: uint8 [n].
        position: Of the first byte.
        size: 1 to 8; ``position + size <= n``.
    """
    if position + 8 <= len(data):
        block: np.uint64 = _load(data, np.int64(position))
        return block & (~np.uint64(0) >> np.uint64(8 * (8 - size)))
    number = np.uint64(0)
    for i in range(size):
        number |= np.uint64(data[position + i]) << np.uint64(8 * i)
    return number
