"""A compiled expression: its DuckDB text and what SQL Server would call its type."""

from __future__ import annotations

from dataclasses import dataclass

from .sqltypes import NULL, SqlType


@dataclass(frozen=True)
class Expr:
    """`sql` is DuckDB SQL; `constant` the text of a literal (a string's content, a number's digits)."""

    sql: str
    type: SqlType
    nullable: bool = True
    constant: str | None = None
    name: str | None = None

    @property
    def is_null(self) -> bool:
        """Whether this is the bare NULL."""
        return self.type == NULL


def text(value: str) -> str:
    """A DuckDB string literal."""
    return "'" + value.replace("'", "''") + "'"


def ident(name: str) -> str:
    """A quoted DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def key(expr: Expr) -> str:
    """What stands for the value where SQL Server's collation decides (comparison, grouping, order):
    SQL_Latin1_General_CP1_CI_AS ignores case and trailing blanks."""
    return f"lower(rtrim({expr.sql}, ' '))" if expr.type.is_text else expr.sql
