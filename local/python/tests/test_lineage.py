"""Lineage: what is committed is what the queries give, and a query that cannot be followed is no lineage."""

from __future__ import annotations

import unittest

import support  # noqa: F401  (puts the package on the path)

from soxauto_local.lineage import CATALOG, LineageError, of_catalog, of_query, text_of

ENTRIES = "[AIG_Nav_DW].[dbo].[G_L Entries]"
COMPANY = "[AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company]"


def sources(sql: str) -> dict[str, list[str]]:
    """Column → sources, without the database and schema."""
    return {
        column["column"]: [source.split(".", 2)[2] for source in column["sources"]]
        for column in of_query(sql)["columns"]
    }


class Committed(unittest.TestCase):
    def test_the_committed_file_is_what_the_queries_give(self) -> None:
        committed = (CATALOG / "lineage.json").read_text(encoding="utf-8")
        self.assertEqual(committed, text_of(of_catalog(CATALOG)), "run scripts/lineage and commit what it writes")


class Queries(unittest.TestCase):
    def test_an_expression_has_every_column_in_it(self) -> None:
        found = sources(
            f"SELECT CAST(CASE WHEN e.[Voided?] = 1 THEN 0 ELSE e.[Amount] END AS decimal(38, 20)) AS amount,"
            f" COUNT(*) AS n, N'x' AS kind FROM {ENTRIES} AS e GROUP BY e.[Voided?], e.[Amount]"
        )
        self.assertEqual(found, {"amount": ["G_L Entries.Amount", "G_L Entries.Voided?"], "n": [], "kind": []})

    def test_ctes_subqueries_and_unions_are_followed(self) -> None:
        found = sources(
            f"WITH t AS (SELECT x.no_, SUM(x.a) AS total FROM (SELECT e.[Entry No_] AS no_, e.[Amount] AS a FROM {ENTRIES}"
            f" AS e) AS x GROUP BY x.no_) SELECT t.no_ AS id, t.total FROM t"
            f" UNION ALL SELECT 0, (SELECT MAX(c.[Company_Code]) FROM {COMPANY} AS c)"
        )
        self.assertEqual(
            found, {"id": ["G_L Entries.Entry No_"], "total": ["G_L Entries.Amount", "Dim_Company.Company_Code"]}
        )

    def test_a_table_that_only_filters_is_an_input_and_no_source(self) -> None:
        found = of_query(
            f"SELECT e.[Entry No_] AS id FROM {ENTRIES} AS e INNER JOIN {COMPANY} AS c"
            f" ON c.[Company_Code] = e.[id_company] WHERE e.[Amount] > @least"
        )
        self.assertEqual(
            found["tables"], ["AIG_Nav_DW.dbo.G_L Entries", "AIG_Nav_Jumia_Reconciliation.fdw.Dim_Company"]
        )
        self.assertEqual(
            found["columns"], [{"column": "id", "sources": ["AIG_Nav_DW.dbo.G_L Entries.Entry No_"]}]
        )

    def test_names_are_spelt_as_the_source_spells_them(self) -> None:
        found = of_query("SELECT E.[entry no_] AS Id FROM [aig_nav_dw].[DBO].[g_l entries] AS e")
        self.assertEqual(
            found["columns"], [{"column": "Id", "sources": ["AIG_Nav_DW.dbo.G_L Entries.Entry No_"]}]
        )

    def test_what_cannot_be_followed_is_an_error(self) -> None:
        for sql in (
            f"SELECT e.[No Such] AS x FROM {ENTRIES} AS e",
            "SELECT e.[x] AS x FROM [AIG_Nav_DW].[dbo].[No Such] AS e",
            "SELECT 1 AS x FROM",
        ):
            with self.subTest(sql), self.assertRaises(LineageError):
                of_query(sql)


if __name__ == "__main__":
    unittest.main()
