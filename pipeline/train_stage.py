"""The train stage, and sampling from what it wrote.

Checkpoints hold dates, so they live in the stage's work folder; they go when the model stands.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline import storage
from pipeline.config import digest
from pipeline.finished import finished_stage
from pipeline.manifest import Counts, Receipt, ShardTask
from pipeline.stage_run import StageError, StageRun
from pipeline.storage import join
from tokenizer.encoder import FastSentencePiece
from tokenizer.vocabulary import BOS_ID, EOS_ID
from trainer.model_files import load_model
from trainer.sample import generate
from trainer.token_run import BelowExpectation, train_on_tokens
from trainer.train import TrainingDiverged

_MODEL = "tokenizer.model"


def run(stage: StageRun) -> None:
    """Train, or go on from the last checkpoint."""
    task = ShardTask("all", 0, 1)
    stage.run_once(task, lambda: _train(stage, task))


def _train(stage: StageRun, task: ShardTask) -> Receipt:
    recipe, space = stage.recipe, stage.space
    stage.progress.start("train")
    try:
        _, files = train_on_tokens(
            recipe.train,
            recipe.mixture,
            space.upstream["tokens"],
            digest(stage.manifests["tokens"]["outputs"]),
            join(space.upstream["tokenizer"], _MODEL),
            space.folder,
            space.scratch,
            join(space.work, "checkpoints"),
            lambda news: stage.progress.say(news.line()),
        )
    except (BelowExpectation, TrainingDiverged, ValueError) as error:
        raise StageError(f"train failed: {error}") from error
    sequences = recipe.train.steps * recipe.train.global_batch_size
    return Receipt(task.name, (), files, Counts("sequences", sequences, sequences, {}, 0, sequences), task.subset)


def sample_text(out: str, prompt: str, num_tokens: int, temperature: float, top_p: float, seed: int) -> str:
    """Continue a prompt with the model of a finished run; gives prompt and continuation.

    Raises:
        RecipeError: The run has no trained model.
    """
    encoder = FastSentencePiece(storage.read_bytes(join(finished_stage(out, "tokenizer").folder, _MODEL)))
    model = load_model(finished_stage(out, "train").folder)
    ids = [BOS_ID, *encoder.encode_batch(pa.array([prompt], pa.string()))[0].tolist()]
    added = generate(model, ids, num_tokens, temperature, top_p, seed, stop_id=EOS_ID)
    return prompt + encoder.vocabulary.decode(added)
