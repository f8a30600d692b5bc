import numpy as np
import pytest
from flax import nnx

from pipeline.config import TrainConfig
from trainer.config import ModelConfig, Size
from trainer.model import Gopher
from trainer.model_files import load_model, write_model
from trainer.sample import choose, generate

CONFIG = ModelConfig(Size(1, 2, 4, 8), 17, 6, "float32")
PROMPT = [1, 5, 3, 8, 5]


@pytest.fixture(scope="module")
def gopher():
    return Gopher(CONFIG, nnx.Rngs(1))


@nnx.jit
def logits(model, ids):
    return model(ids)


def test_greedy_takes_the_likeliest_token_seen_from_the_last_window(gopher):
    ids = [*PROMPT]
    for _ in range(5):  # passes the window of 6
        ids.append(int(np.argmax(logits(gopher, np.array([ids[-6:]]))[0, -1])))
    assert generate(gopher, PROMPT, 5, temperature=0) == ids[5:]


def test_the_seed_decides(gopher):
    runs = [generate(gopher, PROMPT, 20, seed=seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 20
    assert all(0 <= token < 17 for token in runs[0])


def test_stop_ends_the_text_and_is_not_in_it(gopher):
    whole = generate(gopher, PROMPT, 20, seed=3)
    stop = whole[5]
    assert generate(gopher, PROMPT, 20, seed=3, stop_id=stop) == whole[: whole.index(stop)]


def test_choose_by_hand():
    thirds = np.log([0.2, 0.5, 0.3])  # by likelihood: token 1 (to 0.5), 2 (to 0.8), 0 (to 1)
    assert [choose(thirds, 1.0, 1.0, u) for u in (0.0, 0.49, 0.51, 0.79, 0.81, 0.999)] == [1, 1, 2, 2, 0, 0]
    # top_p 0.6 keeps tokens 1 and 2, with 0.5 / 0.8 = 0.625 for token 1
    assert [choose(thirds, 1.0, 0.6, u) for u in (0.62, 0.63, 0.999)] == [1, 2, 2]
    assert choose(thirds, 1.0, 0.5, 0.999) == 1  # a bound that is just reached
    # temperature 1/2 squares: 0.04, 0.25, 0.09 of 0.38; token 1 up to 0.658
    assert [choose(thirds, 0.5, 1.0, u) for u in (0.65, 0.67)] == [1, 2]
    assert choose(np.zeros(4), 0, 1.0, 0.9) == 0  # a tie goes to the lower id
    assert choose(np.array([1e4, 0.0, -1e4]), 1.0, 1.0, 1 - 2**-53) == 0  # no overflow, no index past the end


@pytest.mark.parametrize("wrong", [{"prompt_ids": []}, {"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}])
def test_wrong_settings_are_refused(gopher, wrong):
    with pytest.raises(ValueError, match="top_p in"):
        generate(**{"model": gopher, "prompt_ids": [1], "num_tokens": 1, **wrong})


def test_model_files_give_the_same_model_back(gopher, tmp_path):
    folder, scratch = str(tmp_path / "model"), str(tmp_path / "scratch")
    params = nnx.state(gopher, nnx.Param)
    files = write_model(params, CONFIG, TrainConfig(), folder, scratch)
    loaded = load_model(folder)
    assert loaded.config == CONFIG
    ids = np.arange(6)[None]
    np.testing.assert_array_equal(logits(loaded, ids), logits(gopher, ids))
    assert write_model(params, CONFIG, TrainConfig(), str(tmp_path / "again"), scratch) == files  # digests too
    assert [file.path for file in files] == ["model.safetensors", "config.json"]


def test_weights_of_another_model_are_refused(gopher, tmp_path):
    folder, larger = str(tmp_path), ModelConfig(Size(2, 2, 4, 8), 17, 6, "float32")
    write_model(nnx.state(gopher, nnx.Param), larger, TrainConfig(), folder, folder)
    with pytest.raises(ValueError, match=r"blocks\.1\.attention\.content_bias_HK has shape None"):
        load_model(folder)
