"""Have the long kernels compiled side by side, once a machine, before every worker would compile all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Timer

from pipeline.progress import Progress, duration

# names in filters.compiling; a process each, near equal in time
_GROUPS = (("html_text", "text_rules"), ("html_classifier",))
_LONG_S = 1.5  # more than what is compiled takes to load
_COMPILE = "import sys; from filters import compiling; [getattr(compiling, name)() for name in sys.argv[1:]]"


def compile_kernels(progress: Progress) -> None:
    """Compile what is not yet in Numba's cache; a process that fails leaves its part to the workers."""
    from filters import compiling  # with all kernels: not for a run that has nothing to do

    missing = [[name for name in group if not compiling.is_compiled(getattr(compiling, name))] for group in _GROUPS]
    if not any(missing):
        return
    progress.finish("first run on this machine: compiling the kernels, about a minute")
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = [
        subprocess.Popen([sys.executable, "-c", _COMPILE, *names], env=environment, stderr=subprocess.DEVNULL)
        for names in missing
        if names
    ]
    try:
        for process in processes:
            process.wait()
    finally:  # Ctrl-C may have reached this process alone
        for process in processes:
            process.terminate()
    progress.finish(f"compiled in {duration(time.monotonic() - started)}")


def make_first_call(progress: Progress, stage: str, call: Callable[[], object]) -> None:
    """Call what every worker will call, here and once: it finds the kernels in Numba's cache, or compiles them.

    Args:
        progress: Is told when it takes long.
        stage: Whose kernels they are.
        call: Does next to nothing once all is compiled.
    """
    notice = Timer(_LONG_S, progress.finish, (f"first run on this machine: compiling the kernels of {stage}",))
    notice.daemon = True
    notice.start()
    try:
        call()
    finally:
        notice.cancel()
