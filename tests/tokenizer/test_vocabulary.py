import io

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.training import TRAINER_OPTIONS
from tokenizer.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Vocabulary, token_dtype


def train_with(**options) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat"] * 9),
        model_writer=model,
        **(TRAINER_OPTIONS | {"vocab_size": 280} | options),
    )
    return model.getvalue()


def test_dtype_at_the_edge():
    assert token_dtype(65_536) == np.uint16
    assert token_dtype(65_537) == np.uint32


def test_special_ids(vocabulary):
    assert [vocabulary.piece(token) for token in (PAD_ID, BOS_ID, EOS_ID, UNK_ID)] == ["<pad>", "<s>", "</s>", "<unk>"]
    assert vocabulary.decode(np.array([BOS_ID, EOS_ID, PAD_ID])) == ""


def test_byte_pieces(vocabulary):
    assert vocabulary.is_byte.sum() == 256
    assert vocabulary.piece(vocabulary.byte_ids[0xE2]) == "<0xE2>"
    assert vocabulary.decode(vocabulary.byte_ids[list("Ω▁\0".encode())]) == "Ω▁\0"


def test_a_slice_within_a_character_decodes_with_replacement(vocabulary):
    assert vocabulary.decode(vocabulary.byte_ids[[0xA9]]) == "\ufffd"  # the second byte of "Ω"


def test_piece_bytes_by_hand(vocabulary):
    def size(piece: str) -> int:
        return vocabulary.piece_bytes[vocabulary.processor.piece_to_id(piece)]

    assert (size("▁the"), size("▁▁▁▁"), size("\n"), size("<0xFF>"), size("名前")) == (4, 4, 1, 1, 6)
    assert vocabulary.piece_bytes[[PAD_ID, BOS_ID, EOS_ID, UNK_ID]].tolist() == [0, 0, 0, 0]


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="▁")))
def test_pieces_add_up_to_the_text(vocabulary, text):
    ids = np.array(vocabulary.processor.encode(text), np.uint16)
    assert vocabulary.count_bytes(ids) == len(text.encode())


def test_bytes_per_token(vocabulary):
    ids = np.array([BOS_ID, vocabulary.processor.piece_to_id("▁the"), vocabulary.byte_ids[65], EOS_ID])
    assert vocabulary.bytes_per_token(ids) == 5 / 4
    assert np.isnan(vocabulary.bytes_per_token(ids[:0]))


def test_ids_outside_the_vocabulary(vocabulary):
    with pytest.raises(ValueError, match=r"\[0, 420\); got 5 to 420"):
        vocabulary.decode(np.array([5, 420]))
    with pytest.raises(ValueError, match="got -1 to 5"):
        vocabulary.decode(np.array([5, -1]))


def test_path_and_bytes_give_the_same(model, tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model)
    assert Vocabulary(str(path)).decode(np.arange(261, 420)) == Vocabulary(model).decode(np.arange(261, 420))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a model at all", "not a SentencePiece model"),
        (b"", "not a SentencePiece model"),
        (train_with(pad_id=-1, bos_id=1, eos_id=2, unk_id=0), "special ids must be .*'pad': -1"),
        (train_with(byte_fallback=False, vocab_size=30), "no byte pieces"),
    ],
    ids=["garbage", "empty", "other ids", "no bytes"],
)
def test_broken_models_are_named(content, problem, tmp_path):
    path = tmp_path / "broken.model"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"broken.model.*{problem}"):
        Vocabulary(str(path))


def test_truncated_model_is_named(model, tmp_path):
    path = tmp_path / "truncated.model"
    path.write_bytes(model[: len(model) // 2])
    with pytest.raises(ValueError, match=r"truncated\.model"):
        Vocabulary(str(path))


def test_missing_model():
    with pytest.raises(FileNotFoundError):
        Vocabulary("/nowhere/tokenizer.model")
