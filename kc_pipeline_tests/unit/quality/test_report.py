"""The report of an audit: what failed first and what that does, nothing twice, nothing of earlier days."""

from datetime import UTC, datetime

import pandas as pd

from kc_pipeline.quality.report import audit_report

AT = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
ACCOUNT = pd.DataFrame(
    {
        "feed": ["parcels"] * 2,
        "received_count": [4_000, 7],
        "good_count": [3_999, 5],
        "quarantined_count": [1, 1],
        "duplicate_count": [0, 1],
    }
)
SENTENCE = '{"sentences": ["dumping_complaints: fell silent."]}'


def audit(*rows: tuple[str, str, str, int, int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["table_name", "rule", "month", "checked_count", "failed_count", "sample", "facts"])


def told(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Lines of each section of the report by its heading."""
    sections: dict[str, list[str]] = {"": []}
    for line in audit_report(rows, ACCOUNT, "r1", AT).splitlines():
        if line.startswith("#"):
            sections[line.lstrip("# ")] = []
        elif line:
            list(sections.values())[-1].append(line)
    return sections


SOUND = [("clean/parcels", "key_is_unique", "", 10, 0, "", ""), ("clean/dumping_complaints", "key_is_unique", "", 10, 0, "", "")]


def test_a_sound_audit_says_that_nothing_failed() -> None:
    sections = told(audit(*SOUND))
    (summary,) = sections["Audit, run r1"]
    assert summary == "2026-07-01 05:30 CDT. 2 rules on 2 tables; 0 failed: 0 block, 0 mark a source, 0 warn."
    assert [sections[name] for name in ("What failed", "What was noticed")] == [["None."], ["Nothing."]]
    assert "| parcels | 4,007 | 4,004 | 2 | 1 |" in sections["Source rows: received = good + quarantined + duplicates"]
    assert "| clean/parcels | 1 | 0 |" in sections["Every table"]


def test_what_blocks_comes_before_what_marks_and_both_say_what_that_does() -> None:
    silent = ("clean/dumping_complaints", "no_category_falls_silent", "", 1, 1, "Dumping | Alley", SENTENCE)
    broken = ("clean/parcels", "key_is_unique", "", 10, 2, "p1;p2", "")
    sections = told(audit(silent, (*silent[:2], "2026-05", *silent[3:]), broken))
    first, second = sections["What failed"][2:]
    assert first.startswith("| clean/parcels | key_is_unique | **blocks**: nothing built on it was published | 2 | 10 | p1, p2 |")
    assert second.startswith("| clean/dumping_complaints | no_category_falls_silent | marks the source in stale_sources | 2 | 2 |")
    assert "Dumping \\| Alley" in second
    assert sections["What was noticed"] == ["- dumping_complaints: fell silent."]
    assert "2 failed: 1 block, 1 mark a source, 0 warn." in sections["Audit, run r1"][0]


def test_of_a_mart_the_newest_day_alone_is_told() -> None:
    days = [("marts/source_quality", "key_is_unique", day, 10, broken, "", "") for day, broken in (("2026-06-30", 3), ("2026-07-01", 0))]
    assert told(audit(*days))["What failed"] == ["None."]
