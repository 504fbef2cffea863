"""Run many consecutive days of the synthetic city unattended, and compare what they left with a clean rebuild.

    .venv/bin/python benchmarks/soak.py [--days 200] [--folder FOLDER] [--scale 0.005] [--marts-every 10] [--full-every 66]

Each day the city goes on a day (rows come late, are corrected, deleted, resolved), something befalls it (`soak_faults.py`), and
every feed is refreshed and cleaned by the steps that stand behind the assets. Every so many days core and marts are made and
published too; every so many days all of it is done as `kc run` does, through Dagster, with every check. A day whose run was killed
or found no room on the disk is run once more at once; another failure has to be made good by the next day's run.
At the end an empty folder pulls the portal once, every table is compared, what is kept is verified, and the clean tables of some
feeds are made again from raw. Prints one table; the exit code is 1 if anything differs or went wrong.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import soak_day
import soak_faults
from soak_compare import differences

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import provenance
from kc_pipeline.sandbox.city import build_city
from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.revisions import Rates
from kc_pipeline.sandbox.serving import city_clock

LAST_DAY = date(2026, 4, 30)  # the day after it a model is fitted, which sees all that was seen by then
RATES = Rates(late=0.03, corrected=0.06, deleted=0.08)
_LATE_AFTER_DAYS = 75
_NOWHERE = "http://127.0.0.1:9"
Seen = dict[str, tuple[str, date]]


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
    is_pending: bool = False


def seen(platform: Platform) -> Seen:
    """event_id -> hash of its content and report date, of all event feeds."""
    found: Seen = {}
    for feed in EVENT_FEEDS:
        rows = platform.lake.read(f"clean/{feed}", columns=["event_id", "row_hash", "report_date"])
        events, hashes, dates = (column.to_pylist() for column in rows.columns)
        found.update(zip(events, zip(hashes, dates, strict=True), strict=True))
    return found


def note_changes(tally: Tally, before: Seen, after: Seen, today: date) -> None:
    """Count events that came, came late, changed or went since the day before."""
    new = [after[event] for event in after.keys() - before.keys()]
    tally.rows["new"] += len(new)
    tally.rows[f"late, by more than {_LATE_AFTER_DAYS} days"] += sum(today - day > timedelta(days=_LATE_AFTER_DAYS) for _, day in new)
    tally.rows["changed: corrected, resolved, said better"] += sum(before[e][0] != after[e][0] for e in after.keys() & before.keys())
    tally.rows["deleted"] += len(before.keys() - after.keys())


def size_of(folder: Path) -> int:
    """Bytes under a folder, the city's own apart."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "city" not in path.relative_to(folder).parts[:2])


def run_day(tally: Tally, folder: Path, day: soak_faults.Day, stay: tuple[str, ...], draw: random.Random) -> dict[str, str]:
    """All runs of one day under what befalls it; returns what failed in the last of them."""
    settings = soak_day.settings_of(folder)
    store, faults = RecordStore(settings.data_dir / "city" / "portal.sqlite"), Faults.parse([*day.faults, *stay])
    with Portal(store, faults=faults) as portal, soak_day.befallen(settings, day) as told:
        for how in {"killed", "disk"} & set(day.local):
            tally.runs += 1
            seconds = draw.uniform(0.05, 12.0) if how == "killed" else None
            if not soak_day.in_another_process(folder, day, portal.url, seconds):
                tally.failed, tally.is_pending = tally.failed + 1, True
            said = soak_day.views_are_whole(Platform(settings, city_clock(day.day)))
            tally.wrong += [f"{day.day}, {how}: {one}" for one in said]
        platform = Platform(told.at_portal(_NOWHERE if "outage" in day.local else portal.url), city_clock(day.day))
        tally.runs, tally.full_runs = tally.runs + 1, tally.full_runs + day.is_full
        try:
            if day.is_full:
                return soak_day.full_run(platform, settings, day.day)
            failures = soak_day.refresh_and_clean(platform, day.day)
            if day.is_published:
                soak_day.make_and_publish(platform, day.day, f"soak-{day.day}")
            return failures
        except Exception as error:
            tally.wrong.append(f"{day.day}: the run died: {type(error).__name__}: {error}"[:500])
            return {"run": str(error)}


