"""The cleaner of each feed: raw table in, clean rows, quarantine and account out."""

from collections.abc import Callable, Mapping

import pyarrow as pa

from kc_pipeline.transform import areas, calls, inspections, police, registers, requests_311
from kc_pipeline.transform.result import CleanResult

CLEANERS: Mapping[str, Callable[[pa.Table], CleanResult]] = {
    "police_reports": police.clean,
    "calls_911": calls.clean,
    "health_inspections": inspections.clean,
    "streetlight_outages": requests_311.clean_streetlights,
    "dumping_complaints": requests_311.clean_dumping,
    "business_licenses": registers.clean_licenses,
    "food_permits": registers.clean_permits,
    "parcels": areas.clean_parcels,
    "streets": areas.clean_streets,
    "districts": areas.clean_districts,
    "property_violations": registers.clean_violations,
    "dangerous_buildings": registers.clean_dangerous_buildings,
    "bus_stops": registers.clean_bus_stops,
}
