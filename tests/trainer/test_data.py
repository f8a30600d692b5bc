from collections import Counter
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

from tokenizer.token_shards import TokenShards, write_token_shard
from trainer.data import Mixture, Shares, SubsetSequences, batches, open_subset, sequences

U2 = np.dtype("<u2")


def write_subset(folder, subset: str, lengths: list[list[int]], first: int = 0) -> list[int]:
    """Shards of documents of such lengths, whose tokens count up from ``first``; the joined tokens."""
    token, number = first, 0
    for index, shard in enumerate(lengths):
        ids = pa.array([f"{subset:>12}{number + row:04d}".encode() for row in range(len(shard))], pa.binary(16))
        tokens = np.arange(token, token + sum(shard), dtype=U2)
        write_token_shard(
            str(folder),
            subset,
            index,
            len(lengths),
            ids,
            [tokens],
            np.array(shard, np.int64),
            U2,
            f"{folder}/../scratch",
        )
        token, number = token + sum(shard), number + len(shard)
    return list(range(first, token))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Tokens 0-100, 1000-1041 and 2000-2032: 25, 10 and 8 sequences of 4; and a held-out subset."""
    folder = tmp_path_factory.mktemp("corpus") / "tokens"
    write_subset(folder, "web", [[30, 20], [51]], 0)
    write_subset(folder, "books", [[42]], 1000)
    write_subset(folder, "code", [[3] * 11], 2000)
    write_subset(folder, "held_out/web", [[9]], 3000)
    return str(folder)


def first(mixture: Mixture, count: int) -> list[list[int]]:
    return [mixture.dataset[i].tolist() for i in range(count)]


# One subset


def test_sequences_by_hand(tmp_path):
    write_subset(tmp_path / "tokens", "web", [[3, 3], [5]])  # tokens 0..10
    source = SubsetSequences(TokenShards.open(str(tmp_path / "tokens"), "web"), seq_len=4)
    # targets 1..10: two sequences of four, and 9 and 10 left out
    assert [source[i].tolist() for i in range(len(source))] == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]
    assert (source.num_left_out, source[0].dtype) == (2, np.int32)


@pytest.mark.parametrize("seq_len", [1, 2, 3, 7, 40, 41, 42, 100])
def test_every_token_but_the_first_is_a_target_once(corpus, seq_len):
    source = open_subset(corpus, "books", seq_len)
    targets = [token for i in range(len(source)) for token in source[i][1:].tolist()]
    assert targets + list(range(1042 - source.num_left_out, 1042)) == list(range(1001, 1042))
    assert source.num_left_out < seq_len


@pytest.mark.parametrize(("num_tokens", "expected"), [(0, (0, 0)), (2, (0, 1)), (4, (0, 3)), (5, (1, 0)), (6, (1, 1))])
def test_small_subsets(tmp_path, num_tokens, expected):
    write_subset(tmp_path / "tokens", "web", [[num_tokens] if num_tokens else []])
    source = open_subset(str(tmp_path / "tokens"), "web", 4)
    assert (len(source), source.num_left_out) == expected
    for index in (-1, len(source)):
        with pytest.raises(IndexError, match="web has"):
            source[index]


def test_shards_cut_differently_give_the_same(tmp_path):
    mixtures = []
    for name, lengths in (("a", [[40, 61]]), ("b", [[40], [], [2, 2, 57]])):
        write_subset(tmp_path / name, "web", lengths)
        mixtures.append(sequences(str(tmp_path / name), {}, seed=3, seq_len=4))
    assert first(mixtures[0], 60) == first(mixtures[1], 60)


def test_seq_len_below_one(corpus):
    with pytest.raises(ValueError, match="seq_len must be at least 1; got 0"):
        open_subset(corpus, "web", 0)


# Shares


def test_shares_by_hand():
    shares = Shares([2, 1])
    assert [shares[i] for i in range(6)] == [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (0, 3)]
    assert [shares.counts(k) for k in range(4)] == [[0, 0], [1, 0], [1, 1], [2, 1]]


@pytest.mark.parametrize(
    "weights", [[1], [1, 1], [48, 27, 10, 10, 3, 2], [2, 3, 10, 10, 27, 48], [1000, 3337], [1] * 12]
)
def test_shares_are_exact_and_in_order(weights):
    shares, total = Shares(weights), sum(weights)
    seen = Counter()
    for k in range(2 * total):
        assert shares.counts(k) == [seen[subset] for subset in range(len(weights))]
        assert max(abs(seen[j] - k * weight / total) for j, weight in enumerate(weights)) < 2
        subset, nth = shares[k]
        assert nth == seen[subset]
        seen[subset] += 1
    assert [seen[j] for j in range(len(weights))] == [2 * weight for weight in weights]


def test_shares_far_out():
    shares = Shares([48, 27, 10, 10, 3, 2])
    assert shares.counts(10**15) == [48 * 10**13, 27 * 10**13, 10**14, 10**14, 3 * 10**13, 2 * 10**13]
    subset, nth = shares[10**15]
    assert nth == shares.counts(10**15)[subset]


def test_shares_have_no_negative_index():
    with pytest.raises(IndexError, match="at least 0"):
        Shares([2, 1])[-1]


# The global order


def test_without_weights_an_epoch_is_everything_once(corpus):
    mixture = sequences(corpus, {}, seed=0, seq_len=4)
    assert mixture.subsets == ("books", "code", "web")
    everything = [
        open_subset(corpus, subset, 4)[i].tolist()
        for subset in mixture.subsets
        for i in range(len(open_subset(corpus, subset, 4)))
    ]
    order = first(mixture, 3 * 43)  # 25 + 10 + 8 sequences
    epochs = [order[:43], order[43:86], order[86:]]
    for epoch in epochs:
        assert sorted(epoch) == sorted(everything)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]  # shuffled anew
    assert mixture.epochs(86) == {"books": 2.0, "code": 2.0, "web": 2.0}


def test_against_a_naive_loader(corpus):
    """Count sequences by subset from the first one on, and look them up in lists."""
    weights = {"web": 0.5, "books": 0.3, "code": 0.2}
    mixture = sequences(corpus, weights, seed=5, seq_len=4)
    tokens = {"web": list(range(101)), "books": list(range(1000, 1042)), "code": list(range(2000, 2033))}
    pieces = {name: [t[i : i + 5] for i in range(0, len(t) - 4, 4)] for name, t in tokens.items()}
    seen = {name: [] for name in tokens}
    for i in range(200):
        sequence = mixture.dataset[i].tolist()
        subset = next(name for name in tokens if sequence[0] in tokens[name])
        seen[subset].append(sequence)
    assert {name: len(found) for name, found in seen.items()} == {"web": 100, "books": 60, "code": 40}
    for name, found in seen.items():
        size = len(pieces[name])
        for start in range(0, len(found) - size + 1, size):
            assert sorted(found[start : start + size]) == pieces[name]


def test_pinned_order(corpus):
    """A resumed run must see the order it began with, also under the next release of Grain."""
    mixture = sequences(corpus, {"web": 2, "books": 1}, seed=1, seq_len=4)
    assert [(mixture.describe(i).subset, mixture.describe(i).sequence) for i in range(9)] == [
        ("web", 23),
        ("books", 7),
        ("web", 15),
        ("web", 11),
        ("books", 8),
        ("web", 0),
        ("web", 4),
        ("books", 5),
        ("web", 2),
    ]


def test_seed_and_other_subsets(corpus):
    one = [mixture.describe(i).sequence for mixture in [sequences(corpus, {"web": 1}, 1, 4)] for i in range(25)]
    two = [mixture.describe(i).sequence for mixture in [sequences(corpus, {"web": 1}, 2, 4)] for i in range(25)]
    assert one != two
    assert sorted(one) == sorted(two) == list(range(25))
    both = sequences(corpus, {"web": 1, "code": 1}, 1, 4)
    assert [o.sequence for o in map(both.describe, range(50)) if o.subset == "web"] == one


def test_describe_by_hand(corpus):
    mixture = sequences(corpus, {"code": 1}, seed=0, seq_len=4)  # documents of 3 tokens
    index = next(i for i in range(8, 16) if mixture.describe(i).sequence == 2)
    origin = mixture.describe(index)
    assert mixture.dataset[index].tolist() == [2008, 2009, 2010, 2011, 2012]
    assert (origin.index, origin.subset, origin.epoch, origin.start, origin.length) == (index, "code", 1, 8, 5)
    assert [(d.id, d.row, d.offset, d.length) for d in origin.documents] == [
        (b"        code0002", 2, 2, 1),
        (b"        code0003", 3, 0, 3),
        (b"        code0004", 4, 0, 1),
    ]


def test_describe_leads_to_the_tokens(corpus):
    mixture = sequences(corpus, {"web": 0.7, "books": 0.2, "code": 0.1}, seed=9, seq_len=4)
    shards = {subset: TokenShards.open(corpus, subset) for subset in mixture.subsets}
    sizes = {subset: len(open_subset(corpus, subset, 4)) for subset in mixture.subsets}
    seen = Counter()
    for i in range(100):
        origin = mixture.describe(i)
        assert shards[origin.subset].read(origin.start, origin.length).tolist() == mixture.dataset[i].tolist()
        assert sum(document.length for document in origin.documents) == 5
        assert origin.epoch == seen[origin.subset] // sizes[origin.subset]
        seen[origin.subset] += 1


def test_epochs(corpus):
    mixture = sequences(corpus, {"web": 0.5, "books": 0.5, "code": 0.0}, seed=0, seq_len=4)
    assert mixture.counts(20) == {"books": 10, "web": 10}
    assert mixture.epochs(20) == {"books": 1.0, "web": 0.4}


def test_decimal_weights_are_exact(corpus):
    # the double nearest 0.7 is 1e-17 away from it
    mixture = sequences(corpus, {"web": 0.7, "books": 0.2, "code": 0.1}, seed=0, seq_len=4)
    assert mixture.counts(10) == {"books": 2, "code": 1, "web": 7}
    assert mixture.counts(10**18) == {"books": 2 * 10**17, "code": 10**17, "web": 7 * 10**17}


def test_held_out_is_not_trained_on(corpus):
    mixture = sequences(corpus, {}, seed=0, seq_len=4)
    assert max(token for sequence in first(mixture, 43) for token in sequence) < 3000
    assert open_subset(corpus, "held_out/web", 4)[0].tolist() == [3000, 3001, 3002, 3003, 3004]


def test_subsets_too_small_for_a_sequence(corpus):
    mixture = sequences(corpus, {}, seed=0, seq_len=41)
    assert mixture.subsets == ("books", "web")  # code has 33 tokens
    with pytest.raises(ValueError, match=r"without a whole sequence: \['code'\]"):
        sequences(corpus, {"web": 1, "code": 1}, seed=0, seq_len=41)
    with pytest.raises(ValueError, match="no subset has a whole sequence"):
        sequences(corpus, {}, seed=0, seq_len=500)


def test_weights_that_fit_nothing(corpus):
    with pytest.raises(ValueError, match=r"\['news'\]; sequences: \{'books': 10, 'code': 8, 'web': 25\}"):
        sequences(corpus, {"news": 1.0}, seed=0, seq_len=4)
    with pytest.raises(ValueError, match="no subset has a whole sequence and a weight"):
        sequences(corpus, {"web": 0.0}, seed=0, seq_len=4)


# Batches


@pytest.mark.parametrize(("start", "batch_size"), [(0, 1), (0, 7), (5, 3), (43, 43), (10**12, 2)])
def test_batches_are_slices_of_the_order(corpus, start, batch_size):
    mixture = sequences(corpus, {"web": 3, "books": 2}, seed=4, seq_len=4)
    found = list(islice(batches(mixture, start, batch_size), 4))
    assert all(batch.shape == (batch_size, 5) and batch.dtype == np.int32 for batch in found)
    expected = [mixture.dataset[i].tolist() for i in range(start, start + 4 * batch_size)]
    assert np.concatenate(found).tolist() == expected


def test_resume_with_another_batch_size(corpus):
    mixture = sequences(corpus, {}, seed=0, seq_len=4)
    whole = np.concatenate(list(islice(batches(mixture, 0, 6), 10)))
    before = list(islice(batches(mixture, 0, 6), 3))
    after = list(islice(batches(sequences(corpus, {}, seed=0, seq_len=4), 18, 14), 3))
    assert np.concatenate([*before, *after]).tolist() == whole.tolist()


def test_batches_refuse(corpus):
    mixture = sequences(corpus, {}, seed=0, seq_len=4)
    with pytest.raises(ValueError, match="got -1 and 2"):
        next(batches(mixture, -1, 2))
    with pytest.raises(ValueError, match="got 0 and 0"):
        next(batches(mixture, 0, 0))
