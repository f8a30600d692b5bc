from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_workspace import (
    driver,
    files_of,
    folder_of,
    manifest_of,
    rows_of,
    run_on_beam,
    workspace,
)

from beam_jobs.extract_text import ExtractText, extract_shard
from pipeline.config import ExtractConfig, InputConfig, Recipe
from pipeline.manifest import Counts, Receipt, ShardTask
from pipeline.records import Piece
from pipeline.schema import DOCUMENT_SCHEMA, RECORD_SCHEMA
from pipeline.storage import ROWS_PER_GROUP, ParquetShardWriter


def task_of(*pieces: Piece, index: int = 0, count: int = 1) -> ShardTask:
    group = {"input": 0, "limit": 0, "max_bytes": 0, "pieces": [asdict(piece) for piece in pieces]}
    return ShardTask(pieces[0].subset, index, count, (group,))


def whole(path: Path, subset: str, format: str, **settings: Any) -> Piece:
    return Piece(str(path), path.name, subset, format, **settings)


def extract(
    out: Path, *pieces: Piece, name: str = "", config: ExtractConfig | None = None
) -> tuple[Receipt, list[dict], list[dict]]:
    """The receipt, the documents and the records of one shard."""
    space, task = workspace(out, "extract", name=name), task_of(*pieces)
    receipt = extract_shard(task, space, config or ExtractConfig())
    return receipt, rows_of(space.folder, task.file("documents")), rows_of(space.folder, task.file("records"))


# --- what stands in the tables


LINES = [
    *(json.dumps({"text": f"document {n}", "url": f"http://a.test/{n}", "title": f"T{n}"}) for n in range(300)),
    "not json",
    json.dumps({"text": "  \n "}),
    json.dumps({"body": "nothing of ours"}),
    *(json.dumps({"text": f"document {n}", "date": "2020-02-03", "page": n}) for n in range(300, 600)),
]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_text("\n".join(LINES))
    return tmp_path / "a.jsonl"


def test_each_record_has_its_row_and_each_kept_one_its_document(tmp_path: Path, lines: Path) -> None:
    receipt, documents, records = extract(tmp_path, whole(lines, "news", "jsonl"))
    expected = Counts("records", 603, 600, {"empty": 1}, 2, 600)
    assert receipt.counts == expected
    offsets = [sum(len(line) + 1 for line in LINES[:number]) for number in range(603)]
    assert [record["offset"] for record in records] == offsets
    assert [record["length"] for record in records] == [len(line) for line in LINES]
    assert {record["source"] for record in records} == {"a.jsonl"}
    assert [document["text"] for document in documents] == [f"document {number}" for number in range(600)]
    kept = [record for record in records if record["outcome"] == "kept"]
    assert [(row["offset"], row["length"]) for row in documents] == [(row["offset"], row["length"]) for row in kept]
    assert [row["url"] for row in documents[:2]] == ["http://a.test/0", "http://a.test/1"]
    assert str(documents[400]["timestamp"]) == "2020-02-03 00:00:00+00:00"
    assert documents[400]["meta"] == [("page", "400")]
    assert documents[5]["title"] == "T5"
    ended = [(r["outcome"], r["reason"], r["num_documents"]) for r in records if r["outcome"] != "kept"]
    assert ended == [("failed", "bad_json", 0), ("dropped", "empty", 0), ("failed", "no_text", 0)]
    assert records[300]["error"].startswith("JSONDecodeError: ")
    assert records[301]["error"] is None


def test_the_receipt_describes_input_and_outputs(tmp_path: Path, lines: Path) -> None:
    receipt, _, _ = extract(tmp_path, whole(lines, "news", "jsonl"))
    data = lines.read_bytes()
    read = {"path": "a.jsonl", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "offsets": "byte"}
    assert receipt.inputs == (read,)
    written = files_of(tmp_path / "extract")
    assert [output.path for output in receipt.outputs] == sorted(written)
    for output, rows in zip(receipt.outputs, (600, 603), strict=True):
        assert output.sha256 == hashlib.sha256(written[output.path]).hexdigest()
        assert (output.rows, output.bytes) == (rows, len(written[output.path]))
    assert (receipt.shard, receipt.subset) == ("news-00000-of-00001", "news")


def test_only_the_piece_with_the_beginning_digests_the_file(tmp_path: Path, lines: Path) -> None:
    head, _, first = extract(tmp_path, whole(lines, "news", "jsonl", start=0, end=1000))
    tail, _, second = extract(tmp_path, whole(lines, "news", "jsonl", start=1000), name="tail")
    assert [len(receipt.inputs) for receipt in (head, tail)] == [1, 0]
    assert len(first) + len(second) == 603


