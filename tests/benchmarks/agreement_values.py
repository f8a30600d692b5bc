"""What ``agreement.py`` compares: our signals and decisions, and the peers', of the same documents."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from benchmarks.agreement_rows import ALL, DATATROVE, DOLMA, LINES, UNMARKED_LINES
from benchmarks.side_by_side import HERE, Contender

from filters.bounds import decide
from filters.c4 import c4_signals
from filters.fineweb import fineweb_signals
from filters.quality import quality_signals
from filters.repetition import repetition_signals
from filters.rule_sets import TABLES
from filters.text import scan

COMPARED: Final = ("quality", "repetition", "c4", "fineweb")  # of TABLES


class Document(NamedTuple):
    """A row of the sample."""

    id: str
    source: str
    text: str


class Value(NamedTuple):
    """A signal of a document and whether it fails its bound; no value where there is only a decision."""

    value: float | str | None
    fails: bool = False


Values = dict[str, dict[str, Value]]  # of a document: table -> signal -> value; ALL is the table's decision
Peer = dict[str, list[Values]]  # settings -> documents


def our_values(texts: Sequence[str]) -> list[Values]:
    """All signals of all tables, and the tables' decisions."""
    column = pa.array(texts, pa.large_string())
    scanned = scan(column)
    columns: dict[str, list[Any]] = {}
    for kernel in (quality_signals, repetition_signals, fineweb_signals, c4_signals):
        columns |= kernel(scanned).to_pydict()
    edits = columns.pop("c4_edits")
    unmarked = ("c4_blank_line", "c4_no_terminal_mark")
    columns[UNMARKED_LINES] = [sum(edit["kind"] in unmarked for edit in spans) for spans in edits]
    columns[LINES] = [without(text, spans) for text, spans in zip(texts, edits, strict=True)]
    return judged(columns, COMPARED)


def without(text: str, spans: Sequence[Mapping[str, Any]]) -> str:
    """A text less ``c4_edits``."""
    data, position, kept = text.encode(), 0, []
    for span in spans:
        kept.append(data[position : span["start"]])
        position = span["stop"]
    return b"".join([*kept, data[position:]]).decode()


def judged(columns: Mapping[str, Sequence[Any]], tables: Collection[str]) -> list[Values]:
    """Hold columns of signals against our bounds; where a bound has no column, the table goes without it."""
    number = len(next(iter(columns.values())))
    documents: list[Values] = [{} for _ in range(number)]
    for table in tables:
        bounds = [bound for bound in TABLES[table] if bound.name in columns]
        measured = pa.RecordBatch.from_pydict({bound.name: columns[bound.name] for bound in bounds})
        for i, reasons in enumerate(decide(measured, bounds).to_pylist()):
            documents[i][table] = {name: Value(column[i], name in reasons) for name, column in columns.items()}
            documents[i][table][ALL] = Value(None, bool(reasons))
    return documents


def read_peers(sample: Sequence[Document]) -> dict[str, Peer]:
    """What the peers whose environment is there say; see ``contenders/``."""
    found: dict[str, Peer] = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "documents.jsonl")
        texts.write_text("".join(json.dumps({"text": document.text}) + "\n" for document in sample))
        for name in (DATATROVE, DOLMA):
            contender = Contender(name, f"{name}_values.py", (str(texts), str(Path(folder, name))), name)
            if not contender.python().exists():
                print(f"left out: {name}; `make bench` brings it", file=sys.stderr)
                continue
            command = [str(contender.python()), str(HERE / "contenders" / contender.script), *contender.arguments]
            subprocess.run(command, check=True, stdout=sys.stderr)
            found[name] = _READERS[name](json.loads(Path(folder, name).read_text()))
    return found


def read_datatrove(documents: Sequence[Any]) -> Peer:
    """Its own decisions, by settings."""
    return {
        settings: [
            {table: {name: Value(*pair) for name, pair in found.items()} for table, found in document[settings].items()}
            for document in documents
        ]
        for settings in documents[0]
    }


def read_dolma(documents: Sequence[Any]) -> Peer:
    """Its values held against our bounds: it has none."""
    return {settings: judged_dolma([document[settings] for document in documents]) for settings in documents[0]}


def judged_dolma(documents: Sequence[Mapping[str, Mapping[str, float]]]) -> list[Values]:
    """Of one tagger."""
    found: list[Values] = [{} for _ in documents]
    for table in documents[0]:
        names = sorted({name for document in documents for name in document[table]})
        columns = {name: [document[table].get(name) for document in documents] for name in names}
        for values, of_table in zip(found, judged(columns, [table]), strict=True):
            values |= of_table
    for values in found:  # of these it says only whether there is one
        for name in ("num_curly_brackets", "num_lorem_ipsum"):
            values["c4"][name] = values["c4"][name]._replace(value=None)
    return found


_READERS: Final = {DATATROVE: read_datatrove, DOLMA: read_dolma}
