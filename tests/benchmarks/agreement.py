"""Our signals and decisions beside datatrove's and dolma's, on the same documents: prints what PEERS.md shows.

From the repository's root; ``--into`` replaces what stands below the mark in that file::

    python tests/benchmarks/agreement.py --into filters/PEERS.md
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import pyarrow.parquet as pq  # noqa: E402
from benchmarks.agreement_passages import QUOTABLE, passage, quoted, source_name  # noqa: E402
from benchmarks.agreement_rows import ALL, ROWS, Row  # noqa: E402
from benchmarks.agreement_values import COMPARED, Document, Peer, Value, Values, our_values, read_peers  # noqa: E402
from benchmarks.side_by_side import markdown  # noqa: E402

from filters.rule_sets import TABLES  # noqa: E402

DEFAULT: Final = Path(__file__).parents[3] / "shared" / "data" / "bench" / "documents.parquet"
MARK: Final = "<!-- below: printed by tests/benchmarks/agreement.py -->\n"
TITLES: Final = dict(zip(COMPARED, ("Gopher: quality", "Gopher: repetition", "C4", "FineWeb"), strict=True))
TOLERANCE: Final = 1e-9
WEB: Final = "web-pages"  # of the column source
MIN_WORDS: Final = 10  # the longest n-gram: of shorter documents the peers have not all values
SHOWN: Final = 2  # documents for each set of rules and peer


def main() -> None:
    """Print, or write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", nargs="?", default=str(DEFAULT), help="Parquet file: id, source, text")
    parser.add_argument("--number", type=int, default=1_500, help="documents from its beginning, beside all web pages")
    parser.add_argument("--into", type=Path, help="a Markdown file with the mark")
    arguments = parser.parse_args()
    rows = pq.read_table(arguments.documents, columns=["id", "source", "text"]).to_pylist()
    rows = [row for i, row in enumerate(rows) if i < arguments.number or row["source"] == WEB]
    sample = [Document(**row) for row in rows if len((row["text"] or "").split()) >= MIN_WORDS]
    report = "\n".join(report_lines(sample, our_values([document.text for document in sample]), read_peers(sample)))
    if arguments.into:
        head, mark, _ = arguments.into.read_text().partition(MARK)
        arguments.into.write_text(f"{head}{mark}{report}\n")
    else:
        print(report)


def agrees(ours: Value, theirs: Value) -> bool:
    """Whether two values are the same.

    Numbers are so within the tolerance, texts line by line without indentation; where the peer has only a decision,
    the decisions count.
    """
    if theirs.value is None:
        return ours.fails == theirs.fails
    if isinstance(ours.value, str) and isinstance(theirs.value, str):
        return [line.strip() for line in ours.value.split("\n")] == [line.strip() for line in theirs.value.split("\n")]
    return abs(float(ours.value) - float(theirs.value)) <= TOLERANCE


def report_lines(sample: Sequence[Document], ours: Sequence[Values], peers: Mapping[str, Peer]) -> Iterator[str]:
    """All tables, each with its documents decided differently."""
    web = sum(document.source == WEB for document in sample)
    yield f"{len(sample) - web:,} mixed documents and {web:,} web pages."
    for table, title in TITLES.items():
        rows = [row for row in ROWS if row.table == table and row.peer in peers]
        yield f"\n## {title}\n"
        yield markdown(HEADER, [table_line(row, sample, ours, peers[row.peer]) for row in rows])
        for peer in peers:
            chosen = [row for row in rows if row.peer == peer and row.decided == "published" and row.signal != ALL]
            yield from shown_documents(chosen, sample, ours, peers[peer])


HEADER: Final = (
    "signal",
    "peer",
    "what it does otherwise",
    "equal as it comes",
    "same definition",
    "documents",
    "equal",
    "we keep, it drops",
    "it keeps, we drop",
)


def table_line(row: Row, sample: Sequence[Document], ours: Sequence[Values], peer: Peer) -> list[str]:
    """How often a row's values are equal, as the peer comes and where they must be, and its decisions differ."""
    as_it_comes, same, number, equal = "", "", "", ""
    if row.signal != ALL:
        as_it_comes, same = share(equalities(row, ours, peer[row.decided])), "no"
    if row.same:
        inside = [row.where is None or not row.where.without.search(document.text) for document in sample]
        agreed = list(itertools.compress(equalities(row, ours, peer[row.same]), inside))
        words = ["as it comes" if row.same == "published" else "when set so", *([row.where.words] if row.where else [])]
        same, number, equal = "; ".join(words), f"{len(agreed):,}", share(agreed)
    decided = decisions(row, sample, ours, peer[row.decided])
    return [row.signal, row.peer, row.difference or "nothing", as_it_comes, same, number, equal, *decided]


def equalities(row: Row, ours: Sequence[Values], theirs: Sequence[Values]) -> list[bool]:
    """Whether a row's values are equal, by document."""
    return [agrees(a[row.table][row.signal], b[row.table][row.signal]) for a, b in zip(ours, theirs, strict=True)]


def share(flags: Sequence[bool]) -> str:
    """Of those that hold; rounded down, so that 100% are all."""
    return f"{sum(flags) * 1_000 // len(flags) / 10:.1f}%" if flags else "none"


def decisions(row: Row, sample: Sequence[Document], ours: Sequence[Values], theirs: Sequence[Values]) -> list[str]:
    """Documents that only the peer drops, and that only we drop: "mixed + web" each; nothing without a bound."""
    if row.signal != ALL and row.signal not in [bound.name for bound in TABLES[row.table]]:
        return ["", ""]
    counts = Counter(
        (mine[row.table][row.signal].fails, other[row.table][row.signal].fails, document.source == WEB)
        for document, mine, other in zip(sample, ours, theirs, strict=True)
    )
    return [f"{counts[us, not us, False]} + {counts[us, not us, True]}" for us in (False, True)]


def shown_documents(
    rows: Sequence[Row], sample: Sequence[Document], ours: Sequence[Values], peer: Peer
) -> Iterator[str]:
    """Of the signals that most often decide differently, the plainest document that may be quoted."""
    found: dict[tuple[str, bool], list[tuple[int, Row]]] = {}
    for row in rows:
        kind = re.sub(r"\d+", "n", row.signal)  # n-grams of all lengths are one
        for i, (document, mine, theirs) in enumerate(zip(sample, ours, peer[row.decided], strict=True)):
            we_drop = mine[row.table][row.signal].fails
            if document.source in QUOTABLE and we_drop != theirs[row.table][row.signal].fails:
                found.setdefault((kind, we_drop), []).append((i, row))
    shown: set[int] = set()
    for differing in sorted(found.values(), key=len, reverse=True)[:SHOWN]:
        i, row = min(differing, key=lambda pair: (pair[0] in shown, plainness(sample[pair[0]])))
        shown.add(i)
        mine, theirs = ours[i][row.table][row.signal], peer[row.decided][i][row.table][row.signal]
        yield f"\n- `{row.signal}`: ours {said(mine)}, {row.peer} {said(theirs)}: {row.difference}."
        yield f"  From {source_name(sample[i].id)}:\n"
        yield f"  > {quoted(passage(row.signal, sample[i].text))}"


def plainness(document: Document) -> tuple[int, int]:
    """Of a document that may be quoted: its source's, then the shorter first."""
    return list(QUOTABLE).index(document.source), len(document.text)


def said(value: Value) -> str:
    """A value and what comes of it."""
    number = f"{value.value:.3g} " if isinstance(value.value, float | int) else ""
    return f"{number}({'dropped' if value.fails else 'kept'})"


if __name__ == "__main__":
    main()
