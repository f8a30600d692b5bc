"""The features of the second look: what the first model said of a block's neighbours, kind and surroundings."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.block_codes import Features, log_code, ratio_code
from filters.block_context import Context
from filters.block_features import BlockFeatures
from filters.block_names import NAMES, NUM_ANCESTORS
from filters.block_surroundings import Ints, Surroundings
from filters.uncounted import uncounted

P_BITS: Final = 16  # probabilities are integers below 2 ** 16
_CODE_SHIFT: Final = P_BITS - 6
_LIKELY: Final = 1 << (P_BITS - 1)
_SHIFTS: Final = np.array([-3, -2, -1, 1, 2, 3])
_WINDOWS: Final = np.array([2, 5, 12])

_REST = "p_kind p_kind_share p_page p_size p_before distance_before distance_after p_heading p_item p_group"
SECOND_NAMES: Final = (
    "p",
    *(f"p{shift:+d}" for shift in (-3, -2, -1, 1, 2, 3)),
    *(f"p_within{window}" for window in (2, 5, 12)),
    *(f"{name}_up{level}" for level in range(NUM_ANCESTORS) for name in ("p", "p_share")),
    *_REST.split(),
)
NUM_SECOND: Final = len(SECOND_NAMES)
_LEVEL_ROW: Final = NAMES.index("heading_level")


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def second_features(first: BlockFeatures, p: npt.NDArray[np.int64]) -> Features:
    """Add the second look's rows to the first's.

    Args:
        first: The first look's features.
        p: int64 [num_blocks], the first model's probabilities, 0 to 65,535.

    Returns:
        uint8 [NUM_SECOND + NUM_FEATURES, num_blocks], the new rows first.
    """
    matrix = np.empty((NUM_SECOND + len(first.matrix), len(p)), np.uint8)
    matrix[:NUM_SECOND] = 0
    matrix[NUM_SECOND:] = first.matrix
    if len(p):
        _fill(matrix, first, p, np.maximum(first.context.size, 1).astype(np.int64))
    return matrix


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _fill(matrix: Features, first: BlockFeatures, p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> None:
    rows, first, p, size = uncounted(matrix), uncounted(first), uncounted(p), uncounted(size)
    rows[0] = p >> _CODE_SHIFT
    _neighbour_rows(rows, p, size)
    _element_rows(rows, first.around, first.context, p, size)
    _kind_rows(rows, first.kind, p, size)
    _page_rows(rows, first.matrix[_LEVEL_ROW], p, size)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _neighbour_rows(rows: Features, p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> None:
    num_blocks = len(p)
    for i in range(len(_SHIFTS)):
        for b in range(max(0, -_SHIFTS[i]), min(num_blocks, num_blocks - _SHIFTS[i])):
            rows[1 + i, b] = p[b + _SHIFTS[i]] >> _CODE_SHIFT
    mass, sizes = np.zeros(num_blocks + 1, np.int64), np.zeros(num_blocks + 1, np.int64)
    for b in range(num_blocks):
        mass[b + 1], sizes[b + 1] = mass[b] + p[b] * size[b], sizes[b] + size[b]
    for i in range(len(_WINDOWS)):
        for b in range(num_blocks):
            low, high = max(0, b - _WINDOWS[i]), min(num_blocks, b + _WINDOWS[i] + 1)
            rows[7 + i, b] = (mass[high] - mass[low]) // (sizes[high] - sizes[low]) >> _CODE_SHIFT


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _element_rows(
    rows: Features, around: Surroundings, context: Context, p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]
) -> None:
    """Mean probability in the elements around a block, and their share of the page's content."""
    codes = _element_codes(around, p, size)
    for b in range(len(p)):
        element = around.container[b]
        group = context.near_group[element]
        for level in range(NUM_ANCESTORS):
            if element < 0:
                break
            rows[10 + 2 * level, b] = codes[element, 0]
            rows[11 + 2 * level, b] = codes[element, 1]
            element = context.up[element]
        if group >= 0:
            rows[28, b] = codes[group, 0]
            rows[29, b] = codes[around.parent[group], 0]


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _element_codes(around: Surroundings, p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> Features:
    """Mean probability in each element, and its share of the page's content: uint8 [num_elements, 2]."""
    num_elements = len(around.tag)
    mass, sizes = np.zeros(num_elements, np.int64), np.zeros(num_elements, np.int64)
    for b in range(len(p)):
        mass[around.container[b]] += p[b] * size[b]
        sizes[around.container[b]] += size[b]
    codes = np.empty((num_elements, 2), np.uint8)
    for element in range(num_elements - 1, -1, -1):
        codes[element, 0] = np.uint64(mass[element]) // np.uint64(sizes[element]) >> np.uint64(_CODE_SHIFT)
        if element:
            mass[around.parent[element]] += mass[element]
            sizes[around.parent[element]] += sizes[element]
    for element in range(num_elements):
        codes[element, 1] = ratio_code(mass[element], mass[0])
    return codes


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _kind_rows(rows: Features, kind: Ints, p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> None:
    mass, sizes = np.zeros(len(p), np.int64), np.zeros(len(p), np.int64)
    for b in range(len(p)):
        mass[kind[b]] += p[b] * size[b]
        sizes[kind[b]] += size[b]
    total = mass.sum()
    for b in range(len(p)):
        rows[20, b] = mass[kind[b]] // sizes[kind[b]] >> _CODE_SHIFT
        rows[21, b] = ratio_code(mass[kind[b]], total)


@njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _page_rows(
    rows: Features, level: npt.NDArray[np.uint8], p: npt.NDArray[np.int64], size: npt.NDArray[np.int64]
) -> None:
    num_blocks, total = len(p), (p * size).sum()
    mean = total // size.sum()
    before, last, heading = 0, -1, -1
    for b in range(num_blocks):
        rows[22, b] = mean >> _CODE_SHIFT
        rows[23, b] = log_code(total >> P_BITS)
        rows[24, b] = ratio_code(before, total)
        rows[25, b] = log_code(b - last) if last >= 0 else 63
        rows[27, b] = p[heading] >> _CODE_SHIFT if heading >= 0 else 0
        before += p[b] * size[b]
        if p[b] >= _LIKELY:
            last = b
        if level[b]:
            heading = b
    following = -1
    for b in range(num_blocks - 1, -1, -1):
        rows[26, b] = log_code(following - b) if following >= 0 else 63
        if p[b] >= _LIKELY:
            following = b
