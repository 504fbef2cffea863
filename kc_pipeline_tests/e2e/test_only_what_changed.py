"""A step is left out while nothing it follows from has changed, and what is made in part equals what is made whole."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kc_runs import copied, platform

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution, audits, places, public_counts, risk, unchanged
from kc_pipeline.defs.steps.event_changes import changes_since, event_stamps
from kc_pipeline.places import attribution as places_attribution
from kc_pipeline.places.attribution import MOST_ADDRESSES_AT_A_POINT
from kc_pipeline.store.lake import Commit, canonical_rows

LEDGER = "core/event_attribution"
DUMPING = "clean/dumping_complaints"
COUNTS = "kept/neighborhood_counts"
STEPS: tuple[Callable[[Platform], Commit | tuple[Commit, ...]], ...] = (
    places.build_gazetteer, places.place_on_blocks, attribution.locate_addresses, places.build_businesses,
    places.update_business_history, places.build_business_parcels, places.update_business_parcel_history, risk.gather_observations,
)  # fmt: skip


@pytest.fixture
def at(finished_run: tuple[Path, str], tmp_path: Path) -> Platform:
    copied(finished_run[0], tmp_path / "copy")
    made = platform(tmp_path / "copy")
    for step in STEPS:  # the first business history makes the businesses be looked at once more
        step(made)
    return made


def forget(at: Platform, table: str) -> None:
    (at.lake.path(table) / "_made_of.json").unlink()


def months(at: Platform, table: str) -> list[str]:
    return sorted(at.lake.partitions(table))


def rewrite(at: Platform, month: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the rows of a month of complaints, as a corrected pull would."""
    rows = at.lake.read(DUMPING, partitions=[month])
    changed = pa.Table.from_pandas(change(rows.to_pandas()), schema=rows.schema, preserve_index=False)
    at.lake.write(DUMPING, changed, partitions=[month])


def reattribute(at: Platform) -> tuple[str, ...]:
    """Months whose shares changed; making every month anew must change nothing more."""
    attribution.locate_addresses(at)
    done = attribution.attribute_events(at).changed
    forget(at, "core/located_addresses")
    forget(at, LEDGER)
    assert attribution.locate_addresses(at).changed == ()
    assert attribution.attribute_events(at).changed == ()
    return done


def test_nothing_is_made_again_when_nothing_changed(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_: object, **__: object) -> None:
        raise AssertionError("nothing changed")

    for name in ("kc_pipeline.places.gazetteer.build_gazetteer", "kc_pipeline.store.lake.Lake.write"):
        monkeypatch.setattr(name, made)
    assert places.build_gazetteer(at).changed == ()
    monkeypatch.setattr(at.lake, "read", made)  # the gazetteer alone looks at what its registers say
    for step in (*STEPS[1:], attribution.attribute_events):
        commits = step(at)
        assert all(commit.changed == () for commit in (commits if isinstance(commits, tuple) else (commits,)))


def test_other_code_makes_tables_anew(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "code_digest", lambda: "another")
    read: list[str] = []
    whole = at.lake.read
    monkeypatch.setattr(at.lake, "read", lambda table, **kept: read.append(table) or whole(table, **kept))
    assert places.place_on_blocks(at).changed == ()
    assert read == ["core/gazetteer", "clean/parcels", "core/block_places"]
    read.clear()
    places.place_on_blocks(at)
    assert read == []


@pytest.mark.parametrize("damage", ["a file gone", "rows deleted"])
def test_a_damaged_table_is_made_anew(at: Platform, damage: str) -> None:
    before = at.lake.read("core/block_places")
    if damage == "a file gone":
        next(at.lake.path("core/block_places").glob("*.parquet")).unlink()
    else:
        from deltalake import DeltaTable

        DeltaTable(at.lake.path("core/block_places")).delete("placed_by = 'address'")
        assert at.lake.count("core/block_places") < before.num_rows
    assert places.place_on_blocks(at).changed == ("",)
    assert at.lake.read("core/block_places").sort_by("place_id").equals(before.sort_by("place_id"))


