"""What a person sees of a trained classifier on the command line."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_card(card: dict[str, Any]) -> None:
    """Draw the figures of ``pipeline.classifier_training.train_classifier``."""
    console = Console(highlight=False)
    labels = Table("label", "trained on", "held out", "precision", "recall", "F1")
    bounds = Table("label", "probability from", "precision", "recall", "kept")
    for table in (labels, bounds):
        for column in table.columns[1:]:
            column.justify = "right"
    for label, found in card["held_out"]["labels"].items():
        texts = card["texts"][label]
        numbers = [f"{texts[side]:,}" for side in ("trained_on", "held_out")]
        labels.add_row(label, *numbers, *(_figure(found[name]) for name in ("precision", "recall", "f1")))
        for row in found["bounds"]:
            bounds.add_row(
                label, f"{row['bound']:g}", *(_figure(row[name]) for name in ("precision", "recall", "kept"))
            )
    console.print(f"Held-out texts, {_figure(card['held_out']['accuracy'])} of them labelled right")
    console.print(labels)
    console.print(bounds)
    model = card["model"]
    console.print(f"{model['path']}: {model['bytes'] / 1e6:.1f} MB, sha256 {model['sha256']}", soft_wrap=True)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
