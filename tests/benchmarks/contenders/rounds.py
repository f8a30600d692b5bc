"""A contender's side of ``side_by_side``: one pass for each line on standard input. Standard library alone."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable


def answer(one_pass: Callable[[], int]) -> None:
    """Make a pass whenever asked, and print its CPU seconds (children included) and its size.

    Args:
        one_pass: Does the work once and returns what it went over: bytes, pages.
    """
    os.sched_setaffinity(0, {int(os.environ["BENCH_CORE"])})
    for _ in sys.stdin:
        before = _cpu_s()
        size = one_pass()
        print(json.dumps({"cpu_s": _cpu_s() - before, "size": size}), flush=True)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def texts_of(path: str) -> list[str]:
    """The documents of a JSON lines file."""
    with open(path, encoding="utf-8") as stream:
        return [json.loads(line)["text"] for line in stream]


def size_of(texts: list[str]) -> int:
    """Bytes of UTF-8."""
    return sum(len(text.encode()) for text in texts)
