"""The quickstart's input and its server: on small archives built here, and (slow) on the real ones."""

import http.client
import io
import json
import os
import re
import socket
import tarfile
from collections import deque
from contextlib import closing
from importlib import resources
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from pipeline import assets, quickstart, storage
from pipeline.assets import Asset, AssetError, AssetFile
from pipeline.quickstart import Site, prepare
from pipeline.recipe import load_recipe
from pipeline.site_server import serve

PAGE = "<!DOCTYPE html><title>{}</title><a href='other.html'>on</a>".format


# ---- preparing, on small archives


def plant_sdist(cache, name, members, links=()):
    """Put a source distribution into the cache as ``get`` leaves it; its line of the table."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as sdist:
        for path, text in members.items():
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.size = len(text.encode())
            sdist.addfile(info, io.BytesIO(text.encode()))
        for path, target in links:
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            sdist.addfile(info)
    archive = f"{name}-1.0.tar.gz"
    loose = cache / archive
    loose.write_bytes(data.getvalue())
    digest, size = storage.sha256_file(str(loose)), loose.stat().st_size
    asset = Asset(name, "sdist", name, "1.0", archive, digest, size, (AssetFile("", archive, digest, size),), "MIT", "")
    (cache / asset.folder).mkdir()
    loose.rename(cache / asset.folder / archive)
    return asset


WEB = {
    "doc/index.html": PAGE("start"),
    "doc/deep/index.html": PAGE("deep"),
    "doc/_modules/code.html": PAGE("source view"),
    "doc/searchindex.js": "not a page",
    "src/stray.html": PAGE("not documentation"),
}
MANUALS = {
    "docs/intro/tutorial01.txt": "A tutorial.\n",
    "docs/index.txt": "Contents.\n",
    "docs/conf.py": "",
    "Pack.egg-info/x.txt": "",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir()
    planted = (plant_sdist(folder, "web", WEB), plant_sdist(folder, "manuals", MANUALS))
    monkeypatch.setattr(assets, "ASSETS", planted)
    monkeypatch.setattr(quickstart, "SITES", (Site("web.docs.test", "web", {"doc/": ""}),))
    monkeypatch.setattr(quickstart, "MANUALS", "manuals")
    monkeypatch.setattr(quickstart, "ASSETS", ("web", "manuals"))
    return folder


def contents(folder):
    return {path: (Path(folder) / path).read_bytes() for path in storage.list_files(str(folder))}


def test_what_is_prepared(cache, tmp_path):
    prepared = prepare(str(tmp_path / "input"), str(cache))
    assert list(contents(prepared.root)) == [
        "code/manuals-1.0.tar.gz",
        "code/web-1.0.tar.gz",
        "evaluation/tutorial01.txt",
        "manuals/index.txt",
        "manuals/intro/tutorial01.txt",
        "prepared.json",
        "web/web.docs.test/_modules/code.html",
        "web/web.docs.test/deep/index.html",
        "web/web.docs.test/index.html",
        "web/web.docs.test/robots.txt",
    ]
    assert Path(prepared.evaluation).read_text() == "A tutorial.\n"
    assert (prepared.hosts, prepared.seeds) == (("web.docs.test",), ("http://web.docs.test/index.html",))
    assert sorted(os.listdir(tmp_path)) == ["cache", "input"]


def test_the_same_bytes_wherever_it_is_prepared(cache, tmp_path):
    first, second = prepare(str(tmp_path / "a"), str(cache)), prepare(str(tmp_path / "b" / "c"), str(cache))
    assert contents(first.root) == contents(second.root)


def test_a_second_call_does_nothing(cache, tmp_path):
    first = prepare(str(tmp_path / "input"), str(cache))
    inodes = {path: os.stat(os.path.join(first.root, path)).st_ino for path in contents(first.root)}
    for asset in assets.ASSETS:
        os.unlink(cache / asset.folder / asset.archive)  # it does not even look
    assert prepare(str(tmp_path / "input"), str(cache)) == first
    assert {path: os.stat(os.path.join(first.root, path)).st_ino for path in contents(first.root)} == inodes


def test_input_of_other_archives_is_replaced(cache, tmp_path):
    prepared = prepare(str(tmp_path / "input"), str(cache))
    wanted = contents(prepared.root)
    stamp = Path(prepared.root, "prepared.json")
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "format_version": 0}))
    Path(prepared.root, "manuals", "left-over.txt").touch()
    prepare(prepared.root, str(cache))
    assert contents(prepared.root) == wanted


def test_a_folder_of_something_else_is_left_alone(cache, tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        prepare(str(tmp_path / "input"), str(cache))
    assert contents(tmp_path / "input") == {"thesis.txt": b"mine"}


def test_without_its_assets_nothing_is_written(cache, tmp_path):
    os.unlink(cache / assets.ASSETS[1].folder / "manuals-1.0.tar.gz")
    with pytest.raises(AssetError, match="massivetext assets get manuals"):
        prepare(str(tmp_path / "input"), str(cache))
    assert os.listdir(tmp_path) == ["cache"]


def test_archives_cannot_write_elsewhere(cache, tmp_path, monkeypatch):
    secret = tmp_path / "secret.txt"
    secret.write_text("not documentation")
    members = {**WEB, "doc/../../../../evil.html": "x", "../../doc/evil.html": "x", "doc/a/../ok.html": PAGE("ok")}
    web = plant_sdist(cache, "nasty", members, links=[("doc/link.html", str(secret))])
    monkeypatch.setattr(assets, "ASSETS", (web, assets.ASSETS[1]))
    monkeypatch.setattr(quickstart, "SITES", (Site("web.docs.test", "nasty", {"doc/": ""}),))
    monkeypatch.setattr(quickstart, "ASSETS", ("nasty", "manuals"))
    prepared = prepare(str(tmp_path / "input"), str(cache))
    assert all(path.is_relative_to(prepared.web) for path in tmp_path.rglob("evil.html"))
    assert os.path.isfile(os.path.join(prepared.web, "web.docs.test", "ok.html"))
    assert not os.path.lexists(os.path.join(prepared.web, "web.docs.test", "link.html"))


# ---- serving


@pytest.fixture
def address(tmp_path):
    for host in ("a.test", "b.test"):
        site = tmp_path / "web" / host
        (site / "deep").mkdir(parents=True)
        (site / "index.html").write_text(PAGE(host))
        (site / "deep" / "index.html").write_text(PAGE("deep"))
        (site / "robots.txt").write_text(quickstart.ROBOTS)
    (tmp_path / "web" / "a.test" / "späte seite.html").write_text("ä")
    (tmp_path / "outside.html").write_text("secret")
    with serve(str(tmp_path / "web")) as addresses:
        assert list(addresses) == ["a.test", "b.test"]
        assert len(set(addresses.values())) == 1
        yield addresses["a.test"]


def fetch(address, host, path, method="GET"):
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


def test_a_page_and_nothing_that_changes(address):
    body = PAGE("a.test").encode()
    assert fetch(address, "a.test", "/index.html") == (
        200,
        {"Content-Type": HTML, "Content-Length": str(len(body))},
        body,
    )
    assert fetch(address, "A.TEST:80", "/?query#part")[2] == body
    assert fetch(address, "b.test", "/")[2] == PAGE("b.test").encode()
    assert fetch(address, "a.test", "/sp%C3%A4te%20seite.html")[2] == "ä".encode()
    assert fetch(address, "a.test", "/robots.txt")[1]["Content-Type"] == TEXT


def test_head_has_no_body(address):
    status, headers, body = fetch(address, "a.test", "/deep/", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(PAGE("deep"))), b"")


def test_a_folder_without_its_slash(address):
    status, headers, _ = fetch(address, "a.test", "/deep")
    assert (status, headers["Location"]) == (301, "/deep/")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("a.test", "/missing.html"),
        ("a.test", "/missing/"),
        ("c.test", "/index.html"),
        ("", "/index.html"),
        ("a.test", "/../../outside.html"),
        ("a.test", "/%2e%2e/%2e%2e/outside.html"),
        ("a.test", "//b.test/index.html"),
        ("..", "/outside.html"),
    ],
)
def test_not_found(address, host, path):
    status, headers, body = fetch(address, host, path)
    assert (status, set(headers)) == (404, {"Content-Type", "Content-Length"})
    assert b"Not Found" in body


def test_other_methods_and_no_http_at_all(address):
    status, headers, _ = fetch(address, "a.test", "/index.html", "DELETE")
    assert (status, headers["Connection"]) == (501, "close")
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"one two three four\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert b"Date" not in answer
    assert b"Server" not in answer


def test_a_connection_is_kept(address):
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        for path in ("/index.html", "/missing.html", "/deep/"):
            connection.request("GET", path, headers={"Host": "a.test"})
            connection.getresponse().read()
            socket_used = connection.sock
            assert socket_used is not None  # http.client forgets it when the server will close
        assert connection.sock is socket_used


def test_loopback_only_and_gone_after_the_context(tmp_path):
    (tmp_path / "web" / "a.test").mkdir(parents=True)
    with serve(str(tmp_path / "web")) as addresses:
        host, port = addresses["a.test"].split(":")
        assert host == "127.0.0.1"
        with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as kept:
            kept.request("GET", "/", headers={"Host": "a.test"})
            kept.getresponse().read()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=10)


# ---- the recipe and the real archives


def recipe(root="/input"):
    path = resources.files("pipeline.recipes") / "quickstart.toml"
    return load_recipe(str(path), input_root=root)


def test_the_recipe_names_what_is_prepared():
    crawl = recipe().crawl
    assert (crawl.hosts, crawl.seeds) == (
        tuple(s.host for s in quickstart.SITES),
        tuple(s.seed for s in quickstart.SITES),
    )
    assert recipe().decontaminate.evaluation == ("/input/evaluation/tutorial01.txt",)
    assert crawl.clock


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real input; brings the archives where the cache has them not."""
    for name in quickstart.ASSETS:
        assets.get(name)
    return prepare(str(tmp_path_factory.mktemp("quickstart") / "input"))


