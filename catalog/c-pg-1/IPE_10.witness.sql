-- The oldest prepaid item of Nigeria that the order system has neither delivered nor cancelled to this day.
SELECT TOP (1)
    CAST(i.[company] AS nvarchar(20)) AS company_code,
    CAST(i.[id_sales_order_item] AS bigint) AS order_item_id,
    CAST(i.[order_nr] AS nvarchar(30)) AS order_number,
    CAST(i.[amount_due] AS decimal(18, 4)) AS prepaid_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
WHERE i.[company] = N'EC_NG'
    AND i.[is_prepaid] = 1
    AND i.[paid_at] < @cutoff
    AND i.[delivered_at] IS NULL
    AND i.[canceled_at] IS NULL
    AND i.[refunded_at] IS NULL
ORDER BY i.[id_sales_order_item]
