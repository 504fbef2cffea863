"""Lineage of the core tables: what is made of the clean rows before a day is scored."""

from collections.abc import Mapping

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.catalog.factors import CONDITIONS
from kc_pipeline.catalog.lineage import Origin, of

_LICENSES, _PERMITS, _PARCELS, _DISTRICTS = "clean/business_licenses", "clean/food_permits", "clean/parcels", "clean/districts"
_REGISTERS = (
    _PARCELS, "clean/property_violations", "clean/dangerous_buildings", _LICENSES, _PERMITS, "clean/streetlight_outages", "clean/dumping_complaints",
)  # fmt: skip
_GAZETTEER, _LOCATED, _BLOCKS, _BUSINESSES, _PLACES = (
    f"core/{name}" for name in ("gazetteer", "located_addresses", "block_places", "businesses", "business_parcels")
)
_OBSERVED = tuple(dict.fromkeys(c.table for c in CONDITIONS.values() if c.table.startswith("clean/")))
_FILE = "as a person wrote it in the file of decisions"

_NAMED_PLACES = (*of("address", *_REGISTERS), *of("street_name", "clean/streets"))
_POINTS = {axis: (*of(axis, *_REGISTERS), *of("geometry", "clean/streets")) for axis in ("latitude", "longitude")}
_IDENTITY = (*of("business_name", _LICENSES), *of("establishment_name", _PERMITS), *of("address", _LICENSES, _PERMITS))
_PARCEL_EVIDENCE = (
    *of("parcel_id", _GAZETTEER), *of("address", _LICENSES, _PERMITS), *of("latitude", _LICENSES, _PERMITS), *of("geometry", _PARCELS),
)  # fmt: skip
_TIE = (
    *of("address_precision", *EVENT_TABLES), *of("parcel_id", *EVENT_TABLES), *of("found_key", _LOCATED), *of("parcel_id", _LOCATED),
    *of("latitude", *EVENT_TABLES), *of("geometry", _PARCELS),
)  # fmt: skip
_SHARING = (*of("block_key", _LOCATED), *of("place_id", _BLOCKS))
_SNAPSHOT = of("pull_id", _LICENSES, _PERMITS)
_VERSION: dict[str, tuple[str, ...]] = dict.fromkeys(("valid_from", "valid_to", "is_current", "snapshot_date"), _SNAPSHOT)


