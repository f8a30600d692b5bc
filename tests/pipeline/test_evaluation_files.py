from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from job_workspace import driver, recipe

from pipeline import byte_streams
from pipeline.config import DecontaminateConfig, RecipeError
from pipeline.evaluation_files import evaluation_texts

QUESTION = {
    "question": "Which harbour was closed",
    "choices": [{"text": "the northern one"}, {"text": "the one near the mill"}],
    "answer": 1,
    "nested": {"why": ["the channel had filled", 3.5, None, True]},
}


def texts(folder: Path, name: str, data: bytes) -> list[tuple[str, str]]:
    (folder / "file").write_bytes(data)
    return list(evaluation_texts(str(folder / "file"), name))


def zipped(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", data)
    return archive.getvalue()


def test_every_string_of_a_row_is_one_text(tmp_path: Path) -> None:
    data = f'{{"text": "first"}}\n\n{json.dumps(QUESTION)}'.encode()
    assert texts(tmp_path, "q.jsonl", data) == [  # the blank line has no text, but its number
        ("q.jsonl:1", "first"),
        ("q.jsonl:3", "Which harbour was closed\nthe northern one\nthe one near the mill\nthe channel had filled"),
    ]


@pytest.mark.parametrize(
    ("row", "text"), [('"alone"', "alone"), ('["a", {"b": "c"}]', "a\nc"), ("3", ""), ("null", "")]
)
def test_rows_need_not_be_objects(tmp_path: Path, row: str, text: str) -> None:
    assert texts(tmp_path, "a.jsonl", f"{row}\n".encode()) == [("a.jsonl:1", text)]


def test_other_files_are_one_text_compressed_or_not(tmp_path: Path) -> None:
    data = "zwei\nZeilen\xff\n".encode("latin-1")
    for stored in (data, gzip.compress(data)):
        assert texts(tmp_path, "a.csv", stored) == [("a.csv", "zwei\nZeilen\ufffd\n")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"a": "b"}\n{"a": \n', "line 2 is not JSON: "),
        ("a.jsonl.gz", gzip.compress(b'{"a": "b"}\n' * 100, mtime=0)[:-9], r".* ends inside .*, at byte \d+"),
        ("a.txt.gz", gzip.compress(b"one two\n" * 100, mtime=0)[:-9], r".* ends inside .*, at byte \d+"),
        ("a.zip", zipped(b"one two"), "it is no text, nor text compressed by gzip"),
        ("a.jsonl.zip", zipped(b'{"a": "b"}\n'), "line 1 is not JSON: "),
    ],
    ids=["json", "cut-rows", "cut-text", "archive", "archive-of-rows"],
)
def test_what_cannot_be_read_is_refused_by_name_and_place(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(RecipeError, match=rf"\[decontaminate\] evaluation: {name}: {message}"):
        texts(tmp_path, name, data)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_lines_are_whole_however_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(byte_streams, "CHUNK", chunk)
    for data in (b"", b"\n", b"one", b"one\n", b"one\n\ntwo three\n\n\nfour", b"\n\none\r\n"):
        (tmp_path / "file").write_bytes(data)
        *lines, last = data.split(b"\n")
        assert list(byte_streams.lines_of(str(tmp_path / "file"))) == lines + ([last] if last else [])


def test_a_run_refuses_it_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text('{"a": \n')
    named = DecontaminateConfig(evaluation=(str(tmp_path / "eval.jsonl"),))
    made = recipe(tmp_path).model_copy(update={"decontaminate": named})
    with pytest.raises(RecipeError, match=r"evaluation: eval\.jsonl: line 1 is not JSON"):
        driver(made, tmp_path / "out").run()
    assert not list((tmp_path / "out").glob("*/*/manifest.json"))
    assert not (tmp_path / "out/run.json").exists()
