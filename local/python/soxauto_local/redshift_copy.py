"""COPY … FORMAT AS PARQUET MANIFEST: reads the manifest and the files from S3, fails where Redshift fails."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import botocore.config
import botocore.exceptions
import botocore.session
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .expr import ident
from .redshift_errors import StatementError
from .redshift_sql import Copy

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Target:
    """A column that COPY fills: its DuckDB type, whether NULL may enter, and its width in bytes (0: none)."""

    name: str
    kind: str
    nullable: bool
    width: int


class ObjectStore:
    """The emulator's S3."""

    def __init__(self, endpoint: str) -> None:
        session = botocore.session.get_session()
        self._client = session.create_client(
            "s3",
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1",
            endpoint_url=endpoint,
            aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID") or "test",
            aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY") or "test",
            aws_session_token=os.environ.get("AWS_SESSION_TOKEN"),
            config=botocore.config.Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 3, "mode": "standard"}
            ),
        )

    def size(self, url: str) -> int | None:
        """The object's bytes, or None if it does not exist."""
        bucket, key = _location(url)
        try:
            return int(self._client.head_object(Bucket=bucket, Key=key)["ContentLength"])
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise StatementError(f"ERROR: S3ServiceException:{error}") from error
        except botocore.exceptions.BotoCoreError as error:
            raise StatementError(f"ERROR: S3 is not reachable: {error}") from error

    def read(self, url: str) -> bytes:
        """A small object whole."""
        return b"".join(self._body(url))

    def fetch(self, url: str, path: Path) -> None:
        """An object into a file."""
        with path.open("wb") as out:
            for chunk in self._body(url):
                out.write(chunk)

    def _body(self, url: str):
        bucket, key = _location(url)
        try:
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_CHUNK)
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise StatementError(
                f"ERROR: S3ServiceException:{error.response['Error'].get('Message', '')},Status {status}, {url}"
            ) from error
        except botocore.exceptions.BotoCoreError as error:
            raise StatementError(f"ERROR: S3 is not reachable: {error}") from error


def _location(url: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([^/]+)/(.+)", url)
    if not match:
        raise StatementError(f"ERROR: Invalid S3 location '{url}'")
    return match[1], match[2]


def run_copy(connection: duckdb.DuckDBPyConnection, store: ObjectStore, copy: Copy, stopped: Callable[[], bool]) -> int:
    """Loads the manifest's files inside the connection's transaction; the number of rows."""
    targets = _targets(connection, copy)
    entries = _manifest(store, copy.source)
    total = 0
    with tempfile.TemporaryDirectory(prefix="copy-") as folder:
        for number, url in enumerate(entries):
            if stopped():
                raise StatementError("ERROR: Query cancelled on user's request")
            path = Path(folder) / f"{number}.parquet"
            store.fetch(url, path)
            total += _load(connection, copy, targets, path, url)
            path.unlink()
    return total


def _targets(connection: duckdb.DuckDBPyConnection, copy: Copy) -> list[Target]:
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = current_database()"
        " AND lower(schema_name) = ? AND lower(table_name) = ? ORDER BY column_index",
        [copy.schema, copy.table],
    ).fetchall()
    if not rows:
        raise StatementError(f"ERROR: Cannot COPY into nonexistent table {copy.table}")
    checks = connection.execute(
        "SELECT expression FROM duckdb_constraints() WHERE database_name = current_database() AND lower(schema_name) = ?"
        " AND lower(table_name) = ? AND constraint_type = 'CHECK'",
        [copy.schema, copy.table],
    ).fetchall()
    widths: dict[str, int] = {}
    for (text,) in checks:
        match = re.search(r'(?:strlen|octet_length)\(\(?"?(.+?)"?\)?\)\s*<=\s*(?:CAST\()?\'?(\d+)', text)
        if match:
            widths[match[1].lower()] = int(match[2])
    held = {
        name.lower(): Target(name, kind, bool(nullable), widths.get(name.lower(), 0)) for name, kind, nullable in rows
    }
    if not copy.columns:
        return list(held.values())
    for name in copy.columns:
        if name not in held:
            raise StatementError(f'ERROR: column "{name}" of relation "{copy.table}" does not exist')
    return [held[name] for name in copy.columns]