def live(folder: Path, days: list[soak_faults.Day], changes: list[soak_faults.Change], scale: float) -> Tally:
    """Live through the days; those that an earlier process of the same soak lived through are not lived through again."""
    settings, before, kept = soak_day.settings_of(folder), {}, folder / "soak.json"
    tally = Tally(**json.loads(kept.read_text())) if kept.exists() else Tally()
    tally.faults, tally.rows = Counter(tally.faults), Counter(tally.rows)
    for day in days[len(tally.bytes) :]:
        draw = random.Random(day.number)  # noqa: S311 - a rehearsal
        tally.faults.update(change.kind for change in changes if change.day == day.day)
        city = settings.data_dir / "city"
        build_city(city, scale=scale, through=day.day, revised_since=days[0].day + timedelta(days=1), rates=RATES)
        soak_faults.apply_changes(city / "portal.sqlite", changes, day.day)
        tally.faults.update([*(text.partition("=")[0] for text in day.faults), *day.local])
        started = time.monotonic()
        failures = run_day(tally, folder, day, soak_faults.lasting_faults(changes, day.day), draw)
        took = time.monotonic() - started
        is_plain = not (day.is_published or day.is_full or day.local)
        (tally.seconds if is_plain else tally.published_seconds).append(took)
        if failures:
            tally.failed, tally.is_pending = tally.failed + 1, True
            if not day.faults and not day.local:
                tally.wrong += [f"{day.day}, although nothing befell: {name}: {said[:300]}" for name, said in failures.items()]
        elif tally.is_pending:
            tally.made_good, tally.is_pending = tally.made_good + 1, False
        platform = Platform(settings, city_clock(day.day))
        tally.bytes.append(size_of(settings.data_dir))
        tally.wrong += [f"{day.day}: {said}" for said in soak_day.views_are_whole(platform)]
        after = seen(platform)
        if before:
            note_changes(tally, before, after, day.day)
        before = after
        kept.write_text(json.dumps(vars(tally)))
        print(f"{day.day} {took:5.1f} s {' '.join((*day.faults, *day.local)) or '-'} {failures or ''}"[:260], flush=True)
    return tally


def rebuild_and_compare(folder: Path, last: date) -> list[str]:
    """Pull the last day's portal once into an empty folder, and name what differs from what the runs left."""
    settings = soak_day.settings_of(folder)
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        clean = replace(soak_day.settings_of(Path(empty)), drop_dir=settings.drop_dir, department_url=settings.department_url)
        with Portal(RecordStore(settings.data_dir / "city" / "portal.sqlite")) as portal:
            failures = soak_day.refresh_and_clean(Platform(clean.at_portal(portal.url), city_clock(last)), last)
        if failures:
            return [f"the clean rebuild failed: {failures}"]
        # What was seen on the last day counts on the next, the first of a month: both fit a model and score it.
        next_day = last + timedelta(days=1)
        ours, theirs = (Platform(one, city_clock(next_day)) for one in (settings, clean))
        for platform in (ours, theirs):
            soak_day.make_and_publish(platform, next_day, "soak-end")
        compared = list(differences(ours, theirs, next_day))
    print(f"compared {len(compared)} tables with a clean rebuild")
    return [f"{table}: {one}" for table, found in compared for one in found]


def verify_and_replay(platform: Platform, feeds: list[str]) -> list[str]:
    """What is not as it was written, and clean tables that their raw pulls do not give again."""
    said = [f"{what}: {how}" for what, how in provenance.verify(platform) if what]
    with tempfile.TemporaryDirectory() as empty:
        made = list(provenance.replay_clean(platform, feeds, Path(empty)))
    return said + [f"{each.table}: made again from raw it differs" for each in made if not each.is_same]


