"""Arrays without reference counts, for kernels that call kernels.

Numba counts references to an array's memory at each call that passes it, with atomic operations: 5 to 10 ns an array
and call, more than the work of a small kernel. An array without an owner is not counted.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def uncounted(typing_context: Any, array: Any) -> Any:
    """Give the same array without its owner, which must outlive it.

    The arguments of a kernel that Python calls do: their owner is the caller's. An array that the kernel made itself
    does not, as Numba frees it after its last use.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        return struct._getvalue()

    return array(array), code
