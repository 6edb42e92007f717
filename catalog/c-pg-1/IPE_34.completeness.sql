-- From the items of the order system: those with exactly one of the two events before the cutoff.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(
        SUM(CASE WHEN i.[refunded_at] < @cutoff THEN i.[amount_due] ELSE -i.[amount_due] END) AS decimal(38, 4)
    ) AS sum_liability_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = i.[company]
WHERE co.[In Consolidation] = 1
    AND i.[is_marketplace] = @marketplace
    AND i.[delivered_at] < @cutoff
    AND (
        (i.[refunded_at] < @cutoff AND ISNULL(i.[returned_at], @cutoff) >= @cutoff)
        OR (i.[returned_at] < @cutoff AND ISNULL(i.[refunded_at], @cutoff) >= @cutoff)
    )
