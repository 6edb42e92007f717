"""Builds the NAV sample: one DuckDB file per database and a `schema.json` of T-SQL types.

    python -m soxauto_local.nav_sample --out DIR [--rows N] [--seed S] [--defect NAME]…
    python -m soxauto_local.nav_sample --tsql [--rows N] [--seed S]
    python -m soxauto_local.nav_sample --list-defects

`--rows` is the number of ledger rows: half of them customer ledger entries, half general ledger
entries; everything else is sized from it. The same parameters give the same rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from . import nav_defects, nav_ledger, nav_operations, nav_tsql
from .nav_base import MACROS
from .nav_schema import DATABASES, TABLES, create_statements, schema_document

DEFAULT_ROWS = 200_000
MINIMUM_ROWS = 2_000
"""Below this some reports would be empty for want of rows."""
MARKER = "sample.json"
"""Written last: a folder without it is not a sample."""


def build(out: Path, rows: int = DEFAULT_ROWS, seed: int = 1, defects: tuple[str, ...] = ()) -> dict[str, object]:
    """Build the sample in `out`, or reuse it if `out` already holds exactly this one.

    Returns the parameters and the number of rows per table.
    """
    if rows < MINIMUM_ROWS:
        raise ValueError(f"--rows {rows}: at least {MINIMUM_ROWS} are needed for every report to have rows")
    if seed < 0:
        raise ValueError(f"--seed {seed}: must not be negative")
    unknown = sorted(set(defects) - set(nav_defects.BY_NAME))
    if unknown:
        raise ValueError(f"no such defect: {', '.join(unknown)}; known: {', '.join(nav_defects.BY_NAME)}")
    parameters: dict[str, object] = {
        "rows": rows, "seed": seed, "defects": sorted(set(defects)), "generator": _generator_digest(),
    }
    marker = out / MARKER
    present = _read_marker(marker)
    if present is not None and present["parameters"] == parameters and all(
        (out / f"{name}.duckdb").is_file() for name in DATABASES
    ):
        return {**present, "reused": True}
    out.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)
    counts = _generate(out, rows, seed, tuple(sorted(set(defects))))
    (out / "schema.json").write_text(json.dumps(schema_document(), indent=1) + "\n", encoding="utf-8")
    document = {"parameters": parameters, "tables": counts, "total_rows": sum(counts.values())}
    marker.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return {**document, "reused": False}


def _read_marker(marker: Path) -> dict[str, object] | None:
    try:
        return json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _generator_digest() -> str:
    """Changes with the generator's source or DuckDB's version, so that an old sample is never reused."""
    digest = hashlib.sha256(duckdb.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("nav_*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _statements(rows: int, seed: int) -> Iterator[str]:
    """Every statement that fills the sample, in order."""
    # sizes are multiples of what keeps the reports in proportion to the ledger
    orders = max(1_600, rows * 3 // 10)
    yield "CREATE TEMP TABLE flows (company VARCHAR, account VARCHAR, posted TIMESTAMP, amount DECIMAL(38,20))"
    yield from nav_ledger.dimensions()
    yield from nav_ledger.customer_ledger(seed, rows // 2)
    yield from nav_operations.vouchers(seed, orders)
    yield from nav_operations.orders(seed, orders)
    yield from nav_operations.sellers(seed, max(2_000, rows // 5))
    yield from nav_operations.collections(seed, max(1_000, rows // 10))
    yield from nav_ledger.general_ledger(seed, rows - rows // 2)
    yield "DROP TABLE flows"


def _generate(out: Path, rows: int, seed: int, defects: tuple[str, ...]) -> dict[str, int]:
    for name in DATABASES:
        for suffix in (".duckdb", ".duckdb.wal"):
            (out / f"{name}{suffix}").unlink(missing_ok=True)
    spill = out / ".spill"
    connection = duckdb.connect(config={
        "memory_limit": "1GB", "temp_directory": str(spill), "preserve_insertion_order": "true",
    })
    try:
        for name in DATABASES:
            path = str(out / f"{name}.duckdb").replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS \"{name}\"")
            for statement in create_statements(name):
                connection.execute(statement)
        for macro in MACROS:
            connection.execute(macro)
        for statement in _statements(rows, seed):
            connection.execute(statement)
        for name in defects:
            for statement in nav_defects.BY_NAME[name].statements:
                connection.execute(statement)
        counts = {}
        for t in TABLES:
            row = connection.execute(f"SELECT count(*) FROM {t.duckdb_name}").fetchone()
            counts[f"{t.database}.{t.schema}.{t.name}"] = row[0] if row else 0
        for name in DATABASES:
            connection.execute(f'DETACH "{name}"')
        return counts
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="soxauto_local.nav_sample", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for the databases")
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS, help="ledger rows (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--defect", action="append", default=[], metavar="NAME", help="plant a defect (repeatable)")
    parser.add_argument("--tsql", action="store_true", help="print the sample as a T-SQL script")
    parser.add_argument("--list-defects", action="store_true", help="print the known defects as JSON")
    options = parser.parse_args(arguments)
    if options.list_defects:
        print(json.dumps(nav_defects.listing(), indent=1))
        return 0
    if options.out is None and not options.tsql:
        parser.error("--out is needed")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            out = options.out or Path(scratch)
            result = build(out, options.rows, options.seed, tuple(options.defect))
            if options.tsql:
                sys.stdout.reconfigure(encoding="utf-8")
                nav_tsql.write_script(out, sys.stdout)
                sys.stdout.flush()
            else:
                print(json.dumps({"out": str(out), **result}, separators=(",", ":")))
    except BrokenPipeError:
        # the reader has seen enough; nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ValueError as error:
        print(f"nav_sample: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
