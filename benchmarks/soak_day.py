"""A day of the soak: what the runs do, what befalls them, and whether the views are whole afterwards."""

import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import soak_faults

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.partitions import open_from
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution, evaluation, feeds, marts, ordinance, places, public_counts, risk
from kc_pipeline.extract.errors import SourceError
from kc_pipeline.sandbox.serving import city_clock
from kc_pipeline.settings import Settings, load_settings

_FILE_LIMIT = 6_000
CORE: tuple[Callable[[Platform], object], ...] = (
    places.build_gazetteer, places.place_on_blocks, attribution.locate_addresses, places.build_businesses, places.update_business_history,
    places.build_business_parcels, places.update_business_parcel_history, attribution.attribute_events, risk.gather_observations,
)  # fmt: skip


def refresh_and_clean(platform: Platform, today: date) -> dict[str, str]:
    """Refresh and clean every feed, as the ingest does: one that fails leaves the others alone. Returns feed -> message."""
    failures = {}
    for feed in FEEDS.values():
        try:
            feeds.refresh_raw(platform, feed, open_from(today))
        except (SourceError, LookupError) as error:
            failures[feed.name] = str(error)
            continue
        feeds.clean_feed(platform, feed)
    return failures


def make_and_publish(platform: Platform, as_of: date, run_id: str) -> None:
    """Make core and the marts of a day, and publish them if they keep the contracts."""
    for step in CORE:
        step(platform)
    risk.fit_model(platform, as_of)
    marts.judge_sources(platform, as_of, run_id)
    said = risk.score_day(platform, as_of)
    marts.score_business_risk(platform, said, as_of, run_id)
    marts.explain_business_risk(platform, said, as_of, run_id)
    ordinance.count_thresholds(platform, as_of, run_id)
    marts.list_actions(platform, as_of, run_id)
    marts.list_dimensions(platform, as_of, run_id)
    public_counts.count_for_the_public(platform, as_of, run_id)
    evaluation.audit_fairness(platform, as_of)
    day = marts.read_marts(platform, as_of)
    breaches = marts.breaches_of_contracts(day)
    if any(breaches.values()):
        raise RuntimeError(f"{as_of}: {breaches}")
    marts.publish_marts(platform, day, run_id)
    marts.prune_warehouse(platform)


def full_run(platform: Platform, settings: Settings, today: date) -> dict[str, str]:
    """The day as `kc run` does it, in this process. Returns what failed."""
    import dagster as dg

    from kc_pipeline.defs.beside import working_beside
    from kc_pipeline.defs.run import run_once

    home = settings.data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").touch()
    os.environ["DAGSTER_HOME"] = str(home)
    with working_beside(settings) as beside, dg.DagsterInstance.get() as instance:
        report = run_once(replace(platform, beside=beside), today, instance)
    failures = dict(report.failures) | dict.fromkeys(report.failed_checks, "blocking check failed")
    return failures if report.published or failures else {"publication": "nothing was published"}


def views_are_whole(platform: Platform) -> list[str]:
    """Every view shows one snapshot of one day, all its rows, within its contract; nothing where all do."""
    from kc_pipeline.catalog.views import VIEWS

    said = [str(breach) for breach in marts.check_views(platform)]
    days = {}
    for view in VIEWS.values():
        if view.is_of_a_mart:
            rows = platform.warehouse.read_view(view.name)
            if rows.num_rows:
                columns = (rows[name].to_pylist() for name in ("as_of", "snapshot_id"))
                days[view.name] = {(str(day), snapshot) for day, snapshot in zip(*columns, strict=True)}
    said += [f"{view} shows {len(found)} snapshots" for view, found in days.items() if len(found) != 1]
    shown = {day for found in days.values() for day, _ in found}
    return said if len(shown) == 1 else [*said, f"the views show {sorted(shown)}"]


@contextmanager
def befallen(settings: Settings, day: soak_faults.Day) -> Iterator[Settings]:
    """Settings under what befalls the departments' database and drops that day."""
    city = settings.data_dir / "city"
    database, drop = city / "department.sqlite", max((city / "drops").glob("*.csv"))
    whole = drop.read_bytes()
    try:
        if "database gone" in day.local:
            settings = replace(settings, department_url=f"sqlite:///{city / 'nowhere' / 'department.sqlite'}")
        if "torn drop" in day.local:
            drop.write_bytes(whole[: len(whole) * 2 // 3])
        yield settings
    finally:
        drop.write_bytes(whole)
    if not database.exists():
        raise RuntimeError(f"{database} went")


def in_another_process(folder: Path, day: soak_faults.Day, portal: str, seconds: float | None) -> bool:
    """Run the day in a process that is killed after some seconds of work, or may write small files only; whether it ended well."""
    child = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, __file__, str(folder), day.day.isoformat(), portal, *(["small files"] if seconds is None else [])],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        if child.stdout is not None:
            child.stdout.readline()  # it begins
        child.wait(seconds if seconds is not None else 300)
    except subprocess.TimeoutExpired:
        child.kill()
    return child.wait() == 0


def one_day(folder: Path, today: date, portal: str, has_small_files: bool) -> None:
    """The work of a process that will be killed or finds the disk full."""
    platform = Platform(settings_of(folder).at_portal(portal), city_clock(today))
    _ = platform.raw, platform.lake, platform.warehouse
    import pandas as pd

    from kc_pipeline.transform import cleaners  # noqa: F401 - so that the work starts at once

    pd.DataFrame()
    print("begins", flush=True)
    if has_small_files:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, _FILE_LIMIT))
    refresh_and_clean(platform, today)
    make_and_publish(platform, today, f"soak-{today}-other")


def settings_of(folder: Path) -> Settings:
    """The sandbox's settings, with its data in a folder."""
    return load_settings({"KC_DATA_DIR": str(folder), "KC_HISTORY_START": "2024-07"}, "sandbox")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    one_day(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), sys.argv[3], "small files" in sys.argv)
