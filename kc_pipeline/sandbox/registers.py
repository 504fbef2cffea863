"""Who does business where: licences, food permits and dangerous buildings of the synthetic city, with true parcels.

What the city publishes about them, with displaced points and misspelt names, is in `published_registers`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import generator, pick
from kc_pipeline.sandbox.layout import Layout

FULL_CITY_LICENSE_ROWS, FULL_CITY_PERMITS, FULL_CITY_DANGEROUS = 28_000, 3_700, 2_400
EXPRESS_STOP_NAME = "EXPRESS STOP"
_REPEATED_SHARE, _AWAY_SHARE, _HOME_SHARE = 0.07, 0.40, 0.35
# Businesses on a commercial lot at scale 1: NAICS wording, how many, kind of food permit (or None), words for names.
STREET_TYPES: tuple[tuple[str, int, str | None, str], ...] = (
    ("Gasoline Stations with Convenience Stores", 180, "Retail Grocery/Market", "GAS MART|QUICK FUEL|EXPRESS MART|STATION"),
    ("Convenience Retailers", 140, "Retail Grocery/Market", "CORNER STORE|MINI MART|QUICK SHOP|MARKET"),
    ("Beer Wine and Liquor Retailers", 160, None, "LIQUOR|WINE AND SPIRITS|PACKAGE STORE"),
    ("Drinking Places (Alcoholic Beverages)", 240, "Bar/Tavern", "TAVERN|TAP ROOM|LOUNGE|BAR AND GRILL"),
    ("Hotels (except Casino Hotels) and Motels", 120, None, "INN|MOTEL|HOTEL|SUITES"),
    ("Coin-Operated Laundries and Drycleaners", 120, None, "LAUNDROMAT|COIN LAUNDRY|WASHETERIA"),
    ("Full-Service Restaurants", 1100, "Restaurant/Deli", "GRILL|KITCHEN|CAFE|DINER|BAR B Q"),
    ("Limited-Service Restaurants", 900, "Restaurant/Deli", "BURGERS|CHICKEN|TACOS|PIZZA|DELI"),
    ("Supermarkets and Other Grocery Retailers (except Convenience Retailers)", 165, "Retail Grocery/Market", "SUPERMARKET|FOODS|GROCERY"),
    ("Snack and Nonalcoholic Beverage Bars", 200, "Restaurant/Deli", "COFFEE|JUICE BAR|ICE CREAM"),
    ("Beauty Salons", 694, None, "BEAUTY SALON|HAIR STUDIO|STYLES"),
    ("Barber Shops", 156, None, "BARBER SHOP|CUTS"),
    ("Nail Salons", 114, None, "NAILS|NAIL SPA"),
    ("General Automotive Repair", 200, None, "AUTO REPAIR|AUTO SERVICE|GARAGE"),
    ("Used Car Dealers", 201, None, "AUTO SALES|MOTORS"),
    ("Clothing and Clothing Accessories Retailers", 219, None, "FASHIONS|CLOTHING"),
    ("All Other General Merchandise Retailers", 400, None, "DISCOUNT STORE|DOLLAR MART|VARIETY"),
    ("All Other Miscellaneous Retailers", 500, None, "GIFTS|SUPPLY|TRADING"),
    ("Offices of Real Estate Agents and Brokers", 294, None, "REALTY|PROPERTIES"),
    ("Insurance Agencies and Brokerages", 183, None, "INSURANCE|AGENCY"),
    ("Engineering Services", 169, None, "ENGINEERING|ASSOCIATES"),
    ("Tobacco Electronic Cigarette and Other Smoking Supplies Retailers", 78, None, "SMOKE SHOP|VAPES"),
    ("Child Care Services", 84, None, "DAY CARE|LEARNING CENTER"),
    ("All Other Professional Scientific and Technical Services", 900, None, "CONSULTING|GROUP|SERVICES"),
    ("Lessors of Nonresidential Buildings (except Miniwarehouses)", 189, None, "HOLDINGS|PROPERTIES"),
)
ANYWHERE_TYPES = (
    "Commercial and Institutional Building Construction", "All Other Professional Scientific and Technical Services",
    "All Other Business Support Services", "Residential Remodelers", "Lessors of Residential Buildings and Dwellings",
    "Electrical Contractors and Other Wiring Installation Contractors", "Plumbing Heating and Air-Conditioning Contractors",
    "Janitorial Services", "Landscaping Services", "Temporary Help Services", "Custom Computer Programming Services",
    "General Freight Trucking Long-Distance Truckload", "Home Health Care Services", "Roofing Contractors", "Misc Rate 129", "Flat Rate 42",
)  # fmt: skip
CLASSES = ("Flat Rate 42", "Misc Rate 129", "Flat Rate 120A", "Flat Rate 82", "Flat Rate 16", "Misc Rate 50")
_FIRST_WORDS = (
    "BLUE", "PRAIRIE", "HEARTLAND", "RIVER", "GOLDEN", "UNION", "PARKSIDE", "MIDTOWN", "CROSSROADS", "SUNRISE", "STAR",
    "LUCKY", "CITY", "FOUNTAIN", "PIONEER", "MAGNOLIA", "SUMMIT", "ROYAL", "COWTOWN", "JAZZ", "SILVER", "MAPLE", "EAGLE",
    "LIBERTY", "STOCKYARD", "BOULEVARD", "CARDINAL", "HILLTOP", "COTTONWOOD", "WESTPORT", "BIG RIVER", "NEW ERA",
)  # fmt: skip
_SECOND_WORDS = ("", "", "", " BROTHERS", " FAMILY", " PLUS", " AND SONS", " ONE", " KC", " 2", " CENTRAL", " POINT")


@dataclass(frozen=True)
class Registers:
    """Businesses as they are.

    Attributes:
        businesses: one row per licensed business: business_type, name, parcel (-1: out of the city), is_home, license_id.
        classes: one row per further licence class of a business: business (row of businesses), business_type.
        permits: one row per food permit: name, parcel, business (or -1), permit_type, permit_number, is_poor (hygiene).
        dangerous: parcel of each dangerous-building case.
    """

    businesses: pd.DataFrame
    classes: pd.DataFrame
    permits: pd.DataFrame
    dangerous: NDArray[np.int64]


def fill_registers(layout: Layout, scale: float, seed: int) -> Registers:
    """Put businesses on the parcels; the first business and the first permit are the Express Stop's."""
    rng = generator(seed, "registers")
    rows = round(FULL_CITY_LICENSE_ROWS * scale)
    count = round(rows * (1 - _REPEATED_SHARE))
    away = round(count * _AWAY_SHARE)
    home = round((count - away) * _HOME_SHARE)
    street = count - away - home
    shares = np.array([number for _, number, _, _ in STREET_TYPES], dtype=np.float64)
    # Rare types stand in fixed numbers, so that even a small city has each.
    numbers = np.maximum(np.floor(shares * scale + 0.5), 2).astype(np.int64)
    kinds = np.repeat(np.arange(len(STREET_TYPES)), numbers)
    kinds = np.concatenate([kinds, np.full(max(0, street - len(kinds)), len(STREET_TYPES) - 2)])[: max(street, len(kinds))]
    names = _names(rng, len(kinds), kinds)
    wording = np.array([t[0] for t in STREET_TYPES], dtype=object)
    place = pd.DataFrame({"business_type": wording[kinds], "name": names, "street_type": kinds})
    place["parcel"] = _commercial_parcels(layout, rng, len(place))
    place.loc[0, ["business_type", "name", "parcel"]] = [STREET_TYPES[1][0], EXPRESS_STOP_NAME, layout.express_stop]
    place.loc[0, "street_type"] = 1
    residential = layout.parcels.index[layout.parcels["kind"] == "residential"].to_numpy()
    others = pd.DataFrame(
        {
            "business_type": np.array(ANYWHERE_TYPES, dtype=object)[rng.integers(0, len(ANYWHERE_TYPES), home + away)],
            "name": _names(rng, home + away, None),
            "street_type": -1,
            "parcel": np.concatenate([rng.choice(residential, home), np.full(away, -1)]),
        }
    )
    businesses = pd.concat([place, others], ignore_index=True)
    businesses["is_home"] = (businesses.index >= len(place)) & (businesses["parcel"] >= 0)
    businesses["license_id"] = (rng.permutation(2_000_000)[: len(businesses)] * 1024 + 7_168).astype(str)
    repeated = rng.choice(np.arange(1, len(businesses)), max(1, rows - count), replace=False)
    drawn, names = rng.integers(0, len(CLASSES), len(repeated)), np.array(CLASSES, dtype=object)
    own = businesses["business_type"].to_numpy(dtype=object)[repeated]
    class_names = names[np.where(names[drawn] == own, (drawn + 1) % len(CLASSES), drawn)]  # a licence has each class once
    classes = pd.DataFrame({"business": repeated, "business_type": class_names})
    return Registers(businesses, classes, _permits(businesses, layout, scale, seed), _dangerous(layout, scale, seed))


