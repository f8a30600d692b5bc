"""From token shards to a trained and judged model: the whole work of the train stage.

Besides the files of ``trainer.train``, the stage folder gets ``summary.json``::

    {"model", "num_parameters", "steps", "num_tokens": trained on, "epochs": {SUBSET: how often it was read},
     "held_out_bits_per_byte", "unigram_bits_per_byte", "bigram_bits_per_byte": of all held-out documents together,
     "held_out": {SUBSET: {the same three, "num_tokens", "num_bytes"}}}

The unigram and the bigram (``trainer.baselines``) are fitted on what the model was trained on. Without held-out text
the three figures are null.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipeline import storage
from pipeline.config import MixtureConfig, TrainConfig, digest
from tokenizer.token_shards import HELD_OUT, TokenShards, token_subsets
from tokenizer.vocabulary import EOS_ID, Vocabulary
from trainer.baselines import PairCounts, bigram_bits_per_byte, unigram_bits_per_byte
from trainer.data import Mixture, batches, sequences
from trainer.evaluate import held_out_bits_per_byte, held_out_sequences
from trainer.metrics import Progress
from trainer.model import Gopher
from trainer.model_files import write_file
from trainer.train import TrainingData, train

SUMMARY_NAME = "summary.json"
MAX_BASELINE_TOKENS = 50_000_000  # that the counting models are fitted on, at most


class BelowExpectation(RuntimeError):
    """The trained model is not as far below the unigram as the recipe asks."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out documents of one subset.

    Attributes:
        windows: int32 [N, seq_len + 1], see ``evaluate.held_out_sequences``.
        num_tokens: Targets in them.
        num_bytes: UTF-8 bytes of their text.
    """

    windows: np.ndarray
    num_tokens: int
    num_bytes: int

    @classmethod
    def of(cls, tokens: np.ndarray, seq_len: int, vocabulary: Vocabulary) -> HeldOut:
        """Cut a subset's tokens into windows."""
        return cls(held_out_sequences(tokens, seq_len, EOS_ID), len(tokens), vocabulary.count_bytes(tokens))

    @classmethod
    def join(cls, parts: list[HeldOut], seq_len: int) -> HeldOut:
        """All subsets together."""
        windows = np.concatenate([np.empty((0, seq_len + 1), np.int32), *(part.windows for part in parts)])
        return cls(windows, sum(part.num_tokens for part in parts), sum(part.num_bytes for part in parts))


def train_on_tokens(
    config: TrainConfig,
    mixture_config: MixtureConfig,
    token_folder: str,
    token_digest: str,
    tokenizer_model: str,
    folder: str,
    scratch: str,
    checkpoints: str,
    progress: Callable[[Progress], None] = lambda news: None,
) -> tuple[dict[str, Any], tuple[storage.OutputFile, ...]]:
    """Train on a token stage's output, evaluate, and compare with the counting models.

    Args:
        config: ``[train]``, with at least one step.
        mixture_config: ``[mixture]``.
        token_folder: ``OUT/tokens/<digest>``.
        token_digest: Names its content: a checkpoint that was trained on another is refused.
        tokenizer_model: SentencePiece model of those tokens.
        folder: The stage folder.
        scratch: As in ``storage.atomic_writer``.
        checkpoints: A folder outside any stage folder; see ``trainer.checkpoint.Checkpoints``.
        progress: Called after each step.

    Returns:
        What stands in ``summary.json``, and all files written.

    Raises:
        BelowExpectation: ``min_bits_per_byte_below_unigram`` isn't reached; the files are there all the same.
        TrainingDiverged: See ``trainer.train.train``.
        ValueError: There is nothing to train on, or an expectation and no held-out text to check it on.
    """
    vocabulary = Vocabulary(tokenizer_model)
    mixture = sequences(token_folder, mixture_config.weights, mixture_config.seed, config.seq_len)
    held_out = open_held_out(token_folder, mixture.subsets, config.seq_len, vocabulary)
    everything = HeldOut.join(list(held_out.values()), config.seq_len)
    if config.min_bits_per_byte_below_unigram is not None and not everything.num_bytes:
        raise ValueError(
            "[train] min_bits_per_byte_below_unigram needs held-out text: raise [corpus] held_out_fraction"
        )
    data = TrainingData(
        partial(batches, mixture, batch_size=config.global_batch_size),
        vocabulary.piece_bytes,
        everything.windows,
        everything.num_bytes,
        digest([token_digest, mixture_config.model_dump(mode="json"), config.seq_len]),
    )
    result = train(config, data, folder, scratch, checkpoints, progress)
    pairs = _count_pairs(mixture, config, vocabulary.vocab_size)
    summary = {
        "model": config.model,
        "num_parameters": result.model.config.num_parameters,
        "steps": config.steps,
        "num_tokens": result.num_tokens,
        "epochs": mixture.epochs(config.steps * config.global_batch_size),
        **_figures(result.model, pairs, everything),
        "held_out": {
            subset: {**_figures(result.model, pairs, part), "num_tokens": part.num_tokens, "num_bytes": part.num_bytes}
            for subset, part in held_out.items()
        },
    }
    text = json.dumps(summary, indent=1, sort_keys=True) + "\n"
    summary_file = write_file(folder, SUMMARY_NAME, text.encode(), 1, scratch)
    _check_expectation(config, summary)
    return summary, (*result.outputs, summary_file)


