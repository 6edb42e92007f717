"""T-SQL against DuckDB: values and result types, as SQL Server would answer."""

from __future__ import annotations

import unittest
from datetime import date, datetime, time
from decimal import Decimal as D

from support import rows, run, sample_store
from soxauto_local.translate import translate

T = "FROM [AIG_Nav_DW].[dbo].[G_L Entries]"

# Each case: expression, type, value.
SCALARS = [
    ("7 / 2", "int", 3),
    ("-7 / 2", "int", -3),
    ("-7 % 3", "int", -1),
    ("2.0 / 3", "decimal(7,6)", D("0.666666")),
    ("CAST(1 AS decimal(38,20)) / CAST(3 AS decimal(38,20))", "decimal(38,6)", D("0.333333")),
    ("CAST('1000.5' AS decimal(38,20)) * CAST('1.5' AS decimal(38,20))", "decimal(38,6)", D("1500.750000")),
    ("CAST('-0.0000005' AS decimal(38,20)) * CAST('1' AS decimal(38,20))", "decimal(38,6)", D("-0.000001")),
    (
        "CAST('999999999.99' AS decimal(18,2)) * CAST('999999999.99' AS decimal(18,2))",
        "decimal(37,4)",
        D("999999999980000000.0001"),
    ),
    ("CAST('12.5' AS decimal(38,20)) + 1", "decimal(38,20)", D("13.5")),
    ("CAST('12.5' AS decimal(38,20)) * 2", "decimal(38,18)", D("25")),
    ("CAST(1.005 AS money) * CAST(3 AS money)", "money", D("3.0150")),
    ("CAST(10 AS money) / 3", "money", D("3.3333")),
    ("'a' + N'b'", "nvarchar(2)", "ab"),
    ("'a' + NULL", "varchar(2)", None),
    ("'5' + 3", "int", 8),
    ("N'O''Brien ✓'", "nvarchar(9)", "O'Brien ✓"),
    ("LEN('ab  ')", "int", 2),
    ("LEN(N'')", "int", 0),
    ("LEFT('hello', 2)", "varchar(2)", "he"),
    ("RIGHT(N'hello', 2)", "nvarchar(2)", "lo"),
    ("SUBSTRING('hello', 0, 3)", "varchar(3)", "he"),
    ("SUBSTRING('hello', 2, 100)", "varchar(5)", "ello"),
    ("CHARINDEX('LO', 'hello')", "int", 4),
    ("CHARINDEX('l', 'hello', 4)", "int", 4),
    ("REPLACE('Hello', 'L', 'x')", "varchar(8000)", "Hexxo"),
    ("REPLACE('a.b', '.', '-')", "varchar(8000)", "a-b"),
    ("STUFF('hello', 2, 3, 'X')", "varchar(8000)", "hXo"),
    ("PATINDEX('%[0-9]%', 'ab3')", "int", 3),
    ("CONCAT('a', NULL, 5)", "varchar(61)", "a5"),
    ("UPPER('é') + LOWER('É')", "varchar(2)", "Éé"),
    ("ISNULL(NULL, 'x')", "varchar(1)", "x"),
    ("ISNULL(CAST(NULL AS nvarchar(2)), 'long')", "nvarchar(2)", "lo"),
    ("COALESCE(NULL, 1, 2.5)", "decimal(11,1)", D("1.0")),
    ("NULLIF('A ', 'a')", "varchar(2)", None),
    ("IIF(1 = 1, 'y', 'no')", "varchar(2)", "y"),
    ("CHOOSE(2, 'a', 'b')", "varchar(1)", "b"),
    ("CASE WHEN 1 = 0 THEN 1 END", "int", None),
    ("CASE 'A' WHEN 'a ' THEN 1 ELSE 0 END", "int", 1),
    ("ROUND(2.345, 2)", "decimal(4,3)", D("2.350")),
    ("ROUND(2.349, 2, 1)", "decimal(4,3)", D("2.340")),
    ("ROUND(1250, -2)", "int", 1300),
    ("FLOOR(-2.5)", "decimal(2,0)", D("-3")),
    ("ABS(-2.5)", "decimal(2,1)", D("2.5")),
    ("CAST(2.7 AS int)", "int", 2),
    ("CAST(-2.7 AS int)", "int", -2),
    ("CAST(2.5 AS money)", "money", D("2.5")),
    ("CAST('' AS int)", "int", 0),
    ("CAST(' 12 ' AS smallint)", "smallint", 12),
    ("CAST(1.245 AS decimal(10,2))", "decimal(10,2)", D("1.25")),
    ("CAST(-1.245 AS decimal(10,2))", "decimal(10,2)", D("-1.25")),
    ("CAST('x' AS nvarchar(5))", "nvarchar(5)", "x"),
    ("CAST('abcdef' AS varchar(3))", "varchar(3)", "abc"),
    ("CAST('ab' AS nchar(4))", "nchar(4)", "ab  "),
    ("CAST(0.5 AS varchar(10))", "varchar(10)", "0.5"),
    ("CAST(CAST(0.50 AS decimal(2,2)) AS varchar(10))", "varchar(10)", "0.50"),
    ("TRY_CAST('x' AS int)", "int", None),
    ("TRY_CONVERT(date, '2024-02-30')", "date", None),
    ("TRY_CAST('1e3' AS decimal(10,2))", "decimal(10,2)", None),
    ("CAST('20240501' AS date)", "date", date(2024, 5, 1)),
    ("CAST('2024-05-01T10:11:12.123' AS datetime)", "datetime", datetime(2024, 5, 1, 10, 11, 12, 123000)),
    ("CAST('2024-05-01 10:11:12.1234' AS datetime)", "datetime", datetime(2024, 5, 1, 10, 11, 12, 123000)),
    ("CAST('2024-05-01 10:11:12.126' AS datetime)", "datetime", datetime(2024, 5, 1, 10, 11, 12, 127000)),
    ("CAST('2024-05-01 10:11:31' AS smalldatetime)", "smalldatetime", datetime(2024, 5, 1, 10, 12)),
    ("CAST('2024-05-01 10:11:12.6' AS datetime2(0))", "datetime2(0)", datetime(2024, 5, 1, 10, 11, 13)),
    ("CAST('2024-05-01 10:11:12.6' AS time(0))", "time(0)", time(10, 11, 13)),
    ("CAST(CAST('10:11:12.5' AS time(1)) AS varchar(20))", "varchar(20)", "10:11:12.5"),
    ("CAST(CAST('10:11' AS time) AS datetime)", "datetime", datetime(1900, 1, 1, 10, 11)),
    ("CAST('2024-05-01 10:11:12.6' AS datetimeoffset(0))", "datetimeoffset(0)", datetime(2024, 5, 1, 10, 11, 13)),
    ("CONVERT(varchar(10), CAST('2024-05-01' AS date), 103)", "varchar(10)", "01/05/2024"),
    ("CONVERT(varchar(8), CAST('2024-05-01' AS datetime), 112)", "varchar(8)", "20240501"),
    ("CONVERT(varchar(30), CAST('2024-05-01 13:05' AS datetime))", "varchar(30)", "May  1 2024  1:05PM"),
    ("CONVERT(varchar(23), CAST('2024-05-01 13:05' AS datetime), 121)", "varchar(23)", "2024-05-01 13:05:00.000"),
    ("CONVERT(varchar(10), CAST('2024-05-01' AS date))", "varchar(10)", "2024-05-01"),
    ("CONVERT(date, '31/12/2023', 103)", "date", date(2023, 12, 31)),
    ("DATEADD(month, 1, CAST('2024-01-31' AS date))", "date", date(2024, 2, 29)),
    ("DATEADD(day, -1, '2024-05-01')", "datetime", datetime(2024, 4, 30)),
    ("DATEDIFF(month, '2024-01-31', '2024-02-01')", "int", 1),
    ("DATEDIFF(day, '2024-01-01 23:59', '2024-01-02')", "int", 1),
    ("DATEDIFF(week, '2024-01-06', '2024-01-07')", "int", 1),
    ("DATEPART(weekday, '2024-01-07')", "int", 1),
    ("YEAR('2024-05-01') * 100 + MONTH('2024-05-01')", "int", 202405),
    ("EOMONTH('2024-02-10')", "date", date(2024, 2, 29)),
    ("EOMONTH('2024-03-31', -1)", "date", date(2024, 2, 29)),
    ("DATEFROMPARTS(2024, 2, 29)", "date", date(2024, 2, 29)),
    ("DB_NAME()", "nvarchar(128)", "AIG_Nav_DW"),
    ("SUSER_SNAME()", "nvarchar(128)", "soxauto_ro"),
    ("@@SPID", "smallint", 51),
    ("HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT')", "int", 0),
    ("IS_ROLEMEMBER('db_datawriter')", "int", 0),
    ("0x0Fa0", "varbinary(2)", b"\x0f\xa0"),
    ("2147483648", "decimal(10,0)", D("2147483648")),
    ("5 & 3 | 8", "int", 9),
    ("CAST(CAST(1 AS bit) AS int) + 1", "int", 2),
    (
        "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
        "uniqueidentifier",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    ),
]

