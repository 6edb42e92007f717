"""Generates the operational systems: orders, vouchers, seller transactions, cash collections.

Each family is made once in a temporary table and written twice: to the reconciliation database
that the reports read, and to the system it came from (OMS staging, RING), which the completeness
queries ask independently. What each day did to the ledger goes into `flows`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .nav_base import BUSLINES, COMPANIES, DAYS, NO_END, SECONDS, Stream, cycle, values
from .nav_schema import REC, STG

PRODUCTS = [
    "Smartphone 6.5\" 128 GB", "Robe wax – taille M", "هاتف ذكي", "Rice cooker, 1.8 L", "TV 43\" 📺",
    "Sac à main", "Blender  ", "Ankara fabric 6 yards", "", None, "Pâte à tartiner 400 g",
]
CITIES = ["Lagos", "Abuja", "Nairobi", "Casablanca", "القاهرة", "Abidjan", "Accra", "Dakar", "Alger", "Kampala", None]
VOUCHER_STEP = 5
"""Every fifth order falls together with a voucher's issue, in the same company."""


def _company_names() -> str:
    return f"(VALUES {values([(c.code, c.currency) for c in COMPANIES if c.operations_share])}) co(company, currency)"


def voucher_shifts(orders: int) -> tuple[int, int]:
    """How many orders after its issue a voucher is used, first and second time (multiples of 32)."""
    first = max(1, round(orders * 0.06 / 32)) * 32
    second = max(2, round(orders * 0.15 / 32)) * 32
    while (second - first) % VOUCHER_STEP == 0:  # else one order would be asked to use two vouchers
        second += 32
    return first, second


def vouchers(seed: int, orders: int) -> Iterator[str]:
    """Statements for store credit vouchers, from the temporary table `voucher` (kept for `orders`)."""
    r = Stream(seed, "vouchers")
    count = orders // VOUCHER_STEP
    # use: 0-3 never used, 4-6 used once (40 %), 7-9 used up in two steps
    yield f"""CREATE TEMP TABLE voucher AS
        SELECT v, company, currency, 'SC-' || company || '-' || lpad(v::VARCHAR, 7, '0') AS code,
            {r.below(10, "v", 0)} AS use,
            (1 + {r.below(200, "v", 1)}) * 100 AS c,
            at_second((v * {VOUCHER_STEP}) * {SECONDS} // {orders}) AS issued,
            {r.pick(["refund", "apology_v2", "jpay_store_credit", "marketing"], "v", 2)} AS business_use,
            {r.below(6, "v", 3)} AS validity, {r.below(5, "v", 4)} AS activity, {r.below(50, "v", 5)} AS days
        FROM range({count}) t(v) JOIN {cycle("operations_share")} ON slot = (v * {VOUCHER_STEP}) % 32"""
    yield """ALTER TABLE voucher ADD COLUMN expires TIMESTAMP"""
    yield f"""UPDATE voucher SET expires = CASE WHEN validity = 0 THEN TIMESTAMP '{NO_END}'
        WHEN validity <= 2 THEN date_trunc('day', issued) + to_days(365)
        WHEN validity <= 4 THEN date_trunc('day', issued) + to_days(180)
        ELSE date_trunc('day', issued) + to_days(100) END"""
    yield f"""INSERT INTO "{REC}".dbo."V_STORECREDITVOUCHER_CLOSING" BY NAME
        SELECT company AS "ID_COMPANY", v + 1 AS id, code, business_use, issued AS created_at,
            date_trunc('day', issued) AS from_date, expires AS to_date, cents(c) AS discount_amount,
            CASE WHEN use <= 3 AND activity <= 1 THEN happened(issued + to_days((10 + days)::INTEGER)) END AS inactive_at,
            false AS "Is_Template?"
        FROM voucher"""
    yield f"""INSERT INTO "{REC}".dbo."StoreCreditVoucher" BY NAME
        SELECT company AS "ID_Company", v + 1 AS "Voucher_No", code AS "Voucher_Code", issued AS "Issue_Date", expires AS "Expiry_Date",
            business_use AS "Business_Use", cents(c) AS "Face_Value",
            CASE WHEN use <= 3 AND activity <= 1 THEN happened(issued + to_days((10 + days)::INTEGER)) END
                AS "Deactivation_Date"
        FROM voucher"""
    # a voucher is a liability from its issue until it is used or has expired
    yield "INSERT INTO flows SELECT company, '18412', issued, -sum(cents(c)) FROM voucher GROUP BY ALL"
    yield """INSERT INTO flows SELECT company, '18412', happened(expires),
            sum(cents(CASE WHEN use <= 3 THEN c WHEN use <= 6 THEN c - c * 4 // 10 ELSE 0 END))
        FROM voucher WHERE happened(expires) IS NOT NULL GROUP BY ALL"""


