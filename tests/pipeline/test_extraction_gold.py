from collections import Counter
from pathlib import Path

import pytest

from pipeline.extraction_gold import read_gold, site_of
from pipeline.train_block_classifier import NUM_FOLDS, fold_of


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.example.com/a?b", "example.com"),
        ("https://news.bbc.co.uk/1", "bbc.co.uk"),
        ("http://a.b.de/", "b.de"),
        ("https://anna.blogspot.com/x", "anna.blogspot.com"),
        ("https://example.co/", "example.co"),
        ("", ""),
    ],
)
def test_sites(url, site):
    assert site_of(url) == site


def test_gold_pages(shared: Path):
    pages = read_gold(shared)
    kinds = Counter(page.source for page in pages)
    # 775 of the archive and 257 of the folder have 127 addresses in common
    assert kinds["wcxb"] == 775 + 257 - 127
    assert (kinds["aeb"], kinds["mh_forum"], kinds["mh_article"], kinds["readability"]) == (91, 50, 57, 62)
    assert len({page.name for page in pages}) == len(pages)
    for page in pages:
        assert page.html.decode("utf-8")
        assert page.text or page.source in ("wcxb", "traf")  # fourteen pages of WCXB have no reference text
        assert page.site
    assert {fold_of(page.site) for page in pages} == set(range(NUM_FOLDS))


def test_a_folder_without_sources_has_no_pages(tmp_path: Path):
    assert read_gold(tmp_path) == []
