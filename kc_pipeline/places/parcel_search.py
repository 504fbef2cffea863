"""On which parcel a business stands, how well that is known, and which cases a person must decide.

Evidence is weighed in one order: a parcel key in a register, the equal address, an address the gazetteer could correct, a
point inside a parcel whose own address agrees, and a neighbouring record of the same name.  The points of licences are
street geocodes, often nearer to the wrong lot, so a point never decides against an address and never picks the nearest lot.
Where evidence contradicts itself the business keeps its address as its place until a person has decided.
"""

import numpy as np
import pandas as pd
import shapely

from kc_pipeline.membership import among
from kc_pipeline.places.business_records import distance_m
from kc_pipeline.places.geometry import project, project_shapes
from kc_pipeline.places.parcel_evidence import (
    COLUMNS,
    CONTRADICTED,
    from_addresses,
    from_keys,
    from_neighbors,
    from_refused,
    from_shared_address,
    holding_parcels,
    own_parcels,
    trusted_points,
)

METHODS = ("parcel_key", "address", "address_corrected", "point_in_polygon", "name_and_address")
# Below this a parcel is not given, nor where other evidence for another parcel comes this near.
LOWEST_SCORE, LEAST_LEAD = 0.6, 0.05
# Street geocodes lie 27 m from the lot's centre in the median, 55 m in nine of ten.  Further off than this from the lot's
# outline, the point means another place; inside a lot on another street it does so sooner.  Where only the centre of a lot is
# known the bound is wide: the zoo's gates lie 1,400 m from its centre.
_FAR_ON_OTHER_STREET_M, _FAR_M, _FAR_FROM_CENTRE_M = 100.0, 400.0, 2_500.0
_MOST_CANDIDATES = 5


