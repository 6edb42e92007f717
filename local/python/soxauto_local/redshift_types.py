"""Redshift's column types: how they are declared, stored in DuckDB, and reported by the Data API."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .redshift_errors import StatementError

_NAMES = {
    "smallint": "int2", "int2": "int2", "integer": "int4", "int": "int4", "int4": "int4", "bigint": "int8", "int8": "int8",
    "decimal": "numeric", "numeric": "numeric", "real": "float4", "float4": "float4", "double precision": "float8",
    "float8": "float8", "float": "float8", "boolean": "bool", "bool": "bool", "char": "bpchar", "character": "bpchar",
    "nchar": "bpchar", "bpchar": "bpchar", "varchar": "varchar", "character varying": "varchar", "nvarchar": "varchar",
    "text": "varchar", "date": "date", "timestamp": "timestamp", "timestamp without time zone": "timestamp",
    "timestamptz": "timestamptz", "timestamp with time zone": "timestamptz", "time": "time",
    "time without time zone": "time", "timetz": "timetz", "time with time zone": "timetz", "varbyte": "varbyte",
    "varbinary": "varbyte", "binary varying": "varbyte", "super": "super",
}  # fmt: skip
_STORED = {
    "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE", "bool": "BOOLEAN",
    "bpchar": "VARCHAR", "varchar": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE", "time": "TIME", "timetz": "TIME WITH TIME ZONE", "varbyte": "BLOB", "super": "JSON",
}  # fmt: skip


@dataclass(frozen=True)
class RedshiftType:
    """`name` as the Data API's `typeName`; `length` in BYTES for varchar, bpchar, varbyte."""

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        if self.name == "varchar":
            return f"character varying({self.length})"
        if self.name == "bpchar":
            return f"character({self.length})"
        return f"numeric({self.precision},{self.scale})" if self.name == "numeric" else self.name

    def stored(self) -> str:
        """The DuckDB column type."""
        return f"DECIMAL({self.precision},{self.scale})" if self.name == "numeric" else _STORED[self.name]

    def check(self, column: str) -> str:
        """The constraint that keeps values inside the declared bytes; empty where there is none."""
        if self.name in ("varchar", "bpchar"):
            return f" CHECK (strlen({column}) <= {self.length})"
        if self.name == "varbyte":
            return f" CHECK (octet_length({column}) <= {self.length})"
        return ""


def read_type(text: str) -> RedshiftType:
    """A declared type; raises as Redshift does for one it does not have."""
    match = re.fullmatch(
        r"\s*([A-Za-z_]\w*(?:\s+[A-Za-z]+)*?)\s*(?:\(\s*(max|\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*((?:with|without)\s+time\s+zone)?\s*",
        text,
        re.I,
    )
    if not match:
        raise StatementError(f'ERROR: syntax error at or near "{text}"')
    written = " ".join(f"{match[1]} {match[4] or ''}".lower().split())
    name = _NAMES.get(written)
    if name is None:
        raise StatementError(f'ERROR: type "{written}" does not exist')
    first, second = match[2], match[3]
    if name == "numeric":
        precision, scale = int(first or 18), int(second or 0)
        if not (1 <= precision <= 38 and scale <= min(precision, 37)):
            raise StatementError(f"ERROR: DECIMAL precision {precision} or scale {scale} is out of range (38, 37)")
        return RedshiftType(name, precision=precision, scale=scale)
    if name in ("varchar", "bpchar", "varbyte"):
        longest = {"varchar": 65535, "bpchar": 4096, "varbyte": 16777216}[name]
        default = {"varchar": 256, "bpchar": 1, "varbyte": 64000}[name]
        length = longest if (first or "").lower() == "max" else int(first or default)
        if not 1 <= length <= longest:
            raise StatementError(f"ERROR: length for type {name} cannot exceed {longest}")
        return RedshiftType(name, length=length)
    return RedshiftType(name)


_REPORTED = {
    "SMALLINT": "int2", "TINYINT": "int2", "UTINYINT": "int2", "INTEGER": "int4", "USMALLINT": "int4", "BIGINT": "int8",
    "UINTEGER": "int8", "FLOAT": "float4", "DOUBLE": "float8", "BOOLEAN": "bool", "VARCHAR": "varchar", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "TIME": "time", "BLOB": "varbyte", "JSON": "super",
    "UUID": "varchar", "HUGEINT": "numeric",
}  # fmt: skip


def reported(kind: str) -> RedshiftType:
    """What the Data API calls a result column of that DuckDB type; `HUGEINT` is numeric(38,0)."""
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal:
        return RedshiftType("numeric", precision=int(decimal[1]), scale=int(decimal[2]))
    if kind == "HUGEINT":
        return RedshiftType("numeric", precision=38)
    return RedshiftType(_REPORTED.get(kind, "varchar"))
