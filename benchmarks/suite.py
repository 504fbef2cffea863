"""Ours beside the alternatives: the same jobs, in processes of their own, on the same synthetic city.

    .venv/bin/python benchmarks/suite.py [--size tiny|small|full] [--only J1,J4] [--repeats 5] [--folder data/bench]
                                         [--months 60] [--engines PYTHON]

J1  attribution of a year's events, cold: the parcel that holds each point, else the only one within 5 m
J2  the same with our location dimension kept from an earlier run (the others keep nothing)
J3  ten years from clean tables and located addresses to ledger, observations, counts and score, with the stored fit
J4  nearest event of each feed, and events of each feed in its half-block cell, for every business
J5  the daily refresh: pull of the open months over loopback, clean, validate, attribute, score with the stored fit, publish
J6  ten-year backfill from raw pages to ledger, fit and score, with memory over time
J7  the daily refresh after ten years
J8  the same day once more, with nothing new and with a few new rows of one feed

Medians of whole processes, imports included; repeats are interleaved.  Peak memory is the largest sum of resident memory over
the process tree (and over the server, for PostGIS).  What is made once is kept in the folder.  --months makes the long history of
J3, J6, J7 and J8 another one than ten years.  --engines names a Python in which DuckDB with its spatial extension and SedonaDB are
installed.  Exit code 1: a contender found something else than ours does, beyond what the boundary rule explains.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import suite_agree as agree
from suite_inputs import (
    ANCHOR_DATE,
    SIZES,
    Inputs,
    long_start,
    prepare_day,
    prepare_decade,
    prepare_few_rows,
    prepare_late_day,
    prepare_year,
    run_command,
)
from suite_measure import MISSING, Measured, Run, run_measured

HERE = Path(__file__).parent
ROOT = HERE.parent
JOBS = ("J1", "J2", "J3", "J4", "J5", "J6", "J7", "J8")


class Suite:
    """One run of the suite: how contenders are started, and what they were found to do."""

    def __init__(self, inputs: Inputs, repeats: int, engines: str) -> None:
        self.inputs, self.repeats, self.engines = inputs, repeats, engines
        self.problems: list[str] = []
        self.environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}

    def command(self, script: str, job: str, source: Path, out: Path, *more: str, python: str = sys.executable) -> list[str]:
        """Command line of a contender."""
        return [python, str(HERE / f"suite_{script}.py"), job, str(source), str(out), *more]

    def once(self, command: list[str], server: int | None = None, **environ: str) -> Run:
        """One measured run."""
        return run_measured(command, {**self.environ, **environ}, server=server)

    def day_anew(self, kept: Path, day: date, portal: Path | None = None, **environ: str) -> Run:
        """One measured run of `kc run` in a fresh copy of a data folder; `portal` takes the place of its portal's rows."""
        shutil.rmtree(self.inputs.working, ignore_errors=True)
        shutil.copytree(kept, self.inputs.working)
        if portal:
            shutil.copy(portal, self.inputs.portal_of(self.inputs.working))
        return self.once(run_command(self.inputs, day), KC_DATA_DIR=str(self.inputs.working), **environ)

    def interleaved(self, contenders: dict[str, Callable[[], Run]], repeats: int | None = None) -> dict[str, Measured]:
        """Every contender in turn, as often as wanted; one that fails is not asked again."""
        found = {name: Measured() for name in contenders}
        for _ in range(repeats or self.repeats):
            for name, work in contenders.items():
                if not found[name].problem:
                    found[name].runs.append(work())
        return found

    def table(self, title: str, found: dict[str, Measured], rows: int, ours: str) -> None:
        """Print the figures of a job, each beside ours."""
        print(
            f"\n### {title}\n\n| contender | wall s | CPU s | peak MB | rows/s | wall, times ours | CPU, times ours |"
            "\n|---|--:|--:|--:|--:|--:|--:|"
        )
        own = found[ours] if not found[ours].problem else None
        for name, measured in found.items():
            if measured.problem:
                print(f"| {name} | {measured.problem} | | | | | |")
                if MISSING not in measured.problem:
                    self.problems.append(f"{title}: {name}: {measured.problem}")
                continue
            wall, cpu, peak = (measured.median(measure) for measure in ("wall_s", "cpu_s", "peak_mb"))
            ratio = f"{wall / own.median('wall_s'):.2f} | {cpu / own.median('cpu_s'):.2f}" if own else " | "
            print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {rows / wall:,.0f} | {ratio} |")
        sys.stdout.flush()

    def agreed(self, what: str, compared: tuple[str, bool]) -> None:
        """Print whether two contenders agree."""
        sentence, is_same = compared
        print(f"\n{what}: {sentence}{'' if is_same else ' (NOT explained)'}", flush=True)
        if not is_same:
            self.problems.append(f"{what}: {sentence}")


