"""One check step per clean or core table: the laws of quality/ as asset checks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding

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
        yield from _results(key, check_clean_table(table, platform.lake.read(table), account))

    return check


def build_core_checks(
    table: str, laws: Mapping[str, str], judge: Callable[[Platform], "Iterable[Finding]"], warning_only: Iterable[str] = ()
) -> dg.AssetChecksDefinition:
    """Checks on one core table.

    Args:
        table: its name.
        laws: name of each law -> what it says.
        judge: finds whether they hold.
        warning_only: laws whose failure does not keep the marts from being made.
    """
    key = dg.AssetKey(table.split("/"))
    mild = set(warning_only)

    @dg.multi_asset_check(
        name=f"check_{key.path[-1]}",
        specs=[dg.AssetCheckSpec(law, asset=key, description=says, blocking=law not in mild) for law, says in laws.items()],
    )
    def check(platform: dg.ResourceParam[Platform]) -> Iterator[dg.AssetCheckResult]:
        yield from _results(key, judge(platform))

    return check


def _results(key: dg.AssetKey, findings: "Iterable[Finding]") -> Iterator[dg.AssetCheckResult]:
    for finding in findings:
        severity = dg.AssetCheckSeverity.ERROR if finding.blocks else dg.AssetCheckSeverity.WARN
        yield dg.AssetCheckResult(
            passed=finding.passed, asset_key=key, check_name=finding.law, severity=severity, metadata=dict(finding.facts)
        )


_UNIQUE = {"key_is_unique": _LAWS["key_is_unique"]}
CLEAN_CHECKS = [build_clean_checks(feed) for feed in FEEDS.values()]
CORE_CHECKS = [
    build_core_checks(
        "core/gazetteer",
        _UNIQUE | {"positions_have_a_radius": "Every position lies in the region and says how far it may be off."},
        audits.judge_gazetteer,
    ),
    build_core_checks(
        "core/businesses",
        _UNIQUE
        | {
            "parcels_exist": "No business stands on a parcel that the register does not know.",
            "enough_businesses_have_a_parcel": "Most active businesses are matched to a parcel.",
        },
        audits.judge_businesses,
        ["enough_businesses_have_a_parcel"],
    ),
    build_core_checks(
        "core/event_attribution",
        _UNIQUE
        | {
            "shares_sum_to_one": "The shares of each event, the unattributed one included, sum to one.",
            "every_event_is_attributed": "Every clean event is there, and no other.",
            "precision_is_not_upgraded": "No event is tied to a place more exactly than its source knows.",
            "enough_events_are_located": "Each feed's share of events with a position is not below what is usual for it.",
        },
        audits.judge_attribution,
        ["enough_events_are_located"],
    ),
]
