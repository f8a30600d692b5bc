from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import RecipeError, digest
from pipeline.recipe import load_recipe

MINIMAL = '[[input]]\nsubset = "news"\nformat = "jsonl"\npaths = ["news/*.jsonl"]\n'


def write(folder: Path, text: str) -> str:
    path = folder / "recipe.toml"
    path.write_text(text)
    return str(path)


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, MINIMAL))
    assert (recipe.signatures.num_perm, recipe.signatures.ngram, recipe.dedup.bands) == (200, 13, 20)
    assert recipe.tokenizer.vocab_size == 32_000
    assert recipe.apply.applies("quality", "massiveweb")
    assert not recipe.apply.applies("quality", "news")
    assert recipe.apply.applies("language", "github")
    assert not recipe.apply.applies("dedup", "wikipedia")


def test_input_paths_start_from_the_recipe_or_the_input_root(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    assert load_recipe(path).input[0].root == str(tmp_path)
    assert load_recipe(path, input_root="/data").input[0].root == "/data"
    assert load_recipe(path, input_root="s3://bucket/raw").input[0].root == "s3://bucket/raw"


def test_override(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    recipe = load_recipe(
        path, ["signatures.num_perm=256", "dedup.bands=32", "run.runner=prism", "apply.dedup=['news']"]
    )
    assert (recipe.signatures.num_perm, recipe.dedup.bands, recipe.run.runner) == (256, 32, "prism")
    assert recipe.apply.dedup == ("news",)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (MINIMAL + "[dedup]\nband = 3\n", [], r"unknown key dedup\.band; known here: bands, min_jaccard"),
        (MINIMAL, ["filter.bounds.num_words.low=nan"], r"filter\.bounds\.num_words\.low: .* finite number"),
        (MINIMAL, ["train.learning_rate=inf"], "finite number"),
        (MINIMAL, ["filter.rules=gopher"], r'filter\.rules: a list is wanted, as \["gopher"\]; got "gopher"'),
        (MINIMAL, ["filter.rules=gopher,c4"], r'filter\.rules: a list is wanted, as \["gopher", "c4"\]; got "gop'),
        (MINIMAL, ["filter.bounds.num_words=50"], r"a table is wanted, as { low = \.\.\. }, keys low, high; got 50"),
        (MINIMAL, ["filter.bounds=[50]"], r"filter\.bounds: a table is wanted, as { name = \.\.\. }; got \[50\]"),
        (MINIMAL + "[dedupe]\n", [], r"unknown key dedupe; known here: apply, .*dedup"),
        (MINIMAL, ["dedup.bands=7"], r"bands must divide \[signatures\] num_perm; got bands=7, num_perm=200"),
        (MINIMAL, ["dedup=3"], r"--set wants section\.key=value"),
        (MINIMAL, ["corpus.held_out_fraction=1.5"], r"corpus\.held_out_fraction"),
        (MINIMAL + "[mixture]\nweights = { book = 1 }\n", [], r"\[mixture\] weights names unknown subsets \['book'\]"),
        (MINIMAL.replace("jsonl", "pdf", 1), [], r"input\.0\.format"),
        (MINIMAL.replace('paths = ["news/*.jsonl"]', ""), [], r"give paths, or from_crawl = true"),
        ("[run", [], r"is not TOML"),
        (MINIMAL + '[crawl]\nseeds = ["http://a.test/"]\nuser_agent = "bot"\n', [], r"must name product and contact"),
    ],
)
def test_refusals_say_what_is_wrong(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, text), overrides)


def test_unknown_key_of_an_input_lists_the_inputs_keys(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown key input\.0\.path; known here: fields, format"):
        load_recipe(write(tmp_path, MINIMAL + 'path = "x"\n'))


def test_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(str(tmp_path / "none.toml"))


def test_digest_is_of_content_not_order() -> None:
    # sha256('{"a":1,"b":[1,2]}')[:16], computed with sha256sum
    assert digest({"b": [1, 2], "a": 1}) == digest({"a": 1, "b": [1, 2]})
    assert digest({"a": 1, "b": [1, 2]}) == "8baa73198470c7bb"
    assert digest({"a": 1}) != digest({"a": 2})


@pytest.mark.parametrize("name", ["sample", "massivetext", "quickstart"])
def test_shipped_recipes_are_valid(name: str) -> None:
    load_recipe(str(Path(__file__).parents[2] / "pipeline" / "recipes" / f"{name}.toml"))


def test_models_given_as_paths_start_from_the_recipe(tmp_path: Path) -> None:
    own = '[signals]\nlanguage_model = "models/mine.ftz"\n[retro]\nencoder = "hash"\n'
    recipe = load_recipe(write(tmp_path, MINIMAL + own))
    assert recipe.signals.language_model == str(tmp_path / "models" / "mine.ftz")
    assert recipe.retro.encoder == "hash"