def _manifest(store: ObjectStore, url: str) -> list[str]:
    """The files to load, each checked against its declared size."""
    try:
        document = json.loads(store.read(url))
        entries = document["entries"]
        if not isinstance(entries, list):
            raise TypeError("entries is not a list")
    except (ValueError, KeyError, TypeError) as error:
        raise StatementError(f"ERROR: Manifest file is not in correct json format: {url}: {error}") from error
    if not entries:
        raise StatementError(f"ERROR: Manifest file has no entries: {url}")
    found = []
    for entry in entries:
        target = entry.get("url") if isinstance(entry, dict) else None
        if not isinstance(target, str):
            raise StatementError(f"ERROR: Manifest file is not in correct json format: an entry has no url: {url}")
        meta = entry.get("meta")
        length = meta.get("content_length") if isinstance(meta, dict) else None
        if not isinstance(length, int) or isinstance(length, bool):
            raise StatementError(
                f"ERROR: COPY with PARQUET and MANIFEST requires meta.content_length in every entry; it is missing for {target}"
            )
        size = store.size(target)
        if size is None:
            if entry.get("mandatory"):
                raise StatementError(
                    f"ERROR: S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey, {target}"
                )
            continue
        if size != length:
            raise StatementError(
                f"ERROR: Manifest content_length {length} differs from the object's {size} bytes: {target}"
            )
        found.append(target)
    return found


_INTEGERS = {
    "SMALLINT": ("int8", "uint8", "int16"),
    "INTEGER": ("int8", "uint8", "int16", "uint16", "int32"),
    "BIGINT": ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"),
}


def _fits(kind: str, found: pa.DataType) -> bool:
    """Whether a Parquet column of that Arrow type may fill a column stored as `kind`."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if kind in _INTEGERS:
        return str(found) in _INTEGERS[kind]
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal:
        return pa.types.is_decimal(found) and found.scale == int(decimal[2]) and found.precision <= int(decimal[1])
    if kind in ("VARCHAR", "JSON"):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if kind == "TIMESTAMP":  # nanoseconds would load as absurd dates in Redshift
        return pa.types.is_timestamp(found) and found.tz is None and found.unit in ("us", "ms")
    if kind == "TIMESTAMP WITH TIME ZONE":
        return pa.types.is_timestamp(found) and found.tz is not None and found.unit in ("us", "ms")
    exact = {
        "FLOAT": pa.types.is_float32, "DOUBLE": pa.types.is_float64, "BOOLEAN": pa.types.is_boolean, "DATE": pa.types.is_date32,
        "TIME": pa.types.is_time, "BLOB": lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t),
    }  # fmt: skip
    return kind in exact and exact[kind](found)


def _load(connection: duckdb.DuckDBPyConnection, copy: Copy, targets: list[Target], path: Path, url: str) -> int:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise StatementError(f"ERROR: Spectrum Scan Error: invalid Parquet file: {url}: {error}") from error
    schema = file.schema_arrow
    if len(schema) != len(targets):
        raise StatementError(
            f"ERROR: Spectrum Scan Error: Unmatched number of columns between table and file. Table columns: {len(targets)}, "
            f"Data columns: {len(schema)}, File name: {url}"
        )
    for target, found in zip(targets, schema):
        if not _fits(target.kind, found.type):
            raise StatementError(
                f"ERROR: Spectrum Scan Error: File '{url}' has an incompatible Parquet schema for column '{target.name}'. "
                f"Column type: {target.kind}, Parquet schema: {found.name} {found.type}"
            )
    with file:
        for batch in file.iter_batches(batch_size=16_384):
            for target, column in zip(targets, batch.columns):
                _check_values(target, column, url)
        rows = file.metadata.num_rows
    names = ", ".join(ident(target.name) for target in targets)
    aliases = ", ".join(f"c{i}" for i in range(len(targets)))
    literal = str(path).replace("'", "''")
    sql = f"INSERT INTO {ident(copy.schema)}.{ident(copy.table)} ({names}) SELECT * FROM read_parquet('{literal}') AS f({aliases})"
    inserted = int(connection.execute(sql).fetchall()[0][0])
    if inserted != rows:
        raise StatementError(f"ERROR: {inserted} rows were loaded of {rows} in {url}")
    return inserted


def _check_values(target: Target, column: pa.Array, url: str) -> None:
    if not target.nullable and column.null_count:
        raise StatementError(f"ERROR: Cannot insert a NULL value into column {target.name} (COPY of {url})")
    if target.width and target.kind in ("VARCHAR", "BLOB"):
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        longest = pc.max(pc.binary_length(column)).as_py()
        if longest is not None and longest > target.width:
            raise StatementError(
                f"ERROR: Spectrum Scan Error: The length of the data column {target.name} is longer than the length defined in the "
                f"table. Table: {target.width}, Data: {longest}. value too long for type character varying({target.width})"
            )
