"""An evidence packet as one page of HTML that prints well: no script, nothing loaded from elsewhere, the same bytes every time."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.45 Georgia, serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #999; }
h3 { font-size: 1rem; margin-bottom: .3rem; }
.label { border: 2px solid #a33; color: #a33; padding: .5rem .8rem; font-weight: bold; }
.small { color: #555; font-size: .85rem; } code { font-size: .8rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
caption { text-align: left; font-style: italic; padding-bottom: .3rem; }
th, td { border: 1px solid #bbb; padding: .25rem .45rem; text-align: left; vertical-align: top; font-size: .86rem; }
th { background: #f0f0ec; }
td.n { text-align: right; } tr { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } }
"""
_STATES = {
    "counts": "Counted",
    "countable": "Of a kind that counts, but outside every window",
    "possible": "Not counted; possible if an exact record or a person's decision allowed it",
    "excluded": "Not counted",
}
_WHAT_IT_IS = (
    "This page says which recorded incidents the chronic nuisance ordinance counts at one place, which it does not, and why. "
    "Nothing in it is estimated, and no risk score enters it. Every incident on it can be objected to by its number."
)
_BLOCKED = "People live or lodge there, or that is not known: nothing escalates before somebody has looked."


def evidence_page(packet: Mapping[str, Any]) -> bytes:
    """A packet of `evidence.make_packet` as HTML."""
    place = packet["place"]
    where = f"{_text(place['address'])}, parcel {_text(place['parcel_id'] or 'not known')}. As of {packet['as_of']}."
    parts = [
        f"<h1>{_text(place['business_names'])}</h1>",
        f"<p>{where} Packet <code>{packet['packet_id']}</code>, level {packet['level']}.</p>",
        f'<p class="label">{_text(packet["label"])}</p>' if packet["label"] else "",
        f"<p>{_WHAT_IT_IS}</p>",
        f"<p>{_BLOCKED}</p>" if packet["is_escalation_blocked"] else "",
        *(_matter(matter, packet["reasons"]) for matter in packet["matters"]),
        _case(packet["case_steps"]),
        _made_from(packet["made_from"]),
    ]  # fmt: skip
    title = _text(f"Evidence packet {packet['packet_id']}")
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>\n<body>\n'
    return (page + "\n".join(part for part in parts if part) + "\n</body></html>\n").encode()


def _matter(matter: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    law, period, totals = matter["rule_set"], matter["period"], matter["totals"]
    in_force = f"In force from {law['effective_from']} to {law['effective_to'] or 'further notice'}."
    verified = "Verified." if law["verified"] else "Not verified."
    found = f"{totals['counts']} of a kind that counts, {totals['possible']} possible, {totals['excluded']} excluded"
    parts = [
        f"<h2>Section {_text(law['section'])}, rule set {_text(law['id'])}</h2>",
        f'<p class="small">{in_force} Source: {_text(law["source"])}. {verified}</p>',
        _table("What each rule finds", _RULE_HEADS, (_rule(rule) for rule in matter["rules"]), numbers=(2, 3, 4, 5, 6)),
        f"<p>Incidents reported from {period['first']} to {period['last']}: {found}.</p>",
    ]
    for state, title in _STATES.items():
        events = [event for event in matter["events"] if _group(event) == state]
        if events:
            parts += [f"<h3>{title}: {len(events)}</h3>", _table("", _event_heads(events[0]), (_event(event, reasons) for event in events))]
    if matter["withheld"]:
        said = "; ".join(f"{count}: {_text(reasons[name])}" for name, count in matter["withheld"].items())
        parts.append(f"<p>Not shown one by one, to protect those concerned; none of them counts. {said}</p>")
    return "\n".join(parts)


def _group(event: Mapping[str, Any]) -> str:
    return "countable" if event["state"] == "counts" and not event["in_window_of"] else str(event["state"])


_RULE_COUNTS = ("confirmed_count", "confirmed_violent_count", "possible_count", "needed_count", "separate_windows_count")
_RULE_HEADS = ("rule", "window", "counted", "of them violent", "possible", "missing", "met anew", "stands", "step")


def _rule(rule: Mapping[str, Any]) -> Sequence[str]:
    stands = rule["threshold_status"]
    if rule["met_for_days"]:
        stands += f"; for {rule['met_for_days']} more days without a new incident"
    elif rule["count_falls_in_days"]:
        stands += f"; the count falls in {rule['count_falls_in_days']} days"
    counts = [
        str(rule[name])
        for name in ("confirmed_count", "confirmed_violent_count", "possible_count", "needed_count", "separate_windows_count")
    ]
    return [rule["says"], f"{rule['window_start']} to {rule['window_end']}", *counts, stands, rule["ladder_step"] or "none"]


def _event_heads(event: Mapping[str, Any]) -> Sequence[str]:
    heads = ["number", "reported", "what", "in the window of", "why not", "tied by", "record"]
    return [*heads, "source row"] if "source" in event else heads


def _event(event: Mapping[str, Any], reasons: Mapping[str, str]) -> Sequence[str]:
    what = f"{event['category'].replace('_', ' ')} ({event['source_category'] or 'no code'})" + (", violent" if event["is_violent"] else "")
    why = [reasons[name] + (f" See {event['duplicate_of']}." if name == "duplicate_incident" else "") for name in event["reasons"]]
    away = "" if event["distance_m"] is None else f", {event['distance_m']:g} m off"
    tied = f"{event['precision']}, {event['attribution_method'].replace('_', ' ')}{away}"
    record = f"{event['record_systems']}; {event['row_hash'][:16]}" + (
        f"; {event['record_disagreement']}" if event["record_disagreement"] else ""
    )
    row = [
        event["event_id"],
        event.get("reported_local") or event["report_date"],
        what,
        ", ".join(event["in_window_of"]) or "outside every window",
    ]
    row += [" ".join(why), tied, record]
    if "source" in event:
        source = event["source"]
        row.append(f"{source['data_set']}, pull {source['pull_id']}, page {source['page']}, line {source['line']}")
    return row


def _case(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return "<h2>The case</h2>\n<p>No step is recorded.</p>"
    rows = (
        [str(s["number"]), s["happened_on"], s["step"], s["outcome"], s["event_id"], s["ground"], str(s["refers_to"] or ""), s["due_on"]]
        for s in steps
    )
    return "<h2>The case</h2>\n" + _table("", ("no.", "day", "step", "outcome", "incident", "ground", "answers", "due"), rows)


def _made_from(made_from: Mapping[str, Any]) -> str:
    ledger = made_from["case_ledger"]
    versions = "; ".join(f"{table} {version}" for table, version in sorted(made_from["lake_versions"].items()))
    laws = "; ".join(f"{name} {digest[:16]}" for name, digest in made_from["rule_sets"].items())
    said = f"Tables and versions: {versions}. Rule sets: {laws}. Case ledger: {ledger['number']} steps, {ledger['sha256'][:16]}."
    return f'<h2>What this was made from</h2>\n<p class="small">{_text(said)} The same inputs give this page again, byte for byte.</p>'


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    lines = [f"<table>{f'<caption>{_text(caption)}</caption>' if caption else ''}", _row("th", heads, ())]
    return "\n".join([*lines, *(_row("td", row, numbers) for row in rows), "</table>"])


def _row(tag: str, cells: Sequence[str], numbers: Sequence[int]) -> str:
    kinds = [' class="n"' if i in numbers else "" for i in range(len(cells))]
    return "<tr>" + "".join(f"<{tag}{kind}>{_text(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)) + "</tr>"


def _text(value: object) -> str:
    return escape(str(value))
