"""The process's one DuckDB instance with the NAV databases attached, a cursor per session."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from . import functions
from .catalog import Catalog, Table
from .expr import ident

BATCH_ROWS = 10_000
"""Rows in one Arrow batch on their way to the client."""
WIDE_BATCH_ROWS = 100
"""The same where a column may hold megabytes: memory must not grow with the width of the values."""
OFFLINE = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""DuckDB must work without a network: everything that is used is built into the wheel."""


class Store:
    """DuckDB, limited in threads and memory so that it leaves room for the functions it feeds."""

    def __init__(
        self, nav_dir: Path, *, threads: int = 2, memory_limit: str = "1GB", catalog: Catalog | None = None
    ) -> None:
        self.catalog = catalog or Catalog.load(nav_dir / "schema.json")
        self._lock = threading.Lock()
        self._root = duckdb.connect(":memory:", config={"threads": threads, "memory_limit": memory_limit, **OFFLINE})
        self._root.execute("SET TimeZone = 'UTC'")
        spill = str(Path(tempfile.gettempdir()) / f"soxauto-engine-{os.getpid()}").replace("'", "''")
        self._root.execute(f"SET temp_directory = '{spill}'")
        functions.install(self._root)
        for database in self.catalog.databases.values():
            if not database.tables:
                continue
            path = nav_dir / f"{database.name}.duckdb"
            if not path.is_file():
                raise FileNotFoundError(f"the NAV sample has no file {path}; write the sample first")
            quoted = str(path).replace("'", "''")
            self._root.execute(f"ATTACH '{quoted}' AS {ident(database.name)} (READ_ONLY)")
        self._match_storage()
        self._root.execute("SET enable_external_access = false")  # no statement reads other files

    def _match_storage(self) -> None:
        """Reads each table through casts where DuckDB stores a column otherwise than its type asks."""
        stored: dict[tuple[str, str, str], dict[str, str]] = {}
        rows = self._root.execute(
            "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        ).fetchall()
        for database, schema, table, column, kind in rows:
            stored.setdefault((database.lower(), schema.lower(), table.lower()), {})[column.lower()] = kind
        for database in self.catalog.databases.values():
            for (schema, name), table in database.tables.items():
                held = stored.get((database.name.lower(), schema, name))
                if held is None:
                    raise LookupError(
                        f"schema.json declares {database.name}.{schema}.{table.name}, which the sample's file does not hold"
                    )
                database.tables[schema, name] = _matched(table, held, f"{database.name}.{schema}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same instance: its temporary tables are its own."""
        with self._lock:
            cursor = self._root.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        # Text keys are expressions (the collation), of which DuckDB cannot estimate the distinct values: its join
        # order took minutes where the written order takes less than a second.
        cursor.execute("SET disabled_optimizers = 'join_order'")
        return cursor

    def close(self) -> None:
        """Detaches everything."""
        self._root.close()


def _matched(table: Table, held: dict[str, str], where: str) -> Table:
    items, differs = [], False
    for column in table.columns:
        kind = held.get(column.name.lower())
        if kind is None:
            raise LookupError(
                f"schema.json declares column '{column.name}' of {where}.{table.name}, which the sample's file does not hold"
            )
        quoted, wanted = ident(column.name), column.type.duckdb()
        if kind == wanted:
            items.append(quoted)
            continue
        differs = True
        cast = f"CAST({quoted} AS {wanted})"
        items.append(f"{'upper(' + cast + ')' if kind == 'UUID' else cast} AS {quoted}")
    if not differs:
        return table
    return replace(table, sql=f"(SELECT {', '.join(items)} FROM {table.sql})")


@contextmanager
def described(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: dict[str, object] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[tuple[list[str], list[str], pa.RecordBatchReader]]:
    """Runs a query: names and DuckDB types of its columns, and its rows in batches as DuckDB makes them,
    without holding the whole result."""
    if hasattr(duckdb.DuckDBPyRelation, "to_arrow_reader"):  # 2.0: only a relation streams
        relation = cursor.sql(sql, params=parameters or None)
        names, kinds = list(relation.columns), [str(kind) for kind in relation.types]
        reader = relation.to_arrow_reader(batch_rows)
    else:
        result = cursor.execute(sql, parameters or None)
        names, kinds = [c[0] for c in result.description], [str(c[1]) for c in result.description]
        reader = result.fetch_record_batch(batch_rows)
    try:
        yield names, kinds, reader
    finally:
        reader.close()


@contextmanager
def stream(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, object] | None, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatchReader]:
    """The rows of a query alone."""
    with described(cursor, sql, parameters, batch_rows) as (_, _, reader):
        yield reader
