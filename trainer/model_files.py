"""A trained model on disk: ``model.safetensors`` and ``config.json``, the same bytes for the same values.

``model.safetensors``: float32 arrays under names that spell their path and axes, as
``blocks.0.attention.query_DHK``. ``config.json``: ``{"model": ModelConfig, "train": TrainConfig}``.
"""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax import nnx

from pipeline import storage
from pipeline.config import TrainConfig
from trainer.config import ModelConfig
from trainer.model import Gopher

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"


def named_parameters(params: nnx.State) -> dict[str, np.ndarray]:
    """A model's parameters under stable names, as arrays on the host."""
    return {_name(path): np.asarray(param[...]) for path, param in nnx.to_flat_state(params)}


def _name(path: tuple[object, ...]) -> str:
    return ".".join(map(str, path))


def write_model(
    params: nnx.State, model: ModelConfig, train: TrainConfig, folder: str, scratch: str
) -> tuple[storage.OutputFile, ...]:
    """Write both files.

    Args:
        params: The ``nnx.Param`` state of a ``Gopher``.
        model: Its configuration.
        train: How it was trained; kept for the reader.
        folder: Where the files are to stand.
        scratch: As in ``storage.atomic_writer``.

    Returns:
        The files; their rows are parameter arrays, and 1 for the configuration.
    """
    arrays = named_parameters(params)
    config = {"model": model.as_dict(), "train": train.model_dump(mode="json")}
    weights_file = write_file(folder, WEIGHTS_NAME, safetensors.numpy.save(arrays), len(arrays), scratch)
    config_text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    return weights_file, write_file(folder, CONFIG_NAME, config_text.encode(), 1, scratch)


def write_file(folder: str, name: str, data: bytes, rows: int, scratch: str) -> storage.OutputFile:
    """Write one small file atomically and describe it."""
    with storage.atomic_writer(storage.join(folder, name), scratch) as stream:
        stream.write(data)
    return storage.OutputFile(name, stream.sha256, rows, stream.bytes)


def load_model(folder: str) -> Gopher:
    """Read a model that ``write_model`` wrote.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The weights aren't those of the configuration; names the first array that differs.
    """
    fields = json.loads(storage.read_bytes(storage.join(folder, CONFIG_NAME)))
    config = ModelConfig.from_dict(fields["model"])
    arrays = safetensors.numpy.load(storage.read_bytes(storage.join(folder, WEIGHTS_NAME)))
    graphdef, abstract = nnx.split(nnx.eval_shape(lambda: Gopher(config, nnx.Rngs(0))), nnx.Param)
    wanted = {_name(path): param.shape for path, param in nnx.to_flat_state(abstract)}
    found = {name: array.shape for name, array in arrays.items()}
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"{folder}: {WEIGHTS_NAME} doesn't fit {CONFIG_NAME}: {name} has shape {found.get(name)}, "
                f"and should have {wanted.get(name)} (None: there is no such parameter)"
            )
    params = nnx.map_state(lambda path, param: param.replace(jnp.asarray(arrays[_name(path)])), abstract)
    return nnx.merge(graphdef, params)
