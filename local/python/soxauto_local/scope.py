"""Names in a query: the sources of a FROM, the CTEs in reach, and the grouping in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import SqlError, invalid_column
from .expr import Expr


@dataclass
class Source:
    """One item of a FROM: the qualifiers it answers to (lower case, innermost last) and its columns."""

    qualifiers: tuple[str, ...]
    columns: list[tuple[str, Expr]]


@dataclass
class Scope:
    """What a name may mean at a place of the query; `parent` is the enclosing query's scope."""

    parent: "Scope | None" = None
    sources: list[Source] = field(default_factory=list)
    ctes: dict[str, "Cte"] = field(default_factory=dict)
    groups: "dict[str, Expr] | None" = None
    """When grouped: DuckDB text of each grouping expression → what stands for it in the select list."""
    raw: bool = False
    """Inside an aggregate's argument: grouping does not apply."""

    def cte(self, name: str) -> "Cte | None":
        """The CTE of that name in this query or an enclosing one."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.ctes.get(name.lower())
            if found:
                return found
            scope = scope.parent
        return None

    def resolve(self, name: str, qualifiers: tuple[str, ...]) -> tuple[Expr, bool]:
        """The column and whether it is of this scope itself; raises 207, 209 or 4104."""
        wanted = tuple(part.lower() for part in qualifiers)
        scope: Scope | None = self
        known_qualifier = False
        while scope is not None:
            found: list[Expr] = []
            for source in scope.sources:
                if wanted and source.qualifiers[-len(wanted) :] != wanted:
                    continue
                known_qualifier = True
                found += [expr for column, expr in source.columns if column.lower() == name.lower()]
            if len(found) > 1:
                raise SqlError(209, f"Ambiguous column name '{name}'.")
            if found:
                return found[0], scope is self
            scope = scope.parent
        if wanted and not known_qualifier:
            raise SqlError(4104, f'The multi-part identifier "{".".join((*qualifiers, name))}" could not be bound.')
        raise invalid_column(name)


@dataclass
class Cte:
    """A common table expression once compiled: the DuckDB name and the columns by user name."""

    alias: str
    columns: list[tuple[str, Expr]]
