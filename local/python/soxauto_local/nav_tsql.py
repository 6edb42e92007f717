"""Prints the sample as a T-SQL script that loads into a real SQL Server (`sqlcmd -f 65001 -i`).

DuckDB writes the literals, so the script streams: memory does not grow with the sample.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import duckdb

from .nav_schema import DATABASES, TABLES, Column, Table

ROWS_PER_INSERT = 1_000
"""SQL Server takes at most this many rows in one VALUES list."""


def write_script(sample: Path, out: TextIO) -> None:
    """Write the sample in the folder `sample` as T-SQL to `out`: databases, schemas, tables, rows."""
    out.write("-- The NAV sample. Creates its databases where they are missing and its tables anew.\n")
    out.write("-- The file is UTF-8: sqlcmd -f 65001 -i <file>\n")
    out.write("SET NOCOUNT ON;\nGO\n")
    for name in DATABASES:
        out.write(f"IF DB_ID(N'{name}') IS NULL CREATE DATABASE {_bracket(name)};\nGO\n")
    connection = duckdb.connect()
    try:
        for name in DATABASES:
            path = str(sample / f"{name}.duckdb").replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS \"{name}\" (READ_ONLY)")
            _database(connection, name, out)
    finally:
        connection.close()


def _database(connection: duckdb.DuckDBPyConnection, name: str, out: TextIO) -> None:
    tables = [t for t in TABLES if t.database == name]
    out.write(f"USE {_bracket(name)};\nGO\nSET NOCOUNT ON;\nGO\n")
    for schema in sorted({t.schema for t in tables} - {"dbo"}):
        out.write(f"IF SCHEMA_ID(N'{schema}') IS NULL EXEC(N'CREATE SCHEMA {_bracket(schema)}');\nGO\n")
    for t in tables:
        out.write(f"IF OBJECT_ID(N'{t.tsql_name}') IS NOT NULL DROP TABLE {t.tsql_name};\n")
        columns = ",\n".join(f"    {_bracket(c.name)} {c.type} {'NULL' if c.nullable else 'NOT NULL'}" for c in t.columns)
        out.write(f"CREATE TABLE {t.tsql_name} (\n{columns}\n);\nGO\n")
        _rows(connection, t, out)


def _rows(connection: duckdb.DuckDBPyConnection, t: Table, out: TextIO) -> None:
    names = ", ".join(_bracket(c.name) for c in t.columns)
    cells = " || ', ' || ".join(_literal(c) for c in t.columns)
    # in the order of the text, so that the script of a sample is the same each time
    result = connection.execute(f"SELECT '(' || {cells} || ')' AS line FROM {t.duckdb_name} ORDER BY line")
    while batch := result.fetchmany(ROWS_PER_INSERT):
        out.write(f"INSERT INTO {t.tsql_name} ({names}) VALUES\n")
        out.write(",\n".join(row[0] for row in batch))
        out.write(";\nGO\n")


def _literal(column: Column) -> str:
    """SQL: the text of the T-SQL literal of a column's value."""
    name = '"' + column.name + '"'
    base = column.type.split("(")[0]
    if base == "nvarchar":
        text = f"'N''' || replace({name}, '''', '''''') || ''''"
    elif base == "datetime":
        text = f"strftime({name}, '''%Y-%m-%dT%H:%M:%S.%g''')"
    elif base == "datetime2":
        text = f"strftime({name}, '''%Y-%m-%dT%H:%M:%S.%f''')"
    elif base in ("date", "uniqueidentifier"):
        text = f"'''' || {name}::VARCHAR || ''''"
    elif base == "bit":
        text = f"{name}::INTEGER::VARCHAR"
    else:
        text = f"{name}::VARCHAR"
    return f"coalesce({text}, 'NULL')"


def _bracket(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"
