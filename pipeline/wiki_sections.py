# ruff: noqa: RUF001
"""Names of the sections that are cut off articles.

Source: Borgeaud et al. 2022 (arXiv:2112.04426): references, external links, sources, further reading, see also,
citations, note. The English row adds the plurals and joint spellings that pages use, the other rows say the same in
other editions, the paper's ten languages among them.

A single word may be another language's heading of something else (Czech "Literatura" is literature in Spanish), so it
counts in its own edition, English ones everywhere; several words count everywhere, since some dumps name a wrong
language.
"""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = (
    "references|reference|external links|external link|sources|source|further reading|see also|citations|note|notes"
    "|notes and references|references and notes|notes and citations|citations and references"
    "|sources and further reading|references and further reading|external links and references"
)
_OTHERS: Final = {
    "ar": "مراجع|المراجع|مصادر|المصادر|وصلات خارجية|روابط خارجية|انظر أيضا|انظر أيضًا|هوامش|ملاحظات|قراءة متعمقة",
    "bg": "източници|бележки|външни препратки|вижте също|литература",
    "ca": "referències|notes i referències|notes|enllaços externs|vegeu també|bibliografia|fonts",
    "cs": "reference|poznámky|externí odkazy|odkazy|související články|literatura|zdroje",
    "da": "referencer|noter|fodnoter|kilder|eksterne henvisninger|eksterne links|se også|litteratur",
    "de": "einzelnachweise|weblinks|weblink|literatur|quellen|siehe auch|anmerkungen|fußnoten|belege"
    "|anmerkungen und einzelnachweise|einzelnachweise und anmerkungen|quellen und einzelnachweise"
    "|weblinks und literatur|literatur und weblinks|weiterführende literatur",
    "el": "παραπομπές|υποσημειώσεις|σημειώσεις|εξωτερικοί σύνδεσμοι|δείτε επίσης|πηγές|βιβλιογραφία",
    "es": "referencias|notas|notas y referencias|referencias y notas|enlaces externos|enlace externo|véase también"
    "|vea también|bibliografía|fuentes|lectura adicional|lecturas adicionales|bibliografía adicional",
    "fa": "منابع|پانویس|یادداشت‌ها|پیوند به بیرون|جستارهای وابسته",
    "fi": "lähteet|viitteet|aiheesta muualla|katso myös|kirjallisuutta",
    "fr": "références|notes|notes et références|références et notes|liens|liens externes|lien externe|voir aussi"
    "|voir également|bibliographie|annexes|articles connexes|sources|sources et références|pour approfondir",
    "he": "הערות שוליים|קישורים חיצוניים|ראו גם|לקריאה נוספת|מקורות|ביבליוגרפיה",
    "hi": "सन्दर्भ|संदर्भ|बाहरी कड़ियाँ|इन्हें भी देखें|यह भी देखें",
    "hu": "jegyzetek|források|hivatkozások|külső hivatkozások|további információk|kapcsolódó szócikkek|irodalom"
    "|lásd még",
    "id": "referensi|catatan|catatan kaki|pranala luar|lihat pula|lihat juga|bacaan lanjutan|sumber|daftar pustaka",
    "it": "note|riferimenti|collegamenti|collegamenti esterni|altri progetti|voci correlate|pagine correlate"
    "|bibliografia|fonti",
    "ja": "脚注|注釈|出典|参考文献|関連文献|外部リンク|関連項目",
    "ko": "각주|주석|출처|참고 문헌|참고문헌|외부 링크|같이 보기|더 읽기",
    "ltg": "nūruodis|nūruodis i olūti|olūti|izavierīņs|verīs taipoš",
    "nl": "referenties|noten|voetnoten|bronnen|bronvermelding|externe links|externe link|zie ook|literatuur",
    "nb|no": "referanser|fotnoter|noter|kilder|eksterne lenker|se også|litteratur",
    "pl": "przypisy|uwagi|źródła|bibliografia|linki zewnętrzne|zobacz też|literatura",
    "pt": "referências|notas|notas e referências|ligações externas|ver também|fontes|bibliografia|leitura adicional",
    "ro": "note|referințe|note și referințe|legături externe|vezi și|bibliografie|surse|lectură suplimentară",
    "ru": "примечания|сноски|ссылки|литература|см. также|смотрите также|источники|примечания и ссылки",
    "sv": "referenser|noter|fotnoter|källor|externa länkar|se även|litteratur|vidare läsning",
    "sw": "marejeo|tanbihi|viungo vya nje|tazama pia|vyanzo",
    "tr": "kaynakça|kaynaklar|notlar|dış bağlantılar|ayrıca bakınız|konuyla ilgili yayınlar",
    "uk": "примітки|виноски|посилання|джерела|література|див. також",
    "ur": "حوالہ جات|بیرونی روابط|مزید دیکھیے|مزید پڑھیے",
    "vi": "tham khảo|chú thích|ghi chú|liên kết ngoài|xem thêm|đọc thêm|nguồn",
    "zh": "参考文献|參考文獻|参考资料|參考資料|参考来源|參考來源|注释|註釋|脚注|腳註|来源|來源|外部链接|外部連結"
    "|外部連接|参见|參見|参看|參看|延伸阅读|延伸閱讀|相关条目|相關條目",
}
_ALL: Final = frozenset(name for names in (_ENGLISH, *_OTHERS.values()) for name in names.split("|"))
_EVERYWHERE: Final = frozenset(_ENGLISH.split("|")) | {name for name in _ALL if " " in name}
_OF_EDITION: Final = {
    "en": _EVERYWHERE,
    **{
        language: _EVERYWHERE.union(names.split("|"))
        for languages, names in _OTHERS.items()
        for language in languages.split("|")
    },
}


def dropped_sections(language: str) -> frozenset[str]:
    """Names of the sections to cut, in lower case.

    Args:
        language: Of the wiki, as its dump has it. Where it is empty or has no names here, those of all count.
    """
    return _OF_EDITION.get(language, _ALL)
