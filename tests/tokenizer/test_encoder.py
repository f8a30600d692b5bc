from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.encoder import FastSentencePiece, _segments, add_bos_eos
from tokenizer.vocabulary import BOS_ID, EOS_ID, Vocabulary

FRAGMENTS = [
    "▁",
    "\n",
    "\0",
    " ",
    "  ",
    "the",
    "name",
    "名前",
    "<s>",
    "<0x41>",
    "<unk>",
    " ⁇ ",
    "\u2585",
    "\ufeff",
    "\t",
]
TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3))).map("".join),
)


@pytest.fixture(scope="module")
def encoder(model) -> FastSentencePiece:
    return FastSentencePiece(model)


def bpe(vocabulary: Vocabulary, text: str) -> list[int]:
    """BPE as the textbook has it: join the adjacent pair that makes the best piece, leftmost first, until none does."""
    processor = vocabulary.processor
    pieces = {vocabulary.piece(i): i for i in range(vocabulary.vocab_size) if vocabulary._kind(i) == "normal"}
    symbols = list(text.replace(" ", "▁"))
    while True:
        pairs = [(a + b, at) for at, (a, b) in enumerate(pairwise(symbols)) if a + b in pieces]
        if not pairs:
            break
        _, at = max(pairs, key=lambda pair: (processor.get_score(pieces[pair[0]]), -pair[1]))
        symbols[at : at + 2] = ["".join(symbols[at : at + 2])]
    return [
        token for symbol in symbols for token in ([pieces[symbol]] if symbol in pieces else spelled(vocabulary, symbol))
    ]


def spelled(vocabulary: Vocabulary, symbol: str) -> list[int]:
    return [4] if symbol == "\n" else vocabulary.byte_ids[list(symbol.encode())].tolist()


@settings(deadline=None)
@given(texts=st.lists(TEXTS, max_size=5))
def test_round_trip(encoder, texts):
    ids, offsets = encoder.encode_batch(pa.array(texts, pa.string()))
    assert offsets[0] == 0
    assert offsets[-1] == len(ids)
    decoded = [encoder.vocabulary.decode(ids[a:b]) for a, b in pairwise(offsets)]
    assert decoded == texts


@settings(deadline=None)
@given(text=st.text(alphabet="the best\nof▁times 名前はé  ", max_size=40))
def test_agrees_with_the_textbook(encoder, text):
    ids, _ = encoder.encode_batch(pa.array([text]))
    expected = []
    for part in text.split("▁"):  # the mark is spelled in bytes and separates
        expected += [bpe(encoder.vocabulary, part), spelled(encoder.vocabulary, "▁")]
    assert ids.tolist() == [token for tokens in expected[:-1] for token in tokens]


def test_space_mark_by_hand(encoder):
    # what it would be without our care: "▁the" in a text became the piece of " the"
    ids, _ = encoder.encode_batch(pa.array(["▁the", " the"]))
    mark = encoder.vocabulary.byte_ids[[0xE2, 0x96, 0x81]].tolist()
    assert ids[:3].tolist() == mark
    assert ids[-1] == encoder.vocabulary.processor.piece_to_id("▁the")


def test_cutting_long_documents_changes_nothing(encoder, sample, monkeypatch):
    text = "\n".join(sample) + "\n\n\n  \n the▁end\n▁"
    ids, offsets = encoder.encode_batch(pa.array([text, text]))
    for size in (0, 1, 5, 100):
        monkeypatch.setattr("tokenizer.encoder.SEGMENT_CHARS", size)
        cut, cut_offsets = encoder.encode_batch(pa.array([text, text]))
        assert cut.tolist() == ids.tolist()
        assert cut_offsets.tolist() == offsets.tolist()


def test_segments_by_hand(monkeypatch):
    monkeypatch.setattr("tokenizer.encoder.SEGMENT_CHARS", 4)
    assert list(_segments("abcdef\ngh\ni\n")) == ["abcdef\n", "gh\ni\n", ""]  # 12 characters, 5, 0
    assert list(_segments("no newline here")) == ["no newline here"]
    assert list(_segments("a▁b")) == ["a", "▁", "b"]
    assert list(_segments("")) == [""]


def test_a_document_does_not_depend_on_its_batch(encoder, sample):
    texts = [*sample, None, "", "a▁b"]
    whole, offsets = encoder.encode_batch(pa.array(texts, pa.large_string()))
    for row, text in enumerate(texts):
        alone, _ = encoder.encode_batch(pa.array([text], pa.string()))
        assert whole[offsets[row] : offsets[row + 1]].tolist() == alone.tolist()


def test_null_and_empty(encoder):
    ids, offsets = encoder.encode_batch(pa.array([None, "", None], pa.string()))
    assert (len(ids), offsets.tolist()) == (0, [0, 0, 0, 0])
    ids, offsets = encoder.encode_batch(pa.array([], pa.string()))
    assert (len(ids), offsets.tolist()) == (0, [0])


def test_types(encoder):
    chunked = pa.chunked_array([["the"], ["best", "of"]])
    ids, offsets = encoder.encode_batch(chunked)
    assert (ids.dtype, offsets.dtype, len(offsets)) == (np.uint16, np.int64, 4)
    sliced, _ = encoder.encode_batch(pa.array(["skipped", "the", "best", "of"]).slice(1))
    assert sliced.tolist() == ids.tolist()


def test_bos_and_eos_by_hand():
    ids, offsets = add_bos_eos(np.array([7, 8, 9], np.uint16), np.array([0, 2, 2, 3]))
    assert ids.tolist() == [BOS_ID, 7, 8, EOS_ID, BOS_ID, EOS_ID, BOS_ID, 9, EOS_ID]
    assert offsets.tolist() == [0, 4, 6, 9]
    assert ids.dtype == np.uint16


def test_bos_and_eos_of_nothing():
    ids, offsets = add_bos_eos(np.empty(0, np.uint16), np.array([0]))
    assert (len(ids), offsets.tolist()) == (0, [0])