# Each case: query, rows.
QUERIES = [
    # The collation ignores case and trailing blanks.
    (f"SELECT COUNT(*) {T} WHERE [Customer No_] = 'C001'", [(2,)]),
    (f"SELECT COUNT(*) {T} WHERE [Customer No_] IN (N'c001  ', 'X')", [(3,)]),
    (f"SELECT COUNT(DISTINCT [Customer No_]) {T}", [(2,)]),
    (f"SELECT COUNT(*) {T} GROUP BY [Customer No_] ORDER BY [Customer No_]", [(1,), (2,), (1,)]),
    (f"SELECT COUNT(*) FROM (SELECT DISTINCT Code {T}) d", [(3,)]),
    (f"SELECT COUNT(*) {T} a JOIN [dbo].[G_L Entries] b ON a.Code = b.Code", [(5,)]),
    (f"SELECT COUNT(*) FROM (SELECT Code {T} UNION SELECT 'ABC') u", [(3,)]),
    (f"SELECT Code {T} WHERE Code IS NOT NULL EXCEPT SELECT 'Abc'", [("",)]),
    (f"SELECT Code {T} INTERSECT SELECT 'aBC'", [("ABC ",)]),
    (f"SELECT COUNT(*) {T} WHERE [Customer No_] LIKE 'C00[0-9]%'", [(2,)]),
    (f"SELECT COUNT(*) {T} WHERE [Customer No_] LIKE 'c!_01' ESCAPE '!'", [(0,)]),
    (f"SELECT MIN(Code), MAX(Code) {T}", [("", "abc")]),
    # Aggregates.
    (f"SELECT SUM([Amount (LCY)]) {T} WHERE [Entry No_] < 4", [(D("8.58333333333333333333"),)]),
    (
        f"SELECT AVG([Amount (LCY)]), AVG(Quantity), SUM(Quantity) {T} WHERE [Entry No_] < 4",
        [(D("2.86111111111111111111"), 5, 10)],
    ),
    (f"SELECT SUM(Quantity) {T} WHERE 1 = 0", [(None,)]),
    (f"SELECT COUNT(*) {T} WHERE 1 = 0", [(0,)]),
    (f"SELECT COUNT(*) {T} WHERE 1 = 0 GROUP BY Code", []),
    (
        f"SELECT Quantity, COUNT(*) {T} GROUP BY Quantity HAVING COUNT(*) > 0 ORDER BY Quantity DESC",
        [(7, 1), (3, 1), (-7, 1), (None, 1)],
    ),
    (
        f"SELECT STRING_AGG(CAST([Entry No_] AS varchar(5)), ';') WITHIN GROUP (ORDER BY [Entry No_] DESC) {T}",
        [("4;3;2;1",)],
    ),
    (
        f"SELECT MONTH([Posting Date]), SUM(CASE WHEN Quantity > 0 THEN 1 ELSE 0 END) {T} GROUP BY MONTH([Posting Date]) ORDER BY 1",
        [(4, 2), (5, 0), (12, 0)],
    ),
    (
        f"SELECT Quantity, SUM(1) {T} WHERE Quantity > 0 GROUP BY ROLLUP(Quantity) ORDER BY 2, 1",
        [(3, 1), (7, 1), (None, 2)],
    ),
    # Joins, APPLY, CTEs, windows, TOP.
    (f"SELECT TOP (2) [Entry No_] {T} ORDER BY [Entry No_] DESC", [(4,), (3,)]),
    (f"SELECT [Entry No_] {T} ORDER BY [Entry No_] OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", [(2,), (3,)]),
    ("SELECT TOP 1 WITH TIES x.v FROM (VALUES (1), (1), (2)) AS x(v) ORDER BY x.v", [(1,), (1,)]),
    (
        f"WITH a AS (SELECT [Entry No_] e {T}), b(n) AS (SELECT MAX(e) FROM a) SELECT a.e FROM a JOIN b ON a.e = b.n",
        [(4,)],
    ),
    ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT SUM(n) FROM r", [(10,)]),
    (
        f"SELECT a.[Entry No_], v.m {T} a OUTER APPLY (SELECT TOP 1 b.[Entry No_] m FROM dbo.[G_L Entries] b WHERE b.[Entry No_] < a.[Entry No_]"
        " ORDER BY b.[Entry No_] DESC) v WHERE a.[Entry No_] < 3 ORDER BY 1",
        [(1, None), (2, 1)],
    ),
    (
        f"SELECT a.[Entry No_] {T} AS a WITH (NOLOCK, INDEX(1)) CROSS APPLY (SELECT 1 AS one) o WHERE a.[Entry No_] = 1 OPTION (MAXDOP 1)",
        [(1,)],
    ),
    (
        f"SELECT ROW_NUMBER() OVER (PARTITION BY Code ORDER BY [Entry No_]), SUM(Quantity) OVER (ORDER BY [Entry No_] ROWS UNBOUNDED PRECEDING)"
        f" {T} ORDER BY [Entry No_]",
        [(1, 3), (2, 3), (1, 10), (1, 3)],
    ),
    (
        "SELECT c.Country FROM AIG_Nav_Jumia_Reconciliation.fdw.Dim_Company c WHERE EXISTS"
        " (SELECT 1 FROM AIG_Nav_Jumia_Reconciliation.fdw.Dim_Company d WHERE d.Company_Code = c.Company_Code AND d.Country LIKE 'gh%')",
        [("Ghana",)],
    ),
    (
        f"SELECT [Is_Active?], [Total $], [Rate/%] {T} WHERE [Is_Active?] = 1 AND [Rate/%] < 2",
        [(True, D("1.2345"), 1.5)],
    ),
    (f"SELECT (SELECT MAX(Quantity) {T}) + 1", [(8,)]),
    (f"SELECT [Entry No_] {T} WHERE Quantity NOT IN (SELECT Quantity {T} WHERE Quantity > 3) ORDER BY 1", [(1,), (4,)]),
    (
        f"SELECT [Entry No_] {T} WHERE [Posting Date] BETWEEN '20240401' AND '2024-04-30T10:00:00' ORDER BY 1",
        [(1,), (3,)],
    ),
    (f"SELECT [Entry No_] {T} WHERE CAST([Posting Date] AS date) = '2024-04-30'", [(1,)]),
    ("SELECT x.a, x.[b c] FROM (VALUES (1, 'p'), (2, NULL)) AS x(a, [b c]) ORDER BY x.[b c]", [(2, None), (1, "p")]),
    ("SELECT s.value FROM STRING_SPLIT('a,b', ',') s ORDER BY 1", [("a",), ("b",)]),
    (
        "SELECT name FROM sys.databases WHERE name LIKE 'AIG%' ORDER BY name",
        [("AIG_Nav_DW",), ("AIG_Nav_Jumia_Reconciliation",)],
    ),
    (
        "SELECT DATA_TYPE, CHARACTER_MAXIMUM_LENGTH FROM INFORMATION_SCHEMA.COLUMNS WHERE COLUMN_NAME = 'Customer No_'",
        [("nvarchar", 20)],
    ),
]

