-- From the transactions of the seller system alone, which carry the end of their statement themselves.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(r.[AMOUNT]) AS decimal(38, 20)) AS sum_accrued_amount_lcy,
    CAST(MIN(r.[ID_TRANSACTION]) AS bigint) AS min_transaction_id,
    CAST(MAX(r.[ID_TRANSACTION]) AS bigint) AS max_transaction_id
FROM [AIG_Nav_Jumia_Reconciliation].[RING].[RPT_TRANSACTIONS] AS r
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = r.[ID_COMPANY]
WHERE r.[CREATED_AT] >= @period_start
    AND r.[CREATED_AT] < @cutoff
    AND (r.[STATEMENT_END_DATE] IS NULL OR r.[STATEMENT_END_DATE] >= @cutoff)
    AND r.[TRANSACTION_TYPE] IN (@transaction_types)
    AND co.[In Consolidation] = 1