def _names(rng: np.random.Generator, count: int, kinds: NDArray[np.int64] | None) -> NDArray[np.object_]:
    first = np.array(_FIRST_WORDS, dtype=object)[rng.integers(0, len(_FIRST_WORDS), count)]
    second = np.array(_SECOND_WORDS, dtype=object)[rng.integers(0, len(_SECOND_WORDS), count)]
    u = rng.random(count)
    if kinds is None:
        words = np.array(["CONTRACTING", "SERVICES", "HOLDINGS", "ENTERPRISES", "SOLUTIONS", "CONSULTING"], dtype=object)
        last = words[(u * len(words)).astype(np.int64)]
    else:
        last = np.empty(count, dtype=object)
        for kind, (_, _, _, text) in enumerate(STREET_TYPES):
            of_kind = kinds == kind
            words = np.array(text.split("|"), dtype=object)
            last[of_kind] = words[(u[of_kind] * len(words)).astype(np.int64)]
    joined: NDArray[np.object_] = first + second + " " + last
    return joined


def _free_lots(layout: Layout, *kinds: str) -> NDArray[np.int64]:
    """Parcels of some kinds, without the Express Stop's: nobody else does business there."""
    chosen = layout.parcels["kind"].isin(kinds).to_numpy().copy()
    chosen[layout.express_stop] = False
    return np.flatnonzero(chosen)


