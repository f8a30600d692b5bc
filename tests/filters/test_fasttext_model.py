"""The kernel against fastText's own library: models of every kind that it reads, real and generated lines."""

from __future__ import annotations

import gzip
import math
import random
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.fasttext_labels import exponential
from filters.fasttext_model import FastTextModel
from filters.language import clean

TOLERANCE = 1e-5
WORDS = (
    "the",
    "sea",
    "was",
    "calm",
    "and",
    "wind",
    "low",
    "le",
    "vent",
    "est",
    "bas",
    "la",
    "mer",
    "dog",
    "日本",
    "ёж",
)
KINDS = {
    "tree": {"loss": "hs", "minn": 2, "maxn": 4},
    "softmax": {"loss": "softmax", "minn": 2, "maxn": 4},
    "words": {"loss": "softmax", "minn": 0, "maxn": 0},
    "single-characters": {"loss": "hs", "minn": 1, "maxn": 3},
    "long-n-grams": {"loss": "softmax", "minn": 3, "maxn": 6},
    "word-pairs": {"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 2},
    "all": {"loss": "hs", "minn": 2, "maxn": 3, "wordNgrams": 4},
    "pruned": {"loss": "hs", "minn": 2, "maxn": 4, "quantized": True},
    "pruned-pairs": {"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 2, "quantized": True},
    "pruned-of-words": {
        "loss": "hs",
        "minn": 2,
        "maxn": 4,
        "quantized": True,
        "bucket": 20,
        "minCount": 1,
        "rare": 300,
    },
}


def train(folder: Path, quantized: bool = False, rare: int = 0, **settings) -> str:
    chosen = random.Random(1)
    lines = [
        f"__label__{label} " + " ".join(chosen.choices(WORDS[start : start + 9], k=8))
        for _ in range(40)
        for label, start in (("en", 0), ("fr", 5), ("xx", 7))
        for _ in range(1 if label == "xx" else 3)
    ]
    lines += ["__label__en " + " ".join(f"rare{number}" for number in range(rare))] if rare else []
    (folder / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    common = {"dim": 6, "epoch": 5, "lr": 0.5, "bucket": 900, "thread": 1, "verbose": 0, "minCount": 3}
    model = fasttext.train_supervised(str(folder / "train.txt"), **{**common, **settings})
    path = str(folder / ("model.ftz" if quantized else "model.bin"))
    if quantized:
        model.quantize(input=str(folder / "train.txt"), cutoff=300, retrain=True, qnorm=True, dsub=2, thread=1)
    model.save_model(path)
    return path


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def path(request, tmp_path_factory) -> str:
    return train(tmp_path_factory.mktemp("model"), **request.param)


def column(lines) -> pa.Array:
    return pa.array(lines, pa.large_string())


def expect_the_librarys_answers(path: str, lines: list[str]) -> None:
    library, model = fasttext.load_model(path), FastTextModel(path)
    best, scores = model.best_labels(column(lines))
    names, probabilities = library.predict(lines)
    assert [model.labels[index] if index >= 0 else None for index in best] == [
        found[0].removeprefix("__label__") if found and line else None for found, line in zip(names, lines, strict=True)
    ]
    for score, found, line in zip(scores, probabilities, lines, strict=True):
        if len(found) and line:
            assert abs(score - min(found[0], 1.0)) < TOLERANCE
        else:
            assert math.isnan(score)


LINES = [
    "the sea",
    "",
    "le vent est bas et la mer calme",
    "<the> > < >< <<",
    "__label__en",
    "__label__en the",
    "__label__nobody the sea",
    "__label__ x __labe",
    "日本 日本語 ёжик",
    "x",
    "é",
    "\u200b a\u0300 😀😀",
    " ".join(WORDS * 50),
    "日本語" * 700,  # more rows than are held at once, in one word
    "seawind" * 400,
    *["sea ваш " + "日" * size for size in range(1, 5)],  # n-grams that would go beyond the word
    *["x" * size for size in range(1_018, 1_028)],  # the longest whose n-grams are hashed together
]


def test_every_kind_of_model_answers_as_the_library_does(path: str) -> None:
    expect_the_librarys_answers(path, LINES)


def test_a_word_that_comes_again_where_the_rows_are_summed(path: str) -> None:
    fillers = [" ".join(f"w{number}" for number in range(size)) for size in range(60, 240)]
    expect_the_librarys_answers(path, [f"{filler} wind mer sea wind mer sea wind mer sea" for filler in fillers])


def test_generated_lines_too(path: str) -> None:
    library, model = fasttext.load_model(path), FastTextModel(path)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.one_of(st.sampled_from([*WORDS, "__label__fr"]), st.text("at<>é日😀_", min_size=1)), min_size=1))
    def check(words: list[str]) -> None:
        line = " ".join(words)
        (index,), (score,) = model.best_labels(column([line]))
        names, probabilities = library.predict(line)
        assert (index >= 0) == bool(names)
        if names:
            assert abs(score - min(probabilities[0], 1.0)) < TOLERANCE

    check()


def test_a_labels_probability_is_the_librarys(path: str) -> None:
    library, model = fasttext.load_model(path), FastTextModel(path)
    for label in model.labels:
        found = model.probabilities(column(LINES), label)
        for line, probability in zip(LINES, found, strict=True):
            expected = dict(zip(*library.predict(line, k=-1), strict=True)) if line else {}
            if expected:
                assert abs(probability - min(expected.get(f"__label__{label}", 0.0), 1.0)) < 2 * TOLERANCE
            else:
                assert math.isnan(probability)


def test_an_unknown_label_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="the model has no label 'de'; it has "):
        FastTextModel(path).probabilities(column(["a"]), "de")


def test_a_line_is_judged_alone_in_any_batch(path: str) -> None:
    model = FastTextModel(path)
    together = model.best_labels(column(LINES))
    sliced = model.best_labels(column(["first", *LINES, "last"]).slice(1, len(LINES)))
    for row, line in enumerate(LINES):
        alone = model.best_labels(column([line]))
        for one, other in ((alone, together), (alone, sliced)):
            assert one[0][0] == other[0][row]
            np.testing.assert_array_equal(one[1][0], other[1][row])
    assert [len(part) for part in model.best_labels(column([]))] == [0, 0]


def test_lid_176_answers_as_the_library_does_on_real_text(language_model_path, shared) -> None:
    texts: list[str] = []
    for name in ("sentences", "udhr"):
        with gzip.open(shared / "langid" / f"{name}.tsv.gz", "rt", encoding="utf-8") as stream:
            texts += [line.rstrip("\n").split("\t", 1)[1] for line in list(stream)[1:]]
    documents = [" ".join(texts[start : start + 25]) for start in range(0, len(texts), 25)]
    lines = clean(pa.array(texts + documents), 3_000).to_pylist()
    assert len(lines) > 16_000
    expect_the_librarys_answers(language_model_path, lines)


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -1.0, 0.34657, -0.34658, 20.5, -20.5, 700.0, -699.9, 1e-9])
def test_the_exponential_is_the_exponential(x: float) -> None:
    assert exponential(x) == pytest.approx(math.exp(x), rel=1e-14)


def test_the_exponential_of_very_little_is_nothing() -> None:
    assert exponential(-1e6) == 0.0
    values = np.random.default_rng(1).uniform(-30, 30, 1_000)
    np.testing.assert_allclose([exponential(x) for x in values], np.exp(values), rtol=1e-14)