def print_table(tally: Tally, platform: Platform, differing: list[str], altered: list[str], replayed: list[str]) -> None:
    """One table of it all, and what went wrong."""
    versions = sum((version or 0) + 1 for version in platform.lake.versions(TABLES).values() if version is not None)
    grown = [(after - before) / 1e6 for before, after in zip(tally.bytes[:-1], tally.bytes[1:], strict=True)]
    half = len(grown) // 2
    lines = [
        ("days", str(len(tally.bytes))),
        ("runs", f"{tally.runs}: {tally.full_runs} whole ones through Dagster, the others by the plain steps"),
        ("faults injected", ", ".join(f"{name} {count}" for name, count in sorted(tally.faults.items()))),
        ("runs that failed, wholly or for a feed", str(tally.failed)),
        ("stretches of failed runs that a good one followed", str(tally.made_good)),
        *((f"events seen {name}", f"{count:,}") for name, count in tally.rows.items()),
        ("wall s of a day of feeds alone, first ten and last ten", _ends(tally.seconds)),
        ("wall s of a day with publication or a dead process, first ten and last ten", _ends(tally.published_seconds)),
        ("disk growth, MB a day, first half and second half", f"{_mean(grown[:half]):.2f}, {_mean(grown[half:]):.2f}"),
        ("disk at the end, MB", f"{tally.bytes[-1] / 1e6:.0f}"),
        ("Delta versions", f"{versions:,}"),
        ("peak memory, MB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"),
        ("views whole every day, and no run died", "no" if tally.wrong else "yes"),
        ("verified, and made again from raw: " + ", ".join(replayed), "DIFFERS" if altered else "the same"),
        ("against a clean rebuild", "DIFFERS" if differing else "EQUAL"),
    ]
    print("\n| soak | |\n|---|---|")
    for name, value in lines:
        print(f"| {name} | {value} |")
    for sentence in (*tally.wrong, *altered, *differing):
        print(f"- {sentence}")


def _ends(seconds: list[float]) -> str:
    return f"{_mean(seconds[:10]):.1f}, {_mean(seconds[-10:]):.1f}"


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def alter_one_row(platform: Platform) -> str:
    """Change one clean row behind the runs' back, to show that the comparison can fail; returns its key."""
    import pyarrow as pa

    table = "clean/dumping_complaints"
    rows = platform.lake.read(table)
    first = rows.slice(0, 1).to_pylist()[0]
    of_month = [row for row in rows.to_pylist() if row["month"] == first["month"]]
    of_month[0]["current_status"] = "altered"
    platform.lake.write(table, pa.Table.from_pylist(of_month, schema=rows.schema), partitions=[first["month"]])
    return str(first["event_id"])


def main() -> None:
    """Live, compare, print."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where to work, kept, and gone on with if it is there; default: a temporary one")
    parser.add_argument("--scale", type=float, default=0.005)
    parser.add_argument("--marts-every", type=int, default=10)
    parser.add_argument("--full-every", type=int, default=66, help="0: never")
    parser.add_argument("--replay", default="dumping_complaints", help="feeds whose clean tables are made again from raw")
    parser.add_argument("--alter", action="store_true", help="alter one row before the comparison, which must then fail")
    arguments = parser.parse_args()
    folder, replayed = arguments.folder or Path(tempfile.mkdtemp(prefix="kc-soak-")), arguments.replay.split(",")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        first = LAST_DAY - timedelta(days=arguments.days - 1)
        days, changes = soak_faults.plan(first, arguments.days, arguments.marts_every, arguments.full_every, seed=8)
        tally = live(folder, days, changes, arguments.scale)
        platform = Platform(soak_day.settings_of(folder), city_clock(LAST_DAY))
        if arguments.alter:
            print(f"altered {alter_one_row(platform)}")
        altered = verify_and_replay(platform, replayed)
        differing = rebuild_and_compare(folder, LAST_DAY)
        print_table(tally, platform, differing, altered, replayed)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if differing or altered or tally.wrong else 0)


if __name__ == "__main__":
    main()
