"""Bound values: from the protocol's canonical text to what DuckDB binds, by the declared type.

A value is bound as text and cast to its type inside the statement, so that a decimal never
passes through a float and a date never through a local clock.
"""

from __future__ import annotations

import re

from .errors import SqlError, conversion, unsupported
from .sqltypes import SqlType, parse_type


def bind(value: str | None, kind: SqlType) -> object:
    """The DuckDB binding of a parameter's canonical text; raises 8114 for a text that is not of the type."""
    if value is None:
        return None
    try:
        if kind.name == "bit":
            return {"0": False, "1": True, "false": False, "true": True}[value.lower()]
        if kind.is_integer:
            return int(value)
        if kind.is_float:
            return float(value)
        if kind.is_binary:
            return bytes.fromhex(value)
    except (KeyError, ValueError):
        raise conversion(value, "nvarchar", kind.name) from None
    if kind.is_temporal:
        fraction = re.search(r"\.(\d{7})", value)
        if fraction:
            if fraction[1][6] != "0":
                raise unsupported(f"the 100 ns digit of '{value}' (it keeps microseconds)")
            value = value.replace(fraction[1], fraction[1][:6])
    return value


def read_declarations(text: str) -> dict[str, SqlType]:
    """`@cutoff datetime, @x decimal(38,20)` as lower-case names with types; raises 102 or 2715."""
    declared: dict[str, SqlType] = {}
    depth, part, parts = 0, "", []
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    for item in [*parts, part]:
        if not item.strip():
            continue
        match = re.fullmatch(
            r"\s*(@[\w@#$]+)\s+(?:AS\s+)?(.+?)\s*(?:=.*?)?(?:\s+(?:OUT|OUTPUT|READONLY))?\s*", item, re.I | re.S
        )
        if not match:
            raise SqlError(102, f"Incorrect syntax near '{item.strip()}' in the parameter declaration.", severity=15)
        if re.search(r"\s(OUT|OUTPUT|READONLY)\s*$", item, re.I):
            raise unsupported(f"OUTPUT and READONLY parameters ({match[1]})")
        try:
            declared[match[1].lower()] = parse_type(match[2], default_length=1)
        except ValueError:
            raise SqlError(
                2715, f"Column, parameter, or variable {match[1]}: Cannot find data type {match[2]}."
            ) from None
    return declared
