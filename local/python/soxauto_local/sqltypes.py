"""SQL Server's types: their text form, precedence, and their DuckDB and Arrow counterparts.

One value, `SqlType`, describes a column or an expression exactly as SQL Server would: the
engine's answers carry it to the client, and the translation decides by it what an operator
means (integer division, text comparison, decimal scale).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pyarrow as pa

MAX = -1
"""The length of `nvarchar(max)` and its like."""

_PRECEDENCE = (
    "xml datetimeoffset datetime2 datetime smalldatetime date time float real decimal money smallmoney "
    "bigint int smallint tinyint bit rowversion uniqueidentifier nvarchar nchar varchar char varbinary binary null"
).split()
_RANK = {name: rank for rank, name in enumerate(_PRECEDENCE)}
_INT_DIGITS = {"bigint": 19, "int": 10, "smallint": 5, "tinyint": 3, "bit": 1}
_ALIASES = {
    "numeric": "decimal",
    "dec": "decimal",
    "integer": "int",
    "character": "char",
    "timestamp": "rowversion",
    "sysname": "nvarchar",
    "ntext": "nvarchar",
    "text": "varchar",
    "image": "varbinary",
    "double": "float",
}
_DUCKDB = {
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "float": "DOUBLE",
    "money": "DECIMAL(19,4)",
    "smallmoney": "DECIMAL(10,4)",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "smalldatetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP",
    "datetimeoffset": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
    "binary": "BLOB",
    "varbinary": "BLOB",
    "rowversion": "BLOB",
}
_ARROW = {
    "bit": pa.bool_(),
    "tinyint": pa.uint8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "float": pa.float64(),
    "money": pa.decimal128(19, 4),
    "smallmoney": pa.decimal128(19, 4),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "smalldatetime": pa.timestamp("us"),
    "datetime2": pa.timestamp("us"),
    "datetimeoffset": pa.timestamp("us", tz="UTC"),
    "time": pa.time64("us"),
    "binary": pa.binary(),
    "varbinary": pa.binary(),
    "rowversion": pa.binary(),
}
_TEXT = re.compile(r"^\s*([A-Za-z_][\w ]*?)\s*(?:\(\s*(max|\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$", re.I)


@dataclass(frozen=True)
class SqlType:
    """A T-SQL type: lower-case `name`, `length` in characters or bytes (`MAX` for max), `precision`
    and `scale` of a decimal; `scale` also holds the fraction digits of datetime2, datetimeoffset, time."""

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.is_sized:
            return f"{self.name}({'max' if self.length == MAX else self.length})"
        if self.name in ("datetime2", "datetimeoffset", "time"):
            return f"{self.name}({self.scale})"
        return self.name

    @property
    def is_sized(self) -> bool:
        """Whether the type is written with a length."""
        return self.name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary")

    @property
    def is_text(self) -> bool:
        """Whether values compare by the collation."""
        return self.name in ("char", "varchar", "nchar", "nvarchar", "xml")

    @property
    def is_unicode(self) -> bool:
        """Whether the text is UTF-16 on the server."""
        return self.name in ("nchar", "nvarchar", "xml")

    @property
    def is_integer(self) -> bool:
        """tinyint to bigint, and bit."""
        return self.name in _INT_DIGITS

    @property
    def is_money(self) -> bool:
        """money or smallmoney."""
        return self.name in ("money", "smallmoney")

    @property
    def is_exact(self) -> bool:
        """Integers, decimals and money."""
        return self.is_integer or self.is_money or self.name == "decimal"

    @property
    def is_float(self) -> bool:
        """float or real."""
        return self.name in ("float", "real")

    @property
    def is_number(self) -> bool:
        """Anything arithmetic works on."""
        return self.is_exact or self.is_float

    @property
    def is_temporal(self) -> bool:
        """Dates, times and their combinations."""
        return self.name in ("date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset")

    @property
    def is_timestamp(self) -> bool:
        """Date and time without an offset."""
        return self.name in ("datetime", "smalldatetime", "datetime2")

    @property
    def is_binary(self) -> bool:
        """Byte strings."""
        return self.name in ("binary", "varbinary", "rowversion")

    def as_decimal(self) -> "SqlType":
        """The decimal type that holds every value of this exact number type."""
        if self.name == "decimal":
            return self
        if self.name == "money":
            return decimal(19, 4)
        if self.name == "smallmoney":
            return decimal(10, 4)
        return decimal(_INT_DIGITS[self.name], 0)

    def duckdb(self) -> str:
        """The DuckDB type that stores this type's values."""
        if self.name == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return _DUCKDB.get(self.name, "VARCHAR")

    def arrow(self) -> pa.DataType:
        """The Arrow type of the session protocol."""
        if self.name == "decimal":
            return pa.decimal128(self.precision, self.scale)
        return _ARROW.get(self.name, pa.string())


