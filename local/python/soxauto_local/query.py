"""Queries: SELECT, set operations, CTEs, joins and APPLY, from `sqlglot`'s tree to DuckDB SQL.

Every compiled query names its columns `c0, c1, …`; what the user called them stands in
`Query.columns`, so duplicate or missing names and any character are harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from . import aggregates, facts
from .casts import cast
from .context import Context
from .errors import SqlError, unsupported
from .expr import Expr, key
from .expressions import ExpressionCompiler
from .scope import Cte, Scope
from .sources import SourceCompiler
from .sqltypes import BIGINT, INT, NULL, SqlType, common


@dataclass(frozen=True)
class Output:
    """A column of a result: its name ("" if it has none), T-SQL type and nullability."""

    name: str
    type: SqlType
    nullable: bool


@dataclass(frozen=True)
class Query:
    """A compiled query."""

    sql: str
    columns: tuple[Output, ...]

    def finished(self) -> "Query":
        """The same with bare NULL columns typed int, as SQL Server does."""
        columns = tuple(replace(c, type=INT) if c.type == NULL else c for c in self.columns)
        return Query(self.sql, columns)


class Compiler(SourceCompiler, ExpressionCompiler):
    """Compiles statements for one context; `used` collects the variables that the SQL binds."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.used: dict[str, SqlType] = {}
        self.counter = 0

    def fresh(self, prefix: str) -> str:
        """A DuckDB alias that no user text can clash with."""
        self.counter += 1
        return f"{prefix}{self.counter}"

    def subquery(self, node: exp.Expression, scope: Scope) -> Query:
        """A query nested in an expression or in a FROM."""
        return self.query(node, scope, top=False)

    def query(self, node: exp.Expression, parent: Scope | None = None, *, top: bool = True) -> Query:
        """A SELECT or set operation; `top` allows ORDER BY without TOP."""
        if isinstance(node, exp.Subquery):
            return self.query(node.this, parent, top=top)
        scope = Scope(parent)
        with_ = self._ctes(node, scope)
        if isinstance(node, exp.SetOperation):
            result = self._set_operation(node, scope)
        elif isinstance(node, exp.Select):
            result = self._select_query(node, scope, top)
        else:
            raise unsupported(f"'{node.sql('tsql')[:60]}' as a query")
        return Query(f"{with_}{result.sql}", result.columns)

    # --- common table expressions -------------------------------------------------------------

    def _ctes(self, node: exp.Expression, scope: Scope) -> str:
        with_ = node.args.get("with_")
        if with_ is None:
            return ""
        parts, recursive = [], False
        for item in with_.expressions:
            name, alias = item.alias, self.fresh("cte")
            names = [column.name for column in item.args["alias"].args.get("columns") or []]
            body = item.this
            mentions = any(t.name.lower() == name.lower() and not t.args.get("db") for t in body.find_all(exp.Table))
            if mentions and isinstance(body, exp.Union):
                recursive = True
                sql, columns = self._recursive(body, scope, name, alias, names)
            else:
                query = self.query(body, scope, top=False).finished()
                sql, columns = query.sql, self.named(query, names, alias, name)
            scope.ctes[name.lower()] = Cte(alias, columns)
            parts.append(f"{alias} AS ({sql})")
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)} "

    def _recursive(self, body: exp.Union, scope: Scope, name: str, alias: str, names: list[str]) -> tuple[str, list]:
        anchor = self.query(body.this, scope, top=False).finished()
        columns = self.named(anchor, names, alias, name)
        inner = Scope(scope)
        inner.ctes[name.lower()] = Cte(alias, columns)
        step = self.query(body.expression, inner, top=False)
        if len(step.columns) != len(anchor.columns):
            raise SqlError(
                205,
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
            )
        casts = self._cast_outputs(step, [column.type for column in anchor.columns])
        return f"({anchor.sql}) UNION ALL ({casts})", columns

    def named(self, query: Query, names: list[str], alias: str, label: str) -> list[tuple[str, Expr]]:
        """The columns of a derived table or CTE; raises 8155, 8156, 8158."""
        if names and len(names) != len(query.columns):
            raise SqlError(8158, f"'{label}' has a different number of columns than were specified in the column list.")
        result = []
        for place, column in enumerate(query.columns):
            name = names[place] if names else column.name
            if not name:
                raise SqlError(8155, f"No column name was specified for column {place + 1} of '{label}'.")
            if any(name.lower() == other.lower() for other, _ in result):
                raise SqlError(8156, f"The column '{name}' was specified multiple times for '{label}'.")
            result.append((name, Expr(f'{alias}."c{place}"', column.type, column.nullable)))
        return result

    # --- set operations -----------------------------------------------------------------------

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Query:
        left = self.query(node.this, scope, top=False)
        right = self.query(node.expression, scope, top=False)
        if len(left.columns) != len(right.columns):
            raise SqlError(
                205,
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
            )
        kinds = [common(a.type, b.type) for a, b in zip(left.columns, right.columns)]
        either = [a.nullable or b.nullable for a, b in zip(left.columns, right.columns)]
        if isinstance(node, exp.Except):
            either = [a.nullable for a in left.columns]
        columns = tuple(Output(a.name, k, n) for a, k, n in zip(left.columns, kinds, either))
        a, b = self._cast_outputs(left, kinds), self._cast_outputs(right, kinds)
        if isinstance(node, exp.Union):
            sql = f"({a}) UNION ALL ({b})"
            if node.args.get("distinct"):
                sql = self._distinct(sql, columns)
        else:
            equal = " AND ".join(
                f"{key(Expr(f'a.c{i}', k))} IS NOT DISTINCT FROM {key(Expr(f'b.c{i}', k))}" for i, k in enumerate(kinds)
            )
            word = "NOT EXISTS" if isinstance(node, exp.Except) else "EXISTS"
            sql = f"SELECT * FROM ({self._distinct(a, columns)}) AS a WHERE {word} (SELECT 1 FROM ({b}) AS b WHERE {equal})"
        return self._ordered(sql, columns, node, scope)

    def _cast_outputs(self, query: Query, kinds: list[SqlType]) -> str:
        """The query with its columns converted, or unchanged when nothing differs in storage."""
        items, changed = [], False
        for place, (column, kind) in enumerate(zip(query.columns, kinds)):
            before = Expr(f'q."c{place}"', column.type, column.nullable)
            after = cast(before, kind) if kind != NULL else before
            changed = changed or after.sql != before.sql
            items.append(f'{after.sql} AS "c{place}"')
        return f"SELECT {', '.join(items)} FROM ({query.sql}) AS q" if changed else query.sql

    def _distinct(self, sql: str, columns: tuple[Output, ...]) -> str:
        """One row per distinct row by the collation; of equal texts the smallest stands for all."""
        if not any(column.type.is_text for column in columns):
            return f"SELECT DISTINCT * FROM ({sql}) AS d"
        items, keys = [], []
        for place, column in enumerate(columns):
            expr = Expr(f'd."c{place}"', column.type)
            items.append(f'min({expr.sql}) AS "c{place}"' if column.type.is_text else f'{expr.sql} AS "c{place}"')
            keys.append(key(expr))
        return f"SELECT {', '.join(items)} FROM ({sql}) AS d GROUP BY {', '.join(keys)}"

    def _ordered(self, sql: str, columns: tuple[Output, ...], node: exp.Expression, scope: Scope) -> Query:
        """ORDER BY, OFFSET and FETCH over a finished set of rows: only output columns can be named."""
        order = node.args.get("order")
        tail = self._limit(node, scope)
        if order is None and not tail:
            return Query(sql, columns)
        items = []
        for item in order.expressions if order is not None else []:
            place = self._output_place(item.this, columns)
            if place is None:
                raise SqlError(
                    104,
                    "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator.",
                )
            items.append(self.order_key(Expr(f'o."c{place}"', columns[place].type), bool(item.args.get("desc"))))
        by = f" ORDER BY {', '.join(items)}" if items else ""
        return Query(f"SELECT * FROM ({sql}) AS o{by}{tail}", columns)

    def _output_place(self, node: exp.Expression, columns: tuple[Output, ...]) -> int | None:
        if isinstance(node, exp.Literal) and not node.is_string:
            place = int(node.name)
            if not 1 <= place <= len(columns):
                raise SqlError(
                    108,
                    f"The ORDER BY position number {place} is out of range of the number of items in the select list.",
                    severity=15,
                )
            return place - 1
        if isinstance(node, exp.Column) and len(node.parts) == 1:
            for place, column in enumerate(columns):
                if column.name.lower() == node.name.lower():
                    return place
        return None

    # --- SELECT -------------------------------------------------------------------------------

    def _select_query(self, node: exp.Select, scope: Scope, top: bool) -> Query:
        for name in ("for_", "pivots", "windows", "qualify", "connect", "prewhere", "sample", "laterals"):
            if node.args.get(name):
                raise unsupported(name.strip("_").upper())
        limit, order = node.args.get("limit"), node.args.get("order")
        if order is not None and not top and limit is None and node.args.get("offset") is None:
            raise SqlError(
                1033,
                "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified.",
                severity=15,
            )
        from_sql = self.from_clause(node, scope)
        where = node.args.get("where")
        where_sql = f" WHERE {self.predicate(where.this, scope)}" if where is not None else ""
        group_sql = self._group(node, scope)
        items = self.select_items(node, scope)
        having = node.args.get("having")
        having_sql = f" HAVING {self.predicate(having.this, scope)}" if having is not None else ""
        columns = tuple(Output(name, expr.type, expr.nullable) for name, expr in items)
        listed = ", ".join(f'{expr.sql} AS "c{place}"' for place, (_, expr) in enumerate(items))
        body = f"SELECT {listed}{from_sql}{where_sql}{group_sql}{having_sql}"
        if node.args.get("distinct"):
            ordered = self._rewrite_distinct_order(node, items, columns, scope)
            return self._ordered(self._distinct(body, columns), columns, ordered, scope)
        order_items = self._order_items(order, items, scope) if order is not None else []
        if limit is not None and self._ties(limit):
            by = f"ORDER BY {', '.join(order_items)}" if order_items else ""
            if not by:
                raise SqlError(
                    1062,
                    "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.",
                    severity=15,
                )
            return Query(f"{body} QUALIFY rank() OVER ({by}) <= {self._count(limit, scope)} {by}", columns)
        by = f" ORDER BY {', '.join(order_items)}" if order_items else ""
        return Query(f"{body}{by}{self._limit(node, scope)}", columns)

    def _rewrite_distinct_order(
        self, node: exp.Select, items: list[tuple[str, Expr]], columns: tuple[Output, ...], scope: Scope
    ) -> exp.Select:
        """ORDER BY of a DISTINCT by ordinals, so that it can stand outside."""
        order = node.args.get("order")
        if order is None:
            return node
        copy = node.copy()
        for item, original in zip(copy.args["order"].expressions, order.expressions):
            place = self._output_place(original.this, columns)
            if place is None:
                sql = self.value(original.this, scope).sql
                place = next((i for i, (_, expr) in enumerate(items) if expr.sql == sql), None)
            if place is None:
                raise SqlError(
                    145, "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.", severity=15
                )
            item.set("this", exp.Literal.number(place + 1))
        return copy

    def select_items(self, node: exp.Select, scope: Scope) -> list[tuple[str, Expr]]:
        """The select list with `*` expanded: the name and the value of each column."""
        items: list[tuple[str, Expr]] = []
        for item in node.expressions:
            if isinstance(item, exp.Star) or isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                items += self._star(item, scope)
                continue
            name = ""
            if isinstance(item, exp.Alias):
                name, item = item.alias, item.this
            elif isinstance(item, exp.EQ) and isinstance(item.this, exp.Literal) and item.this.is_string:
                name, item = item.this.name, item.expression
            expr = self.value(item, scope)
            if not name and isinstance(item, exp.Column) and item.name.upper() not in facts.NILADIC:
                name = item.name
            items.append((name, expr))
        return items

    def _star(self, item: exp.Expression, scope: Scope) -> list[tuple[str, Expr]]:
        wanted = tuple(part.name.lower() for part in item.parts[:-1]) if isinstance(item, exp.Column) else ()
        matching = [s for s in scope.sources if not wanted or s.qualifiers[-len(wanted) :] == wanted]
        if not matching:
            if wanted:
                raise SqlError(
                    107,
                    f"The column prefix '{'.'.join(wanted)}' does not match with a table name or alias name used in the query.",
                    severity=15,
                )
            raise SqlError(263, "Must specify table to select from.")
        found = [(name, expr) for source in matching for name, expr in source.columns]
        if scope.groups is None:
            return found
        for name, expr in found:
            if expr.sql not in scope.groups:
                raise SqlError(
                    8120,
                    f"Column '{name}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.",
                )
        return [(name, scope.groups[expr.sql]) for name, expr in found]

    def _group(self, node: exp.Select, scope: Scope) -> str:
        """GROUP BY; from here on the scope is grouped if the query is."""
        group = node.args.get("group")
        if group is None:
            parts = [*node.expressions, node.args.get("having"), node.args.get("order")]
            if node.args.get("having") is not None or any(
                aggregates.present(part) for part in parts if part is not None
            ):
                scope.groups = {}
            return ""
        if group.args.get("grouping_sets") or group.args.get("all"):
            raise unsupported("GROUPING SETS")
        listed = [item for item in group.expressions if not isinstance(item, (exp.Rollup, exp.Cube))]
        plain = self._group_keys(listed, scope)
        clauses, groups = [], dict(plain)
        supers = [item for item in group.expressions if isinstance(item, (exp.Rollup, exp.Cube))]
        supers += [*(group.args.get("rollup") or []), *(group.args.get("cube") or [])]
        for item in supers:
            keys = self._group_keys(item.expressions, scope) if item.expressions else plain
            if not item.expressions:
                plain = {}  # GROUP BY a, b WITH ROLLUP
            groups.update(keys)
            clauses.append(f"{type(item).__name__.upper()}({', '.join(k for k, _ in keys.values())})")
        special = bool(supers)
        names = [k for k, _ in plain.values()] + clauses
        scope.groups = {}
        for sql, (group_key, expr) in groups.items():
            shown = f"min({sql})" if expr.type.is_text else sql
            if special and expr.type.is_text:
                shown = f"CASE WHEN grouping({group_key}) = 0 THEN {shown} END"
            scope.groups[sql] = Expr(shown, expr.type, expr.nullable or special)
        return f" GROUP BY {', '.join(names)}"

    def _group_keys(self, nodes: list[exp.Expression], scope: Scope) -> dict[str, tuple[str, Expr]]:
        keys: dict[str, tuple[str, Expr]] = {}
        for item in nodes:
            if isinstance(item, (exp.Literal, exp.Null)):
                raise SqlError(
                    164,
                    "Each GROUP BY expression must contain at least one column that is not an outer reference.",
                    severity=15,
                )
            expr = self.value(item, scope)
            keys[expr.sql] = (key(expr), expr)
        return keys

    def _order_items(self, order: exp.Order, items: list[tuple[str, Expr]], scope: Scope) -> list[str]:
        outputs = tuple(Output(name, expr.type, expr.nullable) for name, expr in items)
        result = []
        for item in order.expressions:
            place = self._output_place(item.this, outputs)
            expr = items[place][1] if place is not None else self.value(item.this, scope)
            if expr.constant is not None or expr.is_null:
                continue
            result.append(self.order_key(expr, bool(item.args.get("desc"))))
        return result

    def _ties(self, limit: exp.Expression) -> bool:
        options = limit.args.get("limit_options")
        return bool(options and options.args.get("with_ties"))

    def _count(self, limit: exp.Expression, scope: Scope) -> str:
        node = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
        return cast(self.value(node, Scope(None)), BIGINT).sql if not isinstance(node, exp.Literal) else node.name

    def _limit(self, node: exp.Expression, scope: Scope) -> str:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        sql = ""
        if limit is not None:
            options = limit.args.get("limit_options")
            if options and options.args.get("percent"):
                count = self._count(limit, scope)
                if not count.replace(".", "", 1).isdigit():
                    raise unsupported("TOP (expression) PERCENT")
                sql = f" LIMIT {count}%"
            else:
                sql = f" LIMIT {self._count(limit, scope)}"
        if offset is not None:
            if node.args.get("order") is None:
                raise SqlError(102, "Incorrect syntax near 'OFFSET'.", severity=15)
            sql += f" OFFSET {cast(self.value(offset.expression, Scope(None)), BIGINT).sql}"
        return sql
