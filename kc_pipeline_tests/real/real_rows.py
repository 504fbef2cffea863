"""Recorded city rows as raw tables."""

import csv
import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from kc_pipeline.catalog.sources import DataSet, find_data_set

REAL = os.environ.get("KC_REAL_DATA")
NEEDS_REAL_DATA = [pytest.mark.real, pytest.mark.skipif(not REAL, reason="KC_REAL_DATA names no folder of recorded city rows")]
PULLED = datetime(2026, 11, 1, tzinfo=UTC)
Record = dict[str, object]


def records_of(file: str) -> list[Record]:
    path = Path(str(REAL)) / "kcdata" / file
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text)) if ".csv" in file else json.load(text)


def raw_row(record: Record, data_set: DataSet) -> Record:
    """One record under canonical raw names, with what the data set implies."""
    row: Record = dict(data_set.implied)
    for canonical, names in data_set.fields.items():
        value = next((record[name] for name in names if record.get(name) is not None), None)
        if canonical == "point":
            longitude, latitude = value["coordinates"] if isinstance(value, dict) and "coordinates" in value else (None, None)
            row |= {"longitude": None if longitude is None else str(longitude), "latitude": None if latitude is None else str(latitude)}
        elif canonical == "shape":
            row["geometry"] = None if value is None else shapely.to_wkb(shapely.from_geojson(json.dumps(value)))
        elif value is not None:
            row[canonical] = str(value).lower() if isinstance(value, bool) else value
    return row


def raw_table(feed: str, data_set_id: str, file: str) -> pa.Table:
    data_set = find_data_set(feed, data_set_id)
    rows = [raw_row(record, data_set) for record in records_of(file)]
    count = len(rows)
    columns = {
        name: pa.array([row.get(name) for row in rows], pa.binary() if name == "geometry" else pa.string())
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    lines = pa.array(range(count), pa.int32())
    front = {
        "data_set": pa.repeat(data_set.id, count),
        "partition": pa.repeat("whole", count),
        "pull_id": pa.repeat("000001", count),
        "page": pa.repeat(pa.scalar(0, pa.int32()), count),
        "line": lines,
        "row_id": lines.cast(pa.string()),
        "pulled_at": pa.repeat(pa.scalar(PULLED, pa.timestamp("us", tz="UTC")), count),
    }
    return pa.table({**front, **columns})