def decimal(precision: int, scale: int) -> SqlType:
    """decimal(precision, scale)."""
    return SqlType("decimal", precision=precision, scale=scale)


def nvarchar(length: int) -> SqlType:
    """nvarchar(length), `MAX` above 4,000."""
    return SqlType("nvarchar", MAX if length == MAX or length > 4000 else max(length, 1))


def varchar(length: int) -> SqlType:
    """varchar(length), `MAX` above 8,000."""
    return SqlType("varchar", MAX if length == MAX or length > 8000 else max(length, 1))


BIT, TINYINT, SMALLINT, INT, BIGINT = (SqlType(n) for n in ("bit", "tinyint", "smallint", "int", "bigint"))
FLOAT, REAL, MONEY = SqlType("float"), SqlType("real"), SqlType("money")
DATE, DATETIME, TIME = SqlType("date"), SqlType("datetime"), SqlType("time", scale=7)
DATETIME2, DATETIMEOFFSET = SqlType("datetime2", scale=7), SqlType("datetimeoffset", scale=7)
GUID = SqlType("uniqueidentifier")
NULL = SqlType("null")


def parse_type(text: str, *, default_length: int = 30) -> SqlType:
    """Reads a T-SQL type as written in a declaration; raises `ValueError` for an unknown one.

    `default_length` is the length of a text type written without one (30 in CAST, 1 in DECLARE).
    """
    match = _TEXT.match(text)
    if not match:
        raise ValueError(f"not a type: {text!r}")
    written = " ".join(match[1].lower().split())
    name = _ALIASES.get(written, written)
    first, second = match[2], match[3]
    if written == "sysname":
        return nvarchar(128)
    if written in ("text", "ntext", "image"):
        return SqlType(name, MAX)
    if name == "decimal":
        precision, scale = int(first or 18), int(second or 0)
        if not 1 <= precision <= 38 or scale > precision:
            raise ValueError(f"precision or scale out of range: {text!r}")
        return decimal(precision, scale)
    if name == "float":
        return REAL if first and int(first) <= 24 else FLOAT
    if name in ("datetime2", "datetimeoffset", "time"):
        return SqlType(name, scale=7 if first is None else int(first))
    if name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"):
        if first is None:
            return SqlType(name, default_length)
        return SqlType(name, MAX if first.lower() == "max" else int(first))
    if name not in _RANK or name == "null":
        raise ValueError(f"unknown type: {text!r}")
    return SqlType(name)


def common(left: SqlType, right: SqlType) -> SqlType:
    """The type two branches of a CASE, COALESCE or UNION meet in, by SQL Server's precedence."""
    if left == right or right.name == "null":
        return left
    if left.name == "null":
        return right
    high, low = (left, right) if _RANK[left.name] <= _RANK[right.name] else (right, left)
    if high.name == "decimal" and low.is_exact:
        other = low.as_decimal()
        whole = max(high.precision - high.scale, other.precision - other.scale)
        scale = max(high.scale, other.scale)
        if whole + scale > 38:
            scale = max(38 - whole, 0)
        return decimal(min(whole + scale, 38), scale)
    if high.is_sized and low.is_sized:
        if MAX in (high.length, low.length):
            return replace(high, length=MAX)
        longest = max(high.length, low.length)
        # char and char of another length make a char; mixing fixed and variable makes a variable one.
        name = (
            high.name if high.name == low.name else {"nchar": "nvarchar", "char": "varchar"}.get(high.name, high.name)
        )
        return SqlType(name, longest)
    if high.name == low.name and high.is_temporal:
        return replace(high, scale=max(high.scale, low.scale))
    return high
