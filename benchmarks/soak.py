"""Run many consecutive days of the synthetic city unattended, and compare what they left with a clean rebuild.

    .venv/bin/python benchmarks/soak.py [--days 200] [--folder FOLDER] [--scale 0.005] [--marts-every 5] [--full-every 40]

Each day the city goes on a day (rows late, corrected, deleted, resolved), something befalls it (`soak_faults.py`), and every
feed is refreshed and cleaned by the steps that stand behind the assets. Every so many days core and marts are made and
published too; every so many days all of it is done by `kc run`'s own code, through Dagster, with every check. A day whose run
failed is run once more without the fault if it was killed or its disk was full; else the next day has to make it good.
At the end an empty folder pulls the portal once, and every table is compared. Exit code 1 if anything differs.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import soak_faults
from soak_compare import differences

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.partitions import open_from
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import evaluation, feeds, marts, ordinance, places, risk
from kc_pipeline.extract.errors import SourceError
from kc_pipeline.sandbox.city import build_city
from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.revisions import Rates
from kc_pipeline.sandbox.serving import city_clock
from kc_pipeline.settings import Settings, load_settings

LAST_DAY = date(2026, 4, 30)
RATES = Rates(late=0.03, corrected=0.06, deleted=0.02)
_FILE_LIMIT = 6_000
CORE: tuple[Callable[[Platform], object], ...] = (
    places.build_gazetteer, places.place_on_blocks, places.locate_addresses, places.build_businesses, places.update_business_history,
    places.build_business_parcels, places.update_business_parcel_history, places.attribute_events, risk.gather_observations,
)  # fmt: skip


@dataclass
class Tally:
    """What happened in the days so far."""

    runs: int = 0
    full_runs: int = 0
    failed: int = 0
    made_good: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    published_seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def refresh_and_clean(platform: Platform, today: date) -> dict[str, str]:
    """Refresh and clean every feed, as the ingest does: one that fails leaves the others alone. Returns feed -> message."""
    failures = {}
    platform.raw.clean_debris()
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
    marts.score_business_risk(platform, as_of, run_id)
    ordinance.count_thresholds(platform, as_of, run_id)
    marts.list_actions(platform, as_of, run_id)
    marts.list_dimensions(platform, as_of, run_id)
    marts.count_for_the_public(platform, as_of, run_id)
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

    from kc_pipeline.defs.run import run_once

    home = settings.data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").touch()
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        report = run_once(platform, today, instance)
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
                days[view.name] = {(str(day), snapshot) for day, snapshot in zip(rows["as_of"].to_pylist(), rows["snapshot_id"].to_pylist())}
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


def in_another_process(folder: Path, settings: Settings, day: soak_faults.Day, portal: str, seconds: float | None) -> bool:
    """Run the day in a process that is killed after some seconds of work, or may write small files only; whether it ended well."""
    child = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, __file__, "--folder", str(folder), "--one-day", day.day.isoformat(), "--portal", portal,
         *(["--small-files"] if seconds is None else [])],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it begins
        child.wait(seconds if seconds is not None else 300)
    except subprocess.TimeoutExpired:
        child.kill()
    return child.wait() == 0


def one_day(folder: Path, today: date, portal: str, has_small_files: bool) -> None:
    """The work of a process that will be killed or finds the disk full."""
    platform = Platform(_settings(folder).at_portal(portal), city_clock(today))
    _ = platform.raw, platform.lake, platform.warehouse
    import pandas as pd

    from kc_pipeline.transform import cleaners  # noqa: F401 - so that the work starts at once

    pd.DataFrame()
    print("begins", flush=True)
    if has_small_files:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, _FILE_LIMIT))
    refresh_and_clean(platform, today)
    make_and_publish(platform, today, f"soak-{today}-other")


def _settings(folder: Path) -> Settings:
    return load_settings({"KC_DATA_DIR": str(folder), "KC_HISTORY_START": "2024-07"}, "sandbox")


def seen(platform: Platform) -> dict[str, tuple[str, date]]:
    """event_id -> hash of its content and report date, of all event feeds."""
    found = {}
    for feed in EVENT_FEEDS:
        rows = platform.lake.read(f"clean/{feed}", columns=["event_id", "row_hash", "report_date"])
        found.update(
            zip(rows["event_id"].to_pylist(), zip(rows["row_hash"].to_pylist(), rows["report_date"].to_pylist(), strict=True), strict=True)
        )
    return found


def note_changes(tally: Tally, before: dict[str, tuple[str, date]], after: dict[str, tuple[str, date]], today: date) -> None:
    """Count rows that came, came late, were corrected or went since the day before."""
    if not before:
        return
    new = [after[event] for event in after.keys() - before.keys()]
    tally.rows["new"] += len(new)
    tally.rows["late (over 75 days)"] += sum(today - reported > timedelta(days=75) for _, reported in new)
    tally.rows["deleted"] += len(before.keys() - after.keys())
    tally.rows["corrected, resolved, or said better"] += sum(before[event][0] != after[event][0] for event in after.keys() & before.keys())


def size_of(folder: Path) -> int:
    """Bytes under a folder, the city's own apart."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "city" not in path.relative_to(folder).parts[:2])


