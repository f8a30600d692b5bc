"""What an extra brings, and whether it is here."""

from __future__ import annotations

from importlib import metadata

from pipeline.config import RecipeError


def installed_version(package: str) -> str:
    """The version of a package that the extra of the same name brings.

    Raises:
        RecipeError: It is not installed; the message has the command that brings it.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise RecipeError(f"this recipe needs {package}: pip install 'massivetext[{package}]'") from error
