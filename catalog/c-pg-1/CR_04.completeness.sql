-- The same balances added up from the ledger's entries.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(per_account.balance_lcy) AS decimal(38, 20)) AS sum_balance_lcy,
    CAST(SUM(per_account.change_lcy) AS decimal(38, 20)) AS sum_net_change_lcy,
    SUM(CAST(per_account.entries AS bigint)) AS sum_entry_count
FROM (
    SELECT
        g.[id_company],
        g.[G/L_Account_No],
        SUM(g.[Amount]) AS balance_lcy,
        SUM(CASE WHEN g.[Posting Date] >= @period_start THEN g.[Amount] ELSE 0 END) AS change_lcy,
        COUNT(*) AS entries
    FROM [AIG_Nav_DW].[dbo].[G_L Entries] AS g
    INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
        ON co.[Company Code] = g.[id_company]
    WHERE g.[Posting Date] < @cutoff
        AND co.[In Consolidation] = 1
        AND g.[G/L_Account_No] IN (@accounts)
    GROUP BY g.[id_company], g.[G/L_Account_No]
) AS per_account
