import gzip
import math

import pyarrow as pa
import pytest

pytest.importorskip("heliport", reason="needs the extra heliport")

from heliport import Identifier

from filters.fasttext_file import read_labels
from filters.language import LanguageDetector
from filters.language_heliport import CODES, LANGUAGES, HeliportDetector

TEXTS = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",  # noqa: RUF001
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "sh": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima.",
}


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return HeliportDetector()


def test_languages_have_the_codes_of_lid_176(detector) -> None:
    labels, scores = detector.predict(pa.array(TEXTS.values()))
    assert labels.to_pylist() == list(TEXTS)
    assert (labels.type, scores.type) == (pa.string(), pa.float32())
    assert all(0.5 < score <= 1 for score in scores.to_pylist())


def test_texts_with_nothing_to_read_are_null(detector) -> None:
    labels, scores = detector.predict(pa.array([None, "", " \n", "12 34", TEXTS["en"]]))
    assert labels.to_pylist() == [None] * 4 + ["en"]
    assert scores.to_pylist()[:4] == [None] * 4
    assert [len(column) for column in detector.predict(pa.array([], pa.string()))] == [0, 0]


def test_the_score_is_the_probability_against_the_next_language_a_word(detector) -> None:
    confidence = Identifier().identify_with_score(TEXTS["de"])[1]
    assert detector.predict(pa.array([TEXTS["de"]]))[1][0].as_py() == pytest.approx(1 / (1 + math.pow(10, -confidence)))


def test_the_codes_are_heliports_and_lid_176s(language_model_path) -> None:
    ours = {name for name in Identifier().get_confidence_all() if len(name) == 3 and name not in ("und", "zxx")}
    assert {CODES.get(name, name) for name in ours} == set(LANGUAGES)
    assert set(CODES) <= ours
    # All two-letter codes are lid.176's, but for languages that it does not know.
    others = ["ab", "ay", "ee", "fj", "fo", "ho", "ig", "iu", "kl", "kr", "lg", "ln", "mi", "nv", "om", "pi", "se",
              "sg", "sn", "st", "ti", "ts", "tw", "zu"]  # fmt: skip
    assert sorted(set(CODES.values()) - set(read_labels(language_model_path))) == others


def test_english_is_told_from_74_languages(detector, shared) -> None:
    with gzip.open(shared / "langid" / "sentences.tsv.gz", "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t", 1) for line in list(stream)[1:]]
    rows = [row for row in rows if row[0] == "en"] + rows[::9]
    labels = detector.predict(pa.array([text for _, text in rows]))[0].to_pylist()
    found = [label == "en" for label in labels]
    english = [is_found for is_found, (label, _) in zip(found, rows, strict=True) if label == "en"]
    assert sum(english) / len(english) >= 0.98
    assert (sum(found) - sum(english)) / (len(found) - len(english)) <= 0.004
