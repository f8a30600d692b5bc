"""Gopher's rules, MinHash and language id, beside datatrove and dolma; ``--help`` says on what."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from side_by_side import Contender, rates, time_contenders

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "bench" / "documents.parquet"
_FIRST_SIGNALS = """import time
import pyarrow as pa
from filters.quality import quality_signals
from filters.repetition import repetition_signals
from filters.text import scan
print(time.process_time())
scanned = scan(pa.array(["one document"]))
quality_signals(scanned), repetition_signals(scanned)
print(time.process_time())"""
_CYRILLIC = {ord("a") + i: 0x430 + i for i in range(26)} | {ord("A") + i: 0x410 + i for i in range(26)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", nargs="?", default=str(DEFAULT), help="Parquet file with a column named text")
    parser.add_argument("--number", type=int, default=1_500, help="documents from its beginning")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = pq.read_table(arguments.documents, columns=["text"])["text"].to_pylist()[: arguments.number]
    with tempfile.TemporaryDirectory() as folder:
        english = _write(Path(folder, "english.jsonl"), texts)
        cyrillic = _write(Path(folder, "cyrillic.jsonl"), [text.translate(_CYRILLIC) for text in texts])
        ours = "massivetext: quality + repetition"
        contenders = [
            Contender(ours, "massivetext_filters.py", (english, "gopher")),
            Contender("the same, no ASCII letter in the text", "massivetext_filters.py", (cyrillic, "gopher")),
            Contender("massivetext: + MinHash 200 x 13-gram", "massivetext_filters.py", (english, "gopher+minhash")),
            Contender("massivetext: all rules, C4's and FineWeb's too", "massivetext_filters.py", (english, "all")),
            Contender("massivetext: MinHash alone, scan included", "massivetext_filters.py", (english, "minhash")),
            Contender(
                "massivetext: language id, documents cut to 3,000 characters",
                "massivetext_filters.py",
                (english, "language"),
            ),
            Contender("dolma gopher_v1", "dolma_filters.py", (english,), "dolma"),
            Contender("datatrove repetition, then quality", "datatrove_filters.py", (english,), "datatrove"),
        ]
        print(f"{len(texts):,} documents of {arguments.documents}; {arguments.rounds} rounds, median\n")
        print(rates(time_contenders(contenders, arguments.rounds), ours))
    whole, imports = _start_s()
    print(
        f"\nfrom the interpreter's start to the first signals, kernels cached: {whole:.2f} s of CPU time: {imports:.2f}"
        f" import NumPy, Arrow and Numba, {whole - imports:.2f} load kernels, and SciPy where it is installed"
    )


def _start_s() -> tuple[float, float]:
    """CPU seconds to the first signals and to the end of the imports; of the fastest of three new processes."""
    words = [sys.executable, "-c", _FIRST_SIGNALS]
    spent = [subprocess.check_output(words, cwd=Path(__file__).parents[2], text=True).split() for _ in range(3)]
    return min((float(whole), float(imports)) for imports, whole in spent)


def _write(path: Path, texts: list[str]) -> str:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


if __name__ == "__main__":
    main()
