"""How long an asset may go without being made: from each feed's own lag, and for marts the working day.

Dagster judges by the time of the last materialization.  Whether the rows in it are new enough is judged by the check
`arrives_within_its_lag` of each event feed.
"""

from datetime import timedelta

import dagster as dg

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.service import PUBLISHED_BY
from kc_pipeline.catalog.sources import Feed

_LEAST_WARNING = timedelta(days=2)  # a daily refresh may fail once

EVERY_MORNING = dg.FreshnessPolicy.cron(
    deadline_cron=f"{PUBLISHED_BY.minute} {PUBLISHED_BY.hour} * * *", lower_bound_delta=timedelta(hours=4), timezone=TIME_ZONE
)


def refreshed_within_lag(feed: Feed) -> dg.FreshnessPolicy | None:
    """Warns when a feed was not refreshed for as long as it usually lags itself, fails when it would count as stale."""
    if feed.stale_after_days is None:
        return None
    warn = max(timedelta(days=feed.usual_lag_days), _LEAST_WARNING)
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(days=feed.stale_after_days), warn_window=warn)
