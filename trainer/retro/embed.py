"""The frozen BERT that turns a chunk's text into its key: mean over time of the last layer (Borgeaud et al. 2022, 2.3).

Any BERT serves whose folder holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``; depth, width and the
names' prefix come from the files. Keys are not normalised, as in the paper.

Axes: B rows of a batch, L word pieces, D width, H heads, K numbers a head.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LENGTHS = (64, 96, 128, 256)  # word pieces that a text is padded to: the first that holds it; longer texts are cut
BATCH_PIECES = 2048  # word pieces at once, always: rows that no text needs are empty
_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_WORDS = "embeddings.word_embeddings.weight"


class BertEncoder:
    """Mean-pooled BERT in float32.

    A text's key does not depend on what is encoded with it: the shape of a batch follows from the padded
    length, and that from the text alone.

    Args:
        folder: Holds the three files.

    Raises:
        FileNotFoundError: One of them is not there.
        ValueError: It is no BERT as we know it, or the files don't fit each other.
    """

    def __init__(self, folder: str) -> None:
        for name in _FILES:
            if not os.path.isfile(os.path.join(folder, name)):
                raise FileNotFoundError(f"{folder}: an encoder needs {', '.join(_FILES)}; there is no {name}")
        with open(os.path.join(folder, "config.json")) as stream:
            self._config = _check_config(folder, json.load(stream))
        self._weights = _load_weights(os.path.join(folder, "model.safetensors"), self._config)
        self._tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self._tokenizer.no_padding()
        longest = self._config["max_position_embeddings"]
        self._lengths = [length for length in LENGTHS if length < longest] + [min(longest, LENGTHS[-1])]
        self._tokenizer.enable_truncation(self._lengths[-1])
        self.d: int = self._config["hidden_size"]
        self._folder = folder

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts: float32 [len(texts), d]; an empty text has the key of its two special pieces."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        lengths = np.array([len(row) for row in ids], np.int64)
        padded = np.searchsorted(self._lengths, lengths)
        keys = np.empty((len(texts), self.d), np.float32)
        for bucket, length in enumerate(self._lengths):
            rows = np.flatnonzero(padded == bucket)
            for start in range(0, len(rows), BATCH_PIECES // length):
                batch = rows[start : start + BATCH_PIECES // length]
                keys[batch] = self._forward([ids[row] for row in batch], length)[: len(batch)]
        if not np.isfinite(keys).all():
            raise ValueError(f"{self._folder}: a key is not finite; the weights are damaged")
        return keys

    def _forward(self, ids: list[list[int]], length: int) -> npt.NDArray[np.float32]:
        ids_BL = np.zeros((BATCH_PIECES // length, length), np.int32)
        lengths_B = np.ones(len(ids_BL), np.int32)  # an empty row attends to its first piece, so that nothing is 0 / 0
        for row, pieces in enumerate(ids):
            ids_BL[row, : len(pieces)], lengths_B[row] = pieces, len(pieces)
        heads, eps = self._config["num_attention_heads"], self._config["layer_norm_eps"]
        return np.asarray(_mean_pooled(self._weights, ids_BL, lengths_B, heads, eps))


def _check_config(folder: str, config: dict[str, Any]) -> dict[str, Any]:
    wanted = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise ValueError(f"{folder}/config.json: {key} must be {value!r}; got {config[key]!r}")
    return config


def _load_weights(path: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the embeddings and, stacked by layer, the encoder's parameters, all float32.

    Raises:
        ValueError: A parameter is missing, or the file is not safetensors.
    """
    try:
        # the first BERTs on the hub still carry TensorFlow's names for the scale and shift of a layer norm
        named = {k.replace("gamma", "weight").replace("beta", "bias"): v for k, v in load_file(path).items()}
        prefix = next(name for name in named if name.endswith(_WORDS)).removesuffix(_WORDS)
        tensors = {name.removeprefix(prefix): value.astype(np.float32) for name, value in named.items()}
        parts = [name.removeprefix("encoder.layer.0.") for name in tensors if name.startswith("encoder.layer.0.")]
        layers = range(config["num_hidden_layers"])
        stacked = {part: jnp.stack([tensors[f"encoder.layer.{layer}.{part}"] for layer in layers]) for part in parts}
        embeddings = {n.removeprefix("embeddings."): jnp.asarray(t) for n, t in tensors.items() if "embeddings." in n}
    except StopIteration as error:
        raise ValueError(f"{path}: no parameter is named *{_WORDS}; this is no BERT") from error
    except Exception as error:
        # safetensors has an error class of its own, made in Rust
        raise ValueError(f"{path}: not the weights of {config['num_hidden_layers']} BERT layers: {error!r}") from error
    return {"embeddings": embeddings, "layers": stacked}


@partial(jax.jit, static_argnames=("num_heads", "eps"))
def _mean_pooled(
    weights: dict[str, Any], ids_BL: jax.Array, lengths_B: jax.Array, num_heads: int, eps: float
) -> jax.Array:
    """BERT (Devlin et al. 2019, post-norm), then the mean over each row's own word pieces: float32 [B, D]."""
    # GPUs would multiply float32 in 19 bits
    with jax.default_matmul_precision("highest"):
        embeddings = weights["embeddings"]
        h_BLD = embeddings["word_embeddings.weight"][ids_BL]
        h_BLD += embeddings["position_embeddings.weight"][: ids_BL.shape[1]]
        h_BLD += embeddings["token_type_embeddings.weight"][0]
        h_BLD = _layer_norm(h_BLD, embeddings["LayerNorm.weight"], embeddings["LayerNorm.bias"], eps)
        mask_BL = jnp.arange(ids_BL.shape[1]) < lengths_B[:, None]

        def layer(h_BLD: jax.Array, w: dict[str, jax.Array]) -> tuple[jax.Array, None]:
            return _bert_layer(h_BLD, mask_BL, w, num_heads, eps), None

        h_BLD, _ = jax.lax.scan(layer, h_BLD, weights["layers"])
        return jnp.where(mask_BL[:, :, None], h_BLD, 0).sum(1) / lengths_B[:, None]


def _bert_layer(h_BLD: jax.Array, mask_BL: jax.Array, w: dict[str, jax.Array], num_heads: int, eps: float) -> jax.Array:
    def dense(x: jax.Array, name: str) -> jax.Array:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: jax.Array, name: str) -> jax.Array:
        return _layer_norm(x, w[f"{name}.LayerNorm.weight"], w[f"{name}.LayerNorm.bias"], eps)

    B, L, D = h_BLD.shape
    q_BLHK, k_BLHK, v_BLHK = (
        dense(h_BLD, f"attention.self.{name}").reshape(B, L, num_heads, -1) for name in ("query", "key", "value")
    )
    scores_BHQL = jnp.einsum("bqhk,blhk->bhql", q_BLHK, k_BLHK) / np.sqrt(D // num_heads).astype(np.float32)
    scores_BHQL = jnp.where(mask_BL[:, None, None, :], scores_BHQL, -jnp.inf)
    mixed_BLD = jnp.einsum("bhql,blhk->bqhk", jax.nn.softmax(scores_BHQL), v_BLHK).reshape(B, L, D)
    h_BLD = norm(h_BLD + dense(mixed_BLD, "attention.output.dense"), "attention.output")
    inner = jax.nn.gelu(dense(h_BLD, "intermediate.dense"), approximate=False)
    return norm(h_BLD + dense(inner, "output.dense"), "output")


def _layer_norm(x: jax.Array, scale: jax.Array, shift: jax.Array, eps: float) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + eps) * scale + shift
