-- From the items of the order system, where the whole condition is two dates.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(i.[amount_due]) AS decimal(38, 4)) AS sum_prepaid_amount_lcy,
    CAST(MAX(i.[paid_at]) AS datetime) AS max_paid_at
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = i.[company]
WHERE co.[In Consolidation] = 1
    AND i.[is_prepaid] = 1
    AND i.[paid_at] < @cutoff
    AND ISNULL(i.[delivered_at], @cutoff) >= @cutoff
    AND ISNULL(i.[refunded_at], @cutoff) >= @cutoff
