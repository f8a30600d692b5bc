"""A planted address through a whole run: redacted, it stands in extract's documents alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import GERMAN, article, driver, folder_of, manifest_of, recipe, write_lines

from pipeline import storage
from pipeline.config import Recipe
from pipeline.dropped import write_dropped
from pipeline.find import find_documents
from pipeline.report import write_report
from pipeline.text_edits import read_editing
from tokenizer.encoder import FastSentencePiece

MAIL, IP, PHONE = "planted.person@post.example.org", "93.184.216.34", "+44 20 7946 0958"
PLANTED = (MAIL, IP, PHONE)
MARKS = ("|||EMAIL_ADDRESS|||", "|||IP_ADDRESS|||", "|||PHONE_NUMBER|||")
# each 13-gram of it has the address in its middle: without the address nothing is shared
EVALUATION = f"One two three four five six seven eight nine ten eleven {MAIL} " + ("aa bb cc dd ee ff gg hh ii jj kk")
EDITED = (3, 7, 8, 30)


def texts() -> list[str]:
    made = [article(number) for number in range(50)]
    made[3] += f" Write to {MAIL} or from {IP}, and call {PHONE}."
    made[7] = f"{MAIL}\n{made[7]}"
    made[8] = f"another.person@post.example.org\n{article(7)}"  # the same text as number 7, once redacted
    made[30] += f" {EVALUATION}"
    made[40] = f"{GERMAN} {MAIL}"  # dropped by the filter
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("redacted")
    driver(planted(base, filter={"redact": ("email", "ip_address", "phone")}), base / "out").run()
    return base / "out"


def planted(base: Path, **sections: dict[str, Any]) -> Recipe:
    root = base / "in"
    write_lines(root / "a.jsonl", texts()[:25])
    write_lines(root / "b.jsonl", texts()[25:])
    evaluation = base / "evaluation.txt"
    evaluation.write_text(EVALUATION)
    return recipe(root, signals={"pii": True}, decontaminate={"evaluation": (str(evaluation),)}, **sections)


def texts_of(out: Path, stage: str) -> str:
    return "\n".join(
        pa.concat_tables(map(pq.read_table, sorted(folder_of(out, stage).rglob("documents-*"))))
        .column("text")
        .to_pylist()
    )


def test_extracts_documents_have_it_still(run: Path) -> None:
    assert all(planted in texts_of(run, "extract") for planted in PLANTED)


def test_the_corpus_has_the_marks_in_its_place(run: Path) -> None:
    corpus = texts_of(run, "corpus")
    assert not [planted for planted in PLANTED if planted in corpus]
    assert [corpus.count(mark) for mark in MARKS] == [3, 1, 1]
    assert f"Write to {MARKS[0]} or from {MARKS[1]}, and call {MARKS[2]}." in corpus


def test_the_address_is_in_no_table_of_a_later_stage(run: Path) -> None:
    stages = ("signals", "filter", "signatures", "dedup", "decontaminate", "corpus", "tokens")
    tables = [path for stage in stages for path in folder_of(run, stage).rglob("*.parquet")]
    assert len(tables) > 7
    for path in tables:
        rows = json.dumps(pq.read_table(path).to_pylist(), default=str)
        assert not [planted for planted in PLANTED if planted in rows], path


def test_the_tokens_decode_to_text_without_it(run: Path) -> None:
    model = FastSentencePiece(storage.read_bytes(str(folder_of(run, "tokenizer") / "tokenizer.model")))
    decoded = "".join(
        model.vocabulary.decode(np.load(path)) for path in sorted(folder_of(run, "tokens").rglob("tokens-*.npy"))
    )
    assert MARKS[1] in decoded
    assert not [planted for planted in PLANTED if planted in decoded]


def test_signatures_are_of_the_edited_text(run: Path) -> None:
    """Numbers 7 and 8 differ in the address alone, so that one of them is an exact duplicate."""
    assert manifest_of(run, "dedup")["counts"]["news"]["dropped"] == {"exact_duplicate": 1}


def test_decontamination_compares_the_edited_text(run: Path) -> None:
    assert manifest_of(run, "decontaminate")["counts"]["news"]["dropped"] == {}


def test_edits_are_counted_and_the_sums_still_balance(run: Path) -> None:
    counts = manifest_of(run, "filter")["counts"]["news"]
    assert (counts["in"], counts["kept"], counts["failed"]) == (50, 49, 0)
    assert counts["edited_documents"] == len(EDITED)
    assert {key: value for key, value in counts.items() if key.startswith("edits_")} == {
        "edits_email": 4, "edits_ip_address": 1, "edits_phone": 1,
    }  # fmt: skip


def test_what_a_person_is_shown_is_edited_too(run: Path) -> None:
    write_report(str(run))
    stats = json.loads((run / "report" / "stats.json").read_text())
    assert stats["edits"] == {"news": {"edited_documents": 4, "reasons": {"email": 4, "ip_address": 1, "phone": 1}}}
    write_dropped(str(run))
    shown = [(run / "report" / name).read_text() for name in ("index.html", "stats.json")]
    for verdict in ("kept", "dropped"):
        shown.append(json.dumps(find_documents(str(run), verdict, None, None, None, 100)))
    dropped = pa.concat_tables(map(pq.read_table, sorted((run / "dropped").rglob("*.parquet"))))
    shown.append("\n".join(dropped["text"].to_pylist()))
    assert any(MARKS[0] in text for text in shown[2:])
    assert not [planted for planted in PLANTED for text in shown if planted in text]


def test_without_redaction_the_address_stays_and_tables_are_as_ever(tmp_path: Path) -> None:
    made, out = planted(tmp_path), tmp_path / "out"
    for stage in ("extract", "signals", "filter", "signatures", "dedup", "decontaminate", "corpus"):
        driver(made, out).run(only=stage)
    assert all(planted in texts_of(out, "corpus") for planted in PLANTED[1:])
    assert manifest_of(out, "decontaminate")["counts"]["news"]["dropped"] == {"contaminated": 1}
    assert set(manifest_of(out, "filter")["counts"]["news"]) == {"unit", "in", "kept", "dropped", "failed", "produced"}
    assert not any(read_editing(str(path)) for path in folder_of(out, "filter").rglob("*.parquet"))
