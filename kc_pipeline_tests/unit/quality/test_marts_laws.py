"""Laws of the marts, each broken once."""

from datetime import date

import pandas as pd
import pytest

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, count_column
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.quality.marts import check_business_risk, check_source_quality

AS_OF = date(2026, 7, 1)
PLACES = pd.Series(["parcel:1", "parcel:2"])


def risk() -> pd.DataFrame:
    counts = {count_column(feed, days): [0, 0] for feed in EVENT_FEEDS for days in WINDOWS_DAYS}
    counts |= {"calls_911_count_365d": [2, 0], "calls_911_count_90d": [1, 0]}
    return pd.DataFrame(
        {
            "business_parcel_id": PLACES, "relative_risk": [2.0, 0.5], "risk_rank": [1, 2], "risk_score": [100.0, 0.0],
            "stale_sources": "calls_911", **counts,
        }
    )  # fmt: skip


def ledger() -> pd.DataFrame:
    rows = [
        ("calls_911", "parcel:1", date(2026, 6, 20), date(2026, 6, 21), "EXACT", 1.0, None),
        ("calls_911", "parcel:1", date(2025, 9, 20), date(2025, 9, 21), "NEAR", 1.0, None),
        ("calls_911", "parcel:1", date(2026, 6, 20), date(2026, 7, 9), "EXACT", 1.0, None),  # not yet available
        ("calls_911", "parcel:1", date(2026, 7, 1), date(2026, 7, 1), "EXACT", 1.0, None),  # of the day itself
        ("calls_911", "parcel:2", date(2026, 6, 20), date(2026, 6, 21), "EXACT", 1.0, "officer_initiated"),
        ("calls_911", "parcel:2", date(2026, 6, 20), date(2026, 6, 21), "BLOCK", 0.5, None),
        ("calls_911", None, date(2026, 6, 20), date(2026, 6, 21), "BLOCK", 0.5, None),
    ]
    columns = ["feed", "business_parcel_id", "report_date", "available_date", "precision", "weight", "exclusion_reason"]
    return pd.DataFrame(rows, columns=columns)


def sources(calls: str = "stale") -> pd.DataFrame:
    status = [calls if feed == "calls_911" else "fresh" for feed in FEEDS]
    return pd.DataFrame({"feed": list(FEEDS), "source_status": status, "status_reason": "why"})


def failed(rows: pd.DataFrame, places: pd.Series = PLACES, quality: pd.DataFrame | None = None) -> set[str]:
    found = check_business_risk(rows, places, ledger(), sources() if quality is None else quality, AS_OF)
    return {finding.law for finding in found if not finding.passed}


def test_a_right_table_passes() -> None:
    assert failed(risk()) == set()


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"calls_911_count_365d": [3, 0]}, "counts_are_those_of_the_ledger"),
        ({"calls_911_count_90d": [1, 1]}, "counts_are_those_of_the_ledger"),
        ({"risk_rank": [2, 1]}, "ranks_follow_the_risk"),
        ({"risk_score": [0.0, 100.0]}, "ranks_follow_the_risk"),
        ({"risk_rank": [2, 3]}, "ranks_follow_the_risk"),
        ({"stale_sources": ""}, "stale_sources_are_named"),
    ],
)
def test_each_law_finds_its_own_fault(change: dict[str, object], law: str) -> None:
    assert failed(risk().assign(**change)) == {law}


def test_a_missing_and_an_unknown_place_are_found() -> None:
    assert failed(risk(), pd.Series(["parcel:1", "parcel:2", "parcel:3"])) == {"every_place_is_scored"}
    assert failed(risk(), pd.Series(["parcel:1"])) == {"every_place_is_scored"}


def test_doubtful_sources_warn_with_their_reason_and_a_missing_feed_is_found() -> None:
    every, fresh = check_source_quality(sources())
    assert (every.passed, fresh.passed, fresh.sentences) == (True, False, ("why",))
    assert [finding.passed for finding in check_source_quality(sources("fresh"))] == [True, True]
    assert not check_source_quality(sources().iloc[1:])[0].passed
