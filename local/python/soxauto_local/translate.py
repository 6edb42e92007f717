"""T-SQL in, DuckDB SQL out: the entry to the translation for whoever has a text and a schema.

    from soxauto_local.catalog import Catalog
    from soxauto_local.translate import translate

    catalog = Catalog.load(Path("schema.json"))
    query = translate("SELECT … WHERE [Posting Date] < @cutoff", catalog, "AIG_Nav_DW", {"@cutoff": "date"})
    query.sql       # DuckDB SQL; columns are named c0, c1, …; @cutoff is the parameter $vcutoff
    query.columns   # (name, type, nullable) with the T-SQL type: str(column.type) == "decimal(38,20)"
    query.used      # {"@cutoff": SqlType}: the variables that the SQL binds

Raises `errors.SqlError` with SQL Server's number. Batches, temporary tables and variables need a
session (`session.Session`); this function takes one SELECT.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from .catalog import Catalog
from .context import Context
from .errors import SqlError, syntax
from .parser import Statement, parse_statement, split_batch
from .query import Compiler, Output, Query
from .sqltypes import SqlType, parse_type


@dataclass(frozen=True)
class Translated:
    """A translated SELECT."""

    sql: str
    columns: tuple[Output, ...]
    used: dict[str, SqlType]


def translate(sql: str, catalog: Catalog, database: str, parameters: dict[str, str] | None = None) -> Translated:
    """Translates one SELECT (hints, CTEs and all); `parameters` maps `@name` to a T-SQL type."""
    context = Context(catalog, database=database)
    context.variables = {name.lower(): parse_type(kind, default_length=1) for name, kind in (parameters or {}).items()}
    statements = split_batch(sql)
    if len(statements) != 1 or not isinstance(statements[0], Statement):
        raise SqlError(40510, "translate() takes one SELECT; a batch needs a session.")
    tree = parse_statement(statements[0])
    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise syntax(statements[0].verb)
    compiler = Compiler(context)
    query: Query = compiler.query(tree).finished()
    return Translated(query.sql, query.columns, compiler.used)
