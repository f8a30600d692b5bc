"""Which links of a wiki page show no text: images and other media, categories, and the page in other languages."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from pipeline.letter_case import lower

# Names of files' and categories' namespaces in large editions, for dumps that do not name their own.
NO_TEXT_PREFIXES: Final = frozenset(
    name
    for names in (
        "file|image|media|category|datei|bild|kategorie|fichier|catégorie|archivo|imagen|categoría|immagine|categoria",
        "bestand|afbeelding|categorie|ficheiro|imagem|plik|grafika|kategoria|fil|kategori|файл|изображение|категория",
        "зображення|категорія|ファイル|画像|カテゴリ|文件|檔案|图像|圖像|分类|分類|파일|그림|분류|ملف|صورة|تصنيف|پرونده|رده",
        "קובץ|תמונה|קטגוריה|tập tin|hình|thể loại|berkas|dosya|resim|tiedosto|kuva|luokka|soubor|fájl|kép|kategória",
        "αρχείο|εικόνα|κατηγορία|fișier|slika|kategorija|चित्र|श्रेणी|زمرہ",
    )
    for name in names.split("|")
)
# What may be shown or heard, and ends no article's title behind a namespace's name.
_MEDIA: Final = re.compile(
    r".*\.(?:jpe?g|png|gif|svg|tiff?|webp|bmp|xcf|djvu|pdf|stl|og[agv]|opus|mp[34]|mpe?g|webm|wav|flac|midi?)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
# Editions of Wikipedia by the names that links use: Wikimedia's list of Wikipedias, with closed ones and old names.
_EDITIONS: Final = frozenset(
    name
    for names in (
        "aa|ab|ace|ady|af|ak|als|alt|am|ami|an|ang|ann|anp|ar|arc|ary|arz|as|ast|atj|av|avk|awa|ay|az|azb|ba|ban",
        "bar|bat-smg|bbc|bcl|bdr|be|be-tarask|be-x-old|bew|bg|bh|bi|bjn|blk|bm|bn|bo|bpy|br|bs|btm|bug|bxr|ca",
        "cbk-zam|cdo|ce|ceb|ch|cho|chr|chy|ckb|co|cr|crh|cs|csb|cu|cv|cy|cz|da|dag|de|dga|din|diq|dk|dsb|dtp|dty",
        "dv|dz|ee|el|eml|en|eo|es|et|eu|ext|fa|fat|ff|fi|fiu-vro|fj|fo|fon|fr|frp|frr|fur|fy|ga|gag|gan|gcr|gd|gl",
        "glk|gn|gom|gor|got|gpe|gsw|gu|guc|gur|guw|gv|ha|hak|haw|he|hi|hif|ho|hr|hsb|ht|hu|hy|hyw|hz|ia|iba|id|ie",
        "ig|igl|ii|ik|ilo|inh|io|is|it|iu|ja|jam|jbo|jp|jv|ka|kaa|kab|kbd|kbp|kcg|kg|kge|ki|kj|kk|kl|km|kn|knc|ko",
        "koi|kr|krc|ks|ksh|ku|kus|kv|kw|ky|la|lad|lb|lbe|lez|lfn|lg|li|lij|lld|lmo|ln|lo|lrc|lt|ltg|lv|lzh|mad|mai",
        "map-bms|mdf|mg|mh|mhr|mi|min|minnan|mk|ml|mn|mni|mnw|mo|mos|mr|mrj|ms|mt|mus|mwl|my|myv|mzn|na|nah|nan",
        "nap|nb|nds|nds-nl|ne|new|ng|nia|nl|nn|no|nov|nqo|nr|nrm|nso|nup|nv|ny|oc|olo|om|or|os|pa|pag|pam|pap|pcd",
        "pcm|pdc|pfl|pi|pih|pl|pms|pnb|pnt|ps|pt|pwn|qu|rki|rm|rmy|rn|ro|roa-rup|roa-tara|rsk|ru|rue|rup|rw|sa|sah",
        "sat|sc|scn|sco|sd|se|sg|sgs|sh|shi|shn|si|simple|sk|skr|sl|sm|smn|sn|so|sq|sr|srn|ss|st|stq|su|sv|sw|syl",
        "szl|szy|ta|tay|tcy|tdd|te|tet|tg|th|ti|tig|tk|tl|tly|tn|to|tpi|tr|trv|ts|tt|tum|tw|ty|tyv|udm|ug|uk|ur|uz",
        "ve|vec|vep|vi|vls|vo|vro|wa|war|wo|wuu|xal|xh|xmf|yi|yo|yue|za|zea|zgh|zh|zh-cfr|zh-classical|zh-min-nan",
        "zh-yue|zu",
    )
    for name in names.split("|")
)


def shows_no_text(target: str, prefixes: Collection[str]) -> bool:
    """Whether a link shows no text of the page.

    Args:
        target: As it stands in the markup; one that begins with a colon is a link like any other.
        prefixes: Lower-case names of the file and category namespaces.
    """
    prefix, colon, name = target.strip(" \n").partition(":")
    if not prefix or not colon:
        return False
    is_another_edition = prefix in _EDITIONS and not name.startswith(" ")  # titles are written "Re: ..." and "CSI: ..."
    return is_another_edition or lower(prefix.strip(" _")) in prefixes or _MEDIA.fullmatch(name) is not None
