"""The addresses that the city's registers know, with their parcel and position.

A first form: every exact address named by parcels, violations, dangerous buildings, licences, permits or events.  It
says which parcel an address belongs to, where it lies, and how many places share its block.
"""

from collections.abc import Mapping

import pandas as pd

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.grouping import join_distinct

# Registers that name a parcel beside an address; the first that knows the address wins.
PARCEL_REGISTERS = ("parcels", "property_violations", "dangerous_buildings", "streetlight_outages", "dumping_complaints")
_COLUMNS = ["address_key", "block_key", "zip_code", "parcel_id", "latitude", "longitude", "evidence"]


def build_gazetteer(registers: Mapping[str, pd.DataFrame], known_parcels: pd.Index) -> pd.DataFrame:
    """One row per exact, numbered address.

    Args:
        registers: name -> rows with address, zip_code, latitude, longitude and, where the register has it, parcel_id.
        known_parcels: parcel ids that exist; any other id in a register is not used.

    Returns:
        Frame in the columns of core/gazetteer, sorted by address_key.  Where registers disagree about the parcel the
        first of PARCEL_REGISTERS decides; inside one register the parcel named most often, and none if that is a tie.
        The position is the median of the points given for the address (EPSG:4326).
    """
    named = pd.concat([_numbered(name, rows) for name, rows in registers.items()], ignore_index=True)
    named["parcel_id"] = named["parcel_id"].where(named["parcel_id"].isin(known_parcels))
    by_address = named.groupby("address_key", sort=True)
    addresses = by_address.agg(
        block_key=("block_key", "first"),
        latitude=("latitude", "median"),
        longitude=("longitude", "median"),
    )
    addresses["zip_code"] = _most_common(named, "zip_code").reindex(addresses.index)
    addresses["evidence"] = join_distinct(named["address_key"], named["register"]).reindex(addresses.index)
    addresses["parcel_id"] = _parcel_of_address(named).reindex(addresses.index).astype("str")
    return addresses.reset_index()[_COLUMNS]


def count_places_per_block(gazetteer: pd.DataFrame) -> pd.Series:
    """Distinct places (parcels, or addresses where no parcel is known) on each block, indexed by block_key."""
    place = gazetteer["parcel_id"].fillna(gazetteer["address_key"])
    return place.groupby(gazetteer["block_key"]).nunique().rename("place_count")


def _numbered(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    kept = rows.reindex(columns=["address", "zip_code", "parcel_id", "latitude", "longitude"])
    kept = pd.concat([kept, standardize(kept["address"])], axis="columns")
    return kept[kept["address_kind"] == "numbered"].assign(register=name)


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
