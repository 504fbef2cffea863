"""An offline gazetteer of the city: exact addresses, hundred-blocks and corners.

Each row has a position, how far that may be off, and what it rests on.
It is built from the city's own registers alone (parcels, street centre lines where published, exact points of 311,
licences, permits, violations and building cases), never from the events that it is to locate.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kc_pipeline.membership import among
from kc_pipeline.places import streets
from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.geometry import in_metres, project, unproject
from kc_pipeline.places.grouping import join_distinct

# Registers that name a parcel beside an address; the first that knows the address wins.
PARCEL_REGISTERS = ("parcels", "property_violations", "dangerous_buildings", "streetlight_outages", "dumping_complaints")
LONGEST_GAP, BEYOND_END = 15, 2  # hundreds
# Half a street and its front yards: a block's events and their published points lie up to this far off its line.
SETBACK_M = 45.0
_DRIFT_SHARE = 0.15  # how far a street may bend away, as a share of the way to its next known block
_OPEN_DRIFT_SHARE = 0.4  # the same past the last known block
_CORNER_M, DRAWN_CORNER_M = 25.0, 60.0  # a corner of centre lines; of lines drawn through house points
_LEAST_RADIUS_M = 15.0
COLUMNS = [
    "address_kind", "address_key", "block_key", "street", "cross_street", "zip_code", "parcel_id", "latitude", "longitude",
    "error_radius_m", "position_method", "evidence", "evidence_count",
]  # fmt: skip


def build_gazetteer(registers: Mapping[str, pd.DataFrame], parcels: pd.DataFrame, street_lines: pd.DataFrame) -> pd.DataFrame:
    """Every exact address, block and corner that the registers support.

    Args:
        registers: name -> rows with address, zip_code, latitude, longitude and, where the register has it, parcel_id.
        parcels: rows of clean/parcels; a parcel id that is not among them is not used.
        street_lines: rows of clean/streets; may be empty.

    Returns:
        Frame in the columns of core/gazetteer, sorted by address_kind and address_key; positions in EPSG:4326.

        'numbered': the parcel's own point (position_method 'parcel'), else the median of the points given for the address
        ('address_points').  Where registers disagree about the parcel the first of PARCEL_REGISTERS decides; inside one
        register the parcel named most often, and none if that is a tie.
        'block': the middle of the hundred-block, from its centre line ('centre_line') or its addresses ('block_points'), or
        set between or beyond known blocks ('interpolated', 'extrapolated').
        'intersection': where two centre lines meet ('centre_line') or two lines through the blocks ('drawn_lines').
    """
    known = parcels.dropna(subset="parcel_id").drop_duplicates("parcel_id").set_index("parcel_id")
    addresses = _addresses(registers, known)
    metric = addresses.dropna(subset="latitude")
    metric = metric[["street", "number"]].assign(**in_metres(metric))
    lines = streets.read_centre_lines(street_lines)
    blocks = streets.find_blocks(metric, lines)
    named = addresses[["block_key", "evidence"]].assign(register=addresses["evidence"].str.split(";")).explode("register")
    evidence = join_distinct(named["block_key"], named["register"])
    rows = [
        addresses.assign(address_kind="numbered", evidence_count=addresses["row_count"]),
        _block_rows(blocks, evidence),
        _filled_rows(streets.fill_gaps(blocks, LONGEST_GAP, BEYOND_END)),
        _corner_rows(streets.find_crossings(blocks, lines)),
    ]
    table = pd.concat([part.reindex(columns=COLUMNS) for part in rows if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    return table.sort_values(["address_kind", "address_key"], ignore_index=True)


def _addresses(registers: Mapping[str, pd.DataFrame], known: pd.DataFrame) -> pd.DataFrame:
    named = pd.concat([_numbered(name, rows) for name, rows in registers.items()], ignore_index=True)
    named["parcel_id"] = named["parcel_id"].where(among(named["parcel_id"], known.index))
    by_address = named.groupby("address_key", sort=True)
    addresses = by_address.agg(
        block_key=("block_key", "first"),
        street=("street", "first"),
        number=("number", "first"),
        latitude=("latitude", "median"),
        longitude=("longitude", "median"),
        row_count=("register", "size"),
    )
    addresses["zip_code"] = _most_common(named, "zip_code").reindex(addresses.index)
    addresses["evidence"] = join_distinct(named["address_key"], named["register"]).reindex(addresses.index)
    addresses["parcel_id"] = _parcel_of_address(named).reindex(addresses.index).astype("str")
    return _positioned(addresses.reset_index(), known)


def _positioned(addresses: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Addresses at their parcel's point where they have one; the radius is what points and parcels differ by in nine of ten."""
    at = addresses["parcel_id"].map(known["latitude"]).astype(float), addresses["parcel_id"].map(known["longitude"]).astype(float)
    both = at[0].notna() & addresses["latitude"].notna()
    away = np.hypot(*(project(addresses["longitude"][both], addresses["latitude"][both]) - project(at[1][both], at[0][both])).T)
    radius = max(float(np.quantile(away, 0.9)), _LEAST_RADIUS_M) if len(away) else SETBACK_M
    method = np.select([at[0].notna(), addresses["latitude"].notna()], ["parcel", "address_points"], "")
    return addresses.assign(
        latitude=at[0].fillna(addresses["latitude"]),
        longitude=at[1].fillna(addresses["longitude"]),
        error_radius_m=np.where(method == "", np.nan, radius),
        position_method=pd.Series(method, index=addresses.index, dtype="str").replace("", None),
    )


