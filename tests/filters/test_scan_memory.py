import subprocess
import sys

import pytest

# Measures little first, so that kernels are compiled, then one long document; prints what it took at most.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from filters.c4 import c4_signals
from filters.rule_sets import SIGNALS
from filters.text import scan

def most():  # not getrusage: that begins with the memory of the process that started this one
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def peak(unit, count):
    text = pa.py_buffer(unit * count)
    offsets = pa.py_buffer(np.array([0, text.size], np.int64))
    texts = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, text])
    before = most()
    scanned = scan(texts)
    for signals in SIGNALS:
        signals(scanned)
    c4_signals(scanned)
    return (most() - before) * 1024

unit = sys.argv[1].encode()
peak(unit, 10)
print(peak(unit, 50_000_000 // len(unit)) / 50_000_000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["\n", "a ", "a\n", "a\n\n"])
def test_a_document_of_50_mb_takes_no_more_than_45_bytes_a_byte(unit: str) -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM, unit], capture_output=True, text=True, check=True)
    assert 14 < float(finished.stdout) < 45  # the least of them, of "a ", is the scan's 29 bytes a word alone
