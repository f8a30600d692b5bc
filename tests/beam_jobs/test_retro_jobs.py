import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as LocalPipeline
from apache_beam.testing.util import assert_that, equal_to

from beam_jobs import build_retro_database, embed_retro_chunks
from beam_jobs.build_retro_chunks import BuildRetroChunks, build_chunks, find_clusters, plan_chunk_shards
from beam_jobs.build_retro_database import write_layout
from beam_jobs.embed_retro_chunks import EmbedRetroChunks, embed_chunks, plan_key_shards
from beam_jobs.find_retro_neighbours import FindRetroNeighbours, find_neighbours, plan_neighbour_shards
from pipeline import storage
from pipeline.config import InputConfig, Recipe, RetroConfig
from pipeline.documents import AlignmentError
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace, receipt_path, total_counts
from pipeline.progress import Progress
from pipeline.schema import CLUSTER_SCHEMA
from pipeline.stage_run import StageRun
from tokenizer.encoder import FastSentencePiece, add_bos_eos
from tokenizer.token_shards import write_token_shard
from tokenizer.training import train_tokenizer
from tokenizer.vocabulary import BOS_ID, EOS_ID
from trainer.retro.chunks import chunk_hashes, split_into_chunks
from trainer.retro.database import ChunkDatabase
from trainer.retro.hash_encoder import HashEncoder
from trainer.retro.layout import Layout

CONFIG = RetroConfig(chunk_len=8, encoder="hash", num_neighbours=3, chunks_per_shard=1000)
NUM_SHARDS = {"books": 2, "manuals": 1, "held_out/books": 1}
WORDS = ["miller", "river", "stone", "age", "wisdom", "light", "spring", "hope", "children", "village", "boat"]


def text_of(number: int) -> str:
    """Documents of up to 60 words, number 7 of none; every fifth is the one before and a word: they are a cluster."""
    if number == 7:
        return ""
    if number % 5 == 4:
        return text_of(number - 1) + " again"
    random = np.random.default_rng(number)
    return " ".join(random.choice(WORDS, random.integers(1, 60)))


TEXTS = {("books", 0): range(0, 12), ("books", 1): range(12, 30), ("manuals", 0): range(30, 41)}
HELD_OUT = {("held_out/books", 0): range(100, 103)}


def id_of(number: int) -> bytes:
    return b"%016d" % number


def cluster_of(number: int) -> bytes | None:
    return id_of(number - number % 5 + 3) if number % 5 in (3, 4) and number < 100 else None


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_tokenizer([text_of(number) for number in range(50)], 320)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory, model) -> dict[str, str]:
    """What the stages before leave: tokens, the tokenizer, and clusters in another order and other shards."""
    out = tmp_path_factory.mktemp("out")
    (out / "tokenizer").mkdir()
    (out / "tokenizer/tokenizer.model").write_bytes(model)
    encoder, outputs = FastSentencePiece(model), []
    for (subset, index), numbers in {**TEXTS, **HELD_OUT}.items():
        flat, offsets = add_bos_eos(*encoder.encode_batch(pa.array([text_of(number) for number in numbers])))
        ids = pa.array([id_of(number) for number in numbers], pa.binary(16))
        shard = (subset, index, NUM_SHARDS[subset], ids, [flat], np.diff(offsets), flat.dtype, str(out / "tmp"))
        outputs += write_token_shard(str(out / "tokens"), *shard)
    for subset, bounds in {"books": (0, 20, 30), "manuals": (30, 36, 36, 41)}.items():
        (out / "dedup" / subset).mkdir(parents=True)
        for index, (first, stop) in enumerate(pairwise(bounds)):
            numbers = range(first, stop)[::-1]
            rows = [
                {"id": id_of(n), "cluster": cluster_of(n), "size": 2 if cluster_of(n) else 1, "jaccard": None}
                for n in numbers
            ]
            name = storage.shard_name("clusters", index, len(bounds) - 1, "parquet")
            pq.write_table(pa.Table.from_pylist(rows, schema=CLUSTER_SCHEMA), out / "dedup" / subset / name)
    return {name: str(out / name) for name in ("tokens", "tokenizer", "dedup")}


@pytest.fixture
def space(tmp_path, upstream) -> Workspace:
    return Workspace(str(tmp_path / "retro"), str(tmp_path / "tmp"), str(tmp_path / "work"), upstream)


def chunk_tasks() -> list[ShardTask]:
    shards = [ShardTask(subset, index, NUM_SHARDS[subset]) for subset, index in {**TEXTS, **HELD_OUT}]
    outputs = [{"path": task.file("documents"), "rows": 0, "bytes": 0} for task in shards]
    return plan_chunk_shards({"outputs": outputs})


