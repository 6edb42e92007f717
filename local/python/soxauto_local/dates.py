"""T-SQL's date functions: DATEADD, DATEDIFF, DATEPART, EOMONTH, the clocks and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from .casts import cast
from .errors import SqlError, unsupported
from .expr import Expr
from .scope import Scope
from .sqltypes import BIGINT, DATE, DATETIME, DATETIME2, DATETIMEOFFSET, INT, SqlType, nvarchar

if TYPE_CHECKING:
    from .expressions import ExpressionCompiler

_PARTS = {
    "year": "year", "yy": "year", "yyyy": "year", "quarter": "quarter", "qq": "quarter", "q": "quarter",
    "month": "month", "mm": "month", "m": "month", "dayofyear": "dayofyear", "dy": "dayofyear", "y": "dayofyear",
    "day": "day", "dd": "day", "d": "day", "week": "week", "wk": "week", "ww": "week", "weekday": "weekday", "dw": "weekday", "w": "weekday",
    "hour": "hour", "hh": "hour", "minute": "minute", "mi": "minute", "n": "minute", "second": "second", "ss": "second", "s": "second",
    "millisecond": "millisecond", "ms": "millisecond", "microsecond": "microsecond", "mcs": "microsecond",
    "iso_week": "iso_week", "isowk": "iso_week", "isoww": "iso_week",
}  # fmt: skip
_INTERVALS = {
    "year": "to_years({n})", "quarter": "to_months(3 * {n})", "month": "to_months({n})", "dayofyear": "to_days({n})",
    "day": "to_days({n})", "weekday": "to_days({n})", "week": "to_days(7 * {n})", "hour": "to_hours({n})",
    "minute": "to_minutes({n})", "second": "to_seconds({n})", "millisecond": "to_milliseconds({n})", "microsecond": "to_microseconds({n})",
}  # fmt: skip
_EXTRACT = {
    "year": "year({d})", "quarter": "quarter({d})", "month": "month({d})", "dayofyear": "dayofyear({d})", "day": "day({d})",
    "weekday": "(dayofweek({d}) + 1)", "hour": "hour({d})", "minute": "minute({d})", "second": "second({d})",
    "millisecond": "(microsecond({d}) % 1000000 // 1000)", "microsecond": "(microsecond({d}) % 1000000)", "iso_week": "weekofyear({d})",
    # Weeks start on Sunday; the first one holds 1 January.
    "week": "((dayofyear({d}) - 1 + dayofweek(CAST(date_trunc('year', {d}) AS DATE))) // 7 + 1)",
}  # fmt: skip


def _part(node: exp.Expression) -> str:
    name = node.name.lower()
    if not isinstance(node, (exp.Column, exp.Var, exp.Identifier)) or name not in _PARTS:
        raise SqlError(155, f"'{node.name}' is not a recognized datepart option.", severity=15)
    return _PARTS[name]


def _moment(expr: Expr) -> Expr:
    """A date argument; a text becomes a datetime2 as SQL Server's date functions do."""
    if expr.type.is_text or expr.is_null:
        return cast(expr, DATETIME2)
    if expr.type.is_integer:
        return cast(expr, DATETIME)
    if not expr.type.is_temporal:
        raise SqlError(8116, f"Argument data type {expr.type.name} is invalid for the date function.")
    return expr


