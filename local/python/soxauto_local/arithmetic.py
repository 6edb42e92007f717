"""Operators: SQL Server's result types for `+ - * / %`, bit operators and comparisons.

Decimals are exact: division and wide products go through 128-bit integers at the scale that SQL
Server's rules give, and anything that does not fit is error 8115, never a rounded float.
"""

from __future__ import annotations

from .casts import cast
from .errors import SqlError, unsupported
from .expr import Expr, key
from .sqltypes import FLOAT, INT, MONEY, NULL, SqlType, common, decimal, nvarchar, varchar, MAX


def exact(expr: Expr) -> SqlType:
    """The decimal type of an exact operand; an integer literal counts its own digits."""
    if expr.constant is not None and expr.type.is_integer:
        return decimal(max(len(expr.constant.lstrip("-0")), 1), 0)
    return expr.type.as_decimal()


def from_unscaled(unscaled: str, to: SqlType) -> str:
    """A decimal of the type from the 128-bit integer that holds its digits."""
    if to.scale == 0:
        return f"CAST({unscaled} AS {to.duckdb()})"
    return f"CAST(tsql_scaled({unscaled}, {10**to.scale}::HUGEINT, {to.scale}) AS {to.duckdb()})"


def quotient(dividend: str, dividend_scale: int, divisor: str, divisor_scale: int, to: SqlType) -> str:
    """dividend / divisor truncated at the scale of `to`; both are unscaled integers."""
    shift = to.scale - dividend_scale + divisor_scale
    if shift < 0:
        divisor, shift = f"({divisor} * {10**-shift}::HUGEINT)", 0
    return from_unscaled(f"tsql_quotient({dividend}, {divisor}, {10**shift}::HUGEINT)", to)


def arithmetic(operator: str, left: Expr, right: Expr) -> Expr:
    """`left operator right` for `+ - * / %`; raises 402, 8117 or 206 for types that do not meet."""
    if left.is_null and right.is_null:
        return Expr("CAST(NULL AS INTEGER)", INT, True)
    if left.is_null:
        left = cast(left, right.type)
    if right.is_null:
        right = cast(right, left.type)
    nullable = left.nullable or right.nullable
    if operator == "+" and left.type.is_text and right.type.is_text:
        return concatenate(left, right)
    for one, other in ((left, right), (right, left)):
        if one.type.is_timestamp or one.type.name == "date":
            return _date_arithmetic(operator, left, right)
        if one.type.is_text and other.type.is_number:
            return arithmetic(operator, *(cast(e, other.type) if e.type.is_text else e for e in (left, right)))
    if not (left.type.is_number and right.type.is_number):
        words = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
        raise SqlError(
            402,
            f"The data types {left.type.name} and {right.type.name} are incompatible in the {words[operator]} operator.",
        )
    if left.type.is_float or right.type.is_float:
        to = common(left.type, right.type)
        a, b = cast(left, to).sql, cast(right, to).sql
        if operator == "%":
            raise SqlError(402, "The data types float and float are incompatible in the modulo operator.")
        result = f"({a} / tsql_nz({b}))" if operator == "/" else f"({a} {operator} {b})"
        return Expr(f"tsql_finite({result})", to, nullable)
    if left.type.is_integer and right.type.is_integer:
        return _integers(operator, left, right, nullable)
    if left.type.is_money or right.type.is_money:
        if all(e.type.is_money or e.type.is_integer for e in (left, right)):
            return _money(operator, left, right, nullable)
    return _decimals(operator, left, right, nullable)


def concatenate(left: Expr, right: Expr) -> Expr:
    """Text + text: NULL if either is NULL."""
    lengths = (left.type.length, right.type.length)
    unicode = left.type.is_unicode or right.type.is_unicode
    length = MAX if MAX in lengths else min(sum(lengths), 4000 if unicode else 8000)
    to = nvarchar(length) if unicode else varchar(length)
    return Expr(f"({left.sql} || {right.sql})", to, left.nullable or right.nullable)


def _integers(operator: str, left: Expr, right: Expr, nullable: bool) -> Expr:
    to = common(left.type, right.type)
    if to.name == "bit":
        raise SqlError(402, "The data types bit and bit are incompatible in the operator.")
    a, b = cast(left, to).sql, cast(right, to).sql
    if operator in "/%":
        if not (right.constant and right.constant.lstrip("-0")):
            b = f"tsql_nz({b})"
        return Expr(f"CAST({a} {'//' if operator == '/' else '%'} {b} AS {to.duckdb()})", to, nullable)
    return Expr(f"({a} {operator} {b})", to, nullable)


def _money(operator: str, left: Expr, right: Expr, nullable: bool) -> Expr:
    a, b = (f"CAST({cast(e, MONEY).sql} AS DECIMAL(38,4))" for e in (left, right))
    if operator == "/":
        sql = quotient(f"tsql_unscaled({a})", 4, f"tsql_unscaled({b})", 4, decimal(38, 4))
    elif operator == "%":
        sql = f"({a} % tsql_nz({b}))"
    else:
        sql = f"({a} {operator} {b})"
    return Expr(f"CAST({sql} AS DECIMAL(19,4))", MONEY, nullable)


def _fit(precision: int, scale: int) -> SqlType:
    """A decimal result type brought into 38 digits by SQL Server's rule for `*` and `/`."""
    if precision <= 38:
        return decimal(precision, scale)
    return decimal(38, max(38 - (precision - scale), min(scale, 6)))


