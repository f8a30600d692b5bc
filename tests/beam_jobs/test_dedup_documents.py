from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.coders import BytesCoder, TupleCoder
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import PipelineVisitor
from apache_beam.testing.test_pipeline import TestPipeline as LocalPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints import typehints
from job_workspace import (
    BUNDLE_REPEAT,
    files_of,
    id_of,
    rows_of,
    run_on_beam,
    workspace,
    write_documents,
    write_table,
    write_verdicts,
)

from beam_jobs import dedup_documents as job
from beam_jobs.compute_signatures import sign_shard
from beam_jobs.dedup_documents import CandidatePairs, DedupDocuments, VerifyPairs, band_keys, decide_shard, write_pairs
from beam_jobs.duplicate_clusters import assign
from beam_jobs.shard_map import RecordBatchCoder
from filters.minhash import exact_jaccard
from filters.text import scan
from filters.union_find import ALL_PAIRS_RUN
from pipeline.config import DedupConfig, SignaturesConfig
from pipeline.documents import AlignmentError
from pipeline.manifest import Receipt, ShardTask, Workspace

# 1000 permutations estimate 0.8 with a standard error of 0.013; 100 bands of 10 rows miss a pair of 0.8 never
SIGNATURES = SignaturesConfig(num_perm=1000, ngram=5)
CONFIG = DedupConfig(bands=100, min_jaccard=0.8, partitions=1)

Shard = tuple[str, int, int]  # subset, index, count


def words(name: str, first: int, last: int) -> str:
    """Words that stand nowhere else."""
    return " ".join(f"{name}{number}" for number in range(first, last))


def near(name: str, changed: int, tail: str = "x") -> str:
    """104 words of ``name``, the last ones changed: of two such texts' 100 shingles, as many differ as words do."""
    return f"{words(name, 0, 104 - changed)} {words(name + tail, 0, changed)}".strip()


@dataclass
class Line:
    """A corpus on its way through dedup, all by plain functions."""

    out: Path
    shards: Mapping[Shard, Mapping[int, str]]
    gone: Sequence[int] = ()
    config: DedupConfig = CONFIG
    removable: tuple[str, ...] = ("news", "c4")
    name: str = ""
    batch_bytes: int = 32_000_000
    receipts: list[Receipt] = field(default_factory=list)

    def __post_init__(self) -> None:
        for shard, texts in self.shards.items():
            write_documents(self.out, ShardTask(*shard), texts)
            write_verdicts(self.out, "filter", ShardTask(*shard), texts, gone=self.gone)
            sign_shard(ShardTask(*shard), workspace(self.out, "signatures", self.batch_bytes), SIGNATURES)
        rows = [ShardTask(*shard, ({"rows": len(texts)},)) for shard, texts in self.shards.items()]
        self.tasks = job._numbered(rows)
        self.space = workspace(self.out, "dedup", name=self.name)

    @property
    def work(self) -> Workspace:
        return replace(self.space, folder=self.space.work)

    def keyed(self) -> dict[bytes, list[pa.RecordBatch]]:
        groups = defaultdict(list)
        for task in self.tasks:
            for key, batch in band_keys(task.to_json(), self.work, self.config):
                groups[key].append(batch)
        return groups

    def match(self) -> None:
        for group in self.keyed().items():
            write_pairs(group, self.work)
        list(job._pairs_by_shard(self.work, self.tasks))

    def run(self) -> Line:
        self.match()
        for task in self.tasks:
            job.verify_shard(task, self.work, self.tasks, self.config)
        assign(ShardTask("all", 0, 1), self.work, self.tasks, self.config.source_priority, self.removable)
        self.receipts = [decide_shard(task, self.space, self.removable) for task in self.tasks]
        return self

    def _rows(self, kind: str) -> Iterator[dict[str, Any]]:
        for task in self.tasks:
            yield from ({**row, "subset": task.subset} for row in rows_of(self.space.folder, task.file(kind)))

    @property
    def verdicts(self) -> dict[int, dict[str, Any]]:
        return {int(row["id"]): row for row in self._rows("verdicts")}

    @property
    def clusters(self) -> dict[int, dict[str, Any]]:
        return {int(row["id"]): row for row in self._rows("clusters")}

    @property
    def dropped(self) -> dict[int, str]:
        return {number: row["reason"] for number, row in self.verdicts.items() if row["verdict"] == "dropped"}

    def groups(self) -> set[frozenset[int]]:
        """Clusters as sets of documents."""
        groups = defaultdict(set)
        for number, row in self.clusters.items():
            if row["cluster"] is not None:
                groups[row["cluster"]].add(number)
        return {frozenset(group) for group in groups.values()}


