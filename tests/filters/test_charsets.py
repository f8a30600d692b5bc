import gzip
from collections import defaultdict

import pytest

from filters.charsets import decode
from filters.extraction import main_text

GERMAN = "Größe und Gewähr: die Brücke über den Fluß, schön für Fußgänger."
JAPANESE = "日本語の文章です。文字コードを調べます。"
LANGUAGES = {
    "cp1252": "de fr es it nl pt sv da fi",
    "iso8859-2": "pl cs hu",
    "cp1250": "pl cs hu",
    "cp1251": "ru bg uk",
    "koi8-r": "ru",
    "koi8-u": "uk",
    "iso8859-5": "ru bg",
    "cp866": "ru",
    "cp1253": "el",
    "cp1254": "tr",
    "cp1255": "he",
    "cp1256": "ar fa",
    "cp1257": "lt lv et",
    "cp1258": "vi",
    "cp874": "th",
    "cp932": "ja",
    "euc_jp": "ja",
    "iso2022_jp": "ja",
    "cp949": "ko",
    "gb18030": "zh",
    "big5": "zh",
}


def test_byte_order_mark_beats_every_label():
    assert decode(b"\xef\xbb\xbf" + GERMAN.encode(), "iso-8859-1") == GERMAN
    assert decode(b"\xff\xfe" + GERMAN.encode("utf-16-le"), "utf-8") == GERMAN
    assert decode(b"\xfe\xff" + GERMAN.encode("utf-16-be"), None) == GERMAN


@pytest.mark.parametrize("label", ["utf-16", "shift_jis", "no-such-charset", "iso-8859-1", None, ""])
def test_sound_utf8_beats_a_wrong_label(label):
    assert decode(GERMAN.encode(), label) == GERMAN


def test_utf32_is_not_taken_for_utf16():
    assert decode(b"\xff\xfe\0\0" + GERMAN.encode("utf-32-le")) == GERMAN
    assert decode(b"\0\0\xfe\xff" + GERMAN.encode("utf-32-be"), "utf-16") == GERMAN


def test_utf8_cut_within_a_character_is_utf8():
    assert decode(JAPANESE.encode()[:-1]) == JAPANESE[:-1]
    assert decode(b"caf\xc3", "utf-8") == "caf"
    assert decode(b"<meta charset=utf-8>caf\xc3", is_html=True) == "<meta charset=utf-8>caf"
    assert decode(b"caf\xe9") == "café"  # no label: Latin-1 as likely


@pytest.mark.parametrize("label", ["utf-8", "iso-8859-1", "shift_jis", None])
def test_a_bad_byte_in_two_characters_does_not_make_utf8_another_character_set(label):
    text = "“It rained”, he said, "
    assert decode(text.encode() + b"\xc3 ok", label) == text + "\ufffd ok"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("so “lala”".encode() + b"\xe9 \xe9", "so “lala”\ufffd \ufffd"),  # two whole, two bad: on the edge
        ("Ü ".encode() + GERMAN.encode("cp1252"), "Ãœ " + GERMAN),  # one whole
        (b"the world\xe2\x80 s", "the world\ufffd s"),  # the only one, cut behind its second byte
        (b"na\xefve", "naïve"),
    ],
)
def test_how_many_bad_bytes_a_label_of_utf8_bears(data, text):
    assert decode(data, "utf-8") == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("so “lala”".encode() + b"\xe9!", "so “lala”\ufffd!"),  # two whole, one bad: on the edge
        ("so la”".encode() + b"\xe9 ", "so laâ€\ufffdé "),
        (b"the world\xe2\x80 s", "the worldâ€ s"),
    ],
)
def test_how_many_bad_bytes_utf8_bears_under_another_label(data, text):
    assert decode(data, "iso-8859-1") == text


def test_replacement_characters_of_the_pages_own_are_sound():
    text = "\ufffd \ufffd “quotes”"
    assert decode(text.encode() + b"\xff", "iso-8859-1") == text + "\ufffd"


@pytest.mark.parametrize("label", ["iso-8859-1", "utf-8", "utf-16", None])
def test_a_stray_nul_is_no_sign_of_utf16(label):
    page = GERMAN.encode() + b"\0"
    assert decode(page, label) == GERMAN + "\0"
    assert main_text(b"<p>" + page + b"</p>", label) == GERMAN
    assert decode((GERMAN.encode("cp1252") + b"\0") * 5, "iso-8859-1") == (GERMAN + "\0") * 5


def test_utf16_without_a_mark_is_not_utf8():
    assert decode(GERMAN.encode("utf-16-le"), "utf-16") == GERMAN
    assert "Fluß" in decode(GERMAN.encode("utf-16-le"))
    assert "Fluss" in decode(b"<p>Ein Fluss ist ein Gewaesser.".decode().encode("utf-16-be"))


