"""Exports of views for those who read files: a folder per view with its files, a descriptor and its contract.

`export.json` in the folder says what there is.  A view has its own folder and every file one view only, so that the score
and the ordinance's count never stand in one file.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kc_pipeline.catalog.tables import SCHEMA_VERSION, Table
from kc_pipeline.catalog.views import EXPORT_FORMATS as FORMATS
from kc_pipeline.store import export_files
from kc_pipeline.store.descriptors import ExportedFile, data_package
from kc_pipeline.store.whole_folder import whole_folder

MARKER = "export.json"
NEVER_TOGETHER = ("risk_score", "confirmed_count")


@dataclass(frozen=True)
class _Kind:
    """A kind of file: its ending, media type and writer."""

    ending: str
    media_type: str
    write: Callable[[pa.Table, Path], None]


_KINDS: Mapping[str, _Kind] = {
    "csv": _Kind("csv", "text/csv", export_files.write_csv),
    "parquet": _Kind("parquet", "application/vnd.apache.parquet", export_files.write_parquet),
    "geoparquet": _Kind("parquet", "application/vnd.apache.parquet", export_files.write_geoparquet),
    "geojson": _Kind("geojson", "application/geo+json", export_files.write_geojson),
    "geopackage": _Kind("gpkg", "application/geopackage+sqlite3", export_files.write_geopackage),
}


@dataclass(frozen=True)
class ViewRows:
    """A view to export.

    Attributes:
        contract: what its columns are.
        rows: all its rows.
        contract_text: its data contract as YAML, put beside the files.
    """

    contract: Table
    rows: pa.Table
    contract_text: str


def write_export(folder: Path, views: Mapping[str, ViewRows], formats: Sequence[str] = FORMATS) -> dict[str, list[ExportedFile]]:
    """Write views to a folder, or replace the export that is there; whole or not at all.

    A view without positions has no GeoJSON and no GeoPackage, and is plain Parquet where GeoParquet is asked for.

    Args:
        folder: where to; if it exists it must be empty or an earlier export.
        views: name -> rows.
        formats: some of EXPORT_FORMATS.

    Returns:
        View -> its files.

    Raises:
        ValueError: a format is unknown, no view has any of the formats, or a view shows score and count together.
        FolderError: the folder is something else, or is being written.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise ValueError(f"no such format: {', '.join(unknown) or 'none given'}; there are {', '.join(FORMATS)}")
    for name, view in views.items():
        if set(NEVER_TOGETHER) <= set(view.rows.column_names):
            raise ValueError(f"{name} has {' and '.join(NEVER_TOGETHER)}: the score and the count never stand in one file")
    with whole_folder(folder, MARKER) as new:
        written = {name: files for name, view in sorted(views.items()) if (files := list(_write_view(new, name, view, formats)))}
        if not written:
            raise ValueError(f"none of {', '.join(sorted(views))} has positions; {', '.join(formats)} can show nothing else")
        _write_json(new / MARKER, _contents(written))
    return written


def _write_view(folder: Path, name: str, view: ViewRows, formats: Sequence[str]) -> Iterator[ExportedFile]:
    spatial = export_files.is_spatial(view.rows)
    chosen = [_kind_for(kind, spatial=spatial) for kind in FORMATS if kind in formats]
    files = []
    for kind in filter(None, chosen):
        home = folder / name
        home.mkdir(exist_ok=True)
        of = _KINDS[kind]
        path = home / f"{name}.{of.ending}"
        rows = export_files.with_position(view.rows) if kind.startswith("geo") else view.rows
        of.write(rows, path)
        size, digest = path.stat().st_size, _sha256(path)
        files.append(ExportedFile(path.name, kind, of.media_type, size, digest, rows.num_rows, view.rows.num_rows - rows.num_rows))
        yield files[-1]
    if files:
        _write_json(home / "datapackage.json", data_package(name, view.contract, files))
        (home / f"{name}.odcs.yaml").write_text(view.contract_text, encoding="utf-8")


def _kind_for(asked: str, *, spatial: bool) -> str | None:
    """The kind of file that a format means for a view; None where it cannot hold the view."""
    if spatial or asked == "csv":
        return asked
    return "parquet" if asked == "geoparquet" else None


def _contents(written: Mapping[str, Sequence[ExportedFile]]) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "views": {
            name: {file.name: {"rows": file.row_count, "left_out": file.left_out_count, "sha256": file.sha256} for file in files}
            for name, files in written.items()
        },
    }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
