import gzip

import pytest

from filters.mojibake import repair

RIGHT = [
    "Le café était fermé … « déjà » ?",
    "Two “quoted” words … and 5 €",
    "Größe und Gewähr",
    "Русский текст",
    "Żółć i ąę",
    "日本語の文章",
]


def misread(text, codec="latin-1"):
    return text.encode().decode(codec)


@pytest.mark.parametrize("text", RIGHT)
def test_a_misread_line_is_repaired_and_a_right_one_stays(text):
    assert repair(misread(text)) == text
    assert repair(text) == text


def test_cp1252_is_undone_too():
    assert repair(misread("„5 €“ … déjà vu", "cp1252")) == "„5 €“ … déjà vu"
    assert repair("“quotedâ€¦") == "“quotedâ€¦"  # right and wrong within a line: not certain


def test_lines_are_repaired_apart():
    assert repair(f"plain\n{misread('café')}\ncafé\n\n{RIGHT[3]}") == f"plain\ncafé\ncafé\n\n{RIGHT[3]}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "SÃO PAULO",
        "voilÃ quelque chose",  # the byte A0 was lost as a blank: not certain
        "c artystÄ\x99 widzimy zwiÄ",  # cut within a letter
        "À “propos”",
        "lone \ud800 surrogate Ã©",
        "Ã",
        "\u00c3\u00a9" * 2 + "\ufffd",
    ],
)
def test_what_is_not_certain_stays(text):
    assert repair(text) == text


@pytest.mark.slow
def test_sentences_of_many_languages(shared):
    rows = gzip.decompress((shared / "langid" / "sentences.tsv.gz").read_bytes()).decode().splitlines()[1:]
    sentences = [row.partition("\t")[2] for row in rows[::3]]
    assert sum(repair(sentence) != sentence for sentence in sentences) <= 3  # mojibake as they came
    foreign = [sentence for sentence in sentences if not sentence.isascii()]
    back = [repair(misread(sentence)) for sentence in foreign]
    right = sum(a == b for a, b in zip(back, foreign, strict=True))
    wrong = sum(a not in (b, misread(b)) for a, b in zip(back, foreign, strict=True))
    assert right / len(foreign) > 0.97
    assert wrong == 0