def _numbered(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    kept = rows.reindex(columns=["address", "zip_code", "parcel_id", "latitude", "longitude"])
    kept = pd.concat([kept, standardize(kept["address"])], axis="columns")
    return kept[(kept["address_kind"] == "numbered") & kept["number"].gt(0).fillna(False) & ~kept["is_range"]].assign(register=name)


def _most_common(named: pd.DataFrame, column: str) -> pd.Series:
    """The value that most rows of an address have, the lowest of several, indexed by address_key."""
    votes = named.groupby(["address_key", column]).size().rename("votes").reset_index()
    votes = votes.sort_values(["address_key", "votes", column], ascending=[True, False, True])
    return votes.drop_duplicates("address_key").set_index("address_key")[column]


def _parcel_of_address(named: pd.DataFrame) -> pd.Series:
    """The parcel of each address that has one, indexed by address_key."""
    order = {name: rank for rank, name in enumerate(PARCEL_REGISTERS)}
    votes = named[named["parcel_id"].notna() & named["register"].isin(order)]
    votes = votes.groupby(["address_key", "register", "parcel_id"]).size().rename("votes").reset_index()
    votes["rank"] = votes["register"].map(order)
    votes = votes.sort_values(["address_key", "rank", "votes"], ascending=[True, True, False])
    first_register = votes[votes["rank"] == votes.groupby("address_key")["rank"].transform("min")]
    best = first_register[first_register["votes"] == first_register.groupby("address_key")["votes"].transform("max")]
    return best[~best["address_key"].duplicated(keep=False)].set_index("address_key")["parcel_id"]


def _rows(kind: str, keys: pd.Series, rows: pd.DataFrame, radius: pd.Series, method: "pd.Series | np.ndarray | str") -> pd.DataFrame:
    longitude, latitude = unproject(rows["east_m"].to_numpy(), rows["north_m"].to_numpy())
    return rows.assign(
        address_kind=kind, address_key=keys, latitude=latitude, longitude=longitude, error_radius_m=radius, position_method=method
    )


def _block_keys(blocks: pd.DataFrame) -> pd.Series:
    return (blocks["hundred"].astype(int) * 100).astype("str") + " " + blocks["street"]


def _block_rows(blocks: pd.DataFrame, evidence: pd.Series) -> pd.DataFrame:
    keys = _block_keys(blocks)
    method = np.where(blocks["is_line"], "centre_line", "block_points")
    rows = _rows("block", keys, blocks, blocks["reach_m"] + SETBACK_M, method)
    named = keys.map(evidence).fillna("streets")
    return rows.assign(block_key=keys, evidence=named, evidence_count=rows["address_count"])


def _filled_rows(filled: pd.DataFrame) -> pd.DataFrame:
    keys = _block_keys(filled)
    is_between = filled["is_between"].astype(bool)
    drift = np.where(is_between, _DRIFT_SHARE, _OPEN_DRIFT_SHARE) * filled["length_m"] * filled["gap"].astype(float)
    radius = filled["reach_m"] + SETBACK_M + drift
    method = np.where(is_between, "interpolated", "extrapolated")
    rows = _rows("block", keys, filled, radius, method)
    return rows.assign(block_key=keys, evidence="neighboring_blocks", evidence_count=0)


def _corner_rows(corners: pd.DataFrame) -> pd.DataFrame:
    keys = corners["street"] + " & " + corners["cross_street"]
    drawn = DRAWN_CORNER_M + _DRIFT_SHARE * corners["unknown_m"]
    radius = np.where(corners["is_line"], _CORNER_M, drawn) + corners["spread_m"] / 2
    rows = _rows("intersection", keys, corners, radius, np.where(corners["is_line"], "centre_line", "drawn_lines"))
    return rows.assign(evidence="streets", evidence_count=0)
