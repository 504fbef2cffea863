"""One check step per clean table: the laws of quality/checks.py as asset checks."""

from collections.abc import Iterator

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform

_LAWS = {
    "key_is_unique": "No key occurs twice.",
    "every_received_row_is_accounted_for": "Source rows received are good, quarantined or duplicates, and nothing else.",
    "nearly_all_rows_are_good": "At least 97 % of the source rows are usable.",
    "coordinates_lie_in_the_region": "No coordinates outside the Kansas City region remain.",
}


def build_clean_checks(feed: Feed) -> dg.AssetChecksDefinition:
    """Checks on one feed's clean table; a failure of a blocking one keeps the marts as they were."""
    table = f"clean/{feed.name}"
    has_position = "latitude" in TABLES[table].column_names
    laws = [law for law in _LAWS if law != "coordinates_lie_in_the_region" or has_position]
    key = dg.AssetKey(table.split("/"))

    @dg.multi_asset_check(
        name=f"check_{feed.name}",
        specs=[dg.AssetCheckSpec(law, asset=key, description=_LAWS[law], blocking=True) for law in laws],
    )
    def check(platform: dg.ResourceParam[Platform]) -> Iterator[dg.AssetCheckResult]:
        from kc_pipeline.quality.checks import check_clean_table

        account = platform.lake.read("quality/reconciliation", partitions=[feed.name])
        for finding in check_clean_table(table, platform.lake.read(table), account):
            severity = dg.AssetCheckSeverity.ERROR if finding.blocks else dg.AssetCheckSeverity.WARN
            yield dg.AssetCheckResult(
                passed=finding.passed, asset_key=key, check_name=finding.law, severity=severity, metadata=dict(finding.facts)
            )

    return check


CLEAN_CHECKS = [build_clean_checks(feed) for feed in FEEDS.values()]
