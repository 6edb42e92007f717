"""What a translation may look at: the catalog, and the session it is done for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from .catalog import Catalog, Table
from .sqltypes import SqlType


@dataclass
class Context:
    """A session's state as the translation needs it.

    `temp` holds the session's `#` tables by lower-case name; `variables` the declared types of the
    batch's parameters and variables by lower-case name with its `@`; `now` is one instant per statement.
    """

    catalog: Catalog
    database: str = "master"
    login: str = "soxauto"
    can_write: bool = False
    server_name: str = "LAPTOP"
    application: str = ""
    host: str = ""
    spid: int = 51
    rowcount: int = 0
    temp: dict[str, Table] = field(default_factory=dict)
    variables: dict[str, SqlType] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc).replace(tzinfo=None))
