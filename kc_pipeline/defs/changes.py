"""The sensor that asks portals what changed, and refreshes those feeds alone."""

import hashlib
import json

import dagster as dg

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.automation import month_range_tags
from kc_pipeline.defs.resources import Platform

_EVERY_SECONDS, _LONGEST_WAIT_SECONDS = 900, 0.2
_LAYERS = ("raw", "clean", "quarantine")
_INGESTED = dg.AssetSelection.groups(*_LAYERS)


def build_change_sensor(platform: Platform, is_on: bool) -> dg.SensorDefinition:
    """The sensor; what each data set said last is its cursor."""

    @dg.sensor(
        name="portals_changed",
        target=_INGESTED,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Asks every portal, the departments' database and the drop folder when their data sets last changed, and refreshes the feeds "
            "whose did. The daily ingest refreshes all of them, since not every change is told."
        ),
    )
    def portals_changed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from kc_pipeline.extract.changes import ask_states

        known: dict[str, str] = json.loads(context.cursor or "{}")
        states = ask_states(FEEDS.values(), platform.settings, platform.raw, platform.now, sleep=_briefly, guards=platform.guards)
        changed = {name.partition("/")[0] for name, state in states.said.items() if known and known.get(name) != state}
        requests = [_refresh(platform, feed, states.said) for feed in FEEDS if feed in changed]
        silent = "; ".join(f"{name}: {why}" for name, why in sorted(states.failed.items()))
        reason = None if requests else f"nothing changed{f'; not asked: {silent}' if silent else ''}"
        return dg.SensorResult(requests, skip_reason=reason, cursor=json.dumps(known | states.said, sort_keys=True))

    return portals_changed


def _briefly(seconds: float) -> None:
    """Wait, but not for long: whoever does not answer is asked again at the next tick."""
    import time

    time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))


def _refresh(platform: Platform, feed: str, said: dict[str, str]) -> dg.RunRequest:
    """A run of one feed; asked for once for what its data sets say now."""
    from zoneinfo import ZoneInfo

    of_feed = json.dumps({name: state for name, state in said.items() if name.startswith(f"{feed}/")}, sort_keys=True)
    today = platform.now().astimezone(ZoneInfo(TIME_ZONE)).date()
    return dg.RunRequest(
        run_key=f"{feed}-{hashlib.sha256(of_feed.encode()).hexdigest()[:16]}",
        asset_selection=[dg.AssetKey([layer, feed]) for layer in _LAYERS],
        tags=month_range_tags(today) if FEEDS[feed].kind == "event" else {},
    )
