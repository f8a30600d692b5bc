"""Train the tokenizer: a sample of the corpus to a SentencePiece model, and the card that describes it.

BPE with byte fallback and 32,000 pieces by default, as Gopher (Rae et al. 2021, arXiv:2112.11446). Where we choose:

- Normalisation is the identity. Gopher applied NFKC, Chinchilla (Hoffmann et al. 2022, arXiv:2203.15556) dropped it;
  only the identity has ``decode(encode(x)) == x``, by which a token leads back to its bytes. For the same reason no
  space is put before a text or taken out of it.
- A newline is a piece of its own, or it would be a byte piece; runs of spaces may be pieces, for code's indentation.
- Digits are not split one by one: neither paper says that it did so.
- One thread and no sampling: SentencePiece stores the number of threads in the model, and its sampling is random. The
  model's bytes then depend on the multiset of lines alone, not on their order.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import sentencepiece

from tokenizer.encoder import FastSentencePiece
from tokenizer.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID

MAX_LINE_CHARS: Final = 1 << 22
MAX_LINE_BYTES: Final = 1 << 30  # SentencePiece's limit; 4 bytes a character stay far below it
# SentencePiece silently skips a line with U+2585, which it uses for rare characters, and takes U+2581 for a space.
NOT_IN_A_LINE: Final = re.compile("[\n\u2581\u2585]")
CARD_BATCH_DOCUMENTS: Final = 256
TRAINER_OPTIONS: Final[dict[str, Any]] = {
    "model_type": "bpe",
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "user_defined_symbols": ["\n"],
    "allow_whitespace_only_pieces": True,
    "split_digits": False,
    "pad_id": PAD_ID,
    "bos_id": BOS_ID,
    "eos_id": EOS_ID,
    "unk_id": UNK_ID,
    "num_threads": 1,
    "input_sentence_size": 0,  # all lines: no random choice
    "shuffle_input_sentence": False,
    "max_sentence_length": MAX_LINE_BYTES,
    "minloglevel": 2,  # errors; it prints thousands of lines otherwise
}


def training_lines(text: str) -> Iterator[str]:
    """Cut a document into what SentencePiece learns from: lines that it will not skip.

    BPE here never merges across a newline, so a cut there loses nothing.
    """
    for line in NOT_IN_A_LINE.split(text):
        for start in range(0, len(line), MAX_LINE_CHARS):
            yield line[start : start + MAX_LINE_CHARS]


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> bytes:
    """Learn a vocabulary.

    Args:
        texts: The sample's documents, any order, read once; nothing of an empty one. SentencePiece keeps the distinct
            words in memory.
        vocab_size: Pieces, with 4 special ones, the newline and 256 bytes.

    Returns:
        The model file. Equal samples give equal bytes; it holds no path and no time.

    Raises:
        ValueError: The sample is empty, too small for the size, or has more letters than the size has room for; says
            which sizes are possible.
    """
    lines = _Lines(texts)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines, model_writer=model, vocab_size=vocab_size, **TRAINER_OPTIONS
        )
    except RuntimeError as error:
        if lines.failure is not None:
            raise lines.failure from None
        raise _explained(str(error), vocab_size, lines) from error
    return model.getvalue()


class _Lines:
    """The lines of all texts, counted. Keeps an error raised by the texts, which SentencePiece makes a mere string."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._lines = (line for text in texts for line in training_lines(text))
        self.num_lines = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except StopIteration:
            raise
        except BaseException as error:  # Ctrl-C too: it must not become a RuntimeError
            self.failure = error
            raise
        self.num_lines += 1
        return line


def _explained(message: str, vocab_size: int, lines: _Lines) -> ValueError | RuntimeError:
    """SentencePiece's message as what to do; an unknown one stays a RuntimeError."""
    if lines.num_lines == 0 or "all_chars_count" in message:
        return ValueError(
            "the tokenizer's sample has no text; raise [tokenizer] sample_bytes, or look at the corpus stage"
        )
    if too_high := re.search(r"set it to a value <= (\d+)", message):
        return ValueError(
            f"the tokenizer's sample of {lines.num_lines:,} lines is too small for {vocab_size:,} pieces; "
            f"set [tokenizer] vocab_size to at most {int(too_high[1])}, or give more text"
        )
    if too_low := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return ValueError(
            f"the letters of the tokenizer's sample need {int(too_low[1]):,} pieces; got vocab_size={vocab_size:,}: "
            f"set [tokenizer] vocab_size well above {int(too_low[1])}"
        )
    return RuntimeError(f"SentencePiece could not train {vocab_size:,} pieces: {message}")


def tokenizer_card(model: bytes, texts: Iterable[str]) -> dict[str, Any]:
    """Describe a model by what it does to the sample.

    Args:
        model: What ``train_tokenizer`` gave.
        texts: The sample, or part of it: it is encoded, which takes longer than the training.

    Returns:
        JSON data: ``vocab_size``, ``pieces`` (kind -> number), ``sample`` (documents, bytes, tokens),
        ``bytes_per_token`` and ``byte_piece_fraction`` (share of the tokens that are byte pieces; both null for a
        sample without text), and the ``sentencepiece`` release.
    """
    encoder = FastSentencePiece(model)
    vocabulary = encoder.vocabulary
    documents = num_bytes = num_tokens = num_byte_pieces = 0
    remaining = iter(texts)
    while batch := list(islice(remaining, CARD_BATCH_DOCUMENTS)):
        ids, _ = encoder.encode_batch(pa.array(batch, pa.large_string()))
        documents += len(batch)
        num_bytes += vocabulary.count_bytes(ids)
        num_tokens += len(ids)
        num_byte_pieces += int(vocabulary.is_byte[ids].sum())
    return {
        "vocab_size": vocabulary.vocab_size,
        "pieces": vocabulary.piece_kinds(),
        "sample": {"documents": documents, "bytes": num_bytes, "tokens": num_tokens},
        "bytes_per_token": num_bytes / num_tokens if num_tokens else None,
        "byte_piece_fraction": num_byte_pieces / num_tokens if num_tokens else None,
        "sentencepiece": sentencepiece.__version__,
    }
