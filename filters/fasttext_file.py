"""Reads a trained fastText classifier (``.bin``, or quantised ``.ftz``) into flat arrays.

fastText's own library predicts one text a call and about 12 MB of text a second; ``filters.fasttext_model`` reads these
arrays in a kernel. The format is that of fastText 0.9 (file versions 11 and 12), all of it little endian: header,
dictionary, pruned buckets, input matrix, output matrix. A quantised input matrix is multiplied out once, as fastText
does at each use: to the same float32 values.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)

LABEL_PREFIX: Final = "__label__"

_MAGIC: Final = 793_712_314
_SUPERVISED: Final = 3
_HIERARCHICAL, _SOFTMAX = 1, 3
_LOSSES: Final = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one-vs-all"}
_CENTROIDS: Final = 256  # of a sub-quantiser: one code is a byte


class UnsupportedModelError(ValueError):
    """A sound fastText model of a kind that only fastText's own library reads."""


class Header(NamedTuple):
    """fastText's settings as they stand in the file, all int32."""

    dim: int
    window: int
    epochs: int
    min_count: int
    negatives: int
    word_ngrams: int
    loss: int
    kind: int
    buckets: int
    min_chars: int
    max_chars: int
    update_rate: int


@dataclass(frozen=True)
class FastTextFile:
    """A classifier's parts.

    Attributes:
        header: Its settings.
        words: Dictionary entries in UTF-8: first the words, then the labels with their prefix.
        num_words: How many of ``words`` are words.
        counts: int64 [labels], occurrences in training; hierarchical softmax takes its tree from them.
        bucket_rows: int32 [header.buckets], row of ``input`` of each n-gram bucket; -1 = pruned.
        input: float32 [rows, dim], one row a word, then those of the buckets.
        output: float32 [labels, dim] of softmax; its first labels - 1 rows are the inner nodes of hierarchical softmax.
    """

    header: Header
    words: tuple[bytes, ...]
    num_words: int
    counts: NDArray[np.int64]
    bucket_rows: NDArray[np.int32]
    input: NDArray[np.float32]
    output: NDArray[np.float32]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels without their prefix, in the order of ``output``."""
        return _without_prefix(self.words[self.num_words :])

    @property
    def is_hierarchical(self) -> bool:
        """Whether the labels are the leaves of a tree, else softmax over all."""
        return self.header.loss == _HIERARCHICAL


def read_fasttext(path: str) -> FastTextFile:
    """Read a classifier.

    Args:
        path: Local file.

    Raises:
        UnsupportedModelError: Trained with negative sampling or one-vs-all, or with a quantised output.
        ValueError: The file is missing, no fastText classifier, or damaged.
    """
    with _open(path) as stream:
        return _Reader(stream, path).model()


def read_labels(path: str, any_loss: bool = False) -> tuple[str, ...]:
    """Read no more than a classifier's labels; errors as in ``read_fasttext``.

    Args:
        path: Local file.
        any_loss: Also of models that only fastText's own library reads.
    """
    with _open(path) as stream:
        return _Reader(stream, path).labels(any_loss)


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb") as stream:
            yield stream
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a fastText model: {error.strerror}") from error


class _Reader:
    """One pass over a model's file."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream, self._path = stream, path
        self._size = os.fstat(stream.fileno()).st_size

    def labels(self, any_loss: bool) -> tuple[str, ...]:
        self._header(any_loss)
        words, num_words, _, _ = self._dictionary()
        return _without_prefix(words[num_words:])

    def model(self) -> FastTextFile:
        header = self._header()
        words, num_words, counts, pruned = self._dictionary()
        is_quantised = bool(self._numbers("<?")[0])
        if not is_quantised and pruned is not None:
            raise self._damaged("its buckets are pruned and its matrix is not")
        rows = self._quantised_matrix() if is_quantised else self._matrix()
        if self._numbers("<?")[0] and is_quantised:
            raise UnsupportedModelError(f"{self._path} has a quantised output matrix")
        output = self._matrix()
        if pruned is not None and not _name_each_once(pruned, header.buckets):
            raise self._damaged("its pruned buckets are none of its own, or named twice")
        bucket_rows = _bucket_rows(header.buckets, num_words, pruned)
        if rows.shape[1] != header.dim or output.shape != (len(counts), header.dim):
            raise self._damaged(f"its matrices are {rows.shape} and {output.shape}")
        if len(rows) < num_words or bucket_rows.max(initial=-1) >= len(rows):
            raise self._damaged(f"its input matrix has only {len(rows)} rows")
        return FastTextFile(header, words, num_words, counts, bucket_rows, rows, output)

    def _header(self, any_loss: bool = False) -> Header:
        magic, version = self._numbers("<ii")
        if magic != _MAGIC or version not in (11, 12):
            raise ValueError(f"{self._path} is no fastText model of file version 11 or 12")
        header = Header(*self._numbers("<12i"))
        self._numbers("<d")  # the threshold of sampling in training
        if header.kind != _SUPERVISED:
            raise ValueError(f"{self._path} is no classifier: its model is of words alone (cbow or skipgram)")
        if not any_loss and header.loss not in (_HIERARCHICAL, _SOFTMAX):
            raise UnsupportedModelError(f"{self._path} was trained with {_LOSSES.get(header.loss, 'an unknown loss')}")
        if version == 11:
            header = header._replace(max_chars=0)  # as fastText: its early classifiers had no character n-grams
        needs_buckets = header.max_chars > 0 or header.word_ngrams > 1
        if min(header.dim, header.buckets + (not needs_buckets), header.word_ngrams) < 1:
            raise self._damaged(f"its settings are {header}")
        return header

    def _dictionary(self) -> tuple[tuple[bytes, ...], int, NDArray[np.int64], NDArray[np.int32] | None]:
        """Entries, number of words, the labels' counts, and pairs of kept bucket and its place; None = all are kept."""
        size, num_words, num_labels, _, num_kept = self._numbers("<iiiqq")
        if min(num_words, num_labels - 1, num_kept + 1) < 0 or size != num_words + num_labels:
            raise self._damaged(f"its dictionary has {num_words} words and {num_labels} labels of {size}")
        words, counts = [], np.zeros(size, np.int64)
        for entry in range(size):
            words.append(self._word())
            counts[entry], kind = self._numbers("<qb")
            if kind != (entry >= num_words):
                raise self._damaged("its labels do not follow its words")
        kept = None if num_kept < 0 else self._array(np.int32, 2 * num_kept).reshape(-1, 2)
        return tuple(words), num_words, counts[num_words:], kept

    def _word(self) -> bytes:
        characters = bytearray()
        while (byte := self._stream.read(1)) != b"\0":
            if not byte:
                raise self._damaged("it ends in a word")
            characters += byte
        return bytes(characters)

    def _matrix(self) -> NDArray[np.float32]:
        num_rows, dim = self._numbers("<qq")
        if min(num_rows, dim) < 0:
            raise self._damaged(f"it has a matrix of {num_rows} rows")
        return self._array(np.float32, num_rows * dim).reshape(num_rows, dim)

    def _quantised_matrix(self) -> NDArray[np.float32]:
        has_norms, num_rows, dim, num_codes = self._numbers("<?qqi")
        codes = self._array(np.uint8, num_codes)
        rows = self._lookup(codes, num_rows)
        if has_norms:  # multiplied in float32, as fastText does
            rows *= self._lookup(self._array(np.uint8, num_rows), num_rows)
        if rows.shape != (num_rows, dim):
            raise self._damaged(f"its quantised matrix is {rows.shape} instead of {(num_rows, dim)}")
        return rows

    def _lookup(self, codes: NDArray[np.uint8], num_rows: int) -> NDArray[np.float32]:
        """Multiply a product quantiser out: parts of ``width`` numbers, one of 256 each; the last may be shorter."""
        dim, parts, width, last_width = self._numbers("<4i")
        if min(dim, parts, width, last_width, num_rows + 1) < 1 or len(codes) != num_rows * parts:
            raise self._damaged(f"its quantiser has {parts} parts of {width}")
        centroids = self._array(np.float32, dim * _CENTROIDS)
        columns = codes.reshape(num_rows, parts)
        if (parts - 1) * width + last_width != dim:
            raise self._damaged(f"its quantiser has {parts} parts of {width} for {dim} numbers")
        rows = np.empty((num_rows, dim), np.float32)
        for part in range(parts):
            own = width if part < parts - 1 else last_width
            start = part * width
            table = centroids[start * _CENTROIDS : (start + own) * _CENTROIDS].reshape(_CENTROIDS, own)
            rows[:, start : start + own] = table[columns[:, part]]
        return rows

    def _numbers(self, layout: str) -> tuple[Any, ...]:
        data = self._stream.read(struct.calcsize(layout))
        if len(data) < struct.calcsize(layout):
            raise self._damaged("it ends too early")
        return struct.unpack(layout, data)

    def _array(self, kind: type[Kind], size: int) -> NDArray[Kind]:
        if size * np.dtype(kind).itemsize > self._size - self._stream.tell():
            raise self._damaged("it ends too early")
        return np.fromfile(self._stream, kind, size)

    def _damaged(self, why: str) -> ValueError:
        return ValueError(f"{self._path} is damaged: {why}")


def _without_prefix(labels: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(label.decode("utf-8", "replace").removeprefix(LABEL_PREFIX) for label in labels)


def _name_each_once(kept: NDArray[np.int32], buckets: int) -> bool:
    """Whether pairs of bucket and place name buckets that there are and as many places, none of them twice."""
    in_range = bool((kept >= 0).all() and (kept < (buckets, len(kept))).all())
    return in_range and all(len(np.unique(column)) == len(kept) for column in kept.T)


def _bucket_rows(buckets: int, num_words: int, kept: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """Row of each bucket: all in order, or those kept after pruning, -1 for the others."""
    if kept is None:
        return np.arange(num_words, num_words + buckets, dtype=np.int32)
    rows = np.full(buckets, -1, np.int32)
    rows[kept[:, 0]] = num_words + kept[:, 1]
    return rows