def live(folder: Path, days: list[soak_faults.Day], changes: list[soak_faults.Change], scale: float) -> Tally:
    """Live through the days."""
    tally, before, pending = Tally(), {}, False
    settings, draw = _settings(folder), random.Random(11)  # noqa: S311 - a rehearsal
    tally.faults.update(change.kind for change in changes)
    for day in days:
        city = settings.data_dir / "city"
        build_city(city, scale=scale, through=day.day, revised_since=days[0].day + timedelta(days=1), rates=RATES)
        soak_faults.apply_changes(city / "portal.sqlite", changes, day.day)
        started = time.monotonic()
        stay = soak_faults.lasting_faults(changes, day.day)
        tally.faults.update(text.partition("=")[0] for text in day.faults)
        tally.faults.update(day.local)
        failures: dict[str, str] = {}
        with Portal(RecordStore(city / "portal.sqlite"), faults=Faults.parse([*day.faults, *stay])) as portal, befallen(settings, day) as told:
            url = portal.url if "outage" not in day.local else "http://127.0.0.1:9"
            for how in [one for one in day.local if one in ("killed", "disk")]:
                seconds = draw.uniform(0.05, 14.0) if how == "killed" else None
                tally.runs += 1
                if not in_another_process(folder, settings, day, portal.url, seconds):
                    tally.failed += 1
                    pending = True
                if day.number:
                    tally.wrong += [f"{day.day} {how}: {said}" for said in views_are_whole(Platform(settings, city_clock(day.day)))]
            platform = Platform(told.at_portal(url), city_clock(day.day))
            tally.runs += 1
            try:
                if day.is_full:
                    tally.full_runs += 1
                    failures = full_run(platform, settings, day.day)
                else:
                    failures = refresh_and_clean(platform, day.day)
                    if day.is_published:
                        make_and_publish(platform, day.day, f"soak-{day.day}")
            except Exception as error:  # noqa: BLE001 - whatever a run dies of is counted, and named at the end
                failures["run"] = f"{type(error).__name__}: {error}"
                tally.wrong.append(f"{day.day} {'full run' if day.is_full else 'run'} died: {failures['run'][:400]}")
        took = time.monotonic() - started
        if failures:
            tally.failed, pending = tally.failed + 1, True
        elif pending:
            tally.made_good, pending = tally.made_good + 1, False
        (tally.published_seconds if day.is_published or day.is_full or day.local else tally.seconds).append(took)
        tally.bytes.append(size_of(settings.data_dir))
        tally.wrong += [f"{day.day}: {said}" for said in views_are_whole(platform)]
        after = seen(platform)
        note_changes(tally, before, after, day.day)
        before = after
        expected = bool(day.faults or day.local)
        if failures and not expected:
            tally.wrong += [f"{day.day}, nothing befell: {name}: {said[:300]}" for name, said in failures.items()]
        print(f"{day.day} {took:5.1f} s {' '.join((*day.faults, *day.local)) or '-'} {dict(failures) if failures else ''}"[:260], flush=True)
    return tally


def rebuild_and_compare(folder: Path, last: date) -> list[str]:
    """Pull the last day's portal once into an empty folder, and name what differs from what the runs left."""
    settings, said = _settings(folder), []
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        clean = replace(
            _settings(Path(empty)), drop_dir=settings.drop_dir, department_url=settings.department_url
        )
        with Portal(RecordStore(settings.data_dir / "city" / "portal.sqlite")) as portal:
            theirs = Platform(clean.at_portal(portal.url), city_clock(last))
            failures = refresh_and_clean(theirs, last)
            if failures:
                return [f"the clean rebuild failed: {failures}"]
        # What was seen on the last day counts on the next, the first of a month: both fit and score it.
        next_day = last + timedelta(days=1)
        ours, theirs = (Platform(one, city_clock(next_day)) for one in (settings, clean))
        for platform in (ours, theirs):
            make_and_publish(platform, next_day, "soak-end")
        compared = 0
        for table, found in differences(ours, theirs, next_day):
            compared += 1
            said += [f"{table}: {one}" for one in found]
        print(f"compared {compared} tables with a clean rebuild")
    return said


