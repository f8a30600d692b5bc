from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import fasttext
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from filters.classifier import Classifier
from filters.fasttext_model import FastTextModel
from pipeline.classifier_examples import example_files
from pipeline.classifier_training import TrainingConfig, evaluate, train_classifier
from pipeline.cli import app
from pipeline.config import RecipeError

SMALL = TrainingConfig(dim=4, epochs=20, buckets=1_000, held_out_fraction=0.3)
PROOF = ["lemma", "theorem", "proof", "bound", "integral", "converges", "follows", "series", "norm", "measure"]
SHOP = ["buy", "now", "cheap", "offer", "click", "sale", "discount", "basket", "free", "today"]


def write_texts(path: Path, words: list[str], number: int, seed: int) -> None:
    chosen = random.Random(seed)
    path.write_text("".join(json.dumps({"text": " ".join(chosen.choices(words, k=9))}) + "\n" for _ in range(number)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_texts(tmp_path / "good.jsonl", PROOF, 60, 1)
    write_texts(tmp_path / "bad.jsonl", SHOP, 90, 2)
    return tmp_path


def trained(folder: Path, out: str = "q.bin", config: TrainingConfig = SMALL) -> dict[str, Any]:
    files = example_files([], [str(folder / "good.jsonl")], [str(folder / "bad.jsonl")])
    return train_classifier(files, str(folder / out), config)


def test_a_trained_model_tells_its_labels_apart(folder: Path) -> None:
    trained(folder)
    texts = pa.array(["the theorem follows\n\nby the lemma", "cheap offer: buy now"])
    probabilities = Classifier(str(folder / "q.bin"), "positive").probabilities(texts).to_pylist()
    assert probabilities[0] > 0.9 > 0.1 > probabilities[1]


def test_the_card_says_what_went_in_and_what_came_out(folder: Path) -> None:
    with (folder / "good.jsonl").open("a") as stream:
        stream.write('{"text": "  \\n"}\n{"text": null}\n{"text": "__label__x"}\n')
    card = trained(folder)
    assert json.loads((folder / "q.bin.json").read_text()) == card
    model = (folder / "q.bin").read_bytes()
    assert card["model"] == {
        "path": str(folder / "q.bin"), "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model),
    }  # fmt: skip
    assert [(one["label"], one["texts"], one["empty"]) for one in card["inputs"]] == [
        ("positive", 60, 3),
        ("negative", 90, 0),
    ]
    assert card["inputs"][1]["sha256"] == hashlib.sha256((folder / "bad.jsonl").read_bytes()).hexdigest()
    assert card["labels"] == ["negative", "positive"]
    assert {label: sum(counts.values()) for label, counts in card["texts"].items()} == {"negative": 90, "positive": 60}
    assert all(counts["held_out"] > 5 for counts in card["texts"].values())
    assert card["settings"] == SMALL.model_dump()
    assert card["held_out"]["accuracy"] == 1.0
    assert list(folder.glob(".classifier-*")) == []


def test_the_same_texts_give_the_same_bytes_in_any_files_order_and_process(folder: Path) -> None:
    sha256 = trained(folder)["model"]["sha256"]
    lines = (folder / "good.jsonl").read_text().splitlines(keepends=True)
    (folder / "one.jsonl").write_text("".join(reversed(lines[:25])))
    (folder / "two.jsonl").write_text("".join(lines[25:]))
    positive = [str(folder / name) for name in ("two.jsonl", "one.jsonl")]
    files = example_files([], positive, [str(folder / "bad.jsonl")])
    assert train_classifier(files, str(folder / "r.bin"), SMALL)["model"]["sha256"] == sha256
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/pipeline');"
        f"import test_classifier_training as t; print(t.trained(Path({str(folder)!r}), 's.bin')['model']['sha256'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == sha256
    assert trained(folder, "t.bin", SMALL.model_copy(update={"seed": 1}))["model"]["sha256"] != sha256


def test_copies_of_a_text_stay_on_one_side(folder: Path) -> None:
    (folder / "good.jsonl").write_text('{"text": "lemma  one"}\n{"text": " lemma\\none "}\n' * 40)
    with pytest.raises(
        RecipeError, match=r"label 'positive' has (80 texts to train on and 0|0 texts to train on and 80)"
    ):
        trained(folder)


def test_figures_by_hand(folder: Path) -> None:
    trained(folder)
    model = FastTextModel(str(folder / "q.bin"))
    lines = ["lemma theorem", "proof bound", "buy now", "cheap offer", "theorem proof"]
    truth = ["positive", "positive", "negative", "negative", "negative"]  # the last is labelled wrong
    found = evaluate(model, truth, pa.array(lines, pa.large_string()))
    assert found["accuracy"] == 0.8
    positive, negative = found["labels"]["positive"], found["labels"]["negative"]
    assert (positive["precision"], positive["recall"], positive["f1"]) == (0.6667, 1.0, 0.8)
    assert (negative["precision"], negative["recall"], negative["f1"]) == (1.0, 0.6667, 0.8)
    half = next(row for row in positive["bounds"] if row["bound"] == 0.5)
    assert half == {"bound": 0.5, "kept": 0.6, "precision": 0.6667, "recall": 1.0}
    library = fasttext.load_model(str(folder / "q.bin"))
    for row in positive["bounds"]:
        scores = [dict(zip(*library.predict(line, k=-1), strict=True)).get("__label__positive", 0) for line in lines]
        assert row["kept"] == sum(score >= row["bound"] for score in scores) / 5


def test_a_bound_that_nothing_reaches_has_no_precision(folder: Path) -> None:
    trained(folder, config=SMALL.model_copy(update={"epochs": 1, "learning_rate": 1e-4}))
    found = evaluate(FastTextModel(str(folder / "q.bin")), ["positive"], pa.array(["zzz"], pa.large_string()))
    last = found["labels"]["positive"]["bounds"][-1]
    assert last == {"bound": 0.9, "kept": 0.0, "precision": None, "recall": 0.0}


@pytest.mark.parametrize(
    ("good", "message"),
    [
        ('{"text": ""}\n', r"two labels at least; got \['negative'\]"),
        ('{"text": "lemma"}\n', r"label 'positive' has \d texts to train on and \d held out; .* another --held-out"),
        ('{"text": 5}\n', r"good\.jsonl, byte 0: text_type"),
    ],
)
def test_too_few_or_bad_texts_are_refused_and_nothing_is_written(folder: Path, good: str, message: str) -> None:
    (folder / "good.jsonl").write_text(good)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(RecipeError, match=message):
        trained(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_fasttext_cannot_train_on_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"fastText cannot train on these texts with .*learning_rate=1e\+30.*: "):
        trained(folder, config=SMALL.model_copy(update={"learning_rate": 1e30}))
    with pytest.raises(RecipeError, match=r"--out .*none.*q\.bin: fastText writes to a local file, in a folder"):
        trained(folder, out="none/q.bin")


@pytest.mark.parametrize("out", [".", "", "sub", "sub/", "card"])
def test_a_folder_in_the_place_of_the_model_or_its_card_is_refused_before_the_training(folder: Path, out: str) -> None:
    (folder / "sub").mkdir()
    (folder / "card.json").mkdir()
    (folder / "good.jsonl").write_text("not read")
    with pytest.raises(RecipeError, match=r"--out .*: fastText writes to a local file, in a folder that exists"):
        trained(folder, out=out)


def test_the_command_line(folder: Path) -> None:
    files = ["--positive", f"{folder}/good.jsonl", "--negative", f"{folder}/bad.jsonl", "--out", f"{folder}/q.bin"]
    settings = ["--dim", "4", "--epochs", "20", "--held-out", "0.3", "--word-ngrams", "1", "--min-count", "3"]
    settings += ["--buckets", "700"]
    table = CliRunner().invoke(app, ["classifier", "train", *files, *settings])
    assert table.exit_code == 0
    assert "precision" in table.stdout
    command = [sys.executable, "-m", "pipeline.cli", "classifier", "train"]
    as_json = subprocess.run([*command, *files, *settings, "--json"], capture_output=True, text=True, check=True)
    assert as_json.stderr == ""
    card = json.loads(as_json.stdout)
    assert card == json.loads((folder / "q.bin.json").read_text())
    assert {name: card["settings"][name] for name in ("dim", "min_count", "buckets")} == {
        "dim": 4, "min_count": 3, "buckets": 700,
    }  # fmt: skip
    files[1] = f"{folder}/none.jsonl"
    refused = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr == f"massivetext: refused: {folder}/none.jsonl: there is no such file\n"
    assert "Example: massivetext classifier train" in CliRunner().invoke(app, ["classifier", "train", "--help"]).stdout