def build(space: Workspace, config: RetroConfig = CONFIG, tasks: Sequence[ShardTask] = ()) -> list[Receipt]:
    tasks = tasks or chunk_tasks()
    receipts = [build_chunks(task, space, config) for task in tasks]
    receipts.append(write_layout(ShardTask("all", 0, 1, step="layout"), space, config, tasks, receipts))
    layout = Layout.read(space.folder)
    receipts += [embed_chunks(task, space, config) for task in plan_key_shards(layout)]
    return receipts + [find_neighbours(task, space) for task in plan_neighbour_shards(layout)]


def files(folder: str) -> dict[str, bytes]:
    return {name: storage.read_bytes(storage.join(folder, name)) for name in storage.list_files(folder)}


@pytest.fixture(scope="module")
def expected(model) -> list[dict]:
    """All chunks in order, cut document by document by the obvious functions."""
    encoder, chunks = FastSentencePiece(model), []
    for (subset, _), numbers in TEXTS.items():
        for number in numbers:
            tokens, _ = encoder.encode_batch(pa.array([text_of(number)]))
            for position, chunk in enumerate(split_into_chunks(tokens, CONFIG.chunk_len)):
                text = encoder.vocabulary.decode(chunk)
                origin = (id_of(number), subset, position)
                chunks.append({"chunk": chunk.tolist(), "text": text, "origin": origin, "number": number})
    return chunks


def test_the_database_holds_every_chunk_with_its_document(space, expected):
    build(space)
    database = ChunkDatabase.open(space.folder)
    assert database.num_chunks == len(expected) > 200
    assert [database.chunk(i).tolist() for i in range(database.num_chunks)] == [c["chunk"] for c in expected]
    assert [tuple(database.document(i)) for i in range(database.num_chunks)] == [c["origin"] for c in expected]
    for i in range(database.num_chunks - 1):
        follows = expected[i + 1]["number"] == expected[i]["number"]
        continuation = expected[i + 1]["chunk"] if follows else [0] * CONFIG.chunk_len
        assert database.value(i).tolist() == expected[i]["chunk"] + continuation
    tokens = {int(token) for i in range(database.num_chunks) for token in database.chunk(i)}
    assert not {BOS_ID, EOS_ID} & tokens


def test_neighbours_are_the_nearest_of_other_documents_and_clusters(space, expected):
    """Against a double loop; nothing of the search is used."""
    build(space)
    database = ChunkDatabase.open(space.folder)
    keys = HashEncoder().encode([c["text"] for c in expected]).astype(np.float16).astype(np.float64)
    passed_over = copies = 0
    for i, chunk in enumerate(expected):
        pairs = []
        for j, other in enumerate(expected):
            distance = np.float32(np.square(keys[i] - keys[j]).sum())
            same_document = chunk["number"] == other["number"]
            same_cluster = cluster_of(chunk["number"]) is not None
            same_cluster &= cluster_of(chunk["number"]) == cluster_of(other["number"])
            if not (same_document or same_cluster):
                pairs.append((distance, j))
            elif not same_document and distance == 0:
                copies += 1
        passed_over += len(expected) - len(pairs)
        best = sorted(pairs)[: CONFIG.num_neighbours]
        ordinals, distances = database.neighbours(i)
        assert ordinals.tolist() == [j for _, j in best]
        np.testing.assert_allclose(distances, [distance for distance, _ in best], rtol=1e-6)
    assert copies > 20  # equal chunks of near duplicates: without the exclusion they would be nearest
    assert passed_over > len(expected)


def words_of(encoder, chunk):
    return sorted(encoder.vocabulary.decode(chunk).split())


def test_equal_texts_of_strangers_are_at_distance_zero(tmp_path, space, model):
    """One text under two ids, in two subsets and shards: every path must give one key."""
    encoder, tokens, dedup = FastSentencePiece(model), tmp_path / "t", tmp_path / "d"
    for subset, letter in (("books", b"a"), ("manuals", b"b")):
        ids = pa.array([letter * 16], pa.binary(16))
        flat, offsets = add_bos_eos(*encoder.encode_batch(pa.array([text_of(2)])))
        write_token_shard(str(tokens), subset, 0, 1, ids, [flat], np.diff(offsets), flat.dtype, space.scratch)
        (dedup / subset).mkdir(parents=True)
        table = pa.Table.from_pylist([{"id": letter * 16, "size": 1}], schema=CLUSTER_SCHEMA)
        pq.write_table(table, dedup / subset / "clusters-00000-of-00001.parquet")
    space = replace(space, upstream={**space.upstream, "tokens": str(tokens), "dedup": str(dedup)})
    tasks = [ShardTask(subset, 0, 1, step="chunk") for subset in ("books", "manuals")]
    build(space, CONFIG.model_copy(update={"chunks_per_shard": 1, "num_neighbours": 1}), tasks)
    database = ChunkDatabase.open(space.folder)
    half = database.num_chunks // 2
    assert half > 2
    for i in range(half):
        ordinals, distances = database.neighbours(i)
        assert distances.tolist() == [0]
        near, own = (words_of(encoder, database.chunk(ordinal)) for ordinal in (int(ordinals[0]), i))
        assert near == own


