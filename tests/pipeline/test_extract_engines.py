"""[extract] engine: which text a page gives, and what the stage's digest says of it."""

from __future__ import annotations

import pytest
from warc_builder import pack, read, response

from filters.extraction import read_page
from pipeline import extras
from pipeline.config import Recipe, RecipeError
from pipeline.stages import plan

PARAGRAPH = b"<p>A paragraph that is long enough to be content, with commas, clauses, and a second sentence. It ends."
BODY = b"<html><title>T</title><nav><a href=/>Menu</a></nav><article>" + PARAGRAPH * 3 + b"</article></html>"


@pytest.mark.parametrize("engine", ["blocks", "resiliparse", "trafilatura"])
def test_the_reader_hands_the_engine_on(tmp_path, engine):
    if engine == "trafilatura":
        pytest.importorskip("trafilatura")
    (record,) = read(tmp_path / "file.warc.gz", pack(response(1, body=BODY)), engine=engine)
    assert record.document.text == read_page(BODY, engine=engine).text
    assert "a second sentence" in record.document.text
    assert "Menu" not in record.document.text


def extract_stage(root, **section):
    (root / "a.txt").write_text("text")
    part = {"subset": "books", "format": "text", "root": str(root), "paths": ["a.txt"]}
    recipe = Recipe.model_validate({"input": [part], "extract": section, "apply": {"language": []}})
    return next(stage for stage in plan(recipe, "out") if stage.name == "extract")


def test_trafilatura_is_named_by_its_release(tmp_path, monkeypatch):
    monkeypatch.setattr(extras.metadata, "version", lambda package: {"trafilatura": "2.3.1"}[package])
    planned = extract_stage(tmp_path, engine="trafilatura")
    assert planned.config["trafilatura"] == "2.3.1"
    monkeypatch.setattr(extras.metadata, "version", lambda package: {"trafilatura": "2.4.0"}[package])
    assert extract_stage(tmp_path, engine="trafilatura").digest != planned.digest
    assert "trafilatura" not in extract_stage(tmp_path, engine="blocks").config


def test_without_trafilatura_its_recipe_is_refused_with_the_command_that_helps(tmp_path, monkeypatch):
    def missing(package):
        raise extras.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(extras.metadata, "version", missing)
    with pytest.raises(RecipeError, match=r"needs trafilatura: pip install 'massivetext\[trafilatura\]'"):
        extract_stage(tmp_path, engine="trafilatura")
