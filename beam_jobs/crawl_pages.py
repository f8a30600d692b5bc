"""Crawl named hosts into WARC files: one Beam job a round, one shard a host list. Its files: ``pipeline.crawl_files``.

Each round asks for robots.txt again, so that a host list needs nothing but its URLs. A finished list is never fetched
again. Beam may run a list twice at once when it takes a slow worker for lost: the delay then holds for each of
the two alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count

import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from pipeline import storage
from pipeline.config import CrawlConfig
from pipeline.crawl import (
    PLAN_SCHEMA,
    allowed_hosts,
    found_by,
    host_lists,
    next_frontier,
    plan_round,
    requests_made,
    seed_frontier,
)
from pipeline.crawl_files import HostListFiles, count_list
from pipeline.fetch import PlannedUrl, fetch_list
from pipeline.manifest import Receipt, ShardTask, Workspace, finished_receipt, receipt_path
from pipeline.parquet_files import read_table
from pipeline.robots import product_token
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter

ShardFunction = Callable[[ShardTask], Receipt]
RunShards = Callable[[Sequence[ShardTask], ShardFunction], Sequence[Receipt]]  # skips shards that have a receipt


class CrawlPages(ShardMap):
    """Descriptors of one round's host lists in, receipts out."""

    def __init__(self, space: Workspace, config: CrawlConfig, served: Mapping[str, str], logs: str) -> None:
        super().__init__(partial(fetch_shard, space=space, config=config, served=dict(served)), space, logs)


def run(stage: StageRun) -> None:
    """Crawl until the frontier is empty."""
    config, served = stage.recipe.crawl, stage.recipe.run.crawl_addresses
    fetch = CrawlPages(stage.space, config, served, stage.logs)
    crawl(config, stage.space, lambda tasks, _: stage.map_shards(tasks, fetch), served)


def crawl(config: CrawlConfig, space: Workspace, run_shards: RunShards, served: Mapping[str, str]) -> list[Receipt]:
    """Run rounds until the frontier is empty; rounds whose files are there are only read.

    Args:
        config: Of the crawl.
        space: Where its files are and go.
        run_shards: Runs a round's host lists, but for those that have a receipt.
        served: Host -> loopback address where it is served; tests and the quickstart.

    Returns:
        The receipts of all host lists, in order.
    """
    product_token(config.user_agent)  # refuse one without before any work
    function = partial(fetch_shard, space=space, config=config, served=dict(served))
    frontier, taken_urls = seed_frontier(config), pa.chunked_array([], pa.string())
    pages_left = config.max_pages
    receipts: list[Receipt] = []
    for number in count(1):
        if not frontier.num_rows:
            return receipts
        taken, left = plan_round(frontier, pages_left, config)
        tasks = _write_plan(taken, number, config, space)
        receipts += run_shards(tasks, function)
        urls = pa.concat_tables([_table(space, task, "urls") for task in tasks])
        links = pa.concat_tables([_table(space, task, "links") for task in tasks])
        pages_left -= requests_made([urls])
        taken_urls = pa.chunked_array([*taken_urls.chunks, *taken["url"].chunks], pa.string())
        frontier = next_frontier(left, found_by(urls, links), taken_urls)
    raise AssertionError("unreachable: the rounds end with the frontier")


def _write_plan(taken: pa.Table, number: int, config: CrawlConfig, space: Workspace) -> list[ShardTask]:
    """Write the URLs of a round's host lists where their workers find them."""
    step, lists = f"round-{number:05d}", host_lists(taken, config.hosts_per_list)
    tasks = []
    for index, rows in enumerate(lists):
        path = f"{step}/plan-{index:05d}.parquet"
        with ParquetShardWriter(space.work, path, PLAN_SCHEMA, space.scratch) as writer:
            for batch in rows.to_batches():
                writer.write(batch)
        task = ShardTask(config.subset, index, len(lists), ({"plan": path},), step)
        _forget_other_plan(task, rows, space)
        tasks.append(task)
    return tasks


def _forget_other_plan(task: ShardTask, rows: pa.Table, space: Workspace) -> None:
    """Take the receipt from a list that was fetched for another plan: an earlier round was lost and redone."""
    if finished_receipt(space.folder, task.name) is None:
        return
    if sorted(rows["url"].to_pylist()) != _table(space, task, "urls")["url"].to_pylist():
        storage.remove(receipt_path(space.folder, task.name))


def _table(space: Workspace, task: ShardTask, kind: str) -> pa.Table:
    return read_table(space.path(f"{task.step}/{kind}-{task.index:05d}.parquet"))


def fetch_shard(task: ShardTask, space: Workspace, config: CrawlConfig, served: Mapping[str, str]) -> Receipt:
    """Fetch one host list and write its files."""
    rows = read_table(storage.join(space.work, task.inputs[0]["plan"])).to_pylist()
    planned = [PlannedUrl(**row) for row in rows]
    files = HostListFiles(space.folder, task.step, task.index, space.scratch, config.clock, config.user_agent)
    fetch = fetch_list(planned, allowed_hosts(config), config, served, files.add_visit, files.add_robots)
    asyncio.run(fetch)
    outputs = files.write()
    counts = count_list(space.folder, files.warc_path, files.urls_path, len(planned))
    return Receipt(task.name, (), outputs, counts, task.subset)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("crawl", argv)


if __name__ == "__main__":
    main()
