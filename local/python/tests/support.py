"""What the engine's tests share: a tiny NAV sample, a sink that remembers, a client of the session protocol."""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
import pyarrow as pa

from soxauto_local.errors import SqlError
from soxauto_local.session import Session
from soxauto_local.store import Store

LEDGER = [
    ("Entry No_", "int", False),
    ("Posting Date", "datetime", False),
    ("Customer No_", "nvarchar(20)", True),
    ("Amount (LCY)", "decimal(38,20)", True),
    ("Quantity", "int", True),
    ("Is_Active?", "bit", True),
    ("Rate/%", "float", True),
    ("Total $", "money", True),
    ("Code", "varchar(10)", True),
    ("Row Id", "uniqueidentifier", True),
    ("Picture", "varbinary(16)", True),
    ("Day", "date", True),
    ("At", "time(6)", True),
    ("Stamp", "datetime2(6)", True),
    ("Zoned", "datetimeoffset(6)", True),
]
ROWS = """
(1, '2024-04-30 10:00:00', 'C001', 10.5, 3, true, 1.5, 1.2345, 'abc', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'ab'::blob,
 '2024-04-30', '10:11:12.123456', '2024-04-30 10:11:12.123456', '2024-04-30 10:00:00+00'),
(2, '2024-05-01', 'c001 ', -3.25, NULL, false, -0.5, -2, 'ABC ', NULL, NULL, NULL, NULL, NULL, NULL),
(3, '2024-04-01', 'x', 1.33333333333333333333, 7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, '9999-12-31 23:59:59', NULL, 123456789012345678.12345678901234567890, -7, true, 1e300, 922337203685477.5807, '', NULL, NULL,
 '0001-01-01', '00:00:00', '9999-12-31 23:59:59.999999', NULL)
"""


def make_sample(folder: Path) -> None:
    """Two databases with one ledger table and one table of another schema."""
    tables = []
    with duckdb.connect(str(folder / "AIG_Nav_DW.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            'CREATE SCHEMA dbo; CREATE TABLE dbo."G_L Entries" ("Entry No_" INTEGER NOT NULL, "Posting Date" TIMESTAMP NOT NULL,'
            ' "Customer No_" VARCHAR, "Amount (LCY)" DECIMAL(38,20), "Quantity" INTEGER, "Is_Active?" BOOLEAN, "Rate/%" DOUBLE,'
            ' "Total $" DECIMAL(19,4), "Code" VARCHAR, "Row Id" UUID, "Picture" BLOB, "Day" DATE, "At" TIME, "Stamp" TIMESTAMP,'
            ' "Zoned" TIMESTAMPTZ)'
        )
        connection.execute(f'INSERT INTO dbo."G_L Entries" VALUES {ROWS}')
    tables.append(("AIG_Nav_DW", "dbo", "G_L Entries", LEDGER))
    with duckdb.connect(str(folder / "AIG_Nav_Jumia_Reconciliation.duckdb")) as connection:
        connection.execute(
            "CREATE SCHEMA fdw; CREATE TABLE fdw.Dim_Company (Company_Code VARCHAR NOT NULL, Country VARCHAR);"
            "INSERT INTO fdw.Dim_Company VALUES ('EC_NG', 'Nigeria'), ('JD_GH', 'Ghana')"
        )
    company = [("Company_Code", "nvarchar(20)", False), ("Country", "nvarchar(50)", True)]
    tables.append(("AIG_Nav_Jumia_Reconciliation", "fdw", "Dim_Company", company))
    document = {
        "tables": [
            {
                "database": d,
                "schema": s,
                "name": n,
                "columns": [{"name": c, "type": t, "nullable": u} for c, t, u in columns],
            }
            for d, s, n, columns in tables
        ]
    }
    (folder / "schema.json").write_text(json.dumps(document), encoding="utf-8")


_SAMPLE: tuple[tempfile.TemporaryDirectory, Store] | None = None


def sample_store() -> Store:
    """The sample's store, one per test process."""
    global _SAMPLE
    if _SAMPLE is None:
        folder = tempfile.TemporaryDirectory(prefix="nav-")
        make_sample(Path(folder.name))
        _SAMPLE = folder, Store(Path(folder.name))
    return _SAMPLE[1]


class Recorder:
    """A sink that keeps result sets as (columns, rows)."""

    def __init__(self) -> None:
        self.results: list[tuple[list[tuple[str, str, bool]], list[tuple]]] = []
        self.counts: list[int] = []
        self.databases: list[str] = []

    def columns(self, columns) -> None:
        self.results.append(([(c.name, str(c.type), c.nullable) for c in columns], []))

    def batch(self, batch: pa.RecordBatch) -> None:
        self.results[-1][1].extend(zip(*(cells(column) for column in batch.columns)))

    def rows(self, count: int) -> None:
        self.counts.append(count)

    def database(self, name: str) -> None:
        self.databases.append(name)


def cells(column: pa.Array) -> list:
    """Values without time zones, which would need a time zone database."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    return column.to_pylist()


def session(database: str = "AIG_Nav_DW", **login) -> Session:
    """A session of the read-only login unless told otherwise."""
    return Session(
        sample_store(), {"login": "soxauto_ro", "database": database, "spid": 51, "server_name": "LAPTOP", **login}
    )


def run(sql: str, params: list[dict] | None = None, to: Session | None = None) -> Recorder:
    """Runs a batch in a session of its own (or the one given)."""
    sink = Recorder()
    (to or session()).run(sql, params or [], sink)
    return sink


def rows(sql: str, params: list[dict] | None = None) -> list[tuple]:
    """The rows of a batch's only result set."""
    ((_, found),) = run(sql, params).results
    return found


def error(sql: str, params: list[dict] | None = None, to: Session | None = None) -> SqlError:
    """The error that a batch must end with."""
    try:
        run(sql, params, to)
    except SqlError as raised:
        return raised
    raise AssertionError(f"no error from {sql}")


class Client:
    """The stand-in's side of the session protocol."""

    def __init__(self, port: int, **login) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.send("L", {"login": "soxauto_ro", "database": "AIG_Nav_DW", "application": "t", "host": "h", "spid": 51,
                        "server_name": "LAPTOP", "can_write": False, **login})  # fmt: skip

    def send(self, kind: str, body: dict | None = None) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.sock.sendall(kind.encode() + struct.pack(">I", len(payload)) + payload)

    def frame(self) -> tuple[str, object]:
        head = self._exactly(5)
        payload = self._exactly(struct.unpack(">I", head[1:])[0])
        kind = head[:1].decode()
        if kind == "B":
            return kind, pa.ipc.open_stream(io.BytesIO(payload)).read_all()
        return kind, json.loads(payload)

    def answer(self) -> list[tuple[str, object]]:
        """Frames up to and with `D` or `E`."""
        frames = [self.frame()]
        while frames[-1][0] not in "DE":
            frames.append(self.frame())
        return frames

    def query(self, sql: str, *params: tuple[str, str, str | None]) -> list[tuple[str, object]]:
        self.send("Q", {"sql": sql, "params": [{"name": n, "type": t, "value": v} for n, t, v in params]})
        return self.answer()

    def close(self) -> None:
        self.sock.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise EOFError("the engine closed the connection")
            data += part
        return data
