"""The quickstart on its real pages, trained for a few steps: the same counts and the same tokens on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_run import manifest, massivetext

from pipeline.quickstart_run import token_digest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SHORT = ("--set", "train.steps=4", "--set", "train.warmup_steps=2", "--set", "train.min_bits_per_byte_below_unigram=-9")
SHORT += ("--set", "retro.max_keys=64")

COUNTS = {  # (in, kept, dropped) of each stage and subset
    "crawl": {"massiveweb": (379, 318, {"robots": 61})},
    "extract": {
        "github": (
            12624,
            605,
            {"empty": 628, "encoding": 1, "extension": 5279, "generated": 13, "max_bytes": 2593, "not_a_file": 3505},
        ),
        "manuals": (656, 656, {}),
        "massiveweb": (640, 267, {"not_response": 322, "status": 51}),
    },
    "filter": {
        "github": (605, 605, {}),
        "manuals": (656, 595, {"language": 1, "language_score": 60}),
        "massiveweb": (
            267,
            121,
            {
                "alphabetic_word_fraction": 1,
                "bullet_line_fraction": 16,
                "duplicate_5gram_char_fraction": 58,
                "duplicate_7gram_char_fraction": 2,
                "duplicate_9gram_char_fraction": 1,
                "duplicate_line_fraction": 30,
                "language": 1,
                "language_score": 30,
                "num_stop_words": 1,
                "num_words": 6,
            },
        ),
    },
    "dedup": {"github": (605, 605, {}), "manuals": (595, 585, {"near_duplicate": 10}), "massiveweb": (121, 121, {})},
    "decontaminate": {
        "github": (605, 605, {}),
        "manuals": (585, 575, {"contaminated": 10}),
        "massiveweb": (121, 121, {}),
    },
    "tokens": {"github": (605, 605, {}), "manuals": (575, 575, {}), "massiveweb": (121, 121, {})},
}
TOKEN_DIGEST = "4cd16eff488869ef"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("quickstart") / "out"
    return out, massivetext("quickstart", "--out", str(out), *SHORT).stdout


def test_counts_and_tokens_are_the_same_everywhere(finished: tuple[Path, str]) -> None:
    out, _ = finished
    for stage, expected in COUNTS.items():
        counts = manifest(out, stage)["counts"]
        assert {subset: (row["in"], row["kept"], row["dropped"]) for subset, row in counts.items()} == expected, stage
    assert token_digest(str(out)) == TOKEN_DIGEST


def test_the_evaluation_text_is_found_among_the_manuals(finished: tuple[Path, str]) -> None:
    found = json.loads(
        massivetext("inspect", str(finished[0]), "--verdict", "dropped", "--stage", "decontaminate", "--json").stdout
    )
    assert "intro/tutorial01.txt" in {row["source"].removeprefix("manuals/") for row in found}


def test_it_says_what_came_of_it(finished: tuple[Path, str]) -> None:
    out, said = finished
    for line in ("documents kept", "dropped by filter: num_words", "held-out bits per byte", "64 of 79,797 chunks"):
        assert line in said
    assert TOKEN_DIGEST in said
    assert (out / "report" / "index.html").exists()


def test_a_model_that_learnt_too_little_fails(finished: tuple[Path, str]) -> None:
    asked = ("--set", "train.min_bits_per_byte_below_unigram=0.7")
    done = massivetext("quickstart", "--out", str(finished[0]), *SHORT, *asked, check=False)
    assert done.returncode == 1
    assert "below the unigram" in done.stderr
