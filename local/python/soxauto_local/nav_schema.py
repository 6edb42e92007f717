"""The tables of the NAV sample: databases, schemas, names and T-SQL types, in one place.

The generator, the T-SQL script and `schema.json` (which the SQL Server stand-in reads to
report exact T-SQL types) are all derived from this list, so they cannot disagree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DW = "AIG_Nav_DW"
REC = "AIG_Nav_Jumia_Reconciliation"
STG = "STG_AIG_NAV_JUMIA_REC"
BC = "D365BC14_DZ"
DATABASES = (DW, REC, STG, BC)


@dataclass(frozen=True)
class Column:
    """One column: its name as NAV spells it, its T-SQL type, and whether NULL is allowed."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class Table:
    """One table of one database."""

    database: str
    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def duckdb_name(self) -> str:
        """The three-part name, quoted for DuckDB."""
        return ".".join('"' + part + '"' for part in (self.database, self.schema, self.name))

    @property
    def tsql_name(self) -> str:
        """The two-part name, bracketed for T-SQL."""
        return f"[{self.schema}].[{self.name}]"


_DUCKDB_TYPES = {
    "bit": "BOOLEAN",
    "tinyint": "UTINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "money": "DECIMAL(19,4)",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP",
    "nvarchar": "VARCHAR",
    "varchar": "VARCHAR",
    "uniqueidentifier": "UUID",
}


def duckdb_type(tsql_type: str) -> str:
    """The DuckDB type that stores `tsql_type` without loss."""
    base = tsql_type.split("(")[0]
    if base == "decimal":
        return tsql_type.upper()
    return _DUCKDB_TYPES[base]


def _table(database: str, schema: str, name: str, spec: str) -> Table:
    """Read a table from lines `name<2+ blanks>type[ null]`; NOT NULL is the default, as in NAV."""
    columns = []
    for line in spec.strip().splitlines():
        column, rest = re.split(r"\s{2,}", line.strip(), maxsplit=1)
        nullable = rest.endswith(" null")
        columns.append(Column(column, rest.removesuffix(" null").strip(), nullable))
    return Table(database, schema, name, tuple(columns))


