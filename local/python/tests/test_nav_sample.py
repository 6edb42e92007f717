"""The NAV sample itself: the same each time, tied out, awkward where real data is awkward, and
loadable into a real SQL Server as a script."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

import duckdb
import sqlglot

from soxauto_local import nav_sample, nav_tsql
from soxauto_local.nav_schema import BC, DATABASES, DW, REC, STG, TABLES, duckdb_type
from soxauto_local.store import Store
from test_nav_catalog import Report

ROWS = 4_000


def open_sample(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the sample's databases attached."""
    connection = duckdb.connect()
    for name in DATABASES:
        connection.execute(f"ATTACH '{folder / name}.duckdb' AS \"{name}\" (READ_ONLY)")
    return connection


def translate(insert: str) -> str:
    """An INSERT of the script as DuckDB SQL."""
    (statement,) = sqlglot.parse(insert, read="tsql")
    return statement.sql(dialect="duckdb")


class NavSample(unittest.TestCase):
    """One small sample, built once."""

    folder: Path
    sample: duckdb.DuckDBPyConnection

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name) / "sample"
        nav_sample.build(cls.folder, ROWS, 1)
        cls.sample = open_sample(cls.folder)
        cls.addClassCleanup(cls.sample.close)

    def one(self, sql: str) -> object:
        """The single value of a query."""
        row = self.sample.execute(sql).fetchone()
        assert row is not None
        return row[0]

    def test_the_same_parameters_give_the_same_rows_in_the_same_order(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            again, other = Path(scratch) / "again", Path(scratch) / "other"
            nav_sample.build(again, ROWS, 1)
            nav_sample.build(other, ROWS, 2)
            differing = set()
            for t in TABLES:
                rows = [self._all(self.folder, t.duckdb_name), self._all(again, t.duckdb_name),
                        self._all(other, t.duckdb_name)]
                self.assertEqual(rows[0], rows[1], t.name)
                if rows[0] != rows[2]:
                    differing.add(t.name)
            self.assertLessEqual({"Customer Ledger Entries", "G_L Entries", "RPT_SOI", "Customers"}, differing)

    def _all(self, folder: Path, name: str) -> list[tuple]:
        with open_sample(folder) as connection:
            return connection.execute(f"SELECT * FROM {name}").fetchall()

    def test_a_sample_is_reused_only_if_it_is_the_one_asked_for(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)

            def build(*defects: str) -> object:
                return nav_sample.build(folder, nav_sample.MINIMUM_ROWS, 1, defects)["reused"]

            self.assertEqual([build(), build(), build("wrong-sign"), build()], [False, True, False, False])
            (folder / f"{STG}.duckdb").unlink()
            self.assertFalse(build())
            (folder / "sample.json").write_text("{", encoding="utf-8")
            self.assertFalse(build())

    def test_schema_json_describes_what_the_databases_hold(self) -> None:
        document = json.loads((self.folder / "schema.json").read_text(encoding="utf-8"))
        described = {
            (t["database"], t["schema"], t["name"], c["name"], duckdb_type(c["type"]), c["nullable"])
            for t in document["tables"] for c in t["columns"]
        }
        held = set(self.sample.execute(
            "SELECT database_name, schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            f"WHERE database_name IN {DATABASES}").fetchall())
        self.assertEqual(described, held)
        self.assertTrue({"[Entry No_]", "[Amount (LCY)]", "[G/L_Account_No]", "[Opco/Central_?]", "[Is_Active?]"}
                        <= {f"[{row[3]}]" for row in held})
        self.assertIn("Jade DZ$Currency Exchange Rate", {t["name"] for t in document["tables"]})

    def test_ledger_details_and_balances_tie_out(self) -> None:
        self.assertEqual(0, self.one(f"""
            SELECT count(*) FROM "{DW}".dbo."G_L Entries" e FULL JOIN (
                SELECT id_company, "G_L Entry No_" AS n, sum("Amount") AS a
                FROM "{DW}".dbo."Detailed G_L Entry" GROUP BY ALL) d
            ON d.id_company = e.id_company AND d.n = e."Entry No_" WHERE d.a IS DISTINCT FROM e."Amount" """))
        self.assertEqual(0, self.one(f"""
            SELECT count(*) FROM "{DW}".dbo."Customer Ledger Entries" e FULL JOIN (
                SELECT id_company, "Cust_ Ledger Entry No_" AS n, sum("Amount (LCY)") AS a
                FROM "{DW}".dbo."Detailed Customer Ledg_ Entry" WHERE "Ledger Entry Amount" = 1 GROUP BY ALL) d
            ON d.id_company = e.id_company AND d.n = e."Entry No_" WHERE d.a IS DISTINCT FROM e."Original Amt_ (LCY)" """))
        self.assertEqual(0, self.one(f"""
            SELECT count(*) FROM "{REC}".dbo."V_BS_BALANCE_PER_CLOSING_DATE" b LEFT JOIN (
                SELECT c.day, id_company, "G/L_Account_No" AS account, sum("Amount") AS a
                FROM "{DW}".dbo."G_L Entries" e
                JOIN (SELECT DISTINCT "Closing_Date" AS day FROM "{REC}".dbo."V_BS_BALANCE_PER_CLOSING_DATE") c
                    ON e."Posting Date" <= c.day GROUP BY ALL) l
            ON l.day = b."Closing_Date" AND l.id_company = b."Company_Code" AND l.account = b."G/L_Account_No"
            WHERE l.a IS DISTINCT FROM b."Balance_At_Date (LCY)" """))

    def test_reports_explain_the_ledger_but_for_the_manual_postings(self) -> None:
        """C-PG-1 in miniature: what no report explains is exactly what the sample posted by hand."""
        explained = {
            ("13003", "13004", "13009"): [("IPE_07", "remaining_amount_lcy", 1, {})],
            ("13005", "13024"): [("IPE_12", "outstanding_amount_lcy", 1, {})],
            ("13001", "13002"): [("IPE_31", "outstanding_amount_lcy", 1, {})],
            ("18350",): [("IPE_10", "prepaid_amount_lcy", -1, {})],
            ("18317",): [("IPE_34", "liability_amount_lcy", 1, {})],
            ("18412",): [("IPE_08", "remaining_amount_lcy", -1, {"validity": "valid"}),
                         ("IPE_08_TIMING", "remaining_amount_lcy", -1, {})],
            ("15010",): [("CR_03", "amount_lcy", 1, {})],
        }
        cutoff = "2024-05-01"
        variance: dict[tuple[str, tuple[str, ...]], Decimal] = {}
        store = Store(self.folder)
        self.addCleanup(store.close)
        actuals = Report(store, "CR_04", cutoff).extract()
        for accounts, reports in explained.items():
            for row in actuals:
                if row["gl_account"] in accounts:
                    key = (row["company_code"], accounts)
                    variance[key] = variance.get(key, Decimal(0)) + row["balance_lcy"]
            for ipe, column, sign, values in reports:
                report = Report(store, ipe, cutoff)
                for row in report.matching(report.extract(), values):
                    key = (row["company_code"], accounts)
                    variance[key] = variance.get(key, Decimal(0)) - sign * row[column]
        manual = {key: Decimal("123.45") for key in variance if key[1] == ("13003", "13004", "13009")}
        manual |= {("JM_EG", ("18350",)): Decimal("-98000.10"), ("EC_IC", ("18350",)): Decimal(7500)}
        self.assertGreater(len(manual), 8)
        self.assertEqual({k: v for k, v in variance.items() if v}, manual)

    def test_the_data_is_as_awkward_as_real_data(self) -> None:
        entries = f'"{DW}".dbo."Customer Ledger Entries"'
        for what, sql in {
            "trailing blanks": f"""SELECT count(*) FROM {entries} WHERE "Description" LIKE '% '""",
            "empty texts": f"""SELECT count(*) FROM {entries} WHERE "Description" = ''""",
            "NULLs": f"""SELECT count(*) FROM {entries} WHERE "Reason Code" IS NULL""",
            "empty beside NULL": f"""SELECT count(*) FROM {entries} WHERE "Reason Code" = ''""",
            "arabic": f"""SELECT count(*) FROM {entries} WHERE "Description" SIMILAR TO '.*[\u0600-\u06ff].*'""",
            "outside the BMP": f"""SELECT count(*) FROM {entries} WHERE "Description" LIKE '%📦%'""",
            "no end date": f"""SELECT count(*) FROM "{REC}".fdw."Dim_Company" WHERE year("Valid_To") = 9999""",
            "NAV's empty date": f"""SELECT count(*) FROM {entries} WHERE year("Closed at Date") = 1753""",
            "negative amounts": f"""SELECT count(*) FROM {entries} WHERE "Original Amt_ (LCY)" < 0""",
            "twenty decimals": f"""SELECT count(*) FROM {entries}
                WHERE "Original Amt_ (LCY)"::VARCHAR NOT LIKE '%000000' AND "Original Amt_ (LCY)" <> 0""",
            "US dollar twins": f"""SELECT count(*) FROM {entries} WHERE id_company LIKE '%!_USD' ESCAPE '!'""",
            "out of scope": f"""SELECT count(*) FROM {entries} WHERE id_company = 'EC_TN'""",
            "a wrong rate for the dollar": f"""SELECT count(*) FROM "{REC}".dbo."RPT_FX_RATES"
                WHERE "From_Currency" = 'USD' AND "FX_Rate" <> 1""",
            "Business Central": f"""SELECT count(*) FROM "{BC}".dbo."Jade DZ$Currency Exchange Rate" """,
        }.items():
            self.assertGreater(self.one(sql), 0, what)

    def test_the_script_loads_back_to_the_same_rows(self) -> None:
        script = io.StringIO()
        nav_tsql.write_script(self.folder, script)
        batches = script.getvalue().split("\nGO\n")
        self.assertLessEqual({f"USE [{name}];" for name in DATABASES}, set(batches))
        loaded, tables = duckdb.connect(), {}
        self.addCleanup(loaded.close)
        for schema in ("dbo", "fdw", "RING", "OMS"):
            loaded.execute(f"CREATE SCHEMA {schema}")
        for t in TABLES:
            columns = ", ".join(f'"{c.name}" {duckdb_type(c.type)}' for c in t.columns)
            loaded.execute(f'CREATE TABLE "{t.schema}"."{t.name}" ({columns})')
        for batch in batches:
            lines = batch.splitlines()
            if "CREATE TABLE" in batch:
                name = lines[1].split("TABLE ")[1].removesuffix(" (")
                tables[name] = 0
                (t,) = [t for t in TABLES if t.tsql_name == name]
                declared = [f"    [{c.name}] {c.type} {'NULL' if c.nullable else 'NOT NULL'}" for c in t.columns]
                self.assertEqual([line.removesuffix(",") for line in lines[2:-1]], declared)
            elif batch.startswith("INSERT INTO "):
                name = lines[0].removeprefix("INSERT INTO ").split(" ([")[0]
                self.assertLessEqual(len(lines) - 1, 1_000)
                tables[name] += len(lines) - 1
                if len(lines) < 100:  # the translation is slow: the small tables, and the end of the large ones
                    loaded.execute(translate(batch))
        for t in TABLES:
            count = self.one(f"SELECT count(*) FROM {t.duckdb_name}")
            self.assertEqual(tables[t.tsql_name], count, t.name)
            own = self._all(self.folder, t.duckdb_name)
            back = loaded.execute(f'SELECT * FROM "{t.schema}"."{t.name}"').fetchall()
            self.assertLessEqual({repr(row) for row in back}, {repr(row) for row in own}, t.name)
            if count < 100:
                self.assertEqual(len(back), count, t.name)

    def test_the_command_line(self) -> None:
        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([sys.executable, "-m", "soxauto_local.nav_sample", *arguments],
                                  cwd=Path(__file__).parents[1], capture_output=True, text=True, encoding="utf-8")

        done = run("--out", str(self.folder), "--rows", str(ROWS))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertTrue(json.loads(done.stdout)["reused"])
        for wrong in (("--rows", "1"), ("--seed", "-1"), ("--defect", "no-such")):
            refused = run("--out", str(self.folder), *wrong)
            self.assertEqual((refused.returncode, refused.stdout), (2, ""), wrong)
        self.assertGreaterEqual(len(json.loads(run("--list-defects").stdout)), 8)


if __name__ == "__main__":
    unittest.main()
