"""The ordinance through the command line: what counts at the model case, its packet, and a case from objection to hearing."""

import json
from datetime import date
from importlib import resources
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from kc_runs import kc, platform

from kc_pipeline.catalog.countability import REASONS
from kc_pipeline.defs.steps import evidence
from kc_pipeline.defs.steps.frames import read_frame

MODEL_CASE = "EXPRESS STOP"


def packet(folder: Path, *words: str, environ: dict[str, str] | None = None) -> tuple[dict, Path]:
    """The packet that `kc evidence` makes, and its folder."""
    done = kc(folder, "evidence", MODEL_CASE, *words, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    path = Path(done.stdout.replace("\n", "").rpartition("kept in ")[2].strip())
    return json.loads((path / "packet.json").read_text()), path


def add(folder: Path, *words: str) -> None:
    """Record a step of the model case."""
    done = kc(folder, "case", "add", MODEL_CASE, *words, "--by", "NSD-7")
    assert done.returncode == 0, done.stderr


def counted(made: dict) -> dict[str, int]:
    return {rule["id"]: rule["confirmed_count"] for matter in made["matters"] for rule in matter["rules"]}


def test_reports_and_calls_of_the_model_case_are_split_with_reasons(copied_city: Path) -> None:
    """14 reports and 59 calls of a year: what counts, what is possible, what is excluded and why."""
    (matter,) = packet(copied_city)[0]["matters"]
    shown, withheld = matter["events"], sum(matter["withheld"].values())
    by_feed = {feed: [event for event in shown if event["feed"] == feed] for feed in ("police_reports", "calls_911")}
    assert len(by_feed["police_reports"]) == 14
    assert len(by_feed["calls_911"]) + withheld == 59
    assert sum(matter["totals"].values()) == 73
    assert all((event["state"] == "counts") == (not event["reasons"]) for event in shown)
    assert {reason for event in shown for reason in event["reasons"]} <= set(REASONS)
    assert not [event for event in by_feed["calls_911"] if event["state"] == "counts"], "no call counts before a person confirmed it"
    for rule in matter["rules"]:
        in_window = [event for event in shown if rule["id"] in event["in_window_of"]]
        assert rule["confirmed_count"] == sum(event["state"] == "counts" for event in in_window) > 0
        assert all(rule["window_start"] <= event["report_date"] <= rule["window_end"] for event in in_window)


def test_the_published_status_is_that_of_the_packet_and_of_the_listed_events(finished_run: tuple[Path, str], copied_city: Path) -> None:
    stores = platform(finished_run[0])
    status = read_frame(stores, "marts/threshold_status")
    assert len(status) == 2 * stores.lake.count("core/business_parcels")
    assert status["is_provisional"].all()
    express = status[status["business_names"] == MODEL_CASE].set_index("rule_id")["confirmed_count"]
    assert express.to_dict() == counted(packet(copied_city)[0])
    with sa.create_engine(f"sqlite:///{finished_run[0]}/sandbox/warehouse.sqlite").connect() as connection:
        listed = connection.execute(
            sa.text(
                "select s.rule_id, s.confirmed_count, count(e.event_id) from v1_threshold_status s left join v1_threshold_events e "
                "on e.business_parcel_id = s.business_parcel_id and e.rule_set_id = s.rule_set_id and e.count_state = 'counts' "
                "and instr(';' || e.rule_ids || ';', ';' || s.rule_id || ';') > 0 "
                "group by s.business_parcel_id, s.rule_id, s.confirmed_count"
            )
        ).all()
    assert len(listed) == len(status)
    assert all(said == found for _, said, found in listed)


def test_a_published_table_never_holds_both_numbers(finished_run: tuple[Path, str]) -> None:
    engine = sa.create_engine(f"sqlite:///{finished_run[0]}/sandbox/warehouse.sqlite")
    inspector = sa.inspect(engine)
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    columns = {name: {column["name"] for column in inspector.get_columns(name)} for name in names}
    assert any("risk_score" in held for held in columns.values())
    assert any("confirmed_count" in held for held in columns.values())
    assert not [name for name, held in columns.items() if {"risk_score", "confirmed_count"} <= held]


def test_the_same_packet_twice_is_the_same_bytes(copied_city: Path) -> None:
    first, folder = packet(copied_city)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    second, again = packet(copied_city)
    assert (first["packet_id"], folder) == (second["packet_id"], again)
    assert kept == {path.name: path.read_bytes() for path in again.iterdir()}
    assert kc(copied_city, "evidence", "--packet", first["packet_id"]).returncode == 0
    (folder / "packet.json").write_bytes(kept["packet.json"].replace(b"EXACT", b"NEAR", 1))
    assert kc(copied_city, "evidence", "--packet", first["packet_id"]).returncode == 1
    assert "its content is not what its id says" in kc(copied_city, "case", "verify").stderr


def test_an_objection_changes_the_count_by_one_and_leaves_a_trace(copied_city: Path) -> None:
    before, _ = packet(copied_city)
    event = next(e for e in before["matters"][0]["events"] if e["state"] == "counts" and len(e["in_window_of"]) == 2)["event_id"]
    add(copied_city, "objection", "--event", event, "--ground", "off_premises")
    pending, _ = packet(copied_city)
    assert counted(pending) == {rule: count - 1 for rule, count in counted(before).items()}
    add(copied_city, "decision", "--refers-to", "1", "--outcome", "rejected")
    assert counted(packet(copied_city)[0]) == counted(before)
    add(copied_city, "objection", "--event", event, "--ground", "other")
    add(copied_city, "decision", "--refers-to", "3", "--outcome", "accepted")
    after, _ = packet(copied_city)
    assert counted(after) == counted(pending)
    assert [step["step"] for step in after["case_steps"]] == ["objection", "decision", "objection", "decision"]
    assert "objection_accepted" in next(e for e in after["matters"][0]["events"] if e["event_id"] == event)["reasons"]
    assert "4 steps, the chain holds" in kc(copied_city, "case", "verify").stdout
    again = kc(copied_city, "evidence", "--packet", before["packet_id"])
    assert again.returncode == 0, "an older packet can be made again with the steps it knew"
    ledger = copied_city / "sandbox" / "cases" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"rejected", b"accepted", 1))
    assert "line 2: the chain is broken" in kc(copied_city, "case", "verify").stderr


