"""Sequences of tokens for training, through Grain: sequence i is a pure function of (tokens, mixture, seed, i).

A subset's tokens are cut into sequences of ``seq_len + 1`` tokens at stride ``seq_len``, so that every token but the
first is a target exactly once an epoch; a rest too short for a sequence is left out and counted. Each epoch of a
subset is shuffled anew, and the subsets are mixed by weight, a whole sequence at a time. (Gopher instead joins ten
random crops of documents and cuts those: a stream in which nobody can trace a token or count epochs.)

The loader's state is one integer, the number of the next sequence: a batch is the slice [i, i + B), whatever B was
before. Nothing here uses worker processes (``mp_prefetch``): threads hide the page faults of mapped tokens, while
workers tie the state to their number and stop at once where absl's flags are not parsed.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import grain
import numpy as np

from tokenizer.token_shards import DocumentSpan, TokenShards, token_subsets

MAX_EPOCH_SEQUENCES = 2**32 - 1  # Grain shuffles 32-bit indices
READ_AHEAD = grain.ReadOptions(num_threads=4, prefetch_buffer_size=8)  # batches


class SubsetSequences:
    """A subset's sequences in the order of its tokens.

    Args:
        shards: The subset.
        seq_len: Tokens that a sequence predicts; it holds one more.

    Attributes:
        num_left_out: Tokens at the end that are no target of any sequence: fewer than ``seq_len``.
    """

    def __init__(self, shards: TokenShards, seq_len: int) -> None:
        if seq_len < 1:
            raise ValueError(f"seq_len must be at least 1; got {seq_len}")
        self.shards, self.seq_len = shards, seq_len
        num_targets = max(0, shards.num_tokens - 1)  # the first token is the only one that nothing predicts
        self._num_sequences, self.num_left_out = divmod(num_targets, seq_len)

    def __len__(self) -> int:
        return self._num_sequences

    def span(self, index: int) -> tuple[int, int]:
        """First position and number of tokens of sequence ``index``.

        Raises:
            IndexError: index is outside [0, len).
        """
        if not 0 <= index < len(self):
            raise IndexError(f"{self.shards.subset} has {len(self)} sequences of {self.seq_len}; got index {index}")
        return index * self.seq_len, self.seq_len + 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Tokens of a sequence: int32 [seq_len + 1]; inputs are all but the last, targets all but the first."""
        return self.shards.read(*self.span(index)).astype(np.int32)


@dataclass(frozen=True)
class SequenceOrigin:
    """Where a sequence of the global order comes from."""

    index: int  # in the global order
    subset: str
    epoch: int  # of the subset, from 0
    sequence: int  # of the subset, in the order of its tokens
    start: int  # position of the first token in the subset's shards joined in order
    length: int  # seq_len + 1
    documents: tuple[DocumentSpan, ...]  # whose tokens these are, in order


