-- Marketplace refund liability: refunded but not yet returned (the seller owes it, plus) and returned but not yet
-- refunded (the customer is owed it, minus).
SELECT
    CAST(s.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(s.[COD_OMS_ID_SALES_ORDER_ITEM] AS bigint) AS order_item_id,
    CAST(s.[COD_OMS_SALES_ORDER_NR] AS nvarchar(30)) AS order_number,
    CAST(N'refunded, not returned' AS nvarchar(30)) AS liability,
    CAST(s.[IS_MARKETPLACE] AS bit) AS is_marketplace,
    CAST(s.[DAT_DELIVERED] AS datetime) AS delivered_at,
    CAST(f.[DAT_REFUND] AS datetime) AS event_at,
    CAST(f.[DSC_REFUND_REASON] AS nvarchar(50)) AS reason,
    CAST(s.[DSC_REFUND_METHOD] AS nvarchar(50)) AS refund_method,
    CAST(f.[MTR_REFUND_AMOUNT] AS decimal(18, 4)) AS liability_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_REFUND_NO_RETURN] AS f
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
    ON s.[ID_COMPANY] = f.[ID_COMPANY] AND s.[COD_OMS_ID_SALES_ORDER_ITEM] = f.[COD_OMS_ID_SALES_ORDER_ITEM]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = s.[ID_COMPANY]
WHERE f.[DAT_REFUND] < @cutoff
    AND (f.[DAT_RETURN_RECEIVED] IS NULL OR f.[DAT_RETURN_RECEIVED] >= @cutoff)
    AND s.[IS_MARKETPLACE] = @marketplace
    AND dc.[Flg_In_Conso_Scope] = @in_scope

UNION ALL

SELECT
    CAST(s.[ID_COMPANY] AS nvarchar(20)),
    CAST(s.[COD_OMS_ID_SALES_ORDER_ITEM] AS bigint),
    CAST(s.[COD_OMS_SALES_ORDER_NR] AS nvarchar(30)),
    CAST(N'returned, not refunded' AS nvarchar(30)),
    CAST(s.[IS_MARKETPLACE] AS bit),
    CAST(s.[DAT_DELIVERED] AS datetime),
    CAST(s.[DAT_RETURNED] AS datetime),
    CAST(s.[Return_Reason?] AS nvarchar(50)),
    CAST(s.[DSC_REFUND_METHOD] AS nvarchar(50)),
    CAST(-(s.[MTR_PAID_PRICE] + s.[MTR_SHIPPING_FEE] - ISNULL(s.[MTR_STORE_CREDIT_USED], 0)) AS decimal(18, 4))
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = s.[ID_COMPANY]
WHERE s.[DAT_RETURNED] < @cutoff
    AND (s.[DAT_REFUND_EFFECTIVE] IS NULL OR s.[DAT_REFUND_EFFECTIVE] >= @cutoff)
    AND s.[IS_MARKETPLACE] = @marketplace
    AND dc.[Flg_In_Conso_Scope] = @in_scope
