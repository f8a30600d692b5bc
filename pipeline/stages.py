"""The story in order: the stages, what each reads, and the digest that names its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline import assets, storage
from pipeline.blocklist_files import blocklist_inputs
from pipeline.config import Recipe, RecipeError, digest
from pipeline.extras import installed_version
from pipeline.inputs import describe, evaluation_inputs, extract_inputs
from pipeline.manifest import read_manifest

Inputs = list[dict[str, Any]]


def _section(name: str) -> Callable[[Recipe], dict[str, Any]]:
    def config(recipe: Recipe) -> dict[str, Any]:
        section: dict[str, Any] = getattr(recipe, name).model_dump(mode="json")
        return section

    return config


def _no_inputs(recipe: Recipe) -> Inputs:
    return []


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Also its folder.
        reads: Stages whose output it reads; those that a recipe leaves out are skipped.
        job: Module with ``run(StageRun)``; imported when the stage runs.
        format_version: Raised by hand when the output of an unchanged configuration changes.
        config: What of the recipe its output depends on; no machine's paths.
        inputs: The raw files that it reads itself.
        follows: The stage whose ``produced`` must be this one's ``in``.
        enabled: Whether the recipe has it.
        modules: Of the extra that bears the stage's name.
    """

    name: str
    reads: tuple[str, ...]
    job: str
    format_version: int
    config: Callable[[Recipe], dict[str, Any]]
    inputs: Callable[[Recipe], Inputs] = _no_inputs
    follows: str | None = None
    enabled: Callable[[Recipe], bool] = lambda recipe: True
    modules: Callable[[Recipe], tuple[str, ...]] = lambda recipe: ()


def _applied(recipe: Recipe, *rules: str) -> dict[str, list[str]]:
    return {rule: [s for s in recipe.subsets() if recipe.apply.applies(rule, s)] for rule in rules}


def _extract_config(recipe: Recipe) -> dict[str, Any]:
    parts = [part.model_dump(mode="json", exclude={"root", "warc_root"}) for part in recipe.input]
    section = recipe.extract.model_dump(mode="json", exclude={"blocklists"})  # their contents are inputs
    if recipe.extract.engine == "trafilatura":  # an extra, of any version
        section["trafilatura"] = installed_version("trafilatura")
    return {**section, "input": parts, "apply": _applied(recipe, "content")}


def _extract_inputs(recipe: Recipe) -> Inputs:
    return extract_inputs(recipe) + blocklist_inputs(recipe)


def _filter_config(recipe: Recipe) -> dict[str, Any]:
    from pipeline.filter_rules import rules_of  # with the kernels' modules, 0.3 s: not for who only imports this one

    return {
        **_section("filter")(recipe),
        "decided_by": {subset: [_plain(rule) for rule in rules_of(recipe, subset)] for subset in recipe.subsets()},
        "apply": _applied(
            recipe, "language", "content", "classifiers", "quality", "repetition", "c4", "fineweb", "redact"
        ),
    }


def _plain(rule: Any) -> dict[str, Any]:
    """As a manifest has it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(rule).items()}


def _dedup_config(recipe: Recipe) -> dict[str, Any]:
    return {**_section("dedup")(recipe), "apply": _applied(recipe, "dedup")}


def _decontaminate_config(recipe: Recipe) -> dict[str, Any]:
    section = recipe.decontaminate.model_dump(mode="json", exclude={"evaluation"})
    return {**section, "apply": _applied(recipe, "decontaminate")}


def _signals_config(recipe: Recipe) -> dict[str, Any]:
    from filters.rule_sets import SIGNALS

    # the models' contents are inputs of the stage; where they lie is this machine's own
    section, signals = _section("signals")(recipe), recipe.signals
    section["measured_by"] = [f"{function.__module__}.{function.__qualname__}" for function in SIGNALS]
    for classifier in section["classifiers"].values():
        classifier["model"] = os.path.basename(classifier["model"])
    if signals.language_engine == "fasttext":
        return {**section, "language_model": os.path.basename(signals.language_model)}
    return {**section, "language_model": "", "heliport": installed_version("heliport")}  # its models are in its package


def _retro_config(recipe: Recipe) -> dict[str, Any]:
    return {**_section("retro")(recipe), "encoder": os.path.basename(recipe.retro.encoder.rstrip("/"))}


def _train_config(recipe: Recipe) -> dict[str, Any]:
    return {**_section("train")(recipe), "mixture": _section("mixture")(recipe)}


def _signals_inputs(recipe: Recipe) -> Inputs:
    """The model of fastText's language id, then the classifiers in order of name."""
    models = []
    if recipe.signals.language_engine == "fasttext":
        path = assets.resolve(recipe.signals.language_model)
        models.append(describe(path, os.path.basename(path)))
    for name, classifier in sorted(recipe.signals.classifiers.items()):
        if not os.path.isfile(classifier.model):
            raise RecipeError(f"[signals.classifiers] {name}: there is no file {classifier.model}")
        models.append(describe(classifier.model, f"{name}/{os.path.basename(classifier.model)}"))
    return models


