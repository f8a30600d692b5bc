"""The frontier of a crawl, and its rounds: pure functions over sorted tables, so that a crawl can go on from its files.

A round takes URLs from the frontier, breadth first, and asks for them; links and redirects of the round make the next
frontier. A URL enters it once. Which URLs a round takes depends on configuration and the answers of the rounds before,
never on timing. Redirects count as hops of their own: their targets stand at the depth of the page that sent us there.

Reasons given here: ``scheme`` and ``bad_url`` (no http or https, not fetchable), ``off_host`` and ``off_host_redirect``
(not a host of this crawl), ``private_address``, ``depth`` (past ``max_depth``), ``redirect_limit``, ``budget``
(``max_pages`` requests were made). Those of a fetch stand in ``pipeline.fetch`` and ``pipeline.exchange``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.addresses import PrivateAddressError, check_literal
from pipeline.config import CrawlConfig
from pipeline.urls import MAX_URL_CHARS, canonicalize, host_of, hostname_of, scheme_of

ROUND_S: Final = (
    1800  # a host is given no more URLs a round than its delay lets through in this time: a kill costs no more
)

FRONTIER_SCHEMA: Final = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),  # with a port that is not the scheme's own; "" for no web URL
        pa.field("depth", pa.int32(), nullable=False),  # links from a seed
        pa.field("redirects", pa.int32(), nullable=False),  # hops since the last link
    ]
)
PLAN_SCHEMA: Final = FRONTIER_SCHEMA.append(pa.field("reason", pa.string()))  # why it is not fetched; null = fetch
_PLACE: Final = ["url", "depth", "redirects"]


def allowed_hosts(config: CrawlConfig) -> frozenset[str]:
    """The hosts that may be fetched: those of the configuration, else those of the seeds."""
    named = [canonicalize(f"http://{host}/") for host in config.hosts] or [canonicalize(url) for url in config.seeds]
    return frozenset(host_of(url) for url in named if url)


def seed_frontier(config: CrawlConfig) -> pa.Table:
    """The first frontier: the seeds, at depth 0."""
    urls = [canonicalize(url) or as_text(url) for url in config.seeds]
    return sorted_frontier(frontier_rows(urls, [0] * len(urls), [0] * len(urls)))


def as_text(url: str) -> str:
    """What stands in the tables for something that is no URL: ASCII, and no longer than one."""
    return url.encode("ascii", "backslashreplace").decode()[:MAX_URL_CHARS]


def frontier_rows(urls: list[str], depths: list[int], redirects: list[int]) -> pa.Table:
    """Rows for a frontier; hosts are read from the URLs."""
    columns = [urls, [host_of(url) for url in urls], depths, redirects]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, FRONTIER_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FRONTIER_SCHEMA)


def sorted_frontier(rows: pa.Table) -> pa.Table:
    """One row a URL, the one of least depth, then fewest hops; in order of depth, then URL."""
    rows = rows.sort_by([(name, "ascending") for name in _PLACE])
    urls = rows["url"].combine_chunks()
    if len(urls) > 1:
        is_first = pc.not_equal(urls.slice(1), urls.slice(0, len(urls) - 1))
        rows = rows.filter(pa.concat_arrays([pa.array([True]), is_first]))
    return rows.sort_by([("depth", "ascending"), ("url", "ascending")])


def next_frontier(left: pa.Table, found: pa.Table, taken_urls: pa.ChunkedArray) -> pa.Table:
    """What was left, and what was found and not taken in any round so far."""
    rows = pa.concat_tables([left, found])
    unseen = pc.invert(pc.is_in(rows["url"], value_set=taken_urls))
    return sorted_frontier(rows.filter(unseen))


def found_by(urls: pa.Table, links: pa.Table) -> pa.Table:
    """Where a round's pages lead: links that may be followed, and redirects.

    Args:
        urls: The round's ``urls-*`` tables.
        links: Its ``links-*`` tables.
    """
    followed = links.filter(pc.invert(links["is_nofollow"]))
    depths = pc.add(followed["depth"], pa.scalar(1, pa.int32())).to_pylist()
    redirects = urls.filter(pc.is_valid(urls["redirect_target"]))
    return pa.concat_tables(
        [
            frontier_rows(followed["target"].to_pylist(), depths, [0] * followed.num_rows),
            frontier_rows(
                redirects["redirect_target"].to_pylist(),
                redirects["depth"].to_pylist(),
                pc.add(redirects["redirects"], pa.scalar(1, pa.int32())).to_pylist(),
            ),
        ]
    )


def plan_round(frontier: pa.Table, pages_left: int, config: CrawlConfig) -> tuple[pa.Table, pa.Table]:
    """Decide what the next round takes from the frontier.

    URLs that will never be fetched are taken at once, with their reason; so is everything when no request is left. Of
    the others hosts take turns, in order of name: each gives its next URL by depth, then URL, until ``pages_left`` are
    taken. So no host uses up what is left while another has URLs.

    Args:
        frontier: As ``sorted_frontier`` gives it.
        pages_left: Requests that the crawl may still make for pages.
        config: Of the crawl.

    Returns:
        What is taken (``PLAN_SCHEMA``), in order of host, depth and URL; and what is left for later rounds. At least
        one URL is taken of a frontier that has any.
    """
    hosts = allowed_hosts(config)
    reasons = [
        _refusal(url, host, depth, redirects, hosts, config) or (None if pages_left > 0 else "budget")
        for url, host, depth, redirects in zip(*(column.to_pylist() for column in frontier.columns), strict=True)
    ]
    plan = frontier.append_column(PLAN_SCHEMA.field("reason"), pa.array(reasons, pa.string()))
    plan = plan.sort_by([("host", "ascending"), ("depth", "ascending"), ("url", "ascending")])
    is_refused = pc.is_valid(plan["reason"])
    candidates = plan.filter(pc.invert(is_refused))
    is_taken = _turns(candidates["host"], pages_left, _quota(config))
    taken = pa.concat_tables([plan.filter(is_refused), candidates.filter(pa.array(is_taken))])
    left = candidates.filter(pa.array(~is_taken)).select(FRONTIER_SCHEMA.names)
    return taken.sort_by([("host", "ascending"), ("depth", "ascending"), ("url", "ascending")]), left


def _refusal(url: str, host: str, depth: int, redirects: int, hosts: frozenset[str], config: CrawlConfig) -> str | None:
    if canonicalize(url) != url:
        return "bad_url" if scheme_of(url) in ("http", "https", "") else "scheme"
    if host not in hosts:
        return _off_host(url, redirects)
    if depth > config.max_depth:
        return "depth"
    return "redirect_limit" if redirects > config.max_redirects else None


def _off_host(url: str, redirects: int) -> str:
    try:
        check_literal(hostname_of(url))
    except PrivateAddressError:
        return "private_address"
    return "off_host_redirect" if redirects else "off_host"


def _quota(config: CrawlConfig) -> int:
    """URLs that a host is given a round."""
    return max(1, int(ROUND_S / config.delay_s)) if config.delay_s else ROUND_S


def _turns(hosts: pa.ChunkedArray, pages_left: int, quota: int) -> npt.NDArray[np.bool_]:
    """Mark what is taken when hosts (sorted) take turns; a host's n-th URL comes in turn n."""
    codes = hosts.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    turn = np.arange(len(codes)) - np.searchsorted(codes, codes)
    order = np.argsort(turn, kind="stable")
    is_taken = np.zeros(len(codes), np.bool_)
    is_taken[order[: max(0, pages_left)]] = True
    is_taken &= turn < quota
    return is_taken


def host_lists(taken: pa.Table, hosts_per_list: int) -> list[pa.Table]:
    """Cut a round's URLs into host lists: each host in exactly one, lists of about equal work.

    Hosts are dealt like cards, those with most URLs first.
    """
    codes = taken["host"].combine_chunks().dictionary_encode()
    sizes = np.bincount(codes.indices.to_numpy(zero_copy_only=False), minlength=len(codes.dictionary))
    count = -(-len(sizes) // hosts_per_list)
    dealt = np.empty(len(sizes), np.int64)
    dealt[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes)) % count
    lists = dealt[codes.indices.to_numpy(zero_copy_only=False)]
    return [taken.filter(pa.array(lists == number)) for number in range(count)]


def requests_made(urls: Iterable[pa.Table]) -> int:
    """Requests for pages in these ``urls-*`` tables: what ``max_pages`` limits, whatever came of them."""
    return sum(int(pc.sum(table["is_requested"]).as_py() or 0) for table in urls)
