"""What people should be told of the platform as it stands: sources that are not fresh, and rules that are broken."""

from collections.abc import Iterable, Mapping

from kc_pipeline.alerts import Alert, Notifier, ways
from kc_pipeline.defs.resources import Platform


def state_alerts(platform: Platform) -> list[Alert]:
    """Sources that were not fresh on the newest day, and what the audit found in any table."""
    import pyarrow.compute as pc

    found = []
    status = platform.lake.read("marts/source_quality", columns=["as_of", "feed", "source_status", "status_reason"])
    if status.num_rows:
        newest = status.filter(pc.equal(status["as_of"], pc.max(status["as_of"])))
        found += [
            Alert("source", row["feed"], f"{row['source_status']}: {row['status_reason']}")
            for row in newest.to_pylist()
            if row["source_status"] != "fresh"
        ]
    audit = platform.lake.read("quality/audit", columns=["table_name", "rule", "severity", "failed_count", "facts"])
    for row in audit.filter(pc.greater(audit["failed_count"], 0)).to_pylist():
        kind = "check failed" if row["severity"] == "blocks" else "warning"
        found.append(Alert(kind, f"{row['table_name']}: {row['rule']}", _sentences(row)))
    return _one_each(found)


def run_alerts(job: str, failures: Mapping[str, str]) -> list[Alert]:
    """What a run that failed has to tell.

    Args:
        job: its name.
        failures: step -> message.
    """
    return [Alert("run failed", job, "; ".join(f"{step}: {said}" for step, said in sorted(failures.items())))] if failures else []


def notifier(platform: Platform) -> Notifier:
    """The notifier of a platform; remembers what it told in the data folder."""
    settings = platform.settings
    secrets = (settings.notify_password, settings.notify_webhook, settings.app_token)
    return Notifier(ways(settings), settings.data_dir / "alerts.json", platform.now, secrets)


def _sentences(row: Mapping[str, object]) -> str:
    import json

    facts = json.loads(str(row["facts"] or "{}"))
    said = " ".join(facts.get("sentences", [])[:3])
    return said or f"{row['failed_count']} rows break it; see the audit's report"


def _one_each(alerts: Iterable[Alert]) -> list[Alert]:
    """The months of a rule are told as one."""
    texts: dict[tuple[str, str], list[str]] = {}
    for alert in alerts:
        texts.setdefault((alert.kind, alert.about), []).append(alert.text)
    return [Alert(kind, about, " ".join(dict.fromkeys(said))) for (kind, about), said in texts.items()]
