"""What a person sees of a signal on the command line: its distribution, what bounds drop, and documents about one."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

BAR: Final = 50  # characters of the longest


def print_signal(explored: dict[str, Any], chars: int) -> None:
    """Draw what ``pipeline.explore.explore_signal`` found, the first ``chars`` characters of each text."""
    console = Console(highlight=False)
    for subset, found in explored["subsets"].items():
        console.print(Text(f"{explored['signal']}  {subset}  {_sizes(found)}", style="bold"))
        _print_quantiles(console, found["quantiles"])
        _print_histogram(console, found)
        _print_bounds(console, found)
    for document in explored["documents"]:
        _print_document(console, explored["signal"], document, chars)


def _sizes(found: dict[str, Any]) -> str:
    null = f", {found['null']:,} without a value" if found["null"] else ""
    return f"{found['documents']:,} documents{null}"


def _print_quantiles(console: Console, quantiles: dict[str, float]) -> None:
    if quantiles:
        table = Table(*(f"{100 * float(share):g}%" for share in quantiles))
        table.add_row(*(_number(value) for value in quantiles.values()))
        console.print(table)


def _print_histogram(console: Console, found: dict[str, Any]) -> None:
    """A bar a bin; the bins that an end of the present bound is in are marked."""
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    ends = [(end, bound[end]) for bound in found["bounds"] if bound["is_present"] for end in ("low", "high")]
    bins = list(zip(edges[:-1], edges[1:], counts, strict=True))
    for number, (first, last, count) in enumerate(bins):
        below, above = number > 0, number + 1 < len(bins)
        marks = [
            f"<- {end} {_number(at)}"
            for end, at in ends
            if at is not None and (at >= first or not below) and (at < last or not above)
        ]
        filled = -(-BAR * count // max(1, *counts))  # one character at least for one document
        label = f"{_number(first):>10} {'#' * filled:<{BAR}} {count:>9,}"
        console.print(Text("  ".join([label, *marks])), soft_wrap=True)


def _print_bounds(console: Console, found: dict[str, Any]) -> None:
    table = Table("low", "high", "drops", "")
    for column in table.columns[:3]:
        column.justify = "right"
    for bound in found["bounds"]:
        ends = ["" if bound[end] is None else _number(bound[end]) for end in ("low", "high")]
        share = "" if bound["dropped"] is None else f"{bound['dropped']:.2%}"
        state = "present" if found["applies"] else "published; this subset is not held to it"
        table.add_row(*ends, share, state if bound["is_present"] else "")
    console.print(table)


def _print_document(console: Console, signal: str, document: dict[str, Any], chars: int) -> None:
    place = document["url"] or f"{document['source']} at {document['offset']}"
    value = f"{signal} = {_number(document['value'])}, {document['side']} by its {document['end']} end"
    console.print(Text(f"{document['id']}  {document['subset']}  {value}", style="bold"), soft_wrap=True)
    console.print(Text(f"  {place}", style="dim"), soft_wrap=True)
    text = document["text"]
    console.print(Text(text[:chars] + (" ..." if len(text) > chars else "")))
    console.print()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:.6g}"