def attribution(suite: Suite, *, warm: bool) -> None:
    """J1 and J2."""
    inputs = suite.inputs
    prepare_year(inputs)
    names = ("ours", "plain", "duckdb", "sedonadb", "postgis", "read", "tree", "warm")
    out = {name: inputs.scratch(f"attribution-{name}") for name in names}
    own = suite.command("ours", "attribute", inputs.files, out["ours"])
    contenders = {
        "ours, cold": lambda: suite.once(own),
        "geopandas script": lambda: suite.once(suite.command("plain", "attribute", inputs.files, out["plain"])),
        **{
            title: lambda name=name: suite.once(suite.command("engines", name, inputs.files, out[name], python=suite.engines))
            for title, name in (("DuckDB spatial", "duckdb"), ("SedonaDB", "sedonadb"))
        },
        "floor: the files read once": lambda: suite.once(suite.command("engines", "read", inputs.files, out["read"])),
        "floor: bare STRtree query": lambda: suite.once(suite.command("engines", "tree", inputs.files, out["tree"])),
    }
    if warm:
        suite.once(suite.command("ours", "keep_locations", inputs.files, out["warm"]))
        contenders = {"ours, warm": lambda: suite.once(suite.command("ours", "attribute_warm", inputs.files, out["warm"])), **contenders}
    with postgis_server(suite, out["postgis"]) as (url, server):
        if url:
            command = suite.command("engines", "postgis", inputs.files, out["postgis"], url)
            contenders["PostGIS, tables and index there"] = lambda: suite.once(command, server)
        found = suite.interleaved(contenders)
    if not url:
        found["PostGIS"] = Measured([Run(0, 0, 0, (), f"{MISSING}: no PostgreSQL")])
    count = len(pd.read_parquet(inputs.files / "points.parquet", columns=["event_id"]))
    title = "J2: attribution of one year, our location dimension warm" if warm else "J1: attribution of one year, cold"
    suite.table(f"{title} ({count:,} points)", found, count, "ours, warm" if warm else "ours, cold")
    compared = {"geopandas script": "plain", "DuckDB spatial": "duckdb", "SedonaDB": "sedonadb", "ours, warm": "warm"}
    compared["PostGIS, tables and index there"] = "postgis"
    for name, folder in compared.items():
        if name in found and not found[name].problem:
            suite.agreed(f"ours and {name}", agree.compare_attribution(inputs.files, out["ours"], out[folder]))


@contextmanager
def postgis_server(suite: Suite, out: Path) -> Iterator[tuple[str, int | None]]:
    """URL of a database that holds points and parcels, and the process id of its server; '' where there is none."""
    sys.path.insert(0, str(ROOT / "kc_pipeline_tests"))
    from postgres_server import NoPostgresError, new_database, running_server

    try:
        context = running_server()
        server = context.__enter__()
    except NoPostgresError:
        yield "", None
        return
    try:
        url = new_database(server, "suite", with_postgis=True)
        loaded = suite.once(suite.command("engines", "load_postgis", suite.inputs.files, out, url))
        if loaded.problem:
            raise RuntimeError(f"PostGIS could not be filled: {loaded.problem}")
        folder = Path(str(server.query["host"])) / "data" / "postmaster.pid" if "host" in server.query else None
        yield url, int(folder.read_text().splitlines()[0]) if folder and folder.exists() else None
    finally:
        context.__exit__(None, None, None)


