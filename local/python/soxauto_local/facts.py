"""What T-SQL can ask about the session and the server: names, rights, versions, objects.

Rights follow the login: `can_write` of the session decides what HAS_PERMS_BY_NAME and the role functions answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from . import dates
from .context import Context
from .errors import SqlError, unsupported
from .expr import Expr, text
from .scope import Scope
from .sqltypes import INT, SMALLINT, SqlType, nvarchar

if TYPE_CHECKING:
    from .expressions import ExpressionCompiler

Function = Callable[["ExpressionCompiler", list[exp.Expression], Scope], Expr]

VERSION = (
    "Microsoft SQL Server 2019 (RTM-CU27) - 15.0.4375.4 (X64) stand-in: soxauto local, DuckDB; not a Microsoft product"
)
PRODUCT_VERSION = "15.0.4375.4"


def _fact(read: Callable[[Context], str | int], to: SqlType) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        return fact(read(compiler.context), to)

    return function


def fact(value: str | int | None, to: SqlType) -> Expr:
    """A constant of the session."""
    if value is None:
        return Expr(f"CAST(NULL AS {to.duckdb()})", to, True)
    return Expr(text(value) if isinstance(value, str) else f"CAST({value} AS {to.duckdb()})", to, to.is_text)


def _constant_text(compiler: "ExpressionCompiler", node: exp.Expression, scope: Scope) -> str | None:
    value = compiler.value(node, scope)
    return value.constant if value.constant is not None else None


_WRITES = ("INSERT", "UPDATE", "DELETE", "ALTER", "CONTROL", "EXECUTE", "TAKE OWNERSHIP", "CREATE TABLE")


def _has_perms(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    if not 3 <= len(nodes) <= 5:
        raise SqlError(174, "The has_perms_by_name function requires 3 to 5 arguments.", severity=15)
    permission = (_constant_text(compiler, nodes[2], scope) or "").upper()
    if permission in _WRITES or permission.startswith(("ALTER", "CREATE")):
        return fact(int(compiler.context.can_write), INT)
    known = permission in ("SELECT", "CONNECT", "VIEW DEFINITION", "VIEW ANY DEFINITION", "CONNECT SQL", "ANY")
    return fact(1 if known else 0 if permission.startswith("VIEW") else None, INT)


def _role(writers: tuple[str, ...], readers: tuple[str, ...], others: tuple[str, ...]) -> Function:
    def function(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
        role = (_constant_text(compiler, nodes[0], scope) or "").lower()
        if role in writers:
            return fact(int(compiler.context.can_write), INT)
        return fact(1 if role in readers else 0 if role in others else None, INT)

    return function


_DB_ROLE = _role(
    ("db_datawriter",), ("public", "db_datareader"),
    ("db_owner", "db_ddladmin", "db_accessadmin", "db_securityadmin", "db_backupoperator", "db_denydatareader", "db_denydatawriter"),
)  # fmt: skip
_SERVER_ROLE = _role(
    (),
    ("public",),
    ("sysadmin", "serveradmin", "securityadmin", "processadmin", "setupadmin", "bulkadmin", "diskadmin", "dbcreator"),
)


def _db_name(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    if nodes:
        raise unsupported("DB_NAME with an argument")
    return fact(compiler.context.database, nvarchar(128))


def _db_id(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    names = ["master", "tempdb"] + [n for n in compiler.context.catalog.databases if n not in ("master", "tempdb")]
    wanted = _constant_text(compiler, nodes[0], scope) if nodes else compiler.context.database
    place = names.index(wanted.lower()) + 1 if wanted and wanted.lower() in names else None
    return fact(place, SMALLINT)


def _object_id(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    name = _constant_text(compiler, nodes[0], scope)
    if name is None:
        raise unsupported("OBJECT_ID of a name that is not a literal")
    parts = [part.strip().strip("[]") for part in name.split(".")]
    context = compiler.context
    if parts[-1].startswith("#"):
        return fact(1 if parts[-1].lower() in context.temp else None, INT)
    held = context.catalog.database(parts[-3] if len(parts) > 2 and parts[-3] else context.database)
    schema = parts[-2] if len(parts) > 1 and parts[-2] else "dbo"
    found = held is not None and (schema.lower(), parts[-1].lower()) in held.tables
    return fact(1000 + list(held.tables).index((schema.lower(), parts[-1].lower())) if held and found else None, INT)


_PROPERTIES: dict[str, str | int] = {
    "PRODUCTVERSION": PRODUCT_VERSION, "PRODUCTLEVEL": "RTM", "EDITION": "Developer Edition (64-bit)", "ENGINEEDITION": 3,
    "COLLATION": "SQL_Latin1_General_CP1_CI_AS", "ISCLUSTERED": 0, "ISINTEGRATEDSECURITYONLY": 0, "PRODUCTMAJORVERSION": "15",
    "PRODUCTMINORVERSION": "0",
}  # fmt: skip


def _serverproperty(compiler: "ExpressionCompiler", nodes: list[exp.Expression], scope: Scope) -> Expr:
    name = (_constant_text(compiler, nodes[0], scope) or "").upper()
    value: str | int | None = _PROPERTIES.get(name)
    if name in ("SERVERNAME", "MACHINENAME", "COMPUTERNAMEPHYSICALNETBIOS"):
        value = compiler.context.server_name
    # SQL Server answers sql_variant; the stand-in a text or an int.
    return fact(value, INT if isinstance(value, int) else nvarchar(128))


GLOBALS: dict[str, Callable[[Context], Expr]] = {
    "VERSION": lambda c: fact(VERSION, nvarchar(300)),
    "SERVERNAME": lambda c: fact(c.server_name, nvarchar(128)),
    "SERVICENAME": lambda c: fact("MSSQLSERVER", nvarchar(128)),
    "SPID": lambda c: fact(c.spid, SMALLINT),
    "ROWCOUNT": lambda c: fact(c.rowcount, INT),
    "TRANCOUNT": lambda c: fact(0, INT),
    "ERROR": lambda c: fact(0, INT),
    "LANGUAGE": lambda c: fact("us_english", nvarchar(128)),
    "MAX_PRECISION": lambda c: fact(38, SqlType("tinyint")),
    "DATEFIRST": lambda c: fact(7, SqlType("tinyint")),
    "MICROSOFTVERSION": lambda c: fact(0x0F001117, INT),
}

_LOGIN = _fact(lambda c: c.login, nvarchar(128))
_USER = _fact(lambda c: c.login, nvarchar(128))
NILADIC: dict[str, Function] = {
    "SYSTEM_USER": _LOGIN,
    "SESSION_USER": _USER,
    "CURRENT_USER": _USER,
    "USER": _USER,
    "CURRENT_TIMESTAMP": dates.FUNCTIONS["GETDATE"],
}

FUNCTIONS: dict[str, Function] = {
    "DB_NAME": _db_name,
    "DB_ID": _db_id,
    "OBJECT_ID": _object_id,
    "SUSER_SNAME": _LOGIN,
    "SUSER_NAME": _LOGIN,
    "ORIGINAL_LOGIN": _LOGIN,
    "USER_NAME": _USER,
    "HOST_NAME": _fact(lambda c: c.host, nvarchar(128)),
    "APP_NAME": _fact(lambda c: c.application, nvarchar(128)),
    "SCHEMA_NAME": _fact(lambda c: "dbo", nvarchar(128)),
    "SERVERPROPERTY": _serverproperty,
    "HAS_PERMS_BY_NAME": _has_perms,
    "HAS_DBACCESS": _fact(lambda c: 1, INT),
    "IS_MEMBER": _DB_ROLE,
    "IS_ROLEMEMBER": _DB_ROLE,
    "IS_SRVROLEMEMBER": _SERVER_ROLE,
}
