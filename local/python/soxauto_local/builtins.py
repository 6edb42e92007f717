"""T-SQL's built-in functions, one small compiler each: texts, numbers, conditions.

Date functions are in `dates`, those about the session in `facts`. A name that is in no table is error 195.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from . import dates, facts
from .arithmetic import compare
from .casts import cast
from .errors import SqlError, unsupported
from .expr import Expr, text
from .scope import Scope
from .sqltypes import BIGINT, FLOAT, INT, MAX, NULL, SqlType, common, decimal, nvarchar, varchar

if TYPE_CHECKING:
    from .expressions import ExpressionCompiler

Function = Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]


def _text_argument(expr: Expr) -> Expr:
    """A text function's argument; SQL Server converts numbers and dates silently."""
    return expr if expr.type.is_text else cast(expr, nvarchar(4000))


def _check(name: str, arguments: list, low: int, high: int | None = None) -> None:
    if not low <= len(arguments) <= (high or low):
        raise SqlError(174, f"The {name.lower()} function requires {low} argument(s).", severity=15)


def _texts(
    name: str, template: str, low: int, high: int | None = None, *, to: SqlType | None = None, fold: bool = False
) -> Function:
    """A function over texts whose DuckDB form is `template`, with the arguments at `{0}`, `{1}`, …"""

    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        _check(name, nodes, low, high)
        values = [_text_argument(compiler.value(node, scope)) for node in nodes]
        sql = template.format(*(v.sql for v in values))
        return Expr(sql, to or values[0].type, any(v.nullable for v in values))

    return function


