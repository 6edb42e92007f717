"""CAST, CONVERT and SQL Server's implicit conversions, as DuckDB SQL.

A failed conversion is an error with SQL Server's number, never NULL (unless TRY_ asks for it);
decimals round half away from zero, numbers to integers truncate, texts are cut to their length
only where SQL Server cuts them.
"""

from __future__ import annotations

import re
from datetime import datetime

from .errors import SqlError, conversion, unsupported
from .expr import Expr, text
from .sqltypes import DATETIME, MAX, SqlType, decimal

_DATE_STYLES = {
    101: "%m/%d/%Y", 102: "%Y.%m.%d", 103: "%d/%m/%Y", 104: "%d.%m.%Y", 105: "%d-%m-%Y", 106: "%d %b %Y",
    107: "%b %d, %Y", 108: "%H:%M:%S", 110: "%m-%d-%Y", 111: "%Y/%m/%d", 112: "%Y%m%d", 114: "%H:%M:%S:%g",
    120: "%Y-%m-%d %H:%M:%S", 20: "%Y-%m-%d %H:%M:%S", 121: "%Y-%m-%d %H:%M:%S.%g", 21: "%Y-%m-%d %H:%M:%S.%g",
    126: "%Y-%m-%dT%H:%M:%S", 23: "%Y-%m-%d", 24: "%H:%M:%S", 8: "%H:%M:%S",
    1: "%m/%d/%y", 3: "%d/%m/%y", 4: "%d.%m.%y", 12: "%y%m%d",
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_TEMPORAL_LITERALS = {"date": "DATE", "datetime": "TIMESTAMP", "smalldatetime": "TIMESTAMP", "datetime2": "TIMESTAMP"}


def cast(expr: Expr, to: SqlType, *, style: int | None = None, attempt: bool = False, implicit: bool = False) -> Expr:
    """`expr` as a value of `to`; `attempt` is TRY_CAST; `implicit` conversions that SQL Server refuses raise 529 or 206."""
    source = expr.type
    if expr.is_null:
        return Expr(f"CAST(NULL AS {to.duckdb()})", to, True)
    if source == to:
        return expr
    if source.is_text and expr.constant is not None and not to.is_text and style is None:
        try:
            return _constant(expr.constant, source, to)
        except SqlError:
            if attempt:
                return Expr(f"CAST(NULL AS {to.duckdb()})", to, True)
            raise
    sql = _to(expr, source, to, style, attempt, implicit)
    return Expr(sql, to, expr.nullable or attempt)


def _to(expr: Expr, source: SqlType, to: SqlType, style: int | None, attempt: bool, implicit: bool) -> str:
    if to.is_text:
        return _to_text(expr, source, to, style, attempt, implicit)
    if source.name == "time" and not (to.is_timestamp or to.name == "time"):
        raise _refused(source, to)
    if to.name == "bit":
        if source.is_text:
            word = f"lower(trim({expr.sql}, ' '))"
            digits = _digits(expr.sql, to, attempt)
            return f"CASE WHEN {word} = 'true' THEN TRUE WHEN {word} = 'false' THEN FALSE ELSE {digits} <> 0 END"
        if source.is_number:
            return f"({expr.sql} <> 0)"
    elif to.is_integer:
        function = "TRY_CAST" if attempt else "CAST"
        if source.is_text:
            return f"{function}({_digits(expr.sql, to, attempt, numeric=False)} AS {to.duckdb()})"
        if source.is_integer:
            return f"{function}({expr.sql} AS {to.duckdb()})"
        if source.is_money:  # money rounds where decimal truncates
            return f"{function}(round({expr.sql}, 0) AS {to.duckdb()})"
        if source.is_number:
            return f"{function}(trunc({expr.sql}) AS {to.duckdb()})"
    elif to.name == "decimal" or to.is_money or to.is_float:
        return _to_number(expr, source, to, attempt)
    elif to.is_temporal:
        return _to_temporal(expr, source, to, style, attempt, implicit)
    elif to.name == "uniqueidentifier" and source.is_text:
        bare = f"upper(trim({expr.sql}, '{{}} '))"
        fits = f"regexp_full_match({bare}, '[0-9A-F]{{8}}(-[0-9A-F]{{4}}){{3}}-[0-9A-F]{{12}}')"
        failure = (
            "NULL"
            if attempt
            else (
                "error('@@TSQL|8169|Conversion failed when converting from a character string to uniqueidentifier.|@@')"
            )
        )
        return f"CASE WHEN {expr.sql} IS NULL THEN NULL WHEN {fits} THEN {bare} ELSE {failure} END"
    elif to.is_binary and source.is_binary:
        return expr.sql if to.length in (MAX, 0) or 0 < source.length <= to.length else _cut_binary(expr.sql, to.length)
    elif to.is_binary and source.is_text and style in (1, 2):
        return f"from_hex({'substring(%s, 3)' % expr.sql if style == 1 else expr.sql})"
    raise _refused(source, to)


def _refused(source: SqlType, to: SqlType) -> SqlError:
    return SqlError(529, f"Explicit conversion from data type {source.name} to {to.name} is not allowed.")


def _cut_binary(sql: str, length: int) -> str:
    return f"from_hex(substring(hex({sql}), 1, {2 * length}))"


def _digits(sql: str, to: SqlType, attempt: bool, numeric: bool = True) -> str:
    digits = f"tsql_try_int_text({sql})" if attempt else f"tsql_int_text({sql}, '{to.name}')"
    return f"CAST({digits} AS HUGEINT)" if numeric else digits


def _to_number(expr: Expr, source: SqlType, to: SqlType, attempt: bool) -> str:
    function = "TRY_CAST" if attempt else "CAST"
    prefix = "tsql_try" if attempt else "tsql"
    if source.is_text:
        if to.is_float:
            return f"{function}({prefix}_float_text({expr.sql}) AS {to.duckdb()})"
        plain = f"replace(replace({expr.sql}, ',', ''), '$', '')" if to.is_money else expr.sql
        return f"{function}({prefix}_dec_text({plain}) AS {to.duckdb()})"
    if source.name == "bit":
        return f"CAST(CAST({expr.sql} AS INTEGER) AS {to.duckdb()})"
    if source.is_number:
        return f"{function}({expr.sql} AS {to.duckdb()})"
    raise _refused(source, to)


def _to_temporal(expr: Expr, source: SqlType, to: SqlType, style: int | None, attempt: bool, implicit: bool) -> str:
    sql = expr.sql
    if source.is_text:
        if style is not None and style not in _DATE_STYLES and style not in (0, 100, 127, 130, 131):
            raise unsupported(f"CONVERT style {style}")
        if style in (103, 104, 105, 3, 4, 112, 101, 110, 111, 102):
            sql = f"tsql_styled({sql}, '{_DATE_STYLES[style]}')"
            if attempt:
                raise unsupported("TRY_CONVERT from text with a style")
        else:
            sql = f"{'tsql_try_timestamp' if attempt else 'tsql_timestamp'}({sql})"
        source = DATETIME if to.name == "datetime" else SqlType("datetime2", scale=7)
        if to.name == "datetime":
            return f"tsql_datetime({sql})"
    elif source.is_integer or source.name in ("decimal", "float"):
        if to.name not in ("datetime", "smalldatetime"):
            raise SqlError(206, f"Operand type clash: {source.name} is incompatible with {to.name}")
        if not source.is_integer:
            raise unsupported(f"a conversion from {source.name} to {to.name}")
        return f"(TIMESTAMP '1900-01-01' + to_days(CAST({sql} AS INTEGER)))"
    elif not source.is_temporal:
        raise _refused(source, to)
    if to.name == "date":
        return f"CAST({sql} AS DATE)"
    if to.name == "time":
        if source.name != "time":
            sql = f"CAST({sql} AS TIMESTAMP)"
        if to.scale < 6 and not (source.name == "time" and source.scale <= to.scale):
            of_day = f"(DATE '1900-01-01' + CAST({sql} AS TIME))"
            sql = f"tsql_round_us({of_day}, {10 ** (6 - to.scale)})"
        return f"CAST({sql} AS TIME)"
    if source.name == "time":
        return f"(DATE '1900-01-01' + {sql})"
    if to.name == "datetimeoffset":
        if to.scale < 6 and not (source.name == "datetimeoffset" and source.scale <= to.scale):
            sql = f"tsql_round_us(CAST({sql} AS TIMESTAMP), {10 ** (6 - to.scale)})"
        return f"CAST({sql} AS TIMESTAMP WITH TIME ZONE)"
    sql = f"CAST({sql} AS TIMESTAMP)"
    if source.name == "date" or to.name == "datetime" and source.name == "smalldatetime":
        return sql
    if to.name == "datetime":
        return f"tsql_datetime({sql})"
    if to.name == "smalldatetime":
        return f"tsql_round_us({sql}, 60000000)"
    if to.scale < 6 and not (source.name == "datetime2" and source.scale <= to.scale):
        return f"tsql_round_us({sql}, {10 ** (6 - to.scale)})"
    return sql


def _to_text(expr: Expr, source: SqlType, to: SqlType, style: int | None, attempt: bool, implicit: bool) -> str:
    fixed = to.name in ("char", "nchar")
    sql = expr.sql
    if source.is_text:
        if not (fixed or to.length == MAX or 0 < source.length <= to.length):
            sql = f"left({sql}, {to.length})"
    elif source.is_binary:
        if style not in (1, 2):
            raise unsupported(f"a conversion from {source.name} to {to.name} without style 1 or 2")
        sql = f"hex({sql})"
        if style == 1:
            sql = f"('0x' || {sql})"
    else:
        sql = _number_text(sql, source, style) if source.is_number else _temporal_text(sql, source, style)
        if to.length != MAX and (source.is_exact or source.name == "uniqueidentifier"):
            # A number that does not fit is an error (or '*' for the small integer types), never cut.
            too_long = (
                "'*'"
                if source.is_integer and not to.is_unicode
                else (
                    "NULL"
                    if attempt
                    else f"error('@@TSQL|8115|Arithmetic overflow error converting {source.name} to data type {to.name}.|@@')"
                )
            )
            if to.length < 40:
                sql = f"CASE WHEN length({sql}) > {to.length} THEN {too_long} ELSE {sql} END"
        elif to.length != MAX and to.length < 40:
            sql = f"left({sql}, {to.length})"
    return f"rpad({sql}, {to.length}, ' ')" if fixed else sql


def _number_text(sql: str, source: SqlType, style: int | None) -> str:
    if source.name == "bit":
        return f"CAST(CAST({sql} AS INTEGER) AS VARCHAR)"
    if source.is_integer:
        return f"CAST({sql} AS VARCHAR)"
    if source.is_money:
        return f"CAST(CAST({sql} AS DECIMAL(38,{4 if style == 2 else 2})) AS VARCHAR)"
    if source.name == "decimal":
        # DuckDB writes .5 for a decimal without whole digits.
        wide = f"CAST({sql} AS DECIMAL(38,{source.scale}))" if source.precision == source.scale < 38 else sql
        return f"CAST({wide} AS VARCHAR)"
    if style in (None, 0):
        return f"regexp_replace(printf('%g', CAST({sql} AS DOUBLE)), 'e([+-])([0-9][0-9])$', 'e\\10\\2')"
    raise unsupported(f"CONVERT of a float with style {style}")


def _temporal_text(sql: str, source: SqlType, style: int | None) -> str:
    if source.name == "uniqueidentifier":
        return sql
    if style is None:
        style = 0 if source.name in ("datetime", "smalldatetime") else 121
    stamp = (
        f"CAST({sql} AS TIMESTAMP)" if source.name != "time" else f"(DATE '1900-01-01' + {sql})"
    )
    if style in (0, 100):
        day = f"lpad(CAST(day({stamp}) AS VARCHAR), 2, ' ')"
        hour = f"lpad(CAST((hour({stamp}) + 11) % 12 + 1 AS VARCHAR), 2, ' ')"
        return (
            f"(strftime({stamp}, '%b ') || {day} || strftime({stamp}, ' %Y ') || {hour} || strftime({stamp}, ':%M%p'))"
        )
    if style in (121, 21):
        if source.name == "date":
            return f"strftime({stamp}, '%Y-%m-%d')"
        digits = 3 if source.name == "datetime" else 0 if source.name == "smalldatetime" else source.scale
        form = "%H:%M:%S" if source.name == "time" else "%Y-%m-%d %H:%M:%S"
        base = f"strftime({stamp}, '{form}.%f')"
        return f"left({base} || '0', length({base}) - {6 - digits if digits else 7})"
    if style == 126 and source.name != "date":
        return f"regexp_replace(strftime({stamp}, '%Y-%m-%dT%H:%M:%S.%g'), '[.]000$', '')"
    if style == 126:
        style = 23
    if style in (120, 20) and source.name == "date":
        style = 23
    if style not in _DATE_STYLES:
        raise unsupported(f"CONVERT style {style}")
    return f"strftime({stamp}, '{_DATE_STYLES[style]}')"


def _constant(value: str, source: SqlType, to: SqlType) -> Expr:
    """A string literal as a literal of another type, checked now."""
    bare = value.strip(" ")
    if to.name == "bit":
        if bare.lower() in ("true", "false"):
            return Expr(bare.upper(), to, False)
        number = _constant(value, source, SqlType("bigint"))
        return Expr(f"({number.sql} <> 0)", to, False)
    if to.is_integer:
        if bare == "":
            bare = "0"
        if not re.fullmatch(r"[+-]?\d+", bare):
            raise conversion(value, source.name, to.name)
        low, high = {"tinyint": (0, 255), "smallint": (-(2**15), 2**15 - 1), "int": (-(2**31), 2**31 - 1)}.get(
            to.name, (-(2**63), 2**63 - 1)
        )
        if not low <= int(bare) <= high:
            raise SqlError(248, f"The conversion of the {source.name} value '{value}' overflowed an {to.name} column.")
        return Expr(f"CAST({int(bare)} AS {to.duckdb()})", to, False)
    if to.name == "decimal" or to.is_money:
        if to.is_money:
            bare = bare.replace(",", "").replace("$", "")
        if not _NUMBER.fullmatch(bare):
            raise conversion(value, source.name, to.name)
        return Expr(f"CAST({text(bare.lstrip('+'))} AS {to.duckdb()})", to, False)
    if to.is_float:
        try:
            number = float(bare or "0")
        except ValueError:
            raise conversion(value, source.name, to.name) from None
        return Expr(f"CAST({text(repr(number))} AS {to.duckdb()})", to, False)
    if to.name in _TEMPORAL_LITERALS:
        stamp = read_datetime(bare)
        if stamp is None:
            raise conversion(value, source.name, to.name)
        literal = Expr(f"TIMESTAMP '{stamp.isoformat(sep=' ')}'", SqlType("datetime2", scale=7), False)
        if stamp.time() == datetime.min.time():
            if to.name == "date":
                return Expr(f"DATE '{stamp.date().isoformat()}'", to, False)
            return Expr(f"TIMESTAMP '{stamp.date().isoformat()} 00:00:00'", to, False)
        return Expr(_to_temporal(literal, literal.type, to, None, False, False), to, False)
    expr = Expr(text(value), source, False)
    return Expr(_to(expr, source, to, None, False, False), to, False)


def read_datetime(value: str) -> datetime | None:
    """A date text as SQL Server reads it under us_english, or None; 1900-01-01 for an empty one."""
    if value == "":
        return datetime(1900, 1, 1)
    match = re.fullmatch(
        r"(?:(\d{4})(\d\d)(\d\d)|(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[/-](\d{1,2})[/-](\d{4}))?"
        r"(?:[T ]?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?)?Z?",
        value,
    )
    if not match or not value:
        return None
    group = match.groups()
    if group[0]:
        year, month, day = group[0:3]
    elif group[3]:
        year, month, day = group[3:6]
    elif group[6]:
        month, day, year = group[6:9]
    else:
        year, month, day = "1900", "1", "1"
    fraction = (group[12] or "").ljust(7, "0")
    if fraction[6] != "0":
        raise unsupported("100 ns digits in a date literal (it keeps microseconds)")
    try:
        return datetime(
            int(year),
            int(month),
            int(day),
            int(group[9] or 0),
            int(group[10] or 0),
            int(group[11] or 0),
            int(fraction[:6]),
        )
    except ValueError:
        return None


def number_literal(digits: str) -> Expr:
    """A numeric literal by SQL Server's rules: int, then numeric by its digits, float with an exponent."""
    if "e" in digits.lower():
        return Expr(f"CAST({text(digits)} AS DOUBLE)", SqlType("float"), False, digits)
    if "." not in digits:
        if int(digits) < 2**31:
            return Expr(str(int(digits)), SqlType("int"), False, digits)
        to = decimal(len(str(int(digits))), 0)
        return Expr(f"CAST({int(digits)} AS {to.duckdb()})", to, False, digits)
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0")
    if len(whole) + len(fraction) > 38:
        raise SqlError(
            1007,
            f"The number '{digits}' is out of the range for numeric representation (maximum precision 38).",
            severity=15,
        )
    to = decimal(max(len(whole) + len(fraction), 1), len(fraction))
    return Expr(f"CAST({text(digits)} AS {to.duckdb()})", to, False, digits)
