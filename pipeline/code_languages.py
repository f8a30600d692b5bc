"""The programming language of a source file, by name, extension, first line and, where these leave it open, content.

Names are those of GitHub's linguist.
"""

from __future__ import annotations

import re
from typing import Final

_EXTENSIONS: Final = """
Ada: adb ads
Assembly: asm s nasm
Awk: awk
Batchfile: bat cmd
C: c h cats
C#: cs csx
C++: cc cpp cxx c++ hh hpp hxx h++ inl ipp tcc tpp
CMake: cmake
COBOL: cbl cob cpy
CSS: css
CSV: csv tsv
Clojure: clj cljc cljs edn
CoffeeScript: coffee
Common Lisp: lisp lsp asd
Crystal: cr
Cuda: cu cuh
Cython: pyx pxd pxi
D: d di
Dart: dart
Diff: diff patch
Elixir: ex exs
Elm: elm
Emacs Lisp: el
Erlang: erl hrl
F#: fs fsi fsx
Fortran: f f77 f90 f95 f03 f08 for
GLSL: glsl vert frag comp
Gettext Catalog: po pot
Go: go
Gradle: gradle
GraphQL: graphql gql
Groovy: groovy
HCL: hcl tf tfvars
HTML: html htm xhtml
HTML+ERB: erb
Handlebars: hbs handlebars mustache
Haskell: hs lhs
INI: ini cfg conf properties
JSON: json jsonl webmanifest
Java: java
JavaScript: js cjs mjs jsx es6
Jinja: jinja jinja2 j2
Julia: jl
Jupyter Notebook: ipynb
Kotlin: kt kts
Less: less
Lex: l lex
Lua: lua
M4: m4 ac
MATLAB: m
Makefile: mk mak am
Markdown: md markdown mdx
Nim: nim nims
Nix: nix
OCaml: ml mli mll mly
Objective-C++: mm
Org: org
PHP: php phtml php5
Pascal: pas dpr lpr
Perl: pl pm t pod
PowerShell: ps1 psm1 psd1
Prolog: pro prolog
Protocol Buffer: proto
Pug: pug jade
Python: py pyi pyw
R: r rmd
RDoc: rdoc
Racket: rkt
Roff: 1 2 3 4 5 6 7 8 man
Ruby: rb rake gemspec ru
Rust: rs
SCSS: scss sass
SQL: sql
SVG: svg
Scala: scala sbt sc
Scheme: scm ss sld
Shell: sh bash zsh ksh bats
Smalltalk: st
Solidity: sol
Svelte: svelte
Swift: swift
SystemVerilog: sv svh
TOML: toml
Tcl: tcl
TeX: tex sty cls bib
Text: txt
Thrift: thrift
TypeScript: ts tsx mts cts
VHDL: vhd vhdl
Verilog: v
Vim Script: vim
Visual Basic .NET: vb
Vue: vue
WebAssembly: wat wast
XML: xml xsd xsl xslt rng wsdl plist csproj vcxproj props targets
YAML: yaml yml
Yacc: y yy
Zig: zig
reStructuredText: rst rest
"""
_FILES: Final = {
    "Dockerfile": "dockerfile containerfile",
    "Makefile": "makefile gnumakefile",
    "CMake": "cmakelists.txt",
    "Ruby": "rakefile gemfile vagrantfile podfile guardfile brewfile",
    "Python": "sconstruct sconscript wscript",
    "Groovy": "jenkinsfile",
    "Shell": ".bashrc .bash_profile .profile .zshrc",
    "M4": "configure.ac",
    "Starlark": "build build.bazel workspace bazel.build",
    "Go Module": "go.mod",
    "Ignore List": ".gitignore .dockerignore .npmignore",
    "EditorConfig": ".editorconfig",
    "Text": "readme license licence copying authors changelog contributing news todo install notice",
}
_INTERPRETERS: Final = {
    "Shell": "sh bash dash zsh ksh bats",
    "Python": "python pypy",
    "Perl": "perl",
    "Ruby": "ruby rake jruby",
    "JavaScript": "node nodejs deno bun",
    "PHP": "php",
    "Lua": "lua luajit",
    "Awk": "awk gawk mawk",
    "Tcl": "tclsh wish",
    "R": "rscript",
    "Groovy": "groovy",
    "Julia": "julia",
    "OCaml": "ocaml",
    "Haskell": "runhaskell runghc stack",
    "Scala": "scala",
    "Elixir": "elixir",
    "Erlang": "escript",
    "Makefile": "make",
    "Fish": "fish",
    "PowerShell": "pwsh",
    "Raku": "raku perl6",
    "Scheme": "guile csi",
    "Clojure": "clojure bb",
    "Crystal": "crystal",
}
_BY_EXTENSION: Final = {
    extension: language
    for language, _, extensions in (line.partition(": ") for line in _EXTENSIONS.strip().split("\n"))
    for extension in extensions.split()
}
_BY_FILE: Final = {name: language for language, names in _FILES.items() for name in names.split()}
_BY_INTERPRETER: Final = {name: language for language, names in _INTERPRETERS.items() for name in names.split()}

