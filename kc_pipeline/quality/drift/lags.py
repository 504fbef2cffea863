"""Whether a feed is later than it usually is."""

from datetime import date, timedelta

from kc_pipeline.quality.drift.finding import Drift, plural


def lag_drift(feed: str, newest_report_date: date, as_of: date, usual_lag_days: int, stale_after_days: int) -> list[Drift]:
    """One drift if the newest event is older than the feed's lag explains.

    Args:
        feed: name of the feed.
        newest_report_date: of its events that were available on `as_of`.
        as_of: the day that is spoken about.
        usual_lag_days: days that the feed usually takes to publish.
        stale_after_days: age of the newest event from which the lag does not explain it.
    """
    age = (as_of - newest_report_date).days
    if age <= stale_after_days:
        return []
    sentence = (
        f"{feed}: the newest event is of {newest_report_date}, {plural(age, 'day')} ago; usually it takes {plural(usual_lag_days, 'day')}."
    )
    facts: dict[str, int | float | str] = {"age_days": age, "usual_lag_days": usual_lag_days, "stale_after_days": stale_after_days}
    return [Drift("feed_late", feed, feed, newest_report_date + timedelta(days=1), sentence, facts)]
