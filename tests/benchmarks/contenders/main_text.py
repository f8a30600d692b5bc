"""Pages to their main text. Arguments: PAGES.jsonl EXTRACTOR [TEXTS.jsonl: write the texts there instead of rounds]."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from rounds import answer, texts_of


def blocks() -> Callable[[str], str]:
    """Our parser, features, model and renderer, from the page's string as the others."""
    from filters.block_classifier import choose_blocks
    from filters.html_blocks import blocks as find_blocks
    from filters.html_text import render
    from filters.html_tree import parse

    def extract(page: str) -> str:
        tree = parse(page)
        found = find_blocks(tree)
        return render(tree, found, choose_blocks(tree, found))

    return extract


def resiliparse() -> Callable[[str], str]:
    """With the options that score best: formatting, no alternative texts."""
    from resiliparse.extract.html2text import extract_plain_text

    return lambda page: extract_plain_text(page, main_content=True, preserve_formatting=True, alt_texts=False)


def trafilatura(include_comments: bool) -> Callable[[str], str]:
    """Its defaults, comments aside."""
    from trafilatura import extract

    return lambda page: extract(page, include_comments=include_comments) or ""


def main() -> None:
    """Serve rounds, or write the texts."""
    extractors = {
        "blocks": blocks,
        "resiliparse": resiliparse,
        "trafilatura": lambda: trafilatura(True),
        "trafilatura-no-comments": lambda: trafilatura(False),
    }
    pages, extract = texts_of(sys.argv[1]), extractors[sys.argv[2]]()
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"text": extract(page)}) + "\n" for page in pages)
        return

    def one_pass() -> int:
        for page in pages:
            extract(page)
        return len(pages)

    answer(one_pass)


if __name__ == "__main__":
    main()
