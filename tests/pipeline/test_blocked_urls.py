from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_workspace import driver
from warc_builder import OK_HTML, html, response

from pipeline.blocked_urls import listed, screen_of
from pipeline.blocklist_files import blocklist_files, blocklist_inputs
from pipeline.config import ExtractConfig, InputConfig, Recipe, RecipeError
from pipeline.readers import read_records
from pipeline.recipe import load_recipe
from pipeline.records import Piece
from pipeline.stages import plan

SCREENED = Piece("", "", "massiveweb", "warc", is_screened=True)


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """UT1's folder of a category, and flat files as its mirrors have."""
    folder = tmp_path / "ut1" / "adult"
    folder.mkdir(parents=True)
    (folder / "domains").write_text("bad.com\n10.0.0.1\n")
    (folder / "urls.gz").write_bytes(gzip.compress(b"mixed.com/bad\n", mtime=0))
    (folder / "expressions").write_text("good")
    (tmp_path / "flat").mkdir()
    for name, entry in (
        ("games-domains", b"games.com"),
        ("games-urls", b"mixed.com/games"),
        ("other-urls", b"good.com"),
    ):
        (tmp_path / "flat" / f"{name}.txt.gz").write_bytes(gzip.compress(entry, mtime=0))
    return tmp_path


def screen(**blocklists: tuple[str, ...]) -> Any:
    return screen_of(SCREENED, ExtractConfig(blocklists=blocklists))


def test_the_reason_is_the_category(lists: Path) -> None:
    blocked = screen(adult=(str(lists / "ut1" / "adult"),), games=(str(lists / "flat" / "games-*"),))
    for url, reason in {
        "https://www.bad.com:8080/x": "blocklist_adult",
        "HTTP://BAD.COM": "blocklist_adult",
        "bad.com/no/scheme": "blocklist_adult",
        "http://bad.com./": "blocklist_adult",
        "http://0x0a.1/": "blocklist_adult",  # 10.0.0.1, as a browser reads it
        "http://mixed.com/bad/1": "blocklist_adult",
        "http://mixed.com/x/../games?1": "blocklist_games",
        "ftp://games.com/": "blocklist_games",
        "http://mixed.com/": None,
        "http://good.com/expressions": None,
        "http://user:bad.com@good.com/": None,
        "mailto:me@bad.com": None,
        "": None,
        "http://[": None,
        "\ud800": None,
    }.items():
        assert blocked(url) == reason, url
    assert blocked(None) is None


def test_a_subset_without_the_content_filter_is_not_screened(lists: Path) -> None:
    config = ExtractConfig(blocklists={"adult": (str(lists / "ut1" / "adult"),)})
    assert screen_of(Piece("", "", "books", "jsonl"), config)("http://bad.com/") is None


def test_the_lists_that_ship() -> None:
    blocked = screen_of(SCREENED, ExtractConfig())
    assert blocked("https://www.pornhub.com/view?x=1") == "blocklist_adult"
    assert blocked("https://any.casino/") == "blocklist_gambling"
    assert blocked("http://coinhive.com/lib/x.js") == "blocklist_malware"
    for url in ("https://en.wikipedia.org/wiki/Pornhub", "https://www.essex.ac.uk/", "https://reddit.com/r/poker"):
        assert blocked(url) is None


