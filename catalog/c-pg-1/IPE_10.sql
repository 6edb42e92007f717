-- Prepaid items that had been paid for but neither delivered nor refunded at the cutoff.
SELECT
    CAST(s.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(s.[COD_OMS_ID_SALES_ORDER_ITEM] AS bigint) AS order_item_id,
    CAST(s.[COD_OMS_SALES_ORDER_NR] AS nvarchar(30)) AS order_number,
    CAST(s.[PACKAGE_NUMBER] AS nvarchar(30)) AS package_number,
    CAST(s.[COD_BUSLINE] AS nvarchar(20)) AS busline_code,
    CAST(s.[COD_CUSTOMER_TYPE] AS nvarchar(20)) AS customer_type,
    CAST(s.[DSC_PAYMENT_METHOD] AS nvarchar(50)) AS payment_method,
    CAST(s.[DSC_PRODUCT_NAME] AS nvarchar(200)) AS product_name,
    CAST(s.[DSC_CITY] AS nvarchar(100)) AS city,
    CAST(s.[COD_HUB (last mile)] AS nvarchar(20)) AS hub_code,
    CAST(s.[DAT_ORDER_CREATED] AS datetime) AS ordered_at,
    CAST(s.[DAT_FINANCE_VERIFIED] AS datetime) AS paid_at,
    CAST(s.[DAT_CANCELLED] AS datetime) AS cancelled_at,
    CAST(s.[NUM_ITEM_IN_ORDER] AS smallint) AS item_in_order,
    CAST(CASE WHEN s.[DAT_CANCELLED] < @cutoff THEN N'refund pending' ELSE N'delivery pending' END AS nvarchar(20)) AS pending,
    CAST(s.[MTR_PAID_PRICE] AS decimal(18, 4)) AS paid_price_lcy,
    CAST(s.[MTR_SHIPPING_FEE] AS decimal(18, 4)) AS shipping_fee_lcy,
    CAST(s.[MTR_STORE_CREDIT_USED] AS decimal(18, 4)) AS store_credit_used_lcy,
    CAST(
        s.[MTR_PAID_PRICE] + s.[MTR_SHIPPING_FEE] - ISNULL(s.[MTR_STORE_CREDIT_USED], 0) AS decimal(18, 4)
    ) AS prepaid_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
WHERE s.[ID_COMPANY] IN (
        SELECT dc.[Company_Code]
        FROM [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
        WHERE dc.[Flg_In_Conso_Scope] = @in_scope AND dc.[Is_Active?] = 1
    )
    AND s.[IS_PREPAYMENT] = 1
    AND s.[DSC_PAYMENT_METHOD] IN (@payment_methods)
    AND s.[DAT_FINANCE_VERIFIED] < @cutoff
    AND (
        (
            -- not cancelled: waits for its delivery
            (s.[DAT_CANCELLED] IS NULL OR s.[DAT_CANCELLED] >= @cutoff)
            AND (
                s.[DAT_DELIVERED] IS NULL
                OR s.[DAT_DELIVERED] >= @cutoff
            )
            AND (
                s.[DAT_REFUND_EFFECTIVE] IS NULL
                OR s.[DAT_REFUND_EFFECTIVE] >= @cutoff
            )
        )
        OR (
            -- cancelled: waits for its refund
            s.[DAT_CANCELLED] < @cutoff
            AND (
                s.[DAT_REFUND_EFFECTIVE] IS NULL
                OR s.[DAT_REFUND_EFFECTIVE] >= @cutoff
            )
        )
    )
