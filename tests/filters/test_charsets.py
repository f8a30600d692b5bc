import pytest

from filters.charsets import decode

GERMAN = "Größe und Gewähr: die Brücke über den Fluß, schön für Fußgänger."
JAPANESE = "日本語の文章です。文字コードを調べます。"


def test_byte_order_mark_beats_every_label():
    assert decode(b"\xef\xbb\xbf" + GERMAN.encode(), "iso-8859-1") == GERMAN
    assert decode(b"\xff\xfe" + GERMAN.encode("utf-16-le"), "utf-8") == GERMAN
    assert decode(b"\xfe\xff" + GERMAN.encode("utf-16-be"), None) == GERMAN


@pytest.mark.parametrize("label", ["utf-16", "shift_jis", "no-such-charset", "iso-8859-1", None, ""])
def test_sound_utf8_beats_a_wrong_label(label):
    assert decode(GERMAN.encode(), label) == GERMAN


def test_utf8_cut_within_a_character_is_utf8():
    assert decode(JAPANESE.encode()[:-1]) == JAPANESE[:-1]


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


def test_detector_and_its_blind_spot():
    assert decode("안녕하세요 세계 여러분 반갑습니다".encode("euc-kr") * 5) == "안녕하세요 세계 여러분 반갑습니다" * 5


@pytest.mark.parametrize("data", [b"", b"\0\0\0", bytes(range(256)), b"\xff" * 50, b"\x1b$B", b"\xef\xbb\xbf"])
def test_anything_decodes_to_valid_text(data):
    decode(data, "utf-16", is_html=True).encode("utf-8")