def one_shard(out: Path, texts: Mapping[int, str], **settings: Any) -> Line:
    return Line(out, {("news", 0, 1): texts}, **settings).run()


# --- pairs


def test_an_exact_copy_is_removed_and_the_smaller_id_stays(tmp_path: Path) -> None:
    text = words("a", 0, 50)
    line = one_shard(tmp_path, {1: text, 2: words("b", 0, 50), 3: text.replace(" ", "\n  "), 4: words("c", 0, 50)})
    assert line.dropped == {3: "exact_duplicate"}
    (receipt,) = line.receipts
    assert receipt.counts is not None
    assert (receipt.counts.entered, receipt.counts.kept, receipt.counts.dropped) == (4, 3, {"exact_duplicate": 1})
    one, three = id_of(1).hex(), id_of(3).hex()
    assert line.verdicts[3]["evidence"] == f"jaccard=1.000 with {one}; survivor={one}; cluster of 2"
    assert line.verdicts[1]["evidence"] == f"jaccard=1.000 with {three}; survivor={one}; cluster of 2"
    assert line.verdicts[2]["evidence"] is None


@pytest.mark.parametrize(("changed", "is_removed"), [(4, True), (6, True), (18, False), (50, False)])
def test_near_copies_are_removed_above_the_bound_and_kept_below(tmp_path: Path, changed: int, is_removed: bool) -> None:
    # (100 - changed) / (100 + changed): 0.92, 0.89 and 0.69, 0.33; the bound is 0.8
    line = one_shard(tmp_path, {1: near("a", 0), 2: near("a", changed)})
    assert line.dropped == ({2: "near_duplicate"} if is_removed else {})
    if is_removed:
        true = (100 - changed) / (100 + changed)
        assert line.clusters[1]["jaccard"] == pytest.approx(true, abs=4 * np.sqrt(true * (1 - true) / 1000))


def test_case_and_punctuation_make_a_near_copy_not_an_exact_one(tmp_path: Path) -> None:
    line = one_shard(tmp_path, {1: near("a", 0), 2: near("a", 0).upper() + "!"})
    assert line.dropped == {2: "near_duplicate"}
    assert line.clusters[2]["jaccard"] == 1


def test_the_estimate_is_verified_not_the_band(tmp_path: Path) -> None:
    """With four rows a band, a pair of half the shingles is a candidate."""
    loose = CONFIG.model_copy(update={"bands": 250})
    line = one_shard(tmp_path, {1: near("a", 0), 2: near("a", 30)}, config=loose)
    pairs = rows_of(line.work.folder, line.tasks[0].file("candidates"))
    assert pairs == [{"a": 0, "b": 1}]
    assert line.groups() == set()


def test_a_pair_just_at_the_bound_counts(tmp_path: Path) -> None:
    line = one_shard(tmp_path, {1: near("a", 0), 2: near("a", 8)})
    estimate = line.clusters[1]["jaccard"]
    for bound, is_pair in ((estimate, True), (estimate + 0.001, False)):
        config = CONFIG.model_copy(update={"min_jaccard": round(bound, 6)})
        assert bool(one_shard(tmp_path, {1: near("a", 0), 2: near("a", 8)}, config=config).groups()) == is_pair


def test_documents_shorter_than_a_shingle_are_only_exact_deduplicated(tmp_path: Path) -> None:
    texts = {1: "one two three", 2: "one  two\nthree", 3: "one two four", 4: "One two three", 5: "", 6: " \n"}
    line = one_shard(tmp_path, texts)
    assert line.dropped == {2: "exact_duplicate", 6: "exact_duplicate"}
    assert line.groups() == {frozenset({1, 2}), frozenset({5, 6})}


