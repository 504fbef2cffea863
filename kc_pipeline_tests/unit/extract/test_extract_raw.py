"""The raw store: all or nothing, unchanged pulls, the chain of manifests, the raw table."""

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest
from scripted_portal import NOW, now

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.manifest import Facts, Pulled, manifest_from_json
from kc_pipeline.extract.raw import RawStore, safe_name
from kc_pipeline.extract.table import read_pull

PLACE = ("districts", "aaaa-1111", "2026-01")
FACTS = Facts(
    transport="socrata",
    paging="keyset",
    count_before=2,
    count_after=2,
    changed_at="2026-07-01",
    declared=(("name", "text"), ("spot", "point")),
    resolution={"district_name": "name", "point": "spot"},
    implied={"district_kind": "neighborhood"},
    key_field=":id",
)
PAGE = b":id,name,spot\nrow-1,Northeast,POINT (-94.5 39.1)\nrow-2,,\n"


def pull(store: RawStore, content: bytes = PAGE, facts: Facts = FACTS) -> Pulled:
    with store.begin(*PLACE) as writer:
        writer.add_page(content, "csv", "identity", content, 2)
        return writer.commit(facts, now)


def test_a_pull_is_visible_only_when_it_is_committed(store: RawStore) -> None:
    with store.begin(*PLACE) as writer:
        writer.add_page(PAGE, "csv", "identity", PAGE, 2)
        assert store.latest(*PLACE) is None
        assert store.partitions(*PLACE[:2]) == []
        made = writer.commit(FACTS, now)
    assert made.is_new
    assert store.latest(*PLACE) == made.manifest
    assert (made.manifest.pull_id, made.manifest.row_count, made.manifest.previous_manifest) == ("000001", 2, None)
    assert sorted(p.name for p in store.folder(*PLACE).iterdir()) == ["000001"]
    assert store.page_bytes(made.manifest, made.manifest.pages[0]) == PAGE


def _pull_that_breaks(store: RawStore) -> None:
    with store.begin(*PLACE) as writer:
        writer.add_page(PAGE, "csv", "identity", PAGE, 2)
        raise KeyboardInterrupt


def test_a_pull_that_fails_leaves_no_trace(store: RawStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        _pull_that_breaks(store)
    assert not list(store.root.rglob("*"))


def test_what_is_being_written_is_neither_seen_nor_cleared_away(store: RawStore) -> None:
    pull(store)
    with store.begin(*PLACE) as writer:
        writer.add_page(PAGE, "csv", "identity", PAGE, 2)
        assert len(store.pulls(*PLACE)) == 1
        assert store.clear_debris() == 0
        assert writer.commit(FACTS, now).manifest.pull_id == "000001"
    assert [p.name for p in store.folder(*PLACE).iterdir()] == ["000001"]


def test_an_unchanged_pull_writes_nothing(store: RawStore) -> None:
    first = pull(store)
    again = pull(store)
    assert (again.is_new, again.manifest) == (False, first.manifest)
    assert [p.name for p in store.folder(*PLACE).iterdir()] == ["000001"]


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (PAGE.replace(b"North", b"South"), FACTS),
        (PAGE, replace(FACTS, changed_at="2026-07-02")),
        (PAGE, replace(FACTS, implied={"district_kind": "council_district"})),
    ],
)
def test_a_changed_pull_is_a_link_in_the_chain(store: RawStore, content: bytes, facts: Facts) -> None:
    first, second = pull(store), pull(store, content, facts)
    assert (second.is_new, second.manifest.pull_id) == (True, "000002")
    assert second.manifest.previous_manifest == first.manifest.sha256()
    assert [m.pull_id for m in store.pulls(*PLACE)] == ["000001", "000002"]
    assert store.verify(*PLACE) == 2


@pytest.mark.fault(37)
def test_pull_ids_count_up_though_the_clock_goes_back(store: RawStore) -> None:
    pull(store)
    with store.begin(*PLACE) as writer:
        later = writer.commit(FACTS, lambda: NOW - timedelta(days=400))
    assert store.latest(*PLACE) == later.manifest


@pytest.mark.fault(38)
def test_changed_bytes_are_found_and_named(store: RawStore) -> None:
    manifest = pull(store).manifest
    page = store.folder(*PLACE) / "000001" / "page-00000.csv"
    page.write_bytes(PAGE.replace(b"row-2", b"row-3"))
    with pytest.raises(PermanentSourceError, match=r"page-00000\.csv"):
        read_pull(store, manifest)
    with pytest.raises(PermanentSourceError, match=r"page-00000\.csv"):
        store.verify(*PLACE)


@pytest.mark.fault(38)
def test_a_changed_manifest_breaks_the_chain(store: RawStore) -> None:
    pull(store)
    pull(store, PAGE.replace(b"North", b"South"))
    manifest = store.folder(*PLACE) / "000001" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("2026-07-15T12", "2026-07-15T13"))
    with pytest.raises(PermanentSourceError, match="000002: the pull before it was changed"):
        store.verify(*PLACE)


def test_of_two_runs_one_wins(store: RawStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pull(store)
    with store.begin(*PLACE) as writer:
        writer.add_page(PAGE + b"row-3,,\n", "csv", "identity", PAGE, 3)
        monkeypatch.setattr(store, "latest", lambda *_: None)  # the other run committed after we looked
        with pytest.raises(TransientSourceError, match="another run"):
            writer.commit(FACTS, now)
    monkeypatch.undo()
    assert store.verify(*PLACE) == 1


def test_a_manifest_survives_json(store: RawStore) -> None:
    manifest = pull(store).manifest
    assert manifest_from_json(manifest.to_json()) == manifest


def test_ids_become_path_safe_and_stay_apart(store: RawStore) -> None:
    names = ["AGOL/MapServer/6", "AGOL_MapServer_6", "health_inspections*", "../../etc", "..", ""]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert not any("/" in name or name.startswith(".") or not name for name in safe)


def test_the_raw_table(store: RawStore) -> None:
    table = read_pull(store, pull(store).manifest)
    assert table.column_names == [
        *("data_set", "partition", "pull_id", "page", "line", "row_id", "pulled_at"),
        *("district_name", "longitude", "latitude", "district_kind"),
    ]
    assert table.schema.field("page").type == table.schema.field("line").type == pa.int32()
    front = {
        "data_set": "aaaa-1111",
        "partition": "2026-01",
        "pull_id": "000001",
        "page": 0,
        "pulled_at": NOW,
        "district_kind": "neighborhood",
    }
    assert table.to_pylist() == [
        {**front, "line": 0, "row_id": "row-1", "district_name": "Northeast", "longitude": "-94.5", "latitude": "39.1"},
        {**front, "line": 1, "row_id": "row-2", "district_name": None, "longitude": None, "latitude": None},
    ]


def test_an_empty_pull_is_an_empty_raw_table(store: RawStore) -> None:
    full = pull(store).manifest
    with store.begin(*PLACE) as writer:
        empty = writer.commit(replace(FACTS, count_before=0, count_after=0), now).manifest
    assert (empty.pages, empty.row_count) == ((), 0)
    assert read_pull(store, empty).num_rows == 0
    assert read_pull(store, empty).schema == read_pull(store, full).schema


def test_latest_of_feed(store: RawStore) -> None:
    (store.root / "districts").mkdir(parents=True)
    (store.root / "districts" / "last_refresh.json").write_text("{}")
    newest = [pull(store), pull(store, PAGE.replace(b"North", b"South"))][-1].manifest
    assert store.latest_of_feed("districts") == [newest]
    assert store.latest_of_feed("parcels") == []
