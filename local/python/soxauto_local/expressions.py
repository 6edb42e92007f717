"""Values and predicates: from `sqlglot`'s tree to DuckDB SQL with SQL Server's types and meaning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from . import aggregates, builtins, facts
from .arithmetic import arithmetic, bitwise, compare, meet
from .casts import cast, number_literal
from .context import Context
from .errors import SqlError, invalid_column, syntax, undeclared, unsupported
from .expr import Expr, key, text
from .scope import Scope
from .sqltypes import INT, NULL, SqlType, common, nvarchar, parse_type, varchar

if TYPE_CHECKING:
    from .query import Query

_COMPARISONS: dict[type, str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC: dict[type, str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "+"}
_BITWISE: dict[type, str] = {exp.BitwiseAnd: "&", exp.BitwiseOr: "|", exp.BitwiseXor: "^"}
_PREDICATES = (
    *_COMPARISONS,
    exp.And,
    exp.Or,
    exp.Not,
    exp.Is,
    exp.Like,
    exp.In,
    exp.Between,
    exp.Exists,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
)
_TYPE_NAMES = {
    "UTINYINT": "tinyint", "TINYINT": "tinyint", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint",
    "DECIMAL": "decimal", "FLOAT": "float", "DOUBLE": "real", "BIT": "bit", "BOOLEAN": "bit", "MONEY": "money",
    "SMALLMONEY": "smallmoney", "DATE": "date", "DATETIME": "datetime", "DATETIME2": "datetime2",
    "SMALLDATETIME": "smalldatetime", "TIMESTAMPTZ": "datetimeoffset", "TIME": "time", "CHAR": "char",
    "NCHAR": "nchar", "VARCHAR": "varchar", "NVARCHAR": "nvarchar", "BINARY": "binary", "VARBINARY": "varbinary",
    "UUID": "uniqueidentifier", "XML": "xml", "TEXT": "text", "IMAGE": "image", "ROWVERSION": "rowversion",
}  # fmt: skip


def read_type(node: exp.DataType, *, default_length: int = 30) -> SqlType:
    """The T-SQL type of a CAST's or a declaration's `DataType` node; raises 243 for an unknown one."""
    written = node.args.get("kind") or _TYPE_NAMES.get(
        node.this.name if hasattr(node.this, "name") else str(node.this), ""
    )
    params = [param.this.name for param in node.expressions]
    try:
        return parse_type(f"{written}({','.join(params)})" if params else str(written), default_length=default_length)
    except ValueError:
        raise SqlError(243, f"Type {written or node.sql('tsql')} is not a defined system type.") from None


class ExpressionCompiler:
    """The expression half of the compiler; `query.Compiler` adds the queries."""

    context: Context
    used: dict[str, SqlType]

    def subquery(self, node: exp.Expression, scope: Scope) -> "Query":
        """Compiles a nested query; provided by `query.Compiler`."""
        raise NotImplementedError

    # --- values -------------------------------------------------------------------------------

    def value(self, node: exp.Expression, scope: Scope) -> Expr:
        """A scalar expression."""
        if scope.groups is not None and not scope.raw:
            grouped = self._grouped(node, scope)
            if grouped is not None:
                return grouped
        kind = type(node)
        if kind in _ARITHMETIC:
            left, right = self.value(node.this, scope), self.value(node.expression, scope)
            return arithmetic(_ARITHMETIC[kind], left, right)
        if kind in _BITWISE:
            return bitwise(_BITWISE[kind], self.value(node.this, scope), self.value(node.expression, scope))
        if isinstance(node, _PREDICATES):
            raise SqlError(4145, "An expression of boolean type specified in a context where a value is expected.")
        method = getattr(self, "_" + kind.__name__.lower(), None)
        if method is None:
            raise unsupported(f"'{node.sql('tsql')[:60]}'")
        return method(node, scope)

    def _grouped(self, node: exp.Expression, scope: Scope) -> Expr | None:
        """What stands for `node` in a grouped query if it is a grouping expression; 8120 for a stray column."""
        if isinstance(node, (exp.Literal, exp.National, exp.Null, exp.Parameter)) or aggregates.present(node):
            return None
        assert scope.groups is not None
        scope.raw = True
        try:
            if isinstance(node, exp.Column):
                expr, own = self.column(node, scope)
                if own and expr.sql not in scope.groups:
                    raise SqlError(
                        8120,
                        f"Column '{node.name}' is invalid in the select list because it is not contained in either "
                        "an aggregate function or the GROUP BY clause.",
                    )
                return scope.groups.get(expr.sql)
            if not scope.groups:
                return None
            return scope.groups.get(self.value(node, scope).sql)
        finally:
            scope.raw = False

    def column(self, node: exp.Column, scope: Scope) -> tuple[Expr, bool]:
        """A column reference, and whether it belongs to `scope` itself."""
        if isinstance(node.this, exp.Star):
            raise syntax("*")
        if not isinstance(node.this, exp.Identifier):
            raise syntax(node.sql("tsql"))
        parts = [part.name for part in node.parts]
        return scope.resolve(parts[-1], tuple(parts[:-1]))

    def _column(self, node: exp.Column, scope: Scope) -> Expr:
        if len(node.parts) == 1 and not node.this.args.get("quoted"):
            niladic = facts.NILADIC.get(node.name.upper())
            if niladic:
                return niladic(self, [], scope)
        expr, _ = self.column(node, scope)
        return Expr(expr.sql, expr.type, expr.nullable, None, node.name)

    def _dot(self, node: exp.Dot, scope: Scope) -> Expr:
        raise unsupported(f"'{node.sql('tsql')[:60]}'")

    def _identifier(self, node: exp.Identifier, scope: Scope) -> Expr:
        raise invalid_column(node.name)

    def _literal(self, node: exp.Literal, scope: Scope) -> Expr:
        if node.is_string:
            return Expr(text(node.name), varchar(len(node.name)), False, node.name)
        return number_literal(node.name)

    def _national(self, node: exp.National, scope: Scope) -> Expr:
        return Expr(text(node.name), nvarchar(len(node.name)), False, node.name)

    def _hexstring(self, node: exp.HexString, scope: Scope) -> Expr:
        digits = node.name if len(node.name) % 2 == 0 else "0" + node.name
        return Expr(f"from_hex('{digits}')", SqlType("varbinary", max(len(digits) // 2, 1)), False)

    def _null(self, node: exp.Null, scope: Scope) -> Expr:
        return Expr("NULL", NULL, True)

    def _paren(self, node: exp.Paren, scope: Scope) -> Expr:
        inner = self.value(node.this, scope)
        return Expr(f"({inner.sql})", inner.type, inner.nullable, inner.constant)

    def _neg(self, node: exp.Neg, scope: Scope) -> Expr:
        inner = self.value(node.this, scope)
        if inner.type.is_text:
            inner = cast(inner, INT)
        if not inner.type.is_number or inner.type.name == "bit":
            raise SqlError(8117, f"Operand data type {inner.type.name} is invalid for minus operator.")
        to = SqlType("smallint") if inner.type.name == "tinyint" else inner.type
        constant = f"-{inner.constant}" if inner.constant and not inner.constant.startswith("-") else None
        return Expr(f"(- {cast(inner, to).sql})", to, inner.nullable, constant)

    def _bitwisenot(self, node: exp.BitwiseNot, scope: Scope) -> Expr:
        inner = self.value(node.this, scope)
        if inner.type.name == "bit":
            return Expr(f"(NOT {inner.sql})", inner.type, inner.nullable)
        return Expr(f"(~{inner.sql})", inner.type, inner.nullable)

    def _parameter(self, node: exp.Parameter, scope: Scope) -> Expr:
        if isinstance(node.this, exp.Parameter):
            name = node.this.name.upper()
            if name not in facts.GLOBALS:
                raise undeclared(f"@@{node.this.name}")
            return facts.GLOBALS[name](self.context)
        name = f"@{node.name}".lower()
        declared = self.context.variables.get(name)
        if declared is None:
            raise undeclared(f"@{node.name}")
        self.used[name] = declared
        return Expr(f"CAST($v{name[1:]} AS {declared.duckdb()})" if name[1:].isidentifier() else "", declared, True)

    def _cast(self, node: exp.Cast, scope: Scope) -> Expr:
        return self._convert_to(node.this, read_type(node.to), None, False, scope)

    def _trycast(self, node: exp.TryCast, scope: Scope) -> Expr:
        return self._convert_to(node.this, read_type(node.to), None, True, scope)

    def _convert(self, node: exp.Convert, scope: Scope) -> Expr:
        style = node.args.get("style")
        number: int | None = None
        if style is not None:
            if not (isinstance(style, exp.Literal) and not style.is_string):
                raise unsupported("a CONVERT style that is not a number")
            number = int(style.name)
        return self._convert_to(node.expression, read_type(node.this), number, bool(node.args.get("safe")), scope)

    def _convert_to(self, node: exp.Expression, to: SqlType, style: int | None, attempt: bool, scope: Scope) -> Expr:
        inner = self.value(node, scope)
        converted = cast(inner, to, style=style, attempt=attempt)
        return Expr(converted.sql, to, converted.nullable)

    def _collate(self, node: exp.Collate, scope: Scope) -> Expr:
        collation = node.expression.name.upper()
        if "_CI_" not in collation and collation != "DATABASE_DEFAULT":
            raise unsupported(f"COLLATE {node.expression.name}")
        return self.value(node.this, scope)

    def _case(self, node: exp.Case, scope: Scope) -> Expr:
        results = [self.value(branch.args["true"], scope) for branch in node.args["ifs"]]
        default = node.args.get("default")
        results.append(self.value(default, scope) if default is not None else Expr("NULL", NULL, True))
        conditions = []
        for branch in node.args["ifs"]:
            if node.this is not None:
                conditions.append(compare("=", self.value(node.this, scope), self.value(branch.this, scope)))
            else:
                conditions.append(self.predicate(branch.this, scope))
        return self.branches(conditions, results)

    def branches(self, conditions: list[str], results: list[Expr]) -> Expr:
        """CASE over compiled parts; `results` has one more than `conditions`, the ELSE."""
        to = NULL
        for result in results:
            to = common(to, result.type)
        if to == NULL:
            raise SqlError(
                8133,
                "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant.",
            )
        values = [cast(result, to).sql for result in results]
        sql = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(conditions, values))
        return Expr(f"CASE {sql} ELSE {values[-1]} END", to, any(result.nullable for result in results))

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Expr:
        return self._scalar(node.this, scope)

    def _select(self, node: exp.Select, scope: Scope) -> Expr:
        return self._scalar(node, scope)

    def _scalar(self, node: exp.Expression, scope: Scope) -> Expr:
        query = self.subquery(node, scope)
        if len(query.columns) != 1:
            raise SqlError(
                116,
                "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
            )
        return Expr(f"({query.sql})", query.columns[0].type, True)

    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Expr:
        name = node.name.upper()
        if name in aggregates.NAMES:
            return aggregates.aggregate(self, node, scope)
        if name in aggregates.WINDOW_ONLY:
            raise SqlError(10753, f"The function '{node.name}' must have an OVER clause.", severity=15)
        function = builtins.FUNCTIONS.get(name)
        if function is None:
            raise SqlError(195, f"'{node.name}' is not a recognized built-in function name.", severity=15)
        return function(self, node.expressions, scope)

    def _withingroup(self, node: exp.WithinGroup, scope: Scope) -> Expr:
        return aggregates.aggregate(self, node.this, scope, within=node.expression)

    def _window(self, node: exp.Window, scope: Scope) -> Expr:
        return aggregates.window(self, node, scope)

    def _attimezone(self, node: exp.AtTimeZone, scope: Scope) -> Expr:
        inner, zone = self.value(node.this, scope), self.value(node.args["zone"], scope)
        if zone.constant is None or zone.constant.upper() != "UTC":
            raise unsupported("AT TIME ZONE other than 'UTC'")
        return cast(inner, SqlType("datetimeoffset", scale=inner.type.scale if inner.type.name != "datetime" else 3))

    # --- predicates ---------------------------------------------------------------------------

    def predicate(self, node: exp.Expression, scope: Scope) -> str:
        """A condition; raises 4145 for a value that stands alone."""
        kind = type(node)
        if kind in _COMPARISONS:
            return self._comparison(_COMPARISONS[kind], node, scope)
        if isinstance(node, exp.And):
            return f"({self.predicate(node.left, scope)} AND {self.predicate(node.right, scope)})"
        if isinstance(node, exp.Or):
            return f"({self.predicate(node.left, scope)} OR {self.predicate(node.right, scope)})"
        if isinstance(node, exp.Not):
            return f"(NOT {self.predicate(node.this, scope)})"
        if isinstance(node, exp.Paren):
            return self.predicate(node.this, scope)
        if isinstance(node, exp.Is):
            if not isinstance(node.expression, exp.Null):
                raise syntax("IS")
            return f"({self.value(node.this, scope).sql} IS NULL)"
        if isinstance(node, (exp.NullSafeEQ, exp.NullSafeNEQ)):
            left, right = meet(self.value(node.this, scope), self.value(node.expression, scope))
            word = "IS NOT DISTINCT FROM" if isinstance(node, exp.NullSafeEQ) else "IS DISTINCT FROM"
            return f"({left} {word} {right})"
        if isinstance(node, exp.Escape):
            return self._like(node.this, node.expression, scope)
        if isinstance(node, exp.Like):
            return self._like(node, None, scope)
        if isinstance(node, exp.Between):
            middle = self.value(node.this, scope)
            low, high = self.value(node.args["low"], scope), self.value(node.args["high"], scope)
            return f"({compare('>=', middle, low)} AND {compare('<=', middle, high)})"
        if isinstance(node, exp.In):
            return self._in(node, scope)
        if isinstance(node, exp.Exists):
            return f"EXISTS ({self.subquery(node.this, scope).sql})"
        raise SqlError(
            4145,
            f"An expression of non-boolean type specified in a context where a condition is expected, near '{node.sql('tsql')[:40]}'.",
            severity=15,
        )

    def _comparison(self, operator: str, node: exp.Expression, scope: Scope) -> str:
        right = node.expression
        if isinstance(right, (exp.All, exp.Any)):
            inner = right.this.this if isinstance(right.this, exp.Subquery) else right.this
            query = self.subquery(inner, scope)
            if len(query.columns) != 1:
                raise SqlError(
                    116,
                    "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                )
            left = self.value(node.this, scope)
            mine, theirs = meet(left, Expr('q."c0"', query.columns[0].type))
            word = "ALL" if isinstance(right, exp.All) else "ANY"
            return f"({mine} {operator} {word} (SELECT {theirs} FROM ({query.sql}) AS q))"
        return compare(operator, self.value(node.this, scope), self.value(right, scope))

    def _in(self, node: exp.In, scope: Scope) -> str:
        left = self.value(node.this, scope)
        nested = node.args.get("query")
        if nested is not None:
            query = self.subquery(nested.this if isinstance(nested, exp.Subquery) else nested, scope)
            if len(query.columns) != 1:
                raise SqlError(
                    116,
                    "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                )
            mine, theirs = meet(left, Expr('q."c0"', query.columns[0].type))
            return f"({mine} IN (SELECT {theirs} FROM ({query.sql}) AS q))"
        pairs = [meet(left, self.value(item, scope)) for item in node.expressions]
        if len({mine for mine, _ in pairs}) == 1:
            return f"({pairs[0][0]} IN ({', '.join(theirs for _, theirs in pairs)}))"
        return "(" + " OR ".join(f"{mine} = {theirs}" for mine, theirs in pairs) + ")"

    def _like(self, node: exp.Expression, escape: exp.Expression | None, scope: Scope) -> str:
        if not isinstance(node, exp.Like):
            raise syntax("ESCAPE")
        left, pattern = self.value(node.this, scope), self.value(node.expression, scope)
        for side in (left, pattern):
            if not side.type.is_text and not side.is_null:
                raise unsupported(f"LIKE over {side.type.name}")
        mark = None
        if escape is not None:
            mark = self.value(escape, scope).constant
            if mark is None or len(mark) != 1:
                raise SqlError(506, "The invalid escape character was specified in a LIKE predicate.")
        if pattern.constant is None:
            # A pattern known only at run time: `[` cannot be honoured, so it is refused.
            guard = f"CASE WHEN contains({pattern.sql}, '[') THEN error('@@TSQL|40510|The stand-in does not support [] in a LIKE pattern that is not a literal.|@@') ELSE {pattern.sql} END"
            return f"({left.sql} ILIKE {guard}{' ESCAPE ' + text(mark) if mark else ''})"
        if "[" not in pattern.constant:
            return f"({left.sql} ILIKE {text(pattern.constant)}{' ESCAPE ' + text(mark) if mark else ''})"
        return f"regexp_full_match({left.sql}, {text(like_regex(pattern.constant, mark))}, 'is')"

    def order_key(self, expr: Expr, descending: bool) -> str:
        """An ORDER BY item: NULL sorts lowest."""
        return f"{key(expr)} {'DESC NULLS LAST' if descending else 'ASC NULLS FIRST'}"


def like_regex(pattern: str, escape: str | None) -> str:
    """A LIKE pattern with `%`, `_`, `[a-z]`, `[^a]` as a regular expression."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if escape and char == escape and at + 1 < len(pattern):
            out.append(re.escape(pattern[at + 1]))
            at += 2
            continue
        end = pattern.find("]", at + 2) if char == "[" else -1
        if end > 0:
            body = pattern[at + 1 : end]
            negated = body.startswith("^")
            body = body[1:] if negated else body
            out.append("[" + ("^" if negated else "") + re.sub(r"([\\\[\]^])", r"\\\1", body) + "]")
            at = end + 1
            continue
        out.append(".*" if char == "%" else "." if char == "_" else re.escape(char))
        at += 1
    return "".join(out)
