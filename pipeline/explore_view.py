"""What a person sees of a signal on the command line: its distribution, what bounds drop, and documents about one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.terminal_text import inert

BAR: Final = 36  # characters of the longest, so that a line with a mark has 80


def print_signal(explored: dict[str, Any], chars: int) -> None:
    """Draw what ``pipeline.explore.explore_signal`` found, the first ``chars`` characters of each text."""
    console = Console(highlight=False)
    for subset, found in explored["subsets"].items():
        console.print(Text(f"{explored['signal']}  {subset}  {_sizes(found)}", style="bold"))
        if found["quantiles"]:
            _print_quantiles(console, found["quantiles"])
            _print_histogram(console, found)
            _print_bounds(console, found)
        for document in (one for one in explored["documents"] if one["subset"] == subset):
            _print_document(console, explored["signal"], document, found["applies"], chars)
        console.print()


def _sizes(found: dict[str, Any]) -> str:
    null = f", {found['null']:,} without a value" if found["null"] else ""
    return f"{found['documents']:,} documents{null}"


def _print_quantiles(console: Console, quantiles: dict[str, float]) -> None:
    shown = [f"{100 * float(share):g}%: {_number(value)}" for share, value in quantiles.items()]
    console.print(Columns(shown, padding=(0, 3)))


def _print_histogram(console: Console, found: dict[str, Any]) -> None:
    """A bar a bin, named by where it begins; the bins that an end of the present bound is in are marked."""
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    for number, (first, last, count) in enumerate(zip(edges[:-1], edges[1:], counts, strict=True)):
        label = f"{first:.4g}"
        if number == 0 and found["quantiles"]["0"] < first:
            label = f"< {last:.4g}"
        elif number == len(counts) - 1 and found["quantiles"]["1"] > last:
            label = f">= {first:.4g}"
        filled = -(-BAR * count // max(counts))  # one character at least for one document
        line = f"{label:>12} {'#' * filled:<{BAR}} {count:>11,}"
        console.print(Text("  ".join([line, *_marks(found, number)])), soft_wrap=True)


def _marks(found: dict[str, Any], number: int) -> Iterator[str]:
    """The ends of the present bound that are in a bin, or beyond it where it is the first or the last."""
    edges = found["histogram"]["edges"]
    is_first, is_last = number == 0, number == len(edges) - 2
    for bound in (bound for bound in found["bounds"] if bound["is_present"]):
        for end, at in ((end, bound[end]) for end in ("low", "high") if bound[end] is not None):
            if edges[number] <= at < edges[number + 1] or (is_last and at == edges[-1]):
                yield f"<- {end} {_number(at)}"
            elif (is_first and at < edges[0]) or (is_last and at > edges[-1]):
                yield f"{end} {_number(at)} is {'below' if at < edges[0] else 'above'}"


def _print_bounds(console: Console, found: dict[str, Any]) -> None:
    table = Table("low", "high", "drops", "drops alone", "")
    for column in table.columns[:4]:
        column.justify = "right"
    for bound in found["bounds"]:
        ends = ["" if bound[end] is None else _number(bound[end]) for end in ("low", "high")]
        share = "" if bound["dropped"] is None else f"{bound['dropped']:.2%}"
        state = "present" if found["applies"] else "published; not applied here"
        alone = found["dropped_alone"] if bound["is_present"] else None
        table.add_row(*ends, share, "" if alone is None else f"{alone:.2%}", state if bound["is_present"] else "")
    console.print(table)


def _print_document(console: Console, signal: str, document: dict[str, Any], applies: bool, chars: int) -> None:
    place = document["url"] or f"{document['source']} at {document['offset']}"
    side = document["side"] if applies else f"would be {document['side']}"
    value = f"{signal} = {_number(document['value'])}, {side} by its {document['end']} end"
    console.print(Text(f"{document['id']}  {value}", style="bold"), soft_wrap=True)
    if document["other_reasons"]:
        console.print(f"  dropped by others: {', '.join(document['other_reasons'])}", style="dim", soft_wrap=True)
    console.print(inert(f"  {place}", "dim"), soft_wrap=True)
    text = document["text"]
    console.print(inert(text[:chars] + (" ..." if len(text) > chars else "")), soft_wrap=True)
    console.print()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:.6g}"
