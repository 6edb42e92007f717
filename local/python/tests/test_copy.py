"""COPY from the real emulator's S3: what loads, and everything that Redshift would refuse."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import uuid
from datetime import date, datetime
from decimal import Decimal as D
from pathlib import Path

import support
import botocore.config
import botocore.session
import pyarrow as pa
import pyarrow.parquet as pq

from soxauto_local.redshift_api import RedshiftServer
from soxauto_local.redshift_copy import ObjectStore
from soxauto_local.redshift_engine import Warehouse
from test_redshift import LOCATION, data_api

COLUMNS = "name VARCHAR(5) NOT NULL, amount DECIMAL(38,20), day DATE, at TIMESTAMP, n BIGINT"
SCHEMA = pa.schema(
    [("a", pa.string()), ("b", pa.decimal128(38, 20)), ("c", pa.date32()), ("d", pa.timestamp("us")), ("e", pa.int64())]
)
ROWS = {
    "a": ["éé", "x"],
    "b": [D("123456789012345678.12345678901234567890"), None],
    "c": [date(2024, 5, 1), date(1, 1, 1)],
    "d": [datetime(9999, 12, 31, 23, 59, 59, 999999), None],
    "e": [1, 2],
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Copy(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory(prefix="copy-")
        port = free_port()
        environment = {
            **os.environ, "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "LAMBDA_EXECUTOR": "local", "GATEWAY_PORT": str(port),
            "HOME": cls.folder.name,
        }  # fmt: skip
        cls.emulator = subprocess.Popen(
            [sys.executable, "-m", "ministack.app"],
            env=environment,
            cwd=cls.folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        endpoint = f"http://127.0.0.1:{port}"
        cls.s3 = botocore.session.get_session().create_client(
            "s3", region_name="eu-west-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test",
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        for _ in range(150):
            try:
                urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        cls.s3.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        cls.warehouse = Warehouse(Path(cls.folder.name) / "w.duckdb", ObjectStore(endpoint))
        cls.server = RedshiftServer(cls.warehouse)
        cls.server.start()
        cls.api = data_api(cls.server.port)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()
        cls.warehouse.close()
        cls.emulator.terminate()
        cls.emulator.wait(10)
        cls.folder.cleanup()

    def put(self, data: pa.Table) -> dict:
        """A Parquet object; its manifest entry."""
        out = io.BytesIO()
        pq.write_table(data, out)
        key = f"{uuid.uuid4()}.parquet"
        self.s3.put_object(Bucket="evidence", Key=key, Body=out.getvalue())
        return {"url": f"s3://evidence/{key}", "mandatory": True, "meta": {"content_length": len(out.getvalue())}}

    def manifest(self, *entries: dict) -> str:
        key = f"{uuid.uuid4()}.manifest"
        self.s3.put_object(Bucket="evidence", Key=key, Body=json.dumps({"entries": list(entries)}).encode())
        return f"s3://evidence/{key}"

    def copy(self, manifest: str, columns: str = COLUMNS, listed: str = "") -> tuple[dict, list]:
        """One transaction as the finalizer does it; the description and the rows of the table."""
        name = f'"recon"."t_{uuid.uuid4().hex[:8]}"'
        answer = self.api.batch_execute_statement(
            Sqls=["CREATE SCHEMA IF NOT EXISTS recon", f"CREATE TABLE {name} ({columns})",
                  f"COPY {name}{listed} FROM '{manifest}' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
                  f"SELECT *, pg_last_copy_count() FROM {name} ORDER BY 1 DESC"],
            WaitTimeSeconds=20, **LOCATION,
        )  # fmt: skip
        found = self.api.describe_statement(Id=answer["Id"])
        if found["Status"] != "FINISHED":
            return found, []
        return found, self.api.get_statement_result(Id=f"{answer['Id']}:4")["Records"]

    def refused(self, message: str, manifest: str, columns: str = COLUMNS) -> None:
        found, _ = self.copy(manifest, columns)
        self.assertEqual(found["Status"], "FAILED")
        self.assertIn(message, found["Error"])

    def test_two_files_load_exactly(self) -> None:
        table = pa.table(ROWS, schema=SCHEMA)
        found, rows = self.copy(self.manifest(self.put(table), self.put(table.slice(0, 1))))
        self.assertEqual(found["Status"], "FINISHED", found.get("Error"))
        self.assertEqual(found["SubStatements"][2]["ResultRows"], 3)
        self.assertEqual(rows[0][:4], [{"stringValue": "éé"}, {"stringValue": "123456789012345678.12345678901234567890"},
                                       {"stringValue": "2024-05-01"}, {"stringValue": "9999-12-31 23:59:59.999999"}])  # fmt: skip
        self.assertEqual(
            rows[2],
            [
                {"stringValue": "x"},
                {"isNull": True},
                {"stringValue": "0001-01-01"},
                {"isNull": True},
                {"longValue": 2},
                {"longValue": 3},
            ],
        )

    def test_dictionary_columns_and_a_column_list(self) -> None:
        table = pa.table({"x": pa.array(["q", "q"]).dictionary_encode(), "y": pa.array([7, 8], pa.int64())})
        found, rows = self.copy(self.manifest(self.put(table)), listed=" (name, n)")
        self.assertEqual(found["Status"], "FINISHED", found.get("Error"))
        self.assertEqual([row[4] for row in rows], [{"longValue": 7}, {"longValue": 8}])

    def test_uint8_fills_a_smallint(self) -> None:
        found, rows = self.copy(self.manifest(self.put(pa.table({"a": pa.array([255], pa.uint8())}))), "a SMALLINT")
        self.assertEqual(rows, [[{"longValue": 255}, {"longValue": 1}]], found.get("Error"))

    def test_manifest_rules(self) -> None:
        entry = self.put(pa.table(ROWS, schema=SCHEMA))
        self.refused("content_length", self.manifest({"url": entry["url"], "mandatory": True}))
        self.refused("differs from the object's", self.manifest({**entry, "meta": {"content_length": 5}}))
        gone = {"url": "s3://evidence/gone.parquet", "mandatory": True, "meta": {"content_length": 5}}
        self.refused("NoSuchKey", self.manifest(entry, gone))
        self.refused("Manifest", self.manifest())
        self.refused("does not exist", "s3://evidence/no.manifest")
        found, rows = self.copy(self.manifest(entry, {**gone, "mandatory": False}))
        self.assertEqual((found["Status"], len(rows)), ("FINISHED", 2))

    def test_schema_rules(self) -> None:
        table = pa.table(ROWS, schema=SCHEMA)
        self.refused("Unmatched number of columns", self.manifest(self.put(table.drop_columns(["e"]))))
        for kind, column in (
            ("TIMESTAMP", pa.array([0], pa.timestamp("ns"))),
            ("BIGINT", pa.array([1], pa.uint64())),
            ("INTEGER", pa.array([1], pa.int64())),
            ("DECIMAL(38,2)", pa.array([D("1.234")], pa.decimal128(38, 3))),
            ("DECIMAL(10,2)", pa.array([D("1.23")], pa.decimal128(38, 2))),
            ("VARCHAR(5)", pa.array([1], pa.int64())),
            ("REAL", pa.array([1.0], pa.float64())),
            ("TIMESTAMP", pa.array([0], pa.timestamp("us", tz="UTC"))),
        ):
            with self.subTest(kind=kind, found=str(column.type)):
                self.refused(
                    "incompatible Parquet schema", self.manifest(self.put(pa.table({"a": column}))), f"a {kind}"
                )

    def test_value_rules(self) -> None:
        self.refused(
            "longer than the length defined", self.manifest(self.put(pa.table({"a": ["ééé"]}))), "a VARCHAR(5)"
        )
        self.refused(
            "Cannot insert a NULL value into column a",
            self.manifest(self.put(pa.table({"a": pa.array([None], pa.string())}))),
            "a VARCHAR(5) NOT NULL",
        )

    def test_a_failed_copy_leaves_nothing(self) -> None:
        good, bad = self.put(pa.table({"a": ["ok"]})), self.put(pa.table({"a": ["too long"]}))
        self.api.execute_statement(Sql="CREATE SCHEMA IF NOT EXISTS recon", WaitTimeSeconds=5, **LOCATION)
        self.api.execute_statement(Sql="CREATE TABLE recon.kept (a VARCHAR(5))", WaitTimeSeconds=5, **LOCATION)
        answer = self.api.execute_statement(
            Sql=f"COPY recon.kept FROM '{self.manifest(good, bad)}' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
            WaitTimeSeconds=20,
            **LOCATION,
        )
        self.assertEqual(answer["Status"], "FAILED")
        answer = self.api.execute_statement(Sql="SELECT COUNT(*) FROM recon.kept", WaitTimeSeconds=5, **LOCATION)
        self.assertEqual(self.api.get_statement_result(Id=answer["Id"])["Records"], [[{"longValue": 0}]])


if __name__ == "__main__":
    unittest.main()
