import random

import pyarrow as pa
import pytest

from pipeline.config import CrawlConfig
from pipeline.crawl import (
    ROUND_S,
    allowed_hosts,
    found_by,
    frontier_rows,
    host_lists,
    next_frontier,
    plan_round,
    requests_made,
    seed_frontier,
    sorted_frontier,
)

AGENT = "FooBot/1.0 (+https://example.org/bot)"


def config(**fields: object) -> CrawlConfig:
    return CrawlConfig.model_validate({"seeds": ("http://a/",), "user_agent": AGENT, "delay_s": 1, **fields})


def frontier(*rows: tuple[str, int, int]) -> pa.Table:
    urls, depths, redirects = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return sorted_frontier(frontier_rows(urls, depths, redirects))


def rows(table: pa.Table) -> list[tuple]:
    return [tuple(row.values()) for row in table.to_pylist()]


def taken(table: pa.Table) -> list[tuple[str, str | None]]:
    return [(row["url"], row["reason"]) for row in table.to_pylist()]


def test_seeds_and_hosts() -> None:
    of_seeds = config(seeds=("http://B:80/x#y", "HTTP://b/x", "http://a/", "ftp://c/", "nonsense \ud800"))
    assert rows(seed_frontier(of_seeds)) == [
        ("ftp://c/", "", 0, 0),
        ("http://a/", "a", 0, 0),
        ("http://b/x", "b", 0, 0),
        ("nonsense \\ud800", "", 0, 0),
    ]
    assert allowed_hosts(of_seeds) == {"a", "b"}
    assert allowed_hosts(config(hosts=("A.", "bücher.example", "c:8080"))) == {"a", "xn--bcher-kva.example", "c:8080"}


def test_frontier_keeps_the_nearest() -> None:
    table = frontier(("http://a/1", 2, 0), ("http://a/2", 1, 3), ("http://a/1", 1, 2), ("http://a/1", 1, 1))
    assert rows(table) == [("http://a/1", "a", 1, 1), ("http://a/2", "a", 1, 3)]
    assert rows(frontier()) == []


def test_next_frontier_holds_what_was_never_taken() -> None:
    left = frontier(("http://a/left", 1, 0))
    found = frontier(("http://a/left", 3, 0), ("http://a/new", 2, 0), ("http://a/old", 2, 0))
    assert rows(next_frontier(left, found, pa.chunked_array([["http://a/old"]]))) == [
        ("http://a/left", "a", 1, 0),
        ("http://a/new", "a", 2, 0),
    ]


def test_found_by_a_round() -> None:
    urls = pa.table(
        {
            "depth": pa.array([4, 0], pa.int32()),
            "redirects": pa.array([2, 0], pa.int32()),
            "redirect_target": ["http://a/hop", None],
        }
    )
    links = pa.table(
        {
            "depth": pa.array([0, 0], pa.int32()),
            "target": ["http://a/followed", "http://a/marked"],
            "is_nofollow": [False, True],
        }
    )
    assert rows(found_by(urls, links)) == [("http://a/followed", "a", 1, 0), ("http://a/hop", "a", 4, 3)]


def test_what_will_never_be_fetched() -> None:
    table = frontier(
        ("http://a/deep", 3, 0),
        ("http://a/edge", 2, 0),
        ("http://a/hops", 1, 6),
        ("http://a/five-hops", 1, 5),
        ("http://b/", 1, 0),
        ("http://b/hop", 1, 1),
        ("http://10.0.0.1/", 1, 1),
        ("http://u@a/", 1, 1),
        ("http://a:81/", 1, 1),
        ("ftp://a/", 1, 1),
        ("/\\ud800", 1, 1),
    )
    plan, left = plan_round(table, 100, config(max_depth=2, max_redirects=5))
    assert left.num_rows == 0
    assert dict(taken(plan)) == {
        "http://a/deep": "depth",
        "http://a/edge": None,
        "http://a/hops": "redirect_limit",
        "http://a/five-hops": None,
        "http://b/": "off_host",
        "http://b/hop": "off_host_redirect",
        "http://10.0.0.1/": "private_address",
        "http://u@a/": "bad_url",
        "http://a:81/": "off_host_redirect",
        "ftp://a/": "scheme",
        "/\\ud800": "bad_url",
    }


