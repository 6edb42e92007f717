"""Statements that need no syntax tree: SET options, transactions, PRINT, RAISERROR, and those always refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import SqlError, unsupported
from .parser import Statement

if TYPE_CHECKING:
    from .session import Session


class Return(Exception):
    """RETURN: the batch ends here."""


def _ignore(session: "Session", statement: Statement) -> None:
    """SET options, transactions, PRINT: nothing here depends on them, but NOCOUNT."""
    words = [token.text.upper() for token in statement.tokens]
    if words[:2] == ["SET", "NOCOUNT"]:
        session.no_count = words[-1] == "ON"


def _rollback(session: "Session", statement: Statement) -> None:
    """Nothing to undo, as nothing but temporary tables can change; those it could not restore."""
    if session.context.temp:
        raise unsupported("ROLLBACK in a session with temporary tables")


def _return(session: "Session", statement: Statement) -> None:
    raise Return


def _raise(session: "Session", statement: Statement) -> None:
    texts = [token.text for token in statement.tokens if "STRING" in token.token_type.name]
    raise SqlError(50000, texts[0] if texts else statement.text)


def _unsupported(session: "Session", statement: Statement) -> None:
    raise unsupported(f"the statement {statement.verb}")


def _denied(session: "Session", statement: Statement) -> None:
    raise SqlError(262, f"{statement.verb} permission denied in database '{session.context.database}'.", severity=14)


UNPARSED: dict[str, Callable[["Session", Statement], None]] = {
    "SET": _ignore,
    "PRINT": _ignore,
    "BEGIN": _ignore,
    "COMMIT": _ignore,
    "ROLLBACK": _rollback,
    "SAVE": _ignore,
    "RETURN": _return,
    "RAISERROR": _raise,
    "THROW": _raise,
    **{verb: _unsupported for verb in ("WHILE", "WAITFOR", "GOTO", "BREAK", "CONTINUE", "DBCC", "MERGE")},
    **{verb: _denied for verb in ("GRANT", "DENY", "REVOKE", "KILL", "BACKUP", "RESTORE", "BULK", "ALTER")},
}
