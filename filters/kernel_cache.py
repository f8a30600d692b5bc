"""Where the machine code of the kernels is kept: a folder for each state of the sources.

Numba keeps a kernel's machine code under a stamp of its own file alone, and the code holds the kernels of other modules
that it calls: after a change of those, it would go on with the old ones. So ``NUMBA_CACHE_DIR`` is pointed to a folder
that is named by the sources of this package, before Numba is imported: in the folder that the user set, else in
``__pycache__`` here, else in ``~/.cache/massivetext/kernels``. A new folder begins with the code of the modules that
have not changed, nor what they import. Other versions of Python, of Numba and other processors are told apart by Numba;
the tables of ``data`` are arguments of the kernels, no part of their code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

_VARIABLE: Final = "NUMBA_CACHE_DIR"
_NAME: Final = "massivetext-"  # of a folder: this and the sources' key; a child process finds its parent's so
_MODULES: Final = "modules.json"  # of a folder: the digest of each module with all that it imports
_MODULE_NAMED: Final = re.compile(rb"\bfilters\.(\w+)")
_MODULES_IMPORTED: Final = re.compile(rb"\bfrom filters import \(?([\w\s,]+)")
_NUM_KEPT: Final = 8  # states of the sources whose code is kept; a process whose folder is gone compiles again


def use_kernel_cache(package: Path) -> None:
    """Point Numba to the folder of these sources; where none can be written, its own choice stands.

    Args:
        package: The folder of the modules.
    """
    sources = {path.stem: path.read_bytes() for path in sorted(package.glob("*.py"))}
    key = _digest({name: sha256(source).hexdigest() for name, source in sources.items()})
    for base in _bases(package):
        folder = base / f"{_NAME}{key}"
        try:
            if not (folder / _MODULES).is_file():
                _begin(folder, _closures(sources))
        except OSError:  # a package that was installed by another user
            continue
        os.environ[_VARIABLE] = str(folder)
        if "numba" in sys.modules:  # it has read the variable
            sys.modules["numba"].config.CACHE_DIR = str(folder)
        return


def _bases(package: Path) -> list[Path]:
    if folder := os.environ.get(_VARIABLE):
        is_ours = Path(folder).name.startswith(_NAME)  # set by a parent process
        return [Path(folder).parent if is_ours else Path(folder)]
    return [package / "__pycache__", Path("~/.cache/massivetext/kernels").expanduser()]


def _digest(value: dict[str, str]) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _closures(sources: dict[str, bytes]) -> dict[str, str]:
    """A digest of each module and all that it imports, directly or not."""
    imported = {name: _imports(source) & sources.keys() for name, source in sources.items()}
    digests = {}
    for name in sources:
        reached, waiting = {name}, [name]
        while waiting:
            new = imported[waiting.pop()] - reached
            reached |= new
            waiting += new
        digests[name] = _digest({other: sha256(sources[other]).hexdigest() for other in reached})
    return digests


def _imports(source: bytes) -> set[str]:
    """Words that follow in the next line are taken along: too much is safe here."""
    names = _MODULE_NAMED.findall(source)
    for listed in _MODULES_IMPORTED.findall(source):
        names += re.findall(rb"\w+", listed)
    return {name.decode() for name in names}


def _begin(folder: Path, closures: dict[str, str]) -> None:
    """Make a folder, with what an earlier one has of the modules that are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted(folder.parent.glob(f"{_NAME}*/{_MODULES}"), key=lambda path: path.stat().st_mtime, reverse=True)
    if earlier:
        known = json.loads(earlier[0].read_text())
        same = {name for name, digest in closures.items() if known.get(name) == digest}
        _link(earlier[0].parent, folder, same)
    unfinished = folder / f".{os.getpid()}"
    unfinished.write_text(json.dumps(closures))
    unfinished.replace(folder / _MODULES)
    for old in earlier[_NUM_KEPT - 1 :]:
        shutil.rmtree(old.parent, ignore_errors=True)


def _link(source: Path, target: Path, modules: set[str]) -> None:
    """Numba replaces its files and never writes into them, so that two folders can share one."""
    for file in sorted(source.glob("*/*.nb[ci]")):  # the code before its index
        if file.name.partition(".")[0] in modules:
            linked = target / file.relative_to(source)
            linked.parent.mkdir(exist_ok=True)
            with suppress(OSError):  # another process was faster, or the file system has no links
                os.link(file, linked)