@pytest.mark.parametrize(
    ("codec", "label", "text"),
    [
        ("cp1252", "ISO-8859-1", GERMAN),
        ("shift_jis", "Shift_JIS", JAPANESE),
        ("euc_jp", '"euc-jp"', JAPANESE),
        ("koi8-r", "koi8-r", "Русский текст в старой кодировке"),
        ("iso2022_jp", "iso-2022-jp", JAPANESE),  # seven bits: it would pass as UTF-8
    ],
)
def test_transport_label(codec, label, text):
    assert decode(text.encode(codec), label) == text


def test_meta_element_counts_only_for_html_and_after_the_header():
    page = f'<html><head><META http-equiv=x content="text/html; charset = koi8-r"></head>{"Русский язык. " * 20}'
    data = page.encode("koi8-r")
    assert decode(data, None, is_html=True) == page
    assert decode(data, "cp1251", is_html=True) != page  # the header's word counts first, right or wrong


def test_false_utf8_label_does_not_win_and_one_bad_byte_does_not_discredit_a_true_one():
    assert decode(GERMAN.encode("cp1252") * 5, "utf-8") == GERMAN * 5
    assert decode(GERMAN.encode() * 5 + b"\xff", "utf-8") == GERMAN * 5 + "\ufffd"


def test_meta_utf16_that_was_read_as_ascii_is_not_believed():
    page = f'<meta charset="utf-16">{GERMAN}'
    assert decode(page.encode("cp1252"), None, is_html=True) == page


def test_python_only_codecs_are_no_labels():
    assert decode(b"a\\u0041\xe9", "unicode_escape") == "a\\u0041é"


LETTERS = {  # a sentence and the character sets that its letters fit
    "안녕하세요 세계 여러분 반갑습니다. 오늘은 날씨가 좋습니다.": ["euc_kr", "cp949"],
    JAPANESE: ["shift_jis", "euc_jp", "iso2022_jp"],
    "这是一个中文句子、用来测试字符编码的检测。": ["gb18030", "gbk"],
    "這是一個中文句子、用來測試字元編碼的偵測。": ["big5"],
    "Русский текст в старой кодировке, который надо узнать.": ["koi8-r", "cp1251", "cp866", "iso8859-5"],
    "Žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis.": ["cp1257"],
    "Zażółć gęślą jaźń, mówi się po polsku od wieków.": ["iso8859-2", "cp1250"],
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.": ["cp1253"],  # noqa: RUF001
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.": ["cp1255"],
    "ทุกคนเกิดมามีอิสระและเสมอภาคกันในศักดิ์ศรี": ["cp874"],
    GERMAN: ["cp1252"],
}
SCRIPTS = b"<html><head><script>var x = function(a, b) {return a + b;};</script></head><ul>" + b"<li>Home</li>" * 2000


@pytest.mark.parametrize(("text", "codec"), [(text, codec) for text, codecs in LETTERS.items() for codec in codecs])
def test_letters_tell_the_character_set_even_below_kilobytes_of_scripts(text, codec):
    data = text.encode(codec)
    assert decode(data) == text
    assert text in decode(SCRIPTS + b"<p>" + data + b"</p></html>", None, is_html=True)


def test_two_letters_are_read_as_browsers_read_them():
    page = "<ul><li>Net Café</li><li>© 2008</li></ul>"
    assert decode(page.encode("cp1252"), "utf-8", is_html=True) == page


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("Shift_JIS", "cp932", "①番の㈱日本語です"),  # signs that shift_jis lacks
        ("euc-kr", "cp949", "똠방각하 펲시콜라"),  # syllables that EUC-KR lacks
        ("gb2312", "gb18030", "朱镕基的名字"),
        ("big5", "big5hkscs", "香港嘅廣東話"),
        ("iso-8859-1", "cp1252", "“Quotes” cost 5 €"),
        ("tis-620", "cp874", "ทุกคน “เกิดมา”"),
    ],
)
def test_labels_mean_what_vendors_made_of_them(label, codec, text):
    assert decode(text.encode(codec), label) == text


@pytest.mark.slow
def test_detection_rates(shared):
    """Six sentences each in 24 legacy character sets; chardet's release decides, so the bound leaves it some room."""
    sentences = defaultdict(list)
    rows = gzip.decompress((shared / "langid" / "sentences.tsv.gz").read_bytes()).decode().splitlines()
    for language, _, sentence in (row.partition("\t") for row in rows):
        sentences[language].append(sentence)
    right = total = 0
    for codec, languages in LANGUAGES.items():
        for language in languages.split():
            own = sentences[language]
            for start in range(0, len(own) - 5, 6):
                text = "\n".join(own[start : start + 6])
                data = text.encode(codec, "ignore")
                if data.decode(codec) == text and not text.isascii():
                    total += 1
                    right += decode(data) == text
    assert total > 400
    assert right / total > 0.93


@pytest.mark.parametrize("data", [b"", b"\0\0\0", bytes(range(256)), b"\xff" * 50, b"\x1b$B", b"\xef\xbb\xbf"])
def test_anything_decodes_to_valid_text(data):
    decode(data, "utf-16", is_html=True).encode("utf-8")
