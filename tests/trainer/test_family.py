import jax
import pytest
from flax import nnx

from trainer.config import FAMILY, PAPER_VOCAB_SIZE, ModelConfig, Size
from trainer.model import Gopher

MILLION, BILLION = 1e6, 1e9


@pytest.mark.parametrize(
    ("name", "unit", "rounded", "exact"),
    [
        ("44M", MILLION, 44, 43.7),
        ("117M", MILLION, 117, 116.6),
        ("417M", MILLION, 417, 417.3),
        ("1.4B", BILLION, 1.4, 1.374),
        ("7.1B", BILLION, 7.1, 7.11),
        ("280B", BILLION, 280, 279.7),
    ],
)
def test_formula_reproduces_published_names(name, unit, rounded, exact):
    count = ModelConfig.of(name, PAPER_VOCAB_SIZE, 2048).num_parameters / unit
    digits = 1 if unit == BILLION and rounded < 100 else 0
    assert round(count, digits) == rounded
    assert count == pytest.approx(exact, rel=1e-3)


def test_formula_by_hand():
    # d = 2, one head of 3: projections 5*2*3 = 30, feed-forward 8*4 = 32, u and v 2*3 = 6, norms 2*2 = 4; twice = 144;
    # embedding 7*2 = 14; last norm 2
    assert ModelConfig(Size(2, 1, 3, 2), vocab_size=7, seq_len=4).num_parameters == 160


@pytest.mark.parametrize("name", ["tiny", "44M", "7.1B"])
def test_model_has_as_many_parameters_as_the_formula(name):
    config = ModelConfig.of(name, PAPER_VOCAB_SIZE, 2048)
    shapes = jax.eval_shape(lambda: nnx.state(Gopher(config, nnx.Rngs(0)), nnx.Param))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == config.num_parameters


def test_heads_fill_the_width_in_every_published_size():
    assert all(size.num_heads * size.head_size == size.d_model for size in FAMILY.values())


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'1B'.*44M, 117M"):
        ModelConfig.of("1B", 100, 16)


def test_config_survives_json():
    config = ModelConfig.of("tiny", 4096, 128, "float32")
    assert ModelConfig.from_dict(config.as_dict()) == config
