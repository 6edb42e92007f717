"""The system procedures that clients call: sp_executesql and sp_describe_first_result_set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .errors import SqlError
from .expr import text
from .query import Compiler, Output, Query
from .scope import Scope
from .sqltypes import BIT, INT, MAX, SMALLINT, SqlType, nvarchar
from .values import read_declarations

if TYPE_CHECKING:
    from .session import Session, Sink


def execute(session: "Session", tree: exp.Execute, sink: "Sink") -> None:
    """EXEC name arguments; 2812 for any other procedure."""
    name = tree.this.name.lower()
    if name == "sp_executesql":
        _executesql(session, tree, sink)
    elif name == "sp_describe_first_result_set":
        _describe(session, tree, sink)
    elif name not in ("sp_reset_connection", "sp_set_session_context"):
        shown = ".".join(part for part in (tree.this.catalog, tree.this.db, tree.this.name) if part)
        raise SqlError(2812, f"Could not find stored procedure '{shown}'.", state=62)


def _arguments(tree: exp.Execute) -> tuple[list[exp.Expression], dict[str, exp.Expression]]:
    positional: list[exp.Expression] = []
    named: dict[str, exp.Expression] = {}
    for item in tree.expressions:
        if isinstance(item, (exp.EQ, exp.PropertyEQ)) and isinstance(item.this, exp.Parameter):
            named[f"@{item.this.name}".lower()] = item.expression
        else:
            positional.append(item)
    return positional, named


def _text(session: "Session", node: exp.Expression | None) -> str | None:
    if node is None:
        return None
    compiler = Compiler(session.context)
    value = session.evaluate(compiler.value(node, Scope()), nvarchar(MAX), compiler)
    return None if value is None else str(value)


def _executesql(session: "Session", tree: exp.Execute, sink: "Sink") -> None:
    positional, named = _arguments(tree)
    statement = _text(session, positional.pop(0) if positional else named.pop("@stmt", named.pop("@statement", None)))
    declared = _text(session, positional.pop(0) if positional else named.pop("@params", None))
    if not statement:
        return
    kinds = read_declarations(declared or "")
    given = dict(zip(kinds, positional))
    given.update(named)
    values: dict[str, object] = {}
    for name, node in given.items():
        if name not in kinds:
            raise SqlError(8145, f"{name} is not a parameter for procedure sp_executesql.")
        compiler = Compiler(session.context)
        values[name] = session.evaluate(compiler.value(node, Scope()), kinds[name], compiler)
    missing = [name for name in kinds if name not in values]
    if missing:
        raise SqlError(8178, f"The parameterized query expects the parameter '{missing[0]}', which was not supplied.")
    before = set(session.context.temp)
    try:
        session.batch(statement, kinds, values, sink)
    finally:
        for name in set(session.context.temp) - before:  # a batch's own temporary tables end with it
            session.cursor.execute(f"DROP TABLE IF EXISTS {session.context.temp.pop(name).sql}")


_TYPE_IDS = {
    "bit": 104, "tinyint": 48, "smallint": 52, "int": 56, "bigint": 127, "real": 59, "float": 62, "decimal": 106, "money": 60,
    "smallmoney": 122, "date": 40, "datetime": 61, "smalldatetime": 58, "datetime2": 42, "datetimeoffset": 43, "time": 41,
    "char": 175, "varchar": 167, "nchar": 239, "nvarchar": 231, "binary": 173, "varbinary": 165, "uniqueidentifier": 36,
    "xml": 241, "rowversion": 189,
}  # fmt: skip
_FIXED_SIZES = {
    "bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "real": 4, "float": 8, "money": 8, "smallmoney": 4, "date": 3,
    "datetime": 8, "smalldatetime": 4, "datetime2": 8, "datetimeoffset": 10, "time": 5, "uniqueidentifier": 16, "xml": -1, "rowversion": 8,
}  # fmt: skip
_DESCRIBED: list[tuple[str, SqlType]] = [
    ("is_hidden", BIT), ("column_ordinal", INT), ("name", nvarchar(128)), ("is_nullable", BIT), ("system_type_id", INT),
    ("system_type_name", nvarchar(256)), ("max_length", SMALLINT), ("precision", SqlType("tinyint")), ("scale", SqlType("tinyint")),
    ("collation_name", nvarchar(128)), ("user_type_id", INT), ("user_type_database", nvarchar(128)), ("user_type_schema", nvarchar(128)),
    ("user_type_name", nvarchar(128)),
]  # fmt: skip


def _describe(session: "Session", tree: exp.Execute, sink: "Sink") -> None:
    positional, named = _arguments(tree)
    sql = _text(session, positional.pop(0) if positional else named.get("@tsql"))
    params = _text(session, positional.pop(0) if positional else named.get("@params"))
    if sql is None:
        raise SqlError(
            201,
            "Procedure or function 'sp_describe_first_result_set' expects parameter '@tsql', which was not supplied.",
        )
    rows = [_row(place, column) for place, column in enumerate(session.describe(sql, params or ""))]
    columns = tuple(
        Output(name, kind, name not in ("is_hidden", "column_ordinal", "is_nullable")) for name, kind in _DESCRIBED
    )
    selects = ["SELECT " + ", ".join(f'{cell} AS "c{i}"' for i, cell in enumerate(row)) for row in rows]
    if not selects:
        nothing = ", ".join(f'CAST(NULL AS {kind.duckdb()}) AS "c{i}"' for i, (_, kind) in enumerate(_DESCRIBED))
        selects = [f"SELECT {nothing} WHERE FALSE"]
    session.send(Query(" UNION ALL ".join(selects), columns), None, sink)


def _row(place: int, column: Output) -> list[str]:
    kind = column.type
    exact = kind.as_decimal() if kind.is_exact else None
    size = _FIXED_SIZES.get(kind.name, 0)
    if kind.name == "decimal":
        size = 5 if kind.precision <= 9 else 9 if kind.precision <= 19 else 13 if kind.precision <= 28 else 17
    elif kind.is_sized:
        size = kind.length * 2 if kind.is_unicode and kind.length > 0 else kind.length
    shown = "timestamp" if kind.name == "rowversion" else str(kind)
    cells: list[object] = [
        False, place + 1, column.name or None, column.nullable, _TYPE_IDS.get(kind.name, 0), shown, size,
        exact.precision if exact else {"float": 53, "real": 24}.get(kind.name, 0), exact.scale if exact else kind.scale,
        "SQL_Latin1_General_CP1_CI_AS" if kind.is_text else None, None, None, None, None,
    ]  # fmt: skip
    return [_cell(cell, wanted) for cell, (_, wanted) in zip(cells, _DESCRIBED)]


def _cell(value: object, kind: SqlType) -> str:
    if value is None:
        return f"CAST(NULL AS {kind.duckdb()})"
    if isinstance(value, str):
        return text(value)
    return f"CAST({value} AS {kind.duckdb()})"
