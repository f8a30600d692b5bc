"""Finding raw files and cutting them into shards."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline import inputs
from pipeline.config import DecontaminateConfig, ExtractConfig, InputConfig, Recipe, RecipeError
from pipeline.inputs import crawl_inputs, evaluation_inputs, extract_inputs, find_files, plan_shards
from pipeline.manifest import ShardTask
from pipeline.readers import read_records
from pipeline.records import Piece


def part(root: Path, subset: str = "news", *paths: str, **settings: Any) -> InputConfig:
    settings = {"format": "jsonl", "paths": paths or ("*.jsonl",), **settings}
    return InputConfig(subset=subset, root=str(root), **settings)


def recipe(*parts: InputConfig, shard_input_bytes: int = 1000) -> Recipe:
    return Recipe(input=parts, extract=ExtractConfig(shard_input_bytes=shard_input_bytes))


def files(sizes: Mapping[str, int], number: int = 0, folder: str = "/nowhere") -> list[dict[str, Any]]:
    """Files as ``extract_inputs`` gives them. What is smaller than a shard is never opened."""
    return [
        {"path": path, "full_path": f"{folder}/{path}", "bytes": size, "fingerprint": "", "input": number}
        for path, size in sizes.items()
    ]


def pieces_of(task: ShardTask) -> list[Piece]:
    (group,) = task.inputs
    return [Piece.from_json(piece) for piece in group["pieces"]]


def plan(parts: Sequence[InputConfig], sizes: Mapping[str, int], shard_input_bytes: int = 1000) -> list[list[str]]:
    """The names of the files in each shard."""
    tasks = plan_shards(recipe(*parts, shard_input_bytes=shard_input_bytes), files(sizes))
    return [[piece.source for piece in pieces_of(task)] for task in tasks]


# --- finding


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "deep/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    return tmp_path


def test_a_name_that_is_not_utf8_is_refused_and_one_that_looks_like_a_chain_is_read(tree: Path) -> None:
    (tree / "a::b.jsonl").write_text('{"text": "a"}')
    (found,) = find_files(str(tree), ["a::*.jsonl"], "here")
    assert (found["path"], found["bytes"]) == ("a::b.jsonl", 13)
    ((task,),) = [plan_shards(recipe(part(tree, "news", "a::b.jsonl")), [{**found, "input": 0}])]
    assert [record.outcome for record in read_records(pieces_of(task)[0], ExtractConfig())] == ["kept"]
    Path(os.fsdecode(bytes(tree) + b"/caf\xe9.jsonl")).write_text("{}")
    with pytest.raises(RecipeError, match=r"here: a file's name must be UTF-8; got b'caf\\xe9.jsonl'"):
        find_files(str(tree), ["*.jsonl"], "here")


def test_files_come_once_and_in_order_of_path(tree: Path) -> None:
    found = find_files(str(tree), ["*.jsonl", "**/*.jsonl", "b.*"], "here")
    assert [file["path"] for file in found] == ["a.jsonl", "b.jsonl", "deep/er/c.jsonl"]
    assert [file["bytes"] for file in found] == [8, 8, 16]
    assert found[0]["full_path"] == f"{tree}/a.jsonl"
    data = b"a.jsonl\n"  # first, middle and last MiB are all of it
    assert found[0]["fingerprint"] == hashlib.sha256(data * 3).hexdigest()


def test_a_pattern_that_matches_nothing_is_refused(tree: Path) -> None:
    with pytest.raises(RecipeError, match=r"\[\[input\]\] news: no file matches .*/\*\.json; mend paths"):
        extract_inputs(recipe(part(tree, "news", "*.jsonl", "*.json")))


def test_folders_are_no_files(tree: Path) -> None:
    (tree / "folder.jsonl").mkdir()
    assert [file["path"] for file in find_files(str(tree), ["*.jsonl"], "here")] == ["a.jsonl", "b.jsonl"]


def test_files_know_their_input(tree: Path) -> None:
    found = extract_inputs(recipe(part(tree), part(tree, "books", "deep/*.txt", format="text")))
    assert [(file["input"], file["path"]) for file in found] == [(0, "a.jsonl"), (0, "b.jsonl"), (1, "deep/d.txt")]


@pytest.mark.parametrize(
    ("roots", "patterns"),
    [
        (("one", "two"), ("*.jsonl", "*.jsonl")),  # another file of that name
        (("one", "one"), ("*.jsonl", "a.*")),  # the same file twice
        (("one", "one/."), ("a.jsonl", "a.jsonl")),
    ],
)
def test_two_files_of_a_subset_under_one_name_are_refused(
    tmp_path: Path, roots: tuple[str, str], patterns: tuple[str, str]
) -> None:
    """Their documents' ids and sources would be the same, or be told apart by content alone."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text('{"text": "the same"}\n')
    parts = [part(tmp_path / root, "news", pattern) for root, pattern in zip(roots, patterns, strict=True)]
    with pytest.raises(RecipeError, match=r"news: .*/a\.jsonl and .*/a\.jsonl would both be a\.jsonl; read each file"):
        extract_inputs(recipe(*parts))


