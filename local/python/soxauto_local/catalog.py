"""What the engine can select from: NAV databases, system views, a session's temporary tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .errors import invalid_object
from .expr import ident
from .sqltypes import BIT, DATETIME, INT, SMALLINT, SqlType, nvarchar, parse_type


@dataclass(frozen=True)
class Column:
    """A column as declared: its name, T-SQL type, nullability, and the DuckDB column that holds it."""

    name: str
    type: SqlType
    nullable: bool = True
    physical: str = ""

    @property
    def stored_as(self) -> str:
        """The column's name in DuckDB."""
        return self.physical or self.name


@dataclass(frozen=True)
class Table:
    """A table or view: its qualified DuckDB name (or a parenthesised query) and its columns."""

    name: str
    sql: str
    columns: tuple[Column, ...]


@dataclass
class Database:
    """One database: its own name, and its tables by lower-case (schema, name)."""

    name: str
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    declared: list[tuple[str, str, tuple[Column, ...]]] = field(default_factory=list)


class Catalog:
    """All databases, by lower-case name."""

    def __init__(self, databases: dict[str, Database]) -> None:
        self.databases = databases

    @classmethod
    def load(cls, path: Path) -> "Catalog":
        """Reads the sample's `schema.json`."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_json(cls, document: dict) -> "Catalog":
        """`{"tables": [{"database", "schema", "name", "columns": [{"name", "type", "nullable"}]}]}`."""
        databases: dict[str, Database] = {}
        for entry in document["tables"]:
            database = databases.setdefault(entry["database"].lower(), Database(entry["database"]))
            columns = tuple(
                Column(c["name"], parse_type(c["type"], default_length=1), bool(c.get("nullable", True)))
                for c in entry["columns"]
            )
            sql = ".".join(ident(part) for part in (entry["database"], entry["schema"], entry["name"]))
            database.tables[entry["schema"].lower(), entry["name"].lower()] = Table(entry["name"], sql, columns)
            database.declared.append((entry["schema"], entry["name"], columns))
        databases.setdefault("master", Database("master"))
        databases.setdefault("tempdb", Database("tempdb"))
        return cls(databases)

    def database(self, name: str) -> Database | None:
        """The database of that name, whatever its case."""
        return self.databases.get(name.lower())

    def table(self, database: str, schema: str, name: str, written: str) -> Table:
        """A table or a system view; raises 208 with the name as `written`."""
        held = self.database(database)
        if held is None:
            raise invalid_object(written)
        found = held.tables.get((schema.lower() or "dbo", name.lower()))
        if found is None:
            view = _VIEWS.get((schema.lower(), name.lower()))
            if view is None:
                raise invalid_object(written)
            found = view(self, held)
        return found


def constants(name: str, columns: list[tuple[str, SqlType]], rows: list[tuple]) -> Table:
    """A table of constants; texts, numbers and None only."""

    def literal(value: object, kind: SqlType) -> str:
        if value is None:
            return f"CAST(NULL AS {kind.duckdb()})"
        return f"CAST('{str(value).replace(chr(39), chr(39) * 2)}' AS {kind.duckdb()})"

    names = ", ".join(ident(column) for column, _ in columns)
    if rows:
        body = ", ".join("(" + ", ".join(literal(v, k) for v, (_, k) in zip(row, columns)) + ")" for row in rows)
        sql = f"(SELECT * FROM (VALUES {body}) AS v({names}))"
    else:
        sql = "(SELECT " + ", ".join(f"{literal(None, k)} AS {ident(c)}" for c, k in columns) + " WHERE FALSE)"
    return Table(name, sql, tuple(Column(c, k, True) for c, k in columns))


def _databases(catalog: Catalog, _: Database) -> Table:
    names = ["master", "tempdb"] + [d.name for d in catalog.databases.values() if d.name not in ("master", "tempdb")]
    rows = [
        (name, number + 1, "SQL_Latin1_General_CP1_CI_AS", 150, "ONLINE", 0 if number < 2 else 1, "2024-01-01")
        for number, name in enumerate(names)
    ]
    columns = [
        ("name", nvarchar(128)), ("database_id", INT), ("collation_name", nvarchar(128)), ("compatibility_level", SMALLINT),
        ("state_desc", nvarchar(60)), ("is_read_only", BIT), ("create_date", DATETIME),
    ]  # fmt: skip
    return constants("databases", columns, rows)


def _schemas(_: Catalog, held: Database) -> Table:
    names = sorted({schema for schema, _, _ in held.declared} | {"dbo"})
    return constants(
        "schemas", [("name", nvarchar(128)), ("schema_id", INT)], [(n, i + 1) for i, n in enumerate(names)]
    )


def _tables(_: Catalog, held: Database) -> Table:
    names = sorted({schema for schema, _, _ in held.declared} | {"dbo"})
    rows = [
        (name, number + 1000, names.index(schema) + 1, "U ", "USER_TABLE")
        for number, (schema, name, _c) in enumerate(held.declared)
    ]
    kinds = [
        ("name", nvarchar(128)),
        ("object_id", INT),
        ("schema_id", INT),
        ("type", nvarchar(2)),
        ("type_desc", nvarchar(60)),
    ]
    return constants("tables", kinds, rows)


def _columns(_: Catalog, held: Database) -> Table:
    rows = [
        (number + 1000, column.name, place + 1, int(column.nullable))
        for number, (_s, _n, columns) in enumerate(held.declared)
        for place, column in enumerate(columns)
    ]
    return constants(
        "columns", [("object_id", INT), ("name", nvarchar(128)), ("column_id", INT), ("is_nullable", BIT)], rows
    )


def _information_tables(_: Catalog, held: Database) -> Table:
    kinds = [(n, nvarchar(128)) for n in ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE")]
    return constants("TABLES", kinds, [(held.name, schema, name, "BASE TABLE") for schema, name, _c in held.declared])


def _information_columns(_: Catalog, held: Database) -> Table:
    kinds = [
        ("TABLE_CATALOG", nvarchar(128)), ("TABLE_SCHEMA", nvarchar(128)), ("TABLE_NAME", nvarchar(128)),
        ("COLUMN_NAME", nvarchar(128)), ("ORDINAL_POSITION", INT), ("IS_NULLABLE", nvarchar(3)), ("DATA_TYPE", nvarchar(128)),
        ("CHARACTER_MAXIMUM_LENGTH", INT), ("NUMERIC_PRECISION", INT), ("NUMERIC_SCALE", INT),
    ]  # fmt: skip
    rows = []
    for schema, name, columns in held.declared:
        for place, column in enumerate(columns):
            kind = column.type
            exact = kind.as_decimal() if kind.is_exact and kind.name != "bit" else None
            rows.append(
                (
                    held.name,
                    schema,
                    name,
                    column.name,
                    place + 1,
                    "YES" if column.nullable else "NO",
                    kind.name,
                    kind.length if kind.is_sized else None,
                    exact and exact.precision,
                    exact and exact.scale,
                )  # fmt: skip
            )
    return constants("COLUMNS", kinds, rows)


_VIEWS = {
    ("sys", "databases"): _databases,
    ("sys", "schemas"): _schemas,
    ("sys", "tables"): _tables,
    ("sys", "objects"): _tables,
    ("sys", "columns"): _columns,
    ("information_schema", "tables"): _information_tables,
    ("information_schema", "columns"): _information_columns,
}
