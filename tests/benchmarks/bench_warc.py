"""WARC to documents beside datatrove's reader with its Trafilatura extractor; ``--help`` says on what."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from side_by_side import Contender, Timing, markdown, time_contenders
from warcio.archiveiterator import ArchiveIterator
from warcio.warcwriter import WARCWriter

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "warc" / "article-extraction-benchmark.warc.gz"
ENGINES = ("blocks", "resiliparse")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warc", nargs="?", default=str(DEFAULT), help="archive of HTML pages")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages = _label(arguments.warc, f"{folder}/pages.warc.gz")
        contenders = [
            Contender(f"massivetext, {engine}", "massivetext_warc.py", (f"{folder}/pages.warc.gz", engine))
            for engine in ENGINES
        ]
        contenders.append(
            Contender("datatrove, Trafilatura", "datatrove_warc.py", (folder, "pages.warc.gz"), "datatrove")
        )
        print(f"{pages:,} pages of {arguments.warc}; {arguments.rounds} rounds, median; CPU time of one core\n")
        print(_table(time_contenders(contenders, arguments.rounds), pages))


def _label(source: str, target: str) -> int:
    """Copy the responses with the payload's type as Common Crawl names it: without, datatrove asks libmagic and drops.

    Returns:
        How many pages there are.
    """
    pages = 0
    with open(source, "rb") as old, open(target, "wb") as new:
        writer = WARCWriter(new, gzip=True)
        for record in ArchiveIterator(old):
            if record.rec_type == "response":
                record.rec_headers.replace_header("WARC-Identified-Payload-Type", "text/html")
                writer.write_record(record)
                pages += 1
    return pages


def _table(timings: dict[str, Timing], pages: int) -> str:
    ours = timings[f"massivetext, {ENGINES[0]}"].cpu_s
    rows = [
        [name, str(t.size), f"{1000 * t.cpu_s / pages:.2f}", f"{pages / t.cpu_s:,.0f}", f"{t.cpu_s / ours:.1f}"]
        for name, t in timings.items()
    ]
    return markdown(["what", "documents", "CPU-ms/page", "pages/s/core", "times our cost"], rows)


if __name__ == "__main__":
    main()
