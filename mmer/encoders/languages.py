"""Languages by the codes that Whisper gives them, which are ISO 639-1's but for "jw", Javanese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ENGLISH: Mapping[str, str] = MappingProxyType({"en": "English"})
_HEARD_AND_READ = (
    "af Afrikaans, am Amharic, ar Arabic, as Assamese, az Azerbaijani, be Belarusian, bg Bulgarian, bn Bengali, br Breton, "
    "bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, el Greek, en English, es Spanish, et Estonian, eu Basque, "
    "fa Persian, fi Finnish, fr French, gl Galician, gu Gujarati, ha Hausa, he Hebrew, hi Hindi, hr Croatian, hu Hungarian, "
    "hy Armenian, id Indonesian, is Icelandic, it Italian, ja Japanese, jw Javanese, ka Georgian, kk Kazakh, km Khmer, kn Kannada, "
    "ko Korean, la Latin, lo Lao, lt Lithuanian, lv Latvian, mg Malagasy, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, "
    "ms Malay, my Burmese, ne Nepali, nl Dutch, no Norwegian, pa Punjabi, pl Polish, ps Pashto, pt Portuguese, ro Romanian, "
    "ru Russian, sa Sanskrit, sd Sindhi, si Sinhala, sk Slovak, sl Slovenian, so Somali, sq Albanian, sr Serbian, su Sundanese, "
    "sv Swedish, sw Swahili, ta Tamil, te Telugu, th Thai, tl Tagalog, tr Turkish, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese, "
    "yi Yiddish, zh Chinese"
)
HEARD_AND_READ: Mapping[str, str] = MappingProxyType(dict(pair.split(" ", 1) for pair in _HEARD_AND_READ.split(", ")))
"""Code -> name of those that Whisper base recognises and XLM-RoBERTa was trained on: 83 of the first one's 99."""
