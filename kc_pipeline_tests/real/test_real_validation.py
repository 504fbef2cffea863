"""What the audit finds on recorded city rows: figures that were measured on them, each found by a rule or told by a count."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from real_rows import NEEDS_REAL_DATA, raw_table

from kc_pipeline.quality.audit import WHOLE, audit_rows, verdicts
from kc_pipeline.quality.checks import Finding, check_license_ids
from kc_pipeline.transform.cleaners import CLEANERS

pytestmark = NEEDS_REAL_DATA


def clean_rows(feed: str, data_set: str, file: str) -> pa.Table:
    return CLEANERS[feed](raw_table(feed, data_set, file)).clean


def audited(feed: str, rows: pa.Table) -> dict[str, Finding]:
    parts = set(rows["month"].to_pylist()) if "month" in rows.column_names else {WHOLE}
    return {f.law: f for f in verdicts(f"clean/{feed}", audit_rows(f"clean/{feed}", rows, dict.fromkeys(parts, "0" * 64)))}


@pytest.fixture(scope="module")
def assaults() -> pa.Table:
    return clean_rows("police_reports", "8w6q-wd5b", "8w6q-wd5b.json.gz")


@pytest.fixture(scope="module")
def reports_2018() -> pa.Table:
    return clean_rows("police_reports", "dmjw-d28i", "dmjw-d28i.sample.json.gz")


@pytest.fixture(scope="module")
def dumping() -> pa.Table:
    return clean_rows("dumping_complaints", "p227-55mh", "p227-55mh.json.gz")


@pytest.mark.parametrize("name", ["assaults", "reports_2018", "dumping"])
def test_good_rows_break_no_blocking_rule(name: str, request: pytest.FixtureRequest) -> None:
    feed = "dumping_complaints" if name == "dumping" else "police_reports"
    findings = audited(feed, request.getfixturevalue(name))
    assert {law for law, finding in findings.items() if not finding.passed} == set()


def test_stray_zip_codes_and_towns_are_flagged_by_rule(reports_2018: pa.Table, assaults: pa.Table, dumping: pa.Table) -> None:
    of_2018, of_2023, of_311 = (
        audited("police_reports", reports_2018),
        audited("police_reports", assaults),
        audited("dumping_complaints", dumping),
    )
    assert of_2018["zip_codes_are_of_the_city"].facts["failed"] == 3  # 54111, 65102, 33760
    assert of_2018["towns_are_the_city"].facts["failed"] == 6
    assert of_2018["divisions_agree_with_the_beat"].facts["failed"] == 7
    assert of_2023["zip_codes_are_of_the_city"].facts["failed"] == 1  # 66160
    assert of_311["zip_codes_are_of_the_city"].facts["failed"] == 6
    assert "police_reports:180063092" in str(of_2018["zip_codes_are_of_the_city"].facts["sample"])


def test_a_longer_number_is_no_zip_code(dumping: pa.Table) -> None:
    ends_in_nine_digits = pc.match_substring_regex(dumping["address"], "Kansas City 641142244$")
    assert dumping.filter(ends_in_nine_digits)["zip_code"].to_pylist() == ["64114"]
    assert dumping.filter(pc.match_substring_regex(dumping["address"], "Kansas City 8322833990$"))["zip_code"].to_pylist() == [None]


def test_default_points_are_no_places(dumping: pa.Table) -> None:
    buildings = clean_rows("dangerous_buildings", "vzsi-k8cj", "vzsi-k8cj.json.gz")
    for rows, reason, count in ((buildings, "state_plane_origin", 186), (dumping, "city_hall_default", 39)):
        found = rows.filter(pc.equal(rows["no_location_reason"], reason))
        assert (found.num_rows, found["latitude"].null_count) == (count, count)


def test_repeated_licence_ids_are_further_classes_of_one_business() -> None:
    rows = clean_rows("business_licenses", "pnm4-68wg", "pnm4-68wg.json.gz").to_pandas()
    found = check_license_ids(rows)
    assert found.passed
    assert (found.facts["rows"], found.facts["distinct_ids"], found.facts["ids_with_several_classes"]) == (28_245, 26_198, 2_045)
