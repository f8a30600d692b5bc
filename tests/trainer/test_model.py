import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trainer.config import ModelConfig, Size
from trainer.model import Gopher, RelativeAttention, RMSNorm, attend, relative_scores
from trainer.positions import distance_sinusoids, relative_shift

CONFIG = ModelConfig(Size(num_layers=2, num_heads=2, head_size=4, d_model=8), 17, 6, "float32")


def make(module, config=CONFIG, seed=1):
    return module(config, nnx.Rngs(seed))


@nnx.jit
def run(model, inputs):
    return model(inputs)


@pytest.fixture(scope="module")
def gopher():
    return make(Gopher)


def attention():
    """With biases u, v away from their initial zeros."""
    module, random = make(RelativeAttention), np.random.default_rng(0)
    module.content_bias_HK[...] = jnp.asarray(random.normal(size=(2, 4)), jnp.float32)
    module.position_bias_HK[...] = jnp.asarray(random.normal(size=(2, 4)), jnp.float32)
    return module


def gathered_attention(module, x_BLD):
    """The definition: ((q_i + u) . k_j + (q_i + v) . W r(i - j)) / sqrt(K) over j <= i, every r(i - j) looked up."""
    length = x_BLD.shape[1]
    distance_LS = np.maximum(np.arange(length)[:, None] - np.arange(length), 0)
    angle_LSf = distance_LS[..., None] * 10_000.0 ** -(np.arange(0, 8, 2) / 8)
    r_LSD = jnp.asarray(np.concatenate([np.sin(angle_LSf), np.cos(angle_LSf)], -1), jnp.float32)
    query = jnp.einsum("bld,dhk->blhk", x_BLD, module.query_DHK[...])
    key = jnp.einsum("bsd,dhk->bshk", x_BLD, module.key_DHK[...])
    position = jnp.einsum("lsd,dhk->lshk", r_LSD, module.position_DHK[...])
    content_score = jnp.einsum("blhk,bshk->bhls", query + module.content_bias_HK[...], key)
    position_score = jnp.einsum("blhk,lshk->bhls", query + module.position_bias_HK[...], position)
    scores = jnp.where(np.tri(length, dtype=bool), (content_score + position_score) / 2.0, -jnp.inf)  # sqrt(4)
    value = jnp.einsum("bsd,dhk->bshk", x_BLD, module.value_DHK[...])
    read = jnp.einsum("bhls,bshk->blhk", jax.nn.softmax(scores), value)
    return jnp.einsum("blhk,hkd->bld", read, module.output_HKD[...])


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_sinusoids_by_hand():
    # frequencies 1 and 1/100; distances 2, 1, 0
    expected = [[np.sin(2), np.sin(0.02), np.cos(2), np.cos(0.02)], [np.sin(1), np.sin(0.01), np.cos(1), np.cos(0.01)]]
    np.testing.assert_allclose(distance_sinusoids(3, 4), [*expected, [0, 0, 1, 1]], atol=1e-6)


def test_relative_shift_puts_each_distance_under_its_key():
    # every query scores distance d with 10 * d; row r of the input is distance 2 - r
    by_distance = jnp.broadcast_to(jnp.array([20.0, 10.0, 0.0]), (1, 1, 3, 3))
    shifted = relative_shift(by_distance)[0, 0]
    np.testing.assert_array_equal(jnp.tril(shifted), [[0, 0, 0], [10, 0, 0], [20, 10, 0]])


@pytest.mark.parametrize("length", [1, 7])
def test_attention_is_the_gathered_definition(length):
    module, x_BLD = attention(), normal(2, 2, length, 8)
    np.testing.assert_allclose(run(module, x_BLD), nnx.jit(gathered_attention)(module, x_BLD), atol=2e-6)


