"""What the generators of the NAV sample share: companies, calendar, and seeded randomness.

Rows are made by DuckDB from `range()` and `hash()`: a value depends only on the seed, the name
of its stream and the row's number, so any size is generated set by set, in any order, on any
number of threads, and is the same each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

FIRST_DAY = "2023-01-01"
END = "2024-07-01"
"""Nothing in the sample happens at or after this instant: later events are still NULL."""
DAYS = 547
SECONDS = DAYS * 86_400
NO_END = "9999-12-31 23:59:59"
NAV_EMPTY_DATE = "1753-01-01"
"""NAV has no NULL dates: the first date that `datetime` can hold stands for "none"."""


@dataclass(frozen=True)
class Company:
    """A company: its share of every 32 ledger entries and of every 32 operational rows."""

    code: str
    name: str
    country: str
    currency: str
    ledger_share: int
    operations_share: int
    in_scope: bool = True


COMPANIES: tuple[Company, ...] = (
    Company("EC_NG", "Ecart Internet Services Nigeria", "NG", "NGN", 7, 8),
    Company("EC_KE", "Ecart Services Kenya", "KE", "KES", 4, 5),
    Company("JM_EG", "Jumia Egypt – جوميا مصر", "EG", "EGP", 4, 5),
    Company("EC_MA", "Ecart Services Maroc", "MA", "MAD", 3, 3),
    Company("EC_IC", "Ecart Services Côte d'Ivoire", "CI", "XOF", 3, 3),
    Company("JD_GH", "Jade E-Services Ghana", "GH", "GHS", 2, 2),
    Company("JD_UG", "Jade E-Services Uganda", "UG", "UGX", 2, 2),
    Company("JD_DZ", "Jade E-Services Algérie", "DZ", "DZD", 2, 2),
    Company("HF_SN", "Hellofood Sénégal", "SN", "XOF", 1, 1),
    Company("EC_NG_USD", "Ecart Internet Services Nigeria (USD)", "NG", "USD", 1, 0),
    Company("EC_KE_USD", "Ecart Services Kenya (USD)", "KE", "USD", 1, 0),
    Company("JM_EG_USD", "Jumia Egypt (USD)", "EG", "USD", 1, 0),
    Company("EC_TN", "Ecart Services Tunisie", "TN", "TND", 1, 1, in_scope=False),
    Company("JD_GH_USD", "Jade E-Services Ghana (USD)", "GH", "USD", 0, 0),
    Company("EC_IC_USD", "Ecart Services Côte d'Ivoire (USD)", "CI", "USD", 0, 0),
    Company("HF_SN_USD", "Hellofood Sénégal (USD)", "SN", "USD", 0, 0),
    Company("JD_UG_USD", "Jade E-Services Uganda (USD)", "UG", "USD", 0, 0),
    Company("JD_DZ_USD", "Jade E-Services Algérie (USD)", "DZ", "USD", 0, 0),
    Company("EC_MA_USD", "Ecart Services Maroc (USD)", "MA", "USD", 0, 0),
)

COUNTRIES: tuple[tuple[str, str, str], ...] = (
    ("NG", "Nigeria", "West Africa"),
    ("GH", "Ghana", "West Africa"),
    ("CI", "Côte d'Ivoire", "West Africa"),
    ("SN", "Sénégal", "West Africa"),
    ("KE", "Kenya", "East Africa"),
    ("UG", "Uganda", "East Africa"),
    ("DZ", "Algérie", "North Africa"),
    ("EG", "Egypt – مصر", "North Africa"),
    ("MA", "Maroc", "North Africa"),
    ("TN", "Tunisie", "North Africa"),
)

CURRENCIES: tuple[tuple[str, str], ...] = (
    ("NGN", "460.25"),
    ("GHS", "10.725"),
    ("XOF", "602.1487"),
    ("KES", "123.4"),
    ("UGX", "3717.5"),
    ("DZD", "137.1892"),
    ("EGP", "24.7002"),
    ("MAD", "10.4466"),
    ("TND", "3.1105"),
    ("EUR", "0.9343"),
)
"""Units of local currency for one US dollar, January 2023."""

ACCOUNTS: tuple[tuple[str, str, str, str, str, str], ...] = (
    # account, name, income or balance, debit or credit, IFRS level 1, IFRS level 2
    ("13001", "Cash collections, open", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13002", "Cash collections, in progress", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13003", "Customers, domestic", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13004", "Customers, marketplace", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13005", "Packages delivered, B2C", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13009", "Customers, business", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("13010", "Staff advances", "Balance", "Debit", "Current assets", "Other receivables"),
    ("13024", "Packages delivered, B2B", "Balance", "Debit", "Current assets", "Trade and other receivables"),
    ("15010", "Prepaid expenses", "Balance", "Debit", "Current assets", "Prepaid expenses"),
    ("18304", "Accrued marketplace revenues", "Balance", "Credit", "Current liabilities", "Trade and other payables"),
    ("18317", "Marketplace refund liability", "Balance", "Credit", "Current liabilities", "Trade and other payables"),
    ("18350", "Customer prepayments", "Balance", "Credit", "Current liabilities", "Deferred income"),
    ("18397", "Liabilities to partners", "Balance", "Credit", "Current liabilities", "Trade and other payables"),
    ("18412", "Vouchers outstanding", "Balance", "Credit", "Current liabilities", "Deferred income"),
    ("18650", "Accrued expenses", "Balance", "Credit", "Current liabilities", "Accruals"),
)

BUSLINES: tuple[tuple[str, str, str | None], ...] = (
    ("RETAIL", "Retail", "Commerce"),
    ("MPL", "Marketplace / Place de marché", "Commerce"),
    ("FOOD", "Food", "On demand"),
    ("PAY", "JumiaPay", "Fintech"),
    ("LOG", "Logistics (3rd party)", None),
)

POSTING_GROUPS: tuple[tuple[str, str, str], ...] = (
    ("DOM", "Domestic customers", "13003"),
    ("MPL", "Marketplace customers", "13004"),
    ("B2B", "Business customers", "13009"),
    ("STAFF", "Staff advances", "13010"),
)


def text(value: str) -> str:
    """`value` as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def values(rows: list[tuple[object, ...]]) -> str:
    """`rows` as the list of a VALUES clause; texts are quoted, None is NULL, the rest as it is."""

    def literal(cell: object) -> str:
        if cell is None:
            return "NULL"
        return text(cell) if isinstance(cell, str) else str(cell)

    return ", ".join("(" + ", ".join(literal(cell) for cell in row) + ")" for row in rows)


