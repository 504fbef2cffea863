"""What can happen in the synthetic city: kinds of reports, calls and 311 requests, with their words and shares.

Codes are those of the sources (see catalog/events.py for what each means to us); shares are round numbers that give
totals like the real city's.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportKind:
    """One kind of police report.

    Attributes:
        nibrs: NIBRS code.
        offense: local text in the column `offense`.
        description: NIBRS text in the column `description`.
        drawn_by: which weights of the truth choose its parcel.
        share: share of all reports, per mille.
        firearm: probability that a firearm was used.
        domestic: whether it is flagged as domestic violence.
    """

    nibrs: str
    offense: str
    description: str
    drawn_by: str
    share: float
    firearm: float = 0.0
    domestic: bool = False


@dataclass(frozen=True)
class CallKind:
    """One kind of 911 call; officer_initiated ones are begun by an officer and are no complaint about a place."""

    type_description: str
    subtype: str
    priority: str
    drawn_by: str
    share: float
    officer_initiated: bool = False


REPORT_KINDS = (
    ReportKind("09A", "Homicide", "Murder & Non-negligent Manslaughter", "serious", 2.5, 0.9),
    ReportKind("120", "Robbery", "Robbery", "serious", 25, 0.55),
    ReportKind("13A", "Aggravated Assault", "Aggravated Assault", "serious", 70, 0.6),
    ReportKind("13A", "Aggravated Assault - Domestic", "Aggravated Assault", "domestic", 22, 0.25, True),
    ReportKind("13B", "Non-Aggravated Assault - Domestic", "Simple Assault", "domestic", 62, 0.0, True),
    ReportKind("13B", "Non-Aggravated Assault", "Simple Assault", "business", 62),
    ReportKind("13C", "Intimidation", "Intimidation", "home", 22),
    ReportKind("240", "Stolen Auto", "Motor Vehicle Theft", "street", 145),
    ReportKind("23F", "Stealing From Auto", "Theft From Motor Vehicle", "street", 110),
    ReportKind("23G", "Stealing Auto Parts/Accessories", "Theft of Motor Vehicle Parts or Accessories", "street", 45),
    ReportKind("23C", "Stealing Shoplift", "Shoplifting", "business", 60),
    ReportKind("23D", "Stealing From Building", "Theft From Building", "business", 35),
    ReportKind("23H", "Stealing All Other", "All Other Larceny", "home", 45),
    ReportKind("220", "Burglary - Residence", "Burglary/Breaking & Entering", "home", 45),
    ReportKind("220", "Burglary - Non Residence", "Burglary/Breaking & Entering", "business", 22),
    ReportKind("290", "Property Damage", "Destruction/Damage/Vandalism of Property", "street", 105),
    ReportKind("26A", "Fraud", "False Pretenses/Swindle/Confidence Game", "home", 20),
    ReportKind("35A", "Possession/Sale/Dist", "Drug/Narcotic Violations", "street", 22),
    ReportKind("520", "Weapons Law Violation", "Weapon Law Violations", "street", 12, 0.8),
    ReportKind("90J", "Trespassing", "Trespass of Real Property", "business", 18),
    ReportKind("11A", "Rape", "Rape", "home", 6),
    ReportKind("200", "Arson", "Arson", "street", 4),
    ReportKind("09D", "Casualty", "Local extension", "home", 3),
    ReportKind("90Z", "Misc Violation", "All Other Offenses", "street", 37.5),
)
CALL_KINDS = (
    CallKind("DISTURBANCE", "DISTURBANCE", "30", "business", 95),
    CallKind("DISTURBANCE", "DISTURBANCE WITH WEAPON", "20", "serious", 14),
    CallKind("DOMESTIC DISTURBANCE", "DOMESTIC VIOLENCE", "20", "domestic", 75),
    CallKind("SOUND OF SHOTS", "SHOTS FIRED", "10", "serious", 40),
    CallKind("SHOOTING", "SHOOTING", "10", "serious", 4),
    CallKind("CUTTING", "STABBING/CUTTING", "10", "serious", 2),
    CallKind("ARMED PARTY", "ARMED WITH GUN", "10", "serious", 14),
    CallKind("ROBBERY", "ARMED ROBBERY", "10", "serious", 6),
    CallKind("ASSAULT", "ASSAULT", "20", "serious", 26),
    CallKind("STEALING", "SHOPLIFTING", "40", "business", 45),
    CallKind("STEALING", "STEALING FROM AUTO", "50", "street", 30),
    CallKind("STOLEN AUTO", "STOLEN AUTO", "40", "street", 28),
    CallKind("BURGLARY", "RESIDENTIAL", "30", "home", 18),
    CallKind("TRESPASSING", "TRESPASSER REFUSES TO LEAVE", "40", "business", 45),
    CallKind("SUSPICIOUS PARTY", "SUSPICIOUS PERSON", "40", "street", 50),
    CallKind("NARCOTICS ACTIVITY", "DRUG SALES", "40", "street", 10),
    CallKind("ALARM", "BUSINESS ALARM", "30", "business", 45),
    CallKind("ALARM", "RESIDENTIAL ALARM", "30", "home", 28),
    CallKind("CHECK THE WELFARE", "WELFARE", "30", "home", 60),
    CallKind("SUICIDAL PARTY", "SUICIDE THREAT", "12", "home", 12),
    CallKind("AMBULANCE", "MEDICAL ASSIST", "13", "home", 30),
    CallKind("NOISE COMPLAINT", "LOUD MUSIC", "50", "home", 22),
    CallKind("VEHICULAR ACCIDENT", "NON INJURY ACCIDENT", "40", "street", 55),
    CallKind("PARKING COMPLAINT", "ILLEGAL PARKING", "50", "street", 14),
    CallKind("BUSINESS CHECK", "RISK BASED POLICING", "50", "officer", 90, True),
    CallKind("BUILDING CHECK", "BUILDING CHECK", "50", "officer", 20, True),
    CallKind("CAR CHECK", "VEHICLE CHECK", "40", "street", 45, True),
    CallKind("PED CHECK", "PEDESTRIAN CHECK", "40", "street", 20, True),
    CallKind("TRAFFIC STOP", "TRAFFIC VIOLATION", "40", "street", 50, True),
    CallKind("RESIDENCE CHECK", "RESIDENCE CHECK", "50", "home", 7, True),
)

# 311: issue type, sub-type, work group, what draws it, share.
REQUEST_KINDS = (
    ("Streetlights", "Streetlight Out", "PW Streetlights", "lamp", 280),
    ("Streetlights", "Street Light Out", "PW Streetlights", "lamp", 120),
    ("Streetlights", "Street Light Malfunctioning", "PW Streetlights", "lamp", 60),
    ("Streetlights", "Streetlights Out - Multiple", "PW Streetlights", "lamp", 30),
    ("Streetlights", "Streetlight Pole Knocked Down", "PW Streetlights", "lamp", 10),
    ("Illegal Dumping", "Dumping in a Right-of-Way", "NHS Illegal Dumping", "dump", 180),
    ("Illegal Dumping", "Dumping in the Right-of-Way", "PW Solid Waste", "dump", 30),
    ("Illegal Dumping", "Dumping in the Alley", "PW Solid Waste", "dump", 11),
    ("Illegal Dumping", "Demolition/Dumptruck Debris Dumping", "CPD Development Services", "dump", 2),
    ("Parks and Recreation", "Trash or Dumping", "Parks and Recreation - Maintenance", "dump", 18),
    ("Land Bank Issues", "Illegal Dumping or Trash", "Land Bank", "dump", 9),
    ("Parks and Recreation", "Mowing", "Parks and Recreation - Maintenance", "other", 40),
    ("Land Bank Issues", "Weeds or Mowing", "Land Bank", "other", 25),
    ("Trash and Recycling", "Missed Trash", "PW Solid Waste", "other", 95),
    ("Roads and Sidewalks", "Pothole", "PW Street Maintenance", "other", 70),
    ("Animals", "Stray Animal", "Animal Services", "other", 20),
)  # fmt: skip
# What the system before March 2021 called them; what is not here keeps its name.
LEGACY_SUB_TYPES = {
    "Streetlight Out": "SLG0 Streetlight Out - Single Light Out",
    "Streetlights Out - Multiple": "SLG3 Streetlights Out - Two to Four Lights",
    "Streetlight Pole Knocked Down": "SLD0 Streetlights Out - Five or More",
    "Dumping in a Right-of-Way": "Illegal Dumping on Right of Way",
    "Dumping in the Right-of-Way": "Illegal Dumping on Right of Way",
    "Dumping in the Alley": "Illegal Dumping on Right of Way",
    "Demolition/Dumptruck Debris Dumping": "Illegal Dumping on Property",
    "Trash or Dumping": "Illegal Dumping on Property",
    "Illegal Dumping or Trash": "Illegal Dumping on Property",
}
SILENT_SUB_TYPE = "Dumping in a Right-of-Way"
VIOLATION_KINDS = (
    ("56-132", "Exterior surface material not adequately protected against weathering."),
    ("56-133", "Roof or gutters in disrepair."),
    ("56-573", "Rank weeds or unattended growth."),
    ("56-135", "Porch, deck or stairs in disrepair."),
    ("56-114", "Accessory structure in disrepair."),
    ("56-131", "Open cracks or breaks in foundation or exterior walls."),
    ("56-437", "Open storage on premises."),
)
