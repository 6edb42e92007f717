-- NAV's own list of companies with the rates that Business Central keeps.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(
        SUM(CASE WHEN co.[Currency Code] = N'USD' THEN CAST(1 AS decimal(38, 20)) ELSE bc.[Relational Exch_ Rate Amount] END)
        AS decimal(38, 20)
    ) AS sum_lcy_per_usd
FROM [AIG_Nav_DW].[dbo].[Companies] AS co
LEFT JOIN [D365BC14_DZ].[dbo].[Jade DZ$Currency Exchange Rate] AS bc
    ON bc.[Currency Code] = co.[Currency Code]
    AND bc.[Starting Date] = @closing_date
WHERE co.[In Consolidation] = 1
