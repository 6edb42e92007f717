-- From the balances at the closing date, which count the entries that are not zero: no entry is read.
SELECT
    ISNULL(SUM(CAST(b.[No_of_Non_Zero_Entries] AS bigint)), 0) AS row_count,
    CAST(SUM(b.[Balance_At_Date (LCY)]) AS decimal(38, 20)) AS sum_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[V_BS_BALANCE_PER_CLOSING_DATE] AS b
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = b.[Company_Code]
WHERE b.[Closing_Date] = @closing_date
    AND co.[In Consolidation] = 1
    AND b.[G/L_Account_No] IN (@accounts)
