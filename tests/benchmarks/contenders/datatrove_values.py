"""What datatrove's filters hold against their bounds, and what they decide. Arguments: DOCUMENTS.jsonl OUT.json.

``published``: the filters as they come. ``set``: with the settings that bring them nearest to our definitions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import TERMINAL_PUNCTUATION
from datatrove.utils.word_tokenizers import WordTokenizer
from rounds import texts_of

Values = dict[str, tuple[float | str | None, bool]]  # signal -> value, and whether it fails

# A filter's attribute -> what it compares with that bound, in its order. "{}" is n, where the bounds are by n.
QUALITY = {
    "min_doc_words": ("num_words",),
    "max_doc_words": ("num_words",),
    "min_avg_word_length": ("mean_word_length",),
    "max_avg_word_length": ("mean_word_length",),
    "max_symbol_word_ratio": ("hash_to_word_ratio", "ellipsis_to_word_ratio"),
    "max_bullet_lines_ratio": ("bullet_line_fraction",),
    "max_ellipsis_lines_ratio": ("ellipsis_line_fraction",),
    "max_non_alpha_words_ratio": ("alphabetic_word_fraction",),
    "min_stop_words": ("num_stop_words",),
}
REPETITION = {
    "dup_line_frac": ("duplicate_line_fraction",),
    "dup_para_frac": ("duplicate_paragraph_fraction",),
    "dup_line_char_frac": ("duplicate_line_char_fraction",),
    "dup_para_char_frac": ("duplicate_paragraph_char_fraction",),
    "top_n_grams": ("top_{}gram_char_fraction",),
    "dup_n_grams": ("duplicate_{}gram_char_fraction",),
}
C4 = {"min_num_sentences": ("num_retained_sentences",)}
FINEWEB = {
    "line_punct_thr": ("terminal_line_fraction",),
    "short_line_threshold": ("short_line_fraction",),
    "char_duplicates_ratio": ("duplicate_line_char_fraction",),
    "new_line_ratio": ("newline_to_word_ratio",),
}


class WhiteSpaceWords(WordTokenizer):
    """Words split at white space."""

    def word_tokenize(self, text: str) -> list[str]:
        """As Python splits."""
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        """Nobody asks it."""
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Nobody asks it."""
        raise NotImplementedError


class Noted:
    """Stands in a filter where a bound stood: fails nothing, and notes what it is compared with."""

    __array_ufunc__ = None  # or NumPy's numbers would compare it themselves

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self.seen: list[tuple[float, bool]] = []

    def __lt__(self, value: float) -> bool:
        """``value > bound``."""
        self.seen.append((float(value), bool(value > self._bound)))
        return False

    def __gt__(self, value: float) -> bool:
        """``value < bound``."""
        self.seen.append((float(value), bool(value < self._bound)))
        return False


class Watched:
    """A filter all of whose bounds are noted."""

    def __init__(self, made: Any, signals: dict[str, tuple[str, ...]]) -> None:
        self._made = made
        self._notes: list[tuple[Noted, tuple[str, ...]]] = []
        for attribute, names in signals.items():
            setattr(made, attribute, self._note(getattr(made, attribute), names))

    def _note(self, bound: Any, names: tuple[str, ...]) -> Any:
        if isinstance(bound, tuple):
            return tuple((n, self._note(bound_of_n, (names[0].format(n),))) for n, bound_of_n in bound)
        noted = Noted(bound)
        self._notes.append((noted, names))
        return noted

    def values(self, text: str) -> Values:
        """What the filter computes from a document."""
        for noted, _ in self._notes:
            noted.seen.clear()
        keeps(self._made, text)
        found: Values = {}
        for noted, names in self._notes:
            for name, (value, fails) in zip(names, noted.seen, strict=False):  # an n-gram may have no occurrence
                found[name] = (value, fails or found.get(name, (value, False))[1])
        return found


def keeps(made: Any, text: str) -> bool:
    """The filter's own decision."""
    result = made.filter(Document(text=text, id=""))
    return bool(result[0] if isinstance(result, tuple) else result)


class Settings:
    """All filters, with one choice of settings."""

    def __init__(self, gopher: dict[str, Any], c4: dict[str, Any], fineweb: dict[str, Any]) -> None:
        lines_only = c4 | {"min_num_sentences": -1, "filter_curly_bracket": False, "filter_lorem_ipsum": False}
        sentences = c4 | {"filter_curly_bracket": False, "filter_lorem_ipsum": False}
        self._watched = {
            "quality": Watched(GopherQualityFilter(**gopher), QUALITY),
            "repetition": Watched(GopherRepetitionFilter(**gopher), REPETITION),
            "c4": Watched(C4QualityFilter(**sentences), C4),
            "fineweb": Watched(FineWebQualityFilter(**fineweb), FINEWEB),
        }
        self._whole = {
            "quality": GopherQualityFilter(**gopher),
            "repetition": GopherRepetitionFilter(**gopher),
            "c4": C4QualityFilter(**c4),
            "fineweb": FineWebQualityFilter(**fineweb),
        }
        self._pages = {
            "num_curly_brackets": C4QualityFilter(**lines_only | {"filter_curly_bracket": True}),
            "num_lorem_ipsum": C4QualityFilter(**lines_only | {"filter_lorem_ipsum": True}),
        }
        self._lines = C4QualityFilter(**lines_only)

    def values(self, text: str) -> dict[str, Values]:
        """All that is known of a document, by set of rules; "all" is the decision of the set."""
        found = {table: watched.values(text) for table, watched in self._watched.items()}
        for table, made in self._whole.items():
            found[table]["all"] = (None, not keeps(made, text))
        for name, made in self._pages.items():
            found["c4"][name] = (None, not keeps(made, text))
        document = Document(text=text, id="")
        self._lines.filter(document)
        found["c4"]["lines that stay"] = (document.text, False)
        return found


def main() -> None:
    """Write OUT.json."""
    words = {"language": WhiteSpaceWords()}
    end_marks = (*TERMINAL_PUNCTUATION, *"\"'”\u2019")
    settings = {
        "published": Settings({}, {}, {}),
        "set": Settings(
            words,
            {"min_num_sentences": 3, "min_words_per_line": 5},
            {**words, "stop_chars": end_marks, "short_line_length": 29, "char_duplicates_ratio": 0.1},
        ),
    }
    documents = [{name: chosen.values(text) for name, chosen in settings.items()} for text in texts_of(sys.argv[1])]
    Path(sys.argv[2]).write_text(json.dumps(documents))


if __name__ == "__main__":
    main()
