"""The catalogue's contracts as Arrow schemas and SQLAlchemy tables."""

from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import Column, Type
from kc_pipeline.catalog.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa


def to_arrow(table: Table) -> "pa.Schema":
    """Arrow schema of a table; units, sources and descriptions stand in the field metadata."""
    import pyarrow as pa

    types = {
        Type.TEXT: pa.string(),
        Type.INTEGER: pa.int64(),
        Type.NUMBER: pa.float64(),
        Type.BOOLEAN: pa.bool_(),
        Type.DATE: pa.date32(),
        Type.LOCAL_TIME: pa.timestamp("us"),
        Type.UTC_TIME: pa.timestamp("us", tz="UTC"),
        Type.GEOMETRY: pa.binary(),
    }

    def field(column: Column) -> "pa.Field":
        notes = {"description": column.description, "unit": column.unit, "source": column.source}
        return pa.field(column.name, types[column.type], column.nullable, {k: v for k, v in notes.items() if v})

    return pa.schema([field(column) for column in table.columns])


def to_sqlalchemy(table: Table, name: str, metadata: "sa.MetaData", key: tuple[str, ...] | None = None) -> "sa.Table":
    """SQLAlchemy table of a contract, for any dialect.

    Args:
        table: the contract.
        name: name of the SQL table.
        metadata: where to register it.
        key: primary key; None: the contract's own.
    """
    import sqlalchemy as sa

    types: dict[Type, sa.types.TypeEngine[Any]] = {
        Type.TEXT: sa.Text(),
        Type.INTEGER: sa.BigInteger(),
        Type.NUMBER: sa.Double(),
        Type.BOOLEAN: sa.Boolean(),
        Type.DATE: sa.Date(),
        Type.LOCAL_TIME: sa.DateTime(),
        Type.UTC_TIME: sa.DateTime(timezone=True),
        Type.GEOMETRY: sa.LargeBinary(),
    }
    key = key or table.key
    columns = [sa.Column(c.name, types[c.type], nullable=c.nullable and c.name not in key, comment=c.description) for c in table.columns]
    return sa.Table(name, metadata, *columns, sa.PrimaryKeyConstraint(*key), comment=table.grain)


def to_ddl(table: Table, dialect_name: str = "sqlite") -> str:
    """CREATE TABLE statement of a contract in a SQL dialect ('sqlite' or 'postgresql')."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import registry
    from sqlalchemy.schema import CreateTable

    dialect = registry.load(dialect_name)()
    return str(CreateTable(to_sqlalchemy(table, table.name.replace("/", "_"), sa.MetaData())).compile(dialect=dialect)).strip()