def _encoder_inputs(recipe: Recipe) -> Inputs:
    name = recipe.retro.encoder
    if name in ("", "hash"):
        return []
    folder = assets.resolve(name)
    return [describe(storage.join(folder, file), file) for file in storage.list_files(folder)]


STAGES: tuple[Stage, ...] = (
    Stage("crawl", (), "beam_jobs.crawl_pages", 1, _section("crawl"), enabled=lambda r: bool(r.crawl.seeds)),
    Stage("extract", ("crawl",), "beam_jobs.extract_text", 6, _extract_config, _extract_inputs),
    Stage("signals", ("extract",), "beam_jobs.measure_signals", 5, _signals_config, _signals_inputs, follows="extract"),
    Stage("filter", ("signals",), "beam_jobs.filter_documents", 4, _filter_config, follows="signals"),
    Stage(
        "signatures",
        ("extract", "signals", "filter"),
        "beam_jobs.compute_signatures",
        2,
        _section("signatures"),
        follows="filter",
    ),
    Stage("dedup", ("filter", "signatures"), "beam_jobs.dedup_documents", 1, _dedup_config, follows="signatures"),
    Stage(
        "decontaminate",
        ("extract", "signals", "filter", "dedup"),
        "beam_jobs.decontaminate",
        2,
        _decontaminate_config,
        evaluation_inputs,
        follows="dedup",
    ),
    Stage(
        "corpus",
        ("extract", "signals", "filter", "decontaminate"),
        "beam_jobs.write_corpus",
        1,
        _section("corpus"),
        follows="decontaminate",
    ),
    Stage("tokenizer", ("corpus",), "beam_jobs.train_tokenizer", 1, _section("tokenizer")),
    Stage("tokens", ("corpus", "tokenizer"), "beam_jobs.tokenize_documents", 1, _section("tokens"), follows="corpus"),
    Stage(
        "train",
        ("tokenizer", "tokens"),
        "pipeline.train_stage",
        1,
        _train_config,
        enabled=lambda r: r.train.steps > 0,
        modules=lambda r: ("jax", "flax", "optax", "orbax.checkpoint", "grain", "safetensors"),
    ),
    Stage(
        "retro",
        ("dedup", "tokenizer", "tokens"),
        "beam_jobs.build_retro_database",
        1,
        _retro_config,
        _encoder_inputs,
        follows="tokens",
        enabled=lambda r: bool(r.retro.encoder),
        modules=lambda r: () if r.retro.encoder == "hash" else ("jax", "safetensors", "tokenizers"),
    ),
)


@dataclass
class PlannedStage:
    """A stage with everything that names it under one recipe."""

    stage: Stage
    digest: str
    folder: str
    config: dict[str, Any]
    inputs: Inputs
    reads: list[PlannedStage] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.stage.name

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, or None while the stage is not finished."""
        return read_manifest(self.folder)


def plan(recipe: Recipe, out: str) -> list[PlannedStage]:
    """Resolve the stages of a recipe: digests, folders, raw inputs. Reads names, sizes and fingerprints only.

    Raises:
        RecipeError: An input matches nothing.
        assets.AssetError: A model is missing; the message has the command that brings it.
    """
    planned: dict[str, PlannedStage] = {}
    for stage in STAGES:
        if not stage.enabled(recipe):
            continue
        reads = [planned[name] for name in stage.reads if name in planned]
        inputs = stage.inputs(recipe)
        named = [{key: value for key, value in file.items() if key != "full_path"} for file in inputs]
        config = stage.config(recipe)
        name = digest(
            {
                "stage": stage.name,
                "format_version": stage.format_version,
                "config": config,
                "reads": {read.name: read.digest for read in reads},
                "inputs": named,
            }
        )
        planned[stage.name] = PlannedStage(stage, name, storage.join(out, stage.name, name), config, inputs, reads)
    return list(planned.values())
