"""Failures carry SQL Server's error numbers, and nothing is guessed."""

from __future__ import annotations

import unittest

from support import error, rows, run, session
from soxauto_local.errors import SqlError

T = "FROM dbo.[G_L Entries]"
CASES = [
    (208, "SELECT 1 FROM nope"),
    (208, "SELECT 1 FROM nodb.dbo.x"),
    (208, "SELECT * FROM #gone"),
    (207, f"SELECT nope {T}"),
    (207, f"SELECT Code {T} ORDER BY nope"),
    (4104, f"SELECT z.Code {T} a"),
    (209, f"SELECT Code {T} a JOIN dbo.[G_L Entries] b ON a.Code = b.Code"),
    (102, "SELEC 1"),
    (102, "SELECT (1"),
    (105, "SELECT 'open"),
    (137, "SELECT @x"),
    (2812, "EXEC no_such_procedure 1"),
    (195, "SELECT NO_SUCH_FUNCTION(1)"),
    (243, "SELECT CAST(1 AS nosuchtype)"),
    (8134, "SELECT 1 / 0"),
    (8134, f"SELECT 1 / (Quantity - Quantity) {T} WHERE Quantity IS NOT NULL"),
    (8134, f"SELECT [Amount (LCY)] / 0 {T}"),
    (8134, f"SELECT [Rate/%] / 0 {T}"),
    (8134, "SELECT 5 % 0"),
    (245, "SELECT CAST('abc' AS int)"),
    (245, f"SELECT CAST([Customer No_] AS int) {T}"),
    (245, f"SELECT 1 {T} WHERE [Customer No_] = 5"),
    (245, "SELECT CAST('1.5' AS int)"),
    (248, "SELECT CAST('99999999999' AS int)"),
    (8114, f"SELECT CAST([Customer No_] AS decimal(10,2)) {T}"),
    (8114, "SELECT CAST('1e5' AS decimal(10,2))"),
    (8115, "SELECT CAST('1000' AS decimal(3,1))"),
    (8115, f"SELECT CAST([Amount (LCY)] AS decimal(10,2)) {T}"),
    (8115, "SELECT 2147483647 + 1"),
    (8115, f"SELECT SUM(2000000000) {T}"),
    (8115, "SELECT CAST(3000000000 AS int)"),
    (8115, "SELECT CAST('99999999999999999999' AS decimal(38,18)) * 10000000000"),
    (241, "SELECT CAST('2024-13-01' AS date)"),
    (241, "SELECT CAST('31/12/2024' AS datetime)"),
    (241, f"SELECT CAST(Code AS datetime) {T} WHERE Code LIKE 'a%'"),
    (241, f"SELECT 1 {T} WHERE [Posting Date] > 'soon'"),
    (8169, "SELECT CAST('zz' AS uniqueidentifier)"),
    (512, f"SELECT (SELECT Quantity {T})"),
    (116, "SELECT (SELECT 1, 2)"),
    (8120, f"SELECT Code, COUNT(*) {T}"),
    (205, "SELECT 1 UNION SELECT 1, 2"),
    (1033, f"SELECT * FROM (SELECT Code {T} ORDER BY Code) q"),
    (8155, "SELECT * FROM (SELECT 1) q"),
    (8156, "SELECT * FROM (SELECT 1 a, 2 a) q"),
    (4145, f"SELECT 1 {T} WHERE Quantity"),
    (402, f"SELECT Code * Code {T}"),
    (911, "USE nodb"),
    (229, "UPDATE dbo.[G_L Entries] SET Quantity = 1"),
    (229, "INSERT INTO dbo.[G_L Entries] (Quantity) VALUES (1)"),
    (229, "DELETE FROM dbo.[G_L Entries]"),
    (3701, "DROP TABLE dbo.[G_L Entries]"),
    (262, "CREATE TABLE dbo.x (a int)"),
    (515, "CREATE TABLE #n (a int NOT NULL) INSERT #n VALUES (NULL)"),
    (2628, "CREATE TABLE #n (a nvarchar(2)) INSERT #n VALUES ('abc')"),
    (2714, "SELECT 1 a INTO #n SELECT 1 a INTO #n"),
    (213, "CREATE TABLE #n (a int) INSERT #n VALUES (1, 2)"),
    (134, "DECLARE @a int DECLARE @a int"),
    (40510, "DECLARE @t TABLE (a int)"),
    (40510, "WHILE 1 = 1 SELECT 1"),
    (40510, "BEGIN TRAN SELECT 1 AS a INTO #n ROLLBACK"),
    (40510, f"SELECT Code {T} FOR XML PATH('')"),
    (40510, f"SELECT Code COLLATE Latin1_General_BIN {T}"),
    (40510, "SELECT CAST('2024-01-01 00:00:00.1234567' AS datetime2)"),
    (50000, "RAISERROR('boo', 16, 1)"),
]


