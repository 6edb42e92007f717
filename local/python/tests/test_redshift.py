"""The Redshift Data API through botocore's real client."""

from __future__ import annotations

import tempfile
import time
import unittest
import uuid
from pathlib import Path

import support
import botocore.exceptions
import botocore.session
import duckdb

from soxauto_local.redshift_api import RedshiftServer
from soxauto_local.redshift_copy import ObjectStore
from soxauto_local.redshift_engine import Warehouse

LOCATION = {"Database": "dev", "WorkgroupName": "reconciliation"}


def data_api(port: int):
    return botocore.session.get_session().create_client(
        "redshift-data",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


class Redshift(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory(prefix="warehouse-")
        cls.file = Path(cls.folder.name) / "w.duckdb"
        cls.warehouse = Warehouse(cls.file, ObjectStore("http://127.0.0.1:9"))
        cls.server = RedshiftServer(cls.warehouse)
        cls.server.start()
        cls.api = data_api(cls.server.port)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()
        cls.warehouse.close()
        with duckdb.connect(str(cls.file), read_only=True) as again:  # a user can open it
            assert again.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
        cls.folder.cleanup()

    def execute(self, sql: str, **parameters: str) -> dict:
        more = {"Parameters": [{"name": n, "value": v} for n, v in parameters.items()]} if parameters else {}
        answer = self.api.execute_statement(Sql=sql, WaitTimeSeconds=10, **LOCATION, **more)
        return self.api.describe_statement(Id=answer["Id"])

    def batch(self, *statements: str, **more) -> dict:
        answer = self.api.batch_execute_statement(Sqls=list(statements), WaitTimeSeconds=10, **LOCATION, **more)
        return self.api.describe_statement(Id=answer["Id"])

    def ok(self, sql: str, **parameters: str) -> dict:
        found = self.execute(sql, **parameters)
        self.assertEqual(found["Status"], "FINISHED", found.get("Error"))
        return found

    def rows(self, sql: str, **parameters: str) -> list[list[dict]]:
        return self.api.get_statement_result(Id=self.ok(sql, **parameters)["Id"])["Records"]

    def table(self, columns: str) -> str:
        name = f"t_{uuid.uuid4().hex[:8]}"
        self.ok("CREATE SCHEMA IF NOT EXISTS reconciliation")
        self.ok(f"CREATE TABLE IF NOT EXISTS reconciliation.{name} ({columns})")
        return f"reconciliation.{name}"

    def test_ddl_with_storage_words_and_every_type(self) -> None:
        name = self.table(
            "a VARCHAR(5) NOT NULL ENCODE zstd, b DECIMAL(38,20) ENCODE az64, c TIMESTAMP, d TIMESTAMPTZ, e SUPER, f VARBYTE(3), g DOUBLE PRECISION,"
            ' h SMALLINT DEFAULT 3, i CHARACTER VARYING(5), "J k" TIMESTAMP WITHOUT TIME ZONE, k BOOLEAN, l CHAR(3), m VARCHAR(MAX), n REAL, o TIME,'
            " p DATE, q BIGINT, PRIMARY KEY (a)) DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, b"
        )
        self.ok(f"INSERT INTO {name} (a, b, c, d, g, k, p, q) VALUES (:a, :b, '2024-05-01 10:00:00.5', '2024-05-01 12:00:00+02', 1.5, true, :day, 9)",
                a="o'é", b="123456789012345678.12345678901234567890", day="2024-05-01")  # fmt: skip
        answer = self.api.get_statement_result(Id=self.ok(f"SELECT a, b, c, d, g, h, k, p, q, e FROM {name}")["Id"])
        self.assertEqual(answer["Records"], [[
            {"stringValue": "o'é"}, {"stringValue": "123456789012345678.12345678901234567890"}, {"stringValue": "2024-05-01 10:00:00.500000"},
            {"stringValue": "2024-05-01 10:00:00+00"}, {"doubleValue": 1.5}, {"longValue": 3}, {"booleanValue": True}, {"stringValue": "2024-05-01"},
            {"longValue": 9}, {"isNull": True},
        ]])  # fmt: skip
        self.assertEqual([m["typeName"] for m in answer["ColumnMetadata"]],
                         ["varchar", "numeric", "timestamp", "timestamptz", "float8", "int2", "bool", "date", "int8", "super"])  # fmt: skip
        self.assertEqual((answer["ColumnMetadata"][1]["precision"], answer["ColumnMetadata"][1]["scale"]), (38, 20))

    def test_varchar_counts_bytes(self) -> None:
        name = self.table("a VARCHAR(5) NOT NULL")
        self.ok(f"INSERT INTO {name} VALUES ('éé')")
        found = self.execute(f"INSERT INTO {name} VALUES ('ééé')")
        self.assertEqual(
            (found["Status"], found["Error"]), ("FAILED", "ERROR: value too long for type character varying(5)")
        )
        self.assertIn(
            "Cannot insert a NULL value into column a", self.execute(f"INSERT INTO {name} VALUES (NULL)")["Error"]
        )

    def test_a_batch_is_one_transaction(self) -> None:
        name = self.table("a INT")
        done = self.batch(f"INSERT INTO {name} VALUES (1), (2)", f"SELECT COUNT(*) AS n FROM {name}")
        self.assertEqual((done["Status"], done["HasResultSet"]), ("FINISHED", True))
        self.assertEqual([(s["Id"], s["Status"], s["ResultRows"], s["HasResultSet"]) for s in done["SubStatements"]],
                         [(f"{done['Id']}:1", "FINISHED", 2, False), (f"{done['Id']}:2", "FINISHED", 1, True)])  # fmt: skip
        self.assertEqual(self.api.get_statement_result(Id=f"{done['Id']}:2")["Records"], [[{"longValue": 2}]])
        failed = self.batch(
            f"DELETE FROM {name}",
            "CREATE TABLE reconciliation.half (a INT)",
            "SELECT CAST('tie-out failed: 3 rows' AS INTEGER)",
        )
        self.assertEqual(failed["Status"], "FAILED")
        self.assertIn("tie-out failed: 3 rows", failed["Error"])
        self.assertEqual([s["Status"] for s in failed["SubStatements"]], ["ABORTED", "ABORTED", "FAILED"])
        self.assertEqual(self.rows(f"SELECT COUNT(*) FROM {name}"), [[{"longValue": 2}]])
        self.assertEqual(self.execute("SELECT * FROM reconciliation.half")["Status"], "FAILED")

    def test_views_and_catalog(self) -> None:
        name = self.table("a VARCHAR(7), b DECIMAL(38,20)")
        self.ok(f"CREATE OR REPLACE VIEW {name}_current AS SELECT d.* FROM {name} d WITH NO SCHEMA BINDING")
        self.assertEqual(self.rows(f"SELECT * FROM {name}_current"), [])
        table = name.split(".")[1]
        self.assertEqual(self.rows("SELECT table_name FROM svv_tables WHERE table_name LIKE :t ORDER BY 1", t=f"{table}%"),
                         [[{"stringValue": table}], [{"stringValue": f"{table}_current"}]])  # fmt: skip
        self.assertEqual(self.rows("SELECT data_type, character_maximum_length FROM svv_columns WHERE table_name = :t ORDER BY ordinal_position", t=table),
                         [[{"stringValue": "character varying"}, {"longValue": 7}], [{"stringValue": "numeric"}, {"isNull": True}]])  # fmt: skip

    def test_client_token(self) -> None:
        name = self.table("a INT")
        token = str(uuid.uuid4())
        first, second = (self.batch(f"INSERT INTO {name} VALUES (1)", ClientToken=token) for _ in range(2))
        self.assertEqual(first["Id"], second["Id"])
        self.assertEqual(self.rows(f"SELECT COUNT(*) FROM {name}"), [[{"longValue": 1}]])
        with self.assertRaises(self.api.exceptions.ValidationException):
            self.batch("SELECT 1", ClientToken=token)

    def test_paging(self) -> None:
        found = self.ok("SELECT generate_series AS n FROM generate_series(1, 2500)")
        self.assertEqual(found["ResultRows"], 2500)
        page, seen = self.api.get_statement_result(Id=found["Id"]), []
        while True:
            seen += [row[0]["longValue"] for row in page["Records"]]
            if "NextToken" not in page:
                break
            page = self.api.get_statement_result(Id=found["Id"], NextToken=page["NextToken"])
        self.assertEqual(seen, list(range(1, 2501)))

    def test_it_is_asynchronous_and_can_be_cancelled(self) -> None:
        started = time.monotonic()
        answer = self.api.execute_statement(
            Sql="SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b WHERE a.generate_series + b.generate_series = 3",
            **LOCATION,
        )
        self.assertIn(self.api.describe_statement(Id=answer["Id"])["Status"], ("SUBMITTED", "PICKED", "STARTED"))
        self.assertLess(time.monotonic() - started, 2)
        self.assertTrue(self.api.cancel_statement(Id=answer["Id"])["Status"])
        self.assertEqual(self.api.describe_statement(Id=answer["Id"], WaitTimeSeconds=5)["Status"], "ABORTED")
        with self.assertRaises(self.api.exceptions.ValidationException):
            self.api.cancel_statement(Id=answer["Id"])

    def test_failures(self) -> None:
        for sql, message in (
            ("SELECT * FROM nope", 'relation "nope" does not exist'),
            ("SELEC 1", "syntax error"),
            ("SELECT 1; SELECT 2", "multiple commands"),
            ("CREATE TABLE x (a TINYINT)", 'type "tinyint" does not exist'),
            ("CREATE TABLE x (a VARCHAR(70000))", "cannot exceed 65535"),
            ("SELECT :a", "Cannot find parameter: a"),
            (
                "COPY reconciliation.t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST MAXERROR 3",
                "MAXERROR argument is not supported",
            ),
            (
                "COPY reconciliation.t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST REGION 'eu-west-1'",
                "REGION argument is not supported",
            ),
            ("COPY reconciliation.t FROM 's3://b/m' FORMAT AS PARQUET MANIFEST", "needs IAM_ROLE"),
            (
                "COPY reconciliation.nope FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
                "nonexistent table",
            ),
        ):
            with self.subTest(sql):
                found = self.execute(sql)
                self.assertEqual(found["Status"], "FAILED")
                self.assertIn(message, found["Error"])

    def test_refused_requests(self) -> None:
        with self.assertRaises(self.api.exceptions.ResourceNotFoundException):
            self.api.describe_statement(Id=str(uuid.uuid4()))
        with self.assertRaises(self.api.exceptions.ValidationException):
            self.api.execute_statement(Sql="SELECT 1", Database="dev")
        with self.assertRaises(self.api.exceptions.ResourceNotFoundException):
            self.api.get_statement_result(Id=self.ok("ANALYZE")["Id"])

    def test_list(self) -> None:
        mark = f"list-{uuid.uuid4().hex}"
        self.api.execute_statement(Sql="SELECT 1", StatementName=mark, WaitTimeSeconds=5, **LOCATION)
        (found,) = self.api.list_statements(StatementName=mark)["Statements"]
        self.assertEqual(
            (found["Status"], found["QueryString"], found["IsBatchStatement"]), ("FINISHED", "SELECT 1", False)
        )


if __name__ == "__main__":
    unittest.main()
