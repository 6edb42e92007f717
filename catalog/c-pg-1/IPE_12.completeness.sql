-- From the items of the order system, by its own date of the cash.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(per_package.due_lcy) AS decimal(38, 4)) AS sum_outstanding_amount_lcy,
    CAST(SUM(per_package.items) AS bigint) AS sum_item_count,
    CAST(MIN(per_package.delivered_at) AS datetime) AS min_delivered_at
FROM (
    SELECT
        i.[company],
        i.[package_number],
        SUM(i.[amount_due]) AS due_lcy,
        COUNT(*) AS items,
        MAX(i.[delivered_at]) AS delivered_at
    FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
    INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
        ON co.[Company Code] = i.[company]
    WHERE co.[In Consolidation] = 1
        AND i.[is_prepaid] = 0
        AND i.[delivered_at] < @cutoff
        AND ISNULL(i.[cash_reconciled_at], @cutoff) >= @cutoff
    GROUP BY i.[company], i.[package_number]
) AS per_package
