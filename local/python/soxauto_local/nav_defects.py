"""The defects that can be planted in the sample, each meant for exactly one check of one report.

Checks are named as in the run's evidence. A planted row lies early in the sample, so that every
cutoff sees it, and never in the rows that the reports use as witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass

from .nav_schema import BC, DW, REC, STG


@dataclass(frozen=True)
class Defect:
    """A planted defect: where it shows, which check must catch it, and the SQL that plants it."""

    name: str
    ipe: str
    check: str
    what: str
    statements: tuple[str, ...]


_UNUSED_VOUCHER = f"""(SELECT min(v.id) FROM "{REC}".dbo."V_STORECREDITVOUCHER_CLOSING" v
    WHERE v."ID_COMPANY" = 'EC_KE' AND v.inactive_at IS NULL AND NOT EXISTS (
        FROM "{REC}".dbo."RPT_SOI" s WHERE s."COD_STORE_CREDIT_VOUCHER" = v.code))"""

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "duplicate-key", "IPE_08", "key_unique",
        "A voucher of Kenya was loaded twice, into both systems: count and totals agree, but its key is not unique.",
        (
            f"""INSERT INTO "{REC}".dbo."StoreCreditVoucher"
                SELECT * FROM "{REC}".dbo."StoreCreditVoucher" WHERE "Voucher_No" = {_UNUSED_VOUCHER}""",
            f"""INSERT INTO "{REC}".dbo."V_STORECREDITVOUCHER_CLOSING"
                SELECT * FROM "{REC}".dbo."V_STORECREDITVOUCHER_CLOSING" WHERE id = {_UNUSED_VOUCHER}""",
        ),
    ),
    Defect(
        "missing-rows", "IPE_07", "completeness_rows",
        "Customers of Kenya with open entries are missing from the customer table, so the extraction's join loses their "
        "entries; the count over the details does not (its control total, completeness_total, differs with it).",
        (
            f"""DELETE FROM "{DW}".dbo."Customers" WHERE id_company = 'EC_KE' AND "No_" IN (
                SELECT "Customer No_" FROM "{DW}".dbo."Customer Ledger Entries"
                WHERE id_company = 'EC_KE' AND "Open" AND "Customer No_" NOT LIKE 'CZ%'
                    AND "Customer Posting Group" IN ('DOM', 'MPL', 'B2B')
                ORDER BY "Entry No_" LIMIT 3)""",
        ),
    ),
    Defect(
        "late-posting", "IPE_07", "period",
        "Three open entries of Kenya carry a posting date after the sample's end while their details were posted in "
        "early 2023: they leak into every extract with a date beyond its cutoff.",
        (
            f"""UPDATE "{DW}".dbo."Customer Ledger Entries" SET "Posting Date" = TIMESTAMP '2024-07-15'
                WHERE id_company = 'EC_KE' AND "Entry No_" IN (
                    SELECT "Entry No_" FROM "{DW}".dbo."Customer Ledger Entries"
                    WHERE id_company = 'EC_KE' AND "Open" AND "Customer No_" NOT LIKE 'CZ%'
                        AND "Customer Posting Group" IN ('DOM', 'MPL', 'B2B')
                    ORDER BY "Entry No_" LIMIT 3)""",
        ),
    ),
    Defect(
        "wrong-sign", "CR_03", "completeness_total",
        "One detail of a ledger entry of Kenya has its sign flipped: the count agrees, but the sum of the details is no "
        "longer the ledger's balance.",
        (
            f"""UPDATE "{DW}".dbo."Detailed G_L Entry" SET "Amount" = -"Amount"
                WHERE id_company = 'EC_KE' AND "G_L Entry No_" = (
                    SELECT min(entry) FROM (
                        SELECT "G_L Entry No_" AS entry FROM "{DW}".dbo."Detailed G_L Entry"
                        WHERE id_company = 'EC_KE' AND "G/L_Account_No" = '15010'
                        GROUP BY entry HAVING count(*) = 1 AND sum("Amount") <> 0))""",
        ),
    ),
    Defect(
        "null-mandatory", "IPE_11", "not_null",
        "The vendor table has lost the names of Nigeria's sellers, which the report must show.",
        (f"""UPDATE "{REC}".dbo."RPT_VENDORS" SET "DSC_VENDOR_NAME" = NULL WHERE "ID_COMPANY" = 'EC_NG'""",),
    ),
    Defect(
        "unknown-company", "CR_05", "accepted_values",
        "A company that the control does not know (EC_ZM, Zambia) was opened in every system, with its rates.",
        (
            f"""INSERT INTO "{DW}".dbo."Companies" VALUES ('EC_ZM', 'Ecart Services Zambia', 'ZMW', 1)""",
            f"""INSERT INTO "{REC}".fdw."Dim_Country" VALUES ('ZM', 'Zambia', 'Southern Africa', true)""",
            f"""INSERT INTO "{REC}".fdw."Dim_Company" VALUES ('EC_ZM', 'Ecart Services Zambia', 'ZM', 'ZMW', 'Opco',
                true, 1, TIMESTAMP '2023-01-01', TIMESTAMP '9999-12-31 23:59:59')""",
            f"""INSERT INTO "{REC}".dbo."RPT_FX_RATES" SELECT DISTINCT "Rate_Date", 'Closing', 'ZMW', 'USD', 18.05
                FROM "{REC}".dbo."RPT_FX_RATES" WHERE "Rate_Type" = 'Closing' ORDER BY ALL""",
            f"""INSERT INTO "{BC}".dbo."Jade DZ$Currency Exchange Rate" SELECT DISTINCT 'ZMW', "Starting Date", 1, 18.05, 0
                FROM "{BC}".dbo."Jade DZ$Currency Exchange Rate" ORDER BY ALL""",
        ),
    ),
    Defect(
        "broken-filter", "IPE_12", "accuracy_negative",
        "The customer types of Nigeria map business customers to account 13005 although their packages are booked on "
        "13024: with 13024 taken out of the filter, they are still let through.",
        (
            f"""UPDATE "{REC}".dbo."RPT_DIM_BOB_CUSTOMER_TYPE" SET "G/L_Account_No" = '13005'
                WHERE "ID_COMPANY" = 'EC_NG' AND "CUSTOMER_TYPE" = 'B2B'""",
        ),
    ),
    Defect(
        "missing-witness", "IPE_10", "accuracy_positive",
        "The oldest prepaid item of Nigeria has another order number in the report's table than in the order system: "
        "count and totals agree, but the known transaction is not there.",
        (
            f"""UPDATE "{REC}".dbo."RPT_SOI" SET "COD_OMS_SALES_ORDER_NR" = "COD_OMS_SALES_ORDER_NR" || 'X'
                WHERE "COD_OMS_ID_SALES_ORDER_ITEM" = (
                    SELECT min(id_sales_order_item) FROM "{STG}"."OMS"."SALES_ORDER_ITEM"
                    WHERE company = 'EC_NG' AND is_prepaid AND paid_at IS NOT NULL AND delivered_at IS NULL
                        AND canceled_at IS NULL AND refunded_at IS NULL)""",
        ),
    ),
)

BY_NAME = {d.name: d for d in DEFECTS}


def listing() -> list[dict[str, str]]:
    """The defects as `--list-defects` prints them."""
    return [{"name": d.name, "ipe": d.ipe, "check": d.check, "what": d.what} for d in DEFECTS]
