import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tokenizer import training
from tokenizer.training import tokenizer_card, train_tokenizer, training_lines
from tokenizer.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[2]
NASTY = [
    "a▅b\nc▁d",
    "x\0y",
    "tab\tbed\r\nlong " + "word" * 500,
    "<s> <0x41> </s> ⁇",
    "\n\n\n",
    "",
    " ",
    "\u2028\ufeff",
]


def test_lines_of_a_document():
    assert list(training_lines("a b\n\n c\r\n")) == ["a b", " c\r"]
    assert list(training_lines("one▁two▅three")) == ["one", "two", "three"]
    assert list(training_lines("")) == []


def test_long_lines_are_cut_not_lost(monkeypatch):
    monkeypatch.setattr(training, "MAX_LINE_CHARS", 4)
    assert list(training_lines("abcdefghij\nkl")) == ["abcd", "efgh", "ij", "kl"]


def test_order_of_the_sample_does_not_matter(model, sample):
    assert train_tokenizer(reversed(sample), 420) == model


def test_bytes_are_the_same_in_another_process_and_folder(model, sample, tmp_path):
    script = (
        "import sys; from tokenizer.training import train_tokenizer\n"
        f"sys.stdout.buffer.write(train_tokenizer({sample!r}, 420))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "77"}
    other = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert other.stdout == model
    assert other.stderr == b""  # SentencePiece's thousands of log lines stay away


def test_sentencepiece_skips_no_line(tmp_path):
    """Its log, which goes to the process's error stream, is the only place that says so."""
    script = (
        "import io, sentencepiece; from tokenizer.training import TRAINER_OPTIONS, training_lines\n"
        f"lines = [line for text in {NASTY!r} for line in training_lines(text)]\n"
        "sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=io.BytesIO(),\n"
        "    vocab_size=400, **(TRAINER_OPTIONS | {'minloglevel': 0, 'hard_vocab_limit': False}))\n"
    )
    log = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True).stderr
    loaded = re.search(r"Loaded all (\d+) sentences", log)
    assert loaded is not None
    assert int(loaded[1]) == len(list(chain.from_iterable(map(training_lines, NASTY))))
    assert "kipped" not in log


def test_pieces_we_promise(vocabulary, sample):
    pieces = [vocabulary.piece(token) for token in range(vocabulary.vocab_size)]
    assert pieces[:5] == ["<pad>", "<s>", "</s>", "<unk>", "\n"]
    assert "▁▁▁▁" in pieces  # the indentation of code
    assert "名前" in pieces
    assert not [piece for piece in pieces if "\n" in piece and piece != "\n"]


def test_too_small_a_sample_names_the_largest_size(sample):
    with pytest.raises(ValueError, match="vocab_size to at most") as raised:
        train_tokenizer(sample, 32_000)
    largest = int(re.search(r"at most (\d+)", str(raised.value))[1])
    assert Vocabulary(train_tokenizer(sample, largest)).vocab_size == largest
    with pytest.raises(ValueError, match="vocab_size to at most"):
        train_tokenizer(sample, largest + 1)


def test_a_size_below_the_letters():
    # pad, bos, eos, unk, newline, 256 bytes, a, b, c and the space
    with pytest.raises(ValueError, match="need 265 pieces; got vocab_size=100"):
        train_tokenizer(["abc a"], 100)


@pytest.mark.parametrize("texts", [[], [""], ["\n▁▅"], ["\0"]])
def test_a_sample_without_text(texts):
    with pytest.raises(ValueError, match="has no text"):
        train_tokenizer(texts, 300)


@pytest.mark.parametrize("failure", [OSError("disk gone"), KeyboardInterrupt()])
def test_errors_of_the_sample_come_through(failure):
    def texts():
        yield "some text"
        raise failure

    with pytest.raises(type(failure)) as raised:
        train_tokenizer(texts(), 300)
    assert raised.value is failure


def test_card(model):
    card = tokenizer_card(model, ["the\n", "", "Ω"])
    vocabulary = Vocabulary(model)
    tokens = len(vocabulary.processor.encode("the\n"))
    assert card["vocab_size"] == 420
    assert card["pieces"] == {"byte": 256, "control": 3, "newline": 1, "normal": 420 - 261, "unknown": 1}
    assert card["sample"] == {"documents": 3, "bytes": 4 + 2, "tokens": tokens + 2}  # omega is two byte pieces
    assert card["bytes_per_token"] == 6 / (tokens + 2)
    assert card["byte_piece_fraction"] == 2 / (tokens + 2)


def test_card_of_a_sample_without_text(model):
    card = tokenizer_card(model, [])
    assert (card["bytes_per_token"], card["byte_piece_fraction"]) == (None, None)


def test_card_does_not_depend_on_batches(model, sample, monkeypatch):
    whole = tokenizer_card(model, sample)
    monkeypatch.setattr(training, "CARD_BATCH_DOCUMENTS", 3)
    assert tokenizer_card(model, sample) == whole