class Shares(grain.transforms.DatasetSelectionMap):
    """Spread the subsets over the global order in exact proportion to integer weights.

    Among the first k sequences a subset of weight w has ``k * w / sum(weights)`` of them, exactly where k is a multiple
    of the sum, and elsewhere less than 2 sequences away (measured, up to 12 subsets). ``grain.MapDataset.mix``
    interleaves alike, but first cuts the weights to integers of which the smallest is 100: a share is then up to 1 %
    wrong (weights 3,337 and 1,000 become 333 and 100), and epochs end beside where they should.

    Args:
        weights: Positive integers.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._total = sum(weights)

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> tuple[int, int]:
        """The subset of sequence ``index``, and how many of that subset come before it."""
        if index < 0:
            raise IndexError(f"index must be at least 0; got {index}")
        subset, others, others_weight = 0, index, self._total
        while True:
            weight = self._weights[subset]
            later = _later(others, weight, others_weight)
            if _later(others + 1, weight, others_weight) == later:  # one sequence more would be this subset's
                return subset, others - later
            subset, others, others_weight = subset + 1, later, others_weight - weight

    def counts(self, num_sequences: int) -> list[int]:
        """Sequences of each subset among the first ``num_sequences``; they add up to it."""
        counts, others, others_weight = [], num_sequences, self._total
        for weight in self._weights:
            later = _later(others, weight, others_weight)
            counts.append(others - later)
            others, others_weight = later, others_weight - weight
        return counts


def _later(others: int, weight: int, others_weight: int) -> int:
    """Of ``others`` sequences, those that leave a subset of ``weight`` to the ones after it: their share, rounded."""
    return (2 * others * (others_weight - weight) + others_weight) // (2 * others_weight)


class Mixture:
    """The global order of sequences of all subsets: an endless stream with random access.

    Args:
        subsets: Sequences of each subset by name; only those with a weight are used.
        weights: Share of each subset's sequences, not necessarily of sum 1; empty: in proportion to the number of
            sequences, by which the epochs of all subsets end together. A subset that it doesn't name, or names with 0,
            is not used.
        seed: Of the shuffles.

    Attributes:
        dataset: ``grain.MapDataset`` of int32 arrays [seq_len + 1]; element i is sequence i.
        subsets: Names of those used, in order of name.

    Raises:
        ValueError: A weight names a subset without a single sequence, or nothing is left to use.
    """

    def __init__(self, subsets: Mapping[str, SubsetSequences], weights: Mapping[str, float], seed: int) -> None:
        exact = _integer_weights(subsets, weights)
        self.subsets = tuple(exact)
        self._sources = [subsets[name] for name in self.subsets]
        self._shares = Shares(list(exact.values()))
        self._orders = [
            grain.MapDataset.range(len(source)).shuffle(seed=_subset_seed(seed, name)).repeat()  # reseeded each epoch
            for name, source in zip(self.subsets, self._sources, strict=True)
        ]
        parts = [order.map(source.__getitem__) for order, source in zip(self._orders, self._sources, strict=True)]
        self.dataset = grain.MapDataset.select_from_datasets(parts, self._shares)

    def describe(self, index: int) -> SequenceOrigin:
        """Trace a sequence to its subset, epoch, tokens and documents.

        Args:
            index: In the global order, from 0.
        """
        subset, nth = self._shares[index]
        source = self._sources[subset]
        sequence = int(self._orders[subset][nth])
        start, length = source.span(sequence)
        documents = tuple(source.shards.documents(start, length))
        return SequenceOrigin(index, self.subsets[subset], nth // len(source), sequence, start, length, documents)

    def counts(self, num_sequences: int) -> dict[str, int]:
        """Sequences of each subset among the first ``num_sequences``."""
        return dict(zip(self.subsets, self._shares.counts(num_sequences), strict=True))

    def epochs(self, num_sequences: int) -> dict[str, float]:
        """How often each subset is read by the first ``num_sequences``: 0.5 is half of it, once."""
        counts = self.counts(num_sequences)
        return {name: counts[name] / len(source) for name, source in zip(self.subsets, self._sources, strict=True)}


def _integer_weights(subsets: Mapping[str, SubsetSequences], weights: Mapping[str, float]) -> dict[str, int]:
    """Weights as integers in the same proportion, by name; a decimal number means exactly itself."""
    sizes = {name: len(subsets[name]) for name in sorted(subsets)}
    used = {name: Fraction(str(weight)) for name, weight in sorted(weights.items()) if weight > 0}
    if missing := [name for name in used if not sizes.get(name)]:
        raise ValueError(f"[mixture] weights names subsets without a whole sequence: {missing}; sequences: {sizes}")
    if not weights:
        used = {name: Fraction(size) for name, size in sizes.items() if size}
    if not used:
        raise ValueError(f"no subset has a whole sequence and a weight; sequences: {sizes}, weights: {dict(weights)}")
    if max(sizes[name] for name in used) > MAX_EPOCH_SEQUENCES:
        raise ValueError(
            f"a subset may have at most {MAX_EPOCH_SEQUENCES} sequences; raise seq_len; sequences: {sizes}"
        )
    scale = math.lcm(*(weight.denominator for weight in used.values()))
    return {name: int(weight * scale) for name, weight in used.items()}


def _subset_seed(seed: int, subset: str) -> int:
    """A seed in [0, 2**32) for each subset, so that another subset changes nobody's order."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{subset}".encode(), digest_size=4).digest(), "big")


def sequences(token_folder: str, weights: Mapping[str, float], seed: int, seq_len: int) -> Mixture:
    """Open the sequences to train on; held-out subsets are not among them.

    Args:
        token_folder: ``OUT/tokens/<digest>``.
        weights: ``[mixture] weights``.
        seed: ``[mixture] seed``.
        seq_len: Tokens that a sequence predicts.

    Raises:
        FileNotFoundError: A token shard is missing.
        ValueError: A broken shard, or weights that don't fit; see ``Mixture``.
    """
    names = token_subsets(token_folder)
    return Mixture({name: open_subset(token_folder, name, seq_len) for name in names}, weights, seed)


def open_subset(token_folder: str, subset: str, seq_len: int) -> SubsetSequences:
    """A single subset's sequences in order, for evaluation on ``held_out/<subset>``."""
    return SubsetSequences(TokenShards.open(token_folder, subset), seq_len)


def batches(mixture: Mixture, start: int, batch_size: int) -> Iterator[np.ndarray]:
    """Batches from the global order, endlessly, read ahead by Grain's threads.

    Args:
        mixture: The global order.
        start: First sequence, the loader's whole state: ``next_sequence`` of a checkpoint.
        batch_size: Sequences in a batch; batch n holds [start + n * batch_size, start + (n + 1) * batch_size).

    Yields:
        int32 [batch_size, seq_len + 1].

    Raises:
        ValueError: start is below 0, or batch_size below 1.
    """
    if start < 0 or batch_size < 1:
        raise ValueError(f"start must be at least 0 and batch_size at least 1; got {start} and {batch_size}")
    # Batched before the threads, which then take a batch each: a sequence each costs them ten times as much CPU.
    whole_batches = mixture.dataset[start:].batch(batch_size, drop_remainder=True)
    stream = iter(whole_batches.to_iter_dataset(READ_AHEAD))
    try:
        yield from stream
    finally:
        stream.close()