def ten_years(suite: Suite) -> None:
    """J3: needs the clean tables that J6 leaves."""
    inputs = suite.inputs
    prepare_decade(inputs)
    out = {name: inputs.scratch(f"decade-{name}") for name in ("ours", "plain")}
    lake = inputs.decade / "sandbox" / "lake"
    if not (lake / "eval" / "model_card").exists():
        suite.once(suite.command("ours", "backfill", inputs.decade, out["ours"]))

    def ours() -> Run:
        for made in ("core/event_attribution", "core/factor_observations", "marts", "kept"):
            shutil.rmtree(lake / made, ignore_errors=True)
        return suite.once(suite.command("ours", "decade", inputs.decade, out["ours"]))

    plain = suite.command("plain", "decade", inputs.decade, out["plain"])
    found = suite.interleaved({"ours": ours, "geopandas script": lambda: suite.once(plain)}, min(suite.repeats, 3))
    rows = clean_rows(lake)
    suite.table(f"J3: {long_start(inputs)} to {ANCHOR_DATE}, clean tables to marts ({rows:,} events)", found, rows, "ours")
    if not any(measured.problem for measured in found.values()):
        suite.agreed("ours and geopandas script", agree.compare_ledgers(lake, out["plain"]))
        suite.agreed("counts per place", compare_counts(lake, out["plain"], ANCHOR_DATE.isoformat()))


def clean_rows(lake: Path) -> int:
    """Rows of the clean event tables."""
    from kc_pipeline.catalog.columns import EVENT_FEEDS
    from kc_pipeline.store.lake import Lake

    return sum(Lake(lake).count(f"clean/{feed}") for feed in EVENT_FEEDS)


def compare_counts(lake: Path, plain: Path, as_of: str) -> tuple[str, bool]:
    """The counts of marts/business_risk beside those of the script."""
    from kc_pipeline.store.lake import Lake

    ours = Lake(lake).read("marts/business_risk", partitions=[as_of]).to_pandas()
    return agree.compare_tables(ours, pd.read_parquet(plain / "counts.parquet"), "business_parcel_id")


def around_businesses(suite: Suite) -> None:
    """J4."""
    inputs = suite.inputs
    prepare_year(inputs)
    out = {name: inputs.scratch(f"features-{name}") for name in ("ours", "plain")}
    found = suite.interleaved(
        {
            "ours": lambda: suite.once(suite.command("ours", "features", inputs.files, out["ours"])),
            "geopandas script": lambda: suite.once(suite.command("plain", "features", inputs.files, out["plain"])),
        }
    )
    count = len(pd.read_parquet(inputs.files / "points.parquet", columns=["event_id"]))
    places = len(pd.read_parquet(inputs.files / "businesses.parquet"))
    suite.table(f"J4: {count:,} events around {places:,} business places", found, count, "ours")
    if not any(measured.problem for measured in found.values()):
        tables = [pd.read_parquet(out[name] / "features.parquet") for name in ("ours", "plain")]
        suite.agreed("ours and geopandas script", agree.compare_tables(*tables, "business_parcel_id"))


def daily(suite: Suite, *, late: bool) -> None:
    """J5 and J7."""
    inputs = suite.inputs
    day = (prepare_late_day if late else prepare_day)(inputs, suite.environ)
    kept = inputs.late_day if late else inputs.day
    out, out_of_whole = inputs.scratch("daily-plain"), inputs.scratch("daily-whole")
    history = {"KC_HISTORY_START": long_start(inputs)} if late else {}
    plain = suite.command("plain", "daily", inputs.working, out, day.isoformat())
    whole = suite.command("plain", "daily_whole", inputs.working, out_of_whole, day.isoformat())
    contenders = {
        "ours (kc run)": lambda: suite.day_anew(kept, day, **history),
        "geopandas script, whole job": lambda: suite.once(whole),
        "geopandas script, given our clean tables; no validation, no score": lambda: suite.once(plain),
    }
    found = suite.interleaved(contenders, min(suite.repeats, 3))
    lake = inputs.working / "sandbox" / "lake"
    rows = clean_rows(lake)
    title = f"J7: the refresh of a day after {inputs.months} months" if late else "J5: the refresh of a day after 24 months"
    suite.table(f"{title} ({rows:,} events kept)", found, rows, "ours (kc run)")
    if not any(measured.problem for measured in found.values()):
        for name, made in (("whole job", out_of_whole), ("given our clean tables", out)):
            suite.agreed(f"ours and geopandas script, {name}", agree.compare_ledgers(lake, made))
            suite.agreed(f"counts per place, {name}", compare_counts(lake, made, day.isoformat()))


