"""What stands beside an exported view's files: a Frictionless data package (version 2) that describes each of them.

It says what the columns mean, and for each file its size, SHA-256 and rows, so that a reader can tell a whole file from a
cut one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kc_pipeline.catalog.columns import Column, Type
from kc_pipeline.catalog.contracts import sentence
from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS
from kc_pipeline.catalog.tables import SCHEMA_VERSION, Table

_TYPES = {
    Type.TEXT: "string",
    Type.INTEGER: "integer",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
    Type.LOCAL_TIME: "datetime",
    Type.UTC_TIME: "datetime",
    Type.GEOMETRY: "string",
}


@dataclass(frozen=True)
class ExportedFile:
    """One file of an exported view.

    Attributes:
        name: file name.
        format: 'csv', 'parquet', 'geoparquet', 'geojson' or 'geopackage'.
        media_type: its IANA media type.
        size: bytes.
        sha256: digest of its bytes.
        row_count: rows in it.
        left_out_count: rows of the view that are not in it because they have no position.
    """

    name: str
    format: str
    media_type: str
    size: int
    sha256: str
    row_count: int
    left_out_count: int = 0

    @property
    def is_spatial(self) -> bool:
        """Whether its rows are points."""
        return self.format in ("geoparquet", "geojson", "geopackage")


def data_package(view: str, contract: Table, files: Sequence[ExportedFile]) -> dict[str, Any]:
    """The descriptor of a view's files, for `datapackage.json`."""
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": view,
        "title": view,
        "description": sentence(contract.grain),
        "version": SCHEMA_VERSION,
        "contributors": [{"title": contract.owner.removeprefix("team:"), "roles": ["publisher"]}],
        "resources": [_resource(view, contract, file) for file in files],
    }


def _resource(view: str, contract: Table, file: ExportedFile) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "name": f"{view}_{file.format}",
        "path": file.name,
        "format": file.name.rpartition(".")[2],
        "mediatype": file.media_type,
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
        "rowCount": file.row_count,
    }
    if file.is_spatial:
        return resource | {"crs": GEOGRAPHIC_CRS, "geometryType": "Point", "rowsWithoutPositionLeftOut": file.left_out_count}
    if file.format == "csv":
        resource |= {
            "type": "table",
            "encoding": "utf-8",
            "dialect": {"delimiter": ",", "header": True},
            "formulaSafe": "An apostrophe before a text that begins with = + - @ tab or line end, also after others, is not part of it.",
        }
    return resource | {"schema": _schema(contract)}


def _schema(contract: Table) -> dict[str, Any]:
    return {
        "fields": [_field(column, is_key=column.name in contract.key) for column in contract.columns],
        "primaryKey": list(contract.key),
        "missingValues": [""],
    }


def _field(column: Column, *, is_key: bool) -> dict[str, Any]:
    # Of a text that is given but empty the standard would say that it is missing.
    is_required = is_key or (not column.nullable and column.type is not Type.TEXT)
    limits = {"minimum": column.minimum, "maximum": column.maximum, "enum": list(column.values) or None, "required": is_required or None}
    field = {
        "name": column.name,
        "type": _TYPES[column.type],
        "description": column.description,
        "unit": column.unit,
        "constraints": {name: limit for name, limit in limits.items() if limit is not None} or None,
    }
    return {name: value for name, value in field.items() if value is not None}
