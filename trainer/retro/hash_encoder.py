"""What an encoder of chunk texts is, and the one that needs no model: for tests, and where only the path matters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

_MAX_D = 512  # bits of a BLAKE2b digest


class Encoder(Protocol):
    """Frozen: a text's key depends on the text alone, never on what is encoded with it.

    Attributes:
        d: Numbers in a key.
    """

    d: int

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts: float32 [len(texts), d]. An empty text has a key too."""
        ...


class HashEncoder:
    """A deterministic bag of words: the mean of the words' random sign vectors.

    Texts that share words are nearer than texts that don't. A word is what ASCII white space separates, byte for byte.

    Args:
        d: Numbers in a key, a multiple of 8 from 8 to 512.
        seed: Another seed, other vectors.

    Raises:
        ValueError: d is out of range.
    """

    def __init__(self, d: int = 64, seed: int = 0) -> None:
        if d % 8 or not 8 <= d <= _MAX_D:
            raise ValueError(f"d must be a multiple of 8 from 8 to {_MAX_D}; got {d}")
        self.d = d
        self._salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts: float32 [len(texts), d] in -1 to 1; zeros for a text without a word."""
        keys = np.zeros((len(texts), self.d), np.float32)
        signs: dict[bytes, npt.NDArray[np.int64]] = {}
        for row, text in enumerate(texts):
            words = text.encode("utf-8", "surrogatepass").split()
            for word in words:
                if word not in signs:
                    signs[word] = self._signs(word)
            if words:
                # sums of integers and one division: exactly rounded, in any order
                keys[row] = np.sum([signs[word] for word in words], axis=0) / len(words)
        return keys

    def _signs(self, word: bytes) -> npt.NDArray[np.int64]:
        digest = hashlib.blake2b(word, digest_size=self.d // 8, salt=self._salt).digest()
        return np.unpackbits(np.frombuffer(digest, np.uint8)).astype(np.int64) * 2 - 1
