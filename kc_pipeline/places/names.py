"""Business names: one form for comparison, and how alike two names are.

The registers write one name in many ways: legal and trade names, 'dba', departments of a shop ('Price Chopper (deli)'),
store and permit numbers, a host ('Treat America @ Commerce Bank').  `normalize_name` takes away what says nothing about
who does business there; `name_similarity` compares what is left word by word, so that generic words count little.
"""

import re
import unicodedata
from contextlib import suppress
from functools import lru_cache

from rapidfuzz import fuzz

# Words that many businesses share; a match in these alone is no match.
_GENERIC = frozenset(
    """
    AND AT BY DE DEL EL FOR IN LA LAS LOS NO NUMBER OF ON THE
    KANSAS CITY KC KCMO MISSOURI MO USA AMERICA MIDWEST DOWNTOWN NORTH SOUTH EAST WEST
    BAKERY BAR BARBECUE BBQ BISTRO BREWERY BUFFET BURGERS CAFE CAFETERIA CARRYOUT CART CATERING CHICKEN COFFEE CONCESSION
    CONCESSIONS CONVENIENCE COURT DELI DINER DRINKS EATERY EXPRESS FOOD FOODS FUEL GAS GROCERY GRILL GRILLE HOUSE ICE INN
    KIOSK KITCHEN LIQUOR LIQUORS LOUNGE MARKET MART MEAT MEXICAN MINI PACKAGE PETROLEUM PHARMACY PIZZA PIZZERIA PRODUCE PUB
    QUICK RESTAURANT RESTAURANTS RETAIL ROOM SALOON SEAFOOD SHOP SNACK STAND STATION STOP STORE STORES SUPERMARKET TAP
    TAQUERIA TAVERN TRUCK VENDING WINE
    ASSOCIATES CENTER CENTRE CLUB ENTERPRISE ENTERPRISES GROUP HALL HOLDINGS HOTEL INVESTMENTS MANAGEMENT MOTEL
    PARTNERS PLAZA PROPERTIES REALTY SALES SALON SERVICE SERVICES SHOPPE SOLUTIONS SPA STUDIO SUITES SUPPLY
    CHURCH ELEMENTARY HIGH SCHOOL
    """.split()  # noqa: SIM905  (a list of a hundred quoted words is harder to read)
)
_GENERIC_WEIGHT, _NUMBER_WEIGHT = 0.2, 0.05
_SAME_WORD = 82.0  # of 100: a slip of the pen in a word of six letters
_SAME_LETTERS = 0.92  # of 1: the same for whole names without blanks
_OVERLAP_SHARE = 0.6  # of the score; the rest is how much of the longer name is covered
_LEGAL_FORM = re.compile(r"\b(?:LLC|LC|INC|INCORPORATED|CORP|CORPORATION|CO|COMPANY|LTD|LIMITED|LP|LLP|PLLC)\b")
_TRAILING_FORM = re.compile(r"(?:\s(?:PC|PA))+$")
_PERMIT_NUMBER = re.compile(r"(?<=\S)\s\d{5,}$")
_TRADING_AS = re.compile(r"\bD\s?[/.]?\s?B\s?[/.]?\s?A\b\.?")
_CARE_OF = re.compile(r"^C\s?/\s?O\b.*$")
_HOST = re.compile(r"(?<=\S)\s*@.*$")
_DEPARTMENT_WORD = (
    "(?:BAKERY|BAR|CAFETERIA|CATERING|COFFEE|COURT|DELI|FOOD|GROCERY|KITCHEN|MARKET|MEAT|PERMIT|PRODUCE|RESTAURANT|RETAIL|SEAFOOD"
    "|SEASONAL|SHOP)"
)
_DEPARTMENT = re.compile(rf"(?<=\S)\s*(?:\(\s*{_DEPARTMENT_WORD}(?:[\s/&]+{_DEPARTMENT_WORD})*\s*\)|-\s*{_DEPARTMENT_WORD})\s*(?=\d*\s*$)")
_STORE_NUMBER = re.compile(r"#\s*\w*\d\w*")
_MOJIBAKE = re.compile("[\u00c2\u00c3\u00e2]")  # how a letter of two or three bytes begins when it is read as Windows-1252
_ASIDE = re.compile(r"\([^)]*\)")


@lru_cache(maxsize=200_000)
def normalize_name(name: str) -> str:
    """A business name for comparison.

    Upper case without accents, punctuation, legal form, 'the', trailing permit number, department and host; `&` and `+`
    are AND; of 'X dba Y' only Y.  A name that would leave nothing is kept whole.
    """
    text = _plain(name)
    trade_name = _TRADING_AS.split(text)[-1].strip() or text
    return _reduce(_HOST.sub("", _DEPARTMENT.sub(" ", trade_name))) or _words(text)


