"""The synthetic city as its consumers meet it: files, rows, quirks, and the Express Stop."""

import csv
import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kc_pipeline.catalog.events import CALL_CATEGORY_OF_PATTERN, POLICE_CATEGORY_OF_NIBRS, SERIOUS_VIOLENCE
from kc_pipeline.catalog.sources import DUMPING_SUB_TYPES, FEEDS, find_data_set
from kc_pipeline.sandbox.city import ANCHOR_DATE, CityTruth, build_city, built_through, window_start
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS
from kc_pipeline.sandbox.records import RecordStore

SCALE = 0.01
POLICE = {2024: "isbe-v4d8", 2025: "dmnp-9ajg", 2026: "f7wj-ckmw"}
CALLS, REQUESTS, LICENSES, PERMITS, PARCELS = "4cef-rqti", "d4px-6rwg", "pnm4-68wg", "sz9c-c5ux", "AGOL/MapServer/6"
WINDOW = (f"{ANCHOR_DATE - timedelta(days=365)}", f"{ANCHOR_DATE}")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityTruth:
    return build_city(tmp_path_factory.mktemp("sandbox") / "city", scale=SCALE)


def served(city: CityTruth, data_set: str) -> pd.DataFrame:
    store = RecordStore(city.portal)
    info = store.info(data_set)
    assert info is not None, data_set
    with store.reading() as connection:
        rows = connection.execute(f"SELECT * FROM {info.table_name}").fetchall()
    return pd.DataFrame(rows, columns=[c.field_name for c in info.stored_columns], dtype=object)


def records(city: CityTruth, table: str) -> pd.DataFrame:
    with closing(sqlite3.connect(city.department)) as connection:
        return pd.read_sql(f"SELECT * FROM {table}", connection)


def inspections(city: CityTruth) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, encoding="utf-8-sig", dtype=str) for path in sorted(city.drops.iterdir())], ignore_index=True)


def all_rows(city: CityTruth) -> dict[str, pd.DataFrame]:
    tables = {info.data_set: served(city, info.data_set) for info in RecordStore(city.portal).data_sets()}
    return tables | {table: records(city, table) for table in ("reports", "calls")}


# --- building ---------------------------------------------------------------------------------------------


def test_same_seed_and_scale_give_the_same_rows(city: CityTruth, tmp_path: Path) -> None:
    again = build_city(tmp_path / "city", scale=SCALE)
    first, second = all_rows(city), all_rows(again)
    assert first.keys() == second.keys()
    for name, rows in first.items():
        pd.testing.assert_frame_equal(rows, second[name])
    for path in city.drops.iterdir():
        assert path.read_bytes() == (again.drops / path.name).read_bytes()


def test_another_seed_gives_another_city_with_the_same_express_stop(tmp_path: Path) -> None:
    other = build_city(tmp_path / "city", scale=SCALE, seed=7)
    assert len(in_window(records(other, "reports"), "reported_at")) == 14
    assert len(in_window(records(other, "calls"), "called_at")) == 59


def test_a_week_later_rows_are_only_added_and_statuses_moved_on(city: CityTruth, tmp_path: Path) -> None:
    later = build_city(tmp_path / "city", scale=SCALE, through=ANCHOR_DATE + timedelta(days=7))
    moving = {
        REQUESTS: ["current_status", "resolved_date", "days_to_close", "last_updated", ":updated_at"],
        "vq3e-m9ge": ["case_status", "vio_status", "date_resolved", ":updated_at"],
    }
    after = all_rows(later)
    for name, rows in all_rows(city).items():
        key = next(c for c in (":id", "OBJECTID", "row_id") if c in rows.columns)
        assert rows[key].is_unique, name
        fixed = [c for c in rows.columns if c not in moving.get(name, [])]
        common = after[name].set_index(key).loc[rows[key]].reset_index().astype(rows.dtypes)
        pd.testing.assert_frame_equal(rows[fixed], common[fixed], obj=name)
        if name in moving:
            changed = (rows[moving[name][0]] != common[moving[name][0]]).to_numpy()
            assert changed.any()
            assert (common[":updated_at"] > rows[":updated_at"])[changed].all()
            assert (common[":updated_at"] == rows[":updated_at"])[~changed].all()
    assert len(after["calls"]) > len(records(city, "calls"))
    assert built_through(later.folder) == ANCHOR_DATE + timedelta(days=7)


