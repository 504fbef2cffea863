"""A city of many years: each data set holds the months that the catalogue says, as the portals of the time wrote them."""

from datetime import date

import pandas as pd
import pytest
from test_city import served

from kc_pipeline.sandbox.city import CityTruth, build_city


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityTruth:
    return build_city(tmp_path_factory.mktemp("city"), scale=0.005, through=date(2024, 10, 1), months=69)


@pytest.mark.parametrize(
    ("data_set", "column", "first", "last"),
    [
        ("icgu-nqmt", "incident_date", "2022-07", "2023-06"),
        ("4cef-rqti", "incident_date", "2024-06", "2024-08"),
        ("7at3-sxhp", "creation_date", "2020-10", "2021-02"),
        ("d4px-6rwg", "open_date_time", "2021-03", "2024-09"),
    ],
)
def test_a_data_set_holds_its_own_months(city: CityTruth, data_set: str, column: str, first: str, last: str) -> None:
    months: pd.Series = served(city, data_set)[column].str.slice(0, 7)
    assert (months.min(), months.max()) == (first, last)


def test_requests_before_march_2021_have_the_words_of_the_old_system(city: CityTruth) -> None:
    rows = served(city, "7at3-sxhp")
    assert {"SLG0 Streetlight Out - Single Light Out", "Illegal Dumping on Right of Way"} <= set(rows["type"])
    assert not set(rows["type"]) & {"Streetlight Out", "Dumping in a Right-of-Way"}
    assert set(rows["status"]) <= {"RESOL", "CANC", "OPEN"}
    assert rows["creation_date"].str.endswith("T00:00:00.000").all()
    assert rows["creation_time"].str.fullmatch(r"\d\d:\d\d [AP]M").all()