@pytest.mark.parametrize(
    ("category", "name", "message"),
    [
        ("adult", "{}/none", "blocklists, adult: there is no list at .*/none"),
        ("adult", "{}/flat/none-*", "blocklists, adult: there is no list at .*/none-\\*"),
        ("adult", "{}/ut1", "{}/ut1 is a folder without a list; name a category's folder in it: adult$"),
        ("adult", "{}/flat", "is a folder without a list; .* files in it, as {}/flat/games-domains.txt.gz$"),
        ("adult", "{}/in", "is a folder without a list; a category's folder has files domains and urls$"),
        ("dating", "shipped", "no list of dating ships; those that do: adult, gambling, malware"),
    ],
)
def test_a_list_that_is_not_there_is_refused_before_any_work(
    lists: Path, category: str, name: str, message: str
) -> None:
    (lists / "in").mkdir()
    message = message.format(lists)
    with pytest.raises(RecipeError, match=message):
        blocklist_files({category: (name.format(lists),)})
    made = recipe(lists, {category: (name.format(lists),)})
    with pytest.raises(RecipeError, match=message):
        plan(made, str(lists / "out"))


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_list_of_words_is_refused(lists: Path, end: str) -> None:
    def write(name: str, lines: list[str]) -> str:
        data = "\n".join(lines).encode()
        (lists / f"{name}{end}").write_bytes(gzip.compress(data) if end else data)
        return str(lists / f"{name}{end}")

    words = write("words", ["# words", "some", "two words", "3.com"])
    message = r"adult: .*words(\.gz)? is no list of domains and URLs: of its first 3 lines 1 have a host"
    with pytest.raises(RecipeError, match=message):
        blocklist_inputs(recipe(lists, {"adult": (words,)}))
    for name, lines in (("half", ["word", "3.com"]), ("long", ["a.com"] * 20_000), ("top", [".adult"]), ("empty", [])):
        assert blocklist_inputs(recipe(lists, {"adult": (write(name, lines),)}))


def test_a_cut_list_is_refused_by_name_and_place(lists: Path) -> None:
    cut = lists / "cut-domains.gz"
    cut.write_bytes(gzip.compress(b"".join(b"host%d.com\n" % number for number in range(1000)))[:-9])
    with pytest.raises(RecipeError, match=rf"\[extract\] blocklists: {cut}: .* ends inside .*, at byte \d+"):
        listed(ExtractConfig(blocklists={"adult": (str(cut),)}))
    with pytest.raises(RecipeError, match=rf"\[extract\] blocklists, adult: {cut}: .* ends inside .*, at byte \d+"):
        blocklist_inputs(recipe(lists, {"adult": (str(cut),)}))  # where the cut is in what planning reads


def test_a_list_that_is_cut_further_on_is_refused_too(lists: Path) -> None:
    cut = lists / "cut-domains.gz"
    hosts = "".join(f"{hashlib.sha256(b'%d' % number).hexdigest()}.com\n" for number in range(10_000))
    cut.write_bytes(gzip.compress(hosts.encode())[:-9])
    made = recipe(lists, {"adult": (str(cut),)})
    with pytest.raises(RecipeError, match=rf"\[extract\] blocklists: {cut}: .* ends inside"):
        driver(made, lists / "out").run(only="extract")


def test_how_many_entries_are_said(lists: Path) -> None:
    config = ExtractConfig(
        blocklists={"adult": (str(lists / "ut1" / "adult"),), "b": (str(lists / "flat" / "games-*"),)}
    )
    assert listed(config) == "blocklists: 3 of adult, 2 of b"


def recipe(root: Path, blocklists: dict[str, tuple[str, ...]], **sections: Any) -> Recipe:
    (root / "in").mkdir(exist_ok=True)
    (root / "in" / "a.jsonl").write_text('{"text": "x"}\n')
    part = InputConfig(subset="massiveweb", format="jsonl", root=str(root / "in"), paths=("*",))
    return Recipe.model_validate({"input": (part,), "extract": {"blocklists": blocklists}, **sections})


def test_what_is_in_a_list_is_an_input_and_where_it_lies_is_not(lists: Path, tmp_path_factory: Any) -> None:
    def inputs(where: Path) -> Any:
        found = blocklist_inputs(recipe(where, {"adult": (str(where / "adult"), "shipped")}))
        return [{key: value for key, value in file.items() if key != "full_path"} for file in found]

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for where in (lists, elsewhere):
        (where / "adult").mkdir()
        (where / "adult" / "domains").write_text("one.com\n")
    assert inputs(lists) == inputs(elsewhere)
    assert [file["path"] for file in inputs(lists)] == ["blocklists/adult/adult", "blocklists/adult/domains"]
    (elsewhere / "adult" / "domains").write_text("two.com\n")
    assert inputs(lists) != inputs(elsewhere)
    assert blocklist_inputs(recipe(lists, {"adult": ("shipped",)}, apply={"content": ()})) == []


