from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.classifier_examples import Example, ExampleFile, example_files, read_examples
from pipeline.config import RecipeError


def read(path: Path, label: str | None = None, **fields: str) -> list[tuple[str, str]]:
    return [tuple(example) for example in read_examples(ExampleFile(str(path), label), **fields)]


def test_json_lines_with_their_own_labels(tmp_path: Path) -> None:
    rows = [{"text": "a b", "label": "good", "n": 1}, {"text": "c", "label": 2}, {"text": "", "label": "good"}]
    data = "\n".join(map(json.dumps, rows)).encode()
    for name, packed in (
        ("a.jsonl", data),
        ("a.json.gz", gzip.compress(data, mtime=0)),
        ("a.jsonl.zst", zstandard.compress(data)),
        ("a.ndjson", data),
        ("a.ndjson.xz", lzma.compress(data)),
    ):
        (tmp_path / name).write_bytes(packed)
        assert read(tmp_path / name) == [("good", "a b"), ("2", "c"), ("", "")]
        assert read(tmp_path / name, "x") == [("x", "a b"), ("x", "c"), ("x", "")]


def test_fields_of_other_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "b", "text": "t", "class": "k"}\n')
    assert read(tmp_path / "a.jsonl", text_field="body", label_field="class") == [("k", "b")]


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None, "b"], "label": ["x", "x", "y"], "vector": [[1.0], [2.0], [3.0]]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("x", "a"), ("", ""), ("y", "b")]
    assert read(tmp_path / "a.parquet", "p") == [("p", "a"), ("p", ""), ("p", "b")]


def test_lines_of_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\n\ntwo __label__x three")
    assert read(tmp_path / "a.txt", "p") == [("p", "one\r"), ("p", ""), ("p", "two __label__x three")]
    (tmp_path / "A.b").mkdir()
    (tmp_path / "A.b" / "lines").write_bytes(b"one")
    assert read(tmp_path / "A.b" / "lines", "p") == [("p", "one")]
    (tmp_path / "empty.txt").write_bytes(b"")
    assert read(tmp_path / "empty.txt", "p") == []


def test_fasttexts_own_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(
        gzip.compress(b"__label__a one two\n\n  __label__b\tthree \n__label__c\n", mtime=0)
    )
    assert read(tmp_path / "a.txt.gz") == [("a", "one two"), ("", ""), ("b", "three"), ("c", "")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"__label__a x\nno label", r"a\.txt, line 2: a line must begin with __label__ and a name; got 'no'"),
        ("a.txt", b"__label__ x", r"a\.txt, line 1: a label must be one word; got ''"),
        ("a.txt", b"__label__a __label__b x", r"a\.txt, line 1: a text must have one label"),
        ("a.txt", b"__label__a \xff", r"a\.txt, line 1: .*utf-8"),
        (
            "a.jsonl",
            b'{"text": "a", "label": "x"}\n{"text": "b"}',
            r"a\.jsonl, byte 28: there is no label in field 'label'",
        ),
        ("a.jsonl", b'{"text": "b", "label": "two words"}', r"byte 0: a label must be one word; got 'two words'"),
        ("a.jsonl", b'{"text": "b", "label": ["x"]}', r"byte 0: there is no label"),
        ("a.jsonl", b'{"txt": "b", "label": "x"}', r"byte 0: no_text: there is no field 'text'"),
        ("a.jsonl", b"{", r"byte 0: bad_json"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "b", "label": "x"}\n' * 99, mtime=0)[:-12],
            r"a\.jsonl\.gz, byte \d+: truncated",
        ),
        ("a.txt.gz", gzip.compress(b"__label__a b\n" * 99, mtime=0)[:-12], r"a\.txt\.gz: "),
        ("a.parquet", b"no parquet", r"a\.parquet, row 0: parquet"),
    ],
)
def test_bad_input_is_refused_with_its_place(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RecipeError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.parquet.old", "a.jsonl.zip", "a.docx"])
def test_a_file_of_no_known_format_is_refused_before_the_training(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text,label\na,b\n")
    message = rf"{name}: a file of texts is read by its name: \.jsonl, \.ndjson, .*\.txt or no ending .* also with \.gz"
    for files in (([name], [], []), ([], ["a.txt", name], ["b.txt"]), ([], ["a.txt"], [name])):
        with pytest.raises(RecipeError, match=message):
            example_files(*files)
    with pytest.raises(RecipeError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["none.jsonl", "none.txt", "none.parquet"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=rf"{name}: there is no such file"):
        read(tmp_path / name)


def test_files_of_a_training() -> None:
    assert example_files(["a", "b"], [], []) == [ExampleFile("a"), ExampleFile("b")]
    assert example_files([], ["a"], ["b"]) == [ExampleFile("a", "positive"), ExampleFile("b", "negative")]
    for chosen in (([], [], []), (["a"], ["b"], []), ([], ["a"], []), ([], [], ["a"]), (["a"], ["b"], ["c"])):
        with pytest.raises(RecipeError, match="give --labelled files, or --positive and --negative ones"):
            example_files(*chosen)
    assert Example("a", "b").label == "a"