def open_held_out(
    token_folder: str, subsets: Sequence[str], seq_len: int, vocabulary: Vocabulary
) -> dict[str, HeldOut]:
    """Held-out documents of those subsets that have any text among them, by the subset's name."""
    held_out = {}
    for name in token_subsets(token_folder, held_out=True):
        subset, shards = name.removeprefix(HELD_OUT), TokenShards.open(token_folder, name)
        part = HeldOut.of(shards.read(0, shards.num_tokens), seq_len, vocabulary)
        if subset in subsets and part.num_bytes:
            held_out[subset] = part
    return held_out


def _count_pairs(mixture: Mixture, config: TrainConfig, vocab_size: int) -> PairCounts:
    """Count what the model was trained on, up to where every subset was read to its end: later sequences repeat."""
    trained = config.steps * config.global_batch_size
    passes = min(mixture.epochs(trained).values())
    wanted = min(int(trained / max(1.0, passes)), MAX_BASELINE_TOKENS // config.seq_len + 1)
    return PairCounts.of(_first_sequences(mixture, wanted, config.global_batch_size), vocab_size)


def _first_sequences(mixture: Mixture, count: int, at_once: int) -> Iterator[np.ndarray]:
    with contextlib.closing(batches(mixture, 0, at_once)) as stream:
        for start in range(0, count, at_once):
            yield next(stream)[: count - start]


def _figures(model: Gopher, pairs: PairCounts, held_out: HeldOut) -> dict[str, float | None]:
    measures = {
        "held_out_bits_per_byte": partial(held_out_bits_per_byte, model),
        "unigram_bits_per_byte": partial(unigram_bits_per_byte, pairs),
        "bigram_bits_per_byte": partial(bigram_bits_per_byte, pairs),
    }
    if not held_out.num_bytes:
        return dict.fromkeys(measures)
    return {name: measure(held_out.windows, held_out.num_bytes) for name, measure in measures.items()}


def _check_expectation(config: TrainConfig, summary: dict[str, Any]) -> None:
    wanted = config.min_bits_per_byte_below_unigram
    if wanted is None:
        return
    model, unigram = summary["held_out_bits_per_byte"], summary["unigram_bits_per_byte"]
    if model > unigram - wanted:
        raise BelowExpectation(
            f"held-out text takes {model:.3f} bits per byte, {unigram - model:.3f} below the unigram's {unigram:.3f}; "
            f"[train] min_bits_per_byte_below_unigram asks for {wanted}: train for more steps, or on more text"
        )
