"""SQL Server's errors: number, state, class, message; and how DuckDB's failures become them."""

from __future__ import annotations

import re


class SqlError(Exception):
    """An error as a client of SQL Server sees it."""

    def __init__(self, number: int, message: str, *, severity: int = 16, state: int = 1, line: int = 1) -> None:
        super().__init__(message)
        self.number, self.message, self.severity, self.state, self.line = number, message, severity, state, line

    def to_json(self) -> dict[str, object]:
        """The payload of an `E` frame."""
        return {
            "number": self.number,
            "state": self.state,
            "class": self.severity,
            "message": self.message,
            "line": self.line,
        }


def syntax(near: str, detail: str = "") -> SqlError:
    """102: the text cannot be read."""
    return SqlError(102, f"Incorrect syntax near '{near}'.{' ' + detail if detail else ''}", severity=15)


def unsupported(what: str) -> SqlError:
    """40510: real T-SQL that this stand-in does not translate. It refuses rather than answer wrongly."""
    return SqlError(40510, f"The stand-in for SQL Server does not support {what}.")


def invalid_object(name: str) -> SqlError:
    """208: no such table or view."""
    return SqlError(208, f"Invalid object name '{name}'.")


def invalid_column(name: str) -> SqlError:
    """207: no such column."""
    return SqlError(207, f"Invalid column name '{name}'.")


def undeclared(name: str) -> SqlError:
    """137: variable or parameter without a declaration."""
    return SqlError(137, f'Must declare the scalar variable "{name}".', severity=15)


def conversion(value: str, source: str, target: str) -> SqlError:
    """245, 241, 8114, 235 or 8169 by target: a text that is not a value of the type."""
    number, message = conversion_message(source, target)
    return SqlError(number, message.replace("{value}", value))


def conversion_message(source: str, target: str) -> tuple[int, str]:
    """Number and message (with `{value}` where the text goes) of a failed conversion from text."""
    if target in ("date", "datetime", "smalldatetime", "datetime2", "datetimeoffset", "time"):
        return 241, "Conversion failed when converting date and/or time from character string."
    if target in ("decimal", "float", "real"):
        return 8114, f"Error converting data type {source} to {'numeric' if target == 'decimal' else target}."
    if target in ("money", "smallmoney"):
        return 235, "Cannot convert a char value to money. The char value has incorrect syntax."
    if target == "uniqueidentifier":
        return 8169, "Conversion failed when converting from a character string to uniqueidentifier."
    return 245, f"Conversion failed when converting the {source} value '{{value}}' to data type {target}."


_MARK = re.compile(r"@@TSQL\|(\d+)\|(.*?)\|@@", re.S)
"""What the engine's own macros put into `error()`: number, message."""

_INT_NAMES = {
    "INT8": "tinyint",
    "UINT8": "tinyint",
    "INT16": "smallint",
    "INT32": "int",
    "INT64": "bigint",
    "INT128": "bigint",
}


def from_duckdb(error: BaseException) -> SqlError:
    """The SQL Server error for a failure that DuckDB reported while running translated SQL."""
    text = str(error)
    marked = _MARK.search(text)
    if marked:
        return SqlError(int(marked[1]), marked[2])
    first = text.split("\n", 1)[0]
    if re.search(r"interrupt", first, re.I):
        return SqlError(0, "Operation cancelled by user.", severity=11)
    if "Division by zero" in first:
        return SqlError(8134, "Divide by zero error encountered.")
    text_to_int = re.search(r"Could not convert string ['\"](.*?)['\"] to (U?INT\d+)", text, re.S)
    if text_to_int:
        target = _INT_NAMES.get(text_to_int[2], "int")
        if re.fullmatch(r"\s*[+-]?\d+\s*", text_to_int[1]):
            return SqlError(
                248, f"The conversion of the nvarchar value '{text_to_int[1]}' overflowed an {target} column."
            )
        return conversion(text_to_int[1], "nvarchar", target)
    text_to_decimal = re.search(r"Could not convert string ['\"](.*?)['\"] to DECIMAL", text, re.S)
    if text_to_decimal:
        if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*", text_to_decimal[1]):
            return SqlError(8115, "Arithmetic overflow error converting nvarchar to data type numeric.")
        return conversion(text_to_decimal[1], "nvarchar", "decimal")
    if re.search(r"Could not convert string .* to (DOUBLE|FLOAT)", text, re.S):
        return conversion("", "nvarchar", "float")
    if re.search(
        r"(date|time|timestamp) field value out of range|invalid (date|time|timestamp)|Could not parse string|Date out of range",
        text,
        re.I,
    ):
        return SqlError(241, "Conversion failed when converting date and/or time from character string.")
    overflow = re.search(r"destination type (U?INT\d+)|Failed to cast decimal value \S+ to type (U?INT\d+)", text)
    if overflow:
        return SqlError(
            8115,
            f"Arithmetic overflow error converting expression to data type {_INT_NAMES.get(overflow[1] or overflow[2], 'int')}.",
        )
    ints = re.search(r"Overflow in \w+ of (U?INT\d+)", text)
    if ints:
        return SqlError(
            8115, f"Arithmetic overflow error converting expression to data type {_INT_NAMES.get(ints[1], 'int')}."
        )
    if "DECIMAL" in first and ("out of range" in text or "Overflow" in text or "failed" in text) or "HUGEINT" in first:
        return SqlError(8115, "Arithmetic overflow error converting numeric to data type numeric.")
    if re.search(r"Overflow|out of range|Out of Range", text):
        return SqlError(8115, "Arithmetic overflow error converting expression to the data type of the result.")
    if "More than one row returned by a subquery" in text:
        return SqlError(
            512,
            "Subquery returned more than 1 value. This is not permitted when the subquery follows "
            "=, !=, <, <= , >, >= or when the subquery is used as an expression.",
        )
    if "NOT NULL constraint failed" in text:
        return SqlError(515, f"Cannot insert the value NULL into a column that does not allow nulls. {first}")
    if "Out of Memory" in text:
        return SqlError(
            701,
            f"There is insufficient system memory in resource pool 'default' to run this query. {first}",
            severity=17,
        )
    return SqlError(50000, f"The engine failed: {first}")