CORE_ORIGINS: Mapping[str, Origin] = {
    _GAZETTEER: Origin(
        (_REGISTERS,),
        {
            **dict.fromkeys(("address_kind", "address_key", "block_key", "street", "cross_street"), _NAMED_PLACES),
            **_POINTS,
            "error_radius_m": (*_POINTS["latitude"], *of("geometry", _PARCELS)),
            "position_method": (*_POINTS["latitude"], *of("geometry", _PARCELS)),
            "evidence": _NAMED_PLACES,
            "evidence_count": _NAMED_PLACES,
        },
    ),
    _BLOCKS: Origin(
        ((_GAZETTEER,),),
        {
            "parcel_id": (*of("parcel_id", _GAZETTEER), *of("parcel_id", _PARCELS)),
            "place_id": (*of("parcel_id", _GAZETTEER), *of("address_key", _GAZETTEER), *of("parcel_id", _PARCELS)),
            "block_key": (*of("block_key", _GAZETTEER), *of("latitude", _PARCELS), *of("longitude", _PARCELS)),
            "placed_by": (*of("block_key", _GAZETTEER), *of("parcel_id", _PARCELS)),
        },
    ),
    _LOCATED: Origin(
        (EVENT_TABLES, (_GAZETTEER,)),
        {
            **dict.fromkeys(("address_kind", "address_key", "street", "cross_street"), of("address", *EVENT_TABLES)),
            "block_key": (*of("address", *EVENT_TABLES), *of("block_key", _GAZETTEER)),
            "found_kind": (*of("address_kind", _GAZETTEER), *of("address", *EVENT_TABLES)),
            "found_key": (*of("address_key", _GAZETTEER), *of("address", *EVENT_TABLES)),
            "name_match": (*of("street", _GAZETTEER), *of("address", *EVENT_TABLES)),
            "candidate_count": (*of("address_key", _GAZETTEER), *of("address", *EVENT_TABLES)),
            **{name: of(name, _GAZETTEER) for name in ("parcel_id", "latitude", "longitude", "error_radius_m", "position_method")},
        },
    ),
    _BUSINESSES: Origin(
        ((_LICENSES, _PERMITS),),
        {
            "business_id": _IDENTITY,
            "business_name": (*of("business_name", _LICENSES), *of("establishment_name", _PERMITS)),
            "business_types": of("business_type", _LICENSES, _PERMITS),
            "license_ids": of("license_id", _LICENSES),
            "permit_numbers": of("permit_number", _PERMITS),
            "is_active": (*of("valid_until", _LICENSES), *of("case_status", _PERMITS)),
            "address_key": (*of("address", _LICENSES, _PERMITS), *of("address_key", _GAZETTEER)),
            "block_key": (*of("address", _LICENSES, _PERMITS), *of("block_key", _GAZETTEER)),
            "business_parcel_id": _PARCEL_EVIDENCE,
            **dict.fromkeys(("parcel_id", "match_method", "match_score", "runner_up_parcel_id", "runner_up_score"), _PARCEL_EVIDENCE),
        },
    ),
    "core/business_review": Origin(
        ((_LICENSES, _PERMITS),),
        {
            "business_id": _IDENTITY,
            "business_name": (*of("business_name", _LICENSES), *of("establishment_name", _PERMITS)),
            "business_types": of("business_type", _LICENSES, _PERMITS),
            "is_active": (*of("valid_until", _LICENSES), *of("case_status", _PERMITS)),
            "address_key": (*of("address", _LICENSES, _PERMITS), *of("address_key", _GAZETTEER)),
            **dict.fromkeys(("reason", "candidates", "suggested_parcel_id"), _PARCEL_EVIDENCE),
        },
    ),
    "core/business_decisions": Origin(
        (),
        dict.fromkeys(("decision_status", "rejection_reason"), (*of("parcel_id", _PARCELS), *_IDENTITY, *of("address_key", _GAZETTEER))),
        dict.fromkeys(
            ("file_line", "business_id", "decision", "parcel_id", "same_as_business_id", "decided_by", "decided_on", "note"), _FILE
        ),
    ),
    "core/business_history": Origin(((_BUSINESSES,),), _VERSION),
    "core/business_parcel_history": Origin(((_PLACES,),), _VERSION),
    _PLACES: Origin(
        ((_BUSINESSES,),),
        {
            "business_names": of("business_name", _BUSINESSES),
            "business_count": of("business_id", _BUSINESSES),
            "latitude": of("latitude", _PARCELS, _GAZETTEER, _BUSINESSES),
            "longitude": of("longitude", _PARCELS, _GAZETTEER, _BUSINESSES),
            "geometry_kind": of("geometry_kind", _PARCELS),
            **dict.fromkeys(
                ("neighborhood", "council_district", "division"),
                (*of("district_name", _DISTRICTS), *of("geometry", _DISTRICTS), *of("latitude", _PARCELS, _BUSINESSES)),
            ),
        },
    ),
    "core/event_attribution": Origin(
        (EVENT_TABLES,),
        {
            "business_parcel_id": (*of("business_parcel_id", _PLACES), *_TIE, *_SHARING),
            "exclusion_reason": (*of("current_status", *EVENT_TABLES), *of("is_officer_initiated", *EVENT_TABLES)),
            "attribution_method": _TIE,
            "precision": (*_TIE, *of("address_kind", _LOCATED)),
            "distance_m": (*of("latitude", *EVENT_TABLES), *of("longitude", *EVENT_TABLES), *of("geometry", _PARCELS)),
            "candidate_count": (*_SHARING, *_TIE),
            "weight": (*_SHARING, *of("business_parcel_id", _PLACES)),
        },
    ),
    "core/factor_observations": Origin(
        (_OBSERVED,),
        {
            "observation_id": (*of("event_id", *_OBSERVED), *of("record_id", *_OBSERVED), *of("business_parcel_id", _PLACES)),
            "source_id": (*of("event_id", *_OBSERVED), *of("record_id", *_OBSERVED), *of("business_parcel_id", _PLACES)),
            "condition": (*of("category", "clean/streetlight_outages"), *of("business_types", _PLACES)),
            "business_parcel_id": (*of("business_parcel_id", "core/event_attribution"), *of("business_parcel_id", _PLACES), *of("parcel_id", *_OBSERVED)),
            "opened_date": (*of("report_date", *_OBSERVED), *of("opened_date", *_OBSERVED)),
            "known_date": (*of("available_date", *_OBSERVED), *of("opened_date", *_OBSERVED)),
            "resolved_date": (*of("resolved_date", *_OBSERVED), *of("report_date", "clean/health_inspections")),
            "closed_known_date": (*of("resolved_date", *_OBSERVED), *of("report_date", "clean/health_inspections")),
            "is_closed": (*of("current_status", *_OBSERVED), *of("case_status", *_OBSERVED)),
            "address": (*of("address", *_OBSERVED, _PLACES), *of("stop_name", *_OBSERVED)),
            "latitude": of("latitude", *_OBSERVED, _PLACES),
            "longitude": of("longitude", *_OBSERVED, _PLACES),
            "finding_count": of("critical_violation_count", *_OBSERVED),
        },
    ),
}  # fmt: skip
