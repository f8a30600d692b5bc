"""Source files that nobody of the tree wrote: copies of others' code, and what programs wrote.

Own rules after the lists of GitHub's linguist (``vendor.yml``, ``generated.rb``).
"""

from __future__ import annotations

import re
from typing import Final

REPOSITORY_FOLDERS: Final = frozenset({".git", ".hg", ".svn", ".bzr", "CVS"})
_VENDOR_FOLDERS: Final = frozenset(
    name
    for names in (
        "vendor|vendors|vendored|_vendor|vendored_packages|third_party|third-party|thirdparty|3rdparty|3rd_party",
        "3rd-party|extern|external|externals|node_modules|bower_components|jspm_packages|site-packages|dist-packages",
        "Godeps|Carthage|Pods|.yarn|.bundle|.venv|venv|virtualenv|.tox|.eggs|__pycache__|.gradle|.mvn|debian|elm-stuff",
    )
    for name in names.split("|")
)
_VENDOR_FILES = re.compile(
    r"(?:configure|config\.(?:guess|sub|rpath)|aclocal\.m4|libtool\.m4|lt(?:options|sugar|version|~obsolete)\.m4"
    r"|ltmain\.sh|install-sh|missing|depcomp|mkinstalldirs|compile|ylwrap|test-driver|gradlew(?:\.bat)?"
    r"|mvnw(?:\.cmd)?|ez_setup\.py|versioneer\.py|waf|cpplint\.py|erlang\.mk|rebar|dotnet-install\.(?:ps1|sh)"
    r"|(?:jquery|bootstrap|angular|react|vue|d3|lodash|underscore|backbone|modernizr|prototype|mootools|dojo|ember"
    r"|require|raphael|highlight|normalize|font-?awesome|animate|foundation|skeleton)"
    r"(?:[-.](?:ui|core|slim|min|bundle|umd|dev|prod|all|pack|v?[0-9][0-9.]*))*\.(?:js|css|less|scss))",
    re.ASCII,
)

_GENERATED_FOLDERS: Final = frozenset({"__generated__", "htmlcov", "generated-sources", ".ipynb_checkpoints"})
_GENERATED_FILES = re.compile(
    r"(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|deno\.lock|composer\.lock"
    r"|Gemfile\.lock|[Cc]argo\.lock|Cargo\.toml\.orig|poetry\.lock|Pipfile\.lock|pdm\.lock|uv\.lock|pixi\.lock"
    r"|conda-lock\.yml|go\.sum|go\.work\.sum|Gopkg\.lock|glide\.lock|flake\.lock|mix\.lock|pubspec\.lock|Podfile\.lock"
    r"|Package\.resolved|packages\.lock\.json|gradle\.lockfile|MODULE\.bazel\.lock|\.terraform\.lock\.hcl|esy\.lock"
    r"|.+\.(?:map|snap|pb\.go|pb\.cc|pb\.h|pb\.swift|pbxproj|nib|xib|xcworkspacedata|xcuserstate|storyboard|rbi"
    r"|designer\.(?:cs|vb)|feature\.cs|g\.(?:cs|dart)|freezed\.dart|tlb|dsp|dsw)"
    r"|.+_pb2(?:_grpc)?\.pyi?|.+_pb\.(?:js|d\.ts)|.+[-.]min\.(?:js|css)|.+\.bundle\.js)",
    re.ASCII,
)
_SIGNATURE = re.compile(
    r"@generated\b|\bdo[ _]not[ _]edit\b|\b(?:auto(?:matically)?[- ]?generated)\b|\bgenerated (?:by|from|with|using)\b"
    r"|\bmachine generated\b|\bcode generated\b.*\bdo not\b|\bcompiled by\b.*\b(?:coffeescript|babel|typescript)\b",
    re.IGNORECASE | re.ASCII,
)
_COMMENT = re.compile(
    r"[ \t]*(?:#|//|/\*|\*|--|;|<!--|%|\"\"\"|'''|\(\*|\{-|!|\.\.|\.\\\"|@rem|rem )", re.IGNORECASE | re.ASCII
)
_GENERATED_LINES: Final = 20  # at the head of a file, where generators sign
_SOURCE_MAP = re.compile(r"^(?://|/\*)[#@] sourceMappingURL=", re.MULTILINE)

# Characters a line; Codex (arXiv:2107.03374) drops files above either, here both are asked for: prose has long lines.
_MINIFIED_MEAN: Final = 100
_MINIFIED_LONGEST: Final = 1_000


def unwanted_path(path: str) -> str | None:
    """Why a file is dropped by its path alone.

    Returns:
        ``version_control``, ``vendored`` (others' code under others' licences), ``generated`` (lock files too), or
        None.
    """
    *folders, name = path.split("/")
    if not REPOSITORY_FOLDERS.isdisjoint((*folders, name)):
        return "version_control"
    if not _VENDOR_FOLDERS.isdisjoint(folders) or _VENDOR_FILES.fullmatch(name):
        return "vendored"
    if not _GENERATED_FOLDERS.isdisjoint(folders) or _GENERATED_FILES.fullmatch(name):
        return "generated"
    return None


def unwanted_content(text: str) -> str | None:
    """Why a file is dropped by its content: ``generated``, ``minified``, or None.

    A generator's signature must stand in a comment of the first 20 lines; a program that writes one lower down is kept.
    """
    lines = text.split("\n")
    if any(_COMMENT.match(line) and _SIGNATURE.search(line[:1000]) for line in lines[:_GENERATED_LINES]):
        return "generated"
    if _SOURCE_MAP.search(text[-2_000:]):
        return "generated"
    is_dense = len(text) > _MINIFIED_MEAN * len(lines) and max(map(len, lines)) > _MINIFIED_LONGEST
    return "minified" if is_dense else None
