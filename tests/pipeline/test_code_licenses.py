"""Licence texts, licence files and their places, SPDX headers and expressions."""

from __future__ import annotations

import pytest
from license_texts import BSD_2, BSD_3, GPL_NOTICE, ISC, MIT, UNLICENSE

from pipeline.code_licenses import License, TreeLicenses, header_license, identify, is_license_file
from pipeline.config import ExtractConfig
from pipeline.spdx_expressions import ExpressionError, permits

ALLOWED = ExtractConfig().licenses
NO_LICENSE = License("", is_allowed=False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (MIT, ("MIT",)),
        (MIT.replace("\n", "\n// ").upper(), ("MIT",)),
        (MIT.replace("MIT License", "The license of this"), ("MIT",)),
        (MIT + "\nThe Software shall be used for Good, not Evil.\n", ()),
        (BSD_2, ("BSD-2-Clause",)),
        (BSD_3, ("BSD-3-Clause",)),
        (ISC, ("ISC",)),
        (ISC.replace(", provided that the above\ncopyright notice and this permission notice appear in all copies", ""),
         ("0BSD",)),
        (UNLICENSE, ("Unlicense",)),
        (MIT + "\n\n" + BSD_3, ("BSD-3-Clause", "MIT")),
        (MIT + "\nAnd now for something else. " * 100, ()),  # added terms: it is no longer the plain licence
        (GPL_NOTICE, ("GPL-3.0-or-later",)),
        ("", ()),
    ],
)  # fmt: skip
def test_identify(text: str, names: tuple[str, ...]) -> None:
    assert identify(text) == names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("LICENSE", True), ("a/license", True), ("a/b/COPYING.LESSER", True), ("LICENSE-MIT", True),
        ("a/LICENCE.md", True), ("UNLICENSE", True), ("MIT-LICENSE.txt", True), ("LICENSE.APACHE", True),
        ("license.py", False), ("a/license.rs", False), ("a/licenses.py.in/x", False), ("README", False),
        ("LICENSE.rst", True), ("LICENSE.html", True), ("LICENSE.cc0", True), ("LICENSE.py.txt", True),
        ("LICENSES/MIT.txt", True), ("a/LICENSES/CC0-1.0.txt", True), ("LICENSES/a/MIT.txt", False), ("MIT.txt", False),
        ("sublicense", False), ("THIRD-PARTY-LICENSES", False), ("LICENSE-3rdparty.txt", False),
    ],
)  # fmt: skip
def test_license_files(path: str, expected: bool) -> None:
    assert is_license_file(path) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"LICENSE": MIT}, License("MIT", True)),
        ({"LICENSE-MIT": MIT, "LICENSE-BSD": BSD_3}, License("BSD-3-Clause OR MIT", True)),
        ({"LICENSE": MIT + "\n\n" + BSD_3}, License("BSD-3-Clause AND MIT", True)),
        ({"LICENSE": MIT + "\n\n" + BSD_3, "COPYING": ISC}, License("(BSD-3-Clause AND MIT) OR ISC", True)),
        ({"LICENSE": MIT, "COPYING": GPL_NOTICE}, License("GPL-3.0-or-later OR MIT", False)),
        ({"LICENSE": MIT, "LICENSE.other": "unknown words " * 100}, License("MIT", True)),
        ({"LICENSE": "unknown words " * 100}, NO_LICENSE),
        ({}, NO_LICENSE),
    ],
)
def test_texts_beside_each_other(texts: dict[str, str], expected: License) -> None:
    licenses = TreeLicenses(ALLOWED)
    for name, text in texts.items():
        licenses.add(f"root/{name}", text)
    assert licenses.of("root/src/deep/a.py") == licenses.of("root/a.py") == expected
    assert licenses.of("a.py") == NO_LICENSE


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"LICENSES/MIT.txt": MIT}, License("MIT", True)),
        ({"LICENSES/MIT.txt": MIT, "LICENSES/ISC.txt": ISC}, License("ISC AND MIT", True)),
        ({"LICENSES/MIT.txt": MIT, "LICENSES/GPL.txt": GPL_NOTICE}, License("GPL-3.0-or-later AND MIT", False)),
        ({"LICENSES/MIT.txt": MIT, "LICENSES/LicenseRef-own.txt": "All rights reserved."},
         License("LicenseRef-unknown AND MIT", False)),
        ({"LICENSE": MIT, "LICENSES/GPL.txt": GPL_NOTICE}, License("MIT", True)),  # the GPL's files have headers
    ],
)  # fmt: skip
def test_a_folder_of_all_licences_of_a_tree(texts: dict[str, str], expected: License) -> None:
    licenses = TreeLicenses(ALLOWED)
    for name, text in texts.items():
        licenses.add(f"root/{name}", text)
    assert licenses.of("root/src/a.py") == expected
    licenses = TreeLicenses(ALLOWED)
    for name, text in texts.items():
        licenses.add(name, text)
    assert licenses.of("src/a.py") == licenses.of("a.py") == expected


