"""FROM: tables, derived tables, VALUES, table functions, joins and APPLY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .casts import cast
from .catalog import Table, constants
from .context import Context
from .errors import SqlError, invalid_object, unsupported
from .expr import Expr, ident
from .scope import Scope, Source
from .sqltypes import NULL, SMALLINT, INT, SqlType, common, nvarchar

if TYPE_CHECKING:
    from .query import Query


def shown_name(node: exp.Table) -> str:
    """A table's name as the user wrote it, without brackets."""
    name = ("#" if isinstance(node.this, exp.Identifier) and node.this.args.get("temporary") else "") + node.name
    parts = [node.catalog, node.db, name]
    while parts and not parts[0]:
        parts.pop(0)
    return ".".join(parts)


class SourceCompiler:
    """The FROM half of the compiler."""

    context: Context

    def from_clause(self, node: exp.Select, scope: Scope) -> str:
        """` FROM …` with the sources entered in `scope`; empty without a FROM."""
        from_ = node.args.get("from_")
        if from_ is None:
            return ""
        return f" FROM {self._joined(from_.this, node.args.get('joins') or [], scope)}"

    def _joined(self, first: exp.Expression, joins: list[exp.Join], scope: Scope) -> str:
        start = len(scope.sources)
        sql = self._item(first, scope)
        for join in [*(first.args.get("joins") or []), *joins] if isinstance(first, exp.Table) else joins:
            sql += self._join(join, scope, start)
        return sql

    def _join(self, join: exp.Join, scope: Scope, start: int) -> str:
        if join.args.get("using") or join.args.get("match_condition"):
            raise unsupported("JOIN … USING")
        left = len(scope.sources)
        target = join.this
        if isinstance(target, exp.Lateral):
            return self._apply(target, scope)
        item = self._item(target, scope)
        side = (join.args.get("side") or "").upper()
        kind = (join.args.get("kind") or "").upper()
        condition = join.args.get("on")
        if condition is None:
            if side or kind not in ("", "CROSS"):
                raise SqlError(102, "Incorrect syntax: a join needs ON.", severity=15)
            return f" CROSS JOIN {item}"
        on = self.predicate(condition, scope)
        if side in ("LEFT", "FULL"):
            _make_nullable(scope.sources[left:])
        if side in ("RIGHT", "FULL"):
            _make_nullable(scope.sources[start:left])
        return f" {side or 'INNER'} JOIN {item} ON {on}"

    def _apply(self, node: exp.Lateral, scope: Scope) -> str:
        outer = not node.args.get("cross_apply")
        left = len(scope.sources)
        inner = node.this
        if isinstance(inner, exp.Subquery):
            sql = self._derived(inner.this, node, scope, lateral=True)
        elif isinstance(inner, exp.Anonymous):
            sql = self._function(inner, node, scope)
        else:
            raise unsupported(f"APPLY of '{inner.sql('tsql')[:40]}'")
        if outer:
            _make_nullable(scope.sources[left:])
            return f" LEFT JOIN LATERAL {sql} ON TRUE"
        return f" CROSS JOIN LATERAL {sql}"

    def _item(self, node: exp.Expression, scope: Scope) -> str:
        if node.args.get("pivots") or node.args.get("sample"):
            raise unsupported("PIVOT or TABLESAMPLE")
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Anonymous):
                return self._function(node.this, node, scope)
            return self._table(node, scope)
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):
                return f"({self._joined(node.this, node.args.get('joins') or [], scope)})"
            return self._derived(node.this, node, scope)
        if isinstance(node, exp.Values):
            return self._values(node, scope)
        if isinstance(node, exp.Paren):
            return f"({self._item(node.this, scope)})"
        raise unsupported(f"'{node.sql('tsql')[:60]}' in FROM")

    def _table(self, node: exp.Table, scope: Scope) -> str:
        alias = self.fresh("t")
        name = node.name
        if not node.db and not node.catalog and not node.this.args.get("temporary"):
            cte = scope.cte(name)
            if cte is not None:
                columns = [(n, Expr(e.sql.replace(cte.alias, alias, 1), e.type, e.nullable)) for n, e in cte.columns]
                scope.sources.append(Source(((node.alias or name).lower(),), columns))
                return f"{cte.alias} AS {alias}"
        table, qualifiers = self.find_table(node)
        columns = [(c.name, Expr(f"{alias}.{ident(c.stored_as)}", c.type, c.nullable)) for c in table.columns]
        scope.sources.append(Source((node.alias.lower(),) if node.alias else qualifiers, columns))
        return f"{table.sql} AS {alias}"

    def find_table(self, node: exp.Table) -> tuple[Table, tuple[str, ...]]:
        """The table of a reference and the qualifiers its columns answer to; raises 208."""
        name, context = node.name, self.context
        if node.this.args.get("temporary") or name.startswith("#"):
            written = name if name.startswith("#") else f"#{name}"
            found = context.temp.get(written.lower())
            if found is None:
                raise invalid_object(written)
            return found, (written.lower(),)
        if isinstance(node.this, exp.Dot):
            raise SqlError(7202, f"Could not find server '{node.parts[0].name}' in sys.servers.")
        database = node.catalog or context.database
        schema = node.db or "dbo"
        if (schema.lower(), name.lower()) == ("sys", "dm_exec_sessions"):
            return _sessions(context), ("sys", name.lower())
        table = context.catalog.table(database, schema, name, shown_name(node))
        return table, (database.lower(), schema.lower(), name.lower())

    def _derived(self, body: exp.Expression, node: exp.Expression, scope: Scope, lateral: bool = False) -> str:
        alias = self.fresh("q")
        label = node.alias
        if not label:
            raise SqlError(102, "Incorrect syntax: a derived table needs an alias.", severity=15)
        if isinstance(body, exp.Values):
            return self._values(body, scope, node)
        # A plain derived table sees the enclosing query's outer scopes, an APPLY its left neighbours too.
        outer = scope if lateral else Scope(scope.parent, ctes=scope.ctes)
        query: Query = self.query(body, outer, top=False).finished()
        names = [c.name for c in (node.args["alias"].args.get("columns") or [])]
        scope.sources.append(Source((label.lower(),), self.named(query, names, alias, label)))
        return f"({query.sql}) AS {alias}"

    def _values(self, node: exp.Values, scope: Scope, labelled: exp.Expression | None = None) -> str:
        alias = self.fresh("v")
        holder = labelled if labelled is not None else node
        rows = [[self.value(item, scope) for item in row.expressions] for row in node.expressions]
        if len({len(row) for row in rows}) != 1:
            raise SqlError(
                10709, "The number of columns for each row in a table value constructor must be the same.", severity=15
            )
        kinds: list[SqlType] = []
        for place in range(len(rows[0])):
            kind = NULL
            for row in rows:
                kind = common(kind, row[place].type)
            kinds.append(INT if kind == NULL else kind)
        names = [c.name for c in (holder.args["alias"].args.get("columns") or [])] if holder.args.get("alias") else []
        if len(names) != len(kinds):
            raise SqlError(8155, "A table value constructor needs a column name for each of its columns.")
        body = ", ".join("(" + ", ".join(cast(v, k).sql for v, k in zip(row, kinds)) + ")" for row in rows)
        columns = [
            (name, Expr(f'{alias}."c{i}"', kinds[i], any(row[i].nullable for row in rows)))
            for i, name in enumerate(names)
        ]
        scope.sources.append(Source((holder.alias.lower(),), columns))
        listed = ", ".join(f'"c{i}"' for i in range(len(kinds)))
        return f"(VALUES {body}) AS {alias}({listed})"

    def _function(self, call: exp.Anonymous, node: exp.Expression, scope: Scope) -> str:
        name, alias = call.name.upper(), self.fresh("f")
        label = (node.alias or call.name).lower()
        if name == "STRING_SPLIT" and len(call.expressions) == 2:
            value, separator = (self.value(item, scope) for item in call.expressions)
            columns = [("value", Expr(f'{alias}."value"', value.type if value.type.is_text else nvarchar(4000), False))]
            sql = f'(SELECT unnest(string_split({value.sql}, {separator.sql})) AS "value") AS {alias}'
        elif name == "FN_MY_PERMISSIONS":
            kinds = [
                ("entity_name", nvarchar(128)),
                ("subentity_name", nvarchar(128)),
                ("permission_name", nvarchar(60)),
            ]
            granted = ["CONNECT", "SELECT"] + (["INSERT", "UPDATE", "DELETE"] if self.context.can_write else [])
            rows = ", ".join(f"('database', '', '{permission}')" for permission in granted)
            columns = [(n, Expr(f"{alias}.{ident(n)}", k, True)) for n, k in kinds]
            sql = f"(VALUES {rows}) AS {alias}({', '.join(ident(n) for n, _ in kinds)})"
        else:
            raise invalid_object(call.name)
        scope.sources.append(Source((label,), columns))
        return sql


def _make_nullable(sources: list[Source]) -> None:
    for source in sources:
        source.columns = [(name, Expr(expr.sql, expr.type, True)) for name, expr in source.columns]


def _sessions(context: Context) -> Table:
    """sys.dm_exec_sessions with the one session that a plain login may see: its own."""
    kinds = [
        ("session_id", SMALLINT), ("login_name", nvarchar(128)), ("host_name", nvarchar(128)), ("program_name", nvarchar(128)),
        ("status", nvarchar(30)), ("transaction_isolation_level", SMALLINT), ("original_login_name", nvarchar(128)),
    ]  # fmt: skip
    row = (context.spid, context.login, context.host, context.application, "running", 2, context.login)
    return constants("dm_exec_sessions", kinds, [row])
