"""The slow engine: trafilatura, some 20 times the time of ours. An extra: ``pip install 'massivetext[trafilatura]'``.

Its list items start with ``-``, the cells of its tables are parted by ``|``, its paragraphs by a line end.
"""

from __future__ import annotations

import logging


def extract(source: str) -> str:
    """Give a page's main text, not yet tidied; empty where trafilatura finds none.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        import trafilatura
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the engine needs trafilatura: pip install 'massivetext[trafilatura]'") from error
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # a page without text is no error
    return trafilatura.extract(source, output_format="txt") or ""
