"""Every feed, and every data set it is read from: identifiers by year, field names by year, dates, geometry, lag.

A portal id, URL path or field name stands here and nowhere else, so that a change at the city is a one-line edit.
`fields` is also the privacy allow-list: nothing that is not named here is asked for, kept or stored.
Where a field has several names, the first one that the portal declares is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kc_pipeline.catalog.columns import EVENT_FEEDS, Column, Type  # noqa: F401 - entries describe their own columns with Type

Fields = Mapping[str, tuple[str, ...]]


class Transport(StrEnum):
    """How a data set is read."""

    SOCRATA = "socrata"
    ARCGIS = "arcgis"
    FILES = "files"
    DATABASE = "database"


@dataclass(frozen=True)
class DataSet:
    """One data set of a feed.

    Attributes:
        feed: name of the feed.
        id: Socrata id, ArcGIS layer path, file name pattern or SQL table.
        transport: how it is read.
        fields: canonical raw name -> names it has at the source, best first.
        required: canonical raw names without which no row can be cleaned; a portal that lacks one fails at once.
        month_field: canonical raw name whose month cuts the data set into partitions; None: pulled whole.
        key_field: field at the source that identifies a row, for transports without a row id of their own.
        updated_field: field at the source that says when a row last changed.
        first_month: first month it covers, YYYY-MM.
        last_month: last month it covers; None: still growing.
        filters: field at the source -> the values that belong to the feed.
        lag_days: usual days from report to publication.
        is_primary: False for views and copies, read only where a recording has nothing else.
        view_of: data set of which this is a saved view.
        implied: canonical raw name -> the value that the view's filter implies.
        record_system: 'open' or 'department'.
    """

    feed: str
    id: str
    transport: Transport
    fields: Fields
    required: tuple[str, ...] = ()
    month_field: str | None = None
    key_field: str | None = None
    updated_field: str = ":updated_at"
    first_month: str = "2000-01"
    last_month: str | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lag_days: int = 0
    is_primary: bool = True
    view_of: str | None = None
    implied: Mapping[str, str] = field(default_factory=dict)
    record_system: str = "open"

    def covers(self, first_month: str, last_month: str) -> bool:
        """Whether the data set has rows for any month of the range, both ends included."""
        return self.first_month <= last_month and (self.last_month is None or self.last_month >= first_month)


@dataclass(frozen=True)
class FeedTable:
    """The clean table of a register that brings its contract along; `catalog/tables.py` adds where each row came from.

    Attributes:
        grain: what one row is.
        columns: names of columns that `catalog/columns.py` has, and columns of the feed's own; the first is `record_id`, the key.
        made_from: column -> canonical raw names that it is made from, for the UI's column lineage; one of the same name, and
            those that every register has, need not be given.
    """

    grain: str
    columns: tuple[str | Column, ...]
    made_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Feed:
    """One feed: what it is, who publishes it, when it counts as stale.

    Attributes:
        name: snake_case noun.
        title: name for people.
        description: what it holds and its main trap.
        kind: 'event' (month partitions) or 'reference' (whole snapshots).
        publisher: team or department that publishes it.
        stale_after_days: days without a new row after which it is stale; None: never.
        data_sets: where it is read from.
        yearly_since: first year of a feed that gets a new data set every year; None: one that does not.
        table: its clean table, of a register; None: it stands in `catalog/tables.py`.
    """

    name: str
    title: str
    description: str
    kind: str
    publisher: str
    stale_after_days: int | None
    data_sets: tuple[DataSet, ...]
    yearly_since: int | None = None
    table: FeedTable | None = None

    @property
    def usual_lag_days(self) -> int:
        """The longest usual lag among the primary data sets."""
        return max(d.lag_days for d in self.data_sets if d.is_primary)

    @property
    def first_month(self) -> str:
        """First month that any of its data sets covers; an earlier date is an error at the source."""
        return min(d.first_month for d in self.data_sets)


def one_name(*names: str) -> Fields:
    """Fields whose name at the source is the canonical raw name."""
    return {name: (name,) for name in names}


# --- police reports: one data set a year, field names drift ------------------------------------------
_POLICE_IDS = {
    2015: "kbzx-7ehe", 2016: "wbz8-pdv7", 2017: "98is-shjt", 2018: "dmjw-d28i", 2019: "pxaa-ahcm", 2020: "vsgj-uufz",
    2021: "w795-ffu6", 2022: "x39y-7d3m", 2023: "bfyq-5nh6", 2024: "isbe-v4d8", 2025: "dmnp-9ajg", 2026: "f7wj-ckmw",
}  # fmt: skip
_POLICE_LAG_DAYS = 9


def _police_fields(year: int) -> Fields:
    report_number = "report_no" if year <= 2022 or year == 2024 else "report"
    reported = "reported_date" if year <= 2020 or year == 2024 else "report_date"
    return {
        "report_number": (report_number,),
        "reported_at": (reported,),
        "reported_time": ("reported_time", "report_time"),
        "occurred_date": ("from_date",),
        "occurred_time": ("from_time",),
        "offense": ("offense",),
        "nibrs": ("ibrs",),
        "description": ("description",),
        "beat": ("beat",),
        "area": ("area",),
        "address": ("address",),
        "zip_code": ("zip_code", "zipcode"),
        "city": ("city",),
        "involvement": ("involvement",),
        "domestic_flag": ("dvflag",),
        "firearm_flag": ("firearm_used_flag", "firearmusedflag"),
        **({"latitude": ("latitude",), "longitude": ("longitude",)} if year <= 2016 else {"point": ("location", "location_1")}),
    }


def _police_year(year: int, **changes: object) -> DataSet:
    values: dict[str, object] = {
        "feed": "police_reports",
        "id": _POLICE_IDS[year],
        "transport": Transport.SOCRATA,
        "fields": _police_fields(year),
        "required": ("report_number", "reported_at", "address"),
        "month_field": "reported_at",
        "first_month": f"{year}-01",
        "last_month": f"{year}-12",
        "lag_days": _POLICE_LAG_DAYS,
        **changes,
    }
    return DataSet(**values)  # type: ignore[arg-type]


_DEPARTMENT_REPORTS = DataSet(
    feed="police_reports",
    id="reports",
    transport=Transport.DATABASE,
    fields={
        **one_name("report_number", "reported_at", "offense", "nibrs", "description", "beat", "area", "address", "zip_code"),
        **one_name("domestic_flag", "firearm_flag", "latitude", "longitude", "parcel_id"),
        "occurred_date": ("occurred_at",),
    },
    required=("report_number", "reported_at", "address"),
    month_field="reported_at",
    key_field="row_id",
    updated_field="updated_at",
    lag_days=1,
    record_system="department",
)

# --- 911 calls -------------------------------------------------------------------------------------------
_CALL_FIELDS: Fields = {
    **one_name("incident_number", "subtype", "priority", "division", "beat"),
    "called_at": ("incident_date",),
    "type_description": ("type_description",),
    "address": ("location",),
}
_CALL_REQUIRED = ("incident_number", "called_at", "type_description", "address")
_CALLS_SINCE_2024 = DataSet(
    "calls_911", "4cef-rqti", Transport.SOCRATA, _CALL_FIELDS, _CALL_REQUIRED, "called_at", first_month="2024-06", lag_days=56
)  # fmt: skip
_CALLS_2022 = DataSet(
    "calls_911", "icgu-nqmt", Transport.SOCRATA, _CALL_FIELDS, _CALL_REQUIRED, "called_at",
    first_month="2022-07", last_month="2023-06", lag_days=56,
)  # fmt: skip
_DEPARTMENT_CALLS = DataSet(
    feed="calls_911",
    id="calls",
    transport=Transport.DATABASE,
    fields={
        **one_name("incident_number", "called_at", "type_description", "subtype", "priority", "division", "beat", "address"),
        **one_name("zip_code", "latitude", "longitude", "parcel_id", "officer_initiated"),
    },
    required=_CALL_REQUIRED,
    month_field="called_at",
    key_field="row_id",
    updated_field="updated_at",
    lag_days=1,
    record_system="department",
)

# --- 311: streetlights and dumping -----------------------------------------------------------------------
_311_FIELDS: Fields = {
    "request_id": ("reported_issue",),
    "opened_at": ("open_date_time",),
    "resolved_at": ("resolved_date",),
    "status": ("current_status",),
    "issue_type": ("issue_type",),
    "issue_sub_type": ("issue_sub_type",),
    "work_group": ("department_work_group",),
    "report_source": ("report_source",),
    "address": ("incident_address",),
    "council_district": ("council_district",),
    "latitude": ("latitude",),
    "longitude": ("longitude",),
}
_311_LEGACY_FIELDS: Fields = {
    "request_id": ("case_id",),
    "opened_at": ("creation_date",),
    "opened_time": ("creation_time",),
    "resolved_at": ("closed_date",),
    "status": ("status",),
    "issue_type": ("request_type",),
    "issue_sub_type": ("type",),
    "work_group": ("work_group",),
    "report_source": ("source",),
    "address": ("street_address",),
    "zip_code": ("zip_code",),
    "council_district": ("council_district",),
    "parcel_id": ("parcel_id_no",),
    "latitude": ("ycoordinate",),
    "longitude": ("xcoordinate",),
}
_311_REQUIRED = ("request_id", "opened_at", "issue_sub_type", "address")
DUMPING_SUB_TYPES = (
    "Dumping in a Right-of-Way",
    "Dumping in the Right-of-Way",
    "Illegal Dumping or Trash",
    "Trash or Dumping",
    "Dumping in the Alley",
    "Demolition/Dumptruck Debris Dumping",
)
_DUMPING_FILTERS = {"issue_type": ("Illegal Dumping", "Parks and Recreation", "Land Bank Issues"), "issue_sub_type": DUMPING_SUB_TYPES}
_STREETLIGHT_FILTERS = {"issue_type": ("Streetlights",)}
_LEGACY_DUMPING_TYPES = ("Illegal Dumping on Right of Way", "Illegal Dumping on Property")
LEGACY_STREETLIGHT_TYPES = (
    "SLG0 Streetlight Out - Single Light Out",
    "Street Light Out",
    "Street Light Malfunctioning",
    "SLG3 Streetlights Out - Two to Four Lights",
    "SLD0 Streetlights Out - Five or More",
)


def _requests_311(feed: str, filters: Mapping[str, tuple[str, ...]], id_: str = "d4px-6rwg", **changes: object) -> DataSet:
    values: dict[str, object] = {
        "feed": feed,
        "id": id_,
        "transport": Transport.SOCRATA,
        "fields": _311_FIELDS,
        "required": _311_REQUIRED,
        "month_field": "opened_at",
        "filters": filters,
        "first_month": "2021-02",
        "lag_days": 7,
        **changes,
    }
    return DataSet(**values)  # type: ignore[arg-type]


def _requests_311_legacy(feed: str, types: tuple[str, ...]) -> DataSet:
    return _requests_311(feed, {"type": types}, "7at3-sxhp", fields=_311_LEGACY_FIELDS, first_month="2007-01", last_month="2021-03")


# --- health inspections: no open data set; the department's export ---------------------------------------
_INSPECTION_FIELDS: Fields = {
    **one_name("inspection_id", "inspection_date", "inspection_type", "result", "address", "latitude", "longitude"),
    "permit_number": ("permit_number", "license_", "facility_permit"),
    "establishment_name": ("establishment_name", "dba_name", "facility_name"),
    "facility_type": ("facility_type",),
    "zip_code": ("zip_code", "zip", "facility_zip"),
    "critical_violations": ("critical_violations",),
    "noncritical_violations": ("noncritical_violations",),
    "violations": ("violations",),
}
_INSPECTION_REQUIRED = ("inspection_id", "inspection_date", "address")
_INSPECTION_FILES = DataSet(
    "health_inspections", "health_inspections*", Transport.FILES, _INSPECTION_FIELDS, _INSPECTION_REQUIRED,
    lag_days=1, record_system="department",
)  # fmt: skip
_INSPECTION_TABLE = DataSet(
    "health_inspections", "inspections", Transport.DATABASE, _INSPECTION_FIELDS, _INSPECTION_REQUIRED, "inspection_date",
    key_field="row_id", updated_field="updated_at", lag_days=1, record_system="department",
)  # fmt: skip

# --- reference sets ---------------------------------------------------------------------------------------
_LICENSES = DataSet(
    "business_licenses", "pnm4-68wg", Transport.SOCRATA,
    {"license_id": ("id",), **one_name("business_type", "address", "city", "state", "business_name", "dba_name"),
     "zip_code": ("zipcode", "zip_code"), "valid_until": ("valid_license_for",), "point": ("location",)},
    ("license_id", "address", "valid_until"),
)  # fmt: skip
_FOOD_PERMITS = DataSet(
    "food_permits", "sz9c-c5ux", Transport.SOCRATA,
    {"permit_number": ("facility_permit",), "establishment_name": ("facility_name", "establishment_name"),
     "address": ("facility_address",), "city": ("facility_city",), "state": ("facility_state",), "zip_code": ("facility_zip",),
     "business_type": ("permit_type", "facility_type"), "status": ("operational_status",), "point": ("location_1",)},
    ("permit_number", "address"),
)  # fmt: skip
_PARCEL_FIELDS: Fields = {
    "parcel_id": ("KIVAPIN", "kivapin"),
    "county_parcel_number": ("APN", "apn"),
    "land_use_code": ("LANDUSECODE", "landusecode"),
    "owner_name": ("OWN_NAME", "own_name"),
    "address": ("ADDRESS", "address"),
}
_PARCEL_LAYER = DataSet(
    "parcels", "AGOL/MapServer/6", Transport.ARCGIS, {**_PARCEL_FIELDS, "shape": ("SHAPE",)}, ("parcel_id",), key_field="OBJECTID", updated_field="LAST_EDITED_DATE"
)  # fmt: skip
_PARCEL_COPY = DataSet(
    "parcels", "6g4y-sh3m", Transport.SOCRATA, {**_PARCEL_FIELDS, "shape": ("the_geom",)}, ("parcel_id",), is_primary=False
)  # fmt: skip
_CITY_OWNED_PARCELS = DataSet(
    "parcels", "u4kw-fe52", Transport.SOCRATA, {**_PARCEL_FIELDS, "shape": ("the_geom",)}, ("parcel_id",),
    is_primary=False, view_of="6g4y-sh3m",
)  # fmt: skip
_PARCEL_POINTS = DataSet(
    "parcels", "parcel_points_*.csv*", Transport.FILES,
    {"parcel_id": ("kivapin",), "land_use_code": ("landusecode",), "latitude": ("latitude",), "longitude": ("longitude",)},
    ("parcel_id", "latitude", "longitude"), is_primary=False,
)  # fmt: skip
_STREETS = DataSet(
    "streets", "AGOL/MapServer/27", Transport.ARCGIS,
    {"street_name": ("FULLNAME", "STREETNAME"), "from_number": ("FROMADDR", "L_F_ADD"), "to_number": ("TOADDR", "R_T_ADD"), "shape": ("SHAPE",)},
    key_field="OBJECTID",
)  # fmt: skip


def _district(id_: str, kind: str, *names: str) -> DataSet:
    return DataSet(
        "districts", id_, Transport.SOCRATA, {"district_name": names, "shape": ("the_geom",)}, ("district_name", "shape"),
        implied={"district_kind": kind},
    )  # fmt: skip


_VIOLATION_FIELDS: Fields = {
    "violation_id": ("violationid",),
    "case_number": ("casenumber",),
    "status": ("vio_status", "case_status"),
    "violation_code": ("ordinance",),
    "violation_text": ("description",),
    "opened_at": ("case_opened",),
    "resolved_at": ("date_resolved",),
    "address": ("street_address",),
    "zip_code": ("postalcode",),
    "parcel_id": ("pin",),
    "point": ("incident_location",),
}
_VIOLATIONS = DataSet("property_violations", "vq3e-m9ge", Transport.SOCRATA, _VIOLATION_FIELDS, ("violation_id", "address"))
_OPEN_VIOLATIONS = DataSet(
    "property_violations", "w5nm-8qv8", Transport.SOCRATA, _VIOLATION_FIELDS, ("violation_id", "address"),
    is_primary=False, view_of="vq3e-m9ge",
)  # fmt: skip
_DANGEROUS_FIELDS: Fields = {
    "case_id": ("case_number", "case_id"),
    "status": ("status_of_case", "status"),
    "opened_at": ("case_opened", "creation_date"),
    "resolved_at": ("closed_date",),
    "address": ("address", "street_address"),
    "zip_code": ("zip_code", "zipcode"),
    "parcel_id": ("kiva_pin", "pin", "parcel_id_no"),
    "latitude": ("latitude", "ycoordinate"),
    "longitude": ("longitude", "xcoordinate"),
}
_DANGEROUS_BUILDINGS = DataSet("dangerous_buildings", "ax3m-jhxx", Transport.SOCRATA, _DANGEROUS_FIELDS, ("case_id", "address"))
_DANGEROUS_LEGACY = DataSet(
    "dangerous_buildings", "vzsi-k8cj", Transport.SOCRATA, _DANGEROUS_FIELDS, ("case_id", "address"),
    is_primary=False, view_of="7at3-sxhp",
)  # fmt: skip
_BUS_STOPS = DataSet(
    "bus_stops", "ydqf-pvmx", Transport.SOCRATA, {**one_name("stop_id", "stop_name", "lighting", "shelter"), "point": ("location",)},
    ("stop_id", "point"),
)  # fmt: skip

_FEEDS = (
    Feed(
        "police_reports", "Police reports", "KCPD reports. One source row per involved person; addresses are rounded to the block.",
        "event", "Kansas City Police Department", 21,
        (
            *(_police_year(year) for year in _POLICE_IDS),
            _police_year(
                2023, id="8w6q-wd5b", is_primary=False, view_of="bfyq-5nh6",
                implied={"nibrs": "13A", "offense": "Aggravated Assault", "domestic_flag": "false", "firearm_flag": "true"},
            ),
            _DEPARTMENT_REPORTS,
        ),
        yearly_since=min(_POLICE_IDS),
    ),
    Feed(
        "calls_911", "911 calls", "Dispatched calls for service; block or intersection text without coordinates, about eight weeks late.",
        "event", "Kansas City Police Department", 75, (_CALLS_2022, _CALLS_SINCE_2024, _DEPARTMENT_CALLS),
    ),
    Feed(
        "health_inspections", "Health inspections", "Food inspections as the health department exports them; no open data set exists.",
        "event", "Kansas City Health Department", 30, (_INSPECTION_FILES, _INSPECTION_TABLE),
    ),
    Feed(
        "streetlight_outages", "Streetlight outages", "311 requests about streetlights, exact to the address.",
        "event", "Kansas City Public Works", 21,
        (_requests_311("streetlight_outages", _STREETLIGHT_FILTERS), _requests_311_legacy("streetlight_outages", LEGACY_STREETLIGHT_TYPES)),
    ),
    Feed(
        "dumping_complaints", "Illegal dumping complaints", "311 requests about illegal dumping; one category fell silent on 2026-06-18.",
        "event", "Kansas City Public Works", 21,
        (
            _requests_311("dumping_complaints", _DUMPING_FILTERS),
            _requests_311_legacy("dumping_complaints", _LEGACY_DUMPING_TYPES),
            _requests_311("dumping_complaints", {}, "p227-55mh", is_primary=False, view_of="d4px-6rwg"),
        ),
    ),
    Feed("business_licenses", "Business licences", "Current licence holders; one row per licence class, many without a street presence.", "reference", "Kansas City Finance", None, (_LICENSES,)),
    Feed("food_permits", "Food permits", "Food establishments' permits (2017).", "reference", "Kansas City Health Department", None, (_FOOD_PERMITS,)),
    Feed("parcels", "Parcels", "Land parcels: polygons, in older files only points.", "reference", "Kansas City GIS", None, (_PARCEL_LAYER, _PARCEL_COPY, _CITY_OWNED_PARCELS, _PARCEL_POINTS)),
    Feed("streets", "Street centre lines", "Street segments with their house-number ranges.", "reference", "Kansas City GIS", None, (_STREETS,)),
    Feed(
        "districts", "Districts", "Neighborhoods, patrol divisions and council districts.", "reference", "Kansas City GIS", None,
        (_district("vq6h-tqrf", "neighborhood", "nbhname"), _district("evs7-zsdk", "patrol_division", "divisionname"),
         _district("5qar-bf4m", "council_district", "district", "councildistrict", "district_number")),
    ),
    Feed("property_violations", "Property violations", "Code violations with the parcel's KIVA PIN.", "reference", "Kansas City Neighborhood Services", None, (_VIOLATIONS, _OPEN_VIOLATIONS)),
    Feed("dangerous_buildings", "Dangerous buildings", "Cases about dangerous buildings, with the parcel's KIVA PIN.", "reference", "Kansas City Neighborhood Services", None, (_DANGEROUS_BUILDINGS, _DANGEROUS_LEGACY)),
    Feed("bus_stops", "Bus stops", "Stops of the city's buses, with their shelters and lights.", "reference", "Kansas City Area Transportation Authority", None, (_BUS_STOPS,)),
)  # fmt: skip

FEEDS: dict[str, Feed] = {feed.name: feed for feed in _FEEDS}
EVENT_SOURCES = tuple(FEEDS[name] for name in EVENT_FEEDS)
REFERENCE_SOURCES = tuple(feed for feed in _FEEDS if feed.kind == "reference")


class MissingDataSetError(LookupError):
    """A feed that gets a new data set every year has none for a year."""


def find_data_set(feed: str, data_set_id: str) -> DataSet:
    """The data set of a feed with this id.

    Raises:
        KeyError: the feed has no such data set.
    """
    for data_set in FEEDS[feed].data_sets:
        if data_set.id == data_set_id:
            return data_set
    raise KeyError(f"{feed}: no data set {data_set_id!r} in kc_pipeline/catalog/sources.py")


def planned_data_sets(feed: Feed, first_month: str, last_month: str) -> tuple[DataSet, ...]:
    """Primary data sets that cover a range of months, both ends included.

    Raises:
        MissingDataSetError: a yearly feed has no data set for a year of the range.
    """
    planned = tuple(d for d in feed.data_sets if d.is_primary and d.covers(first_month, last_month))
    if feed.yearly_since is not None:
        years = range(max(feed.yearly_since, int(first_month[:4])), int(last_month[:4]) + 1)
        for year in years:
            if not any(d.record_system == "open" and d.covers(f"{year}-01", f"{year}-12") for d in planned):
                raise MissingDataSetError(
                    f"{feed.name} {year}: no data set id for this year; add it to kc_pipeline/catalog/sources.py "
                    f"(the portal's catalogue lists the police data set of each year)"
                )
    return planned
