"""A session's `#` tables: CREATE, SELECT … INTO, INSERT, UPDATE, DELETE, DROP; their indexes are no-ops.

They live in DuckDB's temporary schema of the session's own connection. Writing to any other table
is refused: the NAV sample is read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .casts import cast
from .catalog import Column, Table
from .errors import SqlError, invalid_column, invalid_object, unsupported
from .expr import Expr, ident
from .expressions import read_type
from .query import Compiler, Query
from .scope import Scope, Source

if TYPE_CHECKING:
    from .session import Session


def is_temporary(node: exp.Expression) -> bool:
    """Whether a table reference names a `#` table."""
    return (
        isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and bool(node.this.args.get("temporary"))
    )


def _name(node: exp.Table) -> str:
    return f"#{node.name}"


def _register(session: "Session", name: str, columns: list[Column]) -> Table:
    table = Table(name, f"temp.main.{ident(name.lower())}", tuple(columns))
    session.context.temp[name.lower()] = table
    return table


def _refuse_existing(session: "Session", name: str) -> None:
    if name.lower() in session.context.temp:
        raise SqlError(2714, f"There is already an object named '{name}' in the database.", state=6)


def select_into(session: "Session", tree: exp.Select) -> int:
    """SELECT … INTO #t; the number of rows."""
    tree = tree.copy()
    target = tree.args["into"].this
    tree.set("into", None)
    if not is_temporary(target):
        raise SqlError(262, f"CREATE TABLE permission denied in database '{session.context.database}'.", severity=14)
    name = _name(target)
    _refuse_existing(session, name)
    compiler = Compiler(session.context)
    query = compiler.query(tree).finished()
    named = compiler.named(query, [], "q", name)  # every column needs a name, once
    columns = [Column(column, expr.type, expr.nullable, f"c{i}") for i, (column, expr) in enumerate(named)]
    session.cursor.execute(f"CREATE TEMP TABLE {ident(name.lower())} AS {query.sql}", session.bound(compiler))
    table = _register(session, name, columns)
    return _count(session, table)


def _count(session: "Session", table: Table) -> int:
    return int(session.cursor.execute(f"SELECT count(*) FROM {table.sql}").fetchall()[0][0])


def create(session: "Session", tree: exp.Create) -> None:
    """CREATE TABLE #t (…), and CREATE INDEX on one, which changes nothing."""
    kind = (tree.args.get("kind") or "").upper()
    if kind.endswith("INDEX"):
        table = tree.this.args.get("table")
        if not is_temporary(table):
            raise SqlError(
                1088,
                f'Cannot find the object "{table.name}" because it does not exist or you do not have permissions.',
                state=12,
            )
        if _name(table).lower() not in session.context.temp:
            raise SqlError(
                1088,
                f'Cannot find the object "{_name(table)}" because it does not exist or you do not have permissions.',
                state=12,
            )
        return
    schema = tree.this
    if kind != "TABLE" or not isinstance(schema, exp.Schema) or not is_temporary(schema.this):
        raise SqlError(262, f"CREATE {kind} permission denied in database '{session.context.database}'.", severity=14)
    name = _name(schema.this)
    _refuse_existing(session, name)
    columns: list[Column] = []
    parts: list[str] = []
    for item in schema.expressions:
        if isinstance(item, exp.PrimaryKey):
            keys = [
                column.stored_as
                for wanted in item.expressions
                for column in columns
                if column.name.lower() == wanted.name.lower()
            ]
            parts.append(f"PRIMARY KEY ({', '.join(keys)})")
            continue
        if not isinstance(item, exp.ColumnDef):
            raise unsupported(f"'{item.sql('tsql')[:60]}' in CREATE TABLE")
        column, part = _column(item, len(columns))
        columns.append(column)
        parts.append(part)
    session.cursor.execute(f"CREATE TEMP TABLE {ident(name.lower())} ({', '.join(parts)})")
    _register(session, name, columns)


def _column(item: exp.ColumnDef, place: int) -> tuple[Column, str]:
    kind = read_type(item.args["kind"], default_length=1)
    nullable, extra = True, ""
    for constraint in item.args.get("constraints") or []:
        rule = constraint.kind
        if isinstance(rule, exp.NotNullColumnConstraint):
            nullable = bool(rule.args.get("allow_null"))
        elif isinstance(rule, exp.PrimaryKeyColumnConstraint):
            nullable, extra = False, " PRIMARY KEY"
        elif not isinstance(rule, exp.CollateColumnConstraint):
            raise unsupported(f"'{constraint.sql('tsql')[:60]}' in CREATE TABLE")
    sql = f'"c{place}" {kind.duckdb()}{"" if nullable else " NOT NULL"}{extra}'
    return Column(item.name, kind, nullable, f"c{place}"), sql


