-- From the order system's packlists, which carry the three dates themselves.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(k.[amount_to_collect]) AS decimal(38, 20)) AS sum_collected_amount_lcy,
    CAST(
        SUM(CASE WHEN k.[banked_at] < @cutoff THEN CAST(0 AS decimal(38, 20)) ELSE k.[amount_to_collect] END) AS decimal(38, 20)
    ) AS sum_outstanding_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[PACKLIST] AS k
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = k.[company]
WHERE co.[In Consolidation] = 1
    AND k.[closed_at] < @cutoff
    AND (k.[banked_at] IS NULL OR k.[banked_at] >= @period_start)
