"""Shard descriptors, the receipts of finished shards, and the manifest that makes a stage real.

A map stage's work is a plain function of a ``ShardTask`` and a ``Workspace`` that gives a ``Receipt``. The manifest
comes last: it sums the receipts, checks that nothing was lost, and names inputs, outputs, counts, configuration and
versions.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from pipeline import storage
from pipeline.storage import OutputFile

RECEIPTS = "_shards"
MANIFEST = "manifest.json"
_VERSIONED = (
    "massivetext",
    "apache-beam",
    "pyarrow",
    "numpy",
    "numba",
    "fastwarc",
    "resiliparse",
    "fasttext-community",
    "sentencepiece",
    "jax",
)


class AccountingError(RuntimeError):
    """A stage whose sums do not balance; it commits nothing."""


class TooManyFailedError(AccountingError):
    """A stage that failed on more of a subset than ``max_failed_fraction``.

    Attributes:
        subset: Which.
    """

    def __init__(self, where: str, subset: str, counts: Counts, fraction: float) -> None:
        super().__init__(
            f"{where}, {subset}: {counts.failed} of {counts.entered} {counts.unit} failed, more than "
            f"max_failed_fraction = {fraction}; mend the input or raise [run] max_failed_fraction"
        )
        self.subset = subset


@dataclass(frozen=True)
class ShardTask:
    """A shard descriptor: all that a worker is told, as plain JSON data; what a map stage's Beam elements are."""

    subset: str  # "massiveweb"; "held_out/massiveweb" for the held-out split
    index: int
    count: int  # shards of this subset in this step
    inputs: tuple[dict[str, Any], ...] = ()  # what the step reads, in its own terms
    step: str = ""  # names the step in a stage that has several
    bytes: int = 0  # of what the step reads, as stored, where that is known: workers are dealt equal shares of it

    @property
    def name(self) -> str:
        """Unique within the stage, and a file name."""
        head = f"{self.step}." if self.step else ""
        return f"{head}{self.subset.replace('/', '.')}-{self.index:05d}-of-{self.count:05d}"

    def file(self, kind: str, extension: str = "parquet") -> str:
        """The path of this shard's file of a kind, below the stage folder."""
        return f"{self.subset}/{storage.shard_name(kind, self.index, self.count, extension)}"

    def to_json(self) -> str:
        """As it travels through Beam."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ShardTask:
        """Read a descriptor."""
        data = json.loads(text)
        return cls(**{**data, "inputs": tuple(data["inputs"])})


@dataclass(frozen=True)
class Workspace:
    """Where a shard function reads and writes."""

    folder: str  # OUT/<stage>/<digest>
    scratch: str  # unfinished files
    work: str  # OUT/tmp/<stage>-<digest>: what the stage needs between its steps; removed when it commits
    upstream: dict[str, str] = field(default_factory=dict)  # stage -> its folder
    batch_bytes: int = 32_000_000  # text a kernel sees at once

    def path(self, relative: str) -> str:
        """A path below the stage folder."""
        return storage.join(self.folder, relative)


@dataclass(frozen=True)
class Counts:
    """What became of what entered: ``entered == kept + sum(dropped) + failed``."""

    unit: str
    entered: int
    kept: int
    dropped: Mapping[str, int]
    failed: int
    produced: int  # what the next stage's count begins with
    extra: Mapping[str, int] = field(default_factory=dict)  # such as tokens; summed, not balanced

    def __add__(self, other: Counts) -> Counts:
        """Sum of two shards of one unit."""
        if self.unit != other.unit:
            raise ValueError(f"counts of one subset must have one unit; got {self.unit} and {other.unit}")
        return Counts(
            self.unit,
            self.entered + other.entered,
            self.kept + other.kept,
            _sum(self.dropped, other.dropped),
            self.failed + other.failed,
            self.produced + other.produced,
            _sum(self.extra, other.extra),
        )

    def check(self, where: str) -> None:
        """Refuse sums that do not balance.

        Raises:
            AccountingError: Something was lost or counted twice.
        """
        left = self.kept + sum(self.dropped.values()) + self.failed
        if left != self.entered:
            raise AccountingError(
                f"{where}: {self.entered} {self.unit} entered, but {self.kept} kept + {sum(self.dropped.values())} "
                f"dropped + {self.failed} failed = {left}; nothing is committed"
            )

    def as_dict(self) -> dict[str, Any]:
        """As it stands in receipts and manifests."""
        return {
            "unit": self.unit,
            "in": self.entered,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": self.failed,
            "produced": self.produced,
            **dict(sorted(self.extra.items())),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Counts:
        """Read counts back."""
        known = ("unit", "in", "kept", "dropped", "failed", "produced")
        extra = {key: value for key, value in data.items() if key not in known}
        unit, entered, kept, dropped, failed, produced = (data[key] for key in known)
        return cls(unit, entered, kept, dropped, failed, produced, extra)


def _sum(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {key: a.get(key, 0) + b.get(key, 0) for key in sorted({*a, *b})}


@dataclass(frozen=True)
class Receipt:
    """What a finished shard read and wrote. ``counts`` is None for a step that only prepares another."""

    shard: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[OutputFile, ...]
    counts: Counts | None
    subset: str = ""

    def check(self) -> None:
        """Refuse a shard whose sums do not balance; too many failures are the stage's matter.

        Raises:
            AccountingError: Something was lost or counted twice.
        """
        if self.counts is not None:
            self.counts.check(f"shard {self.shard}")

    def to_json(self) -> str:
        """As it stands in its file."""
        data = {
            "shard": self.shard,
            "subset": self.subset,
            "inputs": list(self.inputs),
            "outputs": [output.as_dict() for output in self.outputs],
            "counts": self.counts.as_dict() if self.counts else None,
        }
        return json.dumps(data, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Receipt:
        """Read a receipt."""
        data = json.loads(text)
        counts = Counts.from_dict(data["counts"]) if data["counts"] else None
        outputs = tuple(OutputFile(**output) for output in data["outputs"])
        return cls(data["shard"], tuple(data["inputs"]), outputs, counts, data["subset"])


def receipt_path(folder: str, shard: str) -> str:
    """Where a shard's receipt stands."""
    return storage.join(folder, RECEIPTS, f"{shard}.json")


