"""Cut indexes of web archives into stretches whose records have about the same bytes together."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.config import RecipeError
from pipeline.index_entries import Entry
from pipeline.records import Piece
from pipeline.warc_index import entries


class IndexPlan:
    """The stretches of a subset's indexes; sees to it that no record is named by two of them.

    Args:
        where: The subset, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._archives: set[str] = set()
        self._indexes: list[Piece] = []
        self._keys = array("Q")  # 64 bits of hash for each record

    def cut(self, base: Piece, target: int) -> list[tuple[int, Piece]]:
        """Cut one index, reading all its rows of the wanted hosts.

        Args:
            base: The whole index.
            target: Bytes of records that a stretch may name; a record more when the last one crosses it.

        Returns:
            Bytes of records and piece, of each stretch; one stretch when no row names a record.
        """
        positions, lengths = array("q"), array("q")
        for entry in _without_repeats(base):
            positions.append(entry.position)
            lengths.append(0 if entry.unwanted else entry.length)
            if not entry.problem:
                self._archives.add(entry.filename)
                self._keys.append(_key(entry))
        self._indexes.append(base)
        return _stretches(base, np.array(positions, np.int64), np.array(lengths, np.int64), target)

    def refuse_repeated(self, others: set[str]) -> None:
        """Refuse records that would be read twice: their documents' ids would be the same.

        Args:
            others: Archives of the subset that are read whole.

        Raises:
            RecipeError: With the first that is named twice.
        """
        if both := sorted(others & self._archives):
            raise RecipeError(f"{self._where}: {both[0]} is read whole, and by an index; read each record once")
        keys = np.sort(np.frombuffer(self._keys, np.uint64))
        suspects = set(keys[1:][keys[1:] == keys[:-1]].tolist())
        seen = set()
        for entry in (entry for base in self._indexes if suspects for entry in _without_repeats(base)):
            if entry.problem or _key(entry) not in suspects:
                continue
            if entry.record in seen:
                raise RecipeError(
                    f"{self._where}: the indexes name the record of {entry.url} at byte {entry.offset} of "
                    f"{entry.filename} more than once; read each index once, and sort its lines so that equal ones are "
                    "neighbours"
                )
            seen.add(entry.record)


def _without_repeats(base: Piece) -> Iterator[Entry]:
    """The rows of an index, but for those that name the record of the row before: the reader of that drops them."""
    before = None
    for entry in entries(base.path, base.format, base.hosts):
        if entry.problem or entry.record != before:
            yield entry
        before = entry.record


def _key(entry: Entry) -> int:
    text = "\0".join((entry.filename, str(entry.offset), entry.url or ""))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _stretches(
    base: Piece, positions: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], target: int
) -> list[tuple[int, Piece]]:
    """Stretches of the same size but for the record that crosses their ends."""
    before = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    count = max(1, -(-total // target))
    firsts = np.unique(np.searchsorted(before, np.arange(1, count) * total // count)) if count > 1 else np.zeros(0, int)
    firsts = firsts[(firsts > 0) & (firsts < len(positions))]
    starts = [0, *positions[firsts].tolist()]
    sums = np.diff([0, *before[firsts].tolist(), total]).tolist()
    return [
        (size, replace(base, start=start, end=end))
        for size, start, end in zip(sums, starts, [*starts[1:], -1], strict=True)
    ]
