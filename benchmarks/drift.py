"""What the drift checks say, week by week: on recorded rows, and on simulated feeds whose truth is known.

.venv/bin/python benchmarks/drift.py --real FOLDER_WITH_KCDATA     # every alarm on the recorded dumping rows, and verdicts
.venv/bin/python benchmarks/drift.py --simulated [--seeds 20]      # false alarms and delay of detection
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from kc_pipeline.quality.drift.categories import category_drift
from kc_pipeline.quality.drift.closes import bulk_closes
from kc_pipeline.quality.drift.finding import Drift
from kc_pipeline.quality.drift.locations import location_drift, location_shares
from kc_pipeline.quality.drift.volume import volume_drift

FEED, LAG_DAYS = "dumping_complaints", 7
FIRST_MONDAY, LAST_MONDAY = date(2021, 6, 7), date(2026, 7, 13)
SILENT, OLD_NAME = "Dumping in a Right-of-Way", "Dumping in the Right-of-Way"
JUDGED_A_MONTH = 20
Look = Callable[[date], Iterable[Drift]]


def replay(look: Look, first: date, last: date) -> dict[Drift, date]:
    """Each alarm of the Mondays in a range, with the Monday on which it was raised first."""
    raised: dict[tuple[object, ...], tuple[Drift, date]] = {}
    monday = first
    while monday <= last:
        for drift in look(monday):
            raised.setdefault(drift.identity, (drift, monday))
        monday += timedelta(days=7)
    return dict(raised.values())


def recorded(feed: str, data_set: str, file: str) -> pd.DataFrame:
    """Recorded rows through the platform's own cleaner."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "kc_pipeline_tests" / "real"))
    from real_rows import raw_table

    from kc_pipeline.transform.cleaners import CLEANERS

    return CLEANERS[feed](raw_table(feed, data_set, file)).clean.to_pandas()


def print_alarms(title: str, raised: dict[Drift, date]) -> None:
    """Alarms in the order in which they were raised."""
    print(f"\n{title}: {len(raised)}")
    for drift, monday in sorted(raised.items(), key=lambda pair: pair[1]):
        print(f"  {monday}  {drift.kind:18} {drift.sentence}")


def print_real() -> None:
    """Alarms on the recorded rows, with the verdicts that are asked for."""
    rows = recorded(FEED, "p227-55mh", "p227-55mh.json.gz")
    counts = (
        rows.groupby(["report_date", "source_category"]).size().rename("event_count").reset_index().rename(columns={"report_date": "day"})
    )
    for seen_after in (LAG_DAYS, 1):
        alarms = replay(categories_seen_after(counts, seen_after), FIRST_MONDAY, LAST_MONDAY)
        print_alarms(f"Categories of {len(rows):,} dumping rows, a row being seen {seen_after} days after it was opened", alarms)
        print_verdict(alarms, counts)
    daily = counts.groupby("day")["event_count"].sum().reset_index()
    print_alarms(
        "Volume",
        replay(lambda m: volume_drift(FEED, daily[daily["day"] <= m - timedelta(days=LAG_DAYS)], m, LAG_DAYS), FIRST_MONDAY, LAST_MONDAY),
    )
    monthly = rows.groupby(["month", "no_location_reason"], dropna=False).size().rename("event_count").reset_index()
    print_alarms("Places", replay(lambda monday: location_drift(FEED, monthly, monday), FIRST_MONDAY, LAST_MONDAY))
    closed = rows.groupby("resolved_date").size().rename("event_count").reset_index()
    print_alarms("Bulk closes", dict.fromkeys(bulk_closes(FEED, closed), LAST_MONDAY))
    reports = recorded("police_reports", "dmjw-d28i", "dmjw-d28i.sample.json.gz")
    by = ["address_precision", "no_location_reason"]
    print("\nPolice reports of 2018 (sample), share of reports by what the address names\n")
    print(location_shares(reports.groupby(by, dropna=False).size().rename("event_count").reset_index()).round(3).to_string())
    buildings = recorded("dangerous_buildings", "vzsi-k8cj", "vzsi-k8cj.json.gz")
    print("\nDangerous buildings without a place:", buildings["no_location_reason"].value_counts().to_dict())


def categories_seen_after(counts: pd.DataFrame, days: int) -> Look:
    """Category drift of a Monday by the rows that were opened at least so many days before."""
    return lambda monday: category_drift(FEED, counts[counts["day"] <= monday - timedelta(days=days)], monday, LAG_DAYS)


def print_verdict(alarms: dict[Drift, date], counts: pd.DataFrame) -> None:
    """Whether the bars are met."""
    months = (counts["day"].max() - counts["day"].min()).days * 12 / 365.25
    frequent = counts.groupby("source_category")["event_count"].sum() / months >= JUDGED_A_MONTH
    silences = {drift: monday for drift, monday in alarms.items() if drift.kind == "category_silent"}
    june = [monday for drift, monday in silences.items() if drift.subject == SILENT and drift.since and drift.since.year == 2026]
    renamed = [drift.since for drift in alarms if drift.kind == "category_renamed" and drift.subject == f"{OLD_NAME} -> {SILENT}"]
    others = [d for d in silences if frequent.get(d.subject, False) and not (d.subject == SILENT and d.since and d.since.year == 2026)]
    print(f"  silence of June 2026 raised: {june[0] if june else 'never'} (bar: 2026-07-06)")
    print(f"  rename of autumn 2023: {renamed[0] if renamed else 'not recognised'}")
    print(f"  other silences of sub-types with {JUDGED_A_MONTH} rows a month or more: {len(others)} (bar: at most 3)")


