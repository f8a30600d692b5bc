"""The crawl against a small web of its own; the server's access log is the oracle."""

import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from beam_jobs.crawl_pages import crawl
from pipeline.config import CrawlConfig
from pipeline.exchange import NETWORK_REASONS
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace, finished_receipt, total_counts, write_receipt
from pipeline.storage import list_files, sha256_file

CLOCK = "2026-01-01T00:00:00Z"
AGENT = "FooBot/1.0 (+https://example.org/bot)"
REPOSITORY = Path(__file__).parents[2]


def config(*seeds: str, **fields: Any) -> CrawlConfig:
    quick = {"clock": CLOCK, "user_agent": AGENT, "delay_s": 0.002, "timeout_s": 5.0}
    return CrawlConfig.model_validate({"seeds": seeds, **quick, **fields})


def workspace(folder: Path) -> Workspace:
    return Workspace(str(folder / "out"), str(folder / "scratch"), str(folder / "work"))


def run_shards(tasks: Sequence[ShardTask], function: Callable[[ShardTask], Receipt], space: Workspace) -> list[Receipt]:
    """A stage's driver in its plainest form."""
    receipts = []
    for task in tasks:
        receipt = finished_receipt(space.folder, task.name)
        if receipt is None:
            receipt = function(task)
            write_receipt(space, receipt)
        receipts.append(receipt)
    return receipts


def run_crawl(folder: Path, settings: CrawlConfig, served: dict[str, str]) -> list[Receipt]:
    space = workspace(folder)
    return crawl(settings, space, partial(run_shards, space=space), served)


