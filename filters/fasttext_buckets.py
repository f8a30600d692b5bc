"""Which buckets of a fastText model have a row of its input matrix, and which row that is.

fastText puts n-grams into buckets by their hash; a pruned model such as lid.176.ftz has lost the rows of most of them
(of its 2,000,000 buckets it keeps 42,765). Whether a bucket is kept is asked for each n-gram of a text, so that a bit
a bucket is all that it costs: 0.25 MB for lid.176, which stays near the core.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray


class Buckets(NamedTuple):
    """A model's buckets as kernels read them."""

    size: np.uint64
    reciprocal: np.uint64  # 2**64 // size + 1
    kept: NDArray[np.uint64]  # a bit for each bucket, 64 a number
    first_rows: NDArray[np.int32]  # row of the first kept bucket from each 64th on


def buckets_of(is_kept: NDArray[np.bool_], first_row: int) -> Buckets:
    """Number the rows of the kept buckets in order, from ``first_row`` on.

    Args:
        is_kept: bool [buckets].
        first_row: Of the first kept bucket.
    """
    size = np.uint64(len(is_kept))
    bits = np.zeros(-(-len(is_kept) // 64) * 64, np.bool_)
    bits[: len(is_kept)] = is_kept
    before = first_row + np.cumsum(bits) - bits
    kept = np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)
    reciprocal = np.uint64((1 << 64) // max(len(is_kept), 2) + 1)
    return Buckets(size, reciprocal, kept, before[::64].astype(np.int32))


@njit(cache=True, nogil=True, forceinline=True)
def bucket_of(buckets: Buckets, state: np.uint32) -> np.uint64:
    """Bucket of a hash of 32 bits: the hash modulo their number."""
    bucket: np.uint64 = _remainder(np.uint64(state), buckets.reciprocal, buckets.size)
    return bucket


@njit(cache=True, nogil=True, forceinline=True)
def is_kept(buckets: Buckets, bucket: np.uint64) -> np.uint64:
    """1 where a bucket has a row, else 0; without a branch, which would be mispredicted."""
    bit: np.uint64 = (buckets.kept[bucket >> np.uint64(6)] >> (bucket & np.uint64(63))) & np.uint64(1)
    return bit


@njit(cache=True, nogil=True, forceinline=True)
def row_of(buckets: Buckets, bucket: np.uint64) -> np.int64:
    """Row of a bucket that is kept."""
    block = bucket >> np.uint64(6)
    before = (np.uint64(1) << (bucket & np.uint64(63))) - np.uint64(1)
    row: np.int64 = buckets.first_rows[block] + np.int64(_count_bits(buckets.kept[block] & before))
    return row


@intrinsic
def _remainder(typing_context: Any, number: Any, reciprocal: Any, divisor: Any) -> Any:
    """A number below 2**32 modulo a divisor below 2**32, by two multiplications (Lemire, Kaser, Kurz 2019)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fraction = builder.mul(arguments[0], arguments[1])  # of number / divisor, in 64 bits
        long = ir.IntType(128)
        product = builder.mul(builder.zext(fraction, long), builder.zext(arguments[2], long))
        return builder.trunc(builder.lshr(product, ir.Constant(long, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64, types.uint64), generate


@intrinsic
def _count_bits(typing_context: Any, number: Any) -> Any:
    """Ones of a uint64, by the machine's own instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate
