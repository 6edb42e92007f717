"""Generates the ledger warehouse: dimensions, customers, customer and general ledger, balances.

The general ledger holds entries of its own (accounts 15010, 18650, 18397) and one daily entry per
company and account for what the subledgers and the operational systems did on that day, taken
from the temporary table `flows`, so that ledger, details, balances and reports tie out.
"""

from __future__ import annotations

from collections.abc import Iterator

from .nav_base import (
    ACCOUNTS,
    BUSLINES,
    COMPANIES,
    COUNTRIES,
    CURRENCIES,
    DAYS,
    FIRST_DAY,
    NAV_EMPTY_DATE,
    NO_END,
    POSTING_GROUPS,
    Stream,
    cycle,
    values,
)
from .nav_schema import BC, DW, REC

CUSTOMER_NAMES = [
    "Ọjà Tuntun Ltd", "Société Générale de Négoce", "شركة النيل للتجارة", "Boulangerie L'Étoile",
    "Kariakoo Traders", "Chidi & Sons", "Atelier Zoubida", "Akosua Ventures 🛒", "Mama Mboga",
    "O'Brien [Import/Export]", "Épicerie du Port  ", "100% Électro",
]
CUSTOMER_TEXTS = [
    "Commande n° 100% payée", "Order settlement  ", "Règlement client", "طلب رقم", "",
    "Marketplace; fee \"A\"", "Invoice 📦", "Payment, received",
]
LEDGER_TEXTS = [
    "Loyer constaté d'avance", "Insurance (12 months)", "Abonnement 1/12", "إيجار", "",
    "Prepaid rent  ", "Software licence 💻", "Accrual; reversal",
]
USERS = ["AIG\\FINANCE.NG", "AIG\\FINANCE.KE", "AIG\\FINANCE.EG", "AIG\\NAS.BATCH", "AIG\\M.DIOP"]


def dimensions() -> Iterator[str]:
    """Statements that fill the small tables that do not depend on the size or the seed."""
    yield f"""INSERT INTO "{DW}".dbo."Companies" VALUES {values([
        (c.code, c.name, c.currency, int(c.in_scope)) for c in COMPANIES])}"""
    yield f"""INSERT INTO "{DW}".dbo."Customer Posting Groups"
        SELECT c.code, g.code, g.description, g.account
        FROM (VALUES {values([(c.code,) for c in COMPANIES])}) c(code)
        CROSS JOIN (VALUES {values(list(POSTING_GROUPS))}) g(code, description, account)"""
    yield f"""INSERT INTO "{DW}".dbo."Bank Accounts"
        SELECT c.code, 'BNK-' || lpad(k::VARCHAR, 3, '0'), 'Collection account ' || k, c.currency,
               CASE WHEN k <> 3 THEN c.country || '76 0000 ' || lpad(k::VARCHAR, 4, '0') END, '13002'
        FROM (VALUES {values([(c.code, c.currency, c.country) for c in COMPANIES])}) c(code, currency, country)
        CROSS JOIN range(1, 5) r(k)"""
    yield f"""INSERT INTO "{REC}".fdw."Dim_Company" VALUES {", ".join(
        "(" + values([(c.code, c.name, c.country, c.currency, "Central" if c.code.endswith("_USD") else "Opco")])[1:-1]
        + f", {str(c.in_scope).lower()}, {int(c.in_scope)}, TIMESTAMP '2012-07-01', "
        + (f"TIMESTAMP '{NO_END}')" if c.in_scope else "TIMESTAMP '2022-12-31')")
        for c in COMPANIES)}"""
    yield f"""INSERT INTO "{REC}".fdw."Dim_Country"
        SELECT *, true FROM (VALUES {values(list(COUNTRIES))})"""
    yield f"""INSERT INTO "{REC}".fdw."Dim_Busline" VALUES {values(list(BUSLINES))}"""
    yield f"""INSERT INTO "{REC}".fdw."Dim_ChartOfAccounts"
        SELECT account, name, kind, side, true FROM (VALUES {values(list(ACCOUNTS))})
        a(account, name, kind, side, level_1, level_2)"""
    # the mapping changed at the start of 2022: a join without the validity dates doubles the rows
    yield f"""INSERT INTO "{REC}".dbo."IFRS_Mapping"
        SELECT account, level_1, level_2, TIMESTAMP '2022-01-01', TIMESTAMP '{NO_END}'
        FROM (VALUES {values(list(ACCOUNTS))}) a(account, name, kind, side, level_1, level_2)
        UNION ALL
        SELECT account, level_1, 'Other', TIMESTAMP '2012-07-01', TIMESTAMP '2022-01-01'
        FROM (VALUES {values(list(ACCOUNTS))}) a(account, name, kind, side, level_1, level_2)"""
    rates = values([(code, rate) for code, rate in CURRENCIES])
    # closing rates by month end; Business Central keeps its own copy, quoted per 1 USD as well
    monthly = f"""SELECT code, last_day(({_first_day()} + to_months(m::INTEGER))::DATE)::TIMESTAMP AS day, m,
            (rate::DECIMAL(14,6) * (1000000 + m * 7919)::DECIMAL(14,0))::DECIMAL(38,6) AS scaled
        FROM (VALUES {rates}) r(code, rate) CROSS JOIN range(18) months(m)"""
    rate = "(scaled * 0.000001::DECIMAL(7,6))::DECIMAL(38,20)"
    yield f"""INSERT INTO "{REC}".dbo."RPT_FX_RATES"
        SELECT day, 'Closing', code, 'USD', {rate} FROM ({monthly})
        UNION ALL
        SELECT day, 'Average', code, 'USD', ({rate} - 0.125::DECIMAL(4,3))::DECIMAL(38,20) FROM ({monthly})
        UNION ALL
        SELECT DISTINCT day, 'Closing', 'USD', 'USD', 1.0625::DECIMAL(38,20) FROM ({monthly})
        ORDER BY ALL"""
    yield f"""INSERT INTO "{BC}".dbo."Jade DZ$Currency Exchange Rate"
        SELECT code, day, 1, {rate}, 0 FROM ({monthly})"""