TYPES = [
    (f"SELECT [Entry No_], [Customer No_] AS c, [Amount (LCY)], [Row Id] {T}",
     [("Entry No_", "int", False), ("c", "nvarchar(20)", True), ("Amount (LCY)", "decimal(38,20)", True), ("Row Id", "uniqueidentifier", True)]),
    (f"SELECT q.c, q.n FROM (SELECT [Customer No_] c, MIN([Posting Date]) n {T} GROUP BY [Customer No_]) q",
     [("c", "nvarchar(20)", True), ("n", "datetime", True)]),
    (f"SELECT b.[Entry No_] {T} a LEFT JOIN dbo.[G_L Entries] b ON a.[Entry No_] = b.[Entry No_] + 1", [("Entry No_", "int", True)]),
    (f"SELECT [Entry No_] {T} UNION ALL SELECT 2.5", [("Entry No_", "decimal(11,1)", False)]),
    (f"SELECT Code {T} UNION ALL SELECT [Customer No_] {T}", [("Code", "nvarchar(20)", True)]),
    (f"SELECT ISNULL(Quantity, 0) AS q, COUNT(*), COUNT_BIG(*), SUM(CAST(Quantity AS bigint)), SUM([Total $]) {T} GROUP BY Quantity",
     [("q", "int", False), ("", "int", False), ("", "bigint", False), ("", "bigint", True), ("", "money", True)]),
    ("SELECT CAST(1 AS numeric(9,3)) AS x, CAST(NULL AS datetime2(3)) y, NULL z",
     [("x", "decimal(9,3)", False), ("y", "datetime2(3)", True), ("z", "int", True)]),
    (f"SELECT 1 AS a, 2 AS a, * {T} WHERE 1 = 0", None),
]  # fmt: skip


