"""Published rows that come late, are corrected or taken back: by value, and day after day."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kc_pipeline.sandbox.city import build_city
from kc_pipeline.sandbox.draws import day_number
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.revisions import Rates, Revisable, Revisions, revise

SINCE = date(2026, 7, 1)
ROWS, PER_DAY = 4_000, 40
DAY = day_number(SINCE) - 60 + np.arange(ROWS) // PER_DAY
NOTHING = np.zeros(ROWS, dtype=bool)


def stand(through: date, rates: Rates, fixed: np.ndarray = NOTHING) -> pd.DataFrame:
    texts = [f"{day}T10:00:00.000" for day in DAY.astype("datetime64[D]")]
    rows = pd.DataFrame({"at": texts, "flag": "true", "key": np.arange(ROWS)}, dtype=object)
    found = Revisable(rows, DAY, np.arange(ROWS) % PER_DAY, DAY + 2, DAY + 2)
    after = revise("abcd-1234", found, "at", "flag", fixed, Revisions(SINCE, through, rates))
    return after.rows.assign(created=after.created, updated=after.updated, day=after.day).set_index("key")


@pytest.mark.parametrize("rates", [Rates(1, 0, 0), Rates(0, 1, 0), Rates(0, 0, 1)], ids=["late", "corrected", "deleted"])
def test_nothing_is_revised_before_its_first_day(rates: Rates) -> None:
    rows = stand(SINCE, rates)
    assert list(rows.index) == np.flatnonzero(day_number(SINCE) > DAY + 2).tolist()
    assert set(rows["flag"]) == {"true"}
    assert (rows["created"] == rows["day"] + 2).all()


def test_late_rows_come_20_to_80_days_after_their_time() -> None:
    rows = stand(SINCE + timedelta(days=300), Rates(1, 0, 0))
    waited = (rows["created"] - rows["day"] - 2)[day_number(SINCE) <= DAY + 2]
    assert len(rows) == ROWS
    assert (waited.min(), waited.max()) == (20, 79)
    assert (rows["updated"] == rows["created"]).all()


def test_corrected_rows_change_date_or_value_and_say_when() -> None:
    before, after = stand(SINCE, Rates(0, 1, 0)), stand(SINCE + timedelta(days=400), Rates(0, 1, 0))
    common = after.loc[before.index]
    changed = (common["at"] != before["at"]) | (common["flag"] != before["flag"])
    assert Counter((common["flag"] != before["flag"])[changed])[True] == pytest.approx(changed.sum() / 2, rel=0.15)
    assert (common["updated"] > before["updated"])[changed].all()
    assert (common["updated"] == before["updated"])[~changed].all()
    moved = common["at"] != before["at"]
    days = (pd.to_datetime(before["at"]) - pd.to_datetime(common["at"]))[moved].dt.days
    assert set(days) == {20}


def test_deleted_rows_never_come_back_and_some_rows_are_never_touched() -> None:
    fixed = np.arange(ROWS) % 2 == 0
    ends = [SINCE + timedelta(days=days) for days in (0, 20, 60, 400)]
    kept = [set(stand(end, Rates(0, 0, 1), fixed).index) for end in ends]
    published = [set(np.flatnonzero(day_number(end) > DAY + 2).tolist()) for end in ends]
    gone = [had - have for had, have in zip(published, kept, strict=True)]
    assert gone[0] == set()
    assert all(earlier <= later for earlier, later in pairwise(gone))
    assert gone[-1]
    assert not any(key % 2 == 0 for key in gone[-1])


def test_a_city_goes_on_with_rows_late_corrected_and_deleted(tmp_path: Path) -> None:
    end = SINCE + timedelta(days=40)
    plain = build_city(tmp_path / "plain", scale=0.005, months=3, through=end, rates=Rates(0, 0, 0))
    revised = build_city(tmp_path / "revised", scale=0.005, months=3, through=end, rates=Rates(0.1, 0.2, 0.1))
    for data_set in ("f7wj-ckmw", "d4px-6rwg"):
        one, other = (_served(city.portal, data_set) for city in (plain, revised))
        assert set(other.index) < set(one.index)
        common = one.loc[other.index]
        assert (common[":updated_at"] != other[":updated_at"]).any()
        assert (other[":updated_at"] < f"{end}T").all()


def _served(portal: Path, data_set: str) -> pd.DataFrame:
    store = RecordStore(portal)
    info = store.info(data_set)
    assert info is not None
    with store.reading() as connection:
        rows = connection.execute(f"SELECT * FROM {info.table_name}").fetchall()
    return pd.DataFrame(rows, columns=[c.field_name for c in info.stored_columns], dtype=object).set_index(":id")