TABLES: tuple[Table, ...] = (
    # ---------------------------------------------------------------- the ledger warehouse
    _table(DW, "dbo", "Companies", """
        Company Code            nvarchar(20)
        Name                    nvarchar(100)
        Currency Code           nvarchar(10)
        In Consolidation        tinyint
        """),
    _table(DW, "dbo", "Customer Posting Groups", """
        id_company              nvarchar(20)
        Code                    nvarchar(20)
        Description             nvarchar(100)
        Receivables Account     nvarchar(20)
        """),
    _table(DW, "dbo", "Customers", """
        id_company              nvarchar(20)
        No_                     nvarchar(20)
        Name                    nvarchar(100)
        Name 2                  nvarchar(50) null
        Customer Posting Group  nvarchar(20)
        Country/Region Code     nvarchar(10)
        E-Mail                  nvarchar(80) null
        Credit Limit (LCY)      decimal(38,20)
        Blocked                 tinyint
        Last Date Modified      datetime
        """),
    _table(DW, "dbo", "Customer Ledger Entries", """
        id_company              nvarchar(20)
        Entry No_               int
        Customer No_            nvarchar(20)
        Posting Date            datetime
        Document Type           nvarchar(20)
        Document No_            nvarchar(20)
        External Document No_   nvarchar(35)
        Description             nvarchar(100)
        Currency Code           nvarchar(10)
        Customer Posting Group  nvarchar(20)
        Busline Code            nvarchar(20)
        Document Date           datetime
        Due Date                datetime
        Original Amt_ (LCY)     decimal(38,20)
        Open                    bit
        Closed at Date          datetime
        Reason Code             nvarchar(10) null
        User ID                 nvarchar(50)
        """),
    _table(DW, "dbo", "Detailed Customer Ledg_ Entry", """
        id_company              nvarchar(20)
        Entry No_               bigint
        Cust_ Ledger Entry No_  int
        Entry Type              nvarchar(30)
        Posting Date            datetime
        Document No_            nvarchar(20)
        Customer No_            nvarchar(20)
        Posting Group           nvarchar(20)
        Currency Code           nvarchar(10)
        Amount                  decimal(38,20)
        Amount (LCY)            decimal(38,20)
        Debit Amount (LCY)      decimal(38,20)
        Credit Amount (LCY)     decimal(38,20)
        Ledger Entry Amount     tinyint
        """),
    _table(DW, "dbo", "G_L Entries", """
        id_company              nvarchar(20)
        Entry No_               int
        G/L_Account_No          nvarchar(20)
        Posting Date            datetime
        Document Type           nvarchar(20)
        Document No_            nvarchar(20)
        External Document No_   nvarchar(35)
        Description             nvarchar(100)
        Amount                  decimal(38,20)
        Debit Amount            decimal(38,20)
        Credit Amount           decimal(38,20)
        Busline Code            nvarchar(20)
        Bal_ Account No_        nvarchar(20)
        Source Code             nvarchar(10)
        Voided?                 bit
        User ID                 nvarchar(50)
        """),
    _table(DW, "dbo", "Detailed G_L Entry", """
        id_company              nvarchar(20)
        Entry No_               bigint
        G_L Entry No_           int
        G/L_Account_No          nvarchar(20)
        Posting Date            datetime
        Entry Type              nvarchar(30)
        Amount                  decimal(38,20)
        Reason Code             nvarchar(10) null
        """),
    _table(DW, "dbo", "Bank Accounts", """
        id_company              nvarchar(20)
        No_                     nvarchar(20)
        Name                    nvarchar(100)
        Currency Code           nvarchar(10)
        IBAN                    nvarchar(50) null
        G/L_Account_No          nvarchar(20)
        """),
    # ------------------------------------------------------- the reconciliation database: fdw
    _table(REC, "fdw", "Dim_Company", """
        Company_Code            nvarchar(20)
        Company_Name            nvarchar(100)
        Company_Country         nvarchar(10)
        Local_Currency          nvarchar(10)
        Opco/Central_?          nvarchar(10)
        Is_Active?              bit
        Flg_In_Conso_Scope      int
        Valid_From              datetime
        Valid_To                datetime
        """),
    _table(REC, "fdw", "Dim_Country", """
        Country_Code            nvarchar(10)
        Country_Name            nvarchar(100)
        Region                  nvarchar(50)
        Is_Active?              bit
        """),
    _table(REC, "fdw", "Dim_Busline", """
        Busline_Code            nvarchar(20)
        Busline_Name            nvarchar(100)
        Reporting_Group         nvarchar(50) null
        """),
    _table(REC, "fdw", "Dim_ChartOfAccounts", """
        G/L_Account_No          nvarchar(20)
        Account_Name            nvarchar(100)
        Income/Balance          nvarchar(20)
        Debit/Credit            nvarchar(10)
        Is_Active?              bit
        """),
    # ------------------------------------------------------- the reconciliation database: dbo
    _table(REC, "dbo", "IFRS_Mapping", """
        G/L_Account_No          nvarchar(20)
        IFRS_Level_1 (FS)       nvarchar(50)
        IFRS_Level_2 (Note)     nvarchar(100)
        Valid_From              datetime
        Valid_To                datetime
        """),
    _table(REC, "dbo", "V_BS_BALANCE_PER_CLOSING_DATE", """
        Closing_Date            datetime
        Company_Code            nvarchar(20)
        G/L_Account_No          nvarchar(20)
        Balance_At_Date (LCY)   decimal(38,20)
        Net_Change (LCY)        decimal(38,20)
        No_of_Entries           int
        No_of_Non_Zero_Entries  int
        """),
    _table(REC, "dbo", "RPT_FX_RATES", """
        Rate_Date               datetime
        Rate_Type               nvarchar(10)
        From_Currency           nvarchar(10)
        To_Currency             nvarchar(10)
        FX_Rate                 decimal(38,20)
        """),
    _table(REC, "dbo", "RPT_SOI", """
        ID_COMPANY                    nvarchar(20)
        COD_OMS_ID_SALES_ORDER_ITEM   bigint
        COD_OMS_SALES_ORDER_NR        nvarchar(30)
        PACKAGE_NUMBER                nvarchar(30) null
        COD_BOB_SKU                   nvarchar(40)
        DSC_PRODUCT_NAME              nvarchar(200) null
        COD_BUSLINE                   nvarchar(20)
        COD_BOB_CUSTOMER              nvarchar(20)
        COD_CUSTOMER_TYPE             nvarchar(20)
        DSC_PAYMENT_METHOD            nvarchar(50)
        IS_PREPAYMENT                 bit
        IS_MARKETPLACE                bit
        DAT_ORDER_CREATED             datetime
        DAT_FINANCE_VERIFIED          datetime null
        DAT_SHIPPED                   datetime null
        DAT_DELIVERED                 datetime null
        DAT_CANCELLED                 datetime null
        DAT_RETURNED                  datetime null
        DAT_REFUND_EFFECTIVE          datetime null
        DSC_REFUND_METHOD             nvarchar(50) null
        COD_CURRENCY                  nvarchar(10)
        MTR_UNIT_PRICE                decimal(18,4)
        MTR_PAID_PRICE                decimal(18,4)
        MTR_SHIPPING_FEE              decimal(18,4)
        MTR_SHIPPING_VOUCHER_DISCOUNT  decimal(18,4) null
        MTR_STORE_CREDIT_USED         decimal(18,4) null
        COD_STORE_CREDIT_VOUCHER      nvarchar(30) null
        NUM_ITEM_IN_ORDER             smallint
        DSC_SHIPMENT_PROVIDER         nvarchar(100) null
        DSC_CITY                      nvarchar(100) null
        COD_HUB (last mile)           nvarchar(20) null
        Return_Reason?                nvarchar(50) null
        DAT_LOADED                    datetime2(7)
        """),
    _table(REC, "dbo", "RPT_REFUND_NO_RETURN", """
        ID_COMPANY                    nvarchar(20)
        COD_OMS_ID_SALES_ORDER_ITEM   bigint
        DAT_REFUND                    datetime
        DAT_RETURN_RECEIVED           datetime null
        MTR_REFUND_AMOUNT             decimal(18,4)
        DSC_REFUND_REASON             nvarchar(50) null
        """),
    _table(REC, "dbo", "V_STORECREDITVOUCHER_CLOSING", """
        ID_COMPANY              nvarchar(20)
        id                      bigint
        code                    nvarchar(30)
        business_use            nvarchar(30)
        created_at              datetime
        from_date               datetime
        to_date                 datetime
        discount_amount         decimal(38,20)
        inactive_at             datetime null
        Is_Template?            bit
        """),
    _table(REC, "dbo", "StoreCreditVoucher", """
        ID_Company              nvarchar(20)
        Voucher_No              bigint
        Voucher_Code            nvarchar(30)
        Issue_Date              datetime
        Expiry_Date             datetime
        Business_Use            nvarchar(30)
        Face_Value              money
        Deactivation_Date       datetime null
        """),
    _table(REC, "dbo", "RPT_TRANSACTIONS_SELLER", """
        ID_COMPANY              nvarchar(20)
        ID_TRANSACTION          bigint
        COD_SELLER              nvarchar(20)
        DAT_TRANSACTION         datetime
        DSC_TRANSACTION_TYPE    nvarchar(50)
        AMT_TRANSACTION (LCY)   decimal(38,20)
        ID_STATEMENT            bigint null
        COD_ORDER_ITEM          bigint null
        """),
    _table(REC, "dbo", "RPT_VENDORS", """
        ID_COMPANY              nvarchar(20)
        COD_SELLER              nvarchar(20)
        DSC_VENDOR_NAME         nvarchar(100) null
        DSC_LEGAL_FORM          nvarchar(50) null
        Is_Active?              bit
        """),
    _table(REC, "dbo", "GDOC_DIM_ASG_V2", """
        Transaction_Type        nvarchar(50)
        ASG_Level_1             nvarchar(50)
        ASG_Level_2             nvarchar(50) null
        G/L_Account_No          nvarchar(20)
        """),
    _table(REC, "dbo", "RPT_DIM_BOB_CUSTOMER_TYPE", """
        ID_COMPANY              nvarchar(20)
        CUSTOMER_TYPE           nvarchar(20)
        CUSTOMER_TYPE_NAME      nvarchar(100)
        G/L_Account_No          nvarchar(20)
        """),
    _table(REC, "dbo", "RPT_COLLECTIONPARTNERS", """
        ID_Company              nvarchar(20)
        Partner_Id              int
        Partner_Name            nvarchar(100)
        Partner_Type            nvarchar(30)
        Bank_Account_No         nvarchar(20)
        ERP_Code                nvarchar(20) null
        """),
    _table(REC, "dbo", "RPT_PACKLIST_COLLECTIONS", """
        ID_Company              nvarchar(20)
        Packlist_No             nvarchar(30)
        Partner_Id              int
        Closed_At               datetime
        Open_Account_No         nvarchar(20)
        """),
    _table(REC, "dbo", "RPT_PACKLIST_PACKAGES", """
        ID_Company              nvarchar(20)
        Packlist_No             nvarchar(30)
        Package_No              nvarchar(40)
        Amount_To_Collect       decimal(38,20)
        """),
    _table(REC, "dbo", "RPT_PACKLIST_PAYMENTS", """
        ID_Company              nvarchar(20)
        Payment_No              nvarchar(30)
        Packlist_No             nvarchar(30)
        Payment_Date            datetime
        Amount                  decimal(38,20)
        Cashdeposit_No          nvarchar(30) null
        """),
    _table(REC, "dbo", "RPT_CASHDEPOSIT", """
        ID_Company              nvarchar(20)
        Cashdeposit_No          nvarchar(30)
        Deposit_Date            datetime
        Amount                  decimal(38,20)
        Deposit_Slip/Ref        nvarchar(50) null
        """),
    _table(REC, "dbo", "RPT_CASHREC_TRANSACTION", """
        ID_Company              nvarchar(20)
        Transaction_No          nvarchar(30)
        Cashdeposit_No          nvarchar(30)
        Bank_Account_No         nvarchar(20)
        Transaction_Date        datetime
        Amount                  decimal(38,20)
        """),
    _table(REC, "dbo", "RPT_CASHREC_REALLOCATIONS", """
        ID_Company              nvarchar(20)
        Reallocation_No         nvarchar(30)
        Payment_No              nvarchar(30)
        Reallocation_Date       datetime
        From_Partner_Id         int
        To_Partner_Id           int
        Amount                  decimal(38,20)
        """),
    # ------------------------------------------------------ the reconciliation database: RING
    _table(REC, "RING", "RPT_ACCOUNTSTATEMENTS", """
        ID_STATEMENT            bigint
        ID_COMPANY              nvarchar(20)
        DAT_START               datetime
        DAT_END                 datetime
        Is_Paid?                bit
        """),
    _table(REC, "RING", "RPT_TRANSACTIONS", """
        ID_COMPANY              nvarchar(20)
        ID_TRANSACTION          bigint
        CREATED_AT              datetime2(7)
        TRANSACTION_TYPE        nvarchar(50)
        AMOUNT                  decimal(38,20)
        STATEMENT_END_DATE      date null
        COMMENTS                nvarchar(max) null
        """),
    # ------------------------------------------------------------------------ staging: OMS
    _table(STG, "OMS", "SALES_ORDER_ITEM", """
        company                 nvarchar(20)
        id_sales_order_item     bigint
        order_nr                nvarchar(30)
        package_number          nvarchar(30) null
        is_prepaid              bit
        is_marketplace          bit
        created_at              datetime2(7)
        paid_at                 datetime2(7) null
        delivered_at            datetime2(7) null
        canceled_at             datetime2(7) null
        returned_at             datetime2(7) null
        refunded_at             datetime2(7) null
        cash_reconciled_at      datetime2(7) null
        amount_due              decimal(18,4)
        store_credit_code       nvarchar(30) null
        store_credit_amount     decimal(18,4) null
        """),
    _table(STG, "OMS", "PACKAGE_CASHREC", """
        company                 nvarchar(20)
        package_number          nvarchar(30)
        G/L_Account_No          nvarchar(20)
        amount_expected         decimal(18,4)
        amount_received         decimal(18,4) null
        cash_received_at        datetime null
        """),
    _table(STG, "OMS", "PACKLIST", """
        row_guid                uniqueidentifier
        company                 nvarchar(20)
        packlist_no             nvarchar(30)
        closed_at               datetime
        paid_at                 datetime null
        banked_at               datetime null
        amount_to_collect       decimal(38,20)
        """),
    # -------------------------------------------------------------------- Business Central
    _table(BC, "dbo", "Jade DZ$Currency Exchange Rate", """
        Currency Code                   nvarchar(10)
        Starting Date                   datetime
        Exchange Rate Amount            decimal(38,20)
        Relational Exch_ Rate Amount    decimal(38,20)
        Fix Exchange Rate Amount        int
        """),
)


def table(database: str, name: str) -> Table:
    """The table called `name` in `database` (names are unique within a database)."""
    for candidate in TABLES:
        if candidate.database == database and candidate.name == name:
            return candidate
    raise KeyError(f"{database}: no table {name!r}")


def schema_document() -> dict[str, object]:
    """What `schema.json` holds."""
    return {
        "tables": [
            {
                "database": t.database,
                "schema": t.schema,
                "name": t.name,
                "columns": [
                    {"name": c.name, "type": c.type, "nullable": c.nullable} for c in t.columns
                ],
            }
            for t in TABLES
        ]
    }


def create_statements(database: str) -> list[str]:
    """The DuckDB statements that create the schemas and tables of `database`."""
    statements = []
    for schema in sorted({t.schema for t in TABLES if t.database == database}):
        statements.append(f'CREATE SCHEMA IF NOT EXISTS "{database}"."{schema}"')
    for t in TABLES:
        if t.database != database:
            continue
        columns = ", ".join(
            f'"{c.name}" {duckdb_type(c.type)}{"" if c.nullable else " NOT NULL"}'
            for c in t.columns
        )
        statements.append(f"CREATE TABLE {t.duckdb_name} ({columns})")
    return statements
