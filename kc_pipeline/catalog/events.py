"""What each code at a source means, as one of our categories.

A code that is not here is kept, categorised 'unknown' and counted; it is never dropped.  Nor does it ever count against a
business: what the nuisance ordinance counts are the categories that a rule set of ordinance/rules.toml lists, and none of
those in NEVER_COUNTED.
"""

from dataclasses import dataclass
from datetime import date

from kc_pipeline.catalog.sources import DUMPING_SUB_TYPES, LEGACY_STREETLIGHT_TYPES

UNKNOWN = "unknown"

# NIBRS offense codes (FBI). The longest matching prefix wins, so '23' covers 23A to 23H.
POLICE_CATEGORY_OF_NIBRS = {
    "09A": "homicide",
    "09B": "homicide_negligent",
    "09C": "homicide_justifiable",
    "09D": "other",  # local extension of Kansas City, meaning not published
    "100": "kidnapping",
    "11": "sex_offense",
    "36": "sex_offense",
    "120": "robbery",
    "13A": "aggravated_assault",
    "13B": "simple_assault",
    "13C": "intimidation",
    "200": "arson",
    "210": "extortion",
    "220": "burglary",
    "23": "theft",
    "240": "auto_theft",
    "250": "fraud",
    "26": "fraud",
    "270": "fraud",
    "280": "stolen_property",
    "290": "property_damage",
    "35": "drugs",
    "370": "pornography",
    "39": "gambling",
    "40": "prostitution",
    "510": "bribery",
    "520": "weapons",
    "64": "human_trafficking",
    "720": "animal_cruelty",
    "90": "other",
    "99": "other",
}
NIBRS_PLACEHOLDERS = frozenset({"999", "0", ""})

# A report with several offenses takes the first of these that it has.
POLICE_SEVERITY = (
    "homicide", "homicide_negligent", "sex_offense", "robbery", "aggravated_assault", "kidnapping", "human_trafficking",
    "weapons", "arson", "simple_assault", "intimidation", "extortion", "burglary", "auto_theft", "theft",
    "property_damage", "drugs", "prostitution", "fraud", "stolen_property", "gambling", "pornography", "bribery",
    "animal_cruelty", "homicide_justifiable", "other", UNKNOWN,
)  # fmt: skip
# Words of a report's description or offense, for reports without a NIBRS code (descriptions to 2018 are cut at 20
# characters); the first pattern found wins.
POLICE_CATEGORY_OF_TEXT = (
    ("JUSTIFIABLE", "homicide_justifiable"),
    ("HOMICIDE", "homicide"),
    ("MURDER", "homicide"),
    ("NEGLIGENT MANS", "homicide_negligent"),
    ("ROBBERY", "robbery"),
    ("NON AGG", "simple_assault"),
    ("NON-AGG", "simple_assault"),
    ("SIMPLE ASSAULT", "simple_assault"),
    ("AGGRAVATED ASS", "aggravated_assault"),
    ("AGG ASSAULT", "aggravated_assault"),
    ("RAPE", "sex_offense"),
    ("SODOMY", "sex_offense"),
    ("SEX", "sex_offense"),
    ("KIDNAP", "kidnapping"),
    ("ARSON", "arson"),
    ("BURGLARY", "burglary"),
    ("AUTO THEFT", "auto_theft"),
    ("MOTOR VEHICLE THEFT", "auto_theft"),
    ("STEALING", "theft"),
    ("LARCENY", "theft"),
    ("SHOPLIFT", "theft"),
    ("PROPERTY DAMAGE", "property_damage"),
    ("VANDALISM", "property_damage"),
    ("POSSESSION/SALE", "drugs"),
    ("DRUG", "drugs"),
    ("WEAPON", "weapons"),
    ("FRAUD", "fraud"),
    ("FORGERY", "fraud"),
    ("COUNTERFEIT", "fraud"),
    ("EMBEZZLEMENT", "fraud"),
    ("IDENTITY THEFT", "fraud"),
    ("INTIMIDATION", "intimidation"),
    ("STOLEN PROPERTY", "stolen_property"),
    ("PROSTITUTION", "prostitution"),
    ("MISC VIOLATION", "other"),
)
SERIOUS_VIOLENCE = frozenset({"homicide", "robbery", "aggravated_assault"})