def _commercial_parcels(layout: Layout, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Commercial parcels for businesses: mostly one each, some with several, a few with more than ten."""
    lots = _free_lots(layout, "commercial")
    tenants = 1 + (rng.pareto(1.1, len(lots)) * 0.5).astype(np.int64).clip(0, 14)
    slots = np.repeat(rng.permutation(lots), tenants)[:count]
    if len(slots) < count:
        slots = np.concatenate([slots, rng.choice(lots, count - len(slots))])
    return rng.permutation(slots).astype(np.int64)


def _permits(businesses: pd.DataFrame, layout: Layout, scale: float, seed: int) -> pd.DataFrame:
    rng = generator(seed, "permits")
    kinds = np.array([t[2] for t in STREET_TYPES], dtype=object)
    street_type = businesses["street_type"].to_numpy().astype(np.int64)
    permit_type = np.where(street_type >= 0, kinds[street_type], None)
    fed = np.flatnonzero(permit_type != None)[: round(FULL_CITY_PERMITS * scale)]  # noqa: E711  (element-wise)
    extra = max(0, round(FULL_CITY_PERMITS * scale) - len(fed))
    lots = _free_lots(layout, "commercial", "large")
    other_types = np.array(["Mobile Unit/Pushcart", "Catering Permit", "Fee Exempt", "School - Public", "Retail Bakery"], dtype=object)
    permits = pd.DataFrame(
        {
            "name": np.concatenate([businesses["name"].to_numpy(dtype=object)[fed], _names(rng, extra, None)]),
            "parcel": np.concatenate([businesses["parcel"].to_numpy().astype(np.int64)[fed], rng.choice(lots, extra)]),
            "business": np.concatenate([fed, np.full(extra, -1)]),
            "permit_type": np.concatenate([permit_type[fed], other_types[rng.integers(0, len(other_types), extra)]]),
        }
    )
    permits["permit_number"] = (1_000 + np.arange(len(permits)) * 3).astype(str)
    # Poor kitchens cluster by chance only; the Express Stop's is one.
    permits["is_poor"] = (rng.random(len(permits)) < 0.18) | (permits.index == 0)
    return permits


def _dangerous(layout: Layout, scale: float, seed: int) -> NDArray[np.int64]:
    """Parcels with a dangerous building: clustered, on residential and vacant lots."""
    rng = generator(seed, "dangerous buildings")
    lots = layout.parcels[layout.parcels["kind"].isin(["residential", "vacant"])]
    block = lots.groupby(["section", "row", "col"], sort=False).ngroup().to_numpy()
    weight = rng.gamma(0.12, size=int(block.max()) + 1)[block] + 1e-4
    found: NDArray[np.int64] = lots.index.to_numpy()[np.unique(pick(weight, rng.random(round(FULL_CITY_DANGEROUS * scale))))]
    return found