# --- simulated feeds --------------------------------------------------------------------------------------------
SHAPES: dict[str, Sequence[float]] = {
    "one of 1,000 a day": (1000.0,),
    "12, 2, 1, 0.7 a day": (12.0, 2.0, 1.0, 0.7),
    "40, 30, 20, 10 a day": (40.0, 30.0, 20.0, 10.0),
    "2 a week, 1 a week": (2 / 7, 1 / 7),
    "ten of 3 a day": (3.0,) * 10,
}
SIMULATED_DAYS, SIMULATED_START = 4 * 365, date(2021, 1, 4)


def simulate(
    rates: Sequence[float], seed: int, *, ends: int | None = None, gap: tuple[int, int] | None = None, monthly: bool = False
) -> pd.DataFrame:
    """Negative-binomial counts with weekdays, seasons and bursts.

    Args:
        rates: rows a day of each category.
        seed: of the draws.
        ends: day from which the first category brings nothing; None: it goes on.
        gap: days without any row of the feed.
        monthly: whether all rows of a month bear its last day.
    """
    rng = np.random.default_rng(seed)
    day = np.arange(SIMULATED_DAYS)
    season = 1 + 0.35 * np.sin(2 * np.pi * (day / 365.25 - 0.25 + rng.normal(0, 0.02)))
    weekday = np.where(day % 7 >= 5, 0.35, 1.26)
    frames = []
    for number, rate in enumerate(rates):
        mean = rate * season * weekday * np.exp(rng.normal(0, 0.25, len(day) // 7 + 1))[day // 7]
        counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
        if number == 0 and ends is not None:
            counts[ends:] = 0
        if gap is not None:
            counts[gap[0] : gap[1]] = 0
        frames.append(pd.DataFrame({"day": day, "source_category": f"category {number} {'abcdefghij'[number] * 9}", "event_count": counts}))
    rows = pd.concat(frames)
    if monthly:
        rows["day"] = rows["day"] // 30 * 30 + 29
    rows["day"] = [SIMULATED_START + timedelta(days=int(number)) for number in rows["day"]]
    return rows.groupby(["day", "source_category"], as_index=False)["event_count"].sum().query("event_count > 0")


def print_simulated(seeds: int) -> None:
    """False alarms of feeds in which nothing ends, and the delay until an end is told."""
    first, last = SIMULATED_START + timedelta(days=200), SIMULATED_START + timedelta(days=SIMULATED_DAYS)
    years = (last - first).days / 365.25
    heads = f"{'feed':22} {'false silences':>15} {'volume alarms':>14} {'new, renamed':>13} {'end told':>9} {'median delay':>13}"
    print(f"{heads}   (a feed and year; {seeds} feeds)")
    for name, rates in SHAPES.items():
        silent = volume = other = 0
        delays = []
        for seed in range(seeds):
            rows = simulate(rates, seed)
            for drift in replay(look_at(rows), first, last):
                silent += drift.kind == "category_silent"
                volume += drift.kind.startswith(("volume", "bulk"))
                other += drift.kind in {"category_new", "category_renamed"}
            end = 900 + 7 * seed
            told = [
                m
                for d, m in replay(look_at(simulate(rates, seed, ends=end)), first, last).items()
                if d.kind == "category_silent" and "category 0" in d.subject
            ]
            delays += [(min(told) - SIMULATED_START).days - end] if told else []
        years_seen = seeds * years
        delay = f"{np.median(delays):.0f} days" if delays else "-"
        shares = f"{silent / years_seen:15.3f} {volume / years_seen:14.3f} {other / years_seen:13.3f}"
        print(f"{name:22} {shares} {len(delays):>4} of {seeds:<2} {delay:>12}")
    for name, rows in (
        ("a gap of four months", simulate(SHAPES["12, 2, 1, 0.7 a day"], 1, gap=(700, 820))),
        ("delivered once a month", simulate(SHAPES["12, 2, 1, 0.7 a day"], 1, monthly=True)),
    ):
        print_alarms(f"A feed with {name}", replay(look_at(rows, 7 if "gap" in name else 31), first, last))


def look_at(rows: pd.DataFrame, lag_days: int = LAG_DAYS) -> Look:
    """Category and volume drift of a Monday."""
    daily = rows.groupby("day", as_index=False)["event_count"].sum()

    def look(monday: date) -> Iterable[Drift]:
        until = monday - timedelta(days=1)
        yield from category_drift("simulated", rows[rows["day"] <= until], monday, lag_days)
        yield from volume_drift("simulated", daily[daily["day"] <= until], monday, lag_days)

    return look


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="folder that holds kcdata/")
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    if args.real:
        os.environ["KC_REAL_DATA"] = str(args.real)
        print_real()
    if args.simulated:
        print_simulated(args.seeds)


if __name__ == "__main__":
    main()