_COLUMNS = [
    "[Entry No_]", "[Posting Date]", "Code", "[Amount (LCY)]", "[Is_Active?]", "[Rate/%]", "[Total $]", "[Row Id]", "Picture", "Day", "At",
    "Stamp", "Zoned", "NULL",
]  # fmt: skip
_TYPES = (
    "bit tinyint smallint int bigint real float decimal(38,20) money date datetime smalldatetime datetime2(3) datetimeoffset(3) "
    "time(3) nchar(40) varchar(40) nvarchar(max) uniqueidentifier varbinary(8)"
).split()


class Errors(unittest.TestCase):
    def test_numbers(self) -> None:
        for number, sql in CASES:
            with self.subTest(sql):
                raised = error(sql)
                self.assertEqual(raised.number, number, raised.message)

    def test_the_session_survives_each(self) -> None:
        mine = session()
        for _, sql in CASES:
            error(sql, to=mine)
            run("IF OBJECT_ID('tempdb..#n') IS NOT NULL DROP TABLE #n", to=mine)
        self.assertEqual(run("SELECT 1", to=mine).results[0][1], [(1,)])

    def test_no_pair_of_types_makes_the_engine_fail(self) -> None:
        """Every cast, comparison and sum of stored types ends in a value or in an error of SQL Server's own."""
        mine, one = session(), f"{T} WHERE [Entry No_] = 1"
        texts = [f"SELECT {f}({c} AS {t}) {one}" for c in _COLUMNS for t in _TYPES for f in ("CAST", "TRY_CAST")]
        texts += [f"SELECT {a} {op} {b} {one}" for a in _COLUMNS for b in _COLUMNS for op in "+/"]
        texts += [f"SELECT 1 {one} AND {a} < {b}" for a in _COLUMNS for b in _COLUMNS]
        texts += [f"SELECT {a} {one} UNION SELECT ISNULL({a}, {b}) {one}" for a in _COLUMNS for b in _COLUMNS]
        for sql in texts:
            try:
                run(sql, to=mine)
            except SqlError as raised:
                self.assertNotEqual(raised.number, 50000, f"{sql}: {raised.message}")

    def test_line_and_class(self) -> None:
        raised = error("SELECT 1\nSELECT nope FROM dbo.[G_L Entries]")
        self.assertEqual((raised.line, raised.severity), (2, 16))

    def test_a_syntax_error_runs_nothing(self) -> None:
        mine = session()
        error("SELECT 1 AS a INTO #z SELEC 2", to=mine)
        self.assertEqual(error("SELECT * FROM #z", to=mine).number, 208)

    def test_a_writer_meets_a_read_only_database(self) -> None:
        writer = session(can_write=True)
        self.assertEqual(error("DELETE FROM dbo.[G_L Entries]", to=writer).number, 3906)
        self.assertEqual(run("SELECT IS_ROLEMEMBER('db_datawriter')", to=writer).results[0][1], [(1,)])

    def test_unknown_database(self) -> None:
        with self.assertRaises(SqlError) as caught:
            session("nodb")
        self.assertEqual(caught.exception.number, 4060)

    def test_parameters_are_not_text(self) -> None:
        hostile = "x'; DROP TABLE t --"
        self.assertEqual(rows("SELECT @p", [{"name": "@p", "type": "nvarchar(50)", "value": hostile}]), [(hostile,)])


if __name__ == "__main__":
    unittest.main()