def print_table(tally: Tally, platform: Platform, days: int, differing: list[str]) -> None:
    """One table of it all."""
    from kc_pipeline.catalog.tables import TABLES

    versions = sum((platform.lake.version(table) or -1) + 1 for table in TABLES)
    grown = [(after - before) / 1e6 for before, after in zip(tally.bytes[:-1], tally.bytes[1:], strict=True)] or [0.0]
    ends = min(10, max(len(tally.seconds) // 2, 1))
    plain, both = tally.seconds, [(tally.seconds, "a day of feeds alone"), (tally.published_seconds, "a day with publication or a dead process")]
    lines = [
        ("days", str(days)), ("runs", f"{tally.runs}, {tally.full_runs} of them whole runs through Dagster, the others by the plain steps"),
        ("faults injected", ", ".join(f"{name} {count}" for name, count in sorted(tally.faults.items()))),
        ("runs that failed, wholly or for a feed", str(tally.failed)), ("stretches of failed runs followed by a good one", str(tally.made_good)),
        *((f"events seen {name}", f"{count:,}") for name, count in tally.rows.items()),
        *((f"wall s of {what}: first {min(ends, len(s))}, last {min(ends, len(s))}", f"{_mean(s[:ends]):.1f}, {_mean(s[-ends:]):.1f}") for s, what in both if s),
        ("disk growth, MB a day: first half, second half", f"{_mean(grown[: len(grown) // 2 or 1]):.2f}, {_mean(grown[len(grown) // 2 :]):.2f}"),
        ("disk at the end, MB", f"{tally.bytes[-1] / 1e6:.0f}"), ("Delta versions", f"{versions:,}"),
        ("peak memory, MB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"),
        ("views whole on every day, no run died", "no" if tally.wrong else "yes"),
        ("against a clean rebuild", "DIFFERS" if differing else "EQUAL"),
    ]  # fmt: skip
    del plain
    print("\n| soak | |\n|---|---|")
    for name, value in lines:
        print(f"| {name} | {value} |")
    for sentence in (*tally.wrong, *differing):
        print(f"- {sentence}")


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def alter_one_row(platform: Platform) -> str:
    """Change one clean row behind the runs' back, to show that the comparison can fail; returns the key."""
    import pyarrow as pa

    table = "clean/dumping_complaints"
    rows = platform.lake.read(table).to_pylist()
    rows[0]["current_status"] = "altered"
    month = rows[0]["month"]
    changed = pa.Table.from_pylist([row for row in rows if row["month"] == month], schema=platform.lake.read(table).schema)
    platform.lake.write(table, changed, partitions=[month])
    return str(rows[0]["event_id"])


def main() -> None:
    """Live, compare, print."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where to work, kept; default: a temporary one")
    parser.add_argument("--scale", type=float, default=0.005)
    parser.add_argument("--marts-every", type=int, default=5)
    parser.add_argument("--full-every", type=int, default=40)
    parser.add_argument("--alter", action="store_true", help="alter one row before the comparison, which must then fail")
    parser.add_argument("--one-day", type=date.fromisoformat, help=argparse.SUPPRESS)
    parser.add_argument("--portal", help=argparse.SUPPRESS)
    parser.add_argument("--small-files", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_day:
        one_day(arguments.folder, arguments.one_day, arguments.portal, arguments.small_files)
        return
    kept = arguments.folder
    folder = kept or Path(tempfile.mkdtemp(prefix="kc-soak-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        first = LAST_DAY - timedelta(days=arguments.days - 1)
        days, changes = soak_faults.plan(first, arguments.days, arguments.marts_every, arguments.full_every, seed=8)
        tally = live(folder, days, changes, arguments.scale)
        platform = Platform(_settings(folder), city_clock(LAST_DAY))
        if arguments.alter:
            print(f"altered {alter_one_row(platform)}")
        differing = rebuild_and_compare(folder, LAST_DAY)
        print_table(tally, platform, arguments.days, differing)
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if differing or tally.wrong else 0)


if __name__ == "__main__":
    main()
