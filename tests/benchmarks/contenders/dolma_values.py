"""What dolma's taggers say of each document; they have no bounds. Arguments: DOCUMENTS.jsonl OUT.json.

``published``: as ``gopher_v2``, its latest, which leaves out empty lines. ``gopher_v1`` does not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dolma.core.data_types import Document
from dolma.taggers.c4 import FasterC4Tagger
from dolma.taggers.gopher import GopherAttributes, get_attributes
from rounds import texts_of

Values = dict[str, float]


def quality(found: GopherAttributes) -> Values:
    """By our names."""
    return {
        "num_words": found.word_count,
        "mean_word_length": found.median_word_length,
        "hash_to_word_ratio": found.symbol_to_word_ratio,
        "bullet_line_fraction": found.fraction_of_lines_starting_with_bullet_point,
        "ellipsis_line_fraction": found.fraction_of_lines_ending_with_ellipsis,
        "alphabetic_word_fraction": found.fraction_of_words_with_alpha_character,
        "num_stop_words": found.required_word_count,
    }


def repetition(found: GopherAttributes) -> Values:
    """By our names; a document of n - 1 words has no n-grams."""
    top, duplicate = found.fraction_of_characters_in_most_common_ngram, found.fraction_of_characters_in_duplicate_ngrams
    return {
        "duplicate_line_fraction": found.fraction_of_duplicate_lines,
        "duplicate_line_char_fraction": found.fraction_of_characters_in_duplicate_lines,
        **{f"top_{n}gram_char_fraction": value for n, value in top},
        **{f"duplicate_{n}gram_char_fraction": value for n, value in duplicate},
    }


def c4(text: str) -> Values:
    """What ``c4_v2`` says, by our names: marks of a page as 0 or 1, and a number of lines."""
    spans = FasterC4Tagger().predict(Document(source="", version="", id="", text=text)).spans
    kinds = [span.type for span in spans]
    return {
        "num_curly_brackets": kinds.count("has_curly_brace"),
        "num_lorem_ipsum": kinds.count("has_lorem_ipsum"),
        "lines without a terminal mark": kinds.count("lines_with_no_ending_punctuation"),
    }


def main() -> None:
    """Write OUT.json."""
    documents = []
    for text in texts_of(sys.argv[1]):
        settings = {}
        for name, ignore_empty_lines in (("published", True), ("gopher_v1", False)):
            found = get_attributes(text, ignore_empty_lines)
            settings[name] = {"quality": quality(found), "repetition": repetition(found), "c4": c4(text)}
        documents.append(settings)
    Path(sys.argv[2]).write_text(json.dumps(documents))


if __name__ == "__main__":
    main()
