"""The content digest a second time, written from docs/EVIDENCE.md alone and sharing no code with the product.

    content_digest.py PART...     prints the digest of the rows in these Parquet files
    content_digest.py --vectors   prints docs/content-digest.vectors.json

It needs pyarrow, and reads everything into memory: it is there to be read and to disagree, not to be fast.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
from collections.abc import Callable, Iterator
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DOMAIN = b"soxauto content digest v1\n"
TRACEABILITY = {"_run_id", "_ipe_id", "_cutoff_date", "_extracted_at", "_row_number"}
DIGITS = Context(prec=38)


def sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def decimal(scale: int) -> Callable[[Decimal], bytes]:
    return lambda value: int(value.scaleb(scale, DIGITS)).to_bytes(16, "big", signed=True)


def floating(code: str, nan: str) -> Callable[[float], bytes]:
    return lambda value: bytes.fromhex(nan) if value != value else struct.pack(code, value)


def number(code: str) -> Callable[[int], bytes]:
    return lambda value: struct.pack(code, value)


def rule(kind: pa.DataType) -> tuple[str, pa.DataType, Callable[[Any], bytes]]:
    """A type's name in the header, the type to read its values as, and the bytes of a value."""
    if pa.types.is_decimal128(kind):
        return f"decimal({kind.precision},{kind.scale})", kind, decimal(kind.scale)
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        return ("timestamp(us,utc)" if kind.tz else "timestamp(us)"), pa.int64(), number(">q")
    rules = {
        pa.bool_(): ("boolean", kind, number(">?")),
        pa.uint8(): ("uint8", kind, number(">B")),
        pa.int16(): ("int16", kind, number(">h")),
        pa.int32(): ("int32", kind, number(">i")),
        pa.int64(): ("int64", kind, number(">q")),
        pa.float32(): ("float32", kind, floating(">f", "7fc00000")),
        pa.float64(): ("float64", kind, floating(">d", "7ff8000000000000")),
        pa.date32(): ("date", pa.int32(), number(">i")),
        pa.time64("us"): ("time(us)", pa.int64(), number(">q")),
        pa.string(): ("text", kind, lambda value: sized(value.encode())),
        pa.binary(): ("binary", kind, sized),
    }
    return rules[kind]


def counted(schema: pa.Schema) -> list[pa.Field]:
    return [field for field in schema if field.name not in TRACEABILITY]


def header(schema: pa.Schema, rows: int) -> bytes:
    fields = counted(schema)
    out = DOMAIN + struct.pack(">I", len(fields))
    for field in fields:
        out += sized(field.name.encode()) + sized(rule(field.type)[0].encode())
    return out + struct.pack(">Q", rows)


def encoded_rows(table: pa.Table) -> Iterator[bytes]:
    columns = []
    for field in counted(table.schema):
        _, read_as, encode = rule(field.type)
        cells = table[field.name].cast(read_as).to_pylist()
        columns.append([b"\0" if cell is None else b"\1" + encode(cell) for cell in cells])
    return map(b"".join, zip(*columns))


def content_digest(tables: list[pa.Table]) -> str:
    rows = sorted(hashlib.sha256(row).digest() for table in tables for row in encoded_rows(table))
    return hashlib.sha256(header(tables[0].schema, len(rows)) + b"".join(rows)).hexdigest()


# The test vectors. A cell is a JSON null, true, false, or a string: digits for numbers, days, and microseconds; digits
# with exactly the declared scale for decimals; hexadecimal bits for floats and bytes for binary.

TYPES: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "boolean": (pa.bool_(), bool),
    "uint8": (pa.uint8(), int),
    "int16": (pa.int16(), int),
    "int32": (pa.int32(), int),
    "int64": (pa.int64(), int),
    "float32": (pa.float32(), lambda bits: struct.unpack(">f", bytes.fromhex(bits))[0]),
    "float64": (pa.float64(), lambda bits: struct.unpack(">d", bytes.fromhex(bits))[0]),
    "date": (pa.date32(), int),
    "time(us)": (pa.time64("us"), int),
    "timestamp(us)": (pa.timestamp("us"), int),
    "timestamp(us,utc)": (pa.timestamp("us", tz="UTC"), int),
    "text": (pa.string(), str),
    "binary": (pa.binary(), bytes.fromhex),
}