def _decimals(operator: str, left: Expr, right: Expr, nullable: bool) -> Expr:
    a, b = exact(left), exact(right)
    if operator in "+-%":
        whole, scale = max(a.precision - a.scale, b.precision - b.scale), max(a.scale, b.scale)
        if operator == "%":
            whole = min(a.precision - a.scale, b.precision - b.scale)
            wide = decimal(38, scale)
            to = decimal(min(whole + scale, 38), scale)
            sql = f"({_as(left, wide)} % tsql_nz({_as(right, wide)}))"
            return Expr(f"CAST({sql} AS {to.duckdb()})", to, nullable)
        if whole + scale + 1 > 38:
            scale = min(scale, 38 - whole)
        to = decimal(min(whole + scale + 1, 38), scale)
        return Expr(f"CAST({_as(left, to)} {operator} {_as(right, to)} AS {to.duckdb()})", to, nullable)
    if operator == "*":
        to = _fit(a.precision + b.precision + 1, a.scale + b.scale)
        if a.precision + b.precision < 38 or a.scale + b.scale <= 20:
            wide = f"({_as(left, decimal(38, a.scale))} * {_as(right, decimal(38, b.scale))})"
            return Expr(f"CAST({wide} AS {to.duckdb()})", to, nullable)
        if max(a.scale, b.scale) > 20 or to.scale >= 20:
            raise unsupported(f"the product of {a} and {b}")
        parts = ", ".join(f"tsql_unscaled({_as(e, decimal(38, 20))})" for e in (left, right))
        sql = from_unscaled(f"tsql_product20({parts})", decimal(38, 20))
        return Expr(f"CAST({sql} AS {to.duckdb()})", to, nullable)
    scale = max(6, a.scale + b.precision + 1)
    to = _fit(a.precision - a.scale + b.scale + scale, scale)
    sql = quotient(
        f"tsql_unscaled({_as(left, a)})", a.scale, f"tsql_unscaled({_as(right, b)})", b.scale, decimal(38, to.scale)
    )
    return Expr(f"CAST({sql} AS {to.duckdb()})", to, nullable)


def _as(expr: Expr, to: SqlType) -> str:
    return expr.sql if expr.type == to else f"CAST({expr.sql} AS {to.duckdb()})"


def _date_arithmetic(operator: str, left: Expr, right: Expr) -> Expr:
    nullable = left.nullable or right.nullable
    if left.type.name in ("datetime", "smalldatetime") and right.type.is_integer and operator in "+-":
        days = f"to_days(CAST({right.sql} AS INTEGER))"
        return Expr(f"({left.sql} {operator} {days})", left.type, nullable)
    if right.type.name in ("datetime", "smalldatetime") and left.type.is_integer and operator == "+":
        return Expr(f"({right.sql} + to_days(CAST({left.sql} AS INTEGER)))", right.type, nullable)
    if "datetime" in (left.type.name, right.type.name):
        raise unsupported(f"{left.type.name} {operator} {right.type.name}")
    raise SqlError(206, f"Operand type clash: {left.type.name} is incompatible with {right.type.name}")


def bitwise(operator: str, left: Expr, right: Expr) -> Expr:
    """`& | ^` over integers."""
    to = common(left.type, right.type)
    if not (to.is_integer and left.type.is_integer and right.type.is_integer):
        raise SqlError(
            402, f"The data types {left.type.name} and {right.type.name} are incompatible in the '{operator}' operator."
        )
    if to.name == "bit":
        raise unsupported("bit operators over bit")
    a, b = cast(left, to).sql, cast(right, to).sql
    sql = f"xor({a}, {b})" if operator == "^" else f"({a} {operator} {b})"
    return Expr(sql, to, left.nullable or right.nullable)


def meet(left: Expr, right: Expr) -> tuple[str, str]:
    """Both sides ready for DuckDB's comparison: same type, texts by the collation."""
    if left.is_null or right.is_null:
        other = right if left.is_null else left
        to = other.type if other.type != NULL else INT
        left, right = cast(left, to), cast(right, to)
        return key(left), key(right)
    if left.type.is_text and right.type.is_text:
        return key(left), key(right)
    if left.type.is_exact and right.type.is_exact and not (left.type.is_integer and right.type.is_integer):
        a, b = exact(left), exact(right)
        whole, scale = max(a.precision - a.scale, b.precision - b.scale), max(a.scale, b.scale)
        to = decimal(min(whole + scale, 38), scale)  # wider than 38: overflow is an error, not a rounding
        return _as(left, to), _as(right, to)
    to = common(left.type, right.type)
    if to.is_temporal and not (left.type.is_temporal or left.type.is_text) or to.name == "xml":
        raise SqlError(206, f"Operand type clash: {left.type.name} is incompatible with {right.type.name}")
    if (
        {left.type.name, right.type.name} == {"date", "time"}
        or "time" in (left.type.name, right.type.name)
        and not ({left.type.name, right.type.name} <= {"time", "char", "varchar", "nchar", "nvarchar"})
    ):
        raise SqlError(
            402, f"The data types {left.type.name} and {right.type.name} are incompatible in the comparison operator."
        )
    if left.type.is_float or right.type.is_float:
        to = FLOAT
    if to.is_timestamp:
        # Comparisons do not round: a date, a datetime and a datetime2 compare as instants.
        return _instant(left, to), _instant(right, to)
    return cast(left, to).sql, cast(right, to).sql


def _instant(expr: Expr, to: SqlType) -> str:
    if expr.type.is_timestamp:
        return expr.sql
    return cast(expr, to).sql


def compare(operator: str, left: Expr, right: Expr) -> str:
    """A DuckDB predicate."""
    a, b = meet(left, right)
    return f"({a} {operator} {b})"
