"""The Gopher family: sizes as data, and the parameter count that they imply.

How a model is trained (steps, batch, learning rate) stands in ``pipeline.config.TrainConfig``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """One row of the family's table; the feed-forward width is always ``4 * d_model``."""

    num_layers: int
    num_heads: int
    head_size: int
    d_model: int


# Rae et al. 2021 (arXiv:2112.11446), Table 1. `tiny` is ours: it learns something within minutes on two CPU cores.
FAMILY = {
    "tiny": Size(num_layers=2, num_heads=4, head_size=32, d_model=128),
    "44M": Size(num_layers=8, num_heads=16, head_size=32, d_model=512),
    "117M": Size(num_layers=12, num_heads=12, head_size=64, d_model=768),
    "417M": Size(num_layers=12, num_heads=12, head_size=128, d_model=1_536),
    "1.4B": Size(num_layers=24, num_heads=16, head_size=128, d_model=2_048),
    "7.1B": Size(num_layers=32, num_heads=32, head_size=128, d_model=4_096),
    "280B": Size(num_layers=80, num_heads=128, head_size=128, d_model=16_384),
}
PAPER_VOCAB_SIZE = 32_000  # Table 1's names count the embedding of this vocabulary


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes a model's parameters and its arithmetic.

    Attributes:
        size: A row of ``FAMILY``, or a size of one's own.
        vocab_size: Pieces of the tokenizer, at least 1.
        seq_len: Tokens in a training sequence. No parameter depends on it: a model takes any length.
        activation_dtype: ``bfloat16`` or ``float32``; parameters, softmax and loss are float32 in either case.
    """

    size: Size
    vocab_size: int
    seq_len: int
    activation_dtype: str = "bfloat16"

    @classmethod
    def of(cls, name: str, vocab_size: int, seq_len: int, activation_dtype: str = "bfloat16") -> ModelConfig:
        """Take a size of the family by name.

        Raises:
            ValueError: The family has no such name.
        """
        if name not in FAMILY:
            raise ValueError(f"no model {name!r} in the family; known: {', '.join(FAMILY)}")
        return cls(FAMILY[name], vocab_size, seq_len, activation_dtype)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> ModelConfig:
        """Read what ``as_dict`` gave."""
        return cls(**{**fields, "size": Size(**fields["size"])})

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @property
    def num_parameters(self) -> int:
        """Number of parameters, by formula; ``trainer.model.Gopher`` has exactly these.

        A layer has query, key, value, output and position projections (5 d^2), a feed-forward of two matrices (8 d^2),
        the biases u and v (2 d) and two norms (2 d); then come one embedding, shared with the output, and a last norm.
        The position projection in every layer is what makes the count meet all the names of Table 1.
        """
        layers, d_model = self.size.num_layers, self.size.d_model
        attention_width = self.size.num_heads * self.size.head_size
        layer = 5 * d_model * attention_width + 8 * d_model**2 + 2 * attention_width + 2 * d_model
        return layers * layer + self.vocab_size * d_model + d_model
