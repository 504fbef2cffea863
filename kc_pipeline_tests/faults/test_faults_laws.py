"""Laws of extraction, for whatever rows, names, bytes and moments."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fault_rig import KINDS, ScriptedRig, quick_limits, scripted_rig
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from scripted_portal import Answer, now, request_row

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError, redact
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.manifest import Manifest, Page, Request, manifest_from_json, schema_hash
from kc_pipeline.extract.pages import PageError, read_csv, read_page
from kc_pipeline.extract.raw import safe_name
from kc_pipeline.extract.replies import unpack
from kc_pipeline.extract.soql import quoted
from kc_pipeline.extract.transport import UNDATED, Months, by_partition
from kc_pipeline.sandbox.pages import csv_page, json_page
from kc_pipeline.sandbox.query import Query
from kc_pipeline.sandbox.records import DeclaredColumn
from kc_pipeline.sandbox.soda3 import read_request

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8) | st.text("\",\n' a1", max_size=6)
CELLS = st.none() | TEXTS


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedRig]:
    """One portal and one client for all examples of a law."""
    with ExitStack() as stack:
        yield scripted_rig(stack, request.param, tmp_path_factory.mktemp("laws"), page_size=2)


def _row(rig: ScriptedRig, place: int, moment: int) -> dict[str, object]:
    if rig.kind == "arcgis":
        return {"attributes": {"OBJECTID": place, "KIVAPIN": str(place), "LANDUSECODE": 1}}
    return {**request_row(place, "2026-06-05T00:00:00.000", f"2026-07-01T00:00:{moment:02d}.000Z"), ":id": f"row-{place:04d}"}


def _key(row: dict[str, object]) -> str:
    return str(row.get(":id") or row["attributes"]["OBJECTID"])  # type: ignore[index]


CHANGES = st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["insert", "delete"]), st.integers(0, 20)), max_size=5)


@pytest.mark.fault(13)
@SLOW
@example(places={1, 2, 3, 4, 5, 6, 7}, changes=[(1, "delete", 1), (4, "insert", 0)])  # the count is the same before and after
@given(places=st.sets(st.integers(1, 20), max_size=8), changes=CHANGES)
def test_rows_that_come_and_go_while_pages_are_read(shared: ScriptedRig, places: set[int], changes: list[tuple[int, str, int]]) -> None:
    rig, asked = shared, [0]
    with TemporaryDirectory() as folder:
        rig.store.root = Path(folder)
        rig.fake.rows = [_row(rig, place, 0) for place in sorted(places)]
        rig.fake.edited = 1_780_000_000_000
        handlers = dict(rig.portal.handlers)

        def changing(params: dict[str, str], path: str) -> Answer:
            for at, what, place in changes:
                if at == asked[0]:
                    kept = [row for row in rig.fake.rows if _key(row) != _key(_row(rig, place, 0))]
                    if rig.kind == "arcgis":
                        rig.fake.edited += 1000
                    if what == "insert" and rig.kind == "arcgis":  # a layer numbers its new rows upwards
                        kept = [*rig.fake.rows, _row(rig, 100 + asked[0] * 21 + place, 0)]
                    elif what == "insert":
                        kept = [*kept, _row(rig, place, 1 + asked[0])]
                    rig.fake.rows = sorted({_key(row): row for row in kept}.values(), key=lambda row: (len(_key(row)), _key(row)))
            asked[0] += 1
            return handlers[path](params)

        for path in {rig.pages, rig.counts}:
            rig.portal.handlers[path] = lambda params, path=path: changing(params, path)  # type: ignore[misc]
        try:
            manifest = rig.pull(rig.held())
        except TransientSourceError as error:
            manifest, said = None, str(error)
        finally:
            rig.portal.handlers.update(handlers)
        if manifest is None:
            assert "fails closed" in said or "repeats pages" in said
            assert rig.nothing_kept()
        else:
            assert rig.kept() == [_key(row) for row in rig.fake.rows]
            assert manifest.row_count == len(set(rig.kept()))


@pytest.mark.fault(27)
@QUICK
@given(TEXTS, TEXTS)
def test_a_soql_text_comes_back_as_it_was(value: str, other: str) -> None:
    query = f"SELECT a WHERE a = {quoted(value)} and b in ({quoted(other)}) ORDER BY a LIMIT 5"
    arguments = read_request(json.dumps({"query": query, "includeSystem": False, "orderingSpecifier": "discard"}).encode())
    assert arguments["$where"] == f"a = {quoted(value)} and b in ({quoted(other)})"
    found = re.findall(r"'((?:[^']|'')*)'", arguments["$where"])
    assert [text.replace("''", "'") for text in found] == [value, other]


@pytest.mark.fault(16)
@QUICK
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), max_size=6)))
def test_a_csv_page_and_a_json_page_hold_the_same_rows(rows: list[tuple[str | None, ...]]) -> None:
    names = [":id", *(f"c{i}" for i in range(len(rows[0]) if rows else 1))]
    numbered = [(f"row-{n}", *row) for n, row in enumerate(rows)]
    query = Query("", (), tuple(DeclaredColumn(name, "text") for name in names), True, False)
    expected = [{name: cell or None for name, cell in zip(names, row, strict=True)} for row in numbered]
    assert read_page(csv_page(query, numbered), "csv").to_pylist() == expected
    found = read_page(json_page(query, numbered), "json").to_pylist()
    assert [{name: row.get(name) for name in names} for row in found] == expected


@pytest.mark.fault(6)
@QUICK
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.data())
def test_a_cut_csv_page_is_refused_or_holds_only_whole_rows(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    content = text.getvalue().encode()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    try:
        table = read_csv(content[: data.draw(st.sampled_from(ends))])
    except PageError:
        return
    whole = [{"a": a or None, "b": b or None} for a, b in rows]
    assert table.to_pylist() == whole[: table.num_rows]


@pytest.mark.fault(6)
@QUICK
@given(st.binary(max_size=300), st.data())
def test_gzip_comes_back_whole_or_not_at_all(content: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(content)))
    wire = gzip.compress(content[:cut]) + gzip.compress(content[cut:])
    assert unpack(wire, "gzip", len(content)) == content
    if content:
        with pytest.raises(PermanentSourceError):
            unpack(wire, "gzip", len(content) - 1)
    short = wire[: data.draw(st.integers(1, len(wire) - 1))]
    assume(short != gzip.compress(content[:cut]))
    with pytest.raises(TransientSourceError):
        unpack(short, "gzip", len(content))


@pytest.mark.fault(26)
@QUICK
@given(
    st.text("abcdefXYZ0123456789-_.~", min_size=6, max_size=20),
    st.sampled_from(["app_token={}", "https://u:{}@host/x", '{{"password": "{}"}}', "Authorization: Basic {}", "X-App-Token: {}"]),
    st.text(" &;,\n", max_size=3),
)
def test_no_secret_survives_redaction(secret: str, frame: str, rest: str) -> None:
    secret = f"5{secret}"
    text = frame.format(secret) + rest
    assert secret not in redact(text)
    assert secret not in redact(f"plain {secret}", secret)


@pytest.mark.fault(3)
@SLOW
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12) | st.integers().map(str))
def test_no_retry_after_breaks_a_client_or_makes_it_wait_too_long(shared: ScriptedRig, value: str) -> None:
    waits: list[float] = []
    shared.portal.on("/x", Answer(status=429, headers={"Retry-After": value}), Answer(b"[]"))
    with PortalClient(now, limits=quick_limits(wait_seconds=9.0), sleep=waits.append) as client:
        assert client.get(f"{shared.portal.url}/x", what="feed x").content == b"[]"
    assert len(waits) == 1
    assert 0.0 <= waits[0] <= 9.0


@pytest.mark.fault(15)
@QUICK
@given(st.lists(st.tuples(st.none() | st.text("0123456789-", max_size=7) | st.sampled_from(["2026-05", "2026-06"]), st.integers(0, 9))))
def test_every_row_of_a_survey_is_in_one_partition(rows: list[tuple[str | None, int]]) -> None:
    months = Months("2026-01", "2026-07")
    held = by_partition([(month, count, None) for month, count in rows], months)
    assert sum(one.rows for one in held.values()) == sum(count for _, count in rows)
    assert set(held) <= {UNDATED, *months.all()}


@pytest.mark.fault(27)
@QUICK
@given(st.lists(st.text(max_size=12), unique=True, max_size=6))
def test_names_as_folders_stay_apart_and_inside(names: list[str]) -> None:
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) for name in safe)


@pytest.mark.fault(39)
@QUICK
@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_a_manifest_says_the_same_when_it_is_read_back(text: str, declared: list[tuple[str, str]], params: dict[str, str]) -> None:
    manifest = Manifest(
        text, text, "2026-06", "000001", "socrata", (Request("GET", text, params),), (Page("p", "csv", "gzip", "0", "1", 2, params),),
        params, 2, 2, 2, None, tuple(declared), schema_hash(tuple(declared)), params, params, text, (text,), "keyset", "2026-07-01", None,
    )  # fmt: skip
    again = manifest_from_json(manifest.to_json())
    assert again == manifest
    assert again.sha256() == manifest.sha256()
    assert schema_hash(tuple(reversed(declared))) == manifest.schema_hash