def test_accounting(space):
    receipts = {receipt.shard: receipt for receipt in build(space)}
    counts = receipts["chunk.books-00000-of-00002"].counts
    chunks = np.load(f"{space.folder}/books/chunks-00000-of-00002.npy")
    in_clusters = sum(cluster_of(number) is not None for number in range(12))
    tokens = int((chunks != 0).sum())
    extra = {"tokens": tokens, "in_clusters": in_clusters}
    assert counts == Counts("documents", 12, 11, {"no_tokens": 1}, 0, len(chunks), extra)
    held_out = receipts["chunk.held_out.books-00000-of-00001"]
    assert held_out.counts == Counts("documents", 3, 0, {"held_out": 3}, 0, 0)
    assert (held_out.subset, held_out.outputs) == ("books", ())
    for receipt in receipts.values():
        if receipt.counts:
            receipt.counts.check(receipt.shard)
        for output in receipt.outputs:
            assert output.sha256 == storage.sha256_file(space.path(output.path))
            assert output.bytes == storage.size(space.path(output.path))
    written = {output.path for receipt in receipts.values() for output in receipt.outputs}
    assert written == set(storage.list_files(space.folder))


def test_at_most_max_keys_those_of_smallest_hash(space, expected):
    config = CONFIG.model_copy(update={"max_keys": 50, "chunks_per_shard": 20, "seed": 5})
    build(space, config)
    layout = Layout.read(space.folder)
    assert [shard.num_keys for shard in layout.key_shards] == [20, 20, 10]
    names = [np.frombuffer(c["origin"][0], np.uint8)[None] for c in expected]
    places = [c["origin"][2] for c in expected]
    hashes = [int(chunk_hashes(i, np.array([p + 1]), 5)[p]) for i, p in zip(names, places, strict=True)]
    smallest = sorted(sorted(range(len(hashes)), key=hashes.__getitem__)[:50])
    paths = [space.path(layout.key_path("keyed", index)) for index in range(3)]
    keyed = pa.concat_tables(pq.read_table(path) for path in paths)
    assert keyed["chunk"].to_pylist() == smallest
    keys = np.concatenate([np.load(space.path(layout.key_path("keys", index))) for index in range(3)])
    assert keys.tobytes() == HashEncoder(seed=5).encode([expected[i]["text"] for i in smallest]).astype("f2").tobytes()
    database = ChunkDatabase.open(space.folder)
    found = {int(o) for i in range(database.num_chunks) for o in database.neighbours(i)[0]}
    assert found <= {*smallest, -1}
    assert [i for i in range(database.num_chunks) if database.neighbours(i)[0][0] >= 0] == smallest


def test_the_same_bytes_from_any_shards_and_batches(tmp_path, space, monkeypatch):
    """Chunks are the same files; keys and neighbours, joined, the same arrays, however they were cut."""
    build(space)
    first, whole = files(space.folder), Layout.read(space.folder)
    monkeypatch.setattr(embed_retro_chunks, "_TEXTS_AT_ONCE", 3)
    monkeypatch.setattr("trainer.retro.chunks._BLOCK_TOKENS", 50)
    monkeypatch.setattr("trainer.retro.neighbours._PAIRS_AT_ONCE", 7)
    again = replace(space, folder=str(tmp_path / "again"), batch_bytes=99)
    build(again)
    assert files(again.folder) == first
    many = replace(space, folder=str(tmp_path / "many"))
    build(many, CONFIG.model_copy(update={"chunks_per_shard": 37}))
    cut = Layout.read(many.folder)
    assert len(whole.key_shards) == 1 < len(cut.key_shards)
    for kind in ("keys", "neighbours", "distances"):
        parts = [np.load(many.path(cut.key_path(kind, i))) for i in range(len(cut.key_shards))]
        assert np.concatenate(parts).tobytes() == np.load(space.path(whole.key_path(kind, 0))).tobytes()


def test_beam_gives_the_bytes_of_the_plain_functions(tmp_path, space):
    receipts = build(space)
    other = replace(space, folder=str(tmp_path / "beam"))
    logs, tasks = str(tmp_path / "logs"), chunk_tasks()

    def run(transform, tasks):
        names = {task.name for task in tasks}
        wanted = [receipt.to_json() for receipt in receipts if receipt.shard in names]
        with LocalPipeline() as pipeline:
            found = pipeline | beam.Create([task.to_json() for task in tasks]) | transform
            assert_that(found, equal_to(wanted))

    run(BuildRetroChunks(other, CONFIG, logs), tasks)
    write_layout(ShardTask("all", 0, 1, step="layout"), other, CONFIG, tasks, receipts[: len(tasks)])
    layout = Layout.read(other.folder)
    run(EmbedRetroChunks(other, CONFIG, logs), plan_key_shards(layout))
    run(FindRetroNeighbours(other, logs), plan_neighbour_shards(layout))
    assert {name: data for name, data in files(other.folder).items() if "_shards" not in name} == files(space.folder)


