"""Language identification by heliport, a port of HeLI-OTS (220 languages): better than lid.176.ftz, 0.9 GB a process.

Source: Jauhiainen, Jauhiainen and Linden 2022, "HeLI-OTS, Off-the-shelf Language Identifier for Text" (LREC).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from filters.fasttext_labels import exponential
from filters.language import LanguageDetector

# heliport speaks ISO 639-3; these are the codes of lid.176: ISO 639-1 where there is one, and Wikipedia's of a few.
CODES: Final = {
    "abk": "ab", "afr": "af", "amh": "am", "ara": "ar", "asm": "as", "ayr": "ay", "aze": "az", "bak": "ba",
    "bel": "be", "ben": "bn", "bod": "bo", "bre": "br", "bul": "bg", "cat": "ca", "ces": "cs", "che": "ce",
    "chv": "cv", "cmn": "zh", "cor": "kw", "cos": "co", "cym": "cy", "dan": "da", "deu": "de", "div": "dv",
    "ell": "el", "eng": "en", "epo": "eo", "est": "et", "eus": "eu", "ewe": "ee", "fao": "fo", "fij": "fj",
    "fin": "fi", "fra": "fr", "fry": "fy", "gaz": "om", "gla": "gd", "gle": "ga", "glg": "gl", "glv": "gv",
    "grn": "gn", "gsw": "als", "guj": "gu", "hat": "ht", "hbs": "sh", "heb": "he", "hin": "hi", "hmo": "ho",
    "hun": "hu", "hye": "hy", "ibo": "ig", "ido": "io", "iku": "iu", "ina": "ia", "isl": "is", "ita": "it",
    "jpn": "ja", "kal": "kl", "kan": "kn", "kat": "ka", "kaz": "kk", "khm": "km", "kir": "ky", "kmr": "ku",
    "knc": "kr", "kor": "ko", "kpv": "kv", "lao": "lo", "lat": "la", "lav": "lv", "lin": "ln", "lit": "lt",
    "ltz": "lb", "lug": "lg", "mal": "ml", "mar": "mr", "mkd": "mk", "mlg": "mg", "mlt": "mt", "mon": "mn",
    "mri": "mi", "msa": "ms", "mya": "my", "nav": "nv", "nep": "ne", "nhn": "nah", "nld": "nl", "nno": "nn",
    "nob": "no", "oci": "oc", "ori": "or", "oss": "os", "pan": "pa", "pbt": "ps", "pes": "fa", "pli": "pi",
    "pol": "pl", "por": "pt", "que": "qu", "roh": "rm", "ron": "ro", "rus": "ru", "sag": "sg", "sin": "si",
    "slk": "sk", "slv": "sl", "sme": "se", "sna": "sn", "snd": "sd", "som": "so", "sot": "st", "spa": "es",
    "sqi": "sq", "srd": "sc", "swa": "sw", "swe": "sv", "tam": "ta", "tat": "tt", "tel": "te", "tgk": "tg",
    "tgl": "tl", "tha": "th", "tir": "ti", "tso": "ts", "tuk": "tk", "tur": "tr", "twi": "tw", "uig": "ug",
    "ukr": "uk", "urd": "ur", "uzn": "uz", "vie": "vi", "vol": "vo", "wln": "wa", "yid": "yi", "yor": "yo",
    "zul": "zu",
}  # fmt: skip

_SAME: Final = (  # those that have no shorter code
    "ace adz aii ame amr arl arn bar bcl boa bpy cbu cdo ceb chk cho chr chy ckb cnh dik diq ext fon gom hsb hus huu "
    "ilo izh kac kbd kbp kca koi krc ksh liv lmo lud luo lus mcd mcf mdf mhr mns mrj mwl myv nio nso nus olo pag pam "
    "pfl pms pnb pon sah sat scn sgs shk shn sjd sjk sju sma smj smn sms tca tet tzh udm ura vls vot war xmf yrk"
)
LANGUAGES: Final = tuple(sorted((*CODES.values(), *_SAME.split(" "))))  # all that a text may be found to be in

_NONE: Final = ("und", "zxx")  # below the language's own threshold; no letters
_LN_10: Final = 2.302585092994046


class HeliportDetector(LanguageDetector):
    """heliport over whole columns, on one thread. Not picklable: load one in each worker.

    It takes the standards of Serbo-Croatian (``sh``) as one language, and Malay and Indonesian (``ms``).
    """

    def __init__(self) -> None:
        """Load the models out of the package, in about a second.

        Raises:
            ImportError: heliport, an extra, is not installed.
        """
        from heliport import Identifier  # an extra

        self._identifier = Identifier()

    def identify(self, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
        """See ``LanguageDetector``.

        The score is 1 / (1 + 10**-c), above 0.5. c is HeLI's confidence: by how many powers of ten, for the mean word
        of the text, the language is likelier than the next one. It tells how near the next language is: of good
        Norwegian it is low, since there is Danish. Texts below a language's own threshold, which HeLI sets between 0
        and 3.3, are null; so a bound of 0.5, which keeps all others, is a sound one.
        """
        found = [self._identifier.identify_with_score(line) if line else ("zxx", 0.0) for line in lines.to_pylist()]
        labels = [None if name in _NONE else CODES.get(name, name) for name, _ in found]
        scores = np.array([1.0 / (1.0 + exponential(-confidence * _LN_10)) for _, confidence in found], np.float32)
        is_none = np.array([label is None for label in labels], np.bool_)
        return pa.array(labels, pa.string()), pa.array(scores, pa.float32(), mask=is_none)