def test_attention_has_the_gathered_definitions_gradients():
    x_BLD, weights = normal(3, 2, 7, 8), normal(4, 2, 7, 8)
    graphdef, params = nnx.split(attention(), nnx.Param)

    def gradients(apply):
        return jax.grad(lambda params, x: (apply(nnx.merge(graphdef, params), x) * weights).sum(), (0, 1))(
            params, x_BLD
        )

    ours = jax.jit(lambda: gradients(lambda module, x: module(x)))()
    theirs = jax.jit(lambda: gradients(gathered_attention))()
    for (path, got), expected in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5, err_msg=jax.tree_util.keystr(path))
        assert np.abs(expected).max() > 1e-3, path  # the comparison is of something


def test_rms_norm_by_hand():
    norm = RMSNorm(ModelConfig(Size(1, 1, 2, 2), 3, 4))
    norm.scale_D[...] = jnp.array([1.0, 2.0])
    # mean square of (3, 4) is 12.5
    np.testing.assert_allclose(norm(jnp.array([3.0, 4.0])), [3 / 12.5**0.5, 8 / 12.5**0.5], rtol=1e-6)
    assert norm(jnp.ones((1, 2), jnp.bfloat16)).dtype == jnp.bfloat16


def test_no_logit_depends_on_a_later_token(gopher):
    """By gradient: the input is made a sum of embeddings, as if every token were every piece a little."""
    mixed_BLV = np.abs(normal(5, 1, 6, 17))

    def logits(mixed_BLV):
        h_BLD = mixed_BLV @ gopher.embedding_VD[...]
        for block in gopher.blocks:
            h_BLD = block(h_BLD)
        return gopher.output_norm(h_BLD)[0]

    jacobian_LDLV = np.asarray(jax.jit(jax.jacrev(logits))(mixed_BLV))[:, :, 0]
    influence_LL = np.abs(jacobian_LDLV).max(axis=(1, 3))
    assert (np.triu(influence_LL, 1) == 0).all()
    assert (influence_LL[np.tril_indices(6)] > 1e-6).all()  # and it does depend on every earlier one


def test_later_tokens_change_no_logit_by_value(gopher):
    ids = np.arange(12).reshape(2, 6)
    changed = ids.copy()
    changed[:, 4:] = 16
    before, after = np.asarray(run(gopher, ids)), np.asarray(run(gopher, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any()


def test_takes_other_lengths_than_trained_at(gopher):
    ids = np.arange(13)[None] % 17
    long = run(gopher, ids)
    assert long.shape == (1, 13, 17)
    np.testing.assert_allclose(
        long[:, :6], run(gopher, ids[:, :6]), atol=1e-5
    )  # a distance means the same at any length


def test_input_and_output_share_the_embedding(gopher):
    names = {".".join(map(str, path)) for path, _ in nnx.to_flat_state(nnx.state(gopher, nnx.Param))}
    assert [name for name in names if "VD" in name or "DV" in name] == ["embedding_VD"]


def test_bfloat16_activations_keep_float32_parameters_scores_and_logits(gopher):
    model = make(Gopher, ModelConfig(CONFIG.size, 17, 6, "bfloat16"))
    ids = np.arange(6)[None]
    logits = run(model, ids)
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
    block, x_BLD = model.blocks[0], jnp.ones((1, 3, 8), jnp.bfloat16)
    assert jax.eval_shape(block, x_BLD).dtype == jnp.bfloat16
    half = [jnp.ones((1, 3, 2, 4), jnp.bfloat16)] * 2 + [jnp.ones((3, 2, 4), jnp.bfloat16)]
    biases = [jnp.ones((2, 4), jnp.bfloat16)] * 2
    assert jax.eval_shape(relative_scores, *half, *biases).dtype == jnp.float32
    softmax = str(jax.make_jaxpr(attend)(half[0], *half, *biases))
    assert "f32[1,2,3,3] = exp" in softmax
    assert "bf16[1,2,3,3] = exp" not in softmax
    assert 0 < np.abs(logits - run(gopher, ids)).max() < 0.05  # 8 bits of mantissa, logits of about 1


def test_equal_seeds_give_equal_parameters():
    def embedding(seed):
        return np.asarray(make(Gopher, seed=seed).embedding_VD[...])

    np.testing.assert_array_equal(embedding(3), embedding(3))
    assert (embedding(3) != embedding(4)).any()
