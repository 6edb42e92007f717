-- The largest transaction of the period without a statement, by the seller system.
SELECT TOP (1)
    CAST(r.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(r.[ID_TRANSACTION] AS bigint) AS transaction_id,
    CAST(r.[TRANSACTION_TYPE] AS nvarchar(50)) AS transaction_type,
    CAST(r.[AMOUNT] AS decimal(38, 20)) AS accrued_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[RING].[RPT_TRANSACTIONS] AS r
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = r.[ID_COMPANY]
WHERE r.[CREATED_AT] >= @period_start
    AND r.[CREATED_AT] < @cutoff
    AND r.[STATEMENT_END_DATE] IS NULL
    AND r.[TRANSACTION_TYPE] IN (@transaction_types)
    AND co.[In Consolidation] = 1
ORDER BY r.[AMOUNT] DESC, r.[ID_COMPANY], r.[ID_TRANSACTION]
