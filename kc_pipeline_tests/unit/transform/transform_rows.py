"""Raw tables and results for the tests of this folder."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa

PULLED = datetime(2026, 7, 2, 12, tzinfo=UTC)
Row = Mapping[str, object]


def raw_table(rows: Sequence[Row], **defaults: object) -> pa.Table:
    """A raw table: what a row does not give is taken from the defaults, else the row's own place in a pull."""
    full = [
        {
            "partition": "2026-06",
            "pull_id": "000001",
            "page": 0,
            "line": line,
            "row_id": f"row-{line}",
            "pulled_at": PULLED,
            **defaults,
            **row,
        }
        for line, row in enumerate(rows)
    ]
    names = list(dict.fromkeys(name for row in full for name in row))
    types = {"page": pa.int32(), "line": pa.int32(), "pulled_at": pa.timestamp("us", tz="UTC"), "geometry": pa.binary()}
    return pa.table({name: pa.array([row.get(name) for row in full], types.get(name, pa.string())) for name in names})


def only(table: pa.Table) -> dict[str, object]:
    """The only row of a table."""
    (row,) = table.to_pylist()
    return dict(row)


def by_key(table: pa.Table, key: str) -> dict[str, dict[str, object]]:
    """Rows by the values of a column."""
    return {str(row[key]): row for row in table.to_pylist()}


def police_row(**changes: object) -> dict[str, object]:
    """A person row of a police report of 2026."""
    return {
        "data_set": "f7wj-ckmw",
        "report_number": "KC26000001",
        "reported_at": "2026-06-10T18:15:00.000",
        "nibrs": "13A",
        "offense": "Aggravated Assault",
        "description": "Aggravated Assault",
        "beat": "332",
        "area": "EPD",
        "zip_code": "64130",
        "address": "3400  NORTON AV",
        "latitude": "39.06",
        "longitude": "-94.54",
        "domestic_flag": "false",
        "firearm_flag": "false",
        **changes,
    }


def department_row(**changes: object) -> dict[str, object]:
    """The department's row of the same report."""
    return police_row(
        data_set="reports",
        address="3417 NORTON AVE",
        latitude="39.0611",
        longitude="-94.5411",
        parcel_id="12345",
        domestic_flag="N",
        firearm_flag="Y",
        **changes,
    )


def request_row(**changes: object) -> dict[str, object]:
    """A 311 request about dumping."""
    return {
        "data_set": "d4px-6rwg",
        "request_id": "3119815",
        "opened_at": "2026-06-10T14:11:00.000",
        "status": "resolved",
        "issue_type": "Illegal Dumping",
        "issue_sub_type": "Dumping in the Alley",
        "address": "4426 Jackson Ave Kansas City 64130",
        "latitude": "39.0447759",
        "longitude": "-94.5359554",
        "council_district": "3",
        **changes,
    }
