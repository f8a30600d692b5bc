"""The train stage: tokens to ``model.safetensors``, ``config.json``, ``metrics.jsonl`` and ``summary.json``.

``summary.json`` has the held-out bits per byte of the model and of two models that only count, fitted on the same
tokens. Checkpoints hold dates, so they live outside the stage folder, in ``OUT/checkpoints/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.config import Recipe, digest
from pipeline.finished import finished_stage
from pipeline.manifest import Counts, Receipt, ShardTask
from pipeline.stage_run import StageError, StageRun
from pipeline.storage import OutputFile, join
from tokenizer.encoder import FastSentencePiece
from tokenizer.token_shards import HELD_OUT, TokenShards, token_subsets
from tokenizer.vocabulary import BOS_ID, EOS_ID, Vocabulary
from trainer.baselines import PairCounts, bigram_bits_per_byte, unigram_bits_per_byte
from trainer.data import Mixture, batches, sequences
from trainer.evaluate import held_out_sequences
from trainer.model_files import load_model
from trainer.sample import generate
from trainer.train import Progress as TrainProgress
from trainer.train import TrainingData, TrainingDiverged, train

SUMMARY = "summary.json"
_BASELINE_TOKENS = 50_000_000  # that the counting models are fitted on, at most: half a minute


def run(stage: StageRun) -> None:
    """Train, or go on from the last checkpoint."""
    task = ShardTask("all", 0, 1)
    stage.run_once(task, lambda: _train(stage, task))


def _train(stage: StageRun, task: ShardTask) -> Receipt:
    recipe, space, tokens = stage.recipe, stage.space, stage.space.upstream["tokens"]
    vocabulary = Vocabulary(storage.read_bytes(join(space.upstream["tokenizer"], "tokenizer.model")))
    mixture = sequences(tokens, recipe.mixture.weights, recipe.mixture.seed, recipe.train.seq_len)
    data = training_data(stage, vocabulary, mixture)

    def tell(news: TrainProgress) -> None:
        stage.progress.say(news.line())

    stage.progress.start("train")
    try:
        result = train(recipe.train, data, space.folder, space.scratch, _checkpoints(stage), tell)
    except TrainingDiverged as error:
        raise StageError(f"training diverged: {error}; lower [train] learning_rate") from error
    num_sequences = recipe.train.steps * recipe.train.global_batch_size
    summary = {
        "model": recipe.train.model,
        "num_parameters": result.model.config.num_parameters,
        "steps": recipe.train.steps,
        "num_tokens": result.num_tokens,
        "epochs": mixture.epochs(num_sequences),
        "held_out_bits_per_byte": result.held_out_bits_per_byte,
        **_baselines(recipe, data, vocabulary.vocab_size),
    }
    with storage.atomic_writer(space.path(SUMMARY), space.scratch) as stream:
        stream.write((json.dumps(summary, indent=1, sort_keys=True) + "\n").encode())
    _judge(recipe, summary)
    outputs = (*result.outputs, OutputFile(SUMMARY, stream.sha256, 1, stream.bytes))
    counts = Counts("sequences", num_sequences, num_sequences, {}, 0, num_sequences)
    return Receipt(task.name, (), outputs, counts, task.subset)


def _checkpoints(stage: StageRun) -> str:
    out, _, name = stage.space.folder.removesuffix("/").rpartition("/train/")
    return join(out, "checkpoints", name)


def training_data(stage: StageRun, vocabulary: Vocabulary, mixture: Mixture) -> TrainingData:
    """The sequences of the mixture, and the held-out documents of the same subsets, joined in order of name."""
    recipe, manifest = stage.recipe, stage.manifests["tokens"]
    folder = stage.space.upstream["tokens"]
    held_subsets = [
        name for name in token_subsets(folder, held_out=True) if name.removeprefix(HELD_OUT) in mixture.subsets
    ]
    streams = [_all_tokens(TokenShards.open(folder, subset)) for subset in held_subsets]
    tokens = np.concatenate([np.zeros(0, np.int32), *streams])
    held_bytes = sum(manifest["counts"][name.removeprefix(HELD_OUT)]["held_out_text_bytes"] for name in held_subsets)
    size = recipe.train.global_batch_size

    def batches_from(start: int) -> Iterator[np.ndarray]:
        return batches(mixture, start, size)

    return TrainingData(
        batches_from=batches_from,
        piece_bytes=vocabulary.piece_bytes,
        held_out=held_out_sequences(tokens, recipe.train.seq_len, EOS_ID),
        held_out_bytes=held_bytes,
        digest=digest({"outputs": manifest["outputs"], "mixture": recipe.mixture.model_dump(mode="json")}),
    )


def _all_tokens(shards: TokenShards) -> np.ndarray:
    return np.asarray(shards.read(0, shards.num_tokens), np.int32)


def _baselines(recipe: Recipe, data: TrainingData, vocab_size: int) -> dict[str, float | None]:
    """Bits per byte of a unigram and a smoothed bigram, fitted on the batches that the model saw."""
    if not data.held_out_bytes:
        return {"unigram_bits_per_byte": None, "bigram_bits_per_byte": None}
    config = recipe.train
    steps = min(config.steps, _BASELINE_TOKENS // (config.global_batch_size * config.seq_len) + 1)
    pairs = PairCounts.of(islice(data.batches_from(0), steps), vocab_size)
    return {
        "unigram_bits_per_byte": unigram_bits_per_byte(pairs, data.held_out, data.held_out_bytes),
        "bigram_bits_per_byte": bigram_bits_per_byte(pairs, data.held_out, data.held_out_bytes),
    }


def _judge(recipe: Recipe, summary: dict[str, Any]) -> None:
    """Fail a run that did not learn what its recipe asks for."""
    margin = recipe.train.min_bits_per_byte_below_unigram
    if margin is None:
        return
    held_out, unigram = summary["held_out_bits_per_byte"], summary["unigram_bits_per_byte"]
    if held_out is None or unigram is None or held_out > unigram - margin:
        raise StageError(
            f"held-out bits per byte {held_out} is not {margin} below the unigram's {unigram}; "
            "train longer ([train] steps), or lower min_bits_per_byte_below_unigram"
        )


def sample_text(out: str, prompt: str, num_tokens: int, temperature: float, top_p: float, seed: int) -> str:
    """Continue a prompt with the model of a finished run.

    Raises:
        RecipeError: The run has no trained model.
    """
    model_bytes = storage.read_bytes(join(finished_stage(out, "tokenizer").folder, "tokenizer.model"))
    vocabulary = Vocabulary(model_bytes)
    model = load_model(finished_stage(out, "train").folder)
    prompt_ids, _ = FastSentencePiece(model_bytes).encode_batch(pa.array([prompt], pa.string()))
    ids = [BOS_ID, *prompt_ids.tolist()]
    return prompt + vocabulary.decode(generate(model, ids, num_tokens, temperature, top_p, seed, stop_id=EOS_ID))