def drop(session: "Session", tree: exp.Drop) -> None:
    """DROP TABLE [IF EXISTS] #t, #u; DROP INDEX is a no-op."""
    if (tree.args.get("kind") or "").upper() == "INDEX":
        return
    for node in tree.args.get("tables") or [tree.this]:
        name = _name(node) if is_temporary(node) else node.name
        table = session.context.temp.get(name.lower()) if is_temporary(node) else None
        if table is None:
            if tree.args.get("exists") and is_temporary(node):
                continue
            raise SqlError(
                3701,
                f"Cannot drop the table '{name}', because it does not exist or you do not have permission.",
                severity=11,
                state=5,
            )
        session.cursor.execute(f"DROP TABLE {table.sql}")
        del session.context.temp[name.lower()]


def modify(session: "Session", tree: exp.Expression) -> int:
    """INSERT, UPDATE, DELETE, TRUNCATE of a `#` table; the number of rows. 229 or 3906 for any other."""
    target = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else tree.this
    if isinstance(tree, exp.Delete) and tree.args.get("tables"):
        if target or len(tree.args["tables"]) != 1:
            raise unsupported("DELETE of an alias")
        target = tree.args["tables"][0]  # DELETE #t, without FROM
    listed: list[str] = []
    if isinstance(target, exp.Schema):
        listed = [column.name for column in target.expressions]
        target = target.this
    action = {"TruncateTable": "ALTER"}.get(type(tree).__name__, type(tree).__name__.upper())
    if not is_temporary(target):
        raise session.table_or_denied(target, action)
    table = session.context.temp.get(_name(target).lower())
    if table is None:
        raise invalid_object(_name(target))
    if isinstance(tree, exp.Insert):
        return _insert(session, tree, table, listed)
    if isinstance(tree, exp.TruncateTable):
        session.cursor.execute(f"DELETE FROM {table.sql}")
        return 0
    return _change(session, tree, table)


def _insert(session: "Session", tree: exp.Insert, table: Table, listed: list[str]) -> int:
    targets = [_find(table, name) for name in listed] if listed else list(table.columns)
    compiler = Compiler(session.context)
    source = tree.expression
    if isinstance(source, exp.Values):
        rows = []
        for row in source.expressions:
            values = [compiler.value(item, Scope()) for item in row.expressions]
            if len(values) != len(targets):
                raise SqlError(213, "Column name or number of supplied values does not match table definition.")
            rows.append("(" + ", ".join(_fit(v, c).sql for v, c in zip(values, targets)) + ")")
        body = "VALUES " + ", ".join(rows)
    else:
        query: Query = compiler.query(source)
        if len(query.columns) != len(targets):
            raise SqlError(
                121 if len(query.columns) > len(targets) else 120,
                "The select list for the INSERT statement does not match the insert list.",
                severity=15,
            )
        items = [
            _fit(Expr(f'q."c{i}"', k.type, k.nullable), c).sql for i, (k, c) in enumerate(zip(query.columns, targets))
        ]
        body = f"SELECT {', '.join(items)} FROM ({query.sql}) AS q"
    names = ", ".join(ident(column.stored_as) for column in targets)
    return int(
        session.cursor.execute(f"INSERT INTO {table.sql} ({names}) {body}", session.bound(compiler)).fetchall()[0][0]
    )


def _fit(value: Expr, column: Column) -> Expr:
    """A value on its way into a column: a text too long is an error here, not a cut."""
    if (
        value.type.is_text
        and column.type.is_text
        and column.type.length > 0
        and not 0 < value.type.length <= column.type.length
    ):
        longest = column.type.length
        message = (
            f"@@TSQL|2628|String or binary data would be truncated in column ''{column.name.replace(chr(39), '')}''.|@@"
        )
        sql = f"CASE WHEN length(rtrim({value.sql}, ' ')) > {longest} THEN error('{message}') ELSE {value.sql} END"
        return cast(Expr(sql, value.type, value.nullable), column.type)
    return cast(value, column.type)


def _find(table: Table, name: str) -> Column:
    for column in table.columns:
        if column.name.lower() == name.lower():
            return column
    raise invalid_column(name)


def _change(session: "Session", tree: exp.Expression, table: Table) -> int:
    if tree.args.get("from_") is not None or tree.args.get("using"):
        raise unsupported("UPDATE or DELETE with a FROM of its own")
    compiler = Compiler(session.context)
    scope = Scope()
    columns = [(c.name, Expr(f"t.{ident(c.stored_as)}", c.type, c.nullable)) for c in table.columns]
    scope.sources.append(Source((table.name.lower(),), columns))
    where = tree.args.get("where")
    condition = f" WHERE {compiler.predicate(where.this, scope)}" if where is not None else ""
    if isinstance(tree, exp.Delete):
        sql = f"DELETE FROM {table.sql} AS t{condition}"
    else:
        sets = []
        for item in tree.expressions:
            column = _find(table, item.this.name)
            sets.append(f"{ident(column.stored_as)} = {_fit(compiler.value(item.expression, scope), column).sql}")
        sql = f"UPDATE {table.sql} AS t SET {', '.join(sets)}{condition}"
    return int(session.cursor.execute(sql, session.bound(compiler)).fetchall()[0][0])