def find_parcels(records: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """The parcel of each business.

    Args:
        records: rows of `business_groups.group_records`.
        parcels: rows of clean/parcels.

    Returns:
        Frame indexed by business, sorted, with

        - main: position in `records` of the row whose address is the business's own: a licence's before a permit's;
        - parcel_id, match_method (one of METHODS or 'none'), match_score (0 where there is no parcel);
        - runner_up_parcel_id, runner_up_score: the best other parcel that any evidence names;
        - reason: why a person must decide, None for most; then parcel_id is None and match_method 'none';
        - candidates: 'parcel 123 (0.95, its address is equal); ...' and suggested_parcel_id, for those.
    """
    own = own_parcels(parcels)
    main = records.reset_index(names="main").drop_duplicates("business").set_index("business").sort_index()
    point = trusted_points(records).reindex(main.index)
    held = holding_parcels(main, point, own, parcels)
    evidence = pd.concat(
        [
            from_keys(records),
            from_addresses(records, main, point),
            held.loc[held["parcel_id"].notna(), COLUMNS],
            from_neighbors(records, main),
            from_refused(records),
            from_shared_address(main, own, held),
        ],
        ignore_index=True,
    ).astype({"method": "str", "parcel_id": "str", "score": float, "note": "str"})
    found = _weigh(evidence, main.index)
    reason = _reasons(found, main, _way_to_parcel(found["parcel_id"], point, own, parcels), held, evidence)
    return _settle(found.assign(main=main["main"]), reason, evidence)


def _weigh(evidence: pd.DataFrame, businesses: pd.Index) -> pd.DataFrame:
    """The best evidence of each business and the best for another parcel."""
    ranked = evidence.assign(rank=evidence["method"].map({name: rank for rank, name in enumerate(METHODS)}))
    usable = ranked[ranked["rank"].notna() & (ranked["score"] > CONTRADICTED)]
    usable = usable.sort_values(["business", "rank", "score", "parcel_id"], ascending=[True, True, False, True])
    best = usable.drop_duplicates("business").set_index("business").reindex(businesses)
    others = evidence[evidence["parcel_id"] != evidence["business"].map(best["parcel_id"])]
    others = others.sort_values(["business", "score", "parcel_id"], ascending=[True, False, True]).drop_duplicates("business")
    others = others.set_index("business").reindex(businesses)
    return pd.DataFrame(
        {
            "parcel_id": best["parcel_id"].astype("str"),
            "match_method": best["method"].astype("str").fillna("none"),
            "match_score": best["score"].astype(float).fillna(0.0),
            "runner_up_parcel_id": others["parcel_id"].astype("str"),
            "runner_up_score": others["score"].astype(float),
        }
    )


def _way_to_parcel(parcel_ids: pd.Series, point: pd.DataFrame, own: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """Metres from each business's point to the parcel found for it, and whether they are measured to its outline."""
    at = own.reindex(parcel_ids.to_numpy()).set_axis(parcel_ids.index)
    to_centre = distance_m(point["longitude"], point["latitude"], at["longitude"], at["latitude"])
    wanted = parcels[among(parcels["parcel_id"], parcel_ids) & (parcels["geometry_kind"] == "polygon")]
    outlines = pd.Series(project_shapes(shapely.from_wkb(wanted["geometry"].to_numpy(object))), index=wanted["parcel_id"], dtype=object)
    outlines = outlines[~outlines.index.duplicated()].reindex(parcel_ids.to_numpy()).set_axis(parcel_ids.index)
    has_outline = outlines.notna() & to_centre.notna()
    metres = project(point.loc[has_outline, "longitude"], point.loc[has_outline, "latitude"])
    to_outline = pd.Series(
        shapely.distance(shapely.points(metres), outlines[has_outline].to_numpy(object)), index=outlines.index[has_outline]
    )
    return pd.DataFrame({"metres": to_outline.reindex(parcel_ids.index).fillna(to_centre), "is_to_outline": has_outline})


def _reasons(found: pd.DataFrame, main: pd.DataFrame, way: pd.DataFrame, held: pd.DataFrame, evidence: pd.DataFrame) -> pd.Series:
    """Why a person must decide, None where nothing is in doubt."""
    away = way["metres"]
    far = away.fillna(0.0).round().astype("int64").map("{:,}".format).astype("str")
    by_address = found["match_method"].isin(["address", "address_corrected"])
    elsewhere = held["is_well_inside"] & held["other_street"].notna() & (held["parcel_id"] != found["parcel_id"])
    is_open = found["match_method"] == "none"
    refused = is_open & main["refused_parcel_id"].notna()
    shared = is_open & found.index.isin(evidence.loc[evidence["method"] == "shared_address", "business"])
    address = main["address_key"].astype("str")
    reason = pd.Series(None, index=found.index, dtype="object")
    cases = [
        (
            by_address & elsewhere & (away > _FAR_ON_OTHER_STREET_M),
            "The address " + address + " belongs to parcel " + found["parcel_id"] + ", but the register's point lies " + far
            + " m away inside parcel " + held["parcel_id"] + " on " + held["other_street"] + ".",
        ),
        (
            by_address & (away > np.where(way["is_to_outline"], _FAR_M, _FAR_FROM_CENTRE_M)),
            "The address " + address + " belongs to parcel " + found["parcel_id"] + ", but the register's point lies " + far + " m away.",
        ),
        (
            _is_close(found, evidence),
            "Parcel " + found["parcel_id"] + " and parcel " + found["runner_up_parcel_id"] + " are about equally likely.",
        ),
        (
            (found["match_score"] < LOWEST_SCORE) & ~is_open,
            "The address " + main["read_key"] + " is not known; " + address + ", another kind of street, is that of parcel "
            + found["parcel_id"] + ".",
        ),
        (
            refused,
            "The address " + main["read_key"] + " is not known; " + main["refused_key"].astype("str") + " is, but lies "
            + main["refused_m"].fillna(0.0).round().astype("int64").map("{:,}".format).astype("str") + " m from the register's point.",
        ),
        (shared, "Several parcels have the address " + address + ", and the register's point does not say which."),
    ]  # fmt: skip
    for applies, text in reversed(cases):
        reason = reason.mask(applies.fillna(False), text.astype("object"))
    return reason


def _is_close(found: pd.DataFrame, evidence: pd.DataFrame) -> pd.Series:
    """Whether evidence for another parcel comes near the best: any kind against an address or a point, else the same kind alone."""
    parcel, score, method = (evidence["business"].map(found[name]) for name in ("parcel_id", "match_score", "match_method"))
    is_rival = (evidence["parcel_id"] != parcel) & parcel.notna() & (evidence["score"] >= score - LEAST_LEAD)
    is_like = (evidence["method"] == method) | ((method != "parcel_key") & (evidence["method"] != "name_and_address"))
    return pd.Series(found.index.isin(evidence.loc[is_rival & is_like, "business"]), index=found.index)


def _settle(found: pd.DataFrame, reason: pd.Series, evidence: pd.DataFrame) -> pd.DataFrame:
    """Doubtful businesses lose their parcel and get their candidates; the others stay as found."""
    doubtful = reason.notna()
    named = evidence[evidence["business"].isin(found.index[doubtful])].sort_values(
        ["business", "score", "parcel_id", "note"], ascending=[True, False, True, True]
    )
    named = named.drop_duplicates(["business", "parcel_id"])
    best = named.drop_duplicates("business").set_index("business")["parcel_id"]
    named = named[named.groupby("business").cumcount() < _MOST_CANDIDATES]
    text = "parcel " + named["parcel_id"] + " (" + named["score"].map("{:.2f}".format).astype("str") + ", " + named["note"] + ")"
    candidates = text.groupby(named["business"]).agg("; ".join)
    runner_up = found["runner_up_parcel_id"].mask(doubtful, found["parcel_id"].fillna(found["runner_up_parcel_id"]))
    runner_up_score = found["runner_up_score"].mask(
        doubtful, found["match_score"].where(found["parcel_id"].notna(), found["runner_up_score"])
    )
    return found.assign(
        reason=reason,
        candidates=candidates.reindex(found.index).where(doubtful),
        suggested_parcel_id=best.reindex(found.index).where(doubtful),
        parcel_id=found["parcel_id"].mask(doubtful),
        match_method=found["match_method"].mask(doubtful, "none"),
        match_score=found["match_score"].mask(doubtful, 0.0),
        runner_up_parcel_id=runner_up,
        runner_up_score=runner_up_score,
    )
