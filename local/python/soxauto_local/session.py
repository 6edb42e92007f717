"""One client session: runs T-SQL batches statement by statement and hands results to a sink."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Protocol

import duckdb
import pyarrow as pa
from sqlglot import exp

from . import procedures, temptables
from .casts import cast
from .context import Context
from .errors import SqlError, from_duckdb, invalid_object, undeclared, unsupported
from .expr import Expr
from .expressions import read_type
from .parser import If, Node, Statement, parse_condition, parse_statement, split_batch
from .query import Compiler, Output, Query
from .scope import Scope
from .sources import shown_name
from .sqltypes import MAX, SqlType, parse_type
from .store import BATCH_ROWS, WIDE_BATCH_ROWS, Store, stream
from .unparsed import UNPARSED, Return
from .values import bind, read_declarations


class Sink(Protocol):
    """Where a session's answers go; `protocol.Connection` is one, tests have another."""

    def columns(self, columns: tuple[Output, ...]) -> None:
        """A result set starts."""

    def batch(self, batch: pa.RecordBatch) -> None:
        """Rows of the current result set."""

    def rows(self, count: int) -> None:
        """A result set or a row-counting statement is complete."""

    def database(self, name: str) -> None:
        """The session's database changed."""


class Session:
    """A logged-in session: its database, variables, temporary tables, and cursor."""

    def __init__(self, store: Store, login: dict) -> None:
        """`login` is the payload of the `L` frame; raises 4060 for an unknown database."""
        name = login.get("database") or "master"
        held = store.catalog.database(name)
        if held is None:
            raise SqlError(
                4060, f'Cannot open database "{name}" requested by the login. The login failed.', severity=11
            )
        self.store = store
        self.context = Context(
            store.catalog,
            database=held.name,
            login=login.get("login") or "",
            can_write=bool(login.get("can_write")),
            server_name=login.get("server_name") or "LAPTOP",
            application=login.get("application") or "",
            host=login.get("host") or "",
            spid=int(login.get("spid") or 51),
        )
        self.values: dict[str, object] = {}
        self.cursor = store.cursor()
        self.cancelled = threading.Event()
        self.running = threading.Event()
        self.no_count = False

    # --- requests -----------------------------------------------------------------------------

    def run(self, sql: str, params: list[dict], sink: Sink) -> None:
        """Runs a batch; raises `SqlError` (number 0 when it was cancelled)."""
        self.cancelled.clear()
        self.running.set()
        try:
            kinds, values = {}, {}
            for param in params:
                try:
                    kind = parse_type(param["type"], default_length=1)
                except ValueError:
                    raise SqlError(2715, f"Parameter {param['name']}: Cannot find data type {param['type']}.") from None
                name = param["name"].lower()
                kinds[name], values[name] = kind, bind(param["value"], kind)
            self.batch(sql, kinds, values, sink)
        finally:
            self.running.clear()

    def batch(self, sql: str, kinds: dict[str, SqlType], values: dict[str, object], sink: Sink) -> None:
        """Runs a text with variables of its own; also what `sp_executesql` does."""
        nodes = split_batch(sql)
        self._check_syntax(nodes)
        outer = self.context.variables, self.values
        self.context.variables, self.values = dict(kinds), dict(values)
        try:
            self._nodes(nodes, sink)
        except Return:
            pass
        finally:
            self.context.variables, self.values = outer

    def describe(self, sql: str, declarations: str) -> tuple[Output, ...]:
        """The columns of the first result set, without running anything; empty if there is none."""
        nodes = split_batch(sql)
        self._check_syntax(nodes)
        outer = self.context.variables
        self.context.variables = read_declarations(declarations)
        try:
            return self._describe_nodes(nodes) or ()
        finally:
            self.context.variables = outer

    def cancel(self) -> None:
        """Stops the running request; called from another thread, returns when the request has ended."""
        self.cancelled.set()
        while self.running.is_set() and self.cancelled.is_set():
            self.cursor.interrupt()  # lost if no query is under way at this instant, hence again
            time.sleep(0.02)

    def close(self) -> None:
        """Ends the session and drops its temporary tables."""
        self.cursor.close()

    # --- statements ---------------------------------------------------------------------------

    def _check_syntax(self, nodes: list[Node]) -> None:
        """A batch with a syntax error anywhere runs nothing, as in SQL Server."""
        for node in nodes:
            try:
                if isinstance(node, If):
                    parse_condition(node.condition)
                    self._check_syntax(node.then + node.otherwise)
                elif node.verb not in UNPARSED:
                    parse_statement(node)
            except SqlError as error:
                error.line = node.line
                raise

    def _nodes(self, nodes: list[Node], sink: Sink) -> None:
        for node in nodes:
            if self.cancelled.is_set():
                raise SqlError(0, "Operation cancelled by user.", severity=11)
            self.context.now = datetime.now(timezone.utc).replace(tzinfo=None)
            try:
                if isinstance(node, If):
                    self._if(node, sink)
                else:
                    self._statement(node, sink)
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                if isinstance(error, (BrokenPipeError, ConnectionError)):
                    raise
                raised = (
                    SqlError(0, "Operation cancelled by user.", severity=11)
                    if self.cancelled.is_set()
                    else from_duckdb(error)
                )
                raised.line = node.line
                raise raised from error
            except SqlError as error:
                if error.line == 1:
                    error.line = node.line
                raise

    def _if(self, node: If, sink: Sink) -> None:
        compiler = Compiler(self.context)
        condition = compiler.predicate(parse_condition(node.condition), Scope())
        found = self.cursor.execute(f"SELECT CASE WHEN {condition} THEN 1 ELSE 0 END", self.bound(compiler)).fetchall()
        self._nodes(node.then if found[0][0] else node.otherwise, sink)

    def _statement(self, statement: Statement, sink: Sink) -> None:
        special = UNPARSED.get(statement.verb)
        if special is not None and not (
            statement.verb == "SET" and len(statement.tokens) > 1 and statement.tokens[1].text.startswith("@")
        ):
            special(self, statement)
            return
        tree = parse_statement(statement)
        if isinstance(tree, exp.Select) and tree.args.get("into") is not None:
            count = temptables.select_into(self, tree)
            self._counted(count, sink)
        elif isinstance(tree, exp.Select) and _is_assignment(tree):
            self._assign_select(tree)
        elif isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
            self._query(tree, sink)
        elif isinstance(tree, exp.Declare):
            self._declare(tree)
        elif isinstance(tree, exp.Set):
            self._set(tree)
        elif isinstance(tree, exp.Use):
            self._use(tree, sink)
        elif isinstance(tree, exp.Execute):
            procedures.execute(self, tree, sink)
        elif isinstance(tree, (exp.Insert, exp.Update, exp.Delete, exp.TruncateTable)):
            self._counted(temptables.modify(self, tree), sink)
        elif isinstance(tree, exp.Create):
            temptables.create(self, tree)
        elif isinstance(tree, exp.Drop):
            temptables.drop(self, tree)
        else:
            raise unsupported(f"the statement {statement.verb}")

    def _counted(self, count: int, sink: Sink) -> None:
        self.context.rowcount = count
        if not self.no_count:
            sink.rows(count)

    def bound(self, compiler: Compiler) -> dict[str, object] | None:
        """The values of the variables that the compiled SQL uses."""
        return {f"v{name[1:]}": self.values.get(name) for name in compiler.used} or None

    def _query(self, tree: exp.Expression, sink: Sink) -> None:
        compiler = Compiler(self.context)
        query = compiler.query(tree).finished()
        self.send(query, self.bound(compiler), sink)

    def send(self, query: Query, parameters: dict[str, object] | None, sink: Sink) -> None:
        """Runs a compiled query and streams it to the sink."""
        schema = pa.schema([pa.field(f"c{i}", column.type.arrow()) for i, column in enumerate(query.columns)])
        count, started = 0, False
        wide = any(column.type.length == MAX or column.type.name == "xml" for column in query.columns)
        with stream(self.cursor, query.sql, parameters, WIDE_BATCH_ROWS if wide else BATCH_ROWS) as batches:
            for batch in batches:
                if self.cancelled.is_set():
                    raise SqlError(0, "Operation cancelled by user.", severity=11)
                if not started:
                    sink.columns(query.columns)
                    started = True
                if batch.num_rows:
                    arrays = [column.cast(field.type) for column, field in zip(batch.columns, schema)]
                    sink.batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                    count += batch.num_rows
        if not started:
            sink.columns(query.columns)
        self.context.rowcount = count
        sink.rows(count)

    # --- variables ----------------------------------------------------------------------------

    def evaluate(self, expr: Expr, kind: SqlType, compiler: Compiler) -> object:
        """The value of an expression as a binding of the type."""
        return self._fetch([cast(expr, kind)], [kind], compiler)[0]

    def _fetch(self, exprs: list[Expr], kinds: list[SqlType], compiler: Compiler) -> list[object]:
        items = []
        for place, (expr, kind) in enumerate(zip(exprs, kinds)):
            as_text = kind.is_temporal or kind.name == "decimal" or kind.is_money
            items.append(f"CAST({expr.sql} AS VARCHAR)" if as_text else expr.sql)
        return list(self.cursor.execute(f"SELECT {', '.join(items)}", self.bound(compiler)).fetchall()[0])

    def _declare(self, tree: exp.Declare) -> None:
        for item in tree.expressions:
            if not isinstance(item.args.get("kind"), exp.DataType):
                raise unsupported("table variables")
            kind = read_type(item.args["kind"], default_length=1)
            for target in item.this if isinstance(item.this, list) else [item.this]:
                name = f"@{target.name}".lower()
                if name in self.context.variables:
                    raise SqlError(
                        134,
                        f"The variable name '@{target.name}' has already been declared. Variable names must be unique within a query batch or stored procedure.",
                        severity=15,
                    )
                value: object = None
                default = item.args.get("default")
                if default:
                    compiler = Compiler(self.context)
                    value = self.evaluate(compiler.value(default, Scope()), kind, compiler)
                self.context.variables[name], self.values[name] = kind, value

    def _set(self, tree: exp.Set) -> None:
        for item in tree.expressions:
            assignment = item.this
            if not isinstance(assignment, exp.EQ) or not isinstance(assignment.this, exp.Parameter):
                raise unsupported(f"'{tree.sql('tsql')[:60]}'")
            name, kind = self._target(assignment.this)
            compiler = Compiler(self.context)
            self.values[name] = self.evaluate(compiler.value(assignment.expression, Scope()), kind, compiler)

    def _target(self, node: exp.Parameter) -> tuple[str, SqlType]:
        name = f"@{node.name}".lower()
        kind = self.context.variables.get(name)
        if kind is None:
            raise undeclared(f"@{node.name}")
        return name, kind

    def _assign_select(self, tree: exp.Select) -> None:
        """SELECT @a = …, @b = … FROM …: the last row's values; unchanged when there is no row."""
        tree = tree.copy()
        targets = [self._target(item.this) for item in tree.expressions]
        tree.set("expressions", [item.expression for item in tree.expressions])
        compiler = Compiler(self.context)
        query = compiler.query(tree).finished()
        exprs = [
            cast(Expr(f'q."c{i}"', column.type, column.nullable), kind)
            for i, (column, (_, kind)) in enumerate(zip(query.columns, targets))
        ]
        items = ", ".join(
            f"CAST({e.sql} AS VARCHAR)" if k.is_temporal or k.name == "decimal" or k.is_money else e.sql
            for e, (_, k) in zip(exprs, targets)
        )
        rows = self.cursor.execute(f"SELECT {items} FROM ({query.sql}) AS q", self.bound(compiler)).fetchall()
        self.context.rowcount = len(rows)
        if rows:
            for (name, _), value in zip(targets, rows[-1]):
                self.values[name] = value

    # --- database and describing --------------------------------------------------------------

    def _use(self, tree: exp.Use, sink: Sink) -> None:
        held = self.store.catalog.database(tree.this.name)
        if held is None:
            raise SqlError(
                911, f"Database '{tree.this.name}' does not exist. Make sure that the name is entered correctly."
            )
        self.context.database = held.name
        sink.database(held.name)

    def _describe_nodes(self, nodes: list[Node]) -> tuple[Output, ...] | None:
        for node in nodes:
            if isinstance(node, If):
                raise SqlError(11509, "The metadata could not be determined because the batch is conditional (IF).")
            if node.verb in UNPARSED and not (node.verb == "SET" and node.tokens[1].text.startswith("@")):
                continue
            tree = parse_statement(node)
            if isinstance(tree, exp.Declare):
                for item in tree.expressions:
                    for target in item.this if isinstance(item.this, list) else [item.this]:
                        self.context.variables[f"@{target.name}".lower()] = read_type(
                            item.args["kind"], default_length=1
                        )
            elif isinstance(tree, exp.Select) and _is_assignment(tree):
                continue
            elif isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
                if tree.args.get("into") is not None:
                    continue
                for table in tree.find_all(exp.Table):
                    if isinstance(table.this, exp.Identifier) and table.this.args.get("temporary"):
                        raise SqlError(
                            11526,
                            f"The metadata could not be determined because statement '{node.text[:60]}' uses a temp table.",
                        )
                return Compiler(self.context).query(tree).finished().columns
            elif isinstance(tree, exp.Execute):
                raise SqlError(11512, "The metadata could not be determined because the batch calls a procedure.")
        return None

    def table_or_denied(self, node: exp.Table, action: str) -> SqlError:
        """The error for writing to anything that is not a temporary table."""
        table, qualifiers = Compiler(self.context).find_table(node)
        if len(qualifiers) < 3:
            return invalid_object(shown_name(node))
        database, schema = qualifiers[0], qualifiers[1]
        held = self.store.catalog.database(database)
        shown = held.name if held else database
        if self.context.can_write:
            return SqlError(3906, f'Failed to update database "{shown}" because the database is read-only.')
        return SqlError(
            229,
            f"The {action} permission was denied on the object '{table.name}', database '{shown}', schema '{schema}'.",
            severity=14,
            state=5,
        )


def _is_assignment(tree: exp.Select) -> bool:
    assigned = [isinstance(item, exp.EQ) and isinstance(item.this, exp.Parameter) for item in tree.expressions]
    if any(assigned) and not all(assigned):
        raise SqlError(
            141,
            "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
            severity=15,
        )
    return bool(assigned) and all(assigned)
