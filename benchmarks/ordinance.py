"""Time the ordinance's clock: all places and rules on one day, and every day of five years.

    .venv/bin/python benchmarks/ordinance.py [--places 28000] [--events-per-year 160000]

Events are random shares at business places, in the proportions of the synthetic city: one report to six calls, of five years.
Prints the medians of three runs in one process, and checks the replay against single days.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from kc_pipeline.ordinance.clock import replay, threshold_status
from kc_pipeline.ordinance.countability import judge_events
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.rules import RuleSet, our_rule_sets
from kc_pipeline.ordinance.timeline import prepare, segments, states_on
from kc_pipeline.ordinance.windows import day_number

LAST = date(2026, 7, 1)
YEARS = 5


def random_shares(places: int, per_year: int) -> pd.DataFrame:
    """Shares of reports and calls at business places over five years."""
    rng = np.random.default_rng(1)
    size = per_year * YEARS
    is_call = rng.random(size) < 6 / 7
    start = np.datetime64(LAST - timedelta(days=365 * YEARS), "s")
    reported = (start + rng.integers(0, 365 * YEARS * 86_400, size).astype("timedelta64[s]")).astype("datetime64[us]")
    day = reported.astype("datetime64[D]")
    calls = np.array(["disturbance", "assault", "medical", "alarm", "officer_check", "theft", "shots_fired"], dtype=object)
    reports = np.array(["robbery", "aggravated_assault", "simple_assault", "theft", "property_damage", "drugs", "other"], dtype=object)
    kinds = rng.integers(0, 7, size)
    # A few places have most of the events.
    place = np.minimum((places * rng.random(size) ** 3).astype(np.int64), places - 1)
    precision = np.where(rng.random(size) < 0.5, "EXACT", "BLOCK")
    feed = np.where(is_call, "calls_911", "police_reports").astype(object)
    text = {
        "event_id": [f"{name}:{i}" for i, name in enumerate(feed)],
        "business_parcel_id": np.char.mod("parcel:%d", place),
        "feed": feed,
        "category": np.where(is_call, calls[kinds], reports[kinds]),
        "precision": precision,
        "record_systems": np.where(precision == "EXACT", "department", "open"),
        "reported_clock": "exact",
        "block_key": np.char.mod("block %d", place // 8),
        "texts": None,
    }
    frame = pd.DataFrame(text).astype("str").assign(candidate_count=1, distance_m=0.0, weight=1.0)
    known = (day + rng.integers(1, 9, size)).astype("datetime64[s]")
    frame["report_date"], frame["available_date"] = (pd.Series(days.astype("datetime64[s]")).dt.date for days in (day, known))
    frame["reported_local"], frame["occurred_local"] = reported, np.datetime64("NaT", "us")
    frame["is_domestic"] = pd.array(np.where(is_call, None, rng.random(size) < 0.1), dtype="boolean")
    frame["is_officer_initiated"] = pd.array(np.where(is_call, kinds == 4, None), dtype="boolean")
    return frame


def median_seconds(work: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, float]:
    """What some work gives, and the median of three times that it takes."""
    times = []
    for _ in range(3):
        started = time.monotonic()
        result = work()
        times.append(time.monotonic() - started)
    return result, statistics.median(times)


def day_of(shares: pd.DataFrame, law: RuleSet, places: pd.Index, as_of: date) -> pd.DataFrame:
    """The status of all places on a day, from shares of the window and what repeats need."""
    first = day_number(law.effective_from if not law.counts_earlier_events else as_of - timedelta(days=365))
    days = shares["report_date"].to_numpy("datetime64[D]").astype(np.int64)
    rows = shares[(days >= min(first, day_number(as_of) - 184)) & (days < day_number(as_of))].reset_index(drop=True)
    prepared = prepare(judge_events(rows, law), pair_records(rows), law)
    return threshold_status(states_on(prepared, (), day_number(as_of), law), places, law, as_of)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=28_000)
    parser.add_argument("--events-per-year", type=int, default=160_000)
    arguments = parser.parse_args()
    shares = random_shares(arguments.places, arguments.events_per_year)
    places = pd.Index(np.char.mod("parcel:%d", np.arange(arguments.places)), dtype="str")
    law = our_rule_sets()[-1]
    status, one_day = median_seconds(lambda: day_of(shares, law, places, LAST))
    # For five years of replay, the present law as if it had always been in force.
    always = replace(law, effective_from=LAST - timedelta(days=365 * YEARS), counts_earlier_events=True)
    prepared, preparing = median_seconds(lambda: prepare(judge_events(shares, always), pair_records(shares), always))
    first = LAST - timedelta(days=365 * YEARS)
    changes, replaying = median_seconds(lambda: replay(segments(prepared, (), always, day_number(LAST)), always, first, LAST))
    print(f"{arguments.places:,} places, {len(shares):,} shares of reports and calls in {YEARS} years, {len(law.rules)} rules\n")
    print("| what | rows out | seconds |\n|---|--:|--:|")
    print(f"| one day, from shares to status | {len(status):,} | {one_day:.2f} |")
    print(f"| five years: reasons and incidents of every share | {len(prepared):,} | {preparing:.2f} |")
    print(f"| five years: every day of every place, as changes | {len(changes):,} | {replaying:.2f} |")
    for back in (0, 200, 900):
        day = LAST - timedelta(days=back)
        found = threshold_status(states_on(prepared, (), day_number(day), always), places, always, day)
        held = changes[(changes["from_day"] <= pd.Timestamp(day)) & (changes["to_day"] > pd.Timestamp(day))]
        key = ["business_parcel_id", "rule_id"]
        both = found.set_index(key)[["confirmed_count", "possible_count"]].sub(
            held.set_index(key)[["confirmed_count", "possible_count"]], fill_value=0
        )
        print(f"replay and single day agree on {day}: {bool((both == 0).all().all())}, {int(found['confirmed_count'].sum()):,} counted")


if __name__ == "__main__":
    main()
