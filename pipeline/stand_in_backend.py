"""A build backend that builds nothing: it hands pip the metadata a source distribution already carries.

pip asks for a source distribution's metadata even to store the archive, and so runs its build: lxml's then stops on a
machine without libxml2, and the others first fetch setuptools and Cython (tried: 3 to 6 s each; with this 1 to 4 s).
``pipeline.asset_download`` copies this file to a folder as ``setuptools/build_meta.py`` and puts that first on the path
of pip's hook process, so that no code of the archive runs. It stands alone there: nothing but the standard library.
"""

from __future__ import annotations

import email
import os
import sys
from typing import Any


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Copy ``PKG-INFO`` of the current folder, a source tree, as wheel metadata (hook of PEP 517).

    Returns:
        The new folder's name below ``metadata_directory``.
    """
    with open("PKG-INFO", "rb") as stream:
        metadata = stream.read()
    headers = email.message_from_bytes(metadata)
    project = headers["Name"].replace("-", "_").replace(".", "_")
    folder = f"{project}-{headers['Version']}.dist-info"
    os.mkdir(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "wb") as stream:
        stream.write(metadata)
    return folder


__legacy__ = sys.modules[__name__]  # what pip names when pyproject.toml states no backend, as lxml's
