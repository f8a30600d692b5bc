import pytest

from tokenizer.training import train_tokenizer
from tokenizer.vocabulary import Vocabulary

SAMPLE = [
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.",
    "The children of the village knew the miller, and the miller knew the children.\n\nThey were the best of friends.",
    "def area(width, height):\n    if width < 0:\n        return None\n    return width * height\n",
    "Zwölf Boxkämpfer jagen Eva quer über den Sylter Deich. 12 345 67",
    "名前は名前である。名前は名前である。",
] * 4
VOCAB_SIZE = 420


@pytest.fixture(scope="session")
def sample() -> list[str]:
    return SAMPLE


@pytest.fixture(scope="session")
def model() -> bytes:
    return train_tokenizer(SAMPLE, VOCAB_SIZE)


@pytest.fixture(scope="session")
def vocabulary(model: bytes) -> Vocabulary:
    return Vocabulary(model)