def test_hosts_take_turns_with_what_is_left() -> None:
    table = frontier(
        *((f"http://a/{n}", 1, 0) for n in range(4)),
        ("http://b/deep", 2, 0),
        ("http://b/near", 1, 0),
        ("http://c/1", 9, 0),
    )
    wide = config(seeds=("http://a/", "http://b/", "http://c/"))
    # turn 0: a/0, b/near, c/1; turn 1: a/1, b/deep; turn 2: a/2; turn 3: a/3
    order = ["http://a/0", "http://b/near", "http://c/1", "http://a/1", "http://b/deep", "http://a/2", "http://a/3"]
    for budget in range(1, 9):
        plan, left = plan_round(table, budget, wide)
        assert {url for url, _ in taken(plan)} == set(order[:budget])
        assert set(left["url"].to_pylist()) == set(order[budget:])
        assert [url for url, _ in taken(plan)] == sorted(order[:budget], key=lambda u: (u[:8], u == "http://b/deep", u))


def test_no_request_left_drops_the_rest() -> None:
    table = frontier(("http://a/1", 1, 0), ("http://b/1", 1, 0))
    plan, left = plan_round(table, 0, config())
    assert taken(plan) == [("http://a/1", "budget"), ("http://b/1", "off_host")]
    assert left.num_rows == 0


def test_a_round_ends() -> None:
    table = frontier(*((f"http://a/{n:03}", 0, 0) for n in range(200)))
    plan, left = plan_round(table, 1000, config(delay_s=ROUND_S / 150))
    assert (plan.num_rows, left.num_rows) == (150, 50)
    assert plan["url"].to_pylist()[-1] == "http://a/149"
    assert plan_round(table, 1000, config(delay_s=2 * ROUND_S))[0].num_rows == 1
    assert plan_round(table, 1000, config(delay_s=0))[0].num_rows == 200


@pytest.mark.parametrize("seed", range(5))
def test_plan_against_a_plain_loop(seed: int) -> None:
    rng = random.Random(seed)
    hosts = ["a", "b", "c", "d"]
    table = frontier(*((f"http://{rng.choice(hosts)}/{rng.randrange(99)}", rng.randrange(4), 0) for _ in range(60)))
    queues = {h: [row["url"] for row in table.to_pylist() if row["host"] == h] for h in hosts}
    expected: list[str] = []
    while len(expected) < 25 and any(queues.values()):
        expected += [queues[h].pop(0) for h in hosts if queues[h]]
    plan, left = plan_round(table, 25, config(hosts=tuple(hosts)))
    assert sorted(plan["url"].to_pylist()) == sorted(expected[:25])
    assert sorted(plan["url"].to_pylist() + left["url"].to_pylist()) == sorted(table["url"].to_pylist())


def test_a_host_is_in_one_list() -> None:
    table = frontier(*((f"http://h{host}/{n}", 0, 0) for host in range(7) for n in range(1 + host)))
    plan, _ = plan_round(table, 100, config(hosts=tuple(f"h{n}" for n in range(7))))
    lists = host_lists(plan, 3)
    assert [sorted(set(part["host"].to_pylist())) for part in lists] == [["h0", "h3", "h6"], ["h2", "h5"], ["h1", "h4"]]
    assert sum(part.num_rows for part in lists) == plan.num_rows
    assert pa.concat_tables(lists).sort_by("url").equals(plan.sort_by("url"))
    assert [part.num_rows for part in host_lists(plan, 7)] == [28]


def test_requests_made() -> None:
    assert requests_made([pa.table({"is_requested": [True, False, True]}), pa.table({"is_requested": [True]})]) == 3
    assert requests_made([pa.table({"is_requested": pa.array([], pa.bool_())})]) == 0
