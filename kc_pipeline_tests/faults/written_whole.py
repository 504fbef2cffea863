"""What must be written whole or not at all, and how each is written and read: for kills, full disks and two writers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.extract.manifest import Facts
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.ordinance.cases import CaseLedger, CaseStep
from kc_pipeline.store.lake import Lake
from kc_pipeline.store.whole_folder import whole_folder

PLACE = ("districts", "aaaa-1111", "2026-01")
TABLE = "core/block_places"
MANY = 150_000


def now() -> datetime:
    return datetime(2026, 7, 1, 10, 30, tzinfo=UTC)


# --- a pull: two pages and a manifest -------------------------------------------------------------------------
def pull_facts(number: int, rows: int = 2) -> Facts:
    return Facts("socrata", "keyset", rows, rows, str(number), (("name", "text"),), {"district_name": "name"}, {}, ":id")


def write_pull(folder: Path, number: int) -> None:
    RawStore(folder).clear_debris()
    with RawStore(folder).begin(*PLACE) as writer:
        for page in (b":id,name\n1,%d\n" % number, b":id,name\n2,%d\n" % number):
            writer.add_page(page, "csv", "identity", page, 1)
        writer.commit(pull_facts(number), now)


def read_pull(folder: Path) -> set[int]:
    store = RawStore(folder)
    store.verify(*PLACE)
    newest = store.latest(*PLACE)
    return {int(store.page_bytes(newest, page).split(b",")[-1]) for page in newest.pages} if newest else set()


# --- a table of the lake -----------------------------------------------------------------------------------------
def places(number: int, count: int) -> pa.Table:
    names = [f"{place:06d}" for place in range(count)]
    columns = {"block_key": names, "place_id": names, "parcel_id": [str(number)] * count, "placed_by": ["address"] * count}
    return pa.table(columns, schema=to_arrow(TABLES[TABLE]))


def write_table(folder: Path, number: int) -> None:
    Lake(folder).write(TABLE, places(number, 3), made_from={"number": number})


def write_large_table(folder: Path, number: int) -> None:
    Lake(folder).write(TABLE, places(number, MANY), made_from={"number": number})


def read_table(folder: Path) -> set[int]:
    lake = Lake(folder)
    rows = lake.read(TABLE)
    assert rows.num_rows in {0, 3, MANY}
    stated = lake.made_from(TABLE).get("number")
    said = {int(parcel) for parcel in rows["parcel_id"].unique().to_pylist()}
    assert said <= {stated}, "rows and what they were made from are of one commit"
    return said


# --- a step of a case -----------------------------------------------------------------------------------------------
def write_step(folder: Path, number: int) -> None:
    CaseLedger(folder / "ledger.jsonl").add(CaseStep(0, now().isoformat(), "2026-06-30", "parcel:1", "visit", "NSD-1", note=str(number)))


def read_step(folder: Path) -> set[int]:
    steps = CaseLedger(folder / "ledger.jsonl").steps()
    return {int(steps[-1].note)} if steps else set()


# --- a folder of files ------------------------------------------------------------------------------------------------
def write_folder(folder: Path, number: int) -> None:
    with whole_folder(folder / "export", "about.json") as new:
        for name in ("about.json", "rows.csv"):
            with (new / name).open("w") as file:
                file.write(f"{number}\n")


def write_folder_without_swapping(folder: Path, number: int) -> None:
    with whole_folder(folder / "export", "about.json", swapped=_never) as new:
        (new / "about.json").write_text(f"{number}\n")


def _never(_first: Path, _second: Path) -> bool:
    return False


def read_folder(folder: Path) -> set[int]:
    return {int(file.read_text()) for file in (folder / "export").glob("*")}


def read_mended_folder(folder: Path) -> set[int]:
    """Where two folders cannot be swapped, the old one may stand aside until the next writer puts it back."""
    aside = folder / ".export.kc-old"
    return read_folder(folder) or ({int((aside / "about.json").read_text())} if aside.exists() else set())


@dataclass(frozen=True)
class Protocol:
    """Something that is written whole or not at all; `points` is how many steps of it there are at least."""

    write: Callable[[Path, int], None]
    read: Callable[[Path], set[int]]
    points: int


PROTOCOLS = {
    "a pull": Protocol(write_pull, read_pull, 34),
    "a table of the lake": Protocol(write_table, read_table, 34),
    "a step of a case": Protocol(write_step, read_step, 15),
    "a folder": Protocol(write_folder, read_folder, 30),
    "a folder without swapping": Protocol(write_folder_without_swapping, read_mended_folder, 25),
}