def test_a_candidate_pair_without_signatures_is_no_edge(tmp_path: Path) -> None:
    """As when the first halves of two exact hashes are equal by chance: nothing is estimated from empty signatures."""
    line = Line(tmp_path, {("news", 0, 1): {1: "one two", 2: "three four", 3: words("a", 0, 30)}})
    (task,) = line.tasks
    pairs = pa.table({"a": pa.array([0, 0, 1], pa.uint64()), "b": pa.array([1, 2, 2], pa.uint64())})
    write_table(Path(line.work.folder), task.file("candidates"), pairs)
    job.verify_shard(task, line.work, line.tasks, CONFIG)
    assert rows_of(line.work.folder, task.file("edges")) == []


def test_absent_documents_meet_nobody(tmp_path: Path) -> None:
    text = words("a", 0, 50)
    line = one_shard(tmp_path, {1: text, 2: text, 3: text, 4: text}, gone=[1, 3])
    assert line.dropped == {4: "exact_duplicate"}
    assert [row["verdict"] for row in line.verdicts.values()] == ["absent", "kept", "absent", "dropped"]
    alone = {"cluster": None, "survivor": None, "partner": None, "jaccard": None, "subset": "news"}
    assert line.clusters[1] == {"id": id_of(1), "size": 0, **alone}
    assert line.clusters[2]["size"] == 2


# --- clusters


def chain(name: str) -> dict[int, str]:
    """a and c are each 0.87 alike with b, but 0.75 with each other."""
    return {
        1: near(name, 0),
        2: near(name, 7),
        3: f"{words(name + 'y', 0, 7)} {near(name, 7).split(' ', 7)[-1]}",
    }


def test_a_chain_is_one_cluster(tmp_path: Path) -> None:
    texts = chain("a")
    scanned = scan(pa.array(list(texts.values())))
    assert exact_jaccard(scanned, 0, 1, 5) > 0.86 < exact_jaccard(scanned, 1, 2, 5)
    assert exact_jaccard(scanned, 0, 2, 5) < 0.76
    line = one_shard(tmp_path, texts)
    assert line.groups() == {frozenset({1, 2, 3})}
    assert line.dropped == {2: "near_duplicate", 3: "near_duplicate"}
    assert line.clusters[3]["partner"] == id_of(2)  # the verified neighbour, which is not the survivor
    assert line.clusters[3]["survivor"] == id_of(1)


def test_a_copy_of_a_removed_near_copy_is_called_exact(tmp_path: Path) -> None:
    longer = near("a", 5) + " and more"
    line = one_shard(tmp_path, {1: longer, 2: near("a", 0), 3: near("a", 0)})
    assert line.groups() == {frozenset({1, 2, 3})}
    assert line.dropped == {2: "exact_duplicate", 3: "exact_duplicate"}


def test_a_run_longer_than_all_its_pairs_is_still_one_cluster(tmp_path: Path) -> None:
    copies = dict.fromkeys(range(ALL_PAIRS_RUN + 20), words("a", 0, 30))
    line = one_shard(tmp_path, copies)
    assert line.groups() == {frozenset(copies)}
    assert set(line.dropped) == set(copies) - {0}


# --- who stays


def two(tmp_path: Path, first: tuple[str, str], second: tuple[str, str], **settings: Any) -> Line:
    """Document 1 in one subset, 2 in another."""
    shards = {(first[0], 0, 1): {1: first[1]}, (second[0], 0, 1): {2: second[1]}}
    return Line(tmp_path, shards, **settings).run()


def test_most_words_stay(tmp_path: Path) -> None:
    longer = near("a", 0) + " and three words"
    assert two(tmp_path, ("news", near("a", 0)), ("c4", longer)).dropped == {1: "near_duplicate"}
    assert two(tmp_path, ("news", longer), ("c4", near("a", 0))).dropped == {2: "near_duplicate"}


def test_ties_go_to_the_smaller_id_not_to_the_earlier_row(tmp_path: Path) -> None:
    text = words("a", 0, 50)
    assert one_shard(tmp_path, {5: text, 9: text, 2: text, 7: text}).dropped.keys() == {5, 9, 7}