def _isnull(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("isnull", nodes, 2)
    first, second = (compiler.value(node, scope) for node in nodes)
    to = second.type if first.is_null else first.type
    if to == NULL:
        to = INT
    if first.constant is not None and first.type.is_text:
        to = common(first.type, second.type)
    left, right = cast(first, to), cast(second, to)
    return Expr(f"coalesce({left.sql}, {right.sql})", to, first.nullable and second.nullable)


def _coalesce(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    values = [compiler.value(node, scope) for node in nodes]
    to = NULL
    for value in values:
        to = common(to, value.type)
    if to == NULL:
        raise SqlError(
            4127, "At least one of the arguments to COALESCE must be an expression that is not the NULL constant."
        )
    # SQL Server calls COALESCE nullable unless its arguments are all NOT NULL.
    return Expr(f"coalesce({', '.join(cast(v, to).sql for v in values)})", to, any(v.nullable for v in values))


def _nullif(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("nullif", nodes, 2)
    left, right = (compiler.value(node, scope) for node in nodes)
    return Expr(f"CASE WHEN {compare('=', left, right)} THEN NULL ELSE {left.sql} END", left.type, True)


def _iif(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("iif", nodes, 3)
    return compiler.branches([compiler.predicate(nodes[0], scope)], [compiler.value(node, scope) for node in nodes[1:]])


def _choose(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    index = cast(compiler.value(nodes[0], scope), INT)
    results = [compiler.value(node, scope) for node in nodes[1:]]
    return compiler.branches([f"{index.sql} = {n}" for n in range(1, len(results) + 1)], [*results, Expr("NULL", NULL)])


def _concat(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    values = [compiler.value(node, scope) for node in nodes]
    unicode = any(v.type.is_unicode for v in values)
    parts = [v if v.type.is_text else cast(v, varchar(4000)) for v in values]
    long = any(p.type.length == MAX for p in parts)
    length = (
        MAX if long else min(sum(v.type.length if v.type.is_text else 30 for v in values), 4000 if unicode else 8000)
    )
    sql = "(" + " || ".join(f"coalesce({p.sql}, '')" for p in parts) + ")"
    return Expr(sql, nvarchar(length) if unicode else varchar(length), False)


def _concat_ws(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    parts = [_text_argument(compiler.value(node, scope)) for node in nodes]
    return Expr(f"concat_ws({', '.join(p.sql for p in parts)})", nvarchar(4000), False)


def _len(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("len", nodes, 1)
    value = _text_argument(compiler.value(nodes[0], scope))
    to = BIGINT if value.type.length == MAX else INT
    return Expr(f"CAST(tsql_length(rtrim({value.sql}, ' ')) AS {to.duckdb()})", to, value.nullable)


def _datalength(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value = compiler.value(nodes[0], scope)
    if value.type.is_binary:
        return Expr(f"CAST(octet_length({value.sql}) AS INTEGER)", INT, value.nullable)
    if not value.type.is_text:
        raise unsupported(f"DATALENGTH of {value.type.name}")
    units = f"tsql_length({value.sql}) * 2" if value.type.is_unicode else f"length({value.sql})"
    return Expr(f"CAST({units} AS INTEGER)", INT, value.nullable)


def _sized(name: str, duck: str) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        _check(name, nodes, 2)
        value, count = _text_argument(compiler.value(nodes[0], scope)), cast(compiler.value(nodes[1], scope), INT)
        to = value.type
        if count.constant and count.constant.isdigit() and value.type.length != MAX:
            to = SqlType("nvarchar" if to.is_unicode else "varchar", max(min(int(count.constant), to.length), 1))
        guarded = (
            count.sql
            if count.constant
            else (
                f"CASE WHEN {count.sql} < 0 THEN error('@@TSQL|536|Invalid length parameter passed to the {duck} function.|@@') ELSE {count.sql} END"
            )
        )
        return Expr(f"{duck}({value.sql}, {guarded})", to, value.nullable or count.nullable)

    return function


def _substring(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("substring", nodes, 3)
    value = compiler.value(nodes[0], scope)
    if value.type.is_binary:
        raise unsupported("SUBSTRING of binary")
    value = _text_argument(value)
    start, length = (cast(compiler.value(node, scope), INT) for node in nodes[1:])
    to = value.type
    if length.constant and length.constant.isdigit() and to.length != MAX:
        to = SqlType("nvarchar" if to.is_unicode else "varchar", max(min(int(length.constant), to.length), 1))
    # A start before the text counts against the length; DuckDB would count it from the end.
    head = f"greatest({start.sql}, 1)"
    count = f"greatest(CAST({start.sql} AS BIGINT) + {length.sql} - {head}, 0)"
    if start.constant and int(start.constant) >= 1:
        head, count = start.sql, length.sql
    return Expr(f"substring({value.sql}, {head}, {count})", to, value.nullable or start.nullable or length.nullable)


def _replace(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("replace", nodes, 3)
    value, old, new = (_text_argument(compiler.value(node, scope)) for node in nodes)
    if old.constant is None:
        raise unsupported("REPLACE of a text that is not a literal")
    unicode = any(v.type.is_unicode for v in (value, old, new))
    sql = f"replace({value.sql}, {old.sql}, {new.sql})"
    if old.constant.lower() != old.constant.upper():  # the collation ignores case
        pattern = "".join(c if c.isalnum() else f"[{c}]" if c not in "\\^]" else f"\\{c}" for c in old.constant)
        replacement = (
            new.sql if new.constant is not None and "\\" not in new.constant else f"replace({new.sql}, '\\', '\\\\')"
        )
        sql = f"regexp_replace({value.sql}, {text(pattern)}, {replacement}, 'gi')"
    return Expr(sql, nvarchar(4000) if unicode else varchar(8000), any(v.nullable for v in (value, old, new)))


def _charindex(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("charindex", nodes, 2, 3)
    needle, hay = (_text_argument(compiler.value(node, scope)) for node in nodes[:2])
    nullable = needle.nullable or hay.nullable
    if len(nodes) == 3:
        start = cast(compiler.value(nodes[2], scope), INT)
        first = f"greatest({start.sql}, 1)"
        found = f"position(lower({needle.sql}) IN substring(lower({hay.sql}), {first}))"
        return Expr(f"CAST(CASE WHEN {found} = 0 THEN 0 ELSE {found} + {first} - 1 END AS INTEGER)", INT, nullable)
    return Expr(f"CAST(position(lower({needle.sql}) IN lower({hay.sql})) AS INTEGER)", INT, nullable)


def _patindex(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    from .expressions import like_regex

    _check("patindex", nodes, 2)
    pattern, hay = (_text_argument(compiler.value(node, scope)) for node in nodes)
    if pattern.constant is None or not pattern.constant.startswith("%"):
        raise unsupported("PATINDEX with a pattern that is not a literal starting with %")
    regex = like_regex(pattern.constant[1:].removesuffix("%"), None)
    if not pattern.constant.endswith("%"):
        regex += "$"
    found = f"regexp_extract({hay.sql}, {text('(?s)^(.*?)' + regex)}, 1, 'i')"
    matches = f"regexp_matches({hay.sql}, {text(regex)}, 'is')"
    return Expr(f"CAST(CASE WHEN {matches} THEN length({found}) + 1 ELSE 0 END AS INTEGER)", INT, hay.nullable)


def _replicate(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value, count = _text_argument(compiler.value(nodes[0], scope)), cast(compiler.value(nodes[1], scope), BIGINT)
    to = nvarchar(4000) if value.type.is_unicode else varchar(8000)
    to = SqlType(to.name, MAX) if value.type.length == MAX else to
    return Expr(f"CASE WHEN {count.sql} >= 0 THEN repeat({value.sql}, {count.sql}) END", to, True)


def _space(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    count = cast(compiler.value(nodes[0], scope), BIGINT)
    return Expr(f"CASE WHEN {count.sql} >= 0 THEN repeat(' ', {count.sql}) END", varchar(8000), True)


def _stuff(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("stuff", nodes, 4)
    value = _text_argument(compiler.value(nodes[0], scope))
    start, length = (cast(compiler.value(node, scope), INT) for node in nodes[1:3])
    new = _text_argument(compiler.value(nodes[3], scope))
    to = nvarchar(4000) if value.type.is_unicode or new.type.is_unicode else varchar(8000)
    sql = (
        f"CASE WHEN {start.sql} BETWEEN 1 AND length({value.sql}) AND {length.sql} >= 0 THEN substring({value.sql}, 1, {start.sql} - 1)"
        f" || coalesce({new.sql}, '') || substring({value.sql}, {start.sql} + {length.sql}) END"
    )
    return Expr(sql, to, True)


def _char(name: str, to: SqlType) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        _check(name, nodes, 1)
        return Expr(f"chr({cast(compiler.value(nodes[0], scope), INT).sql})", to, True)

    return function


def _abs(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value = _number(compiler, "abs", nodes[0], scope)
    return Expr(f"abs({value.sql})", value.type, value.nullable)


def _number(compiler: "ExpressionCompiler", name: str, node: exp.Expression, scope: Scope) -> Expr:
    value = compiler.value(node, scope)
    if value.type.is_text or value.is_null:
        value = cast(value, FLOAT)
    if value.type.name in ("bit", "tinyint", "smallint"):
        value = cast(value, INT)
    if not value.type.is_number:
        raise SqlError(8116, f"Argument data type {value.type.name} is invalid for argument 1 of {name} function.")
    return value


def _sign(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value = _number(compiler, "sign", nodes[0], scope)
    return Expr(f"CAST(sign({value.sql}) AS {value.type.duckdb()})", value.type, value.nullable)


def _round(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("round", nodes, 2, 3)
    value, digits = _number(compiler, "round", nodes[0], scope), compiler.value(nodes[1], scope)
    if digits.constant is None:
        raise unsupported("ROUND to a number of digits that is not a literal")
    places = int(digits.constant)
    truncate = len(nodes) == 3 and compiler.value(nodes[2], scope).constant != "0"
    kind = value.type
    if kind.is_float:
        if truncate:
            raise unsupported("ROUND(float, n, 1)")
        return Expr(f"round({value.sql}, {places})", kind, value.nullable)
    scale = kind.as_decimal().scale
    if places >= scale:
        return value
    wide = f"CAST({value.sql} AS DECIMAL(38,{scale}))"
    if truncate or places < 0:
        unit = 10 ** (scale - places)
        half = "0" if truncate else f"sign({value.sql}) * {unit // 2}::HUGEINT"
        unscaled = f"(tsql_unscaled({wide}) + {half}) // {unit}::HUGEINT * {unit}::HUGEINT"
        from .arithmetic import from_unscaled

        sql = from_unscaled(f"({unscaled})", decimal(38, scale))
    else:
        sql = f"CAST({wide} AS DECIMAL(38,{places}))"
    return Expr(f"CAST({sql} AS {kind.duckdb()})", kind, value.nullable)


def _whole(name: str) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        _check(name, nodes, 1)
        value = _number(compiler, name, nodes[0], scope)
        if value.type.is_integer:
            return value
        to = decimal(value.type.precision, 0) if value.type.name == "decimal" else value.type
        return Expr(f"CAST({name}({value.sql}) AS {to.duckdb()})", to, value.nullable)

    return function


def _float_function(name: str, template: str) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        values = [cast(_number(compiler, name, node, scope), FLOAT) for node in nodes]
        return Expr(template.format(*(v.sql for v in values)), FLOAT, any(v.nullable for v in values))

    return function


def _isnumeric(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    value = compiler.value(nodes[0], scope)
    if value.type.is_number:
        return Expr(f"CASE WHEN {value.sql} IS NULL THEN 0 ELSE 1 END", INT, False)
    return Expr(
        f"CASE WHEN tsql_try_float_text({_text_argument(value).sql}) IS NULL OR trim({value.sql}, ' ') = '' THEN 0 ELSE 1 END",
        INT,
        False,
    )


def _hashbytes(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    _check("hashbytes", nodes, 2)
    algorithm, value = (compiler.value(node, scope) for node in nodes)
    if (algorithm.constant or "").upper() != "SHA2_256" or value.type.is_unicode:
        raise unsupported("HASHBYTES other than SHA2_256 of varchar or varbinary")
    return Expr(f"from_hex(sha256({value.sql}))", SqlType("varbinary", 8000), value.nullable)


FUNCTIONS: dict[str, Function] = {
    **dates.FUNCTIONS,
    **facts.FUNCTIONS,
    "ISNULL": _isnull,
    "COALESCE": _coalesce,
    "NULLIF": _nullif,
    "IIF": _iif,
    "CHOOSE": _choose,
    "CONCAT": _concat,
    "CONCAT_WS": _concat_ws,
    "LEN": _len,
    "DATALENGTH": _datalength,
    "LEFT": _sized("left", "left"),
    "RIGHT": _sized("right", "right"),
    "SUBSTRING": _substring,
    "REPLACE": _replace,
    "CHARINDEX": _charindex,
    "PATINDEX": _patindex,
    "REPLICATE": _replicate,
    "SPACE": _space,
    "STUFF": _stuff,
    "LTRIM": _texts("ltrim", "ltrim({0}, ' ')", 1),
    "RTRIM": _texts("rtrim", "rtrim({0}, ' ')", 1),
    "TRIM": _texts("trim", "trim({0}, ' ')", 1),
    "UPPER": _texts("upper", "upper({0})", 1),
    "LOWER": _texts("lower", "lower({0})", 1),
    "REVERSE": _texts("reverse", "reverse({0})", 1),
    "QUOTENAME": _texts("quotename", "('[' || replace({0}, ']', ']]') || ']')", 1, to=nvarchar(258)),
    "ASCII": _texts("ascii", "CAST(ascii({0}) AS INTEGER)", 1, to=INT),
    "UNICODE": _texts("unicode", "CAST(unicode({0}) AS INTEGER)", 1, to=INT),
    "CHAR": _char("char", SqlType("char", 1)),
    "NCHAR": _char("nchar", SqlType("nchar", 1)),
    "ABS": _abs,
    "SIGN": _sign,
    "ROUND": _round,
    "FLOOR": _whole("floor"),
    "CEILING": _whole("ceiling"),
    "SQRT": _float_function("sqrt", "sqrt({0})"),
    "EXP": _float_function("exp", "exp({0})"),
    "LOG": _float_function("log", "ln({0})"),
    "LOG10": _float_function("log10", "log10({0})"),
    "ISNUMERIC": _isnumeric,
    "HASHBYTES": _hashbytes,
}
