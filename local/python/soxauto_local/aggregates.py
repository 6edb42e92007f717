"""Aggregates and window functions with SQL Server's result types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .arithmetic import quotient
from .casts import cast
from .errors import SqlError, syntax, unsupported
from .expr import Expr, key
from .scope import Scope
from .sqltypes import BIGINT, FLOAT, INT, MONEY, SqlType, decimal

if TYPE_CHECKING:
    from .expressions import ExpressionCompiler

NAMES = frozenset("COUNT COUNT_BIG SUM AVG MIN MAX STDEV STDEVP VAR VARP STRING_AGG GROUPING".split())
WINDOW_ONLY = frozenset(
    "ROW_NUMBER RANK DENSE_RANK NTILE LAG LEAD FIRST_VALUE LAST_VALUE PERCENT_RANK CUME_DIST".split()
)
_STATISTICS = {"STDEV": "stddev_samp", "STDEVP": "stddev_pop", "VAR": "var_samp", "VARP": "var_pop"}


def present(node: exp.Expression) -> bool:
    """Whether the expression holds an aggregate of its own query (not of a subquery, not one with OVER)."""
    if isinstance(node, (exp.Subquery, exp.Select, exp.SetOperation)):
        return False
    if isinstance(node, exp.Window):
        inner = node.this.this if isinstance(node.this, exp.WithinGroup) else node.this
        parts = [*inner.expressions, *node.args.get("partition_by", []), node.args.get("order")]
        return any(present(part) for part in parts if part is not None)
    if isinstance(node, exp.Anonymous) and node.name.upper() in NAMES:
        return True
    return any(present(child) for child in node.iter_expressions())


def aggregate(
    compiler: "ExpressionCompiler",
    node: exp.Expression,
    scope: Scope,
    *,
    within: exp.Expression | None = None,
    over: str = "",
) -> Expr:
    """An aggregate call, windowed when `over` holds an OVER clause."""
    if not isinstance(node, exp.Anonymous):
        raise syntax(node.sql("tsql"))
    name, arguments = node.name.upper(), list(node.expressions)
    if name == "GROUPING":
        return _grouping(compiler, arguments, scope)
    distinct = bool(arguments) and isinstance(arguments[0], exp.Distinct)
    if distinct:
        arguments = list(arguments[0].expressions) + arguments[1:]
    if not arguments:
        raise SqlError(174, f"The {node.name} function requires 1 argument(s).", severity=15)
    was_raw = scope.raw
    if not over:
        if scope.raw and scope.groups is not None:
            raise SqlError(
                130, "Cannot perform an aggregate function on an expression containing an aggregate or a subquery."
            )
        scope.raw = True
    try:
        if name in ("COUNT", "COUNT_BIG"):
            return _count(compiler, name, arguments, distinct, scope, over)
        argument = compiler.value(arguments[0], scope)
        if name == "STRING_AGG":
            return _string_agg(compiler, argument, arguments, within, scope, over)
    finally:
        scope.raw = was_raw
    if argument.is_null:
        raise SqlError(8117, f"Operand data type NULL is invalid for {node.name.lower()} operator.")
    if name in ("MIN", "MAX"):
        return _extreme(name, argument, over)
    if not argument.type.is_number or argument.type.name == "bit":
        raise SqlError(8117, f"Operand data type {argument.type.name} is invalid for {node.name.lower()} operator.")
    prefix = "DISTINCT " if distinct else ""
    if name in _STATISTICS:
        return Expr(f"{_STATISTICS[name]}({prefix}CAST({argument.sql} AS DOUBLE)){over}", FLOAT, True)
    total = f"sum({prefix}{argument.sql}){over}"
    if name == "SUM":
        to = _sum_type(argument.type)
        return Expr(f"CAST({total} AS {to.duckdb()})", to, True)
    return _average(argument, total, f"count({prefix}{argument.sql}){over}")


def _grouping(compiler: "ExpressionCompiler", arguments: list[exp.Expression], scope: Scope) -> Expr:
    scope.raw, was = True, scope.raw
    try:
        return Expr(
            f"CAST(grouping({key(compiler.value(arguments[0], scope))}) AS UTINYINT)", SqlType("tinyint"), False
        )
    finally:
        scope.raw = was


def _count(
    compiler: "ExpressionCompiler", name: str, arguments: list[exp.Expression], distinct: bool, scope: Scope, over: str
) -> Expr:
    to = INT if name == "COUNT" else BIGINT
    if isinstance(arguments[0], exp.Star):
        call = "count(*)"
    else:
        argument = compiler.value(arguments[0], scope)
        call = f"count({'DISTINCT ' if distinct else ''}{key(argument)})"
    return Expr(f"CAST({call}{over} AS {to.duckdb()})", to, False)


def _string_agg(
    compiler: "ExpressionCompiler",
    argument: Expr,
    arguments: list[exp.Expression],
    within: exp.Expression | None,
    scope: Scope,
    over: str,
) -> Expr:
    if over or len(arguments) != 2:
        raise SqlError(174, "The STRING_AGG function requires 2 argument(s).", severity=15)
    separator = compiler.value(arguments[1], scope)
    if not argument.type.is_text:
        argument = cast(argument, SqlType("nvarchar", 4000))
    order = ""
    if within is not None:
        items = [
            compiler.order_key(compiler.value(item.this, scope), bool(item.args.get("desc")))
            for item in within.expressions
        ]
        order = " ORDER BY " + ", ".join(items)
    longest = 4000 if argument.type.is_unicode else 8000
    to = (
        argument.type
        if argument.type.length == -1
        else SqlType("nvarchar" if argument.type.is_unicode else "varchar", longest)
    )
    return Expr(f"string_agg({argument.sql}, {separator.sql}{order})", to, True)


def _extreme(name: str, argument: Expr, over: str) -> Expr:
    if argument.type.name == "bit":
        raise SqlError(8117, f"Operand data type bit is invalid for {name.lower()} operator.")
    if argument.type.is_text:
        # By the collation; among equals the smallest text, so that the answer does not depend on order.
        function = "arg_min" if name == "MIN" else "arg_max"
        return Expr(f"{function}({argument.sql}, ({key(argument)}, {argument.sql})){over}", argument.type, True)
    return Expr(f"{name.lower()}({argument.sql}){over}", argument.type, True)


def _sum_type(argument: SqlType) -> SqlType:
    if argument.name in ("int", "smallint", "tinyint"):
        return INT
    if argument.is_money:
        return MONEY
    if argument.name == "decimal":
        return decimal(38, argument.scale)
    return FLOAT if argument.is_float else argument


def _average(argument: Expr, total: str, count: str) -> Expr:
    kind = argument.type
    if kind.is_float:
        return Expr(f"({total} / nullif({count}, 0))", FLOAT, True)
    if kind.is_integer:
        to = _sum_type(kind)
        return Expr(f"CAST({total} // nullif({count}, 0) AS {to.duckdb()})", to, True)
    if kind.is_money:
        sql = quotient(f"tsql_unscaled(CAST({total} AS DECIMAL(38,4)))", 4, f"nullif({count}, 0)", 0, decimal(38, 4))
        return Expr(f"CAST({sql} AS DECIMAL(19,4))", MONEY, True)
    to = decimal(38, max(kind.scale, 6))
    wide = f"CAST({total} AS DECIMAL(38,{kind.scale}))"
    return Expr(quotient(f"tsql_unscaled({wide})", kind.scale, f"nullif({count}, 0)", 0, to), to, True)


def window(compiler: "ExpressionCompiler", node: exp.Window, scope: Scope) -> Expr:
    """A function with an OVER clause."""
    if node.args.get("alias"):
        raise unsupported("named windows")
    parts = []
    partition = [key(compiler.value(item, scope)) for item in node.args.get("partition_by") or []]
    if partition:
        parts.append("PARTITION BY " + ", ".join(partition))
    order = node.args.get("order")
    if order is not None:
        items = [
            compiler.order_key(_sort_value(compiler, item.this, scope), bool(item.args.get("desc")))
            for item in order.expressions
        ]
        parts.append("ORDER BY " + ", ".join(items))
    spec = node.args.get("spec")
    if spec is not None:
        parts.append(_frame(spec))
    over = f" OVER ({' '.join(parts)})"
    call = node.this
    if not isinstance(call, exp.Anonymous):
        raise unsupported(f"'{node.sql('tsql')[:60]}'")
    name = call.name.upper()
    if name in NAMES:
        return aggregate(compiler, call, scope, over=over)
    if name not in WINDOW_ONLY:
        raise SqlError(
            4113,
            f"The function '{call.name}' is not a valid windowing function, and cannot be used with the OVER clause.",
        )
    if order is None:
        raise SqlError(4112, f"The function '{call.name}' must have an OVER clause with ORDER BY.")
    arguments = [compiler.value(item, scope) for item in call.expressions]
    if name in ("ROW_NUMBER", "RANK", "DENSE_RANK"):
        return Expr(f"{name.lower()}(){over}", BIGINT, False)
    if name in ("PERCENT_RANK", "CUME_DIST"):
        return Expr(f"{name.lower()}(){over}", FLOAT, False)
    if name == "NTILE":
        return Expr(f"ntile({arguments[0].sql}){over}", BIGINT, True)
    first = arguments[0]
    if len(arguments) == 3:
        arguments[2] = cast(arguments[2], first.type)
    sql = f"{name.lower()}({', '.join(argument.sql for argument in arguments)}){over}"
    return Expr(sql, first.type, True)


def _sort_value(compiler: "ExpressionCompiler", node: exp.Expression, scope: Scope) -> Expr:
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and not node.this.args.get("from_"):
        return Expr("NULL", INT)  # ORDER BY (SELECT NULL): any order
    return compiler.value(node, scope)


def _frame(spec: exp.WindowSpec) -> str:
    def bound(which: str) -> str:
        value, side = spec.args.get(which), spec.args.get(f"{which}_side") or ""
        if value is None:
            return "CURRENT ROW"
        word = value if isinstance(value, str) else value.name
        return f"{word} {side}".strip()

    return f"{spec.args['kind']} BETWEEN {bound('start')} AND {bound('end')}"