@lru_cache(maxsize=200_000)
def name_variants(name: str) -> tuple[str, ...]:
    """What a name may be called elsewhere, in comparable form: both sides of a 'dba' and of a '/', without store numbers."""
    variants: dict[str, None] = {}
    for side in _TRADING_AS.split(_plain(name)):
        text = _HOST.sub("", _DEPARTMENT.sub(" ", _CARE_OF.sub("", side.strip())))
        text = _ASIDE.sub(" ", _STORE_NUMBER.sub(" ", text)) or text
        for part in (text, *(text.split("/") if "/" in text else ())):
            reduced = _reduce(part)
            if reduced and (part is text or not _is_generic(reduced)):
                variants[reduced] = None
    return tuple(variants)


def name_similarity(left: str, right: str) -> float:
    """How alike two names are, 0 to 1; 1 means that nothing but spelling rules, legal form or store number differs."""
    pairs = [(a, b) for a in name_variants(left) for b in name_variants(right)]
    return max((_similarity(*sorted(pair)) for pair in pairs), default=0.0)


@lru_cache(maxsize=200_000)
def _similarity(left: str, right: str) -> float:
    if left.replace(" ", "") == right.replace(" ", ""):
        return 1.0
    a, b = _weights(left, right), _weights(right, left)
    shared = _shared_weight(a, b)
    whole = sorted((sum(a.values()), sum(b.values())))
    by_word = _OVERLAP_SHARE * shared / whole[0] + (1 - _OVERLAP_SHARE) * shared / whole[1]
    # 'QUIK TRIP' and 'QUICKTRIP': words run together differently, and little else.
    run_together = fuzz.ratio(left.replace(" ", ""), right.replace(" ", "")) / 100
    return max(min(by_word, 1.0), run_together if run_together >= _SAME_LETTERS else 0.0)


def _shared_weight(a: dict[str, float], b: dict[str, float]) -> float:
    """Weight of the words of `a` that `b` has too, spelling slips allowed; each word is used once."""
    pairs = [
        (1.0 if x == y else fuzz.ratio(x, y) / 100, x, y)
        for x in a
        for y in b
        if x == y or (min(len(x), len(y)) >= 4 and fuzz.ratio(x, y) >= _SAME_WORD)
    ]
    shared, used_a, used_b = 0.0, set(), set()
    for alike, x, y in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if x not in used_a and y not in used_b:
            shared += alike * min(a[x], b[y])
            used_a.add(x)
            used_b.add(y)
    return shared


def _weights(text: str, other: str) -> dict[str, float]:
    """Words of a name with what each counts; where either name has generic words alone, each counts in full."""
    words = text.split()
    if _is_generic(text) or _is_generic(other):
        return dict.fromkeys(words, 1.0)
    weights = {w: _NUMBER_WEIGHT if w.isdigit() else _GENERIC_WEIGHT if w in _GENERIC else 1.0 for w in words}
    return weights | {words[0]: 1.0} if words[0].isdigit() else weights  # '1914 MAIN' is not '2016 MAIN'


def _is_generic(text: str) -> bool:
    return all(word.isdigit() or word in _GENERIC for word in text.split())


def _plain(name: str) -> str:
    """Upper case, without accents; UTF-8 that was read as Windows-1252 on its way here is read again."""
    if _MOJIBAKE.search(name):
        with suppress(UnicodeError):
            name = name.encode("cp1252").decode("utf-8")
    letters = unicodedata.normalize("NFKD", name.replace("\u2019", "'")).upper()
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^A-Z0-9 ]", " ", re.sub(r"\s*[&+]\s*", " AND ", text.replace("'", ""))).split())


def _reduce(text: str) -> str:
    words = _words(text)
    words = re.sub(r"\b((?!AND)\w{3,}) S\b", r"\1S", words)  # 'ELVIRA S CAKES'
    words = re.sub(r"\b(?:[A-Z] )+[A-Z]\b", lambda letters: letters[0].replace(" ", ""), words)  # 'L L C', 'K C FUDGE'
    words = " ".join(_LEGAL_FORM.sub(" ", words).split())
    words = _PERMIT_NUMBER.sub("", _TRAILING_FORM.sub("", words))
    return re.sub(r"^THE (?=\S)|(?<=\S) (?:THE|AND)$", "", words).strip()
