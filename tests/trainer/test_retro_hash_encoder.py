import hashlib

import numpy as np
import pytest

from trainer.retro.hash_encoder import HashEncoder


def distance(a, b):
    return float(np.square(a.astype(np.float64) - b).sum())


def test_a_key_is_the_mean_of_its_words_signs():
    salt = hashlib.blake2b(b"3", digest_size=16).digest()
    expected = []
    for word in (b"one", b"two", b"two"):
        digest = hashlib.blake2b(word, digest_size=2, salt=salt).digest()
        expected.append([1 if byte >> bit & 1 else -1 for byte in digest for bit in range(7, -1, -1)])
    keys = HashEncoder(16, seed=3).encode([" one\ttwo\ntwo "])
    assert keys.tolist() == (np.array(expected, np.float32).sum(0, keepdims=True) / np.float32(3)).tolist()
    assert keys.dtype == np.float32


def test_a_key_does_not_depend_on_its_company():
    texts = ["the cat", "", "the dog and the cat", "名前は 名前である", "the cat", "\udcff"]
    together = HashEncoder().encode(texts)
    alone = np.concatenate([HashEncoder().encode([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    assert distance(together[0], together[4]) == 0
    assert not together[1].any()
    assert HashEncoder().encode([]).shape == (0, 64)
    assert HashEncoder(seed=1).encode(texts).tobytes() != together.tobytes()


def test_shared_words_bring_texts_nearer():
    near, text, far = HashEncoder().encode(["a b c d e f x", "a b c d e f g", "h i j k l m n"])
    assert distance(text, near) < distance(text, far)


@pytest.mark.parametrize("d", [0, 12, 520])
def test_the_digest_limits_d(d):
    with pytest.raises(ValueError, match=f"multiple of 8 from 8 to 512; got {d}"):
        HashEncoder(d)
