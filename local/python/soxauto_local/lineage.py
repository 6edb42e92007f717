"""Which columns of the source feed each column of a report, read from the catalog's T-SQL by `sqlglot`.

The result, `lineage.json` beside the queries, is compiled into the functions, which need no parser then. It is made
again whenever a query changes: `scripts/lineage` writes it, `scripts/lineage --check` only compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from .nav_schema import TABLES

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

CATALOG = Path(__file__).parents[3] / "catalog" / "c-pg-1"
SCHEMA = "soxauto.lineage/1"

# T-SQL compares names without regard to case; what is written down is spelt as the source spells it.
_TABLES = {
    tuple(part.lower() for part in (t.database, t.schema, t.name)): (
        f"{t.database}.{t.schema}.{t.name}",
        {column.name.lower(): column.name for column in t.columns},
    )
    for t in TABLES
}


class LineageError(Exception):
    """The query reads what nobody has described, or cannot be read at all."""


def of_query(sql: str) -> dict:
    """The tables that the query reads, and for each of its columns the source columns that feed it, sorted."""
    try:
        tree = qualify(
            parse_one(sql, dialect="tsql"), dialect="tsql", schema=_nested_schema(), identify=False,
            validate_qualify_columns=True,
        )
        nodes = {
            column: lineage(column, tree, schema=_nested_schema(), dialect="tsql") for column in tree.named_selects
        }
    except SqlglotError as error:
        raise LineageError(f"sqlglot cannot follow the query: {error}") from error
    names = _spelt(sql)
    return {
        "tables": sorted(_tables(tree)),
        "columns": [
            {"column": names[at], "sources": sorted(_sources(node))} for at, node in enumerate(nodes.values())
        ],
    }


def _nested_schema() -> dict:
    schema: dict = {}
    for table in TABLES:
        columns = {f'"{column.name}"': column.type for column in table.columns}
        schema.setdefault(f'"{table.database}"', {}).setdefault(f'"{table.schema}"', {})[f'"{table.name}"'] = columns
    return schema


def _spelt(sql: str) -> list[str]:
    """The names of the SELECT list as they are written."""
    return parse_one(sql, dialect="tsql").named_selects


def _tables(tree: exp.Expression) -> set[str]:
    found = set()
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found.add(_described(source)[0])
    return found


def _sources(node: Node) -> set[str]:
    found = set()
    for leaf in node.walk():
        if isinstance(leaf.expression, exp.Table):
            table, columns = _described(leaf.expression)
            name = exp.to_column(leaf.name, dialect="tsql").name if "." in leaf.name else leaf.name
            if name.lower() not in columns:
                raise LineageError(f"{table} has no column {name!r}")
            found.add(f"{table}.{columns[name.lower()]}")
        elif not leaf.downstream and list(leaf.expression.find_all(exp.Column)):
            raise LineageError(f"{leaf.name}: where {leaf.expression.sql(dialect='tsql')} comes from is not known")
    return found


def _described(table: exp.Table) -> tuple[str, dict[str, str]]:
    key = (table.catalog.lower(), table.db.lower(), table.name.lower())
    if key not in _TABLES:
        raise LineageError(f"{'.'.join(key)} is not described in nav_schema.py")
    return _TABLES[key]


def of_catalog(folder: Path) -> dict:
    """`lineage.json` for every report of the folder."""
    reports = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name == "control.toml":
            continue
        report = tomllib.loads(path.read_text(encoding="utf-8"))
        sql = (folder / report["query"]).read_bytes()
        try:
            found = of_query(sql.decode("utf-8"))
        except LineageError as error:
            raise LineageError(f"{report['query']}: {error}") from error
        reports[report["id"]] = {"query_sha256": hashlib.sha256(sql).hexdigest(), **found}
    return {"schema": SCHEMA, "ipes": reports}


def text_of(document: dict) -> str:
    """The document as it is committed: one column to a line, so that a change is seen as one."""
    lines = [f'{{"schema": {json.dumps(document["schema"])}, "ipes": {{']
    for at, (ipe, report) in enumerate(document["ipes"].items()):
        lines.append(f"{json.dumps(ipe)}: {{")
        lines.append(f'  "query_sha256": {json.dumps(report["query_sha256"])},')
        lines.append('  "tables": [')
        lines += _joined(f"    {json.dumps(table, ensure_ascii=False)}" for table in report["tables"])
        lines.append('  ],\n  "columns": [')
        lines += _joined(f"    {json.dumps(column, ensure_ascii=False)}" for column in report["columns"])
        lines.append("  ]\n}" + ("," if at + 1 < len(document["ipes"]) else ""))
    return "\n".join(lines) + "\n}}\n"


def _joined(lines) -> list[str]:
    lines = list(lines)
    return [line + "," for line in lines[:-1]] + lines[-1:]


def main() -> int:
    """0: written, or the same. 1: differs. 2: a query cannot be followed."""
    parser = argparse.ArgumentParser(prog="scripts/lineage", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CATALOG, help="folder of a control")
    parser.add_argument("--check", action="store_true", help="compare with what is committed; write nothing")
    arguments = parser.parse_args()
    target = arguments.folder / "lineage.json"
    try:
        text = text_of(of_catalog(arguments.folder))
    except LineageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not arguments.check:
        target.write_text(text, encoding="utf-8")
        print(f"{target} written")
    elif not target.exists() or target.read_text(encoding="utf-8") != text:
        print(f"error: {target} is not what the queries give; run scripts/lineage", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