def _dateadd(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    if len(nodes) != 3:
        raise SqlError(174, "The dateadd function requires 3 argument(s).", severity=15)
    part = _part(nodes[0])
    number, moment = cast(compiler.value(nodes[1], scope), INT), compiler.value(nodes[2], scope)
    if moment.type.is_text or moment.is_null or moment.type.is_integer:
        moment = cast(moment, DATETIME)
    if not moment.type.is_temporal:
        raise SqlError(8116, f"Argument data type {moment.type.name} is invalid for argument 3 of dateadd function.")
    if (
        part not in _INTERVALS
        or moment.type.name == "date"
        and part in ("hour", "minute", "second", "millisecond", "microsecond")
    ):
        raise SqlError(
            9810, f"The datepart {part} is not supported by date function dateadd for data type {moment.type.name}."
        )
    sql = f"({moment.sql} + {_INTERVALS[part].format(n=number.sql)})"
    if moment.type.name == "date":
        sql = f"CAST({sql} AS DATE)"
    elif moment.type.name == "time":
        raise unsupported("DATEADD over time")
    elif moment.type.name == "datetime" and part in ("millisecond", "microsecond"):
        sql = f"tsql_datetime({sql})"
    return Expr(sql, moment.type, moment.nullable or number.nullable)


def _datediff(to: SqlType) -> Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        if len(nodes) != 3:
            raise SqlError(174, "The datediff function requires 3 argument(s).", severity=15)
        part = _part(nodes[0])
        start, end = (cast(_moment(compiler.value(node, scope)), DATETIME2) for node in nodes[1:])
        if part == "week":  # boundaries between Saturday and Sunday
            weeks = [
                f"(date_diff('day', DATE '1899-12-31', CAST({e.sql} AS DATE)) + 700000) // 7" for e in (start, end)
            ]
            sql = f"({weeks[1]} - {weeks[0]})"
        else:
            name = {"dayofyear": "day", "weekday": "day", "iso_week": ""}.get(part, part)
            if not name:
                raise SqlError(9806, "The datepart iso_week is not supported by date function datediff.")
            sql = f"date_diff('{name}', {start.sql}, {end.sql})"
        return Expr(f"CAST({sql} AS {to.duckdb()})", to, start.nullable or end.nullable)

    return function


def _datepart(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    part = _part(nodes[0])
    moment = _moment(compiler.value(nodes[1], scope))
    return Expr(f"CAST({_EXTRACT[part].format(d=moment.sql)} AS INTEGER)", INT, moment.nullable)


def _extract(part: str) -> Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        return _datepart(compiler, [exp.Var(this=part), *nodes], scope)

    return function


def _datename(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    part = _part(nodes[0])
    moment = _moment(compiler.value(nodes[1], scope))
    names = {"month": "monthname({d})", "weekday": "dayname({d})"}
    sql = (
        names[part].format(d=moment.sql) if part in names else f"CAST({_EXTRACT[part].format(d=moment.sql)} AS VARCHAR)"
    )
    return Expr(sql, nvarchar(30), moment.nullable)


def _eomonth(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    moment = cast(_moment(compiler.value(nodes[0], scope)), DATE)
    sql = moment.sql
    if len(nodes) > 1:
        months = cast(compiler.value(nodes[1], scope), INT)
        sql = f"CAST({sql} + to_months({months.sql}) AS DATE)"
    return Expr(f"last_day({sql})", DATE, True)


def _fromparts(count: int, to: SqlType) -> Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        if len(nodes) != count:
            raise SqlError(174, f"The function requires {count} argument(s).", severity=15)
        parts = [cast(compiler.value(node, scope), INT) for node in nodes]
        nullable = any(p.nullable for p in parts)
        sqls = [f"CAST({p.sql} AS BIGINT)" for p in parts]
        if to == DATE:
            return Expr(f"make_date({', '.join(sqls)})", DATE, nullable)
        if count == 8:
            raise unsupported("DATETIME2FROMPARTS")
        seconds = f"({sqls[5]} + CAST({parts[6].sql} AS DOUBLE) / 1000)"
        return Expr(f"tsql_datetime(make_timestamp({', '.join(sqls[:5])}, {seconds}))", DATETIME, nullable)

    return function


def _datetrunc(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    part, moment = _part(nodes[0]), _moment(compiler.value(nodes[1], scope))
    if part in ("week", "weekday", "iso_week"):
        raise unsupported(f"DATETRUNC({part})")
    part = "day" if part == "dayofyear" else part
    return Expr(f"CAST(date_trunc('{part}', {moment.sql}) AS {moment.type.duckdb()})", moment.type, moment.nullable)


def _isdate(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value = compiler.value(nodes[0], scope)
    if value.type.is_temporal:
        return Expr(f"CASE WHEN {value.sql} IS NULL THEN 0 ELSE 1 END", INT, False)
    return Expr(
        f"CASE WHEN tsql_try_timestamp({value.sql}) IS NULL OR trim({value.sql}, ' ') = '' THEN 0 ELSE 1 END",
        INT,
        False,
    )


def _clock(to: SqlType) -> Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]:
    """The server's clock: UTC, one instant per statement."""

    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        stamp = compiler.context.now.isoformat(sep=" ", timespec="microseconds")
        if to.name == "datetimeoffset":
            return Expr(f"TIMESTAMP WITH TIME ZONE '{stamp}+00:00'", to, False)
        sql = f"TIMESTAMP '{stamp}'"
        return Expr(f"tsql_datetime({sql})" if to == DATETIME else sql, to, False)

    return function


FUNCTIONS = {
    "DATEADD": _dateadd,
    "DATEDIFF": _datediff(INT),
    "DATEDIFF_BIG": _datediff(BIGINT),
    "DATEPART": _datepart,
    "DATENAME": _datename,
    "YEAR": _extract("year"),
    "MONTH": _extract("month"),
    "DAY": _extract("day"),
    "EOMONTH": _eomonth,
    "DATEFROMPARTS": _fromparts(3, DATE),
    "DATETIMEFROMPARTS": _fromparts(7, DATETIME),
    "DATETRUNC": _datetrunc,
    "ISDATE": _isdate,
    "GETDATE": _clock(DATETIME),
    "GETUTCDATE": _clock(DATETIME),
    "SYSDATETIME": _clock(DATETIME2),
    "SYSUTCDATETIME": _clock(DATETIME2),
    "SYSDATETIMEOFFSET": _clock(DATETIMEOFFSET),
}