def test_an_empty_shard_has_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    receipt, documents, records = extract(tmp_path, whole(tmp_path / "a.jsonl", "news", "jsonl"))
    assert (receipt.counts, documents, records) == (Counts("records", 0, 0, {}, 0, 0), [], [])
    for kind, schema in (("documents", DOCUMENT_SCHEMA), ("records", RECORD_SCHEMA)):
        stored = pq.read_schema(tmp_path / f"extract/news/{kind}-00000-of-00001.parquet")
        stored_types = {
            field.name: field.type for field in stored if field.name != "timestamp"
        }  # Parquet has no seconds
        assert stored.names == schema.names
        assert stored_types == {name: schema.field(name).type for name in stored_types}


def test_row_groups_do_not_depend_on_the_flushes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"{number}"}) + "\n" for number in range(2 * ROWS_PER_GROUP + 5)))
    extract(tmp_path, whole(path, "news", "jsonl"))
    file = pq.ParquetFile(tmp_path / "extract/news/documents-00000-of-00001.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [ROWS_PER_GROUP, ROWS_PER_GROUP, 5]


def test_long_documents_are_handed_on_before_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is long in them; 30 of a million characters, which a batch of 256 rows would hold all of."""
    long = "a" * 1_000_000
    rows = [{"text": f"{n}", "page": long} if n % 2 else {"text": f"{n} {long}"} for n in range(30)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    handed: list[int] = []

    def write(self: ParquetShardWriter, batch: pa.RecordBatch) -> None:
        handed.append(batch.nbytes)
        original(self, batch)

    original = ParquetShardWriter.write
    monkeypatch.setattr(ParquetShardWriter, "write", write)
    extract(tmp_path, whole(tmp_path / "a.jsonl", "news", "jsonl"))
    assert max(handed) < 18_000_000
    monkeypatch.setattr("beam_jobs.extract_text._CHARS", 1)
    extract(tmp_path, whole(tmp_path / "a.jsonl", "news", "jsonl"), name="-each")
    assert files_of(tmp_path / "extract") == files_of(tmp_path / "extract-each")


def test_beam_writes_what_the_function_writes(tmp_path: Path, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [
        task_of(whole(lines, "news", "jsonl", start=start, end=end), index=index, count=3)
        for index, (start, end) in enumerate([(0, 9000), (9000, 20_000), (20_000, -1)])
    ]
    plain, beam = (workspace(tmp_path, "extract", name=name) for name in ("-plain", "-beam"))
    receipts = [extract_shard(task, plain, ExtractConfig()) for task in tasks]
    run_on_beam(ExtractText(beam, ExtractConfig(), str(tmp_path / "logs")), tasks, receipts, monkeypatch)
    assert files_of(beam.folder) == files_of(plain.folder)
    assert sum(receipt.counts.entered for receipt in receipts if receipt.counts) == 603


# --- ids


def identity(subset: str, source: str, member: str, offset: int, raw: bytes) -> bytes:
    """By the contract's words, with nothing of ours."""
    parts = [
        subset.encode(),
        source.encode(),
        member.encode(),
        offset.to_bytes(8, "little"),
        hashlib.sha256(raw).digest(),
    ]
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


def _stored(path: Path, row: dict) -> bytes:
    return path.read_bytes()[row["offset"] : row["offset"] + row["length"]]


def _gunzipped(path: Path, row: dict) -> bytes:
    return gzip.decompress(path.read_bytes())[row["offset"] : row["offset"] + row["length"]]


def _bunzipped(path: Path, row: dict) -> bytes:
    return bz2.decompress(path.read_bytes())[row["offset"] : row["offset"] + row["length"]]


def _member(path: Path, row: dict) -> bytes:
    with tarfile.open(path) as archive:
        member = archive.getmember(row["member"])
        assert (member.offset, member.size) == (row["offset"], row["length"])
        content = archive.extractfile(member)
        assert content is not None
        return content.read()


@pytest.mark.parametrize(
    ("name", "format", "raw", "offsets", "least"),
    [
        ("warc-real/IAH-urls-wget.warc.gz", "warc", _stored, "gzip member", 3),
        ("warc-bad/aut-issue-493.warc", "warc", _stored, "byte", 1),
        ("warc-bad/derived-single-member.warc.gz", "warc", _gunzipped, "decompressed byte", 5),
        ("wet/whirlwind.warc.wet.gz", "wet", _stored, "gzip member", 1),
        ("news/realnews_tiny.jsonl.gz", "jsonl", _gunzipped, "decompressed byte", 5),
        ("c4/c4-sample.01.json.gz", "c4", _gunzipped, "decompressed byte", 10),
        ("books/pg1232.txt.gz", "gutenberg", _stored, "file", 1),
        ("books/pg1232.txt.gz", "text", _stored, "file", 1),
        ("code/sindresorhus__slugify.tar.gz", "code", _member, "archive member", 5),
        ("wikipedia/nlwiki-20140927-pages-articles-sample.xml.bz2", "wikipedia", _bunzipped, "decompressed byte", 3),
    ],
)
def test_ids_and_places_lead_back_to_the_raw_bytes(
    tmp_path: Path, shared: Path, name: str, format: str, raw: Callable[[Path, dict], bytes], offsets: str, least: int
) -> None:
    path = shared / name
    receipt, documents, _ = extract(tmp_path, Piece(str(path), name, "a-subset", format))
    assert receipt.inputs[0]["offsets"] == offsets
    assert len(documents) >= least
    for row in documents[:: max(1, len(documents) // 10)]:
        assert row["id"] == identity("a-subset", name, row["member"], row["offset"], raw(path, row))
    assert len({row["id"] for row in documents}) == len(documents)


def test_a_parquet_rows_id_is_of_its_text(tmp_path: Path) -> None:
    texts = [f"text {number} \u00e9" for number in range(5)]
    pq.write_table(pa.table({"text": texts, "other": range(5)}), tmp_path / "a.parquet", row_group_size=2)
    receipt, documents, _ = extract(tmp_path, whole(tmp_path / "a.parquet", "news", "parquet"))
    assert receipt.inputs[0]["offsets"] == "row"
    assert [(row["offset"], row["length"]) for row in documents] == [(number, 1) for number in range(5)]
    expected = [identity("news", "a.parquet", "", number, text.encode()) for number, text in enumerate(texts)]
    assert [row["id"] for row in documents] == expected


def test_a_zip_members_id_is_of_its_content(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("tree/LICENSE", (Path(__file__).parents[2] / "LICENSE").read_text())
        archive.writestr("tree/a.py", "print('hello')\n")
    _, documents, _ = extract(tmp_path, whole(tmp_path / "a.zip", "github", "code"))
    (row,) = (row for row in documents if row["member"] == "tree/a.py")
    assert row["id"] == identity("github", "a.zip", "tree/a.py", row["offset"], b"print('hello')\n")


@pytest.mark.parametrize(
    ("name", "format", "settings"),
    [
        ("warc-real/IAH-urls-wget.warc.gz", "warc", {"max_record_bytes": 5_000}),
        ("code/sindresorhus__slugify.tar.gz", "code", {"extensions": (".js",)}),
        ("code/pallets__click.tar.gz", "code", {"max_code_bytes": 2_000}),
    ],
)
def test_ids_do_not_change_with_the_settings(
    tmp_path: Path, shared: Path, name: str, format: str, settings: dict[str, Any]
) -> None:
    piece = whole(shared / name, "s", format)
    before = [row["id"] for row in extract(tmp_path, piece)[1]]
    after = [row["id"] for row in extract(tmp_path, piece, name="-b", config=ExtractConfig(**settings))[1]]
    assert 0 < len(after) < len(before)
    assert [one for one in before if one in after] == after


def test_ids_do_not_change_with_the_cut(tmp_path: Path, lines: Path) -> None:
    _, documents, _ = extract(tmp_path, whole(lines, "news", "jsonl"))
    cut: list[bytes] = []
    for number, (start, end) in enumerate([(0, 777), (777, 778), (778, 20_000), (20_000, -1)]):
        piece = whole(lines, "news", "jsonl", start=start, end=end)
        cut += [row["id"] for row in extract(tmp_path, piece, name=str(number))[1]]
    assert cut == [row["id"] for row in documents]


def test_equal_bytes_elsewhere_are_another_document(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"text": "the same"}\n{"text": "the same"}\n')
    pieces = [whole(tmp_path / name, "news", "jsonl") for name in ("a.jsonl", "b.jsonl")]
    _, documents, _ = extract(tmp_path, *pieces)
    _, others, _ = extract(tmp_path, whole(tmp_path / "a.jsonl", "c4", "jsonl"), name="-c4")
    assert len({row["id"] for row in documents + others}) == 6


# --- bad input


FORMATS = {"warc-subset": "warc", "wet-subset": "wet"}


@pytest.fixture(scope="module")
def bad(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of extract on every malformed file, in both formats."""
    parts = tuple(
        InputConfig(subset=subset, format=format, root=str(shared), paths=("warc-bad/*",))
        for subset, format in FORMATS.items()
    )
    out = tmp_path_factory.mktemp("bad") / "out"
    bad = Recipe(input=parts, run={"max_failed_fraction": 1.0}, extract={"shard_input_bytes": 500_000})
    driver(bad, out).run(only="extract")
    return out


def tables(out: Path, subset: str, kind: str) -> list[dict]:
    return [row for path in sorted((folder_of(out, "extract") / subset).glob(f"{kind}-*")) for row in rows_of(path, "")]


@pytest.mark.parametrize("subset", FORMATS)
def test_every_record_of_bad_files_is_kept_dropped_or_failed(bad: Path, shared: Path, subset: str) -> None:
    counts = manifest_of(bad, "extract")["counts"][subset]
    records, documents = tables(bad, subset, "records"), tables(bad, subset, "documents")
    by_outcome = Counter(record["outcome"] for record in records)
    assert counts["in"] == len(records) == counts["kept"] + sum(counts["dropped"].values()) + counts["failed"]
    assert (by_outcome["kept"], by_outcome["failed"]) == (counts["kept"], counts["failed"])
    assert Counter(r["reason"] for r in records if r["outcome"] == "dropped") == counts["dropped"]
    for record in records:
        has_reason, has_error = record["reason"] is not None, bool(record["error"])
        assert (has_reason, has_error) == {
            "kept": (False, False),
            "dropped": (True, False),
            "failed": (True, True),
        }[record["outcome"]], record
    kept = [(r["source"], r["offset"], r["length"]) for r in records if r["outcome"] == "kept"]
    assert [(d["source"], d["offset"], d["length"]) for d in documents] == kept
    files = {f"warc-bad/{path.name}" for path in (shared / "warc-bad").iterdir()}
    assert len(files) == 25
    assert {record["source"] for record in records} == files - {"warc-bad/derived-empty.warc.gz"}


def counted_bytes(path: Path, offsets: str) -> bytes:
    """The bytes of a file that offsets into it count."""
    return gzip.decompress(path.read_bytes()) if offsets == "decompressed byte" else path.read_bytes()


@pytest.mark.parametrize("subset", FORMATS)
def test_every_byte_of_bad_files_is_of_one_record(bad: Path, shared: Path, subset: str) -> None:
    """But for the line ends between them."""
    records = tables(bad, subset, "records")
    for entry in manifest_of(bad, "extract")["inputs"]:
        data, position, between = counted_bytes(shared / entry["path"], entry["offsets"]), 0, b""
        for record in (record for record in records if record["source"] == entry["path"]):
            assert record["offset"] >= position, record
            assert record["length"] > 0, record
            between += data[position : record["offset"]]
            position = record["offset"] + record["length"]
        assert position <= len(data), entry
        assert (between + data[position:]).strip(b"\r\n") == b"", entry


def test_bad_files_have_failures_and_documents(bad: Path) -> None:
    """What stands in each, the readers' tests say."""
    records = tables(bad, "warc-subset", "records")
    failed = Counter((record["source"], record["reason"]) for record in records if record["outcome"] == "failed")
    assert failed["warc-bad/derived-truncated-midmember.warc.gz", "truncated"] == 1
    assert failed["warc-bad/derived-bitflip.warc.gz", "gzip"] == 1
    assert failed["warc-bad/derived-bad-version-line.warc.gz", "bad_header"] == 1
    assert failed["warc-bad/derived-garbage-between.warc.gz", "not_gzip"] == 1
    kept = Counter(record["source"] for record in records if record["outcome"] == "kept")
    for name in ("bitflip", "garbage-between", "single-member", "notgzip", "length-too-long", "wrong-charset"):
        assert kept[f"warc-bad/derived-{name}.warc.gz"] >= 3, name
    assert [record for record in tables(bad, "wet-subset", "records") if record["outcome"] == "kept"]


def test_the_manifest_names_every_bad_file_with_its_digest(bad: Path, shared: Path) -> None:
    named = {entry["path"]: entry for entry in manifest_of(bad, "extract")["inputs"]}
    for path in (shared / "warc-bad").iterdir():
        data = path.read_bytes()
        entry = named[f"warc-bad/{path.name}"]
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))


def test_bad_files_give_the_same_alone_as_together(bad: Path, shared: Path, tmp_path: Path) -> None:
    """A damaged file harms none that is read after it."""
    expected = tables(bad, "warc-subset", "records")
    for path in sorted((shared / "warc-bad").glob("derived-*"))[::2]:
        source = f"warc-bad/{path.name}"
        receipt, _, records = extract(tmp_path, Piece(str(path), source, "warc-subset", "warc"), name=path.name)
        assert records == [record for record in expected if record["source"] == source]
        receipt.check()