def test_a_crawl_read_twice_into_one_subset_is_refused() -> None:
    twice = files({"round-00001/pages-00000.warc": 9}) + files({"round-00001/pages-00000.warc": 9}, 1)
    with pytest.raises(RecipeError, match=r"would both be round-00001/pages-00000\.warc"):
        plan_shards(recipe(part(Path("/")), part(Path("/"))), twice)


def test_one_name_in_two_subsets_is_allowed(tree: Path) -> None:
    found = extract_inputs(recipe(part(tree), part(tree, "c4")))
    assert [file["path"] for file in found] == ["a.jsonl", "b.jsonl"] * 2


def test_two_parts_may_share_a_subset(tree: Path) -> None:
    found = extract_inputs(recipe(part(tree, "news", "a.jsonl"), part(tree, "news", "b.jsonl")))
    assert [(file["input"], file["path"]) for file in found] == [(0, "a.jsonl"), (1, "b.jsonl")]


def test_crawled_files_go_to_every_part_that_reads_the_crawl(tree: Path) -> None:
    crawled = InputConfig(subset="massiveweb", format="warc", from_crawl=True)
    made = Recipe(
        input=(part(tree), crawled), crawl={"seeds": ("http://a.test/",), "user_agent": "bot/1 (+http://b.test)"}
    )
    outputs = [{"path": f"round-00001/{name}", "bytes": 7} for name in ("pages-00001.warc", "urls.parquet")]
    outputs.append({"path": "round-00001/pages-00000.warc.gz", "bytes": 8})
    found = crawl_inputs(made, "/out/crawl/0", outputs)
    assert [(f["path"], f["bytes"], f["input"]) for f in found] == [
        ("round-00001/pages-00000.warc.gz", 8, 1),
        ("round-00001/pages-00001.warc", 7, 1),
    ]
    assert found[0]["full_path"] == "/out/crawl/0/round-00001/pages-00000.warc.gz"


# --- evaluation texts


def evaluation(*patterns: Path | str) -> list[str]:
    made = Recipe(
        input=(part(Path("/")),), decontaminate=DecontaminateConfig(evaluation=tuple(str(p) for p in patterns))
    )
    return [file["path"] for file in evaluation_inputs(made)]


