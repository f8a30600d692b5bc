"""Checked-out folders as inputs: found, fingerprinted, read and verified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from license_texts import MIT
from pydantic import ValidationError

from pipeline.config import ExtractConfig, InputConfig, Recipe
from pipeline.inputs import extract_inputs, plan_shards
from pipeline.readers import read_records
from pipeline.records import Piece
from pipeline.source_trees import describe_tree, sha256_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("repos/one/a.py", "repos/one/src/b.py", "repos/one/.git/HEAD", "repos/two/c.py", "repos/file.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "repos/one/LICENSE").write_text(MIT)
    (tmp_path / "repos/link").symlink_to(tmp_path / "repos/two")
    return tmp_path


def recipe(root: Path, *paths: str) -> Recipe:
    return Recipe(input=(InputConfig(subset="github", format="code", root=str(root), paths=paths),))


def test_a_pattern_that_ends_in_a_slash_finds_folders(root: Path) -> None:
    made = recipe(root, "repos/*/")
    found = extract_inputs(made)
    assert [file["path"] for file in found] == ["repos/one", "repos/two"]
    ((task,),) = [plan_shards(made, found)]
    pieces = [Piece.from_json(piece) for piece in task.inputs[0]["pieces"]]
    records = [(p.source, r.member, r.reason) for p in pieces for r in read_records(p, ExtractConfig())]
    assert records == [
        ("repos/one", "LICENSE", None),
        ("repos/one", "a.py", None),
        ("repos/one", "src/b.py", None),
        ("repos/two", "c.py", "no_license"),
    ]


def test_folders_are_for_code() -> None:
    with pytest.raises(ValidationError, match=r"folders .* are for code; got text"):
        InputConfig(subset="books", format="text", paths=("books/*/",))


def test_the_fingerprint_is_that_of_paths_and_contents(root: Path) -> None:
    one = root / "repos/one"
    before = describe_tree(str(one))
    digest, num_bytes = sha256_of(str(one))
    assert (
        before["bytes"] == num_bytes == sum(p.stat().st_size for p in (one / "a.py", one / "src/b.py", one / "LICENSE"))
    )
    (one / ".git" / "HEAD").write_text("another commit")
    (one / "empty").mkdir()
    assert (describe_tree(str(one)), sha256_of(str(one))) == (before, (digest, num_bytes))
    (one / "a.py").write_text("# repos/one/b.py\n")  # of the same size
    assert describe_tree(str(one))["fingerprint"] != before["fingerprint"]
    assert sha256_of(str(one))[0] != digest
    (one / "a.py").write_text("# repos/one/a.py\n")
    assert describe_tree(str(one)) == before
    (one / "a.py").rename(one / "z.py")
    assert describe_tree(str(one))["fingerprint"] != before["fingerprint"]


def test_files_of_any_name_are_read_and_told_apart(root: Path) -> None:
    one = root / "repos/one"
    for name in (b"caf\xe9.py", b"caf\xe8.py", b"a::b.py", b"a*[b].py"):
        Path(os.fsdecode(bytes(one) + b"/" + name)).write_text("x = 1\n")
    made = recipe(root, "repos/one/")
    ((task,),) = [plan_shards(made, extract_inputs(made))]
    (piece,) = [Piece.from_json(piece) for piece in task.inputs[0]["pieces"]]
    records = list(read_records(piece, ExtractConfig()))
    assert {record.outcome for record in records} == {"kept"}
    assert [record.member for record in records] == [
        "LICENSE", "a*[b].py", "a.py", "a::b.py", r"caf\udce8.py", r"caf\udce9.py", "src/b.py",
    ]  # fmt: skip
    assert sha256_of(str(one))[1] == describe_tree(str(one))["bytes"]