def orders(seed: int, count: int) -> Iterator[str]:
    """Statements for `count` orders and their items, packages and refunds (after `vouchers`)."""
    r = Stream(seed, "orders")
    first, second = voucher_shifts(count)
    step, n_vouchers = VOUCHER_STEP, count // VOUCHER_STEP
    yield f"""CREATE TEMP TABLE item AS
        WITH drawn AS (
            SELECT o, company, currency, at_second(o * {SECONDS} // {count}) AS created,
                {r.below(100, "o", 0)} < 55 AS prepaid, {r.below(100, "o", 1)} AS outcome,
                {r.below(20 * 86400, "o", 2)} AS lag, {r.below(120 * 86400, "o", 3)} AS long_lag,
                {r.below(86400, "o", 4)} AS pay_lag, {r.below(40 * 86400, "o", 5)} AS cash_lag,
                {r.below(10, "o", 6)} AS customer_draw, {r.below(10, "o", 7)} AS cash_draw
            FROM range({count}) t(o) JOIN {cycle("operations_share")} ON slot = o % 32
        ), dated AS (
            SELECT *,
                CASE WHEN prepaid THEN happened(created + to_seconds(pay_lag)) END AS paid,
                CASE WHEN outcome < 60 OR outcome BETWEEN 70 AND 79
                         THEN happened(created + to_seconds(86400 + pay_lag + lag))
                     WHEN outcome BETWEEN 80 AND 89 THEN happened(created + to_seconds(86400 * 20 + pay_lag + long_lag))
                     END AS delivered,
                CASE WHEN outcome BETWEEN 60 AND 69
                         THEN happened(created + to_seconds(86400 + pay_lag + lag // 2)) END AS cancelled,
                CASE WHEN o >= {first} AND (o - {first}) % {step} = 0 AND (o - {first}) // {step} < {n_vouchers}
                         THEN (o - {first}) // {step}
                     WHEN o >= {second} AND (o - {second}) % {step} = 0 AND (o - {second}) // {step} < {n_vouchers}
                         THEN (o - {second}) // {step} END AS v,
                o >= {first} AND (o - {first}) % {step} = 0 AS first_use
            FROM drawn
        ), itemised AS (
            SELECT d.*, k, d.o * 2 + k AS i,
                CASE WHEN NOT d.prepaid AND d.cash_draw < 9
                    THEN happened(d.delivered + to_seconds(3600 + d.cash_lag)) END AS cash_at,
                CASE WHEN k = 0 AND d.first_use AND w.use >= 4 THEN w.c * 4 // 10
                     WHEN k = 0 AND NOT d.first_use AND w.use >= 7 THEN w.c - w.c * 4 // 10 END AS credit_cents,
                w.code AS voucher_code
            FROM dated d LEFT JOIN voucher w ON w.v = d.v CROSS JOIN range(2) r(k)
            WHERE k = 0 OR d.o % 3 <> 0
        ), returned AS (
            SELECT *, 25000 + {r.below(5_000_000, "i", 20)} AS price_cents, {r.below(20, "o", 21)} * 50 AS fee_cents,
                CASE WHEN outcome BETWEEN 70 AND 79 THEN {r.below(3, "i", 22)} END AS order_of_events,
                happened(delivered + to_seconds(86400 + {r.below(30 * 86400, "i", 23)})) AS event_1
            FROM itemised
        ), settled AS (
            -- order_of_events: 0 refund then return, 1 return then refund, 2 refund and never a return
            SELECT *, happened(event_1 + to_seconds(5 * 86400 + {r.below(90 * 86400, "i", 24)})) AS event_2,
                CASE WHEN prepaid THEN happened(cancelled + to_seconds(86400 + {r.below(40 * 86400, "i", 25)})) END
                    AS cancel_refund
            FROM returned
        )
        SELECT i, o, k, company, currency, created, prepaid, paid, delivered, cancelled, cash_at, customer_draw,
            order_of_events, {r.below(3, "i", 35)} > 0 AS marketplace,
            CASE order_of_events WHEN 0 THEN event_2 WHEN 1 THEN event_1 END AS returned_at,
            CASE order_of_events WHEN 0 THEN event_1 WHEN 1 THEN event_2 WHEN 2 THEN event_1
                ELSE cancel_refund END AS refunded_at,
            price_cents, fee_cents, CASE WHEN credit_cents IS NOT NULL THEN voucher_code END AS voucher_code,
            credit_cents, price_cents + fee_cents - coalesce(credit_cents, 0) AS due_cents,
            CASE WHEN delivered IS NOT NULL OR outcome < 90 THEN 'PK-' || company || '-' || lpad(o::VARCHAR, 8, '0') END
                AS package_number,
            company || lpad(o::VARCHAR, 9, '0') AS order_nr
        FROM settled"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_SOI" BY NAME
        SELECT company AS "ID_COMPANY", i + 1 AS "COD_OMS_ID_SALES_ORDER_ITEM", order_nr AS "COD_OMS_SALES_ORDER_NR",
            package_number AS "PACKAGE_NUMBER", 'SKU-' || {r.below(50_000, "i", 30)} AS "COD_BOB_SKU",
            {r.pick(PRODUCTS, "i", 31)} AS "DSC_PRODUCT_NAME", {r.pick([b[0] for b in BUSLINES], "i", 32)} AS "COD_BUSLINE",
            'BOB' || {r.below(100_000, "o", 33)} AS "COD_BOB_CUSTOMER",
            CASE WHEN customer_draw < 8 THEN 'B2C' ELSE 'B2B' END AS "COD_CUSTOMER_TYPE",
            CASE WHEN prepaid THEN {r.pick(["JumiaPay", "Card", "Bank transfer", "M-Pesa"], "o", 34)}
                 ELSE 'Cash on delivery' END AS "DSC_PAYMENT_METHOD",
            prepaid AS "IS_PREPAYMENT", marketplace AS "IS_MARKETPLACE",
            created AS "DAT_ORDER_CREATED", paid AS "DAT_FINANCE_VERIFIED",
            CASE WHEN delivered IS NOT NULL THEN created + to_seconds(3600) END AS "DAT_SHIPPED",
            delivered AS "DAT_DELIVERED", cancelled AS "DAT_CANCELLED",
            returned_at AS "DAT_RETURNED", refunded_at AS "DAT_REFUND_EFFECTIVE",
            CASE WHEN refunded_at IS NOT NULL THEN
                {r.pick(["Store credit", "Bank transfer", "Card reversal"], "i", 36)} END AS "DSC_REFUND_METHOD",
            currency AS "COD_CURRENCY", (cents(price_cents + 1000))::DECIMAL(18,4) AS "MTR_UNIT_PRICE",
            cents(price_cents)::DECIMAL(18,4) AS "MTR_PAID_PRICE", cents(fee_cents)::DECIMAL(18,4) AS "MTR_SHIPPING_FEE",
            CASE WHEN {r.below(5, "i", 37)} = 0 THEN 0.5 END AS "MTR_SHIPPING_VOUCHER_DISCOUNT",
            cents(credit_cents)::DECIMAL(18,4) AS "MTR_STORE_CREDIT_USED", voucher_code AS "COD_STORE_CREDIT_VOUCHER",
            k + 1 AS "NUM_ITEM_IN_ORDER",
            {r.pick(["Jumia Express", "DHL", "Poste Maroc", "Aramex – أرامكس", None], "o", 38)} AS "DSC_SHIPMENT_PROVIDER",
            {r.pick(CITIES, "o", 39)} AS "DSC_CITY",
            CASE WHEN {r.below(3, "o", 40)} > 0 THEN 'HUB-' || {r.below(40, "o", 41)} END AS "COD_HUB (last mile)",
            CASE WHEN returned_at IS NOT NULL THEN
                {r.pick(["Wrong size", "Not as described?", "Defective", ""], "i", 42)} END AS "Return_Reason?",
            created + to_microseconds(123456) AS "DAT_LOADED"
        FROM item"""
    yield f"""INSERT INTO "{STG}"."OMS"."SALES_ORDER_ITEM" BY NAME
        SELECT company, i + 1 AS id_sales_order_item, order_nr, package_number, prepaid AS is_prepaid, marketplace AS is_marketplace,
            created AS created_at, paid AS paid_at, delivered AS delivered_at, cancelled AS canceled_at,
            returned_at, refunded_at, cash_at AS cash_reconciled_at, cents(due_cents)::DECIMAL(18,4) AS amount_due,
            voucher_code AS store_credit_code, cents(credit_cents)::DECIMAL(18,4) AS store_credit_amount
        FROM item"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_REFUND_NO_RETURN" BY NAME
        SELECT company AS "ID_COMPANY", i + 1 AS "COD_OMS_ID_SALES_ORDER_ITEM", refunded_at AS "DAT_REFUND",
            returned_at AS "DAT_RETURN_RECEIVED", cents(due_cents)::DECIMAL(18,4) AS "MTR_REFUND_AMOUNT",
            {r.pick(["Goodwill", "Lost parcel", None], "i", 43)} AS "DSC_REFUND_REASON"
        FROM item WHERE order_of_events IN (0, 2) AND refunded_at IS NOT NULL"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_DIM_BOB_CUSTOMER_TYPE"
        SELECT company, kind, name, account FROM {_company_names()} CROSS JOIN
        (VALUES ('B2C', 'Consumer', '13005'), ('B2B', 'Business / professional', '13024')) t(kind, name, account)"""
    yield f"""INSERT INTO "{STG}"."OMS"."PACKAGE_CASHREC" BY NAME
        SELECT company, package_number, CASE WHEN max(customer_draw) < 8 THEN '13005' ELSE '13024' END AS "G/L_Account_No",
            sum(cents(due_cents))::DECIMAL(18,4) AS amount_expected,
            CASE WHEN max(cash_at) IS NOT NULL THEN sum(cents(due_cents))::DECIMAL(18,4) END AS amount_received,
            max(cash_at) AS cash_received_at
        FROM item WHERE NOT prepaid AND delivered IS NOT NULL GROUP BY company, package_number
        ORDER BY company, package_number"""
    yield from _order_flows()
    yield "DROP TABLE item"
    yield "DROP TABLE voucher"