def few_rows(suite: Suite) -> None:
    """J8."""
    inputs = suite.inputs
    day = prepare_few_rows(inputs, suite.environ)
    history = {"KC_HISTORY_START": long_start(inputs)}
    whole = inputs.portal_of(inputs.late_day)
    contenders = {
        "the day again, nothing new": lambda: suite.day_anew(inputs.few_rows, day, **history),
        f"the day again, {inputs.few} new calls": lambda: suite.day_anew(inputs.few_rows, day, whole, **history),
    }
    found = suite.interleaved(contenders, min(suite.repeats, 3))
    rows = clean_rows(inputs.working / "sandbox" / "lake")
    suite.table(f"J8: a few new rows after {inputs.months} months ({rows:,} events kept)", found, rows, next(iter(contenders)))


def long_backfill(suite: Suite) -> None:
    """J6: once, since it takes minutes; memory is told phase by phase."""
    inputs = suite.inputs
    prepare_decade(inputs)
    shutil.rmtree(inputs.decade / "sandbox" / "lake", ignore_errors=True)
    out = inputs.scratch("decade-ours")
    found = {"ours": Measured([suite.once(suite.command("ours", "backfill", inputs.decade, out))])}
    rows = 0 if found["ours"].problem else clean_rows(inputs.decade / "sandbox" / "lake")
    suite.table(f"J6: raw pages of {inputs.months} months to ledger, fit and score ({rows:,} events)", found, rows, "ours")
    print("\n| phase reached | after s | resident MB |\n|---|--:|--:|")
    for seconds, text, megabytes in found["ours"].runs[0].marks:
        print(f"| {text} | {seconds:.1f} | {megabytes:.0f} |")


def main() -> int:
    """Run the jobs that are asked for; 1 if a contender disagrees or fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="full")
    parser.add_argument("--only", default=",".join(JOBS), help="jobs, separated by commas")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    parser.add_argument("--months", type=int, help="months of the long history; default: as many as the size has")
    parser.add_argument("--engines", default=sys.executable, help="Python that has DuckDB and SedonaDB")
    asked = parser.parse_args()
    unknown = set(asked.only.split(",")) - set(JOBS)
    if unknown:
        parser.error(f"no job {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a database server that was started is stopped
    scale, months = SIZES[asked.size]
    folder = asked.folder / (asked.size if asked.months in (None, months) else f"{asked.size}-{asked.months}")
    suite = Suite(Inputs(folder.resolve(), scale, asked.months or months), asked.repeats, asked.engines)
    print(f"Size {asked.size}: scale {suite.inputs.scale}, long history {suite.inputs.months} months; {os.cpu_count()} cores", flush=True)
    works: dict[str, Callable[[], None]] = {
        "J1": lambda: attribution(suite, warm=False),
        "J2": lambda: attribution(suite, warm=True),
        "J4": lambda: around_businesses(suite),
        "J6": lambda: long_backfill(suite),
        "J3": lambda: ten_years(suite),
        "J5": lambda: daily(suite, late=False),
        "J7": lambda: daily(suite, late=True),
        "J8": lambda: few_rows(suite),
    }
    for job, work in works.items():
        if job in asked.only.split(","):
            work()
    for problem in suite.problems:
        print(f"\nPROBLEM {problem}")
    return 1 if suite.problems else 0


if __name__ == "__main__":
    sys.exit(main())
