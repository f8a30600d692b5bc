import fasttext
import pyarrow as pa
import pytest

from filters.classifier import Classifier, classifier_lines


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    lines = ["__label__positive a proof of the theorem follows", "__label__negative click here to buy it now"] * 40
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    model = fasttext.train_supervised(
        str(folder / "train.txt"), dim=4, epoch=20, lr=0.5, wordNgrams=2, bucket=500, thread=1, verbose=0
    )
    model.save_model(str(folder / "model.bin"))
    return str(folder / "model.bin")


def test_the_probability_is_the_labels(path) -> None:
    texts = ["the proof\nfollows", "buy  now", None, "", " \n", "zzz"]
    column = pa.array(texts, pa.string())
    positive = Classifier(path, "positive").probabilities(column)
    negative = Classifier(path, "negative").probabilities(column).to_pylist()
    assert positive.type == pa.float32()
    positive = positive.to_pylist()
    assert positive[0] > 0.9 > 0.1 > positive[1]
    assert positive[2:5] == negative[2:5] == [None] * 3
    for one, other in zip(positive, negative, strict=True):
        assert one is None or one + other == pytest.approx(1, abs=1e-4)
    library = fasttext.load_model(path)
    for text, found in ((texts[0], positive[0]), (texts[1], positive[1])):
        expected = dict(zip(*library.predict(" ".join(text.split()), k=-1), strict=True))["__label__positive"]
        assert found == pytest.approx(min(expected, 1.0), abs=1e-5)


def test_the_whole_text_is_read(path) -> None:
    text = "buy it now " * 2_000 + "the theorem follows " * 6_000
    assert Classifier(path, "positive").probabilities(pa.array([text]))[0].as_py() > 0.5


def test_an_unknown_label_is_refused_with_the_known_ones(path) -> None:
    with pytest.raises(
        ValueError, match=r"model\.bin has no label 'good'; it has (positive, negative|negative, positive)"
    ):
        Classifier(path, "good")


def test_lines_are_single_spaced_and_whole() -> None:
    texts = ["a\tb\n\nc </s> d", None, "x" * 5_000]
    assert classifier_lines(pa.array(texts)).to_pylist() == ["a b c d", "", "x" * 5_000]
