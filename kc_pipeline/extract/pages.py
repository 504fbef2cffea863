"""One page's bytes to a table of text columns, under the source's own names; nothing is inferred, nothing cleaned.

Formats: 'csv', 'json' (a list of records, JSON lines or GeoJSON), 'esri' (a FeatureServer answer), 'parquet'.
Empty cells are null. A geometry that is not text already stands in the column GEOMETRY as WKB (esri), or as GeoJSON text.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import shapely

from kc_pipeline.extract import geometry

GEOMETRY = "(geometry)"
_BLOCK_BYTES = 1 << 25
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NO_PAGE = (
    pa.ArrowException, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, csv.Error,
    shapely.errors.ShapelyError,
)  # fmt: skip


class PageError(ValueError):
    """Bytes that are not a page of the format they should have."""


def read_page(content: bytes, page_format: str) -> pa.Table:
    """A page as a table of text columns.

    Raises:
        PageError: the bytes cannot be read in this format.
    """
    try:
        return _READERS[page_format](content)
    except _NO_PAGE as error:
        raise PageError(f"not a readable {page_format} page: {error}") from error


def read_csv(content: bytes) -> pa.Table:
    """A CSV page: the first record names the columns, quoted newlines and a byte order mark are understood.

    Raises:
        PageError: columns repeat, a record has another number of cells than the first, or the end lies within quotes.
    """
    content = as_utf8(content)
    names = csv_names(content)
    if not names:
        return pa.table({})
    if content.count(b'"') % 2 and _ends_within_quotes(content):
        raise PageError("the last cell has no closing quote: cut short?")
    try:
        return pa_csv.read_csv(
            io.BytesIO(content),
            read_options=pa_csv.ReadOptions(block_size=min(max(len(content) + 1, 1024), _BLOCK_BYTES)),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise PageError(f"not a readable csv page: {error}") from error


def csv_names(content: bytes) -> list[str]:
    """Names in the first record of UTF-8 CSV.

    Raises:
        PageError: a name repeats.
    """
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        names = next(csv.reader(text), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise PageError(f"the header cannot be read: {error}") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise PageError(f"the header repeats {', '.join(map(repr, repeated))}")
    return names


def _ends_within_quotes(content: bytes) -> bool:
    """Whether a quoted cell is open at the end; a quote within an unquoted cell is nothing but a letter."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    while True:
        try:
            next(reader)
        except StopIteration:
            return False
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return True


def as_utf8(content: bytes) -> bytes:
    """Text as UTF-8; what is neither UTF-8 nor UTF-16 with a mark is taken for Windows-1252, as spreadsheets write it.

    Raises:
        PageError: text with a mark of UTF-16 is none, or is cut within a letter.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                return content.decode(encoding).encode()
            except UnicodeDecodeError as error:
                raise PageError(f"the text is no {encoding}: {error}") from error
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace").encode()
    return content


def read_records(content: bytes) -> list[dict[str, Any]]:
    """Records of a JSON list, of JSON lines, or of a GeoJSON feature collection (its geometry under GEOMETRY).

    Raises:
        PageError: the bytes hold no records.
    """
    text = as_utf8(content).decode("utf-8-sig")
    try:
        told = json.loads(text) if text.strip() else []
    except json.JSONDecodeError:
        try:
            told = [json.loads(line) for line in text.split("\n") if line.strip()]
        except json.JSONDecodeError as error:
            raise PageError(f"neither JSON nor JSON lines: {error}") from error
    if isinstance(told, dict) and isinstance(told.get("features"), list):
        return [{**(f.get("properties") or {}), GEOMETRY: f.get("geometry")} for f in told["features"]]
    records = told if isinstance(told, list) else [told]
    if not all(isinstance(record, dict) for record in records):
        raise PageError("the list holds something else than records")
    return records


def text_table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as text columns, in the order in which their names first appear."""
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({encodable(name): _text_column([record.get(name) for record in records]) for name in names})


def _text_column(values: list[Any]) -> pa.Array:
    """Values as text, like `as_text`; at once where all of them are text or missing, as most columns are."""
    try:
        column = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return pa.array([as_text(value) for value in values], pa.string())
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def as_text(value: object) -> str | None:
    """A value as text: numbers as written, true and false, anything nested as JSON; null and '' are null.

    Half a letter, which JSON can escape and no text can hold, becomes U+FFFD.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return encodable(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return repr(value) if isinstance(value, int | float) else str(value)


def encodable(text: str) -> str:
    """Text that can be written as UTF-8: half a letter becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_json(content: bytes) -> pa.Table:
    records = read_records(content)
    if not any(GEOMETRY in record for record in records):
        return text_table(records)
    points = [_point_of(record.get(GEOMETRY)) for record in records]
    if any(x is not None for x, _ in points):
        records = [{"longitude": x, "latitude": y, **record} for (x, y), record in zip(points, records, strict=True)]
    return text_table(records)


def _point_of(shape: object) -> tuple[object, object]:
    """Longitude and latitude of a GeoJSON point, which may stand in for columns of these names."""
    if isinstance(shape, dict) and shape.get("type") == "Point" and shape.get("coordinates"):
        return shape["coordinates"][0], shape["coordinates"][1]
    return None, None


def _read_esri(content: bytes) -> pa.Table:
    features = json.loads(content)["features"]
    table = text_table([feature["attributes"] for feature in features])
    if any("geometry" in feature for feature in features):
        table = table.append_column(GEOMETRY, geometry.esri_shapes([feature.get("geometry") for feature in features]))
    return table


def _read_parquet(content: bytes) -> pa.Table:
    table = pq.read_table(io.BytesIO(content))
    return pa.table({name: _as_text_column(table[name]) for name in table.column_names})


def _as_text_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.binary())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type):
        return pa.chunked_array([pa.array([as_text(value) for value in column.to_pylist()], pa.string())])
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


_READERS = {"csv": read_csv, "json": _read_json, "esri": _read_esri, "parquet": _read_parquet}
