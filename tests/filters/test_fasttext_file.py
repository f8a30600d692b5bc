from __future__ import annotations

from pathlib import Path

import fasttext
import numpy as np
import pytest

from filters.fasttext_file import UnsupportedModelError, read_fasttext, read_labels

TEXT = "__label__a the sea was calm\n__label__b le vent est bas\n" * 20


def trained(folder: Path, name: str = "model.bin", **settings) -> str:
    (folder / "train.txt").write_text(TEXT)
    common = {"dim": 4, "epoch": 2, "bucket": 300, "minn": 2, "maxn": 3, "thread": 1, "verbose": 0}
    model = fasttext.train_supervised(str(folder / "train.txt"), **{**common, **settings})
    model.save_model(str(folder / name))
    return str(folder / name)


def test_the_matrices_are_the_librarys(tmp_path) -> None:
    path = trained(tmp_path, loss="hs")
    file, library = read_fasttext(path), fasttext.load_model(path)
    np.testing.assert_array_equal(file.input, library.get_input_matrix())
    np.testing.assert_array_equal(file.output, library.get_output_matrix())
    assert [word.decode() for word in file.words[: file.num_words]] == library.get_words()
    assert [f"__label__{label}" for label in file.labels] == library.get_labels()
    assert read_labels(path) == file.labels
    assert file.counts.tolist() == [20, 20]
    assert file.is_hierarchical
    assert file.bucket_rows.tolist() == list(range(file.num_words, file.num_words + 300))
    assert (file.header.dim, file.header.min_chars, file.header.max_chars) == (4, 2, 3)


@pytest.mark.parametrize("qnorm", [False, True])
@pytest.mark.parametrize("dsub", [2, 3])  # 4 numbers in parts of 3: the last is shorter
def test_quantised_rows_are_the_librarys(tmp_path, qnorm: bool, dsub: int) -> None:
    trained(tmp_path)
    model = fasttext.load_model(str(tmp_path / "model.bin"))
    model.quantize(qnorm=qnorm, dsub=dsub)
    path = str(tmp_path / "model.ftz")
    model.save_model(path)
    file, library = read_fasttext(path), fasttext.load_model(path)
    for row, word in enumerate(file.words[: file.num_words]):
        vector = library.get_input_vector(row)
        np.testing.assert_allclose(file.input[row], vector, rtol=1e-6, err_msg=word.decode())


def pruned(folder: Path) -> str:
    model = fasttext.load_model(trained(folder))
    model.quantize(input=str(folder / "train.txt"), cutoff=280, retrain=False)
    model.save_model(str(folder / "model.ftz"))
    return str(folder / "model.ftz")


def test_pruned_buckets_have_no_row(tmp_path) -> None:
    file = read_fasttext(pruned(tmp_path))
    kept = file.bucket_rows[file.bucket_rows >= 0]
    assert len(file.input) == 280 == file.num_words + len(kept)
    assert sorted(kept.tolist()) == list(range(file.num_words, 280))


@pytest.mark.parametrize("column", [0, 1])
def test_pruned_buckets_that_cannot_be_are_refused(tmp_path, column: int) -> None:
    path = Path(pruned(tmp_path))
    whole, rows = path.read_bytes(), read_fasttext(str(path)).bucket_rows
    buckets = np.flatnonzero(rows >= 0)
    size = 8 * len(buckets)
    (place,) = (  # of the table: pairs in any order
        at
        for at in range(len(whole) - size)
        if np.array_equal(np.sort(np.frombuffer(whole[at : at + size], np.int32)[::2]), buckets)
    )
    for wrong in (-1, 300, 2**31 - 1, None):
        table = np.frombuffer(whole[place : place + size], np.int32).copy()
        table[column] = table[2 + column] if wrong is None else wrong  # named twice
        path.write_bytes(whole[:place] + table.tobytes() + whole[place + size :])
        with pytest.raises(ValueError, match=r"model\.ftz is damaged: its pruned buckets"):
            read_fasttext(str(path))


@pytest.mark.parametrize(("settings", "loss"), [({"loss": "ova"}, "one-vs-all"), ({"loss": "ns"}, "negative sampling")])
def test_other_losses_are_for_the_library(tmp_path, settings, loss: str) -> None:
    path = trained(tmp_path, **settings)
    with pytest.raises(UnsupportedModelError, match=rf"model\.bin was trained with {loss}"):
        read_fasttext(path)
    assert read_labels(path, any_loss=True) == ("a", "b")


def test_a_quantised_output_is_for_the_library(tmp_path) -> None:
    many = "".join(f"__label__{i} word{i} sea\n" for i in range(300))
    (tmp_path / "many.txt").write_text(many)
    model = fasttext.train_supervised(str(tmp_path / "many.txt"), dim=4, epoch=1, thread=1, verbose=0)
    model.quantize(qout=True)
    model.save_model(str(tmp_path / "q.ftz"))
    with pytest.raises(UnsupportedModelError, match=r"q\.ftz has a quantised output matrix"):
        read_fasttext(str(tmp_path / "q.ftz"))


def test_word_vectors_are_no_classifier(tmp_path) -> None:
    (tmp_path / "words.txt").write_text("the sea was calm and low\n" * 50)
    model = fasttext.train_unsupervised(str(tmp_path / "words.txt"), dim=4, epoch=1, thread=1, verbose=0, bucket=100)
    model.save_model(str(tmp_path / "words.bin"))
    with pytest.raises(ValueError, match=r"words\.bin is no classifier"):
        read_fasttext(str(tmp_path / "words.bin"))


def test_other_files_are_refused_by_name(tmp_path) -> None:
    (tmp_path / "text.bin").write_text("no model at all")
    for name, message in (
        ("text.bin", "is no fastText model"),
        ("none.bin", "cannot be read"),
        (".", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            read_fasttext(str(tmp_path / name))


def test_a_file_cut_anywhere_is_refused(tmp_path) -> None:
    whole = Path(trained(tmp_path)).read_bytes()
    cut = tmp_path / "cut.bin"
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.bin is"):
            read_fasttext(str(cut))


def test_a_file_with_wrong_numbers_is_refused_or_read(tmp_path) -> None:
    """A flipped byte never gives another error, nor rows beyond the matrix."""
    path = trained(tmp_path, bucket=50, dim=2)
    whole = Path(path).read_bytes()
    for place in range(8, 400, 3):
        for value in (0, 0xFF):
            Path(path).write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                file = read_fasttext(path)
            except ValueError:
                continue
            assert file.bucket_rows.max(initial=-1) < len(file.input)
            assert file.input.shape[1] == file.output.shape[1] == file.header.dim
