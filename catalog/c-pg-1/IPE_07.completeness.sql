-- Counted from the details alone, with the posting group that the detail itself carries and NAV's own list of
-- companies: neither the entries nor the customers nor the reconciliation database's dimensions are asked.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(per_entry.remaining_lcy) AS decimal(38, 20)) AS sum_remaining_amount_lcy
FROM (
    SELECT
        d.[id_company],
        d.[Cust_ Ledger Entry No_],
        SUM(d.[Amount (LCY)]) AS remaining_lcy
    FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS d
    INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
        ON co.[Company Code] = d.[id_company]
    INNER JOIN [AIG_Nav_DW].[dbo].[Customer Posting Groups] AS pg
        ON pg.[id_company] = d.[id_company] AND pg.[Code] = d.[Posting Group]
    INNER JOIN (
        SELECT whole.[id_company], whole.[Customer No_]
        FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS whole
        WHERE whole.[Posting Date] < @cutoff
        GROUP BY whole.[id_company], whole.[Customer No_]
        HAVING SUM(whole.[Amount (LCY)]) <> 0
    ) AS owing
        ON owing.[id_company] = d.[id_company] AND owing.[Customer No_] = d.[Customer No_]
    WHERE d.[Posting Date] < @cutoff
        AND d.[Cust_ Ledger Entry No_] <= @high_water_mark
        AND co.[In Consolidation] = 1
        AND pg.[Receivables Account] IN (@accounts)
    GROUP BY d.[id_company], d.[Cust_ Ledger Entry No_]
    HAVING SUM(d.[Amount (LCY)]) <> 0
) AS per_entry