def test_what_does_not_fit_a_case_is_refused(copied_city: Path) -> None:
    foreign = kc(copied_city, "case", "add", MODEL_CASE, "objection", "--by", "x", "--event", "police_reports:NONE", "--ground", "other")
    assert "is not tied to" in foreign.stderr
    assert "follows a notice" in kc(copied_city, "case", "add", MODEL_CASE, "hearing", "--by", "x").stderr
    assert "no rule seven is met" in kc(copied_city, "case", "add", MODEL_CASE, "notice", "--by", "x", "--rule", "seven").stderr
    assert "no hearing packet" in kc(copied_city, "evidence", MODEL_CASE, "--level", "hearing").stderr
    assert not (copied_city / "sandbox" / "cases" / "ledger.jsonl").exists()


def test_a_verified_rule_set_gives_a_hearing_packet_and_a_notice_its_due_day(copied_city: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    ours = resources.files("kc_pipeline.ordinance").joinpath("rules.toml").read_text(encoding="utf-8")
    rules.write_text(ours.replace("verified = false", "verified = true"), encoding="utf-8")
    environ = {"KC_RULES": str(rules)}
    made, folder = packet(copied_city, "--level", "hearing", environ=environ)
    assert made["label"] is None
    report = next(event for event in made["matters"][0]["events"] if event["feed"] == "police_reports" and event["state"] == "counts")
    assert report["source"]["page_sha256"] is not None
    assert (folder / "packet.html").read_text().count("<h2>") == 3
    added = kc(copied_city, "case", "add", MODEL_CASE, "notice", "--by", "NSD-7", "--rule", "violent-and-one-more", environ=environ)
    assert added.returncode == 0, added.stderr
    shown = kc(copied_city, "case", "show", MODEL_CASE, environ=environ)
    assert "2026-07-11" in shown.stdout, "ten days from the notice"


def test_a_replay_of_days_says_what_was_published_on_the_day(finished_run: tuple[Path, str]) -> None:
    stores = platform(finished_run[0])
    status = read_frame(stores, "marts/threshold_status").set_index(["business_parcel_id", "rule_id"])
    as_of = date(2026, 7, 1)
    place = evidence.find_business_parcel(stores, MODEL_CASE)
    changes = evidence.replay_place(stores, place, date(2026, 5, 1), as_of)
    on_the_day = changes[changes["to_day"] > pd.Timestamp(as_of)].set_index("rule_id")
    for rule in ("violent-and-one-more", "five-in-180-days"):
        published = status.loc[(place["business_parcel_id"], rule)]
        for name in ("confirmed_count", "confirmed_violent_count", "possible_count"):
            assert on_the_day.loc[rule, name] == published[name]
    shown = kc(finished_run[0], "case", "replay", MODEL_CASE, "--from", "2026-05-01").stdout
    assert "five-in-180-days" in shown
    assert str(int(on_the_day.loc["five-in-180-days", "possible_count"])) in shown
