"""What goes wrong in the Redshift stand-in: a failed statement, or a refused request."""

from __future__ import annotations

import re


class StatementError(Exception):
    """A statement failed; the text is what `DescribeStatement` reports as `Error`."""


class ApiError(Exception):
    """The Data API refuses a request: the exception's name in the service model, and its message."""

    def __init__(self, code: str, message: str, **extra: str) -> None:
        super().__init__(message)
        self.code, self.message, self.extra = code, message, extra


def validation(message: str) -> ApiError:
    """ValidationException."""
    return ApiError("ValidationException", message)


def not_found(identifier: str) -> ApiError:
    """ResourceNotFoundException."""
    return ApiError("ResourceNotFoundException", f"Query {identifier} does not exist.", ResourceId=identifier)


def from_duckdb(error: BaseException) -> StatementError:
    """Redshift's wording for a failure of the engine underneath."""
    text = str(error)
    first = text.split("\n", 1)[0]
    wide = re.search(r"CHECK constraint failed.*?(?:strlen|octet_length)\(.*?\)\s*<=\s*(?:CAST\()?'?(\d+)", text)
    if wide:
        return StatementError(f"ERROR: value too long for type character varying({wide[1]})")
    null = re.search(r"NOT NULL constraint failed: \S+?\.(\S+)", text)
    if null:
        return StatementError(f"ERROR: Cannot insert a NULL value into column {null[1]}")
    relation = re.search(r"Table with name (\S+) does not exist", text)
    if relation:
        return StatementError(f'ERROR: relation "{relation[1]}" does not exist')
    schema = re.search(r"Schema with name (\S+) does not exist", text)
    if schema:
        return StatementError(f'ERROR: schema "{schema[1]}" does not exist')
    column = re.search(r'Referenced column "(.+?)" not found|does not have a column named "(.+?)"', text)
    if column:
        return StatementError(f'ERROR: column "{column[1] or column[2]}" does not exist')
    exists = re.search(r'(?:Table|View) with name "(.+?)" already exists', text)
    if exists:
        return StatementError(f'ERROR: Relation "{exists[1]}" already exists')
    integer = re.search(r"Could not convert string '(.*)' to U?INT", text, re.S)
    if integer:
        return StatementError(f'ERROR: invalid input syntax for integer: "{integer[1]}"')
    if re.search(r"onflict", first):
        return StatementError("ERROR: 1023 DETAIL: Serializable isolation violation on table in Redshift")
    if re.search(r"out of range|Overflow|overflow", text):
        return StatementError(f"ERROR: Numeric data overflow (result precision). {first}")
    return StatementError(f"ERROR: {first}")
