"""Peak memory of extract: the same for a fourfold input, however it is stored. Measured in processes of their own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import article
from warc_builder import repeated, response, warc

REPOSITORY = Path(__file__).parents[2]

LONG = b"long_record"
EXTRACT = """
import json, sys
from dataclasses import asdict

from beam_jobs.extract_text import extract_shard
from pipeline.config import ExtractConfig
from pipeline.manifest import ShardTask, Workspace
from pipeline.records import Piece

out, kind, max_record_bytes, *paths = sys.argv[1:]
pieces = [asdict(Piece(path, path, "massiveweb", kind)) for path in paths]
task = ShardTask("massiveweb", 0, 1, ({"input": 0, "limit": 0, "max_bytes": 0, "pieces": pieces},))
space = Workspace(f"{out}/extract", f"{out}/tmp", f"{out}/work", {})
counts = extract_shard(task, space, ExtractConfig(max_record_bytes=int(max_record_bytes))).counts
status = open("/proc/self/status").read()  # getrusage's peak begins with what the parent held when it started this
print(json.dumps({**counts.as_dict(), "peak_kb": int(status.partition("VmHWM:")[2].split()[0])}))
"""


def extract(out: Path, *paths: Path, kind: str = "warc", max_record_bytes: int = 50_000_000) -> dict:
    """Counts of one shard over some files, and the peak of the process that did it."""
    words = [sys.executable, "-c", EXTRACT, str(out), kind, str(max_record_bytes), *map(str, paths)]
    # Else the peak is partly chance: by Arrow's threads, and as its allocator gives memory back some time later.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MIMALLOC_PURGE_DELAY": "0"}
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def pages(count: int) -> Iterator[bytes]:
    """Pages of some 10 kB, half of it text."""
    for number in range(count):
        text = "".join(f"<p class='{'x' * 150}'>{line}</p>\n" for line in article(number % 97, 30).splitlines())
        yield response(number, body=f"<html><body><article>{text}</article></body></html>".encode())


def long_record() -> Iterator[bytes]:
    """A response record of 1 GB, in pieces."""
    words = b"<p>word</p> " * 100_000
    count = 1_000_000_000 // len(words)
    yield warc("response", b"", Content_Length=str(count * len(words))).removesuffix(b"\r\n\r\n")
    yield from repeated(words, count)
    yield b"\r\n\r\n"


def write_members(path: Path, count: int) -> Path:
    with path.open("wb") as stream:
        stream.writelines(gzip.compress(page, 1, mtime=0) for page in pages(count))
    return path


def write_one_member(path: Path, count: int) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.writelines(pages(count))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_members, write_one_member])
def test_four_times_the_input_takes_no_more_memory(tmp_path: Path, write: Callable[[Path, int], Path]) -> None:
    """More pages than a row group in each, so that writing too has come to its peak."""
    once, four_times = (
        extract(tmp_path / str(count), write(tmp_path / f"{count}.warc.gz", count)) for count in (1_500, 6_000)
    )
    assert (once["kept"], four_times["kept"]) == (1_500, 6_000)
    assert four_times["peak_kb"] < 1.1 * once["peak_kb"], (once, four_times)


@pytest.mark.slow
def test_four_times_the_files_take_no_more_memory(tmp_path: Path) -> None:
    file = write_members(tmp_path / "a.warc.gz", 1_500)
    once, four_times = extract(tmp_path / "1", file), extract(tmp_path / "4", *[file] * 4)
    assert (once["kept"], four_times["kept"]) == (1_500, 6_000)
    assert four_times["peak_kb"] < 1.1 * once["peak_kb"], (once, four_times)


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_record_longer_than_the_bound_is_not_held(tmp_path: Path, is_alone: bool) -> None:
    """One of 1 GB between sound ones, as a member of its own and within a member of many."""
    sound = list(pages(20))
    members = [[sound[0]], [LONG], sound[1:]] if is_alone else [[sound[0], LONG, *sound[1:]]]
    with (tmp_path / "long.warc.gz").open("wb") as file:
        for member in members:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as stream:
                for record in member:
                    stream.writelines(long_record() if record is LONG else [record])
    short = write_members(tmp_path / "short.warc.gz", 20)
    plain, found = (
        extract(tmp_path / path.stem, path, max_record_bytes=2_000_000) for path in (short, tmp_path / "long.warc.gz")
    )
    assert (found["failed"], found["kept"]) == (1, 20), found
    assert found["peak_kb"] < plain["peak_kb"] + 30_000, (found, plain)


def write_long_lines(path: Path, count: int) -> Path:
    """Documents of 8 MB, as JSON lines."""
    text = article(3, 60) * 1_000
    with path.open("w") as stream:
        stream.writelines(json.dumps({"text": f"{number} {text}"[:8_000_000]}) + "\n" for number in range(count))
    return path


def write_one_group(path: Path, count: int) -> Path:
    """Rows of 30 kB each, in one row group, as it is when somebody writes a table at once."""
    words = [f"{number * 7919 % 99991:x}" for number in range(99_991)]
    texts = [" ".join(words[start : start + 6_000]) for start in range(0, 90_000, 200)]
    rows = {"text": [f"{number} {texts[number % len(texts)]}" for number in range(count)]}
    pq.write_table(pa.table(rows), path, row_group_size=count, use_dictionary=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "kind", "count"), [(write_long_lines, "jsonl", 20), (write_one_group, "parquet", 4_000)]
)
def test_four_times_the_rows_take_no_more_memory(
    tmp_path: Path, write: Callable[[Path, int], Path], kind: str, count: int
) -> None:
    """Of long documents, and of a row group that holds the whole file."""
    once, four_times = (
        extract(tmp_path / str(number), write(tmp_path / f"{number}.{kind}", number), kind=kind)
        for number in (count, 4 * count)
    )
    assert (once["kept"], four_times["kept"]) == (count, 4 * count)
    assert four_times["peak_kb"] < 1.1 * once["peak_kb"], (once, four_times)
