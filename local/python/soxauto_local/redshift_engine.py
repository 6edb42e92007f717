"""Runs Redshift statements asynchronously over the warehouse file, one transaction per request."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from .redshift_copy import ObjectStore, run_copy
from .redshift_errors import StatementError, from_duckdb
from .redshift_sql import Plan, plan
from .redshift_types import RedshiftType, reported
from .store import OFFLINE, described

MAX_RESULT_BYTES = 100 * 1024 * 1024
"""A larger result fails, as the Data API's limit has it."""


@dataclass
class Part:
    """One statement of a request and what became of it."""

    id: str
    sql: str
    status: str = "SUBMITTED"
    error: str | None = None
    has_result: bool = False
    columns: list[tuple[str, RedshiftType]] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    count: int = -1
    query_id: int = 0
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    duration: int = -1
    """Nanoseconds."""


@dataclass
class Request:
    """An Execute or BatchExecute request."""

    id: str
    parts: list[Part]
    batch: bool
    parameters: dict[str, str]
    facts: dict[str, str]
    status: str = "SUBMITTED"
    error: str | None = None
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    duration: int = -1
    cancelled: bool = False
    connection: duckdb.DuckDBPyConnection | None = None

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in ("FINISHED", "FAILED", "ABORTED")


class Warehouse:
    """The DuckDB file that plays Redshift, and the requests that ran on it."""

    def __init__(self, path: Path, store: ObjectStore) -> None:
        self.root = duckdb.connect(str(path), config={"threads": 2, "memory_limit": "1GB", **OFFLINE})
        spill = tempfile.gettempdir().replace("'", "''")
        self.root.execute(f"SET temp_directory = '{spill}/soxauto-warehouse-{os.getpid()}'")
        self.root.execute(f"SET allowed_directories = ['{spill}/']")  # where COPY puts what it fetched
        self.root.execute("SET enable_external_access = false")
        self.root.execute("SET TimeZone = 'UTC'")
        self.root.execute('CREATE SCHEMA IF NOT EXISTS "public"')
        _install_views(self.root)
        self.store = store
        self.requests: dict[str, Request] = {}
        self.changed = threading.Condition()
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="redshift")
        self._writing = threading.Lock()
        self._query_id = 1000

    def submit(
        self, statements: list[str], *, batch: bool, parameters: dict[str, str], facts: dict[str, str]
    ) -> Request:
        """Queues a request and returns at once."""
        identifier = str(uuid.uuid4())
        parts = []
        for number, sql in enumerate(statements, 1):
            self._query_id += 1
            parts.append(Part(f"{identifier}:{number}" if batch else identifier, sql, query_id=self._query_id))
        request = Request(identifier, parts, batch, parameters, facts)
        with self.changed:
            self.requests[identifier] = request
        self._pool.submit(self._run, request)
        return request

    def cancel(self, request: Request) -> bool:
        """Aborts a request that is not finished; False if it is too late."""
        with self.changed:
            if request.finished:
                return False
            request.cancelled = True
        deadline = time.monotonic() + 5
        while not request.finished and time.monotonic() < deadline:
            connection = request.connection
            if connection is not None:
                connection.interrupt()
            with self.changed:
                self.changed.wait(0.02)
        return True

    def wait(self, request: Request, seconds: float) -> None:
        """Returns when the request is finished, or after `seconds`."""
        with self.changed:
            self.changed.wait_for(lambda: request.finished, timeout=seconds)

    def close(self) -> None:
        """Stops what runs, and writes everything into the file."""
        for request in list(self.requests.values()):
            if not request.finished:
                self.cancel(request)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.root.execute("CHECKPOINT")
        self.root.close()

    # --- running ------------------------------------------------------------------------------

    def _run(self, request: Request) -> None:
        started = time.monotonic_ns()
        self._mark(request, "STARTED")
        plans: list[Plan] = []
        try:
            current = request.parts[0]
            for current in request.parts:
                plans.append(plan(current.sql, _used(current.sql, request.parameters, request.batch)))
        except StatementError as error:
            self._fail(request, current, error, started)
            return
        except Exception as error:  # a defect of the stand-in is a failed statement, never a lost one
            self._fail(
                request,
                current,
                StatementError(f"ERROR: the stand-in failed: {type(error).__name__}: {error}"),
                started,
            )
            return
        # Writers run one after the other: DuckDB would refuse one of two concurrent changes, Redshift queues them.
        lock = self._writing if any(p.writes for p in plans) else threading.Lock()
        with lock:
            self._transaction(request, started)

    def _transaction(self, request: Request, started: int) -> None:
        connection = self.root.cursor()
        request.connection = connection
        part = request.parts[0]
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET schema = 'public'")
            connection.execute("BEGIN TRANSACTION")
            copied = 0
            for part in request.parts:
                if request.cancelled:
                    raise StatementError("ERROR: Query cancelled on user's request")
                begun = time.monotonic_ns()
                part.status = "STARTED"
                step = plan(
                    part.sql,
                    _used(part.sql, request.parameters, request.batch),
                    last_copy_count=copied,
                    query_id=part.query_id,
                )
                copied = self._step(connection, request, part, step, copied)
                part.status, part.duration, part.updated = "FINISHED", time.monotonic_ns() - begun, time.time()
            connection.execute("COMMIT")
        except StatementError as error:
            self._undo(connection)
            self._fail(request, part, error, started)
        except Exception as error:
            self._undo(connection)
            self._fail(request, part, from_duckdb(error), started)
        else:
            request.duration = time.monotonic_ns() - started
            self._mark(request, "FINISHED")
        finally:
            request.connection = None
            connection.close()

    def _step(
        self, connection: duckdb.DuckDBPyConnection, request: Request, part: Part, step: Plan, copied: int
    ) -> int:
        if step.copy is not None:
            part.count = run_copy(connection, self.store, step.copy, lambda: request.cancelled)
            return part.count
        if not step.sql:
            return copied
        if not step.returns_rows:
            rows = connection.execute(step.sql).fetchall()
            part.count = int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0
            return copied
        part.has_result = True
        size = 0
        with described(connection, step.sql) as (names, kinds, batches):
            part.columns = list(zip(names, (reported(kind) for kind in kinds)))
            for batch in batches:
                rows = list(zip(*(_cells(column) for column in batch.columns)))
                size += sum(len(str(cell)) for row in rows for cell in row)
                if size > MAX_RESULT_BYTES:
                    raise StatementError("ERROR: The result is larger than the Data API's limit of 100 MB")
                part.rows += rows
        part.count = len(part.rows)
        return copied

    def _undo(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute("ROLLBACK")
        except duckdb.Error:
            pass  # the failure had ended the transaction already

    def _fail(self, request: Request, part: Part, error: StatementError, started: int) -> None:
        status = "ABORTED" if request.cancelled else "FAILED"
        for other in request.parts:
            if request.batch and other is not part:
                other.status = "ABORTED"  # rolled back, or never begun
            other.has_result, other.rows, other.columns = False, [], []
            other.count = -1
            other.updated = time.time()
        part.status, part.error = status, str(error)
        request.duration = time.monotonic_ns() - started
        request.error = f"Query #{request.parts.index(part) + 1} failed with {error}" if request.batch else str(error)
        self._mark(request, status)

    def _mark(self, request: Request, status: str) -> None:
        with self.changed:
            request.status, request.updated = status, time.time()
            if not request.batch:
                request.parts[0].status, request.parts[0].updated = status, request.updated
                request.parts[0].duration = request.duration
            self.changed.notify_all()


def _cells(column: pa.Array) -> list[object]:
    """A column as Python values; an instant without its zone, which is UTC (a zone would need a time zone database)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    return column.to_pylist()


def _used(sql: str, parameters: dict[str, str], batch: bool) -> dict[str, str]:
    """The parameters of one statement: a batch shares its list, so those that are not named are left out."""
    if not batch:
        return parameters
    return {name: value for name, value in parameters.items() if f":{name}" in sql}


def _install_views(connection: duckdb.DuckDBPyConnection) -> None:
    """The catalog views that tools ask Redshift for; in schema main, so `public` stays the user's."""
    width = "regexp_extract(c.expression, '<=[^0-9]*([0-9]+)', 1)"
    connection.execute(
        "CREATE OR REPLACE VIEW main.svv_tables AS SELECT table_catalog, table_schema, table_name,"
        " table_type, CAST(NULL AS VARCHAR) AS remarks FROM information_schema.tables WHERE table_schema <> 'main'"
    )
    connection.execute(
        "CREATE OR REPLACE VIEW main.svv_columns AS SELECT i.table_catalog, i.table_schema, i.table_name, i.column_name,"
        " i.ordinal_position, i.column_default, i.is_nullable, CASE WHEN i.data_type LIKE 'DECIMAL%' THEN 'numeric'"
        " WHEN i.data_type = 'VARCHAR' THEN 'character varying' WHEN i.data_type = 'TIMESTAMP' THEN 'timestamp without time zone'"
        " WHEN i.data_type = 'DOUBLE' THEN 'double precision' WHEN i.data_type = 'FLOAT' THEN 'real'"
        " WHEN i.data_type = 'BLOB' THEN 'binary varying' ELSE lower(i.data_type) END AS data_type,"
        f" (SELECT max(CAST({width} AS INTEGER)) FROM duckdb_constraints() c WHERE c.schema_name = i.table_schema"
        " AND c.table_name = i.table_name AND c.constraint_type = 'CHECK' AND list_contains(c.constraint_column_names, i.column_name))"
        " AS character_maximum_length, i.numeric_precision, i.numeric_scale"
        " FROM information_schema.columns i WHERE i.table_schema <> 'main'"
    )
