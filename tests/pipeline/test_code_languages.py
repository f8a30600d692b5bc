from __future__ import annotations

import pytest

from pipeline.code_languages import language_of


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("src/a.py", "", "Python"),
        ("A.PY", "", "Python"),
        ("a/Makefile", "", "Makefile"),
        ("CMakeLists.txt", "", "CMake"),
        ("Dockerfile", "", "Dockerfile"),
        ("README", "", "Text"),
        ("notes.txt", "", "Text"),
        ("a.h", "int f(void);\n", "C"),
        ("a.h", "#pragma once\nnamespace a {\nclass B;\n}\n", "C++"),
        ("a.h", "template <typename T>\nT f();\n", "C++"),
        ("a.h", "#import <Foundation/Foundation.h>\n@interface A : NSObject\n@end\n", "Objective-C"),
        ("a.m", "@implementation A\n@end\n", "Objective-C"),
        ("a.m", "function y = f(x)\n% doc\ny = x;\nend\n", "MATLAB"),
        ("a.m", "(* Mathematica *)\nf[x_] := x^2\n", "Wolfram Language"),
        ("a.pl", "use strict;\nmy $x = 1;\n", "Perl"),
        ("a.pl", "parent(X, Y) :- child(Y, X).\n", "Prolog"),
        ("a.ts", "export const a = 1;\n", "TypeScript"),
        ("a.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n', "XML"),
        ("a.v", "module m(input clk);\nendmodule\n", "Verilog"),
        ("a.v", "Theorem t : True.\nProof. exact I. Qed.\n", "Coq"),
        ("a.ml", "let rec f x = f x\n", "OCaml"),
        ("a.ml", "structure S = struct end\n", "Standard ML"),
        ("a.fs", "#version 330\nvoid main() {}\n", "GLSL"),
        ("a.r", "x <- 1\n", "R"),
        ("htop.1", ".TH HTOP 1\n", "Roff"),
        ("data.1", "1 2 3\n", ""),
        ("bin/tool", "#!/usr/bin/env python3\n", "Python"),
        ("bin/tool", "#!/bin/bash -e\n", "Shell"),
        ("bin/tool", "#!/usr/bin/env -S deno run\n", "JavaScript"),
        ("bin/tool", "#!/usr/local/bin/perl5.36\n", "Perl"),
        ("bin/tool", "#!\n", ""),
        ("bin/tool", "text\n", ""),
        ("a.unknown", "#!/bin/sh\n", "Shell"),
        (".hidden", "", ""),
        ("", "", ""),
    ],
)
def test_by_name_extension_content_and_first_line(path: str, text: str, language: str) -> None:
    assert language_of(path, text) == language
