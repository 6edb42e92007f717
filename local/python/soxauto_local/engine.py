"""The sidecar process: the SQL engine behind the SQL Server stand-in, and the Redshift Data API stand-in.

    python -m soxauto_local.engine --nav-dir DIR --warehouse FILE --s3-endpoint URL

Prints one JSON line `{"sql": "127.0.0.1:port", "redshift": "http://127.0.0.1:port"}` when both listen,
logs to standard error, and ends when standard input closes or on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from .protocol import SqlServer
from .redshift_api import RedshiftServer
from .redshift_copy import ObjectStore
from .redshift_engine import Warehouse
from .store import Store


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soxauto_local.engine", description=__doc__)
    parser.add_argument(
        "--nav-dir", type=Path, required=True, help="folder with schema.json and one .duckdb per NAV database"
    )
    parser.add_argument(
        "--warehouse", type=Path, required=True, help="the .duckdb file that plays Redshift; made if missing"
    )
    parser.add_argument("--s3-endpoint", required=True, help="the emulator's S3, which COPY reads")
    parser.add_argument("--sql-port", type=int, default=0, help="port of the session protocol (0: any free)")
    parser.add_argument("--redshift-port", type=int, default=0, help="port of the Redshift Data API (0: any free)")
    parser.add_argument("--memory-limit", default="1GB", help="DuckDB's memory for the NAV side")
    parser.add_argument("--threads", type=int, default=2, help="DuckDB's threads for the NAV side")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Runs until standard input closes; 0 on a clean end."""
    options = _arguments(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    store = Store(options.nav_dir, threads=options.threads, memory_limit=options.memory_limit)
    options.warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(options.warehouse, ObjectStore(options.s3_endpoint))
    sql = SqlServer(store, options.sql_port)
    redshift = RedshiftServer(warehouse, options.redshift_port)
    sql.start()
    redshift.start()
    print(json.dumps({"sql": f"127.0.0.1:{sql.port}", "redshift": f"http://127.0.0.1:{redshift.port}"}), flush=True)
    threading.Thread(target=_watch_stdin, args=(ended,), name="stdin", daemon=True).start()
    ended.wait()
    sql.close()
    redshift.close()
    # Sessions that still run must not keep the warehouse from its checkpoint.
    threading.Timer(4.0, lambda: os._exit(1)).start()
    warehouse.close()
    sys.stderr.flush()
    os._exit(0)


def _watch_stdin(ended: threading.Event) -> None:
    """Ends the process with its parent: the pipe closes however the parent dies."""
    while os.read(0, 4096):
        pass
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