@pytest.mark.parametrize(
    ("priority", "dropped"),
    [((), 2), (("news", "c4"), 2), (("c4", "news"), 1), (("c4",), 1), (("news",), 2), (("books",), 2)],
)
def test_source_priority_comes_before_words_and_ids(tmp_path: Path, priority: tuple[str, ...], dropped: int) -> None:
    config = CONFIG.model_copy(update={"source_priority": priority})
    text = words("a", 0, 50)
    assert set(two(tmp_path, ("news", text), ("c4", text), config=config).dropped) == {dropped}
    longer = near("a", 0) + " and more"
    if priority[:1] == ("c4",):
        assert set(two(tmp_path, ("news", longer), ("c4", near("a", 0)), config=config).dropped) == {1}


def test_what_is_not_deduplicated_stays_and_removes_the_others(tmp_path: Path) -> None:
    """Whatever the order, length or priority: it stays anyway, and with it nothing else needs to."""
    longer = near("a", 0) + " and three words"
    config = CONFIG.model_copy(update={"source_priority": ("news",)})
    line = two(tmp_path, ("news", longer), ("wikipedia", near("a", 0)), config=config)
    assert line.dropped == {1: "near_duplicate"}
    assert line.clusters[1]["survivor"] == id_of(2)
    assert line.verdicts[2]["verdict"] == "kept"


def test_all_that_are_not_deduplicated_stay(tmp_path: Path) -> None:
    text = words("a", 0, 50)
    shards = {("news", 0, 1): {1: text, 2: text}, ("wikipedia", 0, 1): {3: text, 4: text}}
    line = Line(tmp_path, shards).run()
    assert set(line.dropped) == {1, 2}
    assert line.groups() == {frozenset({1, 2, 3, 4})}  # retrieval must know
    assert "cluster of 4" in line.verdicts[4]["evidence"]
    assert {row["survivor"] for row in line.clusters.values()} == {id_of(3)}


def test_nothing_is_removed_where_dedup_applies_to_nothing(tmp_path: Path) -> None:
    text = words("a", 0, 50)
    line = one_shard(tmp_path, {1: text, 2: text}, removable=())
    assert line.dropped == {}
    assert line.groups() == {frozenset({1, 2})}


# --- the whole, against brute force


def corpus() -> dict[int, tuple[str, str]]:
    """Sixty documents in three subsets: families of near and exact copies, chains, short ones, loners."""
    documents: dict[int, tuple[str, str]] = {}
    chance = random.Random(1)
    numbers = list(range(60))
    chance.shuffle(numbers)
    texts: list[str] = []
    for family in range(12):
        base = [near(f"f{family}", 0), near(f"f{family}", chance.randint(1, 5)), near(f"f{family}", 40)]
        texts += [*base, *chance.sample(base, 1), near(f"f{family}", chance.randint(1, 4), "z")][: 2 + family % 4]
    for link in range(3):
        texts += chain(f"chain{link}").values()
    texts += ["too short", "too short", "too  short", "also short", ""]
    texts += [near(f"alone{number}", 0) for number in range(60 - len(texts))]
    for number, text in zip(numbers, texts, strict=True):
        documents[number] = (chance.choice(("news", "c4", "wikipedia")), text)
    return dict(sorted(documents.items()))


def oracle(documents: Mapping[int, tuple[str, str]], bound: float) -> tuple[set[frozenset[int]], set[int]]:
    """Clusters by exact Jaccard over all pairs, and who is removed by the stated policy."""
    scanned = scan(pa.array([text for _, text in documents.values()]))
    numbers = list(documents)
    cluster = {number: {number} for number in numbers}
    for i, j in combinations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        is_copy = documents[a][1].split() == documents[b][1].split()
        jaccard = exact_jaccard(scanned, i, j, 5)
        assert is_copy or abs(jaccard - bound) > 0.04, "an estimate might fall on either side"
        if (is_copy or jaccard >= bound) and cluster[a] is not cluster[b]:
            cluster[a] |= cluster[b]
            for member in cluster[b]:
                cluster[member] = cluster[a]
    groups = {frozenset(group) for group in cluster.values() if len(group) > 1}
    removed: set[int] = set()
    for group in groups:
        stays = [number for number in group if documents[number][0] == "wikipedia"]
        ranked = sorted(group - set(stays), key=lambda n: (-len(documents[n][1].split()), id_of(n)))
        removed |= set(ranked if stays else ranked[1:])
    return groups, removed


