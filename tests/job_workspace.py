"""What a stage's job finds and leaves: tables of the stages before it by hand, its files, its transform on Beam."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline as LocalPipeline
from apache_beam.testing.util import assert_that, equal_to

from beam_jobs import shard_map
from pipeline import assets, storage
from pipeline.config import InputConfig, Recipe
from pipeline.driver import Driver
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.progress import Progress
from pipeline.schema import ABSENT, DOCUMENT_SCHEMA, DROPPED, KEPT, VERDICT_SCHEMA

BUNDLE_REPEAT = 2  # times that a bundle is run again

_SUBJECTS = ("the old engine", "a small river", "our new teacher", "every careful reader", "the northern harbour")
_VERBS = ("was repaired by", "has been described in", "will remain near", "gave its name to", "could be seen from")
_OBJECTS = ("the people of the town", "a long wooden bridge", "an early winter morning", "the museum of science")
GERMAN = "Der schnelle braune Fuchs springt über den faulen Hund und läuft dann weiter durch den dunklen Wald."


def article(number: int, sentences: int = 4) -> str:
    """English text of some twenty words a sentence, another for each number."""
    words = random.Random(number)
    return "\n".join(
        f"{words.choice(_SUBJECTS).capitalize()} {words.choice(_VERBS)} {words.choice(_OBJECTS)} in "
        f"{words.randint(1500, 2020)}, and it is said that {words.choice(_SUBJECTS)} {words.choice(_VERBS)} "
        f"{words.choice(_OBJECTS)}."
        for _ in range(sentences)
    )


def id_of(number: int) -> bytes:
    """Ids that sort as their numbers."""
    return b"%016d" % number


def ids_of(numbers: Iterable[int]) -> pa.Array:
    """A column of ids."""
    return pa.array([id_of(number) for number in numbers], pa.binary(16))


def workspace(out: Path, stage: str, batch_bytes: int = 32_000_000, name: str = "") -> Workspace:
    """A stage's workspace below ``out``, in which every stage's folder is its name; ``name`` sets two runs apart."""
    folder = f"{stage}{name}"
    upstream = {other: str(out / other) for other in ("extract", "signals", "filter", "signatures", "dedup")}
    upstream |= {other: str(out / other) for other in ("decontaminate", "corpus", "tokenizer")}
    return Workspace(str(out / folder), str(out / "tmp"), str(out / f"work-{folder}"), upstream, batch_bytes)


def write_table(out: Path, path: str, table: pa.Table) -> None:
    """Write one file of a stage before."""
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / path)


def write_documents(out: Path, task: ShardTask, texts: Mapping[int, str], stage: str = "extract") -> None:
    """Write a shard's documents, number -> text."""
    rows = [
        {
            "id": id_of(number),
            "subset": task.subset,
            "source": f"{task.subset}.txt",
            "offset": number,
            "length": 1,
            "member": "",
            "text": text,
            "meta": [("number", str(number))],
        }
        for number, text in texts.items()
    ]
    write_table(out, f"{stage}/{task.file('documents')}", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))


def write_verdicts(
    out: Path,
    stage: str,
    task: ShardTask,
    numbers: Sequence[int],
    dropped: Sequence[int] = (),
    gone: Sequence[int] = (),
) -> None:
    """Write a stage's verdicts about a shard."""
    rows = []
    for number in numbers:
        verdict = ABSENT if number in gone else DROPPED if number in dropped else KEPT
        reasons = ["a_reason"] if verdict == DROPPED else []
        rows.append({"id": id_of(number), "verdict": verdict, "reason": (reasons or [None])[0], "reasons": reasons})
    write_table(out, f"{stage}/{task.file('verdicts')}", pa.Table.from_pylist(rows, VERDICT_SCHEMA))


def rows_of(folder: str | Path, path: str) -> list[dict[str, Any]]:
    """The rows of a table."""
    return pq.read_table(Path(folder, path)).to_pylist()


def files_of(folder: str | Path) -> dict[str, bytes]:
    """Every file below a folder but the receipts."""
    names = [name for name in storage.list_files(str(folder)) if not name.startswith("_shards/")]
    return {name: storage.read_bytes(storage.join(str(folder), name)) for name in names}


def run_on_beam(
    transform: beam.PTransform, tasks: Sequence[ShardTask], receipts: Sequence[Receipt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a public transform of a map stage, each bundle three times over, and expect these receipts, once each."""
    attempts: list[str] = []
    write_receipt = shard_map.write_receipt
    monkeypatch.setattr(
        shard_map, "write_receipt", lambda space, one: attempts.append(one.shard) or write_receipt(space, one)
    )
    options = PipelineOptions([f"--direct_runner_bundle_repeat={BUNDLE_REPEAT}"])
    with LocalPipeline(runner="FnApiRunner", options=options) as pipeline:
        descriptors = pipeline | beam.Create([task.to_json() for task in tasks]).with_output_types(str)
        assert_that(descriptors | transform, equal_to([receipt.to_json() for receipt in receipts]))
    assert sorted(attempts) == sorted(task.name for task in tasks for _ in range(1 + BUNDLE_REPEAT))


def write_lines(path: Path, texts: Iterable[str]) -> None:
    """Write texts as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def recipe(root: Path, **sections: dict[str, Any]) -> Recipe:
    """A recipe of one subset, ``news``, of the JSON lines below ``root``, cut small; sections override."""
    defaults: dict[str, dict[str, Any]] = {
        "extract": {"shard_input_bytes": 8_000},
        "corpus": {"held_out_fraction": 0.2},
        "tokenizer": {"vocab_size": 330},
        "tokens": {"shard_text_bytes": 4_000},
    }
    part = InputConfig(subset="news", format="jsonl", root=str(root), paths=("*.jsonl",))
    merged = {name: {**defaults.get(name, {}), **sections.get(name, {})} for name in {**defaults, **sections}}
    return Recipe.model_validate({"input": (part,), **merged})


def language_model() -> str:
    """Path of lid.176.ftz in the assets' cache; the test is skipped where it was not brought."""
    try:
        return assets.path("lid.176.ftz")
    except assets.AssetError as error:
        pytest.skip(str(error))


def driver(recipe: Recipe, out: Path) -> Driver:
    """A driver in this process, with one worker that can be patched."""
    language_model()  # every plan names it
    one = recipe.model_copy(update={"run": recipe.run.model_copy(update={"workers": 1})})
    return Driver(one, str(out), "FnApiRunner", progress=Progress(io.StringIO()))


def folder_of(out: Path, stage: str) -> Path:
    """The one folder of a stage in a run."""
    (folder,) = (out / stage).iterdir()
    return folder


def manifest_of(out: Path, stage: str) -> dict[str, Any]:
    """The one manifest of a stage in a run."""
    return json.loads((folder_of(out, stage) / "manifest.json").read_text())


DROPPED_PAGE = f"{GERMAN} <script>alert('ha')</script> <b>fett</b> & so weiter."


@cache
def finished_run(base: Path) -> tuple[Recipe, Path]:
    """A run up to the tokens, once a session: sixty articles, an exact copy, a German page with markup, a bad line."""
    root, out = base / "finished-input", base / "finished-run"
    write_lines(root / "a.jsonl", [article(number) for number in range(40)])
    write_lines(root / "b.jsonl", [article(7), DROPPED_PAGE, *(article(number) for number in range(40, 60))])
    with (root / "b.jsonl").open("a") as stream:
        stream.write('{"text": "cut sho\n')
    made = recipe(root, run={"max_failed_fraction": 0.05})
    driver(made, out).run()
    return made, out
