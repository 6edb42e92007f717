-- Customer balances at the cutoff, entry by entry.
-- What remains of an entry is the sum of its details posted before the cutoff, so the answer for a past month
-- does not change when the entry is settled later. Each run of the query takes one range of entry numbers.
WITH entry_balance AS (
    SELECT
        d.[id_company],
        d.[Cust_ Ledger Entry No_],
        SUM(d.[Amount (LCY)]) AS remaining_lcy
    FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS d
    WHERE d.[Posting Date] < @cutoff
        AND d.[Cust_ Ledger Entry No_] > @after
        AND d.[Cust_ Ledger Entry No_] <= @upto
    GROUP BY d.[id_company], d.[Cust_ Ledger Entry No_]
    HAVING SUM(d.[Amount (LCY)]) <> 0
),
customer_balance AS (
    SELECT
        d.[id_company],
        d.[Customer No_]
    FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS d
    WHERE d.[Posting Date] < @cutoff
    GROUP BY d.[id_company], d.[Customer No_]
    HAVING SUM(d.[Amount (LCY)]) <> 0
)
SELECT
    CAST(e.[id_company] AS nvarchar(20)) AS company_code,
    CAST(e.[Entry No_] AS int) AS entry_no,
    CAST(dc.[Opco/Central_?] AS nvarchar(10)) AS opco_or_central,
    CAST(pg.[Receivables Account] AS nvarchar(20)) AS gl_account,
    CAST(e.[Customer No_] AS nvarchar(20)) AS customer_no,
    CAST(c.[Name] AS nvarchar(100)) AS customer_name,
    CAST(e.[Posting Date] AS datetime) AS posting_date,
    CAST(e.[Due Date] AS datetime) AS due_date,
    CAST(e.[Document Type] AS nvarchar(20)) AS document_type,
    CAST(e.[Document No_] AS nvarchar(20)) AS document_no,
    CAST(e.[External Document No_] AS nvarchar(35)) AS external_document_no,
    CAST(e.[Description] AS nvarchar(100)) AS description,
    CAST(e.[Currency Code] AS nvarchar(10)) AS currency_code,
    CAST(e.[Busline Code] AS nvarchar(20)) AS busline_code,
    CAST(bl.[Reporting_Group] AS nvarchar(50)) AS busline_group,
    CAST(e.[Reason Code] AS nvarchar(10)) AS reason_code,
    CAST(e.[User ID] AS nvarchar(50)) AS user_id,
    CAST(e.[Original Amt_ (LCY)] AS decimal(38, 20)) AS original_amount_lcy,
    CAST(eb.remaining_lcy AS decimal(38, 20)) AS remaining_amount_lcy
FROM [AIG_Nav_DW].[dbo].[Customer Ledger Entries] AS e
INNER JOIN entry_balance AS eb
    ON eb.[id_company] = e.[id_company] AND eb.[Cust_ Ledger Entry No_] = e.[Entry No_]
INNER JOIN customer_balance AS cb
    ON cb.[id_company] = e.[id_company] AND cb.[Customer No_] = e.[Customer No_]
INNER JOIN [AIG_Nav_DW].[dbo].[Customers] AS c
    ON c.[id_company] = e.[id_company] AND c.[No_] = e.[Customer No_]
INNER JOIN [AIG_Nav_DW].[dbo].[Customer Posting Groups] AS pg
    ON pg.[id_company] = e.[id_company] AND pg.[Code] = e.[Customer Posting Group]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = e.[id_company]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Busline] AS bl
    ON bl.[Busline_Code] = e.[Busline Code]
WHERE dc.[Flg_In_Conso_Scope] = @in_scope
    AND pg.[Receivables Account] IN (@accounts)
    AND e.[Entry No_] > @after
    AND e.[Entry No_] <= @upto