def _first_day() -> str:
    return f"DATE '{FIRST_DAY}'"


def customer_ledger(seed: int, rows: int) -> Iterator[str]:
    """Statements that fill customers, `rows` customer ledger entries and their details."""
    r = Stream(seed, "customer ledger")
    customers = max(12, rows // 300)
    # Every 25th pair of blocks of 32 entries is an invoice and an unapplied payment of the same
    # amount: entries that are open, of customers whose balance is zero once both are posted.
    yield f"""CREATE TEMP TABLE cle AS
        WITH numbered AS (
            SELECT i, i // 32 AS block, ci, company, currency AS local_currency,
                   ((i // 32) * share + ord + 1)::INTEGER AS entry_no,
                   ((i // 64) % 25) = 3 AS paired,
                   CASE WHEN ((i // 64) % 25) = 3 THEN (i // 64) * 32 + i % 32 ELSE i END AS amount_key,
                   i * {DAYS - 1} // {rows} AS day
            FROM range({rows}) t(i) JOIN {cycle("ledger_share")} ON slot = i % 32
        ), drawn AS (
            SELECT *,
                CASE WHEN paired THEN CASE WHEN block % 2 = 0 THEN 0 ELSE 7 END
                     ELSE {r.below(10, "i", 0)} END AS kind,
                CASE WHEN paired THEN 9 ELSE {r.below(10, "i", 1)} END AS settlement,
                CASE WHEN paired THEN 'CZ' || lpad((i // 64)::VARCHAR, 6, '0') || '-' || (i % 32)
                     ELSE 'C' || lpad({r.below(customers, "i", 2)}::VARCHAR, 6, '0') END AS customer_no,
                CASE WHEN paired THEN {r.below(10, "amount_key", 3)}
                     ELSE {r.below(10, f"(ci * 10000000 + {r.below(customers, 'i', 2)})", 3)} END AS group_draw,
                100 + {r.below(5_000_000, "amount_key", 4)} AS cents_abs,
                NOT paired AND {r.below(12, "i", 5)} = 0 AS foreign_doc,
                {r.below(1_000_000_000_000_000, "i", 6)} AS tail_digits,
                day + 1 + {r.below(60, "i", 7)} AS settled_day
            FROM numbered
        )
        SELECT i, company, entry_no, customer_no, ci, on_day(day) AS posting_date, kind,
            CASE WHEN kind <= 6 THEN 'Invoice' WHEN kind <= 8 THEN 'Payment' ELSE 'Credit Memo' END AS document_type,
            CASE WHEN kind <= 6 THEN 'SI' WHEN kind <= 8 THEN 'PY' ELSE 'CM' END
                || lpad(entry_no::VARCHAR, 8, '0') AS document_no,
            CASE WHEN group_draw <= 4 THEN 'DOM' WHEN group_draw <= 7 THEN 'MPL'
                 WHEN group_draw = 8 THEN 'B2B' ELSE 'STAFF' END AS posting_group,
            CASE WHEN foreign_doc THEN 'EUR' WHEN local_currency = 'USD' THEN 'USD' ELSE '' END AS currency_code,
            foreign_doc, tail_digits,
            (CASE WHEN kind <= 6 THEN 1 ELSE -1 END) * cents_abs AS cents_signed,
            (CASE WHEN kind <= 6 THEN 1 ELSE -1 END)::DECIMAL(2,0)
                * (cents(cents_abs) + CASE WHEN foreign_doc THEN tail(tail_digits) ELSE 0 END) AS amount_lcy,
            settlement,
            CASE WHEN settlement <= 6 THEN happened(on_day(settled_day)) END AS settled_at
        FROM drawn"""
    yield f"""INSERT INTO "{DW}".dbo."Customer Ledger Entries" BY NAME
        SELECT company AS id_company, entry_no AS "Entry No_", customer_no AS "Customer No_",
            posting_date AS "Posting Date", document_type AS "Document Type", document_no AS "Document No_",
            CASE WHEN {r.below(3, "i", 8)} = 0 THEN '' ELSE 'EXT/' || i END AS "External Document No_",
            {r.pick(CUSTOMER_TEXTS, "i", 9)} AS "Description",
            currency_code AS "Currency Code", posting_group AS "Customer Posting Group",
            {r.pick([b[0] for b in BUSLINES], "i", 10)} AS "Busline Code",
            posting_date AS "Document Date", posting_date + to_days(30) AS "Due Date",
            amount_lcy AS "Original Amt_ (LCY)",
            NOT (settlement <= 4 AND settled_at IS NOT NULL) AS "Open",
            CASE WHEN settlement <= 4 AND settled_at IS NOT NULL THEN settled_at
                 ELSE TIMESTAMP '{NAV_EMPTY_DATE}' END AS "Closed at Date",
            {r.pick([None, None, "", "CORR", "ADJ"], "i", 11)} AS "Reason Code",
            {r.pick(USERS, "i", 12)} AS "User ID"
        FROM cle"""
    yield f"""INSERT INTO "{DW}".dbo."Detailed Customer Ledg_ Entry" BY NAME
        SELECT company AS id_company, entry_no::BIGINT * 4 + k AS "Entry No_",
            entry_no AS "Cust_ Ledger Entry No_",
            CASE k WHEN 0 THEN 'Initial Entry' WHEN 1 THEN 'Application' ELSE 'Unrealized Loss' END AS "Entry Type",
            at_date AS "Posting Date", document_no AS "Document No_", customer_no AS "Customer No_",
            posting_group AS "Posting Group", currency_code AS "Currency Code",
            CASE WHEN k = 2 THEN 0 ELSE amount END AS "Amount", amount AS "Amount (LCY)",
            CASE WHEN amount > 0 THEN amount ELSE 0 END AS "Debit Amount (LCY)",
            CASE WHEN amount < 0 THEN -amount ELSE 0 END AS "Credit Amount (LCY)",
            (k = 0)::UTINYINT AS "Ledger Entry Amount"
        FROM (
            SELECT *, 0 AS k, posting_date AS at_date, amount_lcy AS amount FROM cle
            UNION ALL
            SELECT *, 1, settled_at, CASE WHEN settlement <= 4 THEN -amount_lcy
                ELSE -cents(cents_signed * 4 // 10) END FROM cle WHERE settled_at IS NOT NULL
            UNION ALL
            SELECT *, 2, last_day(posting_date)::TIMESTAMP, -(cents(cents_signed // 50) + tail(tail_digits)) FROM cle
            WHERE foreign_doc AND settlement >= 7
        )"""
    # a company's numbering of customers starts at the same number in each company, as in NAV
    yield f"""INSERT INTO "{DW}".dbo."Customers" BY NAME
        SELECT company AS id_company, customer_no AS "No_",
            {r.pick(CUSTOMER_NAMES, "h", 20)} AS "Name",
            {r.pick([None, "", "S.A.R.L.", "Branch 2 "], "h", 21)} AS "Name 2",
            posting_group AS "Customer Posting Group",
            {r.pick([c[0] for c in COUNTRIES], "h", 22)} AS "Country/Region Code",
            CASE WHEN {r.below(4, "h", 23)} > 0 THEN lower(customer_no) || '@example.org' END AS "E-Mail",
            cents({r.below(100_000_000, "h", 24)}) AS "Credit Limit (LCY)",
            ({r.below(20, "h", 25)} = 0)::UTINYINT * 3 AS "Blocked",
            on_day({r.below(DAYS, "h", 26)}) AS "Last Date Modified"
        FROM (SELECT *, hash(company || '/' || customer_no) % 1000000000 AS h
              FROM (SELECT DISTINCT company, customer_no, posting_group FROM cle))
        ORDER BY company, customer_no"""
    accounts = " ".join(f"WHEN '{code}' THEN '{account}'" for code, _, account in POSTING_GROUPS)
    yield f"""INSERT INTO flows
        SELECT id_company, CASE "Posting Group" {accounts} END, "Posting Date", sum("Amount (LCY)")
        FROM "{DW}".dbo."Detailed Customer Ledg_ Entry" GROUP BY ALL"""
    yield "DROP TABLE cle"


def general_ledger(seed: int, rows: int) -> Iterator[str]:
    """Statements that fill `rows` ledger entries, the entries for `flows`, details and balances."""
    r = Stream(seed, "general ledger")
    # manual postings that no operational system explains: the variance the control is there to find
    yield f"""INSERT INTO flows VALUES {", ".join(
        f"('{c.code}', '13003', TIMESTAMP '2023-03-15', 123.45)" for c in COMPANIES if c.ledger_share)},
        ('JM_EG', '18350', TIMESTAMP '2023-11-20', -98000.10), ('EC_IC', '18350', TIMESTAMP '2024-01-11', 7500)"""
    yield f"""CREATE TEMP TABLE gl AS
        WITH numbered AS (
            SELECT i, company, ((i // 32) * share + ord + 1)::INTEGER AS entry_no, i * {DAYS - 1} // {rows} AS day,
                {r.below(10, "i", 0)} AS account_draw, {r.below(10, "i", 1)} AS shape,
                CASE WHEN {r.below(2, "i", 2)} = 0 THEN 1 ELSE -1 END * (100 + {r.below(9_000_000, "i", 3)}) AS c,
                CASE WHEN {r.below(10, "i", 4)} = 0
                     THEN tail({r.below(1_000_000_000_000_000, "i", 5)}) ELSE 0 END AS t
            FROM range({rows}) t(i) JOIN {cycle("ledger_share")} ON slot = i % 32
        )
        SELECT i, company, entry_no, on_day(day) AS posting_date,
            CASE WHEN account_draw <= 5 THEN '15010' WHEN account_draw <= 7 THEN '18650' ELSE '18397' END AS account,
            -- a: two details that cancel out; b: one detail; c: three that add up
            CASE WHEN account_draw > 5 THEN 'b' WHEN shape <= 2 THEN 'a' WHEN shape <= 6 THEN 'b' ELSE 'c' END AS shape,
            c, cents(c) + t AS whole
        FROM numbered"""
    yield f"""INSERT INTO "{DW}".dbo."G_L Entries" BY NAME
        SELECT company AS id_company, entry_no AS "Entry No_", account AS "G/L_Account_No",
            posting_date AS "Posting Date", {r.pick(["", "Invoice", "Payment", "Credit Memo"], "i", 10)} AS "Document Type",
            'GJ' || lpad(entry_no::VARCHAR, 8, '0') AS "Document No_",
            CASE WHEN {r.below(4, "i", 11)} = 0 THEN '' ELSE 'GL-' || i END AS "External Document No_",
            {r.pick(LEDGER_TEXTS, "i", 12)} AS "Description",
            amount AS "Amount", CASE WHEN amount > 0 THEN amount ELSE 0 END AS "Debit Amount",
            CASE WHEN amount < 0 THEN -amount ELSE 0 END AS "Credit Amount",
            {r.pick([b[0] for b in BUSLINES], "i", 13)} AS "Busline Code", '20010' AS "Bal_ Account No_",
            {r.pick(["GENJNL", "PURCHASES", "SALES"], "i", 14)} AS "Source Code",
            shape = 'a' AS "Voided?", {r.pick(USERS, "i", 15)} AS "User ID"
        FROM (SELECT *, CASE WHEN shape = 'a' THEN 0 ELSE whole END AS amount FROM gl)"""
    yield f"""INSERT INTO "{DW}".dbo."Detailed G_L Entry" BY NAME
        SELECT company AS id_company, entry_no::BIGINT * 4 + k AS "Entry No_", entry_no AS "G_L Entry No_",
            account AS "G/L_Account_No", posting_date AS "Posting Date",
            CASE WHEN k = 0 THEN 'Initial Entry' WHEN shape = 'a' THEN 'Reversal' ELSE 'Allocation' END AS "Entry Type",
            CASE WHEN shape = 'b' THEN whole
                 WHEN shape = 'a' THEN CASE k WHEN 0 THEN whole ELSE -whole END
                 WHEN k = 0 THEN cents(c * 3 // 10) WHEN k = 1 THEN cents(c // 5)
                 ELSE whole - cents(c * 3 // 10) - cents(c // 5) END AS "Amount",
            {r.pick([None, "", "ALLOC"], "i", 16)} AS "Reason Code"
        FROM gl CROSS JOIN range(3) d(k)
        WHERE k < CASE shape WHEN 'b' THEN 1 WHEN 'a' THEN 2 ELSE 3 END"""
    yield "DROP TABLE gl"
    yield """CREATE TEMP TABLE daily AS
        SELECT company, account, day, amount,
            (50000000 + row_number() OVER (PARTITION BY company ORDER BY day, account))::INTEGER AS entry_no
        FROM (SELECT company, account, date_trunc('day', posted) AS day, sum(amount)::DECIMAL(38,20) AS amount
              FROM flows GROUP BY ALL)
        ORDER BY company, entry_no"""
    yield f"""INSERT INTO "{DW}".dbo."G_L Entries" BY NAME
        SELECT company AS id_company, entry_no AS "Entry No_", account AS "G/L_Account_No",
            day AS "Posting Date", '' AS "Document Type", 'BATCH' || entry_no AS "Document No_",
            '' AS "External Document No_", 'Daily posting ' || account AS "Description",
            amount AS "Amount", CASE WHEN amount > 0 THEN amount ELSE 0 END AS "Debit Amount",
            CASE WHEN amount < 0 THEN -amount ELSE 0 END AS "Credit Amount", 'RETAIL' AS "Busline Code",
            '' AS "Bal_ Account No_", 'BATCH' AS "Source Code", false AS "Voided?", 'AIG\\NAS.BATCH' AS "User ID"
        FROM daily"""
    yield f"""INSERT INTO "{DW}".dbo."Detailed G_L Entry" BY NAME
        SELECT company AS id_company, entry_no::BIGINT * 4 AS "Entry No_", entry_no AS "G_L Entry No_",
            account AS "G/L_Account_No", day AS "Posting Date", 'Initial Entry' AS "Entry Type",
            amount AS "Amount", NULL AS "Reason Code"
        FROM daily"""
    yield "DROP TABLE daily"
    yield f"""INSERT INTO "{REC}".dbo."V_BS_BALANCE_PER_CLOSING_DATE"
        WITH monthly AS (
            SELECT id_company AS company, "G/L_Account_No" AS account, last_day("Posting Date") AS closing,
                sum("Amount") AS change, count(*) AS entries, count(*) FILTER (WHERE "Amount" <> 0) AS non_zero
            FROM "{DW}".dbo."G_L Entries" GROUP BY ALL
        ), closings AS (SELECT DISTINCT closing FROM monthly)
        SELECT c.closing::TIMESTAMP, m.company, m.account, sum(m.change)::DECIMAL(38,20),
            coalesce(sum(m.change) FILTER (WHERE m.closing = c.closing), 0)::DECIMAL(38,20),
            sum(m.entries)::INTEGER, sum(m.non_zero)::INTEGER
        FROM closings c JOIN monthly m ON m.closing <= c.closing GROUP BY c.closing, m.company, m.account
        ORDER BY c.closing, m.company, m.account"""
