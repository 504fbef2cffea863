"""Where written addresses lie, by the gazetteer: the equal row, else the only one that can be meant, else what can be reckoned."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from kc_pipeline.places import street_names, streets
from kc_pipeline.places.addresses import split_street, standardize
from kc_pipeline.places.gazetteer import DRAWN_CORNER_M, SETBACK_M
from kc_pipeline.places.geometry import in_metres, project, unproject

_SAME_PLACE_M = 150.0
_USUAL_REACH_M = 75.0  # from a block's middle to its end
_ENOUGH_CORNERS, _TRUSTED_SHARE = 20, 0.8
_FOUND = ["found_kind", "found_key", "name_match", "candidates", "parcel_id", "latitude", "longitude", "error_radius_m", "position_method"]


def locate(addresses: pd.Series, gazetteer: pd.DataFrame, exact: pd.Series | bool = True) -> pd.DataFrame:
    """Where addresses lie.

    Args:
        addresses: address texts, any of them missing.
        gazetteer: rows of core/gazetteer.
        exact: whether the source gives house numbers as they are; else a numbered address names its hundred-block.

    Returns:
        Frame with the index of `addresses` and the parts of `standardize`, and

        - found_kind, found_key: the row of the gazetteer; None where there is none, or where several different ones fit
          equally well;
        - name_match: 'equal', or what differs between the written and the found street: 'direction' (of one is not
          given), 'type' or 'spelling'; 'numbering' for a corner set by the number of its street;
        - candidates: rows that came into question (0 not found, 1 unambiguous);
        - parcel_id (exact addresses only), latitude, longitude (EPSG:4326), error_radius_m, position_method.

        Several candidates within 150 m of each other give a position (their middle) but no found_key.
    """
    asked = pd.DataFrame({"address": addresses, "exact": exact}, index=addresses.index)
    codes, _ = pd.factorize(pd.MultiIndex.from_frame(asked))
    distinct = asked.iloc[pd.Series(codes).drop_duplicates().index].reset_index(drop=True)
    distinct = pd.concat([standardize(distinct["address"]), distinct[["exact"]]], axis="columns")
    found = _find(distinct, gazetteer).reindex(distinct.index)
    found["candidates"] = found["candidates"].fillna(0).astype("int64")
    together = pd.concat([distinct.drop(columns="exact"), found], axis="columns")
    return together.iloc[codes].set_axis(addresses.index)


def _find(asked: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Rows of the gazetteer for distinct asked addresses, in the columns of _FOUND; nothing for those not found."""
    of_kind = {kind: gazetteer[gazetteer["address_kind"] == kind] for kind in ("numbered", "block", "intersection")}
    numbered = asked[asked["address_kind"] == "numbered"]
    corners = asked[asked["address_kind"] == "intersection"]
    whole = numbered[numbered["exact"].astype(bool) & numbered["number"].gt(0) & ~numbered["is_range"]]
    found = [_equal(whole["address_key"], of_kind["numbered"], "numbered")]
    rest = numbered.drop(found[0].index)
    found.append(_equal(rest["block_key"], of_kind["block"], "block"))
    found.append(_equal(corners["address_key"], of_kind["intersection"], "intersection"))
    rest = asked[asked["address_kind"].isin(["numbered", "intersection"])].drop(pd.concat(found).index)
    if len(rest):
        known = pd.concat([gazetteer["street"], gazetteer["cross_street"]]).dropna().unique()
        matches = street_names.match_names(pd.concat([rest["street"], rest["cross_street"]]).dropna().unique(), known)
        found.append(_other_name(whole.loc[whole.index.intersection(rest.index)], matches, of_kind["numbered"], "numbered"))
        rest = rest.drop(found[-1].index)
        found.append(_other_name(rest[rest["address_kind"] == "numbered"], matches, of_kind["block"], "block"))
        rest = rest.drop(found[-1].index)
        found.append(_carried_block(rest[rest["address_kind"] == "numbered"], of_kind["block"]))
        crossing = rest[rest["address_kind"] == "intersection"]
        found.append(_other_corner(crossing, matches, of_kind["intersection"]))
        found.append(_numbered_corner(crossing.drop(found[-1].index), matches, of_kind))
    return pd.concat([part[_FOUND] for part in found if len(part)] or [pd.DataFrame(columns=_FOUND)])