def test_paths_start_from_the_recipe(lists: Path) -> None:
    part = '[[input]]\nsubset = "massiveweb"\nformat = "text"\npaths = ["*"]\n'
    (lists / "r.toml").write_text(part + '[extract.blocklists]\nadult = ["ut1/*", "shipped"]\n')
    found = load_recipe(str(lists / "r.toml")).extract.blocklists
    assert found == {"adult": (str(lists / "ut1/*"), "shipped")}


def test_records_of_any_format_with_a_url_are_screened(lists: Path) -> None:
    rows = [{"text": "some text", "url": url} for url in ("http://bad.com/1", "http://good.com/2", "http://x.bad.com/")]
    path = lists / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"text": "no address"}, {"text": 1}]))
    config = ExtractConfig(blocklists={"adult": (str(lists / "ut1" / "adult"),)})
    records = list(read_records(Piece(str(path), "rows.jsonl", "news", "jsonl", is_screened=True), config))
    assert [(r.outcome, r.reason) for r in records] == [
        ("dropped", "blocklist_adult"), ("kept", None), ("dropped", "blocklist_adult"), ("kept", None),
        ("failed", "text_type"),
    ]  # fmt: skip
    assert [r.url for r in records[:2]] == ["http://bad.com/1", "http://good.com/2"]
    unscreened = list(read_records(Piece(str(path), "rows.jsonl", "news", "jsonl"), config))
    assert [r.outcome for r in unscreened] == ["kept"] * 4 + ["failed"]
    assert [(r.offset, r.length) for r in records] == [(r.offset, r.length) for r in unscreened]


def test_a_listed_record_of_an_archive_is_dropped_before_its_body_is_read(lists: Path) -> None:
    broken = OK_HTML.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    path = lists / "a.warc"
    urls = ("http://www.bad.com/", "http://good.com/", "http://mixed.com/bad/1", "http://good.com/2")
    heads = ((broken, b"\0\1\2"), (broken, b"\0\1\2"), (OK_HTML, html(1)), (OK_HTML, html(2)))
    path.write_bytes(b"".join(response(1, *head, WARC_Target_URI=url) for url, head in zip(urls, heads, strict=True)))
    config = ExtractConfig(blocklists={"adult": (str(lists / "ut1" / "adult"),)})
    records = list(read_records(Piece(str(path), "a.warc", "massiveweb", "warc", is_screened=True), config))
    assert [(r.outcome, r.reason, r.url) for r in records] == [
        ("dropped", "blocklist_adult", urls[0]),
        ("failed", "http_body", urls[1]),
        ("dropped", "blocklist_adult", urls[2]),
        ("kept", None, urls[3]),
    ]


def test_a_listed_row_of_an_index_is_not_fetched(lists: Path) -> None:
    rows = [
        {"url": f"http://{host}/", "mime": "text/html", "status": "200", "filename": "none.warc.gz", "offset": "0"}
        | {"length": "10"}
        for host in ("bad.com", "good.com")
    ]
    lines = [f"com,{row['url'][7:10]})/ 20200102030405 {json.dumps(row)}\n" for row in rows]
    (lists / "index.cdxj").write_text("".join(lines))
    config = ExtractConfig(blocklists={"adult": (str(lists / "ut1" / "adult"),)})
    piece = Piece(str(lists / "index.cdxj"), "index.cdxj", "massiveweb", "cdxj", is_screened=True)
    records = list(read_records(replace(piece, warc_root=str(lists)), config))
    assert [(r.outcome, r.reason) for r in records] == [("dropped", "blocklist_adult"), ("failed", "unreadable")]