def test_words_of_a_text_that_points_elsewhere_are_those_between_ascii_blanks() -> None:
    """Python 3.11 and 3.12 need not agree on what else is blank."""
    licenses = TreeLicenses(ALLOWED)
    licenses.add("LICENSE", "one\u3000word\x1c" * 200)
    licenses.add("LICENSES/MIT.txt", MIT)
    assert licenses.of("a.py") == License("MIT", True)


def test_what_is_not_in_the_list_is_refused() -> None:
    licenses = TreeLicenses(["ISC"])
    licenses.add("LICENSE", MIT)
    assert licenses.of("a.py") == License("MIT", False)


def test_an_unknown_text_holds_for_what_is_below_it_unless_it_is_short() -> None:
    licenses = TreeLicenses(ALLOWED)
    licenses.add("LICENSE", MIT)
    licenses.add("closed/LICENSE", "unknown words " * 100)
    licenses.add("pointer/LICENSE", "See the file above.")
    assert licenses.of("closed/a.py") == NO_LICENSE
    assert licenses.of("pointer/a.py") == License("MIT", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# SPDX-License-Identifier: MIT\n", License("MIT", True)),
        ("/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */\n", License("GPL-2.0 OR BSD-3-Clause", True)),
        ("<!-- SPDX-License-Identifier: (GPL-2.0 WITH note) -->", License("(GPL-2.0 WITH note)", False)),
        ("// SPDX-License-Identifier:Apache-2.0\r\n", License("Apache-2.0", True)),
        ("-- SPDX-License-Identifier: MIT AND Zlib\n", License("MIT AND Zlib", False)),
        ("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: GPL-2.0\n", License("(MIT) AND (GPL-2.0)", False)),
        ("# SPDX-License-Identifier: see the file LICENSE!\n", None),
        ("print('SPDX-License-Identifier')\n", None),
        ("x" * 4000 + "# SPDX-License-Identifier: MIT\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_headers(text: str, expected: License | None) -> None:
    assert header_license(text, ALLOWED) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True), ("mit", True), ("GPL-2.0", False), ("MIT OR GPL-2.0", True), ("GPL-2.0 or MIT", True),
        ("MIT AND GPL-2.0", False), ("MIT AND Apache-2.0", True), ("GPL-2.0 OR MIT AND ISC", True),
        ("(GPL-2.0 OR MIT) AND ISC", True), ("(GPL-2.0 OR MIT) AND GPL-3.0", False), ("MIT OR (GPL-2.0)", True),
        ("Apache-2.0 WITH LLVM-exception", True), ("Apache-2.0+", True), ("LicenseRef-Own", False),
        ("((((MIT))))", True),
    ],
)  # fmt: skip
def test_expressions(expression: str, expected: bool) -> None:
    assert permits(expression, ALLOWED) is expected


@pytest.mark.parametrize(
    "expression", ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT MIT", "MIT/Apache-2.0", "MIT WITH", "()", "(" * 9999]
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ExpressionError):
        permits(expression, ALLOWED)