def write_receipt(space: Workspace, receipt: Receipt) -> None:
    """Make a shard count as finished."""
    storage.write_bytes(receipt_path(space.folder, receipt.shard), receipt.to_json().encode(), space.scratch)


def finished_receipt(folder: str, shard: str) -> Receipt | None:
    """A shard's receipt, when it is there and the files it names are too, in their sizes.

    Digests are not compared: files appear whole under their names, so what goes wrong on the way shows as a missing or
    shorter file, and reading all finished output again would make resuming a large stage as slow as its I/O.
    """
    path = receipt_path(folder, shard)
    if not storage.exists(path):
        return None
    receipt = Receipt.from_json(storage.read_bytes(path))
    for output in receipt.outputs:
        file = storage.join(folder, output.path)
        if not storage.exists(file) or storage.size(file) != output.bytes:
            return None
    return receipt


def total_counts(receipts: Iterable[Receipt], max_failed_fraction: float, where: str) -> dict[str, Counts]:
    """Sum the shards of each subset and check the sums.

    Raises:
        AccountingError: Something was lost or counted twice.
        TooManyFailedError: More than ``max_failed_fraction`` of a subset failed.
    """
    totals: dict[str, Counts] = {}
    for receipt in receipts:
        if receipt.counts is not None:
            receipt.counts.check(f"{where}, shard {receipt.shard}")
            before = totals.get(receipt.subset)
            totals[receipt.subset] = before + receipt.counts if before else receipt.counts
    for subset, counts in totals.items():
        if counts.failed > max_failed_fraction * counts.entered:
            raise TooManyFailedError(where, subset, counts, max_failed_fraction)
    return dict(sorted(totals.items()))


def build_manifest(
    stage: str,
    digest: str,
    format_version: int,
    config: Mapping[str, Any],
    inputs: Iterable[Mapping[str, Any]],
    receipts: Iterable[Receipt],
    counts: Mapping[str, Counts],
) -> dict[str, Any]:
    """The manifest of a finished stage, with its fields in the order of their names."""
    receipts = list(receipts)
    entries = [entry for receipt in receipts for entry in receipt.inputs] + list(inputs)
    read = {(str(entry["path"]), str(entry["sha256"])): dict(entry) for entry in entries}  # two roots may share a path
    outputs = sorted((output for receipt in receipts for output in receipt.outputs), key=lambda o: o.path)
    return {
        "stage": stage,
        "digest": digest,
        "format_version": format_version,
        "config": dict(config),
        "inputs": [read[key] for key in sorted(read)],
        "outputs": [output.as_dict() for output in outputs],
        "counts": {subset: total.as_dict() for subset, total in counts.items()},
        "versions": versions(),
    }


def write_manifest(folder: str, manifest: Mapping[str, Any], scratch: str) -> None:
    """Write the manifest: the stage is real from now on."""
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    storage.write_bytes(storage.join(folder, MANIFEST), text.encode(), scratch)


def read_manifest(folder: str) -> dict[str, Any] | None:
    """A stage's manifest, or None while it has none."""
    path = storage.join(folder, MANIFEST)
    if not storage.exists(path):
        return None
    manifest: dict[str, Any] = json.loads(storage.read_bytes(path))
    return manifest


def versions() -> dict[str, str]:
    """Versions of what the output's bytes could depend on."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