def stage_of(space: Workspace, tmp_path) -> StageRun:
    part = InputConfig(subset="books", format="text", paths=("*.txt",))
    outputs = [{"path": task.file("documents"), "rows": 0, "bytes": 0} for task in chunk_tasks()]
    return StageRun(
        stage="retro",
        recipe=Recipe(input=(part,), retro=CONFIG.model_copy(update={"chunks_per_shard": 100, "max_keys": 250})),
        space=space,
        manifests={"tokens": {"outputs": outputs}},
        inputs=(),
        runner="FnApiRunner",
        workers=1,
        beam_options=(),
        logs=str(tmp_path / "logs"),
        progress=Progress(io.StringIO()),
    )


def test_a_broken_off_stage_goes_on_to_the_same_bytes(tmp_path, space):
    stage = stage_of(space, tmp_path)
    build_retro_database.run(stage)
    whole, receipts = files(space.folder), [receipt.shard for receipt in stage.receipts]
    assert len(receipts) == 4 + 1 + 3 + 3 + 1  # chunks, layout, keys, neighbours, card
    for lost in ("chunk.books-00001-of-00002", "embed.keys-00002-of-00003", "search.neighbours-00000-of-00003"):
        storage.remove(receipt_path(space.folder, lost))
    storage.remove(space.path("books/chunks-00000-of-00002.npy"))  # its receipt is there, but no longer holds
    again = stage_of(space, tmp_path)
    build_retro_database.run(again)
    assert [receipt.shard for receipt in again.receipts] == receipts
    assert files(space.folder) == whole
    counts = total_counts(again.receipts, 0.0, "retro")
    assert {subset: count.entered for subset, count in counts.items()} == {"books": 33, "manuals": 11}


def test_no_chunks_at_all(tmp_path, space):
    ids = pa.array([], pa.binary(16))
    none = np.empty(0, np.uint16)
    write_token_shard(str(tmp_path / "t"), "books", 0, 1, ids, [none], np.empty(0, np.int64), none.dtype, space.scratch)
    task = ShardTask("books", 0, 1, step="chunk")
    empty = replace(space, upstream={**space.upstream, "tokens": str(tmp_path / "t")})
    receipt = build_chunks(task, empty, CONFIG)
    assert receipt.counts == Counts("documents", 0, 0, {}, 0, 0, {"tokens": 0, "in_clusters": 0})
    write_layout(ShardTask("all", 0, 1), empty, CONFIG, [task], [receipt])
    assert plan_key_shards(Layout.read(empty.folder)) == []
    assert ChunkDatabase.open(empty.folder).num_chunks == 0


def test_documents_that_dedup_never_saw_are_refused(upstream):
    ids = pa.array([id_of(3), id_of(31)], pa.binary(16))
    with pytest.raises(AlignmentError, match="books: 1 of 2 documents are in none of its cluster tables"):
        find_clusters(f"{upstream['dedup']}/books", ids)
    found = find_clusters(f"{upstream['dedup']}/books", pa.array([id_of(n) for n in (29, 3, 2, 4)], pa.binary(16)))
    assert found.to_pylist() == [id_of(28), id_of(3), None, id_of(3)]


def test_tokens_that_dont_fit_their_table_are_refused(tmp_path, space, upstream):
    tokens = tmp_path / "t/books"
    tokens.mkdir(parents=True)
    name = "documents-00000-of-00002.parquet"
    (tokens / name).write_bytes(storage.read_bytes(f"{upstream['tokens']}/books/{name}"))
    np.save(tokens / "tokens-00000-of-00002.npy", np.ones(5, np.uint16))
    space = replace(space, upstream={**upstream, "tokens": str(tmp_path / "t")})
    with pytest.raises(ValueError, match=r"tokens-00000-of-00002\.npy: .* the array has 5"):
        build_chunks(chunk_tasks()[0], space, CONFIG)
    assert storage.list_files(space.folder) == []


def test_keys_too_large_for_half_precision_are_refused(space, monkeypatch):
    class Loud:
        d = 4

        def encode(self, texts):
            return np.full((len(texts), 4), 1e6, np.float32)

    monkeypatch.setattr(embed_retro_chunks, "_encoder", lambda name, seed: Loud())
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large for float16"):
        build(space)