def _order_flows() -> Iterator[str]:
    """What orders do to the ledger, day by day."""

    def flow(account: str, at: str, amount: str, where: str) -> str:
        return (f"INSERT INTO flows SELECT company, {account}, date_trunc('day', {at}), sum({amount})::DECIMAL(38,20) "
                f"FROM item WHERE {where} AND {at} IS NOT NULL GROUP BY ALL")

    due, credit = "cents(due_cents)", "cents(credit_cents)"
    cod = "CASE WHEN customer_draw < 8 THEN '13005' ELSE '13024' END"
    yield flow("'18412'", "created", credit, "credit_cents IS NOT NULL")
    yield flow("'18350'", "paid", "-" + due, "prepaid")
    # a prepayment ends with the delivery, or with the refund of what was cancelled
    yield flow("'18350'", "coalesce(delivered, refunded_at)", due, "prepaid AND paid IS NOT NULL")
    yield flow(cod, "delivered", due, "NOT prepaid")
    yield flow(cod, "cash_at", "-" + due, "NOT prepaid")
    yield flow("'18317'", "refunded_at", due, "marketplace AND order_of_events IS NOT NULL")
    yield flow("'18317'", "returned_at", "-" + due, "marketplace AND order_of_events IS NOT NULL")


def sellers(seed: int, rows: int) -> Iterator[str]:
    """Statements for `rows` marketplace transactions, vendors and weekly statements."""
    r = Stream(seed, "sellers")
    count = max(8, rows // 2000)
    weeks = DAYS // 7
    yield f"""INSERT INTO "{REC}".dbo."RPT_VENDORS" BY NAME
        SELECT company AS "ID_COMPANY", 'S' || lpad(s::VARCHAR, 5, '0') AS "COD_SELLER",
            {r.pick(["Boutique Étoile", "Kano Fabrics", "متجر القاهرة", "Nairobi Gadgets", "Tech & Co", "Chez Awa  "],
                    "hash(company) % 1000 * 100000 + s", 40)} || ' #' || s AS "DSC_VENDOR_NAME",
            {r.pick([None, "Ltd", "SARL", ""], "s", 41)} AS "DSC_LEGAL_FORM", true AS "Is_Active?"
        FROM {_company_names()} CROSS JOIN range({count}) t(s)"""
    yield f"""INSERT INTO "{REC}".dbo."GDOC_DIM_ASG_V2" VALUES
        ('Commission', 'Marketplace revenues', 'Commissions', '18304'),
        ('Shipping Fee', 'Marketplace revenues', 'Value added services', '18304'),
        ('Penalty', 'Marketplace revenues', NULL, '18304'),
        ('Item Price', 'Payables to sellers', 'Item price', '18397')"""
    yield f"""INSERT INTO "{REC}"."RING"."RPT_ACCOUNTSTATEMENTS" BY NAME
        SELECT ci * 1000 + w AS "ID_STATEMENT", company AS "ID_COMPANY", on_day(w * 7) AS "DAT_START",
            on_day(w * 7 + 6) + to_seconds(86399) AS "DAT_END", w % 4 > 0 AS "Is_Paid?"
        FROM (SELECT DISTINCT ci, company FROM {cycle("operations_share")}) CROSS JOIN range({weeks + 1}) t(w)
        ORDER BY ci, w"""
    yield f"""CREATE TEMP TABLE seller AS
        WITH drawn AS (
            SELECT i, ci, company, 'S' || lpad({r.below(count, "i", 0)}::VARCHAR, 5, '0') AS seller,
                i * {SECONDS} // {rows} AS second,
                {r.pick(["Commission", "Commission", "Shipping Fee", "Penalty", "Item Price", "Item Price"], "i", 1)} AS kind,
                {r.below(20, "i", 2)} AS statement_draw, {r.below(6, "i", 3)} AS weeks_later,
                10 + {r.below(300_000, "i", 4)} AS c, {r.below(1_000_000_000_000, "i", 5)} AS t
            FROM range({rows}) x(i) JOIN {cycle("operations_share")} ON slot = i % 32
        ), stated AS (
            SELECT *, second // (7 * 86400) + CASE WHEN statement_draw <= 5 THEN 1 + weeks_later ELSE 0 END AS week
            FROM drawn
        )
        SELECT i, company, seller, second, kind,
            CASE WHEN kind = 'Item Price' THEN -1 ELSE 1 END::DECIMAL(2,0) * (cents(c) + tail(t * 10)) AS amount,
            CASE WHEN statement_draw > 1 AND week <= {weeks} THEN ci * 1000 + week END AS statement,
            CASE WHEN statement_draw > 1 AND week <= {weeks} THEN on_day(week * 7 + 6) + to_seconds(86399) END AS ends
        FROM stated"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_TRANSACTIONS_SELLER" BY NAME
        SELECT company AS "ID_COMPANY", i + 1 AS "ID_TRANSACTION", seller AS "COD_SELLER",
            at_second(second) AS "DAT_TRANSACTION", kind AS "DSC_TRANSACTION_TYPE",
            amount AS "AMT_TRANSACTION (LCY)", statement AS "ID_STATEMENT",
            CASE WHEN i % 5 > 0 THEN i * 3 END AS "COD_ORDER_ITEM"
        FROM seller"""
    yield f"""INSERT INTO "{REC}"."RING"."RPT_TRANSACTIONS" BY NAME
        SELECT company AS "ID_COMPANY", i + 1 AS "ID_TRANSACTION",
            at_second(second) + to_microseconds(i % 1000 * 997) AS "CREATED_AT", kind AS "TRANSACTION_TYPE",
            amount AS "AMOUNT", ends::DATE AS "STATEMENT_END_DATE",
            {r.pick([None, None, "", "Réf. commande « 12 »", "Weight > 30 kg; see [tariff]", "رسوم"], "i", 6)} AS "COMMENTS"
        FROM seller"""
    revenue = "kind <> 'Item Price'"
    yield f"""INSERT INTO flows SELECT company, '18304', date_trunc('day', at_second(second)), sum(amount)
        FROM seller WHERE {revenue} GROUP BY ALL"""
    yield f"""INSERT INTO flows SELECT company, '18304', date_trunc('day', ends), -sum(amount)
        FROM seller WHERE {revenue} AND happened(ends) IS NOT NULL GROUP BY ALL"""
    yield "DROP TABLE seller"


def collections(seed: int, rows: int) -> Iterator[str]:
    """Statements for `rows` packlists of collection partners, their payments, deposits and bank entries."""
    r = Stream(seed, "collections")
    yield f"""INSERT INTO "{REC}".dbo."RPT_COLLECTIONPARTNERS" BY NAME
        SELECT company AS "ID_Company", p::INTEGER AS "Partner_Id",
            {r.pick(["Coursiers Réunis", "Speedy Riders", "شركة التوصيل", "Relais Colis", "PUS Network"],
                    "hash(company) % 1000 * 1000 + p", 40)} || ' ' || p AS "Partner_Name",
            {r.pick(["3PL", "Pick-up station", "Driver"], "p", 41)} AS "Partner_Type",
            'BNK-' || lpad((p % 4 + 1)::VARCHAR, 3, '0') AS "Bank_Account_No",
            CASE WHEN p % 6 > 0 THEN 'ERP' || p END AS "ERP_Code"
        FROM {_company_names()} CROSS JOIN range(1, 21) t(p)"""
    yield f"""CREATE TEMP TABLE packlist AS
        WITH drawn AS (
            SELECT i, company, 'PL-' || company || '-' || lpad(i::VARCHAR, 7, '0') AS packlist_no,
                at_second(i * {SECONDS} // {rows}) AS closed,
                (1 + {r.below(20, "i", 0)})::INTEGER AS partner, {r.below(10, "i", 1)} AS draw,
                {r.below(15 * 86400, "i", 2)} AS pay_lag, {r.below(10 * 86400, "i", 3)} AS bank_lag,
                1 + {r.below(3, "i", 4)} AS packages, 500 + {r.below(2_000_000, "i", 5)} AS c
            FROM range({rows}) t(i) JOIN {cycle("operations_share")} ON slot = i % 32
        )
        -- the packages of a packlist collect 1, 2, 3 times its unit amount
        SELECT *, cents(c * packages * (packages + 1) // 2) AS amount,
            CASE WHEN draw > 0 THEN happened(closed + to_seconds(43200 + pay_lag)) END AS paid,
            CASE WHEN draw > 1 THEN happened(closed + to_seconds(86400 + pay_lag + bank_lag)) END AS banked
        FROM drawn"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_PACKLIST_COLLECTIONS" BY NAME
        SELECT company AS "ID_Company", packlist_no AS "Packlist_No", partner AS "Partner_Id",
            closed AS "Closed_At", '13001' AS "Open_Account_No" FROM packlist"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_PACKLIST_PACKAGES" BY NAME
        SELECT company AS "ID_Company", packlist_no AS "Packlist_No", packlist_no || '/' || k AS "Package_No",
            cents(c * k) AS "Amount_To_Collect"
        FROM packlist CROSS JOIN range(1, 4) t(k) WHERE k <= packages"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_PACKLIST_PAYMENTS" BY NAME
        SELECT company AS "ID_Company", replace(packlist_no, 'PL-', 'PM-') AS "Payment_No",
            packlist_no AS "Packlist_No", paid AS "Payment_Date", amount AS "Amount",
            CASE WHEN draw > 1 THEN replace(packlist_no, 'PL-', 'CD-') END AS "Cashdeposit_No"
        FROM packlist WHERE paid IS NOT NULL"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_CASHDEPOSIT" BY NAME
        SELECT company AS "ID_Company", replace(packlist_no, 'PL-', 'CD-') AS "Cashdeposit_No",
            paid AS "Deposit_Date", amount AS "Amount",
            CASE WHEN i % 9 > 0 THEN 'SLIP ' || i || '/' || (i % 7) END AS "Deposit_Slip/Ref"
        FROM packlist WHERE paid IS NOT NULL AND draw > 1"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_CASHREC_TRANSACTION" BY NAME
        SELECT company AS "ID_Company", replace(packlist_no, 'PL-', 'TR-') AS "Transaction_No",
            replace(packlist_no, 'PL-', 'CD-') AS "Cashdeposit_No",
            'BNK-' || lpad((partner % 4 + 1)::VARCHAR, 3, '0') AS "Bank_Account_No",
            banked AS "Transaction_Date", amount AS "Amount"
        FROM packlist WHERE banked IS NOT NULL"""
    yield f"""INSERT INTO "{REC}".dbo."RPT_CASHREC_REALLOCATIONS" BY NAME
        SELECT company AS "ID_Company", replace(packlist_no, 'PL-', 'RE-') || '-' || k AS "Reallocation_No",
            replace(packlist_no, 'PL-', 'PM-') AS "Payment_No", paid + to_seconds(3600 * k) AS "Reallocation_Date",
            partner AS "From_Partner_Id", (partner % 20 + 1)::INTEGER AS "To_Partner_Id",
            cents(c // 10) AS "Amount"
        FROM packlist CROSS JOIN range(1, 3) t(k) WHERE paid IS NOT NULL AND i % 20 = 7"""
    yield f"""INSERT INTO "{STG}"."OMS"."PACKLIST" BY NAME
        SELECT md5(packlist_no)::UUID AS row_guid, company, packlist_no, closed AS closed_at, paid AS paid_at,
            banked AS banked_at, amount AS amount_to_collect
        FROM packlist"""
    yield """INSERT INTO flows
        SELECT company, '13001', date_trunc('day', closed), sum(amount) FROM packlist GROUP BY ALL
        UNION ALL
        SELECT company, '13001', date_trunc('day', paid), -sum(amount) FROM packlist WHERE paid IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT company, '13002', date_trunc('day', paid), sum(amount) FROM packlist WHERE paid IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT company, '13002', date_trunc('day', banked), -sum(amount) FROM packlist WHERE banked IS NOT NULL
        GROUP BY ALL"""
    yield "DROP TABLE packlist"