def test_only_events_that_changed_are_attributed(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    months_held = months(at, DUMPING)
    rewrite(at, months_held[-1], lambda rows: rows.iloc[1:])
    corrected = at.lake.read(DUMPING, partitions=[months_held[0]])["event_id"][0].as_py()
    rewrite(at, months_held[0], lambda rows: rows.assign(category=rows["category"].where(rows["event_id"] != corrected, "another")))
    rewrite(at, months_held[1], lambda rows: rows.assign(source_category="of no matter here"))
    attributed: list[str] = []
    whole = places_attribution.attribute_events

    def noted(events: pd.DataFrame, *more: object) -> pd.DataFrame:
        attributed.extend(events["event_id"])
        return whole(events, *more)

    monkeypatch.setattr(places_attribution, "attribute_events", noted)
    count = at.lake.count(LEDGER)
    assert attribution.attribute_events(at).changed == (months_held[0], months_held[-1])
    assert attributed == [corrected]
    assert at.lake.count(LEDGER) < count
    monkeypatch.undo()
    assert reattribute(at) == ()


def test_months_are_attributed_whole_where_what_they_were_cannot_be_read(at: Platform) -> None:
    month = months(at, DUMPING)[-1]
    lost = [path for path in at.lake.path(DUMPING).rglob("*.parquet") if path.parent.name == f"month={month}"]
    rewrite(at, month, lambda rows: rows.iloc[1:])
    for path in lost:
        path.unlink()
    assert changes_since(at, at.lake.making_of(LEDGER)["events"]) is None
    assert attribution.attribute_events(at).changed == (month,)
    assert reattribute(at) == ()


def test_a_table_that_was_deleted_and_made_anew_is_compared_with_nothing(at: Platform) -> None:
    stamps = event_stamps(at)
    assert changes_since(at, stamps) == changes_since(at, stamps)
    rows = at.lake.read(DUMPING)
    shutil.rmtree(at.lake.path(DUMPING))
    anew = platform(at.settings.data_dir.parent)
    for count in (*range(1, int(str(stamps[DUMPING][0])) + 2), rows.num_rows):
        anew.lake.write(DUMPING, rows.slice(0, count), partitions=sorted(set(rows["month"].to_pylist())))
    assert anew.lake.stamp(DUMPING)[0] > stamps[DUMPING][0]
    assert changes_since(anew, stamps) is None
    assert changes_since(anew, event_stamps(anew)) is not None


def test_a_point_that_becomes_crowded_unties_events_of_other_months(at: Platform) -> None:
    older, newest = months(at, DUMPING)[0], months(at, DUMPING)[-1]
    places_there = at.lake.read("core/business_parcels").to_pandas().dropna(subset=["parcel_id", "latitude"])
    place = places_there[places_there["geometry_kind"] == "polygon"].iloc[0]

    def at_the_point(count: int, name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def add(rows: pd.DataFrame) -> pd.DataFrame:
            more = pd.concat([rows.iloc[:1]] * count, ignore_index=True)
            number = more.index.astype("str")
            more = more.assign(
                event_id=f"dumping_complaints:{name}" + number, address=f"{name} " + number, address_precision="exact",
                parcel_id=None, longitude=place["longitude"], latitude=place["latitude"],
            )  # fmt: skip
            return pd.concat([rows, more.astype(rows.dtypes.to_dict())], ignore_index=True)

        return add

    def tie() -> tuple[object, object]:
        row = at.lake.read(LEDGER, partitions=[older]).filter(pc.field("event_id") == "dumping_complaints:LONE0").to_pylist()[0]
        return row["business_parcel_id"], row["attribution_method"]

    rewrite(at, older, at_the_point(1, "LONE"))
    assert reattribute(at) == (older,)
    assert tie() == (place["business_parcel_id"], "point_in_polygon")
    rewrite(at, newest, at_the_point(MOST_ADDRESSES_AT_A_POINT, "CROWD"))
    assert reattribute(at) == (older, newest)
    assert tie() == (None, "none")
    rewrite(at, newest, lambda rows: rows[~rows["event_id"].str.contains(":CROWD")])
    assert reattribute(at) == (older, newest)
    assert tie() == (place["business_parcel_id"], "point_in_polygon")


def test_a_new_address_is_located_and_no_known_one_again(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from kc_pipeline.places import attribution as of_places

    asked: list[str] = []
    locate = of_places.locate
    monkeypatch.setattr(of_places, "locate", lambda texts, *more, **kept: asked.extend(texts) or locate(texts, *more, **kept))
    month = months(at, DUMPING)[-1]
    rewrite(at, month, lambda rows: rows.assign(address=rows["address"].mask(rows.index == 0, "4321 NEW ST")))
    attribution.locate_addresses(at)
    assert asked == ["4321 NEW ST"]
    monkeypatch.undo()
    reattribute(at)


def test_the_gazetteer_waits_for_a_month_of_311_to_settle(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    *settled, _, newest = months(at, DUMPING)
    rewrite(at, newest, lambda rows: rows.iloc[1:])
    version = at.lake.making_of("core/gazetteer")
    places.build_gazetteer(at)
    assert at.lake.making_of("core/gazetteer") == version
    rewrite(at, settled[-1], lambda rows: rows.iloc[1:])
    places.build_gazetteer(at)
    assert at.lake.making_of("core/gazetteer") != version


def test_a_gazetteer_that_changed_locates_and_attributes_everything_again(at: Platform) -> None:
    rows = at.lake.read("core/gazetteer")
    moved = rows.to_pandas()
    moved.loc[moved["address_kind"] == "block", "error_radius_m"] += 1.0
    at.lake.write("core/gazetteer", pa.Table.from_pandas(moved, schema=rows.schema, preserve_index=False))
    assert attribution.locate_addresses(at).changed == ("",)
    before = at.lake.making_of(LEDGER)
    attribution.attribute_events(at)
    assert at.lake.making_of(LEDGER)["places"] != before["places"]
    assert reattribute(at) == ()


def test_public_counts_follow_the_events_that_changed(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def counts() -> pa.Table:
        public_counts.count_for_the_public(at, date(2026, 7, 1), "a run")
        return canonical_rows(TABLES[COUNTS], at.lake.read(COUNTS))

    before = counts()
    month = months(at, DUMPING)[-3]
    unlocated = {"latitude": None, "longitude": None, "parcel_id": None}

    def correct(rows: pd.DataFrame) -> pd.DataFrame:
        known = rows["address"].notna() & rows["address_precision"].ne("none")
        assert known.sum() > 10
        far = rows.loc[known, "address"].iloc[-1]
        return rows.iloc[2:].assign(**unlocated).assign(address=rows["address"].where(~known | (rows.index % 2 == 0), far))

    rewrite(at, month, correct)
    attribution.locate_addresses(at)
    with monkeypatch.context() as patched:
        patched.setattr(public_counts, "_COLUMNS", ["no such column"])  # no month is read
        after = counts()
    assert not after.equals(before)
    rewrite(at, month, lambda rows: rows.iloc[1:].assign(address="1 ANOTHER ST"))  # nobody names the addresses of before any more
    attribution.locate_addresses(at)
    after = counts()
    shutil.rmtree(at.lake.path(COUNTS))
    assert after.equals(counts())


def test_only_months_that_changed_are_judged_and_a_broken_one_fails(at: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    laws = ("shares_sum_to_one", "every_event_is_attributed", "precision_is_not_upgraded")
    attribution.attribute_events(at)

    def judged() -> dict[str, bool]:
        findings = {finding.law: finding.passed for finding in audits.audit_table(at, LEDGER)}
        return {law: findings[law] for law in laws}

    assert all(judged().values())
    month = months(at, LEDGER)[-2]
    rows = at.lake.read(LEDGER, partitions=[month])
    halved = pc.divide(rows["weight"], 2)
    place = rows.schema.get_field_index("weight")
    at.lake.write(LEDGER, rows.set_column(place, rows.schema.field(place), halved), partitions=[month])
    rewrite(at, months(at, DUMPING)[0], lambda rows: rows.assign(event_id=rows["event_id"] + "X"))
    counted: list[str] = []
    whole = audits._count_attribution
    monkeypatch.setattr(audits, "_count_attribution", lambda at, months: counted.extend(months) or whole(at, months))
    assert judged() == {**dict.fromkeys(laws, False), "precision_is_not_upgraded": True}
    assert counted == [months(at, DUMPING)[0], month]
    assert judged() == {**dict.fromkeys(laws, False), "precision_is_not_upgraded": True}
    assert len(counted) == 2