_OBJECTIVE_C = (
    r"^[ \t]*(?:@(?:interface|class|protocol|property|end|synchronized|selector|implementation|import)\b|#import[ \t])"
)
_CPP = (
    r"^[ \t]*(?:template[ \t]*<|class[ \t]+\w+[^;\n]*[:{]?$|namespace\b|using[ \t]+(?:namespace|\w+[ \t]*=)"
    r"|(?:private|public|protected):|#include[ \t]*<(?:iostream|vector|string|map|memory|cstd\w+|algorithm|utility)>)"
    r"|\bstd::\w"
)
_RULES: Final[dict[str, tuple[tuple[str, str], ...]]] = {  # extension -> (language, what a line of it has), in order
    "h": (("Objective-C", _OBJECTIVE_C), ("C++", _CPP)),
    "m": (
        ("Objective-C", _OBJECTIVE_C),
        ("Mercury", r":- module"),
        ("MATLAB", r"^[ \t]*(?:%|function\b)|^[ \t]*end(?:function)?[ \t;]*$"),
        ("Wolfram Language", r"^[ \t]*\(\*|\*\)$|:="),
    ),
    "mm": (("XML", r"^<\?xml"),),
    "pl": (("Prolog", r"^[^#\n]*:-|^:-"), ("Raku", r"^[ \t]*use[ \t]+v6\b"), ("Perl", r"")),
    "pm": (("Raku", r"^[ \t]*(?:use[ \t]+v6\b|unit[ \t]+(?:module|class)\b)"),),
    "t": (("Raku", r"^[ \t]*use[ \t]+v6\b"),),
    "pro": (("QMake", r"^[ \t]*(?:SOURCES|HEADERS|TEMPLATE|QT|CONFIG)[ \t]*[+\-]?="),),
    "r": (("Rebol", r"^[ \t]*REBOL[ \t]*\["),),
    "ts": (("XML", r"^<\?xml|<!DOCTYPE TS"),),
    "v": (
        ("Coq", r"^[ \t]*(?:Require|Theorem|Lemma|Proof|Definition|Inductive|Section|Qed)\b"),
        ("V", r"^(?:pub[ \t]+)?fn[ \t]+\w+.*\{"),
    ),
    "f": (("Forth", r"^: [^ \n]+ "),),
    "for": (("Forth", r"^: [^ \n]+ "),),
    "fs": (("GLSL", r"^[ \t]*(?:#version|precision|uniform|varying|vec[234])[ \t]"), ("Forth", r"^: [^ \n]+ ")),
    "cls": (("Apex", r"^[ \t]*(?:public|private|global)\b.*\bclass\b"), ("VBA", r"^VERSION 1\.0 CLASS|^Attribute VB_")),
    "d": (("Makefile", r"^[^\s:]{1,200}\.o[^:\n]{0,200}:(?:[ \t]|$)"),),
    "l": (("Common Lisp", r"^[ \t]*\((?:def|in-package)"), ("Roff", r"^\.(?:TH|Dd|SH) ")),
    "ml": (("Standard ML", r"^[ \t]*(?:structure|signature|functor|fun)\b"),),
    "cs": (("Smalltalk", r"^![\w ]+methodsFor:"),),
    "s": (("Assembly", r""),),
    "rs": (("XML", r"^<\?xml"),),
}
_COMPILED: Final = {
    extension: tuple((language, re.compile(pattern, re.MULTILINE | re.ASCII)) for language, pattern in rules)
    for extension, rules in _RULES.items()
}
_SHEBANG = re.compile(r"#![ \t]*([^ \t\r\n]+)(?:[ \t]+([^\r\n]*))?")
_VERSION = re.compile(r"[0-9.]+$")
_SAMPLE_CHARS: Final = 50_000  # of a file that content rules look at
_MANUAL = re.compile(r"^\.(?:TH|Dd|SH|so|\\\")", re.MULTILINE)


def language_of(path: str, text: str) -> str:
    """Name the language of a source file.

    Args:
        path: Within its tree; only the name at its end counts.
        text: Its content.

    Returns:
        A language in linguist's spelling; empty when it is not known.
    """
    name = path.rpartition("/")[2]
    name = name.lower() if name.isascii() else name
    stem, dot, extension = name.rpartition(".")
    if known := _BY_FILE.get(name):
        return known
    if not dot or not stem:
        return _by_shebang(text)
    sample = text[:_SAMPLE_CHARS]
    for language, pattern in _COMPILED.get(extension, ()):
        if pattern.search(sample):
            return language
    if len(extension) == 1 and extension in "12345678" and not _MANUAL.search(sample):
        return ""
    return _BY_EXTENSION.get(extension) or _by_shebang(text)


def _by_shebang(text: str) -> str:
    match = _SHEBANG.match(text)
    if match is None:
        return ""
    program, arguments = match[1].rpartition("/")[2], (match[2] or "").split()
    if program == "env":
        words = [word for word in arguments if not word.startswith("-") and "=" not in word]
        program = words[0].rpartition("/")[2] if words else ""
    program = _VERSION.sub("", program.lower())
    return _BY_INTERPRETER.get(program, "")
