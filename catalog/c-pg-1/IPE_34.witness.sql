-- The largest marketplace item that was refunded and never returned, by the order system.
SELECT TOP (1)
    CAST(i.[company] AS nvarchar(20)) AS company_code,
    CAST(i.[id_sales_order_item] AS bigint) AS order_item_id,
    CAST(N'refunded, not returned' AS nvarchar(30)) AS liability,
    CAST(i.[amount_due] AS decimal(18, 4)) AS liability_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = i.[company]
WHERE co.[In Consolidation] = 1
    AND i.[is_marketplace] = @marketplace
    AND i.[delivered_at] < @cutoff
    AND i.[refunded_at] < @cutoff
    AND i.[returned_at] IS NULL
ORDER BY i.[amount_due] DESC, i.[company], i.[id_sales_order_item]
