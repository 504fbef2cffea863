"""Risk factors: what each one is, which observations it is made of, and who can mend it.

None is made by enforcement: arrests, officer-initiated calls and suspicious-person calls feed back what they are to predict.
None is about people: no demographic figure is among them.
"""

from dataclasses import dataclass
from enum import StrEnum


class MendedBy(StrEnum):
    """Who can mend what a factor stands for; the group in which a page shows it."""

    OWNER = "owner can mend"
    CITY = "city can mend"
    CONTEXT = "context and history"


@dataclass(frozen=True)
class Condition:
    """A kind of observation with a place and, mostly, a time.

    Attributes:
        name: identifies the kind.
        says: one observation, in plain words.
        owed_by: department that mends it or sees to it that its owner does; None: nobody owes anything.
        action: what is owed, as an order; empty: nothing.
        table: clean table that it is read from; business types are read from core/business_parcels.
        categories: categories of events that count; empty: all.
        type_patterns: for business types: words of a licence class or permit type, upper case.
    """

    name: str
    says: str
    owed_by: str | None
    table: str
    action: str = ""
    categories: frozenset[str] = frozenset()
    type_patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Factor:
    """A risk factor: the observations of a condition that count on a day.

    Attributes:
        name: identifies the factor.
        condition: name of the condition.
        says: the factor in plain words, as the subject of a sentence.
        mended_by: who can mend it around a place.
        recent_days: observations count for so many days after they were opened; None: while they are open.
    """

    name: str
    condition: str
    says: str
    mended_by: MendedBy
    recent_days: int | None = None


YEAR_DAYS = 365
_BUSINESSES = "core/business_parcels"
_PUBLIC_WORKS, _NEIGHBORHOODS, _HEALTH = "Public Works", "Neighborhood Services", "Health Department"

_CONDITIONS = (
    Condition("streetlight_outage", "a streetlight outage", _PUBLIC_WORKS, "clean/streetlight_outages", "Repair the streetlight",
              frozenset({"single_light_out", "several_lights_out", "many_lights_out"})),
    Condition("dumping", "illegal dumping", _PUBLIC_WORKS, "clean/dumping_complaints", "Remove what was dumped"),
    # Critical items alone: what counts as a lesser one hangs more on who inspects.
    Condition("critical_health_violation", "critical health-code violations", _HEALTH, "clean/health_inspections", "Correct the critical violations and pass an inspection"),
    Condition("property_violation", "an open property violation", _NEIGHBORHOODS, "clean/property_violations", "Correct the property violation"),
    Condition("dangerous_building", "a dangerous building", _NEIGHBORHOODS, "clean/dangerous_buildings", "Secure, repair or take down the building"),
    Condition("bus_stop", "a bus stop", None, "clean/bus_stops"),
    Condition("convenience_store", "a convenience store", None, _BUSINESSES, type_patterns=("WITH CONVENIENCE STORE", "CONVENIENCE RETAILER", "CONVENIENCE STORES")),
    Condition("liquor_store", "a liquor store", None, _BUSINESSES, type_patterns=("LIQUOR RETAILER", "LIQUOR STORE", "PACKAGE LIQUOR")),
    Condition("bar", "a bar", None, _BUSINESSES, type_patterns=("DRINKING PLACE", "BAR/TAVERN", "TAVERN")),
    Condition("hotel", "a hotel or motel", None, _BUSINESSES, type_patterns=("HOTELS (EXCEPT", "HOTEL/MOTEL", "MOTEL")),
    Condition("coin_laundry", "a coin laundry", None, _BUSINESSES, type_patterns=("COIN-OPERATED LAUNDR",)),
    Condition("grocery", "a grocery", None, _BUSINESSES, type_patterns=("SUPERMARKET", "GROCERY RETAILER", "RETAIL GROCERY")),
    Condition("restaurant", "a restaurant", None, _BUSINESSES, type_patterns=("RESTAURANT",)),
)  # fmt: skip
CONDITIONS: dict[str, Condition] = {condition.name: condition for condition in _CONDITIONS}
# In the order in which a place with several is ranked among its like; the first that it has is its type.
BUSINESS_TYPES = tuple(condition.name for condition in _CONDITIONS if condition.type_patterns)
OTHER_TYPE = "other"

_FACTORS = (
    Factor("streetlight_outages_open", "streetlight_outage", "streetlight outages that are not mended", MendedBy.CITY),
    Factor("streetlight_outages", "streetlight_outage", "streetlight outages of the last year", MendedBy.CITY, YEAR_DAYS),
    Factor("dumping", "dumping", "dumping complaints of the last year", MendedBy.CITY, YEAR_DAYS),
    Factor("health_violations", "critical_health_violation", "critical health violations of the last year", MendedBy.CITY, YEAR_DAYS),
    Factor("property_violations", "property_violation", "open property violations", MendedBy.CITY),
    Factor("dangerous_buildings", "dangerous_building", "dangerous buildings", MendedBy.CITY),
    Factor("bus_stops", "bus_stop", "bus stops", MendedBy.CONTEXT),
    Factor("convenience_stores", "convenience_store", "convenience stores", MendedBy.CONTEXT),
    Factor("liquor_stores", "liquor_store", "liquor stores", MendedBy.CONTEXT),
    Factor("bars", "bar", "bars", MendedBy.CONTEXT),
    Factor("hotels", "hotel", "hotels and motels", MendedBy.CONTEXT),
    Factor("coin_laundries", "coin_laundry", "coin laundries", MendedBy.CONTEXT),
    Factor("groceries", "grocery", "groceries", MendedBy.CONTEXT),
    Factor("restaurants", "restaurant", "restaurants", MendedBy.CONTEXT),
)  # fmt: skip
FACTORS: dict[str, Factor] = {factor.name: factor for factor in _FACTORS}
# Factors that also count on the premises themselves, where they are the owner's to mend.
PREMISES_FACTORS = ("health_violations", "property_violations", "dangerous_buildings")
# Conditions that whoever owns the ground has to mend; what lies on public ground is the city's.
OWNERS_CONDITIONS = frozenset(FACTORS[name].condition for name in PREMISES_FACTORS)
OWNERS_DUMPING_CATEGORIES = frozenset({"private_property"})
