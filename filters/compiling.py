"""Kernels that take long to compile, each called on next to nothing: once a machine, then Numba's cache has them.

The worker processes of a new machine would each compile all of them, at the same time; ``is_compiled`` and one process
for each function here spare that.

The kernels of pages say ``no_cfunc_wrapper``: Numba gives each kernel an entry for callers from C, which nobody here
is, and to take a tuple of many arrays apart once more is a quarter of the time that all of them take to compile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from filters.block_classifier import choose_blocks, choose_by_model
from filters.fineweb import fineweb_signals
from filters.html_blocks import blocks
from filters.html_tags import tag_of
from filters.html_text import render
from filters.html_tree import HtmlTree, _parse, parse
from filters.ngrams import repeated_ngrams
from filters.quality import quality_signals
from filters.repetition import repetition_signals
from filters.text import scan

_PAGE: Final = b"<p>text"


def html_text() -> None:
    """Parse a page and write it as text."""
    tree = parse(_PAGE)
    layout = blocks(tree)
    render(tree, layout, np.ones(len(layout.first_node), np.bool_))


def html_classifier() -> None:
    """Choose a page's blocks; the tree is made by hand, so that no parser is compiled."""
    columns = [[-1, 0, 1, 2], [4, 4, 4, 4], [0, 0, 2, 3], [0, 0, 2, 7], [0, 1, 2, 3], [-1, -1, -1, -1]]
    tags = np.array([tag_of("html"), tag_of("body"), tag_of("p"), tag_of("#text")], np.uint8)
    tree = HtmlTree(np.frombuffer(_PAGE, np.uint8), tags, *(np.array(column, np.int32) for column in columns))
    choose_blocks(tree, blocks(tree))


def text_rules() -> None:
    """Measure a text."""
    scanned = scan(pa.array(["text"], pa.large_string()))
    quality_signals(scanned)
    repetition_signals(scanned)
    fineweb_signals(scanned)


# what is to be compiled -> the kernel that is done last
_LAST: Final = {html_text: _parse, html_classifier: choose_by_model, text_rules: repeated_ngrams}


def is_compiled(what: Any) -> bool:
    """Whether an earlier process left a function's machine code on this disk."""
    kernel: Any = _LAST[what]
    code = kernel.py_func.__code__
    name = f"{Path(code.co_filename).stem}.{kernel.py_func.__qualname__}-{code.co_firstlineno}."
    folder = Path(kernel.stats.cache_path)
    return folder.is_dir() and any(file.name.startswith(name) for file in folder.glob("*.nbi"))