def _equal(keys: pd.Series, rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    at = pd.Index(rows["address_key"]).get_indexer(keys)
    hit = rows.iloc[at[at >= 0]].set_axis(keys.index[at >= 0])
    return hit.assign(found_kind=kind, found_key=hit["address_key"], name_match="equal", candidates=1)


def _other_name(asked: pd.DataFrame, matches: pd.DataFrame, rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Numbered addresses and blocks on streets whose written name is not quite theirs."""
    number = asked["number"] if kind == "numbered" else asked["number"] // 100 * 100
    pairs = (
        asked.assign(front=number.astype("str")).reset_index(names="row").merge(matches[~matches["needs_corner"].astype(bool)], on="street")
    )
    keys = pairs["front"] + " " + pairs["known_street"]
    return _best(pairs, keys, rows, kind)


def _carried_block(asked: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Blocks of a known street far from its known blocks, set by the streets beside it."""
    known = rows[rows["position_method"] != "extrapolated"]
    known = known[["street"]].assign(hundred=known["address_key"].str.split(" ", n=1).str[0].astype(int) // 100, **in_metres(known))
    blocks = asked[["street"]].assign(hundred=asked["number"].astype(int) // 100)
    carried = streets.carry_along(blocks, known)
    longitude, latitude = unproject(carried["east_m"].to_numpy(), carried["north_m"].to_numpy())
    return carried.assign(
        found_kind=None, found_key=None, name_match="equal", candidates=1, parcel_id=None, latitude=latitude, longitude=longitude,
        error_radius_m=carried["spread_m"] + 2 * SETBACK_M + _USUAL_REACH_M, position_method="streets_beside",
    )  # fmt: skip


def _other_corner(asked: pd.DataFrame, matches: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    pairs = _corner_pairs(asked, matches)
    swap = pairs["street"] > pairs["cross_street"]
    first, second = pairs["street"].mask(swap, pairs["cross_street"]), pairs["cross_street"].mask(swap, pairs["street"])
    return _best(pairs, first + " & " + second, rows, "intersection")


def _corner_pairs(asked: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Every pair of known streets that an asked corner may mean, with what differs; the written pair itself among them."""
    names = pd.concat([asked["street"], asked["cross_street"]]).unique()
    same = pd.DataFrame({"street": names, "known_street": names, "name_match": "equal", "cost": 0.0})
    either = pd.concat([same, matches], ignore_index=True)
    pairs = asked[["street", "cross_street"]].reset_index(names="row").merge(either, on="street")
    second = either.rename(
        columns={"street": "cross_street", "known_street": "known_cross", "name_match": "cross_match", "cost": "cross_cost"}
    )
    pairs = pairs.merge(second, on="cross_street")
    label = pairs["name_match"].where(pairs["cost"] >= pairs["cross_cost"], pairs["cross_match"])
    return pairs.assign(
        street=pairs["known_street"], cross_street=pairs["known_cross"], name_match=label, cost=pairs["cost"] + pairs["cross_cost"]
    )


def _best(pairs: pd.DataFrame, keys: pd.Series, rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The cheapest candidates of each asked row, as one found row; indexed by asked row."""
    at = pd.Index(rows["address_key"]).get_indexer(keys)
    hits = pairs[["row", "name_match", "cost"]][at >= 0].reset_index(drop=True)
    columns = ["address_key", "parcel_id", "latitude", "longitude", "error_radius_m", "position_method"]
    hits = pd.concat([hits, rows[columns].iloc[at[at >= 0]].reset_index(drop=True)], axis="columns")
    return _settle(hits, kind)


def _settle(hits: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One found row for each asked one: its cheapest candidate; if there are several, their middle or nothing."""
    hits = hits[hits["cost"] == hits.groupby("row")["cost"].transform("min")]
    hits = hits.assign(**in_metres(hits))
    by_row = hits.groupby("row")
    count = by_row.size()
    one = hits.drop_duplicates("row").set_index("row").sort_index()
    spread = np.hypot(*(by_row[axis].max() - by_row[axis].min() for axis in ("east_m", "north_m")))
    single, close = count == 1, (count > 1) & (spread <= _SAME_PLACE_M)
    longitude, latitude = unproject(by_row["east_m"].mean().to_numpy(), by_row["north_m"].mean().to_numpy())
    given = single | close
    return one.assign(
        found_kind=pd.Series(kind, index=one.index).where(single),
        found_key=one["address_key"].where(single),
        name_match=one["name_match"].where(given),
        candidates=count,
        parcel_id=one["parcel_id"].where(single),
        latitude=pd.Series(latitude, index=one.index).where(given),
        longitude=pd.Series(longitude, index=one.index).where(given),
        error_radius_m=(one["error_radius_m"] + spread / 2).where(given),
        position_method=one["position_method"].where(given),
    )


def _numbered_corner(asked: pd.DataFrame, matches: pd.DataFrame, rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Corners of a numbered street with one that counts its blocks by them: 43rd Street is where the 4300s begin.

    Used only for kinds of street for which the known corners bear it out.
    """
    rule = _numbering(rows["intersection"], rows["block"])
    if rule.empty:
        return pd.DataFrame(columns=_FOUND)
    pairs = _corner_pairs(asked, matches)
    hits = _by_numbering(pairs, rows["block"]).merge(rule, on="kind")
    hits = hits.assign(
        address_key=None, parcel_id=None, position_method="numbering", error_radius_m=hits["radius_m"],
        name_match="numbering", cost=hits["cost"],
    )  # fmt: skip
    longitude, latitude = unproject(hits["east_m"].to_numpy(), hits["north_m"].to_numpy())
    return _settle(hits.assign(latitude=latitude, longitude=longitude), "intersection")


def _numbering(corners: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Kinds of numbered street (direction and type) whose corners lie where the other's house numbers say, with a radius."""
    known = corners.reset_index(names="row").assign(cost=0.0, name_match="equal")
    guessed = _by_numbering(known, blocks)
    true = known.set_index("row").loc[guessed["row"]]
    away = np.hypot(*(np.column_stack([guessed["east_m"], guessed["north_m"]]) - project(true["longitude"], true["latitude"])).T)
    by_kind = pd.Series(away, index=guessed.index).groupby(guessed["kind"])
    rule = pd.DataFrame(
        {
            "count": by_kind.size(),
            "share": by_kind.apply(lambda m: (m <= _SAME_PLACE_M).mean()),
            "radius_m": by_kind.quantile(0.95) + SETBACK_M,
        }
    )
    rule = rule[(rule["count"] >= _ENOUGH_CORNERS) & (rule["share"] >= _TRUSTED_SHARE)]
    return rule.assign(radius_m=np.maximum(rule["radius_m"], DRAWN_CORNER_M))[["radius_m"]].reset_index()


def _by_numbering(pairs: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Where pairs of streets would cross if house numbers follow the numbered one of the two.

    Returns:
        Frame with row, cost, kind (direction and type of the numbered street), east_m and north_m; an index that is the
        order of the hits.  A street is half way between two blocks of the other, a terrace or place amid one.
    """
    columns = ["row", "cost", "street", "cross_street"]
    turned = pairs[columns].rename(columns={"street": "cross_street", "cross_street": "street"})
    both = pd.concat([pairs[columns], turned], ignore_index=True)
    parts = pd.DataFrame([split_street(street) for street in both["street"]], columns=["direction", "name", "type", "suffix"])
    crossed = pd.Series([split_street(street).name for street in both["cross_street"]], dtype="str")
    ordinal = pd.to_numeric(parts["name"].str.extract(r"^(\d+)(?:ST|ND|RD|TH)$")[0], errors="coerce")
    usable = (ordinal.notna() & ~crossed.str[:1].str.isdigit()).to_numpy()
    both = both[usable].assign(kind=(parts["direction"] + " " + parts["type"])[usable], number=ordinal[usable].astype(int))
    index, metres = pd.Index(blocks["address_key"]), in_metres(blocks)
    in_block = parts["type"][usable].isin(["TER", "PL"])
    at = [
        index.get_indexer((both["number"] * 100 - before).astype("str") + " " + both["cross_street"])
        for before in (np.where(in_block, 0, 100), 0)
    ]
    hit = (at[0] >= 0) & (at[1] >= 0)
    east, north = ((metres[axis][at[0][hit]] + metres[axis][at[1][hit]]) / 2 for axis in ("east_m", "north_m"))
    return both.loc[hit, ["row", "kind", "cost"]].assign(east_m=east, north_m=north).reset_index(drop=True)
