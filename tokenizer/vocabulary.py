"""The ids contract of our models (pad, bos, eos, unk), decoding, and how many bytes of text a token stands for.

A model decodes to exactly the text that it encoded: normalisation is the identity, no space is added or removed, and
what no piece covers is spelled in byte pieces. So lengths of pieces add up, and a token leads back to its bytes.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import sentencepiece

from pipeline import storage

PAD_ID: Final = 0
BOS_ID: Final = 1
EOS_ID: Final = 2
UNK_ID: Final = 3  # never produced: byte pieces spell what no other piece covers
SPACE_MARK: Final = "\u2581"  # SentencePiece writes a space so, inside pieces

MAX_UINT16_PIECES: Final = 1 << 16


def token_dtype(vocab_size: int) -> np.dtype[np.unsignedinteger]:
    """The integer that holds any id: little-endian uint16 up to 65,536 pieces, uint32 above."""
    return np.dtype("<u2" if vocab_size <= MAX_UINT16_PIECES else "<u4")


class Vocabulary:
    """A loaded model whose ids keep the contract.

    Args:
        model: Path of a SentencePiece model (local or of any fsspec store), or the model's bytes.

    Attributes:
        name: What errors call the model: its path, or its size when it came as bytes.
        processor: SentencePiece's own object.
        vocab_size: Number of pieces, the special ones included.
        dtype: Of token arrays, see ``token_dtype``.
        is_byte: bool [vocab_size], true for the 256 byte pieces.
        byte_ids: int64 [256], the piece of each byte value.
        piece_bytes: int64 [vocab_size], UTF-8 bytes that the piece adds to a text: 1 for a byte piece, 0 for pad, bos,
            eos and unk.

    Raises:
        ValueError: No SentencePiece model, other special ids, or no byte pieces; names the file.
        FileNotFoundError: No such file.
    """

    def __init__(self, model: str | bytes) -> None:
        self.name = model if isinstance(model, str) else f"a tokenizer model of {len(model):,} bytes"
        self.processor = self._load(storage.read_bytes(model) if isinstance(model, str) else model)
        self.vocab_size = int(self.processor.get_piece_size())
        self.dtype = token_dtype(self.vocab_size)
        self._check_special_ids()
        pieces = [str(self.processor.id_to_piece(piece)) for piece in range(self.vocab_size)]
        self.is_byte = np.array([self.processor.is_byte(piece) for piece in range(self.vocab_size)])
        self.byte_ids = self._find_byte_ids()
        self.piece_bytes = np.array([len(piece.replace(SPACE_MARK, " ").encode()) for piece in pieces], np.int64)
        self.piece_bytes[self.is_byte] = 1
        self.piece_bytes[[PAD_ID, BOS_ID, EOS_ID, UNK_ID]] = 0

    def _load(self, model: bytes) -> sentencepiece.SentencePieceProcessor:
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model)  # the constructor takes empty bytes for no model given
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name} is not a SentencePiece model: {error}") from error
        return processor

    def _check_special_ids(self) -> None:
        processor = self.processor
        found = {kind: int(getattr(processor, f"{kind}_id")()) for kind in ("pad", "bos", "eos", "unk")}
        wanted = {"pad": PAD_ID, "bos": BOS_ID, "eos": EOS_ID, "unk": UNK_ID}
        if found != wanted:
            raise ValueError(f"{self.name}: special ids must be {wanted}; got {found} (-1: the model has none)")

    def _find_byte_ids(self) -> np.ndarray:
        ids = np.array([self.processor.piece_to_id(f"<0x{value:02X}>") for value in range(256)], np.int64)
        if not self.is_byte[ids].all():
            raise ValueError(f"{self.name} has no byte pieces; train it with byte_fallback=True")
        return ids

    def piece(self, token: int) -> str:
        """The piece as SentencePiece writes it, with U+2581 for a space."""
        return str(self.processor.id_to_piece(token))

    def decode(self, ids: np.ndarray) -> str:
        """Turn ids back into text.

        Args:
            ids: Integer array [n], any part of a token stream. Pad, bos and eos add nothing.

        Returns:
            The text. Byte pieces that are no UTF-8 together, as when a slice begins within a character, become U+FFFD.

        Raises:
            ValueError: An id outside the vocabulary.
        """
        tokens = np.asarray(ids).tolist()
        if tokens and not 0 <= min(tokens) <= max(tokens) < self.vocab_size:
            raise ValueError(
                f"ids must lie in [0, {self.vocab_size}); got {min(tokens)} to {max(tokens)} ({self.name})"
            )
        return str(self.processor.decode(tokens))

    def count_bytes(self, ids: np.ndarray) -> int:
        """UTF-8 bytes of the text that the ids spell, without decoding it."""
        return int(self.piece_bytes[ids].sum())

    def bytes_per_token(self, ids: np.ndarray) -> float:
        """UTF-8 bytes per token, over all ids given; NaN for none."""
        return self.count_bytes(ids) / len(ids) if len(ids) else float("nan")

    def piece_kinds(self) -> dict[str, int]:
        """Number of pieces of each kind: control, unknown, byte, newline and normal; they add up to vocab_size."""
        return dict(sorted(Counter(self._kind(token) for token in range(self.vocab_size)).items()))

    def _kind(self, token: int) -> str:
        if self.processor.is_control(token):
            return "control"
        if self.processor.is_unknown(token):
            return "unknown"
        if self.is_byte[token]:
            return "byte"
        return "newline" if self.piece(token) == "\n" else "normal"
