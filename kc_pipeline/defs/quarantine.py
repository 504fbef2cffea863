"""What was rejected and why; and cleaning it again once a rule or the data was mended."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.feeds import clean_partitions_again
from kc_pipeline.defs.steps.frames import read_frame

if TYPE_CHECKING:
    import pandas as pd

_LINE = ["data_set", "month", "pull_id", "page", "line"]


@dataclass(frozen=True)
class Wanted:
    """Which rejected rows are meant; None: all.

    Attributes:
        feed: name of the feed.
        rule: rule that rejected them.
        month: YYYY-MM, or 'undated'.
    """

    feed: str | None = None
    rule: str | None = None
    month: str | None = None


@dataclass(frozen=True)
class Readmission:
    """What became of a feed's rows under one rule when they were cleaned again.

    Attributes:
        feed: name of the feed.
        rule: rule that rejected them.
        left: rows that were rejected and are not any more.
        stays: rows that still are.
        new: rows that were not rejected before.
    """

    feed: str
    rule: str
    left: int
    stays: int
    new: int


def rejected_rows(platform: Platform, wanted: Wanted) -> "pd.DataFrame":
    """Rejected rows in the columns of the quarantine, by feed, rule, month and place in the raw pull."""
    import pandas as pd

    feeds = [wanted.feed] if wanted.feed else list(FEEDS)
    rows = pd.concat([read_frame(platform, f"quarantine/{feed}") for feed in feeds], ignore_index=True)
    for column, value in (("rule", wanted.rule), ("month", wanted.month)):
        if value is not None:
            rows = rows[rows[column] == value]
    return rows.sort_values(["feed", "rule", *_LINE], ignore_index=True)


def readmit(platform: Platform, wanted: Wanted) -> list[Readmission]:
    """Clean again, with the present code, every raw part that holds wanted rows; rows that pass now join the clean tables.

    Nothing is pulled and nothing is published: the next run does.

    Raises:
        PermanentSourceError: a raw page is gone or changed; what was cleaned before it stays.
    """
    found = []
    chosen = rejected_rows(platform, wanted)
    for feed in chosen["feed"].unique():
        rows = chosen[chosen["feed"] == feed]
        before = read_frame(platform, f"quarantine/{feed}")
        clean_partitions_again(platform, FEEDS[feed], set(rows["month"]))
        found += _compare(feed, before, read_frame(platform, f"quarantine/{feed}"))
    return found


def _compare(feed: str, before: "pd.DataFrame", after: "pd.DataFrame") -> list[Readmission]:
    """Rows by rule: gone, still there, new; a row is told by its place in the raw pull."""
    old, new = ({tuple(row): rule for *row, rule in rows[[*_LINE, "rule"]].itertuples(index=False)} for rows in (before, after))
    rules = sorted({*old.values(), *new.values()})
    return [
        Readmission(
            feed,
            rule,
            left=sum(place not in new for place, said in old.items() if said == rule),
            stays=sum(place in old for place, said in new.items() if said == rule),
            new=sum(place not in old for place, said in new.items() if said == rule),
        )
        for rule in rules
    ]


def rejected_csv(rows: "pd.DataFrame") -> str:
    """Rejected rows as CSV; no cell can be taken for a formula."""
    from kc_pipeline.store.csv_cells import safe_cell

    names = TABLES["quarantine/parcels"].column_names
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    records: Iterable[dict[str, object]] = rows.to_dict("records")
    for row in records:
        writer.writerow([safe_cell(row[name]) for name in names])
    return text.getvalue()