def as_shards(documents: Mapping[int, tuple[str, str]], count: int) -> dict[Shard, dict[int, str]]:
    shards: dict[Shard, dict[int, str]] = {}
    for subset in ("news", "c4", "wikipedia"):
        own = [(number, text) for number, (where, text) in documents.items() if where == subset]
        cuts = [len(own) * index // count for index in range(count + 1)]
        shards |= {(subset, i, count): dict(own[cuts[i] : cuts[i + 1]]) for i in range(count)}
    return shards


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("corpus"), as_shards(corpus(), 2)).run()


def test_clusters_and_removals_are_those_of_brute_force(line: Line) -> None:
    groups, removed = oracle(corpus(), 0.8)
    assert len(groups) > 10
    assert len(removed) > 15
    assert line.groups() == groups
    assert set(line.dropped) == removed


def test_clusters_and_verdicts_agree(line: Line) -> None:
    verdicts, clusters = line.verdicts, line.clusters
    for group in line.groups():
        rows = {number: clusters[number] for number in group}
        (name,) = {row["cluster"] for row in rows.values()}
        (survivor,) = {row["survivor"] for row in rows.values()}
        assert name == min(id_of(number) for number in group)
        assert int(survivor) in group
        assert {row["size"] for row in rows.values()} == {len(group)}
        kept = {number for number in group if verdicts[number]["verdict"] == "kept"}
        removable = {number for number in group if rows[number]["subset"] != "wikipedia"}
        assert kept == group - removable if group - removable else kept == {int(survivor)}
        for number, row in rows.items():
            partner = int(row["partner"])
            assert partner in group - {number}
            copies = corpus()[number][1].split() == corpus()[partner][1].split()
            assert (row["jaccard"] == 1) == copies
            reason = "exact_duplicate" if copies else "near_duplicate"
            assert verdicts[number]["reasons"] == ([] if number in kept else [reason])
    alone = set(clusters).difference(*line.groups())
    assert {(clusters[n]["size"], clusters[n]["survivor"], verdicts[n]["evidence"]) for n in alone} == {(1, None, None)}


def test_rows_are_aligned_with_the_documents(line: Line) -> None:
    for task in line.tasks:
        expected = [row["id"] for row in rows_of(line.out / "extract", task.file("documents"))]
        for kind in ("verdicts", "clusters"):
            assert [row["id"] for row in rows_of(line.space.folder, task.file(kind))] == expected


@pytest.mark.parametrize(("partitions", "batch_bytes"), [(2, 1), (5, 900)])
def test_the_same_bytes_for_any_partitions_and_batches(
    line: Line, tmp_path: Path, partitions: int, batch_bytes: int
) -> None:
    config = CONFIG.model_copy(update={"partitions": partitions})
    other = Line(tmp_path, as_shards(corpus(), 2), config=config, batch_bytes=batch_bytes).run()
    assert files_of(other.space.folder) == files_of(line.space.folder)


@pytest.mark.parametrize("count", [1, 5])
def test_every_document_has_the_same_rows_for_any_shards(line: Line, tmp_path: Path, count: int) -> None:
    other = Line(tmp_path, as_shards(corpus(), count)).run()
    assert other.verdicts == line.verdicts
    assert other.clusters == line.clusters


def test_the_order_of_the_subsets_changes_no_verdict(line: Line, tmp_path: Path) -> None:
    turned = dict(reversed(as_shards(corpus(), 2).items()))
    other = Line(tmp_path, turned).run()
    assert {n: row["reasons"] for n, row in other.verdicts.items()} == {
        n: row["reasons"] for n, row in line.verdicts.items()
    }
    assert other.groups() == line.groups()


@pytest.mark.parametrize("shards", [{("news", 0, 1): {}}, {("news", 0, 2): {}, ("news", 1, 2): {1: "only one"}}])
def test_next_to_nothing(tmp_path: Path, shards: dict[Shard, dict[int, str]]) -> None:
    line = Line(tmp_path, shards).run()
    assert line.dropped == {}
    assert sum(receipt.counts.kept for receipt in line.receipts if receipt.counts) == sum(map(len, shards.values()))