# 911: words of type_description, upper case; the first pattern found wins.
CALL_CATEGORY_OF_PATTERN = (
    ("BUSINESS CHECK", "officer_check"),
    ("BUILDING CHECK", "officer_check"),
    ("AREA PRESENCE", "officer_check"),
    ("CAR CHECK", "officer_check"),
    ("PED CHECK", "officer_check"),
    ("RESIDENCE CHECK", "officer_check"),
    ("TRAFFIC STOP", "officer_check"),
    ("ALARM", "alarm"),
    ("AMBULANCE", "medical"),
    ("MEDICAL", "medical"),
    ("OVERDOSE", "medical"),
    ("SUICID", "welfare"),
    ("WELFARE", "welfare"),
    ("CHECK THE WELL", "welfare"),
    ("SHOTS", "shots_fired"),
    ("SOUND OF SHOT", "shots_fired"),
    ("SHOOTING", "shooting"),
    ("HOMICIDE", "homicide"),
    ("STABB", "assault"),
    ("CUTTING", "assault"),
    ("ROBBERY", "robbery"),
    ("ARMED", "weapons"),
    ("WEAPON", "weapons"),
    ("DOMESTIC", "domestic"),
    ("ASSAULT", "assault"),
    ("FIGHT", "disturbance"),
    ("DISTURBANCE", "disturbance"),
    ("TRESPASS", "trespass"),
    ("PROWLER", "trespass"),
    ("BURGLARY", "burglary"),
    ("STEALING", "theft"),
    ("LARCENY", "theft"),
    ("THEFT", "theft"),
    ("STOLEN", "theft"),
    ("PROPERTY DAMAGE", "property_damage"),
    ("VANDAL", "property_damage"),
    ("DRUG", "drugs"),
    ("NARCOTIC", "drugs"),
    ("PROSTITUT", "prostitution"),
    ("INTOXICATED", "disturbance"),
    ("LOITER", "disturbance"),
    ("SUSPICIOUS", "suspicious"),
    ("MISSING", "missing_person"),
    ("HARASS", "harassment"),
    ("NOISE", "noise"),
    ("ACCIDENT", "traffic"),
    ("VEHICLE", "traffic"),
    ("TRAFFIC", "traffic"),
    ("PARKING", "traffic"),
)
OFFICER_INITIATED_CATEGORIES = frozenset({"officer_check"})

DUMPING_CATEGORY_OF_SUB_TYPE = {
    "Dumping in a Right-of-Way": "right_of_way",
    "Dumping in the Right-of-Way": "right_of_way",
    "Illegal Dumping or Trash": "land_bank",
    "Trash or Dumping": "park",
    "Dumping in the Alley": "alley",
    "Demolition/Dumptruck Debris Dumping": "demolition_debris",
    "Illegal Dumping on Right of Way": "right_of_way",
    "Illegal Dumping on Property": "private_property",
}
if set(DUMPING_SUB_TYPES) - set(DUMPING_CATEGORY_OF_SUB_TYPE):
    raise ValueError("catalog/events.py: a dumping sub-type of catalog/sources.py has no category")

# 311 streetlights: words of the sub-type, lower case; the first pattern found wins. Sub-types of the current system
# have not been seen in recorded rows; the legacy ones have.
STREETLIGHT_CATEGORY_OF_PATTERN = (
    ("five or more", "many_lights_out"),
    ("two to four", "several_lights_out"),
    ("multiple", "several_lights_out"),
    ("single", "single_light_out"),
    ("malfunction", "malfunction"),
    ("flicker", "malfunction"),
    ("cycling", "malfunction"),
    ("day burn", "malfunction"),
    ("knocked down", "pole_damage"),
    ("pole", "pole_damage"),
    ("wire", "wiring"),
    ("light out", "single_light_out"),
    ("outage", "single_light_out"),
    ("light", "other"),
)
OUTAGE_CATEGORIES = frozenset({"single_light_out", "several_lights_out", "many_lights_out"})

