"""Which documents an input's limits keep, and that no record is lost on the way."""

import gzip
import json
import random

import pytest
from job_workspace import driver, folder_of, manifest_of, recipe, rows_of, run_on_beam, workspace

from beam_jobs import extract_text
from beam_jobs.extract_text import FindCandidates, extract_shard, find_candidates, last_kept
from pipeline.config import ExtractConfig, InputConfig, Recipe
from pipeline.inputs import extract_inputs, plan_shards
from pipeline.manifest import AccountingError
from pipeline.storage import list_files


def write_lines(path, texts):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts), mtime=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Nine files of 0 to 32 documents of 1 to 40 bytes, and two lines that are none."""
    root, words = tmp_path_factory.mktemp("input"), random.Random(5)
    for number in range(9):
        write_lines(root / f"{number}.jsonl.gz", ["é" * words.randint(1, 20) for _ in range(number * 4)])
    write_lines(root / "x.jsonl.gz", ["", "lone \ud800"])
    return root


def limited(root, shard_bytes, **limits):
    part = InputConfig(subset="news", format="jsonl", root=str(root), paths=("*.jsonl.gz",), **limits)
    return Recipe(input=(part,), extract=ExtractConfig(shard_input_bytes=shard_bytes))


def extract(out, made):
    """Run the stage by its functions alone; gives the documents, and the sums of all shards."""
    space, between = workspace(out, "extract"), workspace(out, "candidates")
    tasks = plan_shards(made, extract_inputs(made))
    if made.input[0].limit or made.input[0].max_bytes:
        for task in tasks:
            find_candidates(task, between, made.extract)
        last = last_kept(between, tasks)
        tasks = [type(task)(task.subset, task.index, task.count, ({**task.inputs[0], **last},)) for task in tasks]
    receipts = [extract_shard(task, space, made.extract) for task in tasks]
    for receipt in receipts:
        receipt.check()
    total = receipts[0].counts
    for receipt in receipts[1:]:
        total += receipt.counts
    return [row for task in tasks for row in rows_of(space.folder, task.file("documents"))], total


def oracle(documents, limit, max_bytes):
    """Go through all documents by id until one is too many; gives the ids kept, and why no more."""
    kept, total = [], 0
    for row in sorted(documents, key=lambda row: row["id"]):
        total += len(row["text"].encode())
        if limit and len(kept) == limit:
            return kept, "limit"
        if max_bytes and total > max_bytes:
            return kept, "max_bytes"
        kept.append(row["id"])
    return kept, None


LIMITS = [(1, 0), (30, 0), (144, 0), (999, 0), (0, 1), (0, 50), (0, 700), (0, 10**6), (30, 700), (40, 400), (25, 10**6)]


@pytest.mark.parametrize(("limit", "max_bytes"), LIMITS)
def test_kept_are_the_first_of_all_by_id(root, tmp_path, limit, max_bytes):
    whole, _ = extract(tmp_path / "whole", limited(root, 10**6))
    assert len(whole) == 144
    expected, reason = oracle(whole, limit, max_bytes)
    for shard_bytes in (1, 300, 10**6):
        made = limited(root, shard_bytes, limit=limit, max_bytes=max_bytes)
        documents, counts = extract(tmp_path / str(shard_bytes), made)
        assert sorted(row["id"] for row in documents) == expected
        assert counts.entered == 146
        assert (counts.kept, counts.failed) == (len(expected), 1)
        assert counts.dropped == {"empty": 1} | ({reason: 144 - len(expected)} if reason else {})


def test_sum_that_is_met_exactly_keeps_the_last(root, tmp_path):
    whole, _ = extract(tmp_path / "whole", limited(root, 10**6))
    sizes = [len(row["text"].encode()) for row in sorted(whole, key=lambda row: row["id"])]
    for index, (asked, num_kept) in enumerate([(sum(sizes[:50]), 50), (sum(sizes[:50]) - 1, 49), (sizes[0] - 1, 0)]):
        documents, _ = extract(tmp_path / str(index), limited(root, 300, max_bytes=asked))
        assert len(documents) == num_kept


def test_a_shard_tells_of_no_more_documents_than_may_be_kept(root, tmp_path):
    made = limited(root, 10**6, limit=5)
    (task,) = plan_shards(made, extract_inputs(made))
    receipt = find_candidates(task, workspace(tmp_path, "candidates"), made.extract)
    assert [output.rows for output in receipt.outputs] == [5]
    assert receipt.counts is None


def test_each_input_has_its_own_limit(tmp_path):
    """Two inputs of one subset, one of another: 12, 20 and 8 documents."""
    parts = []
    for subset, folder, number, limit in (("news", "a", 12, 7), ("news", "b", 20, 0), ("c4", "c", 8, 50)):
        for file in range(4):
            texts = [f"{folder} {file} {text}" for text in range(number // 4)]
            write_lines(tmp_path / folder / f"{folder}{file}.jsonl.gz", texts)
        parts.append(
            InputConfig(subset=subset, format="jsonl", root=str(tmp_path / folder), paths=("*.gz",), limit=limit)
        )
    made = recipe(tmp_path, extract={"shard_input_bytes": 1}).model_copy(update={"input": tuple(parts)})
    out = tmp_path / "out"
    driver(made, out).run(only="extract")
    counts = manifest_of(out, "extract")["counts"]
    assert {subset: (row["in"], row["kept"], row["dropped"]) for subset, row in counts.items()} == {
        "news": (32, 27, {"limit": 5}),
        "c4": (8, 8, {}),
    }
    assert not [name for name in list_files(str(folder_of(out, "extract"))) if "candidates" in name]


def test_candidates_on_beam(root, tmp_path, monkeypatch):
    made = limited(root, 300, limit=9)
    tasks = plan_shards(made, extract_inputs(made))
    receipts = [find_candidates(task, workspace(tmp_path, "candidates"), made.extract) for task in tasks]
    again = workspace(tmp_path, "candidates", name="-beam")
    transform = FindCandidates(again, made.extract, str(tmp_path / "logs"))
    run_on_beam(transform, tasks, receipts, monkeypatch)
    assert last_kept(again, tasks) == last_kept(workspace(tmp_path, "candidates"), tasks)


def _without_the_third(rows, *_):
    for number, row in enumerate(rows):
        if number != 2:
            yield row


def _only_three(rows, *_):
    for _, row in zip(range(3), rows, strict=False):
        yield row


def _twice(rows, *_):
    for row in rows:
        yield row
        yield row


@pytest.mark.parametrize("faulty", [_without_the_third, _only_three, _twice])
def test_record_lost_between_reader_and_writer_is_noticed(root, tmp_path, monkeypatch, faulty):
    monkeypatch.setattr(extract_text, "_limited", faulty)
    made = limited(root, 10**6, limit=10**6)
    with pytest.raises(AccountingError, match="146 records entered"):
        extract(tmp_path, made)
