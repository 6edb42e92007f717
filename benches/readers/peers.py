"""The readers that come from the Python package index, each as its users would write it: the ledger into one zstd Parquet file.

    peers.py READER PORT on|off OUT.parquet

TLS is verified by OpenSSL's own store, which SSL_CERT_FILE names. Prints the number of rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

QUERY = "SELECT * FROM [Ledger]"
LOGIN, PASSWORD, DATABASE = "reader", "Benchmark-1", "AIG_Nav_DW"
# Rows that a batch holds, where a reader lets its user choose.
BATCH = 65_536


def odbc_driver() -> Path:
    """Microsoft's ODBC driver, from the wheel that brings it."""
    import mssql_python_odbc

    found = sorted(Path(mssql_python_odbc.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-*"))
    if not found:
        raise SystemExit("the wheel mssql-python-odbc has no driver for this machine")
    return found[0]


def connection(port: str, tls: str) -> str:
    """A connection string without the driver."""
    encrypt = "yes" if tls == "on" else "no"
    return f"Server=localhost,{port};Database={DATABASE};UID={LOGIN};PWD={PASSWORD};Encrypt={encrypt};TrustServerCertificate=no"


def odbc(port: str, tls: str) -> str:
    """A connection string for ODBC's driver manager."""
    return f"Driver={odbc_driver()};{connection(port, tls)}"


def write(batches, out: str) -> int:  # noqa: ANN001
    """Writes Arrow batches as they come."""
    import pyarrow.parquet as pq

    writer, rows = None, 0
    for batch in batches:
        if writer is None:
            writer = pq.ParquetWriter(out, batch.schema, compression="zstd", compression_level=1)
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def mssql_python_arrow(port: str, tls: str, out: str) -> int:
    import mssql_python

    cursor = mssql_python.connect(connection(port, tls)).cursor()
    cursor.execute(QUERY)
    return write(cursor.arrow_reader(batch_size=BATCH), out)


def arrow_odbc(port: str, tls: str, out: str) -> int:
    from arrow_odbc import read_arrow_batches_from_odbc

    return write(read_arrow_batches_from_odbc(query=QUERY, connection_string=odbc(port, tls), batch_size=BATCH), out)


def pandas_pyodbc(port: str, tls: str, out: str) -> int:
    import warnings

    import pandas
    import pyodbc

    warnings.simplefilter("ignore")
    frame = pandas.read_sql(QUERY, pyodbc.connect(odbc(port, tls)))
    frame.to_parquet(out, compression="zstd", compression_level=1)
    return len(frame)


def connectorx(port: str, tls: str, out: str) -> int:
    import connectorx as cx
    import pyarrow.parquet as pq

    encrypt = "true" if tls == "on" else "false"
    address = f"mssql://{LOGIN}:{PASSWORD}@localhost:{port}/{DATABASE}?encrypt={encrypt}"
    table = cx.read_sql(address, QUERY, return_type="arrow")
    pq.write_table(table, out, compression="zstd", compression_level=1)
    return table.num_rows


if __name__ == "__main__":
    reader, *arguments = sys.argv[1:]
    if reader == "odbc":
        print(odbc(*arguments))
    else:
        print(globals()[reader](*arguments))