def table(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = sorted((folder / "out").glob(f"round-*/{kind}-*.parquet"))
    return [row for path in found for row in pq.read_table(path).to_pylist()]


def outcomes(folder: Path) -> dict[str, str]:
    """URL -> status of what was archived, or the reason for nothing."""
    return {row["url"]: row["reason"] or str(row["status"]) for row in table(folder, "urls")}


def total(receipts: list[Receipt]) -> Counts:
    return total_counts(receipts, 0.0, "crawl")["massiveweb"]


# --- One crawl of a web with everything in it


def endless_calendar(site: Any, path: str) -> Any:
    if not path.startswith("/cal/"):
        return site.response(b"nothing here", 404)
    return site.response(f"<a href='/cal/{int(path[5:]) + 1}'>the day after</a>".encode())


def nasty_web(site: Any) -> dict[str, str]:
    a = "a.test"
    site.add(
        a, "/robots.txt", "\ufeffUser-agent: *\nDisallow: /private\nAllow: /private/open\n", Content_Type="text/plain"
    )
    site.links(
        a,
        "/",
        *("/page", "/page#part", "/page?utm_source=x", "/page;jsessionid=77", "HTTP://A.TEST:80/./page", "mailto:x@y"),
        *("/copy/1", "/copy/2", "/copy/near", "/private/x", "/private/open/y", "/base", "/marked", "/cal/1"),
        *(
            "/gone",
            "/broken",
            "/charset",
            "/picture.png",
            "/no-type",
            "/typeless",
            "/long",
            "/cut",
            "/slow",
            "/chunked",
        ),
        *("/chain/1", "/loop/a", "/loop/self", "/to-b", "/to-nowhere", "/to-private", "/to-local", "/to-ftp"),
        *(
            "http://c.test/",
            "http://d.test/",
            "http://e.test/x",
            "http://f.test/",
            "http://g.test/",
            "http://evil.test/",
        ),
    )
    site.links(a, "/page", "/", "/page")
    for path, text in (("/copy/1", "the same"), ("/copy/2", "the same"), ("/copy/near", "the same, nearly")):
        site.add(a, path, f"<p>{text}</p>")
    site.links(a, "/private/open/y")
    site.add(a, "/base", "<base href='http://b.test/deep/'><a href='based'>x</a>")
    site.add(a, "/marked", "<a rel=nofollow href='/only-marked'>x</a>")
    site.dynamic[a] = partial(endless_calendar, site)
    site.add(a, "/broken", "<a href='/from-error'>x</a>", status=500)
    site.add(
        a,
        "/charset",
        "<p>fünf</p><a href='/wide'>x</a>".encode("windows-1252"),
        Content_Type="text/html; charset=utf-8",
    )
    site.add(a, "/picture.png", b"\x89PNG", Content_Type="image/png")
    site.add(a, "/no-type", b"\x00\x01\x02", Content_Type="")
    site.add(a, "/typeless", b" <p>a page all the same", Content_Type="")
    site.add(a, "/long", "<p>long</p>" + "x" * 50_000)
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    site.add_raw(a, "/cut", page + b"Content-Length: 99\r\n\r\n<p>")
    site.add_raw(a, "/slow", b"", pause_s=60)
    site.add_raw(a, "/chunked", page + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    for hop in range(1, 9):
        site.add(a, f"/chain/{hop}", status=302, Location=f"/chain/{hop + 1}")
    site.add(a, "/loop/a", status=301, Location="/loop/b")
    site.add(a, "/loop/b", status=301, Location="/loop/a")
    site.add(a, "/loop/self", status=307, Location="/loop/self")
    site.add(a, "/to-b", status=308, Location="http://b.test/landing")
    site.add(a, "/to-nowhere", status=302, Location="http://nowhere.test/x")
    site.add(a, "/to-private", status=302, Location="http://169.254.169.254/latest/meta-data")
    site.add(a, "/to-local", status=302, Location=f"http://localhost:{site.address.split(':')[1]}/secret")
    site.add(a, "/to-ftp", status=302, Location="ftp://a.test/file")
    site.add("b.test", "/robots.txt", status=301, Location="http://a.test/robots-of-b")
    site.add(a, "/robots-of-b", "User-agent: foobot\nDisallow: /deep/no\n", Content_Type="text/plain")
    site.links("b.test", "/landing", "/deep/no")
    site.add("b.test", "/deep/based", "<p>based</p>")
    site.add("c.test", "/robots.txt", status=503)
    site.links("d.test", "/", "/more")
    site.add("d.test", "/more", "plain text", Content_Type="text/plain; charset=utf-8")
    site.add("e.test", "/robots.txt", "User-agent: *\nCrawl-delay: 31", Content_Type="text/plain")
    site.add_raw("g.test", "/robots.txt", b"", pause_s=60)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    return {**site.served(a, "b.test", "c.test", "d.test", "e.test", "g.test"), "f.test": nobody}


@pytest.fixture(scope="module")
def crawled(module_site: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, list[Receipt]]:
    folder = tmp_path_factory.mktemp("crawl")
    served = nasty_web(module_site)
    local = f"localhost:{module_site.address.split(':')[1]}"
    hosts = (*sorted(served), local)
    settings = config(
        "http://a.test/", hosts=hosts, max_depth=6, timeout_s=1.5, max_body_bytes=20_000, hosts_per_list=3
    )
    return module_site, folder, run_crawl(folder, settings, served)


def test_what_became_of_every_url(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    site, folder, _ = crawled
    a, pages = "http://a.test", {}
    pages |= dict.fromkeys(
        ["/", "/page", "/copy/1", "/copy/2", "/copy/near", "/private/open/y", "/base", "/marked"], "200"
    )
    pages |= dict.fromkeys(["/charset", "/typeless", "/long", "/chunked"], "200")
    pages |= {f"/cal/{day}": "200" for day in range(1, 7)} | {"/cal/7": "depth"}
    pages |= {"/gone": "404", "/broken": "500", "/wide": "404", "/private/x": "robots"}
    pages |= {"/picture.png": "content_type", "/no-type": "content_type", "/cut": "truncated", "/slow": "timeout"}
    pages |= {f"/chain/{hop}": "302" for hop in range(1, 7)} | {"/chain/7": "redirect_limit"}  # 5 hops after the first
    pages |= {"/loop/a": "301", "/loop/b": "301", "/loop/self": "307", "/to-b": "308"}
    pages |= dict.fromkeys(["/to-nowhere", "/to-private", "/to-local", "/to-ftp"], "302")
    expected = {a + path: outcome for path, outcome in pages.items()} | {
        "http://nowhere.test/x": "off_host_redirect",
        "http://169.254.169.254/latest/meta-data": "private_address",
        f"http://localhost:{site.address.split(':')[1]}/secret": "private_address",
        "ftp://a.test/file": "scheme",
        "http://b.test/landing": "200",
        "http://b.test/deep/based": "200",
        "http://b.test/deep/no": "robots",
        "http://c.test/": "robots_unreachable",
        "http://d.test/": "200",
        "http://d.test/more": "200",
        "http://e.test/x": "crawl_delay",
        "http://f.test/": "robots_unreachable",
        "http://g.test/": "robots_unreachable",
    }
    assert outcomes(folder) == expected


def test_nothing_disappears(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    _, folder, receipts = crawled
    counts, rows = total(receipts), table(folder, "urls")
    assert counts.unit == "urls"
    assert counts.entered == len(rows) == len({row["url"] for row in rows})
    assert counts.kept == sum(row["status"] is not None for row in rows)
    assert dict(counts.dropped) == Counter(row["reason"] for row in rows if row["outcome"] == "dropped")
    assert counts.failed == 0
    assert counts.produced == len(receipts) + 2 * counts.kept  # warcinfo; request and response
    written = {output.path for receipt in receipts for output in receipt.outputs}
    assert written == {path for path in list_files(str(folder / "out")) if not path.startswith("_shards/")}


def test_the_log_shows_manners(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    site, folder, _ = crawled
    by_url = Counter(f"http://{r.host}{r.path}" for r in site.log if r.path not in ("/robots.txt", "/robots-of-b"))
    assert set(by_url.values()) == {1}  # one GET a URL
    requested = {row["url"] for row in table(folder, "urls") if row["is_requested"]}
    assert set(by_url) == requested
    assert not [r for r in site.log if r.path.startswith("/private") and r.path != "/private/open/y"]
    assert not [r for r in site.log if r.path in ("/deep/no", "/only-marked", "/from-error", "/secret")]
    assert {r.host for r in site.log} == {f"{name}.test" for name in "abcdeg"}
    assert all(r.headers["User-Agent"] == AGENT and "Cookie" not in r.headers for r in site.log)
    for host in {r.host for r in site.log}:
        assert site.paths(host, robots=True)[0] in ("/robots.txt", "/robots-of-b")
    assert site.paths("c.test") == site.paths("e.test") == site.paths("g.test") == []


def test_warc_is_sound_to_two_readers(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    site, folder, receipts = crawled
    rows = {row["url"]: row for row in table(folder, "urls")}
    archived = []
    for path in sorted((folder / "out").glob("round-*/pages-*.warc")):
        assert site.address.encode() not in path.read_bytes()
        types, urls = [], []
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                types.append(record.rec_type)
                assert record.rec_headers.get_header("WARC-Date") == CLOCK
                content = record.content_stream().read()
                if record.rec_type == "response":
                    urls.append(record.rec_headers.get_header("WARC-Target-URI"))
                    row = rows[urls[-1]]
                    assert record.http_headers.get_statuscode() == str(row["status"])
                    assert len(content) == row["num_bytes"]
                    assert record.rec_headers.get_header("WARC-Payload-Digest") == row["digest"]
                    truncated = record.rec_headers.get_header("WARC-Truncated")
                    assert (truncated == "length") == row["is_truncated"] == (urls[-1] == "http://a.test/long")
        assert types == ["warcinfo"] + ["response", "request"] * len(urls)
        assert urls == sorted(urls)
        archived += urls
        with path.open("rb") as stream:
            fast = [(str(r.record_type), r.verify_block_digest()) for r in FastIterator(stream, parse_http=False)]
        assert len(fast) == len(types)
        assert all(is_sound for _, is_sound in fast)
    assert sorted(archived) == sorted(url for url, row in rows.items() if row["status"])
    assert (
        sum(output.rows for r in receipts for output in r.outputs if ".warc" in output.path) == total(receipts).produced
    )


def test_a_request_names_its_response(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    _, folder, _ = crawled
    identifiers: list[str] = []
    responses, requests = {}, {}
    for path in (folder / "out").glob("round-*/pages-*.warc"):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream):
                url, identifier = (
                    record.rec_headers.get_header(f"WARC-{name}") for name in ("Target-URI", "Record-ID")
                )
                identifiers.append(identifier)
                if record.rec_type == "response":
                    responses[url] = identifier
                if record.rec_type == "request":
                    requests[url] = record.rec_headers.get_header("WARC-Concurrent-To")
    assert requests == responses
    assert len(set(identifiers)) == len(identifiers)


def test_robots_are_on_record(crawled: tuple[Any, Path, list[Receipt]]) -> None:
    _, folder, _ = crawled
    found = {row["origin"]: (row["kind"], row["status"], row["error"]) for row in table(folder, "robots")}
    assert found == {
        "http://a.test": ("rules", 200, None),
        "http://b.test": ("rules", 200, None),
        "http://c.test": ("unreachable", 503, None),
        "http://d.test": ("allow_all", 404, None),
        "http://e.test": ("rules", 200, None),
        "http://f.test": ("unreachable", None, "connection"),
        "http://g.test": ("unreachable", None, "timeout"),
        next(origin for origin in found if "localhost" in origin): ("unreachable", None, "private_address"),
    }


# --- What is crawled, against a plain walk over the graph


def random_web(site: Any, seed: int, hosts: Sequence[str], pages: int) -> dict[str, list[str]]:
    """A graph of pages; those below /no are forbidden."""
    rng = random.Random(seed)
    urls = [f"http://{rng.choice(hosts)}/{rng.choice(['', 'x/', 'x/', 'no/'])}{number}" for number in range(pages)]
    graph = {url: sorted(rng.sample(urls, rng.randrange(6))) for url in urls}
    for url, targets in graph.items():
        host, _, path = url.removeprefix("http://").partition("/")
        site.links(host, f"/{path}", *targets)
    for host in hosts:
        site.add(host, "/robots.txt", "User-agent: *\nDisallow: /no/", Content_Type="text/plain")
    return graph


def reachable(graph: dict[str, list[str]], seeds: Sequence[str], max_depth: int) -> set[str]:
    """Pages that a polite walk gets to."""
    depths, queue = dict.fromkeys(seeds, 0), deque(seeds)
    while queue:
        url = queue.popleft()
        if "/no/" in url or depths[url] == max_depth:
            continue
        for target in graph[url]:
            if target not in depths:
                depths[target] = depths[url] + 1
                queue.append(target)
    return {url for url in depths if "/no/" not in url}


@pytest.mark.parametrize("max_depth", [2, 20])
def test_reaches_what_can_be_reached(site: Any, tmp_path: Path, max_depth: int) -> None:
    hosts = ["a.test", "b.test", "c.test"]
    graph = random_web(site, 5, hosts, 60)
    seeds = [url for url in graph if "/no/" not in url][:2]
    receipts = run_crawl(tmp_path, config(*seeds, hosts=hosts, max_depth=max_depth), site.served(*hosts))
    asked = [f"http://{r.host}{r.path}" for r in site.log if r.path != "/robots.txt"]
    assert set(asked) == reachable(graph, seeds, max_depth)
    assert len(asked) == len(set(asked)) == total(receipts).kept > 3


@pytest.mark.parametrize("max_pages", [1, 7, 20])
def test_budget_is_met_exactly_and_shared(site: Any, tmp_path: Path, max_pages: int) -> None:
    for host in ("big.test", "small.test"):
        site.links(host, "/", *(f"/{number:02}" for number in range(30 if host == "big.test" else 4)))
    seeds = ("http://big.test/", "http://small.test/")
    receipts = run_crawl(tmp_path, config(*seeds, max_pages=max_pages), site.served("big.test", "small.test"))
    big, small = sorted(site.paths("big.test")), sorted(site.paths("small.test"))
    assert len(big) + len(small) == max_pages
    # turns: 1 page is big's seed; 7 are both seeds, then 3 of big and 2 of small; 20 leave small its 5
    assert (len(big), len(small)) == {1: (1, 0), 7: (4, 3), 20: (15, 5)}[max_pages]
    assert big[1:] == [f"/{number:02}" for number in range(len(big) - 1)]
    assert total(receipts).dropped["budget"] == total(receipts).entered - max_pages


def test_failures_use_up_the_budget_too(site: Any, tmp_path: Path) -> None:
    site.links("a.test", "/", *(f"/{number}" for number in range(9)))
    for number in range(9):
        site.add_raw("a.test", f"/{number}", b"")
    receipts = run_crawl(tmp_path, config("http://a.test/", max_pages=4), site.served("a.test"))
    assert len(site.paths("a.test")) == 4
    assert dict(total(receipts).dropped) == {"connection": 3, "budget": 6}


# --- Manners


def test_delay_between_requests(site: Any, tmp_path: Path) -> None:
    for host, delay in (("a.test", ""), ("b.test", "User-agent: *\nCrawl-delay: 0.2")):
        site.add(host, "/robots.txt", delay, Content_Type="text/plain")
        site.links(host, "/", "/1", "/2", "/3", "/4")
    seeds = ("http://a.test/", "http://b.test/")
    run_crawl(tmp_path, config(*seeds, delay_s=0.06), site.served("a.test", "b.test"))
    for host, delay_s in (("a.test", 0.06), ("b.test", 0.2)):
        times = [(r.at, r.path) for r in site.log if r.host == host]
        gaps = [(later - earlier, path) for (earlier, _), (later, path) in pairwise(times)]
        assert len(gaps) == 6  # robots.txt and a page, robots.txt and four pages
        # what robots.txt asks for is not known yet when a round asks for it
        assert [gap for gap in gaps if gap[0] < (0.06 if gap[1] == "/robots.txt" else delay_s)] == []


def test_a_host_that_fails_is_left_alone(site: Any, tmp_path: Path) -> None:
    site.links("a.test", "/", *(f"/{number:02}" for number in range(30)))
    for number in range(30):
        site.add_raw("a.test", f"/{number:02}", b"")
    run_crawl(tmp_path, config("http://a.test/"), site.served("a.test"))
    assert len(site.paths("a.test")) == 1 + 10
    assert Counter(outcomes(tmp_path).values()) == {"200": 1, "connection": 10, "host_unreachable": 20}
    assert "connection" in NETWORK_REASONS


def test_retry_after(site: Any, tmp_path: Path) -> None:
    for host, seconds in (("soon.test", "1"), ("late.test", "31")):
        site.links(host, "/", "/1", "/2")
        site.add(host, "/1", status=429, Retry_After=seconds)
    run_crawl(tmp_path, config("http://soon.test/", "http://late.test/"), site.served("soon.test", "late.test"))
    assert site.paths("late.test") == ["/", "/1"]
    assert outcomes(tmp_path)["http://late.test/2"] == "retry_after"
    first, second = (r.at for r in site.log if r.host == "soon.test" and r.path in ("/1", "/2"))
    assert second - first >= 1.0


@pytest.mark.parametrize("hops", [5, 6])
def test_redirects_of_robots(site: Any, tmp_path: Path, hops: int) -> None:
    chain = ["/robots.txt", *(f"/robots/{number}" for number in range(1, hops + 1))]
    for here, there in pairwise(chain):
        site.add("a.test", here, status=302, Location=there)
    site.add("a.test", chain[-1], "User-agent: *\nDisallow: /", Content_Type="text/plain")
    run_crawl(tmp_path, config("http://a.test/"), site.served("a.test"))
    # past five the RFC takes the file for absent
    assert site.paths("a.test", robots=True) == (chain if hops == 5 else [*chain[:-1], "/"])
    assert outcomes(tmp_path) == {"http://a.test/": "robots" if hops == 5 else "404"}


@pytest.mark.parametrize("location", ["ftp://a.test/robots.txt", "http://10.0.0.1/robots.txt", "http://a.test:81/r"])
def test_robots_elsewhere_that_nobody_may_ask(site: Any, tmp_path: Path, location: str) -> None:
    site.add("a.test", "/robots.txt", status=301, Location=location)
    run_crawl(tmp_path, config("http://a.test/"), site.served("a.test"))
    assert set(outcomes(tmp_path).values()) <= {"robots_unreachable", "private_address"}
    assert len(site.log) == 1


def test_user_agent_needs_a_product_token(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="product and contact"):
        run_crawl(tmp_path, config("http://a.test/", user_agent="(+https://example.org)"), {})


# --- Bytes


def digests(folder: Path) -> dict[str, str]:
    return {path: sha256_file(str(folder / "out" / path)) for path in list_files(str(folder / "out"))}


def test_same_bytes_whatever_the_timing(site: Any, tmp_path: Path) -> None:
    hosts = ["a.test", "b.test", "c.test", "d.test"]
    graph = random_web(site, 1, hosts, 40)
    settings = config(*list(graph)[:4], hosts=hosts, hosts_per_list=2)
    run_crawl(tmp_path / "one", settings, site.served(*hosts))
    rng, answer = random.Random(0), site._answer
    site._answer = lambda request: answer(request)._replace(pause_s=rng.random() / 50)
    run_crawl(tmp_path / "two", settings, site.served(*hosts))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert len(digests(tmp_path / "one")) > 20


def test_without_a_clock(site: Any, tmp_path: Path) -> None:
    """Dates of the requests, an address, random ids, a gzip member a record."""
    site.links("a.test", "/", "/1")
    before = time.time()
    run_crawl(tmp_path, config("http://a.test/", clock=""), site.served("a.test"))
    path = tmp_path / "out/round-00001/pages-00000.warc.gz"
    with path.open("rb") as stream:
        records = [(r.rec_type, r.rec_headers) for r in ArchiveIterator(stream, check_digests="raise")]
    assert [kind for kind, _ in records] == ["warcinfo", "response", "request"]
    _, response = records[1]
    assert response.get_header("WARC-IP-Address") == "127.0.0.1"
    assert response.get_header("WARC-Target-URI") == "http://a.test/"
    date = time.strptime(response.get_header("WARC-Date")[:19], "%Y-%m-%dT%H:%M:%S")
    assert before - 2 < time.mktime(date) - time.timezone < before + 60
    assert path.read_bytes().count(b"\x1f\x8b\x08") == 3
    assert len({headers.get_header("WARC-Record-ID") for _, headers in records}) == 3


DRIVER = """
import json, sys
from functools import partial
from itertools import pairwise
from beam_jobs.crawl_pages import crawl
from pipeline.config import CrawlConfig
from pipeline.manifest import Workspace, finished_receipt, write_receipt
settings, folder, served = json.load(sys.stdin)
space = Workspace(folder + "/out", folder + "/scratch", folder + "/work")
def run_shards(tasks, function):
    for task in tasks:
        if finished_receipt(space.folder, task.name) is None:
            write_receipt(space, function(task))
    return [finished_receipt(space.folder, task.name) for task in tasks]
crawl(CrawlConfig(**settings), space, run_shards, served)
"""


def kill_after(site: Any, requests: int, folder: Path, settings: CrawlConfig, served: dict[str, str]) -> None:
    """Run a crawl in a process of its own and kill it when the server has seen so many requests."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], cwd=REPOSITORY, stdin=subprocess.PIPE)
    assert driver.stdin is not None
    driver.stdin.write(json.dumps([settings.model_dump(), str(folder), served]).encode())
    driver.stdin.close()
    while len(site.log) < requests:
        assert driver.poll() is None, "it ended by itself"
        time.sleep(0.002)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    "requests", [9, pytest.param(2, marks=pytest.mark.slow), pytest.param(33, marks=pytest.mark.slow)]
)
def test_killed_and_resumed(site: Any, tmp_path: Path, requests: int) -> None:
    hosts = ["a.test", "b.test", "c.test"]
    graph = random_web(site, 3, hosts, 50)
    seeds = [url for url in graph if "/no/" not in url and graph[url]][:3]
    settings = config(*seeds, hosts=hosts, hosts_per_list=1, delay_s=0.01)
    run_crawl(tmp_path / "undisturbed", settings, site.served(*hosts))
    assert len(site.log) > 40
    site.log.clear()
    kill_after(site, requests, tmp_path / "killed", settings, site.served(*hosts))
    done = {row["url"] for row in finished_rows(tmp_path / "killed")}
    site.log.clear()
    run_crawl(tmp_path / "killed", settings, site.served(*hosts))
    assert digests(tmp_path / "killed") == digests(tmp_path / "undisturbed")
    assert not done & {f"http://{r.host}{r.path}" for r in site.log}
    assert requests < 9 or done  # the first list is one seed: a later kill finds finished ones


def finished_rows(folder: Path) -> list[dict[str, Any]]:
    """URLs of the host lists that have a receipt."""
    receipts = [Receipt.from_json(path.read_text()) for path in (folder / "out/_shards").glob("*.json")]
    tables = [output.path for receipt in receipts for output in receipt.outputs if "/urls-" in output.path]
    return [row for path in tables for row in pq.read_table(folder / "out" / path).to_pylist()]


def test_a_finished_crawl_asks_for_nothing(site: Any, tmp_path: Path) -> None:
    site.links("a.test", "/", "/1", "/2")
    settings = config("http://a.test/")
    first = run_crawl(tmp_path, settings, site.served("a.test"))
    before, asked = digests(tmp_path), len(site.log)
    assert run_crawl(tmp_path, settings, site.served("a.test")) == first
    assert (digests(tmp_path), len(site.log)) == (before, asked)


def test_a_lost_round_that_comes_out_otherwise_takes_later_ones_along(site: Any, tmp_path: Path) -> None:
    site.links("a.test", "/", "/1", "/2")
    settings = config("http://a.test/")
    run_crawl(tmp_path, settings, site.served("a.test"))
    (tmp_path / "out/round-00001/urls-00000.parquet").unlink()
    site.links("a.test", "/", "/2", "/3")
    run_crawl(tmp_path, settings, site.served("a.test"))
    assert set(outcomes(tmp_path)) == {f"http://a.test/{page}" for page in ("", "2", "3")}
    assert site.paths("a.test") == ["/", "/1", "/2", "/", "/2", "/3"]