NINES = "9" * 38
FORMS: list[tuple[str, dict[str, str], list[list[Any]]]] = [
    ("no rows", {"n": "int32"}, []),
    ("the number 1", {"n": "int32"}, [["1"]]),
    ("the same number in another type", {"n": "int64"}, [["1"]]),
    ("the text 1", {"n": "text"}, [["1"]]),
    ("another name", {"N": "int32"}, [["1"]]),
    ("NULL, empty, and texts that look alike", {"t": "text"}, [[None], [""], ["NULL"], [" "], ["0"], ["\0"]]),
    ("1.0", {"d": "decimal(10,1)"}, [["1.0"]]),
    ("1.00", {"d": "decimal(10,2)"}, [["1.00"]]),
    ("1.00 of another precision", {"d": "decimal(11,2)"}, [["1.00"]]),
    ("order and duplicates", {"n": "int16"}, [["3"], ["1"], ["2"], ["1"]]),
    ("the same in another order", {"n": "int16"}, [["1"], ["1"], ["2"], ["3"]]),
    ("one duplicate less", {"n": "int16"}, [["1"], ["2"], ["3"]]),
    ("cells do not run into each other", {"a": "text", "b": "text"}, [["ab", "c"], ["a", "bc"], ["", "abc"], ["abc", ""]]),
    ("NULL has a place", {"a": "int32", "b": "int32"}, [[None, "7"], ["7", None], [None, None], ["7", "7"]]),
    ("texts are not normalised", {"t": "text"}, [["é"], ["e\u0301"], ["É"], ["日本"], ["🧾"], ["a"], ["A"], ["a "]]),
    ("booleans", {"b": "boolean"}, [[True], [False], [None]]),
    ("tinyint", {"n": "uint8"}, [["0"], ["1"], ["255"], [None]]),
    ("smallint", {"n": "int16"}, [["-32768"], ["-1"], ["0"], ["32767"], [None]]),
    ("int", {"n": "int32"}, [["-2147483648"], ["-1"], ["0"], ["2147483647"], [None]]),
    ("bigint", {"n": "int64"}, [["-9223372036854775808"], ["-1"], ["0"], ["9223372036854775807"], [None]]),
    ("decimal(38,20)", {"d": "decimal(38,20)"}, [
        [f"{NINES[:18]}.{NINES[:20]}"], [f"-{NINES[:18]}.{NINES[:20]}"], ["0.00000000000000000000"],
        ["0.00000000000000000001"], ["-0.00000000000000000001"], ["1.00000000000000000000"], [None]]),
    ("decimal(38,0)", {"d": "decimal(38,0)"}, [[NINES], [f"-{NINES}"], ["0"], [None]]),
    ("decimal(38,38)", {"d": "decimal(38,38)"}, [[f"0.{NINES}"], [f"-0.{NINES}"], [None]]),
    ("money", {"d": "decimal(19,4)"}, [["922337203685477.5807"], ["-922337203685477.5808"], ["0.0000"], [None]]),
    ("real: signed zeros, the smallest, infinity, one NaN for all", {"f": "float32"}, [
        ["00000000"], ["80000000"], ["00000001"], ["7f7fffff"], ["ff7fffff"], ["3dcccccd"], ["7f800000"],
        ["7fc00000"], ["ffc00001"], [None]]),
    ("float: the same", {"f": "float64"}, [
        ["0000000000000000"], ["8000000000000000"], ["0000000000000001"], ["7fefffffffffffff"], ["ffefffffffffffff"],
        ["3fb999999999999a"], ["fff0000000000000"], ["7ff8000000000000"], ["fff8000000000001"], [None]]),
    ("date: 0001-01-01, 1969-12-31, 1970-01-01, 2024-04-30, 9999-12-31", {"d": "date"}, [
        ["-719162"], ["-1"], ["0"], ["19843"], ["2932896"], [None]]),
    ("time: midnight and the last microsecond", {"t": "time(us)"}, [["0"], ["86399999999"], [None]]),
    ("datetime2: the first, 1753-01-01, the last", {"t": "timestamp(us)"}, [
        ["-62135596800000000"], ["-6847804800000000"], ["-1"], ["0"], ["253402300799999999"], [None]]),
    ("datetimeoffset: the same instants", {"t": "timestamp(us,utc)"}, [
        ["-62135596800000000"], ["-6847804800000000"], ["-1"], ["0"], ["253402300799999999"], [None]]),
    ("binary", {"b": "binary"}, [[""], ["00"], ["0000"], ["ff00ff"], [None]]),
    ("uniqueidentifier is its text", {"g": "text"}, [["6F9619FF-8B86-D011-B42D-00C04FC964FF"], [None]]),
    ("a ledger entry", {
        "Entry No_": "int32", "G/L_Account_No": "text", "Posting Date": "timestamp(us)", "Amount (LCY)": "decimal(38,20)",
        "Opco/Central_?": "text", "Jade DZ$Currency": "text", "Open": "boolean"}, [
        ["1", "13003", "1714435200000000", "-1250.50000000000000000000", "Opco", None, True],
        ["2", "13004", "1714435200003333", "0.00000000000000000000", "", "DZD", False],
        ["2", "13004", "1714435200003333", "0.00000000000000000000", "", "DZD", False]]),
    ("traceability columns are left out", {"_run_id": "text", "n": "int16", "_row_number": "int64"}, [
        ["C-PG-1/2024-05-01/r1", "3", "1"], ["C-PG-1/2024-05-01/r1", "1", "2"],
        ["C-PG-1/2024-05-01/r2", "2", "3"], ["C-PG-1/2024-05-01/r2", "1", "4"]]),
]


def vector(name: str, columns: dict[str, str], rows: list[list[Any]]) -> dict[str, Any]:
    arrays = []
    for index, kind in enumerate(columns.values()):
        if kind.startswith("decimal("):
            precision, scale = kind[8:-1].split(",")
            arrow, parse = pa.decimal128(int(precision), int(scale)), Decimal
        else:
            arrow, parse = TYPES[kind]
        values = [None if row[index] is None else parse(row[index]) for row in rows]
        arrays.append(pa.array(values, arrow))
    # Through a Parquet file, as the real rows go.
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(columns)), file, store_schema=False)
    table = pq.read_table(file)
    encoded = list(encoded_rows(table)) if rows else []
    return {
        "name": name,
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
        "header": header(table.schema, len(rows)).hex(),
        "rows": [
            {"cells": cells, "encoded": row.hex(), "sha256": hashlib.sha256(row).hexdigest()}
            for cells, row in zip(rows, encoded)
        ],
        "content_sha256": content_digest([table]),
    }


def main(arguments: list[str]) -> int:
    if arguments == ["--vectors"]:
        vectors = [vector(*form) for form in FORMS]
        print(json.dumps(vectors, ensure_ascii=False, indent=1))
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    print(content_digest([pq.ParquetFile(path).read() for path in arguments]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