def count(folder, extension):
    return sum(path.endswith(extension) for path in storage.list_files(folder))


@pytest.mark.slow
def test_the_real_input(real):
    assert [count(f"{real.web}/{host}", ".html") for host in real.hosts] == [239, 59, 28, 13, 13]  # 352
    assert sum(p.stat().st_size for p in Path(real.web).rglob("*.html")) == 50_749_128
    assert count(f"{real.root}/manuals", ".txt") == 656
    found = {part.subset: storage.glob(part.root, part.paths[0]) for part in recipe(real.root).input if part.paths}
    assert {subset: len(files) for subset, files in found.items()} == {"manuals": 656, "github": 6}
    assert storage.exists(recipe(real.root).decontaminate.evaluation[0])


LINK = re.compile(rb"<a\b[^>]*?\shref=[\"']([^\"'#?]+)", re.IGNORECASE)


def reachable(site, seed, is_allowed):
    """Pages that links lead to from a start page: found by a plain breadth-first walk over the files."""
    seen, ahead = {seed}, deque([seed])
    while ahead:
        url = ahead.popleft()
        for link in LINK.findall((site / urlsplit(url).path.lstrip("/")).read_bytes()):
            target = urljoin(url, link.decode())
            path = urlsplit(target).path
            is_page = target.startswith(urljoin(seed, "/")) and path.endswith(".html") and (site / path[1:]).is_file()
            if is_page and is_allowed(path) and target not in seen:
                seen.add(target)
                ahead.append(target)
    return seen


@pytest.mark.slow
def test_links_lead_from_each_start_page_to_the_others(real):
    """Others are disallowed source views (64), Sphinx's own templates, and old addresses that nothing links to."""
    sites = [(Path(real.web, host), seed) for host, seed in zip(real.hosts, real.seeds, strict=True)]
    everything = [len(reachable(site, seed, lambda path: True)) for site, seed in sites]
    assert everything == [223, 59, 25, 13, 10]
    allowed = [len(reachable(site, seed, lambda path: "/_modules/" not in path)) for site, seed in sites]
    assert allowed == [169, 50, 25, 13, 10]  # 267: below max_pages
    assert sum(allowed) < recipe().crawl.max_pages
