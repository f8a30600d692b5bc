"""Arrays without reference counts, for kernels that call kernels.

Numba counts references to an array's memory at each call that passes it, with atomic operations: 5 to 10 ns an array
and call, more than the work of a small kernel. An array without an owner is not counted.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def uncounted(typing_context: Any, value: Any) -> Any:
    """Give the same array, or the same tuple of arrays and other values, without its owner, which must outlive it.

    The arguments of a kernel do, as their owner is the caller's variable. An array that the kernel made itself does as
    long as the kernel uses or returns the counted one afterwards: Numba frees it after its last use.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _without_owner(context, builder, signature.args[0], arguments[0])

    return value(value), code


def _without_owner(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
        return context.make_tuple(builder, kind, [_without_owner(context, builder, *part) for part in parts])
    if not isinstance(kind, types.Array):
        return value
    struct = context.make_array(kind)(context, builder, value)
    struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
    return struct._getvalue()
