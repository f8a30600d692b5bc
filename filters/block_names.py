"""The names of the features of a page's blocks, in the order of their rows, and where each group of rows starts.

A trained model knows features by their row: to change this is to train anew.
"""

from __future__ import annotations

from typing import Final

NUM_ANCESTORS: Final = 5
NUM_FLAGS: Final = 21
SHIFTS: Final = (-3, -2, -1, 1, 2, 3)
WINDOWS: Final = (2, 5, 12)

_TEXT = (
    "size chars link_ratio links ends commas punctuation_ratio digit_ratio capital_ratio word_length cjk_ratio "
    "non_ascii_ratio symbol_ratio inline images breaks controls first last bold_ratio token_sum token_mean token_low "
    "token_first token_last repeats in_title of_title"
)
TEXT_NAMES: Final = tuple(_TEXT.split())
_ELEMENT = (
    "heading_level own_weight path_sum path_low path_high parent_weight depth is_item is_cell is_p is_quote is_code "
    "is_definition is_control"
)
ELEMENT_NAMES: Final = (*_ELEMENT.split(), *(f"in_flag_{i}" for i in range(NUM_FLAGS)))
_ANCESTOR = "blocks size link_ratio good_ratio good_share path place mean_size"
ANCESTOR_NAMES: Final = tuple(f"{name}_up{level}" for level in range(NUM_ANCESTORS) for name in _ANCESTOR.split())
_MAIN = "side distance share levels"
MAIN_NAMES: Final = (
    *(f"{name}_main{i}" for i in range(3) for name in _MAIN.split()),
    "score_ratio",
    "best_score_ratio",
)
_GROUP = "count size parent_size link_ratio"
_KIND = "kind_count kind_size kind_link_ratio kind_good_ratio kind_as_before"
GROUP_NAMES: Final = (
    *(f"{name}_{which}_group" for which in ("near", "far") for name in _GROUP.split()),
    *_KIND.split(),
)
_PLACE = (
    "block_place size_place blocks_before blocks_after h1_side h1_distance heading_distance heading_level_before "
    "heading_mean_before heading_path_before title_distance"
)
PLACE_NAMES: Final = tuple(_PLACE.split())
PAGE_KINDS: Final = ("forum", "listing", "documentation", "service")  # those that articles are told from
_PAGE = (
    "page_size page_blocks page_link_ratio page_good_ratio page_cjk_ratio page_h1 page_articles page_p page_li page_tr "
    "page_main_share page_path page_mean"
)
PAGE_NAMES: Final = (*_PAGE.split(), *(f"page_is_{kind}" for kind in PAGE_KINDS))
NEIGHBOUR_OF: Final = "size link_ratio punctuation_ratio token_mean heading_level own_weight path_sum"
NEIGHBOUR_NAMES: Final = tuple(f"{name}{shift:+d}" for name in NEIGHBOUR_OF.split() for shift in SHIFTS)
_WINDOW = "size link_ratio good_ratio"
WINDOW_NAMES: Final = tuple(f"{name}_within{w}" for w in WINDOWS for name in _WINDOW.split())

NAMES: Final = (
    *TEXT_NAMES, *ELEMENT_NAMES, *ANCESTOR_NAMES, *MAIN_NAMES, *GROUP_NAMES, *PLACE_NAMES, *PAGE_NAMES,
    *NEIGHBOUR_NAMES, *WINDOW_NAMES,
)  # fmt: skip
ELEMENT_AT: Final = len(TEXT_NAMES)
ANCESTOR_AT: Final = ELEMENT_AT + len(ELEMENT_NAMES)
MAIN_AT: Final = ANCESTOR_AT + len(ANCESTOR_NAMES)
GROUP_AT: Final = MAIN_AT + len(MAIN_NAMES)
PLACE_AT: Final = GROUP_AT + len(GROUP_NAMES)
PAGE_AT: Final = PLACE_AT + len(PLACE_NAMES)
NEIGHBOUR_AT: Final = PAGE_AT + len(PAGE_NAMES)
WINDOW_AT: Final = NEIGHBOUR_AT + len(NEIGHBOUR_NAMES)
NUM_FEATURES: Final = len(NAMES)