class Stream:
    """Seeded randomness for one kind of row."""

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        self._base = int.from_bytes(digest[:8], "big")

    def below(self, limit: int, row: str, slot: int) -> str:
        """SQL: a whole number in [0, limit) that depends on `row` (an SQL integer) and `slot` (< 64)."""
        return f"rnd({self._base}, {row}, {slot}, {limit})"

    def pick(self, options: list[str | None], row: str, slot: int) -> str:
        """SQL: one of `options`."""
        listed = ", ".join("NULL" if o is None else text(o) for o in options)
        return f"([{listed}])[1 + {self.below(len(options), row, slot)}]"


MACROS = (
    "CREATE OR REPLACE TEMP MACRO rnd(base, i, slot, n) AS "
    "(hash(xor(base::UBIGINT, (i::BIGINT * 64 + slot)::UBIGINT)) % n::UBIGINT)::BIGINT",
    # `cents` hundredths, exact
    "CREATE OR REPLACE TEMP MACRO cents(x) AS ((x)::DECIMAL(18,0) * 0.01::DECIMAL(3,2))::DECIMAL(38,20)",
    # digits in the last places of decimal(38,20), which a float would lose
    "CREATE OR REPLACE TEMP MACRO tail(x) AS "
    "((x)::DECIMAL(16,0) * 0.00000000000000000001::DECIMAL(21,20))::DECIMAL(38,20)",
    f"CREATE OR REPLACE TEMP MACRO at_second(s) AS (TIMESTAMP '{FIRST_DAY}' + to_seconds((s)::BIGINT))",
    f"CREATE OR REPLACE TEMP MACRO on_day(d) AS (TIMESTAMP '{FIRST_DAY}' + to_days((d)::INTEGER))",
    # an event that lies beyond the sample's end has not happened yet
    f"CREATE OR REPLACE TEMP MACRO happened(t) AS (CASE WHEN t < TIMESTAMP '{END}' THEN t END)",
)


def cycle(share: str) -> str:
    """SQL: a relation of 32 slots `(slot, ci, company, currency, ord, share)`.

    Row `i` of a ledger belongs to slot `i % 32`; `(i // 32) * share + ord + 1` numbers the rows of
    each company without gaps, so entry numbers repeat from company to company as they do in NAV.
    """
    slots: list[tuple[object, ...]] = []
    remaining = [[c, getattr(c, share), 0] for c in COMPANIES]
    while any(left > 0 for _, left, _ in remaining):
        for entry in remaining:
            company, left, used = entry
            if left > 0:
                slots.append((len(slots), COMPANIES.index(company), company.code,
                              company.currency, used, getattr(company, share)))
                entry[1], entry[2] = left - 1, used + 1
    if len(slots) != 32:
        raise ValueError(f"{share}: {len(slots)} slots instead of 32")
    return f"(VALUES {values(slots)}) AS cyc(slot, ci, company, currency, ord, share)"