def test_signatures_of_other_documents_are_refused(line: Line, tmp_path: Path) -> None:
    own = Line(tmp_path, {("news", 0, 1): {1: "a", 2: "b"}}).run()
    write_documents(tmp_path, own.tasks[0], {2: "b", 1: "a"})
    write_verdicts(tmp_path, "filter", own.tasks[0], [2, 1])
    with pytest.raises(AlignmentError, match="signatures and filter verdicts of news-00000-of-00001 have different"):
        decide_shard(own.tasks[0], own.space, ("news",))


# --- Beam


def test_pairs_of_a_group_do_not_depend_on_the_order_of_its_batches(line: Line, tmp_path: Path) -> None:
    chance = random.Random(0)
    for key, batches in list(line.keyed().items())[::20]:
        spaces = [workspace(tmp_path, "pairs", name=str(turn)) for turn in range(3)]
        for space in spaces:
            chance.shuffle(batches)
            write_pairs((key, iter(batches)), space)  # an iterator: they are read once
        assert files_of(spaces[0].folder) == files_of(spaces[1].folder) == files_of(spaces[2].folder)
        assert batches


def candidate_pipeline(line: Line, space: Workspace, pipeline: beam.Pipeline) -> beam.PCollection:
    descriptors = [task.to_json() for task in line.tasks]
    shards = pipeline | beam.Create(descriptors).with_output_types(str)
    return shards | CandidatePairs(space, line.config)


def test_candidate_pairs_on_beam_replayed(line: Line, tmp_path: Path) -> None:
    space = replace(line.work, folder=str(tmp_path / "beam"))
    options = PipelineOptions([f"--direct_runner_bundle_repeat={BUNDLE_REPEAT}"])
    expected = sorted(f"pairs/{key.decode()}.parquet" for key in line.keyed())
    with LocalPipeline(runner="FnApiRunner", options=options) as pipeline:
        assert_that(candidate_pipeline(line, space, pipeline), equal_to(expected))
    mine = {name: data for name, data in files_of(line.work.folder).items() if name.startswith("pairs/")}
    assert files_of(space.folder) == mine
    assert len(mine) == 101  # a band each, and the exact hashes


def test_batches_meet_under_keys_of_bytes(line: Line, tmp_path: Path) -> None:
    """What Beam would take for the grouped collection: our coder for the values, bytes for the keys."""
    met: list[Any] = []

    class Look(PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            if node.full_label.endswith("/Meet"):
                met.append(node.inputs[0].element_type)

    pipeline = beam.Pipeline(runner="FnApiRunner")
    candidate_pipeline(line, line.work, pipeline)
    pipeline.visit(Look())
    assert met == [typehints.Tuple[bytes, pa.RecordBatch]]
    coder = beam.coders.registry.get_coder(met[0])
    assert isinstance(coder, TupleCoder)
    assert [type(part) for part in coder.coders()] == [BytesCoder, RecordBatchCoder]


def test_batches_hold_only_keys_and_ordinals(line: Line) -> None:
    for key, batches in line.keyed().items():
        assert isinstance(key, bytes)
        for batch in batches:
            assert batch.schema.equals(pa.schema([("key", pa.uint64()), ("ordinal", pa.uint64())]))
            assert batch.num_rows > 0
    assert len(line.keyed()) <= (CONFIG.bands + 1) * CONFIG.partitions


def test_map_steps_on_beam_replayed(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(line, name="-beam")
    other.match()
    logs = str(tmp_path / "logs")
    edges = [job.verify_shard(task, line.work, line.tasks, CONFIG) for task in line.tasks]
    with monkeypatch.context() as first:
        run_on_beam(VerifyPairs(other.work, line.tasks, CONFIG, logs), line.tasks, edges, first)
    assign(ShardTask("all", 0, 1), other.work, line.tasks, (), line.removable)
    assert files_of(other.work.folder) == files_of(line.work.folder)
    run_on_beam(DedupDocuments(other.space, line.removable, logs), line.tasks, line.receipts, monkeypatch)
    assert files_of(other.space.folder) == files_of(line.space.folder)
