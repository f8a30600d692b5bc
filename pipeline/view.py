"""What a person sees of a run on the command line: the state of its stages, documents, assets."""

from __future__ import annotations

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import assets, storage
from pipeline.finished import ORDER, finished_stages, read_run
from pipeline.manifest import RECEIPTS
from pipeline.progress import duration
from pipeline.terminal_text import inert

_UNBOUNDED = 10_000  # columns of a terminal, to measure a table


def stage_status(out: str) -> list[dict[str, Any]]:
    """One row a stage: digest, state, counts, seconds, memory, workers, and receipts of one that is not finished."""
    known, finished = read_run(out)["stages"], finished_stages(out)
    rows = []
    for name in (name for name in ORDER if name in known):
        entry = known[name]
        folder = storage.join(out, name, entry["digest"])
        manifest = finished[name].manifest if name in finished else None
        state = "done" if manifest else (entry["state"] if entry["state"] != "done" else "removed")
        rows.append(
            {
                "stage": name,
                **entry,
                "state": state,
                "counts": manifest["counts"] if manifest else {},
                "receipts": len(storage.list_files(storage.join(folder, RECEIPTS))),
            }
        )
    return rows


def print_status(rows: list[dict[str, Any]]) -> None:
    """Draw the table of ``stage_status``; a narrow terminal has fewer columns, none of them cut."""
    console = Console()
    names = ["stage", "state", "in", "kept", "dropped", "failed", "time", "memory", "workers"]
    cells = [_status_cells(row) for row in rows]
    while True:
        table = _status_table(names, cells)
        narrowest = console.measure(table, options=console.options.update_width(_UNBOUNDED)).minimum
        if narrowest <= console.width or names[-1] == "failed":
            break
        names.pop()
    console.width = max(console.width, narrowest)  # numbers are not cut: rather the terminal breaks lines
    console.print(table)


def _status_table(names: list[str], cells: list[dict[str, str]]) -> Table:
    table = Table(*names, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in table.columns:
        column.overflow, column.no_wrap = "fold", column.header != "state"
        column.justify = "left" if column.header in ("stage", "state") else "right"
    for row in cells:
        table.add_row(*(row[name] for name in names))
    return table


def _status_cells(row: dict[str, Any]) -> dict[str, str]:
    counts = row["counts"].values()
    sums = {name: sum(c[name] for c in counts) for name in ("in", "kept", "failed")}
    sums["dropped"] = sum(sum(c["dropped"].values()) for c in counts)
    return {
        "stage": row["stage"],
        "state": row["state"] if row["state"] in ("done", "new") else f"{row['state']}, {row['receipts']} shards",
        **{name: f"{value:,}" if counts else "" for name, value in sums.items()},
        "time": duration(row["seconds"]),
        "memory": f"{row['peak_memory_bytes'] / 1e6:,.0f} MB",
        "workers": str(len(row["workers"])),
    }


def print_documents(found: list[dict[str, Any]], chars: int) -> None:
    """Show documents, the decision above the text."""
    console = Console(highlight=False)
    for row in found:
        place = f"{row['source']} at {row['offset']}" + (f" ({row['member']})" if row.get("member") else "")
        console.print(inert(f"{row.get('id', 'record')}  {row['subset']}  {place}", "bold"))
        reasons = " ".join(row.get("reasons") or [row.get("reason") or ""])
        console.print(Text(f"  {row['stage']}: {row['verdict']}  {reasons}"))
        for line in (row.get("url"), row.get("evidence"), row.get("error")):
            if line:
                console.print(inert(f"  {line}", "dim"))
        if text := row.get("text"):
            # as it stands: lines are what some rules are about
            console.print(inert(text[:chars] + (" ..." if len(text) > chars else "")), soft_wrap=True)
        console.print()


def print_assets(as_json: bool) -> None:
    """List the assets."""
    rows = assets.list_assets()
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("name", "version", "MB", "licence", "here", "for")
    table.columns[0].no_wrap = True  # it is typed as it stands here
    for row in rows:
        here = "yes" if row["present"] else "no"
        table.add_row(row["name"], row["version"], f"{row['bytes'] / 1e6:.1f}", row["licence"], here, row["purpose"])
    Console().print(table)
