"""A planted-fault archive through the extract stage: it finishes, and every byte of the file is accounted for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from job_workspace import driver, folder_of, manifest_of, rows_of
from planted_faults import Planted, planted
from warc_builder import SENTENCE

from pipeline.config import InputConfig, Recipe


@pytest.fixture(
    scope="module", params=["gzip", *(pytest.param(codec, marks=pytest.mark.slow) for codec in ("zstd", "lz4"))]
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Planted]]:
    """The output of a run over the archive, cut into several ranges, and what was planted in it."""
    root, faults = tmp_path_factory.mktemp("planted"), list(planted(request.param))
    (root / "faults.warc").write_bytes(b"".join(fault.stored for fault in faults))
    part = InputConfig(subset="massiveweb", format="warc", root=str(root), paths=("faults.warc",))
    made = Recipe(input=(part,), run={"max_failed_fraction": 1.0}, extract={"shard_input_bytes": 5_000})
    driver(made, root / "out").run(only="extract")
    return root / "out", faults


def table(out: Path, kind: str) -> list[dict]:
    files = sorted((folder_of(out, "extract") / "massiveweb").glob(f"{kind}-*"))
    assert len(files) > 3
    return [row for path in files for row in rows_of(path, "")]


def test_each_fault_becomes_what_it_is_to(run: tuple[Path, list[Planted]]) -> None:
    out, faults = run
    records = iter(table(out, "records"))
    offset = 0
    for fault in faults:
        found = [next(records) for _ in fault.outcomes]
        assert {row["source"] for row in found} == {"faults.warc"}, fault.name
        for row, outcome in zip(found, fault.outcomes, strict=True):
            assert (row["reason"] or row["outcome"]) == outcome, (fault.name, row)
            assert (row["outcome"] == "failed") == bool(row["error"]), fault.name
            assert row["offset"] >= offset
        assert found[0]["offset"] == offset, fault.name
        offset += len(fault.stored)
        assert found[-1]["offset"] + found[-1]["length"] == offset, fault.name
    assert next(records, None) is None


def test_the_sums_balance(run: tuple[Path, list[Planted]]) -> None:
    out, faults = run
    counts = manifest_of(out, "extract")["counts"]["massiveweb"]
    records, documents = table(out, "records"), table(out, "documents")
    by_outcome = Counter(row["outcome"] for row in records)
    assert counts["in"] == len(records) == sum(len(fault.outcomes) for fault in faults)
    assert counts["kept"] == len(documents) == by_outcome["kept"]
    assert counts["failed"] == by_outcome["failed"]
    assert counts["in"] == counts["kept"] + sum(counts["dropped"].values()) + counts["failed"]


def test_no_neighbour_is_harmed_and_every_text_is_sound(run: tuple[Path, list[Planted]]) -> None:
    out, faults = run
    texts = {row["offset"]: row["text"] for row in table(out, "documents")}
    offset = 0
    for fault in faults:
        if fault.text:
            assert fault.text in texts[offset], fault.name
        offset += len(fault.stored)
    for text in texts.values():
        assert SENTENCE in text
        assert text.encode().decode() == text  # no lone surrogate
        assert "\0" not in text


def test_documents_of_equal_records_have_ids_of_their_own(run: tuple[Path, list[Planted]]) -> None:
    out, _ = run
    documents = table(out, "documents")
    assert len({row["id"] for row in documents}) == len(documents)
    twice = [row for row in documents if row["text"] == f"{SENTENCE} twice."]
    assert len(twice) == 2
