"""The quickstart's input: documentation and source of six pinned packages.

``prepare`` writes, from the archives in the assets' cache and from nothing else:

    web/<host>/...html, robots.txt   the built HTML documentation of five packages, each a host of its own
    manuals/...txt                   Django's documentation, one reStructuredText file a document
    code/*.tar.gz                    the six archives, whose Python files are the code subset
    evaluation/tutorial01.txt        one of manuals/, named as evaluation text: decontamination has something to find
    prepared.json                    which archives it was made from

``pipeline.site_server`` serves ``web/`` to the crawl.
"""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import assets

FORMAT_VERSION = 1  # of the prepared folder
PREPARED = "prepared.json"
EVALUATION = "intro/tutorial01.txt"  # below Django's docs/

# Ours, since the archives carry none: source views repeat the code subset.
ROBOTS = "User-agent: *\nDisallow: /_modules/\nDisallow: /apidoc/_modules/\n"


@dataclass(frozen=True)
class Site:
    """A host under .test (reserved by RFC 6761: no name server knows it) and the archive folders it serves."""

    host: str
    asset: str
    folders: Mapping[str, str]  # folder of the archive -> folder of the site; both end with "/" or are empty

    @property
    def seed(self) -> str:
        """The start page, from which links lead to the others."""
        return f"http://{self.host}/index.html"


SITES = (
    Site("sqlalchemy.docs.test", "sqlalchemy-sdist", {"doc/": ""}),
    Site("lxml.docs.test", "lxml-sdist", {"doc/html/": "", "doc/s5/": "s5/"}),
    Site("alembic.docs.test", "alembic-sdist", {"docs/": ""}),
    Site("mako.docs.test", "mako-sdist", {"doc/": ""}),
    Site("dogpile-cache.docs.test", "dogpile-cache-sdist", {"docs/": ""}),
)
MANUALS = "django-sdist"
ASSETS = (*(site.asset for site in SITES), MANUALS)


@dataclass(frozen=True)
class QuickstartInput:
    """What ``prepare`` wrote: absolute paths, the recipe's ``--input-root`` first."""

    root: str
    web: str
    evaluation: str
    hosts: tuple[str, ...]
    seeds: tuple[str, ...]


def prepare(folder: str, cache: str | None = None) -> QuickstartInput:
    """Write the input folder, unless it is there; it appears whole or not at all.

    Args:
        folder: On this machine. An earlier version's is replaced, a folder with anything else is refused.
        cache: The assets' cache; None = the usual one. It must hold ``ASSETS``.

    Raises:
        AssetError: An archive is absent or damaged.
        FileExistsError: The folder holds something else.
    """
    folder = os.path.abspath(folder)
    if not _is_prepared(folder):
        if os.path.isdir(folder) and os.listdir(folder) and not os.path.isfile(os.path.join(folder, PREPARED)):
            raise FileExistsError(f"{folder} holds something else than a quickstart's input; name another folder")
        archives = {name: assets.path(name, cache) for name in ASSETS}
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".unfinished-") as scratch:
            _write_input(os.path.join(scratch, "input"), archives)
            if os.path.isdir(folder):
                os.rename(folder, os.path.join(scratch, "replaced"))
            os.rename(os.path.join(scratch, "input"), folder)
    return QuickstartInput(
        root=folder,
        web=os.path.join(folder, "web"),
        evaluation=os.path.join(folder, "evaluation", posixpath.basename(EVALUATION)),
        hosts=tuple(site.host for site in SITES),
        seeds=tuple(site.seed for site in SITES),
    )


def _stamp() -> dict[str, Any]:
    """What the prepared folder depends on."""
    return {"format_version": FORMAT_VERSION, "archives": {name: assets.find(name).sha256 for name in ASSETS}}


def _is_prepared(folder: str) -> bool:
    try:
        with open(os.path.join(folder, PREPARED), encoding="utf-8") as stream:
            return bool(json.load(stream) == _stamp())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return False


def _write_input(folder: str, archives: Mapping[str, str]) -> None:
    for site in SITES:
        host = os.path.join(folder, "web", site.host)
        for source, target in site.folders.items():
            _unpack(archives[site.asset], source, ".html", os.path.join(host, target))
        _write(os.path.join(host, "robots.txt"), ROBOTS.encode())
    manuals = os.path.join(folder, "manuals")
    _unpack(archives[MANUALS], "docs/", ".txt", manuals)
    os.mkdir(os.path.join(folder, "evaluation"))
    shutil.copy(os.path.join(manuals, EVALUATION), os.path.join(folder, "evaluation"))
    os.mkdir(os.path.join(folder, "code"))
    for archive in archives.values():
        shutil.copy(archive, os.path.join(folder, "code"))
    _write(os.path.join(folder, PREPARED), json.dumps(_stamp(), indent=1).encode())


def _unpack(archive: str, source: str, extension: str, target: str) -> None:
    """Write the files of one kind below a folder of a source distribution (relative to its top folder).

    A path is compared once ``..`` is resolved, so what begins with ``source`` stays below ``target``.
    """
    with tarfile.open(archive) as sdist:
        for member in sdist:
            path = posixpath.normpath(member.name).partition("/")[2]
            is_wanted = member.isreg() and path.startswith(source) and path.endswith(extension)
            if is_wanted and (stream := sdist.extractfile(member)):
                _write(os.path.join(target, path.removeprefix(source)), stream.read())


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(data)
