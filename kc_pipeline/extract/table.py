"""A pull to the raw table: text under canonical names, with its provenance in front (see this folder's docstring)."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.extract import geometry
from kc_pipeline.extract.errors import PermanentSourceError
from kc_pipeline.extract.manifest import Manifest, Page
from kc_pipeline.extract.pages import GEOMETRY, PageError, read_page
from kc_pipeline.extract.replies import unpack

if TYPE_CHECKING:
    from kc_pipeline.extract.raw import RawStore

PAGE_BYTES = 1 << 31
_FRONT = (
    ("data_set", pa.string()),
    ("partition", pa.string()),
    ("pull_id", pa.string()),
    ("page", pa.int32()),
    ("line", pa.int32()),
    ("row_id", pa.string()),
    ("pulled_at", pa.timestamp("us", tz="UTC")),
)


def raw_schema(manifest: Manifest) -> pa.Schema:
    """Columns of the raw table of a pull."""
    fields = dict(_FRONT)
    for name in (*manifest.resolution, *manifest.implied):
        if name == "point":
            fields |= {"longitude": pa.string(), "latitude": pa.string()}
        elif name == "shape":
            fields["geometry"] = pa.binary()
        else:
            fields[name] = pa.string()
    return pa.schema(list(fields.items()))


def read_pull(store: "RawStore", manifest: Manifest) -> pa.Table:
    """The raw table of a pull: a row for each source row, in the order received; empty for a pull without rows.

    Raises:
        PermanentSourceError: a page is not what was received, or cannot be read.
    """
    schema = raw_schema(manifest)
    tables = []
    for number, page in enumerate(manifest.pages):
        try:
            source = read_page(unpack(store.page_bytes(manifest, page), page.encoding, PAGE_BYTES), page.format)
        except PageError as error:
            raise PermanentSourceError(f"{manifest.feed} {manifest.data_set} {manifest.partition} {page.file}: {error}") from error
        if source.num_rows != page.rows:
            raise PermanentSourceError(
                f"{manifest.feed} {manifest.data_set} {page.file}: {source.num_rows} rows, received were {page.rows}"
            )
        tables.append(_raw_page(source, manifest, page, number, schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _raw_page(source: pa.Table, manifest: Manifest, page: Page, number: int, schema: pa.Schema) -> pa.Table:
    count = source.num_rows
    lines = pa.array(range(count), pa.int32())
    place = pc.binary_join_element_wise(str(number), lines.cast(pa.string()), ":")
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "data_set": pa.repeat(manifest.data_set, count),
        "partition": pa.repeat(manifest.partition, count),
        "pull_id": pa.repeat(manifest.pull_id, count),
        "page": pa.repeat(pa.scalar(number, pa.int32()), count),
        "line": lines,
        "row_id": pc.coalesce(source[manifest.key_field], place) if manifest.key_field in source.column_names else place,
        "pulled_at": pa.repeat(
            pa.scalar(datetime.fromisoformat(manifest.pulled_at).astimezone(UTC), schema.field("pulled_at").type), count
        ),
    }
    types = dict(manifest.declared)
    resolution = manifest.resolution if page.resolution is None else page.resolution
    for canonical, name in resolution.items():
        if canonical in ("point", "shape") and name not in source.column_names:
            name = GEOMETRY
        if name in source.column_names:
            columns |= _values(canonical, source[name], types.get(name, ""))
    for canonical, value in manifest.implied.items():
        columns[canonical] = pc.fill_null(columns[canonical], value) if canonical in columns else pa.repeat(value, count)
    return pa.table({f.name: columns.get(f.name, pa.nulls(count, f.type)) for f in schema}, schema=schema)


def _values(canonical: str, values: pa.ChunkedArray, declared_type: str) -> dict[str, pa.Array | pa.ChunkedArray]:
    """The columns of the raw table that a source column becomes."""
    is_wkb = pa.types.is_binary(values.type)
    if canonical == "shape":
        return {"geometry": values if is_wkb else geometry.read_shapes(values)}
    if canonical == "point":
        longitude, latitude = geometry.point_texts(values) if is_wkb else geometry.read_points(values, declared_type)
        return {"longitude": longitude, "latitude": latitude}
    return {canonical: values.cast(pa.string())}
