"""The session protocol over a real socket: results, parameters, batches, describe, cancel, memory."""

from __future__ import annotations

import threading
import time
import unittest
from decimal import Decimal as D

from support import Client, cells, sample_store
from soxauto_local.protocol import SqlServer

T = "FROM dbo.[G_L Entries]"


def shape(frames: list[tuple[str, object]]) -> str:
    return "".join(kind for kind, _ in frames)


def table_rows(frames: list[tuple[str, object]]) -> list[tuple]:
    found: list[tuple] = []
    for kind, body in frames:
        if kind == "B":
            found += zip(*(cells(column.combine_chunks()) for column in body.columns))
    return found


class Sessions(unittest.TestCase):
    server: SqlServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = SqlServer(sample_store())
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.close()

    def client(self, **login) -> Client:
        client = Client(self.server.port, **login)
        self.addCleanup(client.close)
        self.assertEqual(client.answer(), [("D", {})])
        return client

    def test_a_query_with_parameters(self) -> None:
        frames = self.client().query(
            f"SELECT [Entry No_], [Amount (LCY)] AS a {T} WHERE [Posting Date] < @cutoff AND [Customer No_] = @c",
            ("@cutoff", "datetime", "2024-05-01T00:00:00.000"), ("@c", "nvarchar(20)", "c001"),
        )  # fmt: skip
        self.assertEqual(shape(frames), "CBRD")
        self.assertEqual(frames[0][1], [
            {"name": "Entry No_", "type": "int", "nullable": False}, {"name": "a", "type": "decimal(38,20)", "nullable": True},
        ])  # fmt: skip
        self.assertEqual(table_rows(frames), [(1, D("10.5"))])
        self.assertEqual(frames[2][1], {"rows": 1})

    def test_every_parameter_type_comes_back_exactly(self) -> None:
        given = [
            ("bit", "1"), ("tinyint", "255"), ("smallint", "-32768"), ("int", "-2147483648"), ("bigint", "9223372036854775807"),
            ("decimal(38,20)", "-123456789012345678.12345678901234567890"), ("numeric(38,0)", "9" * 38), ("money", "-922337203685477.5808"),
            ("float", "0.1"), ("real", "1.5"), ("date", "0001-01-01"), ("datetime", "2024-05-01T10:11:12.123"),
            ("datetime2(7)", "9999-12-31T23:59:59.9999990"), ("smalldatetime", "2024-05-01T10:11:00"), ("time(7)", "23:59:59.999999"),
            ("datetimeoffset(7)", "2024-05-01T12:00:00.5+02:00"), ("nvarchar(max)", "é😀" * 1000), ("varchar(5)", "a' b "), ("nchar(3)", "ab "),
            ("varbinary(max)", "00ff10"), ("uniqueidentifier", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ]  # fmt: skip
        client = self.client()
        for kind, value in given:
            with self.subTest(kind):
                frames = client.query("SELECT @p AS p, @n AS n", ("@p", kind, value), ("@n", kind, None))
                self.assertEqual(shape(frames), "CBRD", frames[-1])
                got, nothing = table_rows(frames)[0]
                self.assertIsNone(nothing)
                wanted = {
                    "bit": True, "float": 0.1, "real": 1.5, "varbinary(max)": b"\x00\xff\x10",
                }.get(kind)  # fmt: skip
                if wanted is not None:
                    self.assertEqual(got, wanted)
                elif isinstance(got, (int, D)):
                    self.assertEqual(D(got), D(value))
                elif isinstance(got, str):
                    self.assertEqual(got, value)
                elif kind.startswith("datetimeoffset"):
                    self.assertEqual(got.isoformat(), "2024-05-01T10:00:00.500000")
                else:
                    self.assertEqual(got.isoformat().rstrip("0"), value.rstrip("0"))

    def test_a_value_finer_than_the_stand_in_is_refused(self) -> None:
        frames = self.client().query("SELECT @p", ("@p", "datetime2(7)", "2024-05-01T00:00:00.1234567"))
        self.assertEqual(frames[-1][1]["number"], 40510)

    def test_a_batch_in_the_old_form(self) -> None:
        client = self.client()
        frames = client.query(
            f"""SET NOCOUNT ON;
            DECLARE @cutoff date = @P1, @n int
            SELECT [Customer No_], SUM([Amount (LCY)]) AS total INTO #sums {T} WHERE [Posting Date] < @cutoff GROUP BY [Customer No_]
            CREATE CLUSTERED INDEX ix ON #sums ([Customer No_])
            SELECT @n = COUNT(*) FROM #sums
            IF @n > 1 BEGIN INSERT INTO #sums VALUES (N'more', @n) END ELSE SELECT 'unexpected'
            SELECT * FROM #sums ORDER BY total DESC
            DROP TABLE #sums""",
            ("@P1", "date", "2024-05-01"),
        )
        self.assertEqual(shape(frames), "CBRD", frames[-1])
        self.assertEqual(table_rows(frames), [("C001", D("10.5")), ("more", D(2)), ("x", D("1.33333333333333333333"))])

    def test_two_result_sets_and_counts(self) -> None:
        frames = self.client().query(
            "SELECT 1 AS a SELECT 2 AS b, 3 AS c CREATE TABLE #t (a int) INSERT #t VALUES (1), (2)"
        )
        self.assertEqual(shape(frames), "CBRCBRRD")
        self.assertEqual(frames[-2][1], {"rows": 2})

    def test_an_empty_result_has_its_columns(self) -> None:
        self.assertEqual(shape(self.client().query(f"SELECT * {T} WHERE 1 = 0")), "CRD")

    def test_temporary_tables_belong_to_a_session(self) -> None:
        first, second = self.client(), self.client()
        first.query("SELECT 1 AS a INTO #mine")
        self.assertEqual(second.query("SELECT * FROM #mine")[-1][1]["number"], 208)
        self.assertEqual(table_rows(first.query("SELECT * FROM #mine")), [(1,)])

    def test_use_and_unknown_database(self) -> None:
        client = self.client()
        frames = client.query("USE aig_nav_jumia_reconciliation SELECT COUNT(*) FROM fdw.Dim_Company")
        self.assertEqual(shape(frames), "VCBRD")
        self.assertEqual(frames[0][1], {"database": "AIG_Nav_Jumia_Reconciliation"})
        refused = Client(self.server.port, database="nodb")
        self.addCleanup(refused.close)
        self.assertEqual(refused.answer()[0][1]["number"], 4060)

    def test_describe_runs_nothing(self) -> None:
        client = self.client()
        client.send(
            "P",
            {
                "sql": f"SELECT [Amount (LCY)] / 0 AS x, Code {T} WHERE [Posting Date] < @cutoff",
                "params": "@cutoff datetime, @n decimal(38,20)",
            },
        )
        self.assertEqual(client.answer(), [
            ("C", [{"name": "x", "type": "decimal(38,20)", "nullable": True}, {"name": "Code", "type": "varchar(10)", "nullable": True}]), ("D", {}),
        ])  # fmt: skip
        client.send("P", {"sql": "SELECT * FROM nope", "params": ""})
        self.assertEqual(client.answer()[0][1]["number"], 208)

    def test_sp_executesql(self) -> None:
        frames = self.client().query(
            "EXEC sys.sp_executesql @P1, @P2, @cutoff = @P3, @a_0 = @P4",
            ("@P1", "nvarchar(4000)", f"SELECT @cutoff AS c, [Entry No_] {T} WHERE [Customer No_] IN (@a_0) AND [Posting Date] < @cutoff"),
            ("@P2", "nvarchar(4000)", "@cutoff datetime, @a_0 nvarchar(20)"), ("@P3", "datetime2(7)", "2024-05-01T00:00:00.0000000"),
            ("@P4", "nvarchar(4000)", "C001"),
        )  # fmt: skip
        self.assertEqual(frames[0][1][0]["type"], "datetime")
        self.assertEqual([row[1] for row in table_rows(frames)], [1])

    def test_sp_describe_first_result_set(self) -> None:
        frames = self.client().query(
            "EXEC sys.sp_describe_first_result_set @tsql = @P1, @params = @P2",
            ("@P1", "nvarchar(4000)", f"SELECT [Amount (LCY)], [Posting Date] p {T}"), ("@P2", "nvarchar(4000)", None),
        )  # fmt: skip
        names = [column["name"] for column in frames[0][1]]
        found = [dict(zip(names, row)) for row in table_rows(frames)]
        self.assertEqual([(r["column_ordinal"], r["name"], r["is_nullable"], r["system_type_name"]) for r in found],
                         [(1, "Amount (LCY)", True, "decimal(38,20)"), (2, "p", False, "datetime")])  # fmt: skip

    def test_cancel_leaves_the_session_usable(self) -> None:
        client = self.client()
        client.send("Q", {"sql": "WITH n AS (SELECT a.v FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) a(v)) SELECT COUNT_BIG(*) FROM"
                          " n a, n b, n c, n d, n e, n f, n g, n h, n i, n j, n k, n l WHERE a.v + b.v + c.v + l.v = 0", "params": []})  # fmt: skip
        threading.Timer(0.3, lambda: client.send("X")).start()
        started = time.monotonic()
        self.assertEqual(client.answer()[-1][1]["number"], 0)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual(table_rows(client.query("SELECT 1")), [(1,)])

    def test_cancel_in_the_middle_of_rows(self) -> None:
        client = self.client()
        client.send("Q", {"sql": BIG, "params": []})
        self.assertEqual([client.frame()[0] for _ in range(3)], ["C", "B", "B"])
        client.send("X")
        self.assertEqual(client.answer()[-1][1]["number"], 0)
        self.assertEqual(table_rows(client.query("SELECT 1")), [(1,)])

    def test_memory_does_not_grow_with_the_rows(self) -> None:
        client = self.client()
        client.send("Q", {"sql": BIG, "params": []})
        before, count, most = resident(), 0, 0
        while (frame := client.frame())[0] not in "DE":
            if frame[0] == "B":
                count += frame[1].num_rows
                most = max(most, resident() - before)
        self.assertEqual((frame[0], count), ("D", 1_000_000))
        self.assertLess(most, 120)

    def test_many_sessions_at_once(self) -> None:
        answers: list[list[tuple]] = []

        def work() -> None:
            client = self.client()
            for _ in range(5):
                answers.append(table_rows(client.query(f"SELECT SUM([Amount (LCY)]) {T} WHERE [Entry No_] < 4")))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [[(D("8.58333333333333333333"),)]] * 30)


BIG = (
    "WITH n AS (SELECT a.v FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) a(v))"
    " SELECT CAST(a.v AS decimal(38,20)) AS d, REPLICATE(N'x', 100) AS t FROM n a, n b, n c, n d, n e, n f"
)


def resident() -> int:
    """MB of memory that this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4 // 1024
    except OSError:
        return 0


if __name__ == "__main__":
    unittest.main()