# Statuses of the 311 system before March 2021, in the words of the present one.
LEGACY_311_STATUS = {"resol": "resolved", "canc": "canceled", "dup": "duplicate"}

INSPECTION_CATEGORY_OF_PATTERN = (
    ("re-inspection", "reinspection"),
    ("reinspection", "reinspection"),
    ("follow", "reinspection"),
    ("complaint", "complaint"),
    ("license", "licensing"),
    ("opening", "licensing"),
    ("routine", "routine"),
    ("canvass", "routine"),
)

# Categories that no rule set may count, and why (catalog/countability.py says each reason in a sentence).  Theft, burglary and
# damage are what a business as a rule suffers and reports itself: a request for protection.
NEVER_COUNTED = {
    "police_reports": {
        "sex_offense": "sexual_assault",
        "human_trafficking": "sexual_assault",
        "theft": "call_for_protection",
        "burglary": "call_for_protection",
        "property_damage": "call_for_protection",
        "fraud": "call_for_protection",
        "homicide_justifiable": "no_offense",
        "homicide_negligent": "no_offense",
    },
    "calls_911": {
        "domestic": "domestic",
        "medical": "medical",
        "welfare": "welfare",
        "missing_person": "welfare",
        "alarm": "false_alarm",
        "officer_check": "officer_initiated",
        "theft": "call_for_protection",
        "burglary": "call_for_protection",
        "property_damage": "call_for_protection",
        "trespass": "call_for_protection",
        "harassment": "stalking",
        "suspicious": "merely_present",
    },
}
# Words, upper case, of an offense or call type that say so whatever its category is.
NEVER_COUNTED_BY_TEXT = (
    (r"(?<!NON )(?<!NON-)DOMESTIC", "domestic"),
    (r"STALK", "stalking"),
    (r"SUICID|CHECK THE WELFARE", "welfare"),
    (r"OVERDOSE|AMBULANCE|MEDICAL", "medical"),
    (r"RAPE|SODOMY|SEXUAL", "sexual_assault"),
    (r"FALSE ALARM", "false_alarm"),
)


@dataclass(frozen=True)
class CodePeriod:
    """When a source used a code, where that has ended.

    Attributes:
        feed: name of the feed.
        code: the source's own code or text.
        last_day: last day on which it came as usual; stragglers may follow.
        replaced_by: the code that took its place; None: none did.
        note: where that is known from.
    """

    feed: str
    code: str
    last_day: date
    replaced_by: str | None
    note: str


_OLD_311 = "the 311 system before March 2021 (7at3-sxhp) is frozen"
# Ends of codes that a person has looked into: they are no alarm any more. What is not written here is.
ENDED_CODES = (
    CodePeriod(
        "dumping_complaints", "Dumping in the Right-of-Way", date(2023, 10, 9), "Dumping in a Right-of-Way",
        "recorded rows: the new name takes over on 2023-10-08",
    ),
    CodePeriod("dumping_complaints", "Illegal Dumping on Right of Way", date(2021, 3, 31), "Dumping in the Right-of-Way", _OLD_311),
    CodePeriod("dumping_complaints", "Illegal Dumping on Property", date(2021, 3, 31), None, _OLD_311),
    *(
        CodePeriod("streetlight_outages", code, date(2021, 3, 31), None, _OLD_311)
        for code in LEGACY_STREETLIGHT_TYPES
    ),
)  # fmt: skip


def ended_codes(feed: str) -> frozenset[str]:
    """Codes of a feed whose end is known."""
    return frozenset(period.code for period in ENDED_CODES if period.feed == feed)
