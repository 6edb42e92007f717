-- The largest open claim of Nigeria, found among the details.
SELECT TOP (1)
    CAST(d.[id_company] AS nvarchar(20)) AS company_code,
    CAST(d.[Cust_ Ledger Entry No_] AS int) AS entry_no,
    CAST(MAX(d.[Customer No_]) AS nvarchar(20)) AS customer_no,
    CAST(SUM(d.[Amount (LCY)]) AS decimal(38, 20)) AS remaining_amount_lcy
FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS d
INNER JOIN [AIG_Nav_DW].[dbo].[Customer Posting Groups] AS pg
    ON pg.[id_company] = d.[id_company] AND pg.[Code] = d.[Posting Group]
WHERE d.[Posting Date] < @cutoff
    AND d.[id_company] = N'EC_NG'
    AND d.[Cust_ Ledger Entry No_] <= @high_water_mark
    AND pg.[Receivables Account] IN (@accounts)
    AND d.[Customer No_] IN (
        SELECT whole.[Customer No_]
        FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS whole
        WHERE whole.[Posting Date] < @cutoff AND whole.[id_company] = N'EC_NG'
        GROUP BY whole.[Customer No_]
        HAVING SUM(whole.[Amount (LCY)]) <> 0
    )
GROUP BY d.[id_company], d.[Cust_ Ledger Entry No_]
ORDER BY SUM(d.[Amount (LCY)]) DESC, d.[Cust_ Ledger Entry No_]