def test_a_matching_folder_is_left_alone_and_another_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    assert built_through(folder) is None
    build_city(folder, scale=0.005, months=2)
    before = (folder / "portal.sqlite").stat().st_mtime_ns
    build_city(folder, scale=0.005, months=2)
    assert (folder / "portal.sqlite").stat().st_mtime_ns == before
    build_city(folder, scale=0.005, months=3)
    assert (folder / "portal.sqlite").stat().st_mtime_ns != before
    assert [path.name for path in tmp_path.iterdir()] == ["city"]


@pytest.mark.parametrize(("change", "message"), [({"scale": 9.0}, "scale is 9.0"), ({"through": date(2020, 1, 1)}, "begins on")])
def test_a_city_that_cannot_be_built_says_why_and_leaves_nothing(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_city(tmp_path / "city", **change)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_window_begins_two_years_before_the_anchor(city: CityTruth) -> None:
    assert window_start(24) == date(2024, 7, 1) == city.first
    assert records(city, "calls")["called_at"].min() >= "2024-07-01"


# --- the Express Stop ---------------------------------------------------------------------------------------


def in_window(rows: pd.DataFrame, when: str) -> pd.DataFrame:
    return rows[(rows["address"] == "1000 LOCUST ST") & (rows[when] >= WINDOW[0]) & (rows[when] < WINDOW[1])]


def test_the_express_stop_has_fourteen_reports_one_of_them_a_homicide(city: CityTruth) -> None:
    rows = in_window(records(city, "reports"), "reported_at")
    assert len(rows) == rows["report_number"].nunique() == 14
    assert (rows["nibrs"] == "09A").sum() == 1
    assert (rows["domestic_flag"] == "N").all()
    parcel = city.table("parcels").set_index("address").loc["1000 Locust St"]
    assert parcel["published_parcel_id"] == parcel["parcel_id"]
    assert rows["parcel_id"].tolist() == [parcel["parcel_id"]] * 14
    assert rows[["latitude", "longitude"]].notna().all(axis=None)
    assert len(by_parcel(city, "reports", "reported_at", parcel["parcel_id"])) == 14


def test_the_express_stop_has_fifty_nine_calls_by_the_public(city: CityTruth) -> None:
    rows = in_window(records(city, "calls"), "called_at")
    assert len(rows) == rows["incident_number"].nunique() == 59
    assert (rows["officer_initiated"] == "false").all()
    assert len(by_parcel(city, "calls", "called_at", rows["parcel_id"].iloc[0])) == 59


def by_parcel(city: CityTruth, table: str, when: str, parcel_id: str) -> pd.DataFrame:
    rows = records(city, table)
    return rows[(rows["parcel_id"] == parcel_id) & (rows[when] >= WINDOW[0]) & (rows[when] < WINDOW[1])]


def test_the_express_stops_published_reports_stand_on_their_block(city: CityTruth) -> None:
    exact = in_window(records(city, "reports"), "reported_at").set_index("report_number")
    published = pd.concat([served(city, POLICE[2025]), served(city, POLICE[2026])])
    mine = published[published["report"].isin(exact.index)].drop_duplicates("report")
    assert (mine["address"] == "1000  LOCUST ST").all()
    assert mine[["location", "ibrs", "report_date"]].notna().all(axis=None)
    late = exact[~exact.index.isin(mine["report"])]
    assert (late["reported_at"] >= f"{ANCHOR_DATE - timedelta(days=9)}").all()


def test_the_express_stop_is_licensed_inspected_dark_and_alone_on_its_parcel(city: CityTruth) -> None:
    businesses = city.table("businesses")
    parcel_id = city.table("parcels").set_index("address").loc["1000 Locust St", "parcel_id"]
    here = businesses[businesses["parcel_id"] == parcel_id]
    assert here["register"].tolist() == ["business_licenses", "food_permits"]
    licence = served(city, LICENSES).query("address == '1000 LOCUST ST'")
    assert licence[["business_name", "dba_name"]].to_numpy().tolist() == [["EXPRESS STOP", "EXPRESS STOP"]]
    assert licence["valid_license_for"].tolist() == ["20261231"]
    permit = served(city, PERMITS).query("facility_address == '1000 Locust St'")
    assert permit["operational_status"].tolist() == ["Operational"]
    found = inspections(city).query("permit_number == @permit.facility_permit.iloc[0] and inspection_date >= @WINDOW[0]")
    assert len(found) >= 4
    assert (found["critical_violations"].astype(int) > 0).sum() >= 4
    requests = served(city, REQUESTS).query(
        "incident_address == '1000 Locust St Kansas City 64106' or incident_address.str.startswith('1000 Locust')"
    )
    assert {"Streetlights", "Illegal Dumping"} <= set(requests["issue_type"])


def test_the_express_stop_leads_the_businesses(city: CityTruth) -> None:
    places = city.table("businesses").query("parcel_id.notna()")["parcel_id"]
    calls = records(city, "calls").query("officer_initiated == 'false' and called_at >= @WINDOW[0] and called_at < @WINDOW[1]")
    counts = calls[calls["parcel_id"].isin(places)]["parcel_id"].value_counts()
    assert counts.iloc[0] == 59
    assert counts.median() < 15


# --- sizes, shapes and quirks ---------------------------------------------------------------------------------


def test_sizes_are_in_proportion(city: CityTruth) -> None:
    years = 2 * SCALE
    assert len(city.table("parcels")) == pytest.approx(200_000 * SCALE, rel=0.25)
    assert len(served(city, LICENSES)) == pytest.approx(28_000 * SCALE, rel=0.1)
    assert len(records(city, "calls")) == pytest.approx(350_000 * years, rel=0.1)
    assert records(city, "reports")["report_number"].nunique() == pytest.approx(60_000 * years, rel=0.1)
    assert len(inspections(city)) == pytest.approx(15_000 * years, rel=0.2)
    requests = served(city, REQUESTS)
    wanted = requests["issue_type"].eq("Streetlights") | requests["issue_sub_type"].isin(DUMPING_SUB_TYPES)
    assert wanted.sum() == pytest.approx(45_000 * years, rel=0.1)
    assert not wanted.all()


@pytest.mark.parametrize("year", POLICE)
def test_police_rows_are_persons_with_that_years_column_names(city: CityTruth, year: int) -> None:
    rows = served(city, POLICE[year])
    data_set = find_data_set("police_reports", POLICE[year])
    for raw in data_set.required:
        assert set(data_set.fields[raw]) & set(rows.columns), raw
    number = data_set.fields["report_number"][0]
    assert 1.65 <= len(rows) / rows[number].nunique() <= 1.95
    assert {"race", "sex", "age"} <= set(rows.columns)  # a trap: published, never to be asked for
    assert rows["race"].notna().any()
    assert ("firearmusedflag" in rows.columns) == (year >= 2025)
    assert rows["involvement"].str.contains("VIC").mean() > 0.5


def test_police_quirks_come_at_their_measured_rates(city: CityTruth) -> None:
    rows = pd.concat([served(city, POLICE[2025]), served(city, POLICE[2026])])
    assert rows["ibrs"].isna().mean() == pytest.approx(0.12, abs=0.03)
    assert 0.0 < (rows["ibrs"] == "999").mean() < 0.03
    assert 0.0 < rows["location"].isna().mean() < 0.03
    assert 0.0 < (rows["zipcode"] == "99999").mean() < 0.05
    blocks = rows["address"].str.match(r"^\d+  [A-Z0-9]").fillna(False)
    crossings = rows["address"].str.contains(" and ").fillna(False)
    assert (blocks | crossings | rows["address"].isna()).all()
    assert crossings.mean() == pytest.approx(0.13, abs=0.04)
    assert rows["address"].str.match(r"^(\d\d+00|[1-9]00|00)  ").sum() == blocks.sum()
    points = rows["location"].dropna().map(lambda text: tuple(json.loads(text)["coordinates"]))
    assert 0 < (points.str[0] < -95).sum() + (points.str[0] > -94).sum() + (points == (-94.577915, 39.100384)).sum() < 0.02 * len(rows)


def test_rare_defects_of_police_rows_exist_in_a_city_of_default_size(tmp_path: Path) -> None:
    city = build_city(tmp_path / "city")
    years = {year: served(city, data_set) for year, data_set in POLICE.items()}
    dates = pd.concat([years[2024]["reported_date"], years[2025]["report_date"], years[2026]["report_date"]])
    assert 0 < dates.isna().sum() < 0.003 * len(dates)
    assert 0 < dates.str.startswith("1923").sum() < 0.003 * len(dates)
    in_two_sets = set(years[2025]["report"]) & set(years[2024]["report_no"])
    assert 0 < len(in_two_sets) < 10


def test_sources_publish_as_late_as_the_real_ones(city: CityTruth) -> None:
    newest = {
        "police": served(city, POLICE[2026])["report_date"].max(),
        "calls": served(city, CALLS)["incident_date"].max(),
        "requests": served(city, REQUESTS)["open_date_time"].max(),
    }
    days = {name: (ANCHOR_DATE - date.fromisoformat(text[:10])).days for name, text in newest.items()}
    assert 2 <= days["police"] <= 9
    assert 41 <= days["calls"] <= 73
    assert 2 <= days["requests"] <= 7
    assert records(city, "calls")["called_at"].max()[:10] == f"{ANCHOR_DATE - timedelta(days=1)}"
    for data_set in (*POLICE.values(), CALLS, REQUESTS):
        assert served(city, data_set)[":updated_at"].max() < f"{ANCHOR_DATE}"


def test_open_and_department_records_share_incident_numbers(city: CityTruth) -> None:
    calls = served(city, CALLS)
    assert set(calls["incident_number"]) <= set(records(city, "calls")["incident_number"])
    reports = records(city, "reports")
    assert set(served(city, POLICE[2026])["report"]) <= set(reports["report_number"])
    assert len(reports) > reports["report_number"].nunique()
    on_parcels = ~reports["address"].str.contains(" AND ")
    assert reports.loc[on_parcels, "parcel_id"].notna().mean() == pytest.approx(0.94, abs=0.03)


def test_one_dumping_category_falls_silent(city: CityTruth) -> None:
    rows = served(city, REQUESTS)
    silent = rows[rows["issue_sub_type"] == "Dumping in a Right-of-Way"]["open_date_time"].max()
    others = rows[rows["issue_sub_type"].isin(DUMPING_SUB_TYPES)]["open_date_time"].max()
    assert "2026-06-01" < silent < "2026-06-19" <= others
    assert rows["resolved_date"].value_counts().index[0][:10] in ("2025-02-14", "2025-09-05", "2026-03-27")
    assert {"resolved", "canceled", "received"} <= set(rows["current_status"])


def test_licences_lie_beside_their_lots_and_mostly_name_them(city: CityTruth) -> None:
    rows = served(city, LICENSES)
    assert rows["business_name"].isna().mean() == pytest.approx(0.68, abs=0.08)
    assert rows["location"].isna().mean() == pytest.approx(0.036, abs=0.025)
    assert rows["id"].nunique() / len(rows) == pytest.approx(0.93, abs=0.02)
    assert (rows["city"] != "KANSAS CITY").mean() == pytest.approx(0.4, abs=0.06)
    parcels = city.table("parcels").set_index("parcel_id")
    true = city.table("businesses").query("register == 'business_licenses'").set_index("record")["parcel_id"]
    local = rows[rows["id"].map(true).notna()]
    parcel = parcels.loc[local["id"].map(true)]
    assert (local["address"].str.replace("  ", " ").to_numpy() == parcel["address"].str.upper().to_numpy()).mean() > 0.95
    seen = local["location"].notna().to_numpy()
    points = local.loc[seen, "location"].map(lambda text: json.loads(text)["coordinates"])
    dx = (points.str[0].to_numpy(float) - parcel["longitude"].to_numpy()[seen]) * 86_400
    dy = (points.str[1].to_numpy(float) - parcel["latitude"].to_numpy()[seen]) * 111_000
    distance = pd.Series((dx**2 + dy**2) ** 0.5)
    assert 20 < distance.median() < 34
    assert 40 < distance.quantile(0.9) < 75


def test_inspection_exports_have_their_traps(city: CityTruth) -> None:
    files = sorted(city.drops.iterdir())
    assert [path.name for path in files][:1] == ["health_inspections_2024-07.csv"]
    assert len(files) == 24
    marked = [path for path in files if path.read_bytes().startswith(b"\xef\xbb\xbf")]
    assert 0 < len(marked) < len(files)
    with files[0].open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert "inspector_phone" in rows[0]
    assert any("\n" in row["violations"] for row in rows)


# --- truth -------------------------------------------------------------------------------------------------


def test_every_true_parcel_exists(city: CityTruth) -> None:
    parcels = set(city.table("parcels")["parcel_id"])
    assert set(city.table("events")["parcel_id"].dropna()) <= parcels
    assert set(city.table("businesses")["parcel_id"].dropna()) <= parcels
    assert city.table("parcels")["published_parcel_id"].isna().any()
    published = served(city, PARCELS)["KIVAPIN"]
    assert published.dropna().duplicated().sum() < 0.01 * len(published)


def test_planted_factors_raise_serious_violence(city: CityTruth) -> None:
    hidden, effects = city.table("hidden_risk"), city.table("effects")
    assert len(effects) >= 10
    assert (effects["beta"] == 0).sum() >= 1
    assert hidden["serious_share"].sum() == pytest.approx(1.0)
    events = city.table("events").query("source == 'police_reports' and drawn_by == 'serious'")
    per_parcel = hidden["parcel_id"].map(events["parcel_id"].value_counts()).fillna(0)
    near = hidden["convenience_stores"] == 1
    assert per_parcel[near].mean() > 1.5 * per_parcel[~near].mean()


def test_codes_are_known_to_the_catalogue() -> None:
    for kind in REPORT_KINDS:
        category = next(POLICE_CATEGORY_OF_NIBRS[kind.nibrs[:n]] for n in (3, 2) if kind.nibrs[:n] in POLICE_CATEGORY_OF_NIBRS)
        assert (category in SERIOUS_VIOLENCE and not kind.domestic) == (kind.drawn_by == "serious")
    for call in CALL_KINDS:
        found = [category for pattern, category in CALL_CATEGORY_OF_PATTERN if pattern in call.type_description]
        assert found, call
        assert (found[0] == "officer_check") == call.officer_initiated


def test_each_event_feed_has_its_data_sets_on_the_portal(city: CityTruth) -> None:
    held = {info.data_set for info in RecordStore(city.portal).data_sets()}
    for feed in FEEDS.values():
        growing = {d.id for d in feed.data_sets if d.is_primary and d.transport in ("socrata", "arcgis") and d.covers("2024-07", "2026-06")}
        assert growing <= held, feed.name
