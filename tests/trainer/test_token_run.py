import json

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import MixtureConfig, TrainConfig
from tokenizer.token_shards import write_token_shard
from tokenizer.training import train_tokenizer
from tokenizer.vocabulary import BOS_ID, EOS_ID, Vocabulary
from trainer.baselines import PairCounts
from trainer.config import FAMILY, Size
from trainer.data import sequences
from trainer.main import main
from trainer.model_files import load_model
from trainer.sample import generate
from trainer.token_run import _count_pairs, open_held_out, train_on_tokens

TEXTS = [f"The miller had {n} sacks of flour, and {n + 1} children who knew the way to the mill." for n in range(40)]
HELD_OUT = {"web": ["The miller had 99 children.", "Flour knew the way."], "books": ["The mill."]}
CONFIG = TrainConfig(
    steps=3, seq_len=16, global_batch_size=4, learning_rate=1e-2, warmup_steps=1, activation_dtype="float32"
)


@pytest.fixture(autouse=True)
def _nano(monkeypatch):
    monkeypatch.setitem(FAMILY, "tiny", Size(num_layers=1, num_heads=2, head_size=4, d_model=8))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Token shards of two subsets, both with held-out documents, and their tokenizer."""
    folder = tmp_path_factory.mktemp("made")
    model = train_tokenizer(TEXTS, 330)
    (folder / "tokenizer.model").write_bytes(model)
    vocabulary = Vocabulary(model)
    parts = {"web": TEXTS[:30], "books": TEXTS[30:], **{f"held_out/{name}": texts for name, texts in HELD_OUT.items()}}
    for subset, texts in parts.items():
        documents = [np.array([BOS_ID, *vocabulary.processor.encode(text), EOS_ID], "<u2") for text in texts]
        ids = pa.array([f"{row:016d}".encode() for row in range(len(texts))], pa.binary(16))
        lengths, dtype = np.array(list(map(len, documents))), np.dtype("<u2")
        write_token_shard(str(folder / "tokens"), subset, 0, 1, ids, documents, lengths, dtype, str(folder / "scratch"))
    (folder / "tokens" / "manifest.json").write_text("{}")
    return folder


def run(made, out, config=CONFIG, token_digest="tokens"):
    paths = [str(made / "tokens"), token_digest, str(made / "tokenizer.model")]
    places = [str(out / "stage"), str(out / "tmp"), str(out / "checkpoints")]
    return train_on_tokens(config, MixtureConfig(), *paths, *places)


def test_summary_is_written_and_adds_up(made, tmp_path):
    summary, files = run(made, tmp_path)
    assert json.loads((tmp_path / "stage" / "summary.json").read_text()) == summary
    names = ["config.json", "metrics.jsonl", "model.safetensors", "summary.json"]
    assert sorted(file.path for file in files) == names == sorted(path.name for path in (tmp_path / "stage").iterdir())
    parts = summary["held_out"]
    assert {name: part["num_bytes"] for name, part in parts.items()} == {"web": 27 + 19, "books": 9}
    for figure in ("held_out_bits_per_byte", "unigram_bits_per_byte", "bigram_bits_per_byte"):
        bits = sum(part[figure] * part["num_bytes"] for part in parts.values())
        assert summary[figure] == pytest.approx(bits / (27 + 19 + 9), rel=1e-6)
    assert summary["num_tokens"] == 3 * 4 * 16
    last = json.loads((tmp_path / "stage" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["held_out_bits_per_byte"] == summary["held_out_bits_per_byte"]
    assert summary["bigram_bits_per_byte"] < summary["unigram_bits_per_byte"]  # text so regular


def test_other_tokens_or_another_mixture_are_other_data(made, tmp_path):
    run(made, tmp_path)
    with pytest.raises(ValueError, match="this run's data is"):
        run(made, tmp_path, token_digest="others")


def test_counting_models_read_every_subset_once_at_most(made):
    vocabulary = Vocabulary(str(made / "tokenizer.model"))
    mixture = sequences(str(made / "tokens"), {}, 0, 16)
    short, long = CONFIG, CONFIG.model_copy(update={"steps": 1000})
    assert _count_pairs(mixture, short, vocabulary.vocab_size).counts.sum() == 3 * 4 * 16
    once = PairCounts.of([mixture.dataset[i][None] for i in range(500) if mixture.describe(i).epoch == 0], 330)
    counted = _count_pairs(mixture, long, vocabulary.vocab_size)
    assert counted.counts.sum() == once.counts.sum()
    np.testing.assert_array_equal(counted.codes, once.codes)


def test_held_out_documents_are_whole(made):
    vocabulary = Vocabulary(str(made / "tokenizer.model"))
    held_out = open_held_out(str(made / "tokens"), ["books", "web"], 16, vocabulary)
    assert {name: part.num_bytes for name, part in held_out.items()} == {
        name: sum(len(text.encode()) for text in texts) for name, texts in HELD_OUT.items()
    }
    assert list(open_held_out(str(made / "tokens"), ["books"], 16, vocabulary)) == ["books"]
    targets = held_out["web"].windows[:, 1:].ravel()
    assert vocabulary.decode(targets[targets >= 0]) == "".join(HELD_OUT["web"])


def test_command_line_trains_what_can_be_sampled_from(made, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    train = CONFIG.model_dump(exclude_defaults=True)
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in train.items())
    recipe.write_text(f'[[input]]\nsubset = "web"\nformat = "text"\npaths = ["*.txt"]\n[train]\n{settings}')
    command = ["--recipe", str(recipe), "--tokens", str(made / "tokens"), "--out", str(tmp_path / "out")]
    command += ["--tokenizer", str(made / "tokenizer.model")]
    assert main(command) == 0
    assert "unigram_bits_per_byte" in capsys.readouterr().out
    assert len(generate(load_model(str(tmp_path / "out")), [BOS_ID], 5)) == 5
    assert main([*command, "--set", "train.steps=0"]) == 2
    assert main([*command, "--set", "train.min_bits_per_byte_below_unigram=5.0"]) == 1
    assert "asks for 5.0" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["steps"] == 3  # written all the same