def test_evaluation_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    for name in ("wikitext-2/valid.txt", "wikitext-103/valid.txt", "lambada.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    two, three = tmp_path / "wikitext-2/valid.txt", tmp_path / "wikitext-103/valid.txt"
    assert evaluation(two) == ["valid.txt"]
    assert evaluation(two, three) == ["wikitext-103/valid.txt", "wikitext-2/valid.txt"]
    every = ["lambada.jsonl", "wikitext-103/valid.txt", "wikitext-2/valid.txt"]
    assert evaluation(tmp_path / "*.jsonl", two, three) == every
    assert evaluation(tmp_path / "**/*.*") == every
    assert evaluation(tmp_path / "*/valid.txt", tmp_path / "lambada.jsonl", two) == every
    assert evaluation() == []


def test_an_evaluation_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\[decontaminate\] evaluation: no file matches .*/eval/\*\.txt"):
        evaluation(tmp_path / "eval/*.txt")


# --- packing


def test_small_files_are_packed_in_order_of_path() -> None:
    sizes = {"a": 400, "b": 600, "c": 1, "d": 999, "e": 1000, "f": 1}
    assert plan([part(Path("/"))], sizes) == [["a", "b"], ["c", "d"], ["e"], ["f"]]


def test_no_shard_could_have_taken_the_next_file() -> None:
    """Which keeps them near equal: neighbours are together larger than a full shard."""
    sizes = {f"{number:03}": random.Random(number).randint(0, 999) for number in range(200)}
    shards = plan([part(Path("/"))], sizes)
    assert [name for shard in shards for name in shard] == list(sizes)
    totals = [sum(sizes[name] for name in shard) for shard in shards]
    assert max(totals) <= 1000
    assert all(total + sizes[following[0]] > 1000 for total, following in zip(totals, shards[1:], strict=False))


def test_empty_files_take_no_shard_of_their_own() -> None:
    assert plan([part(Path("/"))], {"a": 1000, "b": 0, "c": 0}) == [["a", "b", "c"]]


def test_a_part_without_files_is_one_empty_shard() -> None:
    (task,) = plan_shards(recipe(part(Path("/"))), [])
    assert (task.index, task.count, pieces_of(task)) == (0, 1, [])


def test_parts_of_a_subset_share_its_numbers_but_no_shard() -> None:
    parts = [part(Path("/")), part(Path("/"), "books"), part(Path("/"), fields={"text": "body"})]
    found = files({"a": 10}) + files({"b": 10}, 1) + files({"c": 600, "d": 600}, 2)
    tasks = plan_shards(recipe(*parts), found)
    assert [task.name for task in tasks] == [
        "news-00000-of-00003",
        "news-00001-of-00003",
        "news-00002-of-00003",
        "books-00000-of-00001",
    ]
    assert [[(piece.source, piece.fields) for piece in pieces_of(task)] for task in tasks] == [
        [("a", {})],
        [("c", {"text": "body"})],
        [("d", {"text": "body"})],
        [("b", {})],
    ]


def test_descriptors_are_json() -> None:
    for task in plan_shards(recipe(part(Path("/"))), files({"a": 10, "b": 999})):
        assert ShardTask.from_json(task.to_json()) == task
        assert json.loads(task.to_json())["inputs"][0]["pieces"]


def test_the_order_in_which_files_are_given_does_not_matter(tmp_path: Path) -> None:
    sizes = {f"{number:02}": 100 + number for number in range(40)}
    found = files(sizes)
    expected = plan_shards(recipe(part(Path("/"))), found)
    for seed in range(5):
        random.Random(seed).shuffle(found)
        assert plan_shards(recipe(part(Path("/"))), found) == expected


# --- cutting


def lines(count: int) -> bytes:
    return b"".join(json.dumps({"text": "x" * (number % 50), "n": number}).encode() + b"\n" for number in range(count))


@pytest.mark.parametrize("shard_input_bytes", [100, 999, 1000, 1001, 12_345])
def test_each_byte_of_a_large_file_is_in_one_piece(tmp_path: Path, shard_input_bytes: int) -> None:
    data = lines(300)
    (tmp_path / "a.jsonl").write_bytes(data)
    made = recipe(part(tmp_path), shard_input_bytes=shard_input_bytes)
    pieces = [piece for task in plan_shards(made, extract_inputs(made)) for piece in pieces_of(task)]
    bounds = [(piece.start, piece.end if piece.end >= 0 else len(data)) for piece in pieces]
    assert pieces[-1].end == -1
    assert bounds[0][0] == 0
    assert [start for start, _ in bounds[1:]] == [end for _, end in bounds[:-1]]
    assert bounds[-1][1] == len(data)
    sizes = [end - start for start, end in bounds]
    assert max(sizes) <= shard_input_bytes
    assert max(sizes) - min(sizes) <= len(sizes)  # near equal, not many full ones and a small rest
    assert len(sizes) == -(-len(data) // shard_input_bytes)
    numbers = [
        json.loads(data[record.offset : record.offset + record.length])["n"]
        for piece in pieces
        for record in read_records(piece, ExtractConfig())
    ]
    assert numbers == list(range(300))  # every record once


def test_a_file_of_just_the_size_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(30))
    made = recipe(part(tmp_path), shard_input_bytes=len(lines(30)))
    ((piece,),) = map(pieces_of, plan_shards(made, extract_inputs(made)))
    assert (piece.start, piece.end) == (0, -1)


def test_what_cannot_be_cut_is_one_piece(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(random.Random(0).randbytes(3000)))
    (tmp_path / "b.jsonl").write_bytes(b"{}\n")
    made = recipe(part(tmp_path))
    assert [
        [(piece.source, piece.start, piece.end) for piece in pieces_of(task)]
        for task in plan_shards(made, extract_inputs(made))
    ] == [[("a.jsonl", 0, -1)], [("b.jsonl", 0, -1)]]


def test_files_that_keep_one_worker_busy_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_LONG_BYTES", 1000)
    for name, size in (("a", 800), ("b", 3000), ("c", 2000)):
        (tmp_path / f"{name}.jsonl").write_bytes(gzip.compress(random.Random(0).randbytes(size)))
    (tmp_path / "d.jsonl").write_bytes(lines(300))
    made = recipe(part(tmp_path))
    plan_shards(made, extract_inputs(made))
    (record,) = caplog.records
    assert "2 files cannot be cut" in record.getMessage()
    assert f"b.jsonl with {(tmp_path / 'b.jsonl').stat().st_size} bytes" in record.getMessage()


def test_an_archive_of_a_gigabyte_gives_sixteen_workers_work(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.truncate(1_000_000_000)  # which the disk doesn't hold
    made = Recipe(input=(part(tmp_path),))
    assert len(plan_shards(made, extract_inputs(made))) >= 16


def test_a_dump_in_one_bzip2_stream_is_named_with_what_would_help(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_LONG_BYTES", 1000)
    (tmp_path / "a.xml.bz2").write_bytes(bz2.compress(random.Random(0).randbytes(3000)))
    made = recipe(part(tmp_path, "wikipedia", "*.bz2", format="wikipedia"))
    plan_shards(made, extract_inputs(made))
    assert "a.xml.bz2" in caplog.text
    assert "multistream" in caplog.text


# --- limits


def test_each_shard_tells_its_input_and_its_limits() -> None:
    """Which documents they keep is found by extract, over all shards of the input."""
    parts = [part(Path("/"), limit=5), part(Path("/")), part(Path("/"), max_bytes=20)]
    found = files({"a": 1000, "b": 1000}) + files({"c": 1}, 1) + files({"d": 1000}, 2)
    groups = [task.inputs[0] for task in plan_shards(recipe(*parts), found)]
    told = [(group["input"], group["limit"], group["max_bytes"]) for group in groups]
    assert told == [(0, 5, 0), (0, 5, 0), (1, 0, 0), (2, 0, 20)]


@pytest.mark.parametrize(
    ("root", "below"), [("/data", "a.jsonl"), ("/data", "*/a.jsonl"), ("s3://bucket/data", "*.jsonl"), ("/", "a")]
)
def test_absolute_paths_are_refused_with_what_to_write(tmp_path: Path, root: str, below: str) -> None:
    with pytest.raises(RecipeError, match="must be relative: ") as refused:
        find_files(str(tmp_path), [f"{root.rstrip('/')}/{below}"], "[[input]] news")
    assert str(refused.value).endswith(f'write root = "{root}" and paths = ["{below}"]')