class Translation(unittest.TestCase):
    def test_scalars(self) -> None:
        for sql, kind, value in SCALARS:
            with self.subTest(sql):
                result = run(f"SELECT {sql}").results[0]
                self.assertEqual(result[0][0][1], kind)
                self.assertEqual(result[1], [(value,)])

    def test_scalars_over_rows(self) -> None:
        """The same where nothing can be folded: the value comes out of a table."""
        for sql, kind, value in SCALARS:
            with self.subTest(sql):
                result = run(f"SELECT {sql} {T} WHERE [Entry No_] = 1").results[0]
                self.assertEqual((result[0][0][1], result[1]), (kind, [(value,)]))

    def test_queries(self) -> None:
        for sql, expected in QUERIES:
            with self.subTest(sql):
                self.assertEqual(rows(sql), expected)

    def test_types(self) -> None:
        for sql, expected in TYPES:
            with self.subTest(sql):
                columns = run(sql).results[0][0]
                if expected is None:
                    self.assertEqual([c[0] for c in columns[:3]], ["a", "a", "Entry No_"])
                else:
                    self.assertEqual(columns, expected)

    def test_every_stored_type(self) -> None:
        found = rows(f"SELECT * {T} WHERE [Entry No_] IN (1, 4) ORDER BY 1")
        self.assertEqual(found[0][3], D("10.5"))
        self.assertEqual(found[0][9], "6F9619FF-8B86-D011-B42D-00C04FC964FF")
        self.assertEqual(found[0][14], datetime(2024, 4, 30, 10))
        self.assertEqual(found[1][3], D("123456789012345678.12345678901234567890"))
        self.assertEqual(found[1][7], D("922337203685477.5807"))
        self.assertEqual(found[1][11], date(1, 1, 1))
        self.assertEqual(found[1][13], datetime(9999, 12, 31, 23, 59, 59, 999999))

    def test_translate_alone(self) -> None:
        query = translate("SELECT TOP 1 [Entry No_] FROM dbo.[G_L Entries] WHERE [Posting Date] < @cutoff", sample_store().catalog,
                          "aig_nav_dw", {"@cutoff": "datetime"})  # fmt: skip
        self.assertEqual([str(c.type) for c in query.columns], ["int"])
        self.assertEqual({k: str(v) for k, v in query.used.items()}, {"@cutoff": "datetime"})
        self.assertIn("$vcutoff", query.sql)


if __name__ == "__main__":
    unittest.main()
