"""Fixtures of the filters' tests."""

import pytest

from pipeline import assets


@pytest.fixture(scope="session")
def language_model_path() -> str:
    """lid.176.ftz in the assets' cache. Tests bring nothing over the network: without it they are skipped."""
    try:
        return assets.path("lid.176.ftz")
    except assets.AssetError as error:
        pytest.skip(str(error))
